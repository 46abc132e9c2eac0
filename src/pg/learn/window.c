/*
 * window.c - prepared rows in memory: read from the table, prepared a chunk at a time, given out in batches.
 *
 * Windows and the loader live in the memory context that is current when they are made.
 */
#include "postgres.h"
#include "compat.h"

#include <sys/mman.h>

#include "access/htup_details.h"
#include "utils/memutils.h"

#include "run/bind.h"
#include "window.h"

#define CHUNK_BYTES ((Size)128 * 1024) /* what its rows become on the way stays in the processor's second cache */
#define CHUNK_ROWS 1024
#define LARGE_PAGE ((Size)2 * 1024 * 1024)

/* ---- raw values ---- */

static Size RawBytes(const Source *source)
{
    int64 elements = 1;

    switch (source->column.kind) {
    case MAAS_COLUMN_CATEGORY:
    case MAAS_COLUMN_TEXT:
        return sizeof(MaasStr);
    case MAAS_COLUMN_BOOL:
        return source->column.missing ? sizeof(double) : sizeof(uint8);
    case MAAS_COLUMN_TENSOR:
        for (int d = 0; d < source->column.rank; d++)
            elements *= source->column.dims[d];
        return maas_type_size(source->column.type) * elements;
    default:
        return sizeof(double);
    }
}

static MaasType RawType(const Source *source)
{
    switch (source->column.kind) {
    case MAAS_COLUMN_CATEGORY:
    case MAAS_COLUMN_TEXT:
        return MAAS_STRING;
    case MAAS_COLUMN_BOOL:
        return source->column.missing ? MAAS_DOUBLE : MAAS_BOOL;
    case MAAS_COLUMN_TENSOR:
        return source->column.type;
    default:
        return MAAS_DOUBLE;
    }
}

static void ReadColumn(Loader *loader, int i)
{
    const Table *table = loader->table;
    const Source *source = &table->sources[i];
    char *to = (char *)loader->columns[i] + loader->rows * RawBytes(source);

    switch (RawType(source)) {
    case MAAS_STRING: {
        MaasStr text = SourceText(table, source), *place = (MaasStr *)to;
        char *copy = MemoryContextAlloc(loader->context, Max(text.length, 1));

        memcpy(copy, text.data, text.length);
        *place = (MaasStr){copy, text.length};
        break;
    }
    case MAAS_BOOL:
        *(uint8 *)to = SourceNumber(table, source) != 0;
        break;
    case MAAS_DOUBLE:
        *(double *)to = SourceNumber(table, source);
        break;
    default:
        SourceElements(table, source, to);
    }
}

/* Reads rows into the chunk. */
static void ReadChunk(Loader *loader, int64 limit)
{
    Table *table = loader->table;
    bool apart;

    loader->rows = 0;
    MemoryContextReset(loader->context);
    while (loader->rows < limit && !loader->ended) {
        MemoryContext old;

        if (!TableNext(table, &apart)) {
            loader->ended = true;
            break;
        }
        old = MemoryContextSwitchTo(table->row);
        for (int i = 0; i < table->n_sources; i++)
            ReadColumn(loader, i);
        loader->apart[loader->rows] = apart;
        if (table->task == MAAS_TASK_CLASSIFY)
            loader->classes[loader->rows] = TableClass(table);
        else
            TableNumbers(table, loader->numbers + loader->rows * table->target_info.n);
        if (loader->weights)
            loader->weights[loader->rows] = (float)TableWeight(table);
        loader->rows++;
        MemoryContextSwitchTo(old);
    }
}

/* ---- preparing ---- */

static void LoadPreparation(Loader *loader)
{
    BorderRun run = BORDER_RUN_INIT;
    MaasRunOptions options;
    MaasStatus status;
    MaasError err = {0};
    MaasArena arena;
    void *bytes;
    size_t n_bytes;

    BorderMem(&loader->model_mem, CurrentMemoryContext);
    BORDER_CHECK(maas_prepare_to_onnx(&loader->table->learned, &loader->model_mem, &bytes, &n_bytes, &err), &err);
    do {
        BorderRunOptions(&run, &options, &loader->model_mem);
        status = maas_model_load(bytes, n_bytes, &options, &loader->model, &err);
    } while (BorderAgain(&run, status));
    BORDER_CHECK(status, &err);
    maas_free(&loader->model_mem, bytes);
    maas_arena_init(&arena, &loader->model_mem);
    BORDER_CHECK(maas_prepare_ports(&loader->table->learned, &arena, &loader->n_ports, &loader->ports, &err), &err);
}

