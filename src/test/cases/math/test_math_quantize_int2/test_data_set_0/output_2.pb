
J”Zj••Všjši–šziY