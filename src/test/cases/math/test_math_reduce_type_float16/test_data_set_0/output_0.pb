
J¿JK8K/KÁLwJ