/* ---- binding ---- */

/* Reads one row and binds it; false at the end.  The call is to be ended. */
static bool BindNext(Loader *loader, Call *call)
{
    Table *table = loader->table;
    MemoryContext old;
    Datum row;
    bool apart;

    if (!TableNext(table, &apart)) {
        loader->ended = true;
        return false;
    }
    old = MemoryContextSwitchTo(table->row);
    row = TableFeatures(table);
    loader->apart[0] = apart;
    if (table->task == MAAS_TASK_CLASSIFY)
        loader->classes[0] = TableClass(table);
    else
        TableNumbers(table, loader->numbers);
    if (loader->weights)
        loader->weights[0] = (float)TableWeight(table);
    CallBegin(call, NULL, loader->bind);
    BindRow(call, DatumGetHeapTupleHeader(row));
    MemoryContextSwitchTo(old);
    return true;
}

static const char *ShapeOf(const MaasTensor *t)
{
    char *shape = palloc(512);

    return maas_dims_text(t->rank, t->dims, NULL, shape, 512);
}

/* The inputs that the first row gives. */
static void TakePorts(Loader *loader, const Call *call, MemoryContext context)
{
    MemoryContext old = MemoryContextSwitchTo(context);

    loader->ports = palloc0(sizeof(*loader->ports) * Max(call->info->n_inputs, 1));
    loader->n_inputs = call->info->n_inputs;
    loader->inputs = palloc(sizeof(int) * Max(call->info->n_inputs, 1));
    for (int i = 0; i < call->info->n_inputs; i++) {
        MaasPort *port = &loader->ports[loader->n_ports];
        const MaasTensor *t;
        int64_t *dims;

        if (!call->inputs[i])
            continue;
        t = &call->inputs[i]->tensor;
        if (call->inputs[i]->kind != MAAS_KIND_TENSOR || t->rank < 1 || t->dims[0] != 1)
            ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                            errmsg("%s cannot take rows one below the other", BindPlace(call, i))));
        dims = palloc(sizeof(*dims) * t->rank);
        memcpy(dims, t->dims, sizeof(*dims) * t->rank);
        *port = (MaasPort){.name = pstrdup(call->info->inputs[i].name),
                           .kind = MAAS_KIND_TENSOR,
                           .type = t->type,
                           .rank = t->rank,
                           .dims = dims};
        loader->inputs[loader->n_ports++] = i;
    }
    MemoryContextSwitchTo(old);
}

static void AppendBound(const Loader *loader, const Call *call, Window *window, MemoryContext texts)
{
    int64 at = window->n++;

    for (int p = 0; p < window->n_ports; p++) {
        const MaasPort *port = &loader->ports[p];
        const MaasTensor *t = &call->inputs[loader->inputs[p]]->tensor;
        char *to = window->data[p] + at * window->row_bytes[p];

        if (t->rank != port->rank || memcmp(t->dims, port->dims, sizeof(t->dims[0]) * t->rank) != 0)
            ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                            errmsg("%s has shape %s in row " INT64_FORMAT ", another in the rows before it",
                                   BindPlace(call, loader->inputs[p]), ShapeOf(t), loader->table->number)));
        memcpy(to, t->data, window->row_bytes[p]);
        for (int64 i = 0; t->type == MAAS_STRING && i < t->count; i++) {
            MaasStr *string = &((MaasStr *)to)[i];
            char *copy = MemoryContextAlloc(texts, Max(string->length, 1));

            memcpy(copy, string->data, string->length);
            string->data = copy;
        }
    }
    if (window->classes)
        window->classes[at] = loader->classes[0];
    else
        memcpy(window->numbers + at * window->width, loader->numbers, sizeof(float) * window->width);
    if (window->weights)
        window->weights[at] = loader->weights[0];
}

static void FillBound(Loader *loader, Window *window, Window *apart, bool all)
{
    MemoryContextReset(loader->texts);
    while (!loader->ended && (all || window->n < window->capacity)) {
        Call call;
        Window *to;

        if (!BindNext(loader, &call))
            break;
        to = loader->apart[0] ? apart : window;
        if (to && to->n < to->capacity)
            AppendBound(loader, &call, to, loader->apart[0] ? loader->apart_texts : loader->texts);
        CallEnd(&call);
    }
}

