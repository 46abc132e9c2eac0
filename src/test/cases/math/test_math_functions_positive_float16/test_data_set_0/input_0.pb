	
JHßB­C=ˆ?®D¾?a:èCô=ÔDß:‡=ðDƒ@ÿ5jCôD2fB"<`CŠ>ÛD|?0D<MBˆ@UB‹<“D®AK0ë4nBà)