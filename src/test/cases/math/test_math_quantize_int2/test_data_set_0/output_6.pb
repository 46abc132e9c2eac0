
JZj••Všjši–šziY