2
aab abb ab