/* Room for the targets of `rows` rows. */
static void NewTargets(Loader *loader, int64 rows)
{
    const Table *table = loader->table;

    loader->capacity = rows;
    loader->apart = palloc(sizeof(bool) * rows);
    if (table->task == MAAS_TASK_CLASSIFY)
        loader->classes = palloc(sizeof(int64) * rows);
    else
        loader->numbers = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(float) * table->target_info.n * rows);
    if (table->weight >= 0)
        loader->weights = palloc(sizeof(float) * rows);
}

Loader *LoaderBind(Table *table, const text *model)
{
    Loader *loader = palloc0(sizeof(*loader));
    Call call;

    loader->table = table;
    loader->bind = model;
    loader->texts = AllocSetContextCreate(CurrentMemoryContext, "maas strings", ALLOCSET_DEFAULT_SIZES);
    loader->apart_texts = AllocSetContextCreate(CurrentMemoryContext, "maas strings", ALLOCSET_DEFAULT_SIZES);
    NewTargets(loader, 1);
    LoaderRewind(loader);
    if (BindNext(loader, &call)) {
        TakePorts(loader, &call, GetMemoryChunkContext(loader));
        CallEnd(&call);
    }
    LoaderRewind(loader);
    return loader;
}

Loader *LoaderNew(Table *table)
{
    Loader *loader = palloc0(sizeof(*loader));
    Size bytes = 1;

    loader->table = table;
    loader->context = AllocSetContextCreate(CurrentMemoryContext, "maas chunk", ALLOCSET_DEFAULT_SIZES);
    LoadPreparation(loader);
    for (int i = 0; i < table->n_sources; i++)
        bytes += RawBytes(&table->sources[i]);
    NewTargets(loader, Max(Min(CHUNK_BYTES / bytes, CHUNK_ROWS), 1));
    loader->columns = palloc(sizeof(void *) * table->n_sources);
    for (int i = 0; i < table->n_sources; i++)
        loader->columns[i] =
            MemoryContextAllocHuge(CurrentMemoryContext, RawBytes(&table->sources[i]) * loader->capacity);
    LoaderRewind(loader);
    return loader;
}

void LoaderRewind(Loader *loader)
{
    TableRewind(loader->table);
    loader->ended = false;
}

static void AppendRow(const Loader *loader, const MaasResults *results, int64 row, Window *window)
{
    int64 at = window->n++;

    for (int p = 0; p < window->n_ports; p++) {
        const char *from = maas_results_get(results, p)->tensor.data;

        memcpy(window->data[p] + at * window->row_bytes[p], from + row * window->row_bytes[p],
               window->row_bytes[p]);
    }
    if (window->classes)
        window->classes[at] = loader->classes[row];
    else
        memcpy(window->numbers + at * window->width, loader->numbers + row * window->width,
               sizeof(float) * window->width);
    if (window->weights)
        window->weights[at] = loader->weights[row];
}

/* Runs the preparation on the chunk and hands its rows out. */
static void PrepareChunk(Loader *loader, Window *window, Window *apart)
{
    const Table *table = loader->table;
    BorderRun run = BORDER_RUN_INIT;
    MaasRunOptions options;
    MaasStatus status;
    MaasError err = {0};
    MaasResults *results = NULL;
    MaasValue **inputs = palloc(sizeof(*inputs) * table->n_sources);
    int *wanted = palloc(sizeof(int) * Max(loader->n_ports, 1));

    BorderMem(&loader->mem, loader->context);
    for (int i = 0; i < table->n_sources; i++) {
        const Source *source = &table->sources[i];
        int64_t dims[MAAS_MAX_RANK] = {loader->rows, 1};
        bool tensor = source->column.kind == MAAS_COLUMN_TENSOR;

        if (tensor)
            memcpy(dims + 1, source->column.dims, sizeof(dims[0]) * source->column.rank);
        BORDER_CHECK(maas_value_wrap(&loader->mem, RawType(source), tensor ? source->column.rank + 1 : 2, dims,
                                     loader->columns[i], &inputs[i], &err),
                     &err);
    }
    for (int p = 0; p < loader->n_ports; p++)
        wanted[p] = p;
    do {
        BorderRunOptions(&run, &options, &loader->mem);
        status = maas_model_run(loader->model, &options, (const MaasValue *const *)inputs, loader->n_ports, wanted,
                                &results, &err);
    } while (BorderAgain(&run, status));
    BORDER_CHECK(status, &err);
    for (int64 row = 0; row < loader->rows; row++) {
        Window *to = loader->apart[row] ? apart : window;

        if (to && to->n < to->capacity)
            AppendRow(loader, results, row, to);
    }
    maas_results_free(results);
    for (int i = 0; i < table->n_sources; i++)
        maas_value_unref(inputs[i]);
    pfree(inputs);
    pfree(wanted);
}

