/*
 * model.h - what a loaded model is made of; shared by model.c and describe.c.
 */
#ifndef MAAS_MODEL_H
#define MAAS_MODEL_H

#include "format/onnx_import.h"
#include "graph/plan.h"
#include "maas.h"

#define MAAS_MAX_PLANS 32 /* input shape classes that are remembered */

struct MaasModel {
    MaasMem *mem;
    MaasArena arena;
    bool image; /* opened from an image: constants and states lie there, and everything else in the arena */
    MaasOnnxModel onnx;
    MaasModelInfo info;
    int n_ports_out; /* info.n_outputs, and one more for scores that the model gives as a map only */
    int *out_edges;  /* edges of the main graph, n_ports_out */
    int n_plans;
    MaasPlan *plans[MAAS_MAX_PLANS]; /* used last first */
};

/* Fills info, n_ports_out and out_edges from the inferred graph. */
MaasStatus maas_model_describe(MaasModel *model, MaasStop stop, MaasError *err);

/* n different plans for calls with inputs of these shapes, those that are there or new ones; n is below half of
 * MAAS_MAX_PLANS.  They stay until as many others have been asked for. */
MaasStatus maas_model_plans(MaasModel *model, MaasStop stop, MaasValue *const *inputs, int n_wanted,
                            const int *edges, int n, MaasPlan **out, MaasError *err);

/* split.c: runs a batch in pieces, on several threads if the options say so.  *done stays false, and nothing has
 * been done, when the model is to be run as a whole.  ports, edges: the wanted outputs; values: get a reference
 * each. */
MaasStatus maas_split_run(MaasModel *model, const MaasRunOptions *options, MaasValue *const *inputs, int n_wanted,
                          const int *ports, const int *edges, MaasValue **values, bool *done, MaasError *err);

#endif
