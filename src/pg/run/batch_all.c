/*
 * batch_all.c - a batch that is given all its examples at once; what cannot be joined is a call of its own.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"

#include "answer.h"
#include "batch.h"
#include "bind.h"
#include "type/tensor.h"

/* An example that has to be a call of its own. */
static Datum Alone(const Batch *batch, Datum example)
{
    Call call;
    MaasTensor view;
    Datum answer;

    CallBegin(&call, batch->flinfo, DatumGetTextPP(batch->model));
    if (batch->input == BATCH_ROW)
        BindRow(&call, DatumGetHeapTupleHeader(example));
    else {
        TensorView(DatumGetTensor(example), &view);
        BindTensor(&call, &view);
    }
    answer = AnswerTensor(&call, batch->readers[0].output);
    CallEnd(&call);
    return answer;
}

void BatchAnswerAll(Batch *batch, int n, Datum *examples, const bool *nulls)
{
    BatchPlace *places = palloc(sizeof(BatchPlace) * n);
    bool *joined = palloc0(sizeof(bool) * n);
    bool ready = false, asked = false;

    BatchBegin(batch);
    for (int k = 0; k < n; k++) {
        if (nulls[k])
            continue;
        if (!asked)
            ready = BatchReady(batch);
        asked = true;
        joined[k] = ready && BatchAdd(batch, examples[k], &places[k]);
    }
    BatchRun(batch);
    for (int k = 0; k < n; k++)
        if (!nulls[k])
            examples[k] = joined[k] ? BatchAnswer(batch, 0, places[k]) : Alone(batch, examples[k]);
    pfree(places);
    pfree(joined);
}
