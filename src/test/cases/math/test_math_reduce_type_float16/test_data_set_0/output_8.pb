
J4AIAWATA‰AA