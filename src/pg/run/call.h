/*
 * call.h - one run of a model for a SQL function: from the name to the results.
 *
 *     Call call;
 *     CallBegin(&call, fcinfo->flinfo, PG_GETARG_TEXT_PP(0));
 *     BindTensor(&call, &view);                  or another of bind.h
 *     view = CallRunOne(&call, CallOutput(&call, NULL));
 *     result = TensorMake(&view);
 *     CallEnd(&call);
 *
 * No SQL may run between CallBegin and CallEnd: the model and the memory of the call are this backend's only ones.
 */
#ifndef MAAS_PG_RUN_CALL_H
#define MAAS_PG_RUN_CALL_H

#include "cache/session.h"

typedef struct Call {
    const ModelRef *ref;
    Prepared *prepared;
    const MaasModelInfo *info;
    MemoryContext context; /* of the call; mem and everything that is bound live here */
    MaasMem mem;
    MaasValue **inputs; /* info->n_inputs; NULL: not bound */
    bool single;        /* a leading dimension of 1 was added to an input */
    MaasResults *results;
} Call;

/* Looks the model up as the caller and prepares it. */
void CallBegin(Call *call, const FmgrInfo *flinfo, const text *name);
/* The same for a model that was looked up. */
void CallBeginRef(Call *call, const ModelRef *ref);
void CallEnd(Call *call);

/* The number of an output by its name (NULL: the scores); throws when there is none. */
int CallOutput(const Call *call, const text *name);

/* Runs the model for these outputs; they are in call->results.  Try leaves a failure to the caller, but for those
 * that end the query. */
MaasStatus CallTry(Call *call, int n_wanted, const int *wanted, MaasError *err);
void CallRun(Call *call, int n_wanted, const int *wanted);

/* The same for one output, which must be a tensor.  The view is without the dimension that was added. */
MaasTensor CallRunOne(Call *call, int wanted);

/* Throws err as a failure of this model. */
pg_noreturn void CallThrow(const Call *call, MaasError *err);

#define CALL_CHECK(call, expression, err)                                                                          \
    do {                                                                                                           \
        if ((expression) != MAAS_OK)                                                                               \
            CallThrow(call, err);                                                                                  \
    } while (0)

/* The shape of an input or output for a message: "[N,30]". */
const char *CallShape(const MaasPort *port);

#endif
