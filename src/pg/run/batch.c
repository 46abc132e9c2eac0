/*
 * batch.c - examples that are gathered and run together: the model, the runs, the answers.
 *
 * Examples of the same shapes form a group, whose buffers are kept from one filling to the next (batch_add.c). When
 * the run of a group needs too much memory, it is made in halves; when it fails, or its results do not come apart
 * (batch_answer.c), each example has a run of its own when its answer is asked for, and its own error.
 *
 * Memory: groups and buffers lie in batch->context, strings and answers in batch->values, which each filling
 * empties.
 */
#include "postgres.h"
#include "compat.h"

#include <limits.h>

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "answer.h"
#include "batch.h"

Batch *BatchNew(MemoryContext context, BatchInput input, bool content, const FmgrInfo *flinfo)
{
    Batch *batch = MemoryContextAllocZero(context, sizeof(*batch));

    batch->input = input;
    batch->content = content;
    batch->flinfo = flinfo;
    batch->context = AllocSetContextCreate(context, "maas batch", ALLOCSET_DEFAULT_SIZES);
    batch->values = AllocSetContextCreate(context, "maas batch values", ALLOCSET_DEFAULT_SIZES);
    batch->most = INT_MAX;
    return batch;
}

int BatchAddReader(Batch *batch, BatchAnswerKind answer)
{
    Assert(batch->n_readers < BATCH_READERS);
    batch->readers[batch->n_readers].answer = answer;
    return batch->n_readers++;
}

void BatchBegin(Batch *batch)
{
    /* Shapes that come and go must not pile up. */
    if (batch->budget && batch->held > 4 * batch->budget) {
        for (int g = 0; g < batch->n_groups; g++)
            BatchClearGroup(batch, &batch->groups[g]);
        batch->n_groups = 0;
    }
    for (int g = 0; g < batch->n_groups; g++)
        batch->groups[g].n = 0;
    batch->bytes = 0;
    batch->row_group = -1;
    MemoryContextReset(batch->values);
}

bool BatchMayWait(void)
{
    int code = geterrcode();

    return code != ERRCODE_QUERY_CANCELED && code != ERRCODE_ADMIN_SHUTDOWN && code != ERRCODE_CRASH_SHUTDOWN &&
           code != ERRCODE_T_R_SERIALIZATION_FAILURE && code != ERRCODE_T_R_DEADLOCK_DETECTED;
}

/* ---- the model ---- */

