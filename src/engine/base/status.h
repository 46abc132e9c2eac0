/*
 * status.h - how the engine reports failure.
 *
 * Every fallible function returns a MaasStatus and writes the detail into the
 * caller's MaasError, which is never NULL.  The engine never aborts, exits,
 * prints, longjmps or throws.  src/pg/border.c turns a status into ereport.
 */
#ifndef MAAS_BASE_STATUS_H
#define MAAS_BASE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum MaasStatus {
    MAAS_OK = 0,
    MAAS_ERR_MEMORY,      /* the allocator gave nothing */
    MAAS_ERR_LIMIT,       /* a configured limit (memory, nesting, size) would be exceeded */
    MAAS_ERR_CANCEL,      /* the stop flag was seen; results are incomplete */
    MAAS_ERR_FORMAT,      /* malformed bytes or text */
    MAAS_ERR_UNSUPPORTED, /* well-formed, but an operator, type or opset that this build cannot run */
    MAAS_ERR_TYPE,        /* element type or kind differs from what is expected */
    MAAS_ERR_SHAPE,       /* rank or dimension differs from what is expected */
    MAAS_ERR_VALUE,       /* content out of range: an index, an axis, an attribute */
    MAAS_ERR_NAME,        /* an unknown, missing or duplicate name */
    MAAS_ERR_INTERNAL     /* a bug in the engine that was caught */
} MaasStatus;

typedef struct MaasError {
    MaasStatus status;
    char message[1024]; /* what, where, expected, got; one sentence without a final stop */
    char detail[3072];  /* "" or more: lists that are too long for the message */
    char hint[512];     /* "" or the next step for the user */
} MaasError;

/* Records a failure and returns its status, so that a caller can write: return maas_fail(...). */
MaasStatus maas_fail(MaasError *err, MaasStatus status, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* Adds to the detail or the hint of a failure that is already recorded; cut off where it does not fit. */
void maas_error_detail(MaasError *err, const char *format, ...) __attribute__((format(printf, 2, 3), cold));
void maas_error_hint(MaasError *err, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* Puts "prefix: " before the message, to say where a failure of a lower floor happened. */
void maas_error_prefix(MaasError *err, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* Returns from the calling function when a call fails. */
#define MAAS_TRY(call)                                                                                             \
    do {                                                                                                           \
        MaasStatus maas_try_status = (call);                                                                       \
        if (maas_try_status != MAAS_OK)                                                                            \
            return maas_try_status;                                                                                \
    } while (0)

/* What a long computation polls to be stopped from outside: flags that somebody else, a signal handler too, sets.
 */
typedef struct MaasStop {
    const volatile int *flags[2]; /* each may be NULL */
} MaasStop;

static inline bool maas_stop_raised(const MaasStop *stop)
{
    return (stop->flags[0] && *stop->flags[0]) || (stop->flags[1] && *stop->flags[1]);
}

#endif
