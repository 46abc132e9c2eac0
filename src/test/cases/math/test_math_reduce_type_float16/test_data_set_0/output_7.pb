
JIùI	JÚI·LI