/*
 * scalar.h - single SQL values as the numbers that models compute with.
 */
#ifndef MAAS_PG_RUN_SCALAR_H
#define MAAS_PG_RUN_SCALAR_H

#include "fmgr.h"

/* Whether the type is date, timestamp or timestamp with time zone. */
bool ScalarIsTime(Oid type);
/* Such a value in seconds since 1970-01-01 00:00, UTC; NaN for infinity. */
double ScalarTime(Oid type, Datum value);

/* Whether the type is an integer, a floating-point number or numeric. */
bool ScalarIsNumber(Oid type);
double ScalarNumber(Oid type, Datum value);

#endif
