
J(`S¿N`P¿N¿N@N@N¿N¿L@M‡Q¿M@M`P‡P@UÄRÄRÄS@T