const ModelRef *BatchFind(const Batch *batch)
{
    struct varlena *name = PG_DETOAST_DATUM_PACKED(batch->model);

    if (batch->content)
        return LookupContent(batch->flinfo, (const uint8 *)VARDATA_ANY(name));
    return LookupModel(batch->flinfo, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
}

bool BatchSameVersion(const ModelRef *a, const ModelRef *b)
{
    return a->model == b->model && a->number == b->number && memcmp(a->sha256, b->sha256, MODEL_SHA256_BYTES) == 0;
}

/* The outputs that a reader's answer is made from; throws when there is no such output. */
static void ChooseOutputs(const Batch *batch, BatchReader *reader, const Call *call)
{
    const MaasModelInfo *info = call->info;

    reader->wanted = MemoryContextAlloc(batch->context, sizeof(int) * Max(info->n_outputs, 1));
    reader->at = MemoryContextAlloc(batch->context, sizeof(int) * Max(info->n_outputs, 1));
    reader->n_wanted = 1;
    switch (reader->answer) {
    case BATCH_TO_TENSOR:
        reader->wanted[0] = CallOutput(call, reader->output);
        break;
    case BATCH_TO_LABEL:
        reader->wanted[0] = AnswerHasLabel(call) ? info->label : info->scores;
        break;
    case BATCH_TO_SCORE:
        reader->wanted[0] = info->scores;
        break;
    case BATCH_TO_JSON:
        reader->n_wanted = info->n_outputs;
        for (int i = 0; i < info->n_outputs; i++)
            reader->wanted[i] = i;
        break;
    }
    reader->together = true;
    for (int k = 0; k < reader->n_wanted; k++) {
        const MaasPort *output = &info->outputs[reader->wanted[k]];

        if (output->mixed || output->kind != MAAS_KIND_TENSOR)
            reader->together = false;
    }
}

/* Adds the reader's outputs to those that a run gives. */
static void WantOutputs(Batch *batch, BatchReader *reader)
{
    for (int k = 0; k < reader->n_wanted; k++) {
        int i = 0;

        while (i < batch->n_wanted && batch->wanted[i] != reader->wanted[k])
            i++;
        if (i == batch->n_wanted)
            batch->wanted[batch->n_wanted++] = reader->wanted[k];
        reader->at[k] = i;
    }
}

bool BatchTakes(const MaasPort *port)
{
    return port->kind == MAAS_KIND_TENSOR && port->rank >= 1 && port->dims[0] < 0;
}

static void Learn(Batch *batch, const ModelRef *ref, const MaasModelInfo *info)
{
    Call call = {.ref = ref, .info = info};
    int required = 0;

    batch->known = false;
    batch->n_groups = 0;
    batch->last = NULL;
    batch->held = 0;
    MemoryContextReset(batch->context);
    for (int r = 0; r < batch->n_readers; r++)
        ChooseOutputs(batch, &batch->readers[r], &call);
    batch->n_wanted = 0;
    batch->wanted = MemoryContextAlloc(batch->context, sizeof(int) * Max(info->n_outputs + 1, 1));
    for (int r = 0; r < batch->n_readers; r++)
        if (batch->readers[r].together)
            WantOutputs(batch, &batch->readers[r]);
    batch->ref = *ref;
    batch->n_inputs = info->n_inputs;
    batch->row_group = -1;
    batch->row_types = MemoryContextAllocZero(batch->context, sizeof(MaasType) * Max(info->n_inputs, 1));
    batch->row_places = MemoryContextAllocZero(batch->context, sizeof(void *) * Max(info->n_inputs, 1));
    batch->only = -1;
    batch->most = INT_MAX;
    batch->joinable = info->n_inputs > 0 && batch->n_wanted > 0;
    for (int i = 0; i < info->n_inputs; i++) {
        if (info->inputs[i].optional)
            continue;
        if (!BatchTakes(&info->inputs[i]))
            batch->joinable = false;
        batch->only = i;
        required++;
    }
    if (required == 0)
        batch->joinable = false;
    if (required != 1)
        batch->only = -1;
    if (batch->joinable && batch->only >= 0) {
        const MaasPort *port = &info->inputs[batch->only];

        batch->type = port->type;
        batch->rank = port->rank;
        memcpy(batch->dims, port->dims, sizeof(port->dims[0]) * port->rank);
    }
    batch->known = true;
}

bool BatchReady(Batch *batch)
{
    const ModelRef *ref;
    Prepared *prepared;

    if (batch->content && VARSIZE_ANY_EXHDR(DatumGetPointer(batch->model)) != MODEL_SHA256_BYTES)
        return false; /* a call of its own says so */
    ref = BatchFind(batch);
    if (!batch->known || !BatchSameVersion(&batch->ref, ref)) {
        prepared = PreparedGet(ref);
        Learn(batch, ref, prepared->info);
    }
    StatementNow(batch->flinfo, &batch->at);
    return batch->joinable;
}

/* ---- running ---- */

/* Wraps the examples from `from` as the inputs of a call; false when the model is no longer the same. */
static bool WrapExamples(Batch *batch, const BatchGroup *group, Call *call, int from, int n)
{
    MaasError err;

    CallBeginRef(call, BatchFind(batch));
    if (!BatchSameVersion(call->ref, &batch->ref))
        return false;
    for (int i = 0; i < batch->n_inputs; i++) {
        const BatchPart *part = &group->parts[i];
        int64_t dims[MAAS_MAX_RANK];

        if (!part->bound)
            continue;
        memcpy(dims, part->dims, sizeof(dims));
        dims[0] = n;
        CALL_CHECK(call,
                   maas_value_wrap(&call->mem, part->type, part->rank, dims, part->data + part->bytes * from,
                                   &call->inputs[i], &err),
                   &err);
    }
    return true;
}

/* Cuts the results under the net: an answer that cannot be made is left to its row. */
static void TakeSafely(Batch *batch, BatchGroup *group, Call *call, int from, int n)
{
    MemoryContext old = MemoryContextSwitchTo(batch->values);

    PG_TRY();
    {
        for (int r = 0; r < batch->n_readers; r++) {
            int at = r * group->room + from;

            if (batch->readers[r].together &&
                BatchTake(&batch->readers[r], group->single, call, n, group->answers + at))
                memset(group->answered + at, true, n);
        }
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(old);
        if (!BatchMayWait())
            PG_RE_THROW();
        FlushErrorState();
    }
    PG_END_TRY();
    MemoryContextSwitchTo(old);
}

/* Runs n examples; those that fail stay without an answer. */
static void RunExamples(Batch *batch, BatchGroup *group, int from, int n)
{
    MaasStatus status = MAAS_OK;
    MaasError err;
    Call call;
    bool same = WrapExamples(batch, group, &call, from, n);
    size_t peak;

    if (same) {
        instr_time start, end;

        if (batch->timing)
            INSTR_TIME_SET_CURRENT(start);
        status = CallTry(&call, batch->n_wanted, batch->wanted, &err);
        if (batch->timing) {
            INSTR_TIME_SET_CURRENT(end);
            INSTR_TIME_SUBTRACT(end, start);
            batch->time += INSTR_TIME_GET_DOUBLE(end);
        }
        batch->runs++;
        if (status == MAAS_OK)
            TakeSafely(batch, group, &call, from, n);
    }
    peak = call.mem.peak;
    CallEnd(&call);
    if ((status == MAAS_ERR_MEMORY || status == MAAS_ERR_LIMIT) && n > 1) {
        batch->most = Max(n / 2, 1);
        RunExamples(batch, group, from, n / 2);
        RunExamples(batch, group, from + n / 2, n - n / 2);
    } else if (batch->budget && peak > batch->budget)
        batch->most = Max((int)(n * (double)batch->budget / peak), 1);
}

void BatchRun(Batch *batch)
{
    for (int g = 0; g < batch->n_groups; g++) {
        BatchGroup *group = &batch->groups[g];

        if (group->n == 0)
            continue;
        memset(group->answered, false, (Size)group->room * batch->n_readers);
        for (int from = 0; from < group->n;) {
            int n = Min(group->n - from, batch->most);

            RunExamples(batch, group, from, n);
            from += n;
        }
    }
}

bool BatchHasAnswer(const Batch *batch, int reader, BatchPlace place)
{
    const BatchGroup *group = &batch->groups[place.group];

    return group->answered[reader * group->room + place.index] && StatementStill(&batch->at);
}

/* The answer that a run of the one example gives. */
static pg_noinline Datum AnswerAlone(Batch *batch, BatchGroup *group, int reader, int index)
{
    MemoryContext old;
    Datum answer = (Datum)0;
    Call call;

    if (!WrapExamples(batch, group, &call, index, 1))
        elog(ERROR, "model \"%s\" became another while the query ran", call.ref->name);
    call.single = group->single;
    old = MemoryContextSwitchTo(batch->values);
    switch (batch->readers[reader].answer) {
    case BATCH_TO_TENSOR:
        answer = AnswerTensor(&call, batch->readers[reader].output);
        break;
    case BATCH_TO_LABEL:
        answer = AnswerLabel(&call);
        break;
    case BATCH_TO_SCORE:
        answer = AnswerScore(&call);
        break;
    case BATCH_TO_JSON:
        answer = AnswerJson(&call);
        break;
    }
    MemoryContextSwitchTo(old);
    CallEnd(&call);
    return answer;
}

Datum BatchAnswer(Batch *batch, int reader, BatchPlace place)
{
    BatchGroup *group = &batch->groups[place.group];
    int at = reader * group->room + place.index;

    if (!StatementStill(&batch->at)) {
        /* Another pass of the executor, or another role: the right is asked for again. */
        if (!BatchSameVersion(BatchFind(batch), &batch->ref))
            memset(group->answered, false, (Size)group->room * batch->n_readers);
        StatementNow(batch->flinfo, &batch->at);
    }
    return group->answered[at] ? group->answers[at] : AnswerAlone(batch, group, reader, place.index);
}
