/*
 * infer.h - naming a node in messages; shared by inference, execution and adaptation.
 */
#ifndef MAAS_OP_INFER_H
#define MAAS_OP_INFER_H

#include <stdarg.h>

#include "op.h"

typedef struct MaasNodeName {
    const char *op;   /* "Conv", or "ai.onnx.ml.Scaler" for other domains */
    const char *node; /* "" when the model gives none */
} MaasNodeName;

MaasNodeName maas_node_name(const MaasNode *node); /* graph/graph.c knows a node's fields */

/* Records "Conv (node "x"): ..." */
MaasStatus maas_node_vfail(const MaasNode *node, MaasError *err, MaasStatus status, const char *format,
                           va_list args);

#endif
