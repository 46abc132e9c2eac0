/*
 * case.h - one case of the conformance tool: its files, its runs, its memory.
 */
#ifndef MAAS_TOOL_CASE_H
#define MAAS_TOOL_CASE_H

#include "compare.h"

typedef struct Bytes {
    char *data;
    size_t size;
} Bytes;

typedef struct Case {
    const char *folder;
    const char *light; /* path of a model without data sets, less its ".onnx"; else NULL */
    Judge judge;
    bool random;
    MaasMem *mem, *data; /* of the model and its runs; of inputs and expected outputs */
    const volatile int *stop;
    int64_t n_allocations; /* that case_memory has made fail */
    MaasModel *model;
    const MaasModelInfo *info;
} Case;

/* Reads a whole file into memory of malloc; false if it is not there. */
bool read_file(const char *path, Bytes *out);
/* rtol and atol of data.json, if there is one. */
void case_tolerance(Case *c);
/* Runs c->model on all data sets of the case and compares. */
bool case_run(Case *c);
/* Runs c->model from its image, in memory that cannot be written, on all data sets. */
bool case_image(Case *c);
/* Loads and runs the case with each single allocation failing in turn. */
bool case_memory(Case *c, const Bytes *model);
/* Compares the case's rows one by one and in pieces with the whole, where the engine calls them independent;
 * *counted becomes true when it does in some form of the case. */
bool case_rows(Case *c, const Bytes *model, bool *counted);

#endif
