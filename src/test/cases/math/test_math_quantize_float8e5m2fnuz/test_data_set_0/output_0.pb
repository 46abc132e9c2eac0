
J<IPRÉÞÚP\àÞÈJLPPÐONOÓÌOAQÍÊQÉÍÅØVÉÍPÖNÎÖPãjbððäfðåë³@@Â¹D?ÄHA