void LoaderFill(Loader *loader, Window *window, Window *apart, bool all)
{
    window->n = 0;
    if (loader->bind)
        FillBound(loader, window, apart, all);
    while (!loader->ended && (all || window->n < window->capacity)) {
        ReadChunk(loader, all ? loader->capacity : Min(loader->capacity, window->capacity - window->n));
        if (loader->rows > 0)
            PrepareChunk(loader, window, apart);
    }
    for (int64 i = 0; i < window->n; i++)
        window->order[i] = i;
    if (apart)
        for (int64 i = 0; i < apart->n; i++)
            apart->order[i] = i;
}

/* ---- windows ---- */

static Size PortBytes(const MaasPort *port)
{
    Size elements = 1;

    for (int d = 1; d < port->rank; d++)
        elements *= port->dims[d];
    return elements * maas_type_size(port->type);
}

Size WindowRowBytes(const Loader *loader)
{
    Size bytes = sizeof(int64) + sizeof(float);

    for (int p = 0; p < loader->n_ports; p++)
        bytes += PortBytes(&loader->ports[p]);
    return bytes + (loader->table->task == MAAS_TASK_CLASSIFY ? sizeof(int64)
                                                              : sizeof(float) * loader->table->target_info.n);
}

/* Room for rows, in large pages where the system has them: touching small ones first takes longer than filling
 * them. */
static char *NewRows(MemoryContext context, Size bytes)
{
    char *rows = MemoryContextAllocHuge(context, Max(bytes, 1));

#ifdef MADV_HUGEPAGE
    if (bytes >= 2 * LARGE_PAGE)
        (void)madvise((void *)TYPEALIGN(LARGE_PAGE, rows), bytes - LARGE_PAGE, MADV_HUGEPAGE);
#endif
    return rows;
}

/* Rows of whole batches, at least one: else there would be more steps in an epoch than schedules reckon with. */
static int64 Capacity(int64 rows, int64 fit, int64 batch)
{
    return fit >= rows ? rows : Min(Max(fit - fit % batch, batch), rows);
}

Window *WindowNew(const Loader *loader, int64 rows, int64 batch, Size bytes)
{
    Window *window = palloc0(sizeof(*window));
    MemoryContext context = CurrentMemoryContext;
    Size row = WindowRowBytes(loader);

    window->n_ports = loader->n_ports;
    window->ports = loader->ports;
    window->n_inputs = Max(loader->n_inputs, loader->n_ports);
    window->inputs = loader->inputs;
    window->task = loader->table->task;
    window->capacity = Capacity(rows, (int64)(bytes / row), batch);
    if (SettingMemoryLimit > 0 && row > ((Size)SettingMemoryLimit << 20) / window->capacity &&
        row > bytes / window->capacity)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("a batch of " INT64_FORMAT " rows takes %zu MB, maas.memory_limit is %d MB",
                               window->capacity, (row * (Size)window->capacity) >> 20, SettingMemoryLimit),
                        errhint("Set a smaller batch_size.")));
    window->row_bytes = palloc(sizeof(Size) * Max(window->n_ports, 1));
    window->data = palloc(sizeof(char *) * Max(window->n_ports, 1));
    for (int p = 0; p < window->n_ports; p++) {
        window->row_bytes[p] = PortBytes(&loader->ports[p]);
        window->data[p] = NewRows(context, window->row_bytes[p] * window->capacity);
    }
    window->width = loader->table->target_info.n;
    if (window->task == MAAS_TASK_CLASSIFY)
        window->classes = MemoryContextAllocHuge(context, sizeof(int64) * window->capacity);
    else
        window->numbers = MemoryContextAllocHuge(context, sizeof(float) * window->width * window->capacity);
    if (loader->weights)
        window->weights = MemoryContextAllocHuge(context, sizeof(float) * window->capacity);
    window->order = MemoryContextAllocHuge(context, sizeof(int64) * window->capacity);
    return window;
}

void WindowShuffle(Window *window, uint64 seed, uint64 stream)
{
    MaasRng rng;

    maas_rng_init(&rng, seed, stream);
    for (int64 i = 0; i < window->n; i++)
        window->order[i] = i;
    for (int64 i = window->n - 1; i > 0; i--) {
        int64 k = (int64)maas_rng_below(&rng, (uint64)i + 1), swap = window->order[i];

        window->order[i] = window->order[k];
        window->order[k] = swap;
    }
}

