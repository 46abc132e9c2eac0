/*
 * model.h - what a loaded model is made of; shared by model.c and describe.c.
 */
#ifndef MAAS_MODEL_H
#define MAAS_MODEL_H

#include "format/onnx_import.h"
#include "graph/plan.h"
#include "maas.h"

#define MAAS_MAX_PLANS 16 /* input shape classes that are remembered */

struct MaasModel {
    MaasMem *mem;
    MaasArena arena;
    MaasOnnxModel onnx;
    MaasModelInfo info;
    int n_ports_out; /* info.n_outputs, and one more for scores that the model gives as a map only */
    int *out_edges;  /* edges of the main graph, n_ports_out */
    int n_plans;
    MaasPlan *plans[MAAS_MAX_PLANS]; /* used last first */
};

/* Fills info, n_ports_out and out_edges from the inferred graph. */
MaasStatus maas_model_describe(MaasModel *model, MaasStop stop, MaasError *err);

#endif
