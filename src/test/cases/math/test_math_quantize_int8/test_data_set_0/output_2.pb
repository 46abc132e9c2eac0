
J<>AD:Ajç÷P_cqo;mim-ÍûâÌÓÔÌÚ%P;9C,A8*C{gc{ezs¸¾¾±·Ã½¯Î¿