/* ---- batches ---- */

static MaasValue *NewTensor(MaasMem *mem, MaasType type, int rank, const int64_t *dims)
{
    MaasError err = {0};
    MaasValue *value;

    BORDER_CHECK(maas_value_new_tensor(mem, type, rank, dims, &value, &err), &err);
    return value;
}

void BatchMake(const Window *window, int64 at, int64 n, MaasMem *mem, Batch *batch)
{
    const int64 *order = window->order + at;
    int64_t dims[MAAS_MAX_RANK] = {n, window->width};

    batch->n = n;
    batch->n_inputs = window->n_inputs;
    batch->weights = NULL;
    batch->inputs = palloc0(sizeof(*batch->inputs) * Max(window->n_inputs, 1));
    if (window->classes) {
        batch->target = NewTensor(mem, MAAS_INT64, 1, dims);
        for (int64 i = 0; i < n; i++)
            MAAS_I64(&batch->target->tensor)[i] = window->classes[order[i]];
    } else {
        batch->target = NewTensor(mem, MAAS_FLOAT, 2, dims);
        for (int64 i = 0; i < n; i++)
            memcpy(MAAS_F32(&batch->target->tensor) + i * window->width, window->numbers + order[i] * window->width,
                   sizeof(float) * window->width);
    }
    if (window->weights) {
        batch->weights = NewTensor(mem, MAAS_FLOAT, 1, dims);
        for (int64 i = 0; i < n; i++)
            MAAS_F32(&batch->weights->tensor)[i] = window->weights[order[i]];
    }
    for (int p = 0; p < window->n_ports; p++) {
        const MaasPort *port = &window->ports[p];
        Size bytes = window->row_bytes[p];
        MaasValue **input = &batch->inputs[window->inputs ? window->inputs[p] : p];
        char *to;

        memcpy(dims + 1, port->dims + 1, sizeof(dims[0]) * (port->rank - 1));
        *input = NewTensor(mem, port->type, port->rank, dims);
        to = (*input)->tensor.data;
        for (int64 i = 0; i < n; i++)
            memcpy(to + i * bytes, window->data[p] + order[i] * bytes, bytes);
    }
}

void BatchFree(Batch *batch)
{
    for (int i = 0; i < batch->n_inputs; i++)
        maas_value_unref(batch->inputs[i]);
    maas_value_unref(batch->target);
    maas_value_unref(batch->weights);
    pfree(batch->inputs);
}

/* How an image lies in one example; false when it is none. */
static bool ImageForm(const MaasTensor *t, int64 *channels, int64 *height, int64 *width, int64 *channel_step,
                      int64 *pixel_step)
{
    const int64_t *d = t->dims + 1;
    bool last = t->rank == 4 && d[0] > 4 && d[2] <= 4;

    if (t->type != MAAS_FLOAT || (t->rank != 3 && t->rank != 4))
        return false;
    *channels = t->rank == 3 ? 1 : last ? d[2] : d[0];
    *height = t->rank == 3 || last ? d[0] : d[1];
    *width = t->rank == 3 || last ? d[1] : d[2];
    *channel_step = last ? 1 : *height * *width;
    *pixel_step = last ? *channels : 1;
    return *height > 1 && *width > 1;
}

void BatchAugment(Batch *batch, const MaasAugment *augment, uint64 seed, uint64 step, MaasMem *mem)
{
    MaasRng rng;
    bool any = false;

    maas_rng_init(&rng, seed, step);
    for (int i = 0; i < batch->n_inputs; i++) {
        int64 channels, height, width, channel_step, pixel_step;
        MaasTensor *x;
        MaasValue *changed;

        if (!batch->inputs[i])
            continue;
        x = &batch->inputs[i]->tensor;
        if (!ImageForm(x, &channels, &height, &width, &channel_step, &pixel_step))
            continue;
        any = true;
        changed = NewTensor(mem, x->type, x->rank, x->dims);
        for (int64 row = 0; row < batch->n; row++) {
            int64 at = row * channels * height * width;

            maas_augment_image(augment, &rng, channels, height, width, channel_step, pixel_step, MAAS_F32(x) + at,
                               MAAS_F32(&changed->tensor) + at);
        }
        maas_value_unref(batch->inputs[i]);
        batch->inputs[i] = changed;
    }
    if (!any)
        ereport(
            ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg(
                 "there is no image to augment: no column is an array of numbers with two or three dimensions")));
}
