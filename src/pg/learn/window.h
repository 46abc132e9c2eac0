/*
 * window.h - prepared rows in memory: as many as maintenance_work_mem allows.
 */
#ifndef MAAS_PG_LEARN_WINDOW_H
#define MAAS_PG_LEARN_WINDOW_H

#include "table.h"

/* Rows as the network reads them. */
typedef struct Window {
    int n_ports;
    const MaasPort *ports;
    int n_inputs;      /* of the model, at least n_ports; the others have a default */
    const int *inputs; /* which of them each port is; NULL: in order */
    Size *row_bytes;   /* of each port */
    char **data;       /* (capacity, row_bytes) of each port */
    MaasTask task;
    int64 width;    /* REGRESS: numbers of a row */
    int64 *classes; /* CLASSIFY */
    float *numbers; /* REGRESS: (capacity, width) */
    float *weights; /* NULL: all 1 */
    int64 n, capacity;
    int64 *order; /* in which rows are taken */
} Window;

/* Rows on their way from a table into windows: read one by one, prepared together. */
typedef struct Loader {
    Table *table;
    MemoryContext context; /* of a chunk's strings and of the run that prepares it */
    MaasMem mem;
    MaasMem model_mem;
    MaasModel *model; /* the preparation */
    int n_ports;
    MaasPort *ports;
    int64 rows, capacity; /* of the chunk */
    void **columns;       /* raw values of each source */
    bool *apart;
    int64 *classes;
    float *numbers, *weights;
    bool ended; /* the table has no more rows */
    /* rows that are bound to a model as they are: */
    const text *bind;                 /* its name; NULL: rows are prepared */
    int n_inputs;                     /* of the model */
    int *inputs;                      /* which of them each port is */
    MemoryContext texts, apart_texts; /* of strings in windows */
} Loader;

/* Makes the preparation for a table that was surveyed. */
Loader *LoaderNew(Table *table);
/* The same for a table whose rows are bound to a model; begins anew with its first row. */
Loader *LoaderBind(Table *table, const text *model);
void LoaderRewind(Loader *loader);
/* Reads rows until the window is full or the table ends; apart (NULL: passed over) gets those for validation.  all:
 * the window has room for all rows, so that what comes when it is full is for validation. */
void LoaderFill(Loader *loader, Window *window, Window *apart, bool all);

/* A window for up to `rows` rows that takes at most `bytes`, in whole batches; at least one. */
Window *WindowNew(const Loader *loader, int64 rows, int64 batch, Size bytes);
/* Bytes of one row. */
Size WindowRowBytes(const Loader *loader);
/* Puts the rows into a new order. */
void WindowShuffle(Window *window, uint64 seed, uint64 stream);

/* Some rows of a window, as the trainer takes them. */
typedef struct Batch {
    int n_inputs;
    MaasValue **inputs;          /* NULL: the default */
    MaasValue *target, *weights; /* weights: NULL when all are 1 */
    int64 n;
} Batch;

/* Copies n rows from place `at` of the order on; everything comes from mem until BatchFree. */
void BatchMake(const Window *window, int64 at, int64 n, MaasMem *mem, Batch *batch);
void BatchFree(Batch *batch);
/* Changes the images in the batch at random: floats (height, width), (channels, height, width) or, with at most 4
 * channels, (height, width, channels).  Throws when there is none. */
void BatchAugment(Batch *batch, const MaasAugment *augment, uint64 seed, uint64 step, MaasMem *mem);

#endif
