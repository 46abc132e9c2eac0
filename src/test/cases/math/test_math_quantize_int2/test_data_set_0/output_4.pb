
JZj••Fšjši¶šJiY