
JrCÄCÖCCÓCaC