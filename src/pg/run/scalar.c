/*
 * scalar.c - single SQL values as the numbers that models compute with.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "scalar.h"

#define SECONDS_FROM_1970 ((double)(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

bool ScalarIsTime(Oid type)
{
    return type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID;
}

double ScalarTime(Oid type, Datum value)
{
    if (type == DATEOID) {
        DateADT date = DatumGetDateADT(value);

        return DATE_NOT_FINITE(date) ? NAN : (double)date * SECS_PER_DAY + SECONDS_FROM_1970;
    } else {
        Timestamp time = DatumGetTimestamp(value);

        return TIMESTAMP_NOT_FINITE(time) ? NAN : (double)time / USECS_PER_SEC + SECONDS_FROM_1970;
    }
}

bool ScalarIsNumber(Oid type)
{
    return type == INT2OID || type == INT4OID || type == INT8OID || type == FLOAT4OID || type == FLOAT8OID ||
           type == NUMERICOID;
}

double ScalarNumber(Oid type, Datum value)
{
    switch (type) {
    case INT2OID:
        return DatumGetInt16(value);
    case INT4OID:
        return DatumGetInt32(value);
    case INT8OID:
        return (double)DatumGetInt64(value);
    case FLOAT4OID:
        return DatumGetFloat4(value);
    case FLOAT8OID:
        return DatumGetFloat8(value);
    default:
        return DatumGetFloat8(DirectFunctionCall1(numeric_float8, value));
    }
}
