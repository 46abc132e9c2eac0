
JªBêBóBØBXDdB