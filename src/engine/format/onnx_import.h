/*
 * onnx_import.h - ONNX bytes become a graph.
 *
 * Import reads a ModelProto, checks its structure (versions, names, order of
 * nodes, signatures and attributes), inlines model-local functions, lifts every
 * node to the newest form of its operator and copies all constants.  Types and
 * shapes are declared ones only: inference comes later.
 */
#ifndef MAAS_FORMAT_ONNX_IMPORT_H
#define MAAS_FORMAT_ONNX_IMPORT_H

#include "../graph/graph.h"

#define MAAS_ONNX_MAX_IR 13
#define MAAS_ONNX_MAX_OPSET 25
#define MAAS_ONNX_MAX_ML_OPSET 5
#define MAAS_ONNX_MAX_NODES 1000000 /* after inlining */

typedef struct MaasOnnxOpset {
    const char *domain; /* "" for ai.onnx */
    int64_t version;
} MaasOnnxOpset;

typedef struct MaasOnnxModel {
    MaasGraph *graph;
    MaasSymbols symbols;
    int64_t ir_version;
    int n_opsets;
    const MaasOnnxOpset *opsets;
    const char *producer; /* name and version, "" when not given */
    const char *doc;
    int n_metadata;
    const char **metadata; /* key, value, key, value ...; n_metadata pairs */
    int64_t n_parameters;  /* elements of all initialisers, those of subgraphs included */
    int64_t n_nodes;       /* of all graphs, after inlining */

    /* Every graph, the main one first (a graph comes before those inside it); and the tensors that attributes
     * point to.  Edges hold one reference on their constants, `values` one on each of its own. */
    int n_graphs, cap_graphs;
    MaasGraph **graphs;
    int n_values, cap_values;
    MaasValue **values;
} MaasOnnxModel;

/* Everything of *out lies in the arena but the constants, which come from mem.  On failure nothing is left in
 * mem, and the arena is the caller's to free. */
MaasStatus maas_onnx_import(const void *bytes, size_t n, MaasArena *arena, MaasMem *mem, MaasOnnxModel *out,
                            MaasError *err);
/* Gives up the references on constants, before the arena is freed.  A model that is all zero is allowed. */
void maas_onnx_release(MaasOnnxModel *model);

#endif
