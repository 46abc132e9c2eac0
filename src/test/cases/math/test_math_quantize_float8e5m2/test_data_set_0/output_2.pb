
J<ELNÅÚÖLXÜÚÄFHLLÌKJKÏÈK=MÉÆMÅÉÁÔRÅÉLÒJÊÒLßf^ììàbìáç¯<<¾µ@;ÀD=