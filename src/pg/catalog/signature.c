/*
 * signature.c - what the catalog tells about a model without loading it.
 *
 *     {"inputs": [{"name": "x", "type": "float", "shape": ["N", 30]}],
 *      "outputs": [{"name": "label", "type": "int64", "shape": ["N"]}, ...],
 *      "scores": "probabilities", "label": "label", "classes": ["no", "yes"], "batching": true,
 *      "parameters": 1024, "nodes": 7, "flops": 2048, "opset": {"ai.onnx": 17},
 *      "ir_version": 8, "producer": "...", "graph": "...", "doc": "...", "metadata": {...}}
 *
 * A free dimension is its name, or null when it has none; an unknown rank has no shape.  "batching" is true when
 * rows may be computed together, else the reason why not.  Names come out of the model: they are converted to the
 * server's encoding and escaped.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "signature.h"

#define MAX_TEXT 10000

static void AppendText(StringInfo out, const char *text)
{
    escape_json(out, BorderText(text ? text : "", text ? strlen(text) : 0));
}

/* Free text of any length, cut off where it would only fill the catalog. */
static void AppendClipped(StringInfo out, const char *text)
{
    size_t length = strlen(text ? text : "");

    if (length <= MAX_TEXT) {
        AppendText(out, text);
        return;
    }
    length = MAX_TEXT;
    while (((unsigned char)text[length] & 0xc0) == 0x80)
        length--; /* not within a character */
    escape_json(out, psprintf("%s...", BorderText(text, length)));
}

/* "float", "sequence(float)", "map(int64,float)", "optional(sequence(float))" */
static void AppendType(StringInfo out, const MaasPort *port)
{
    switch (port->kind) {
    case MAAS_KIND_TENSOR:
        appendStringInfoString(out, maas_type_name(port->type));
        return;
    case MAAS_KIND_MAP:
        appendStringInfo(out, "map(%s,", maas_type_name(port->key));
        break;
    case MAAS_KIND_SEQUENCE:
        appendStringInfoString(out, "sequence(");
        break;
    case MAAS_KIND_OPTIONAL:
        appendStringInfoString(out, "optional(");
        break;
    default:
        appendStringInfoString(out, "unknown");
        return;
    }
    if (port->elem)
        AppendType(out, port->elem);
    appendStringInfoChar(out, ')');
}

static void AppendPort(StringInfo out, const MaasPort *port)
{
    appendStringInfoString(out, "{\"name\": ");
    AppendText(out, port->name);
    appendStringInfoString(out, ", \"type\": \"");
    AppendType(out, port);
    appendStringInfoChar(out, '"');
    if (port->kind == MAAS_KIND_TENSOR && port->rank >= 0) {
        appendStringInfoString(out, ", \"shape\": [");
        for (int i = 0; i < port->rank; i++) {
            if (i > 0)
                appendStringInfoString(out, ", ");
            if (port->dims[i] >= 0)
                appendStringInfo(out, INT64_FORMAT, (int64)port->dims[i]);
            else if (port->symbols && port->symbols[i])
                AppendText(out, port->symbols[i]);
            else
                appendStringInfoString(out, "null");
        }
        appendStringInfoChar(out, ']');
    }
    if (port->optional)
        appendStringInfoString(out, ", \"optional\": true");
    appendStringInfoChar(out, '}');
}

static void AppendPorts(StringInfo out, const char *key, const MaasPort *ports, int n)
{
    appendStringInfo(out, "\"%s\": [", key);
    for (int i = 0; i < n; i++) {
        if (i > 0)
            appendStringInfoString(out, ", ");
        AppendPort(out, &ports[i]);
    }
    appendStringInfoString(out, "], ");
}

Datum SignatureMake(const MaasModelInfo *info)
{
    StringInfoData out;

    initStringInfo(&out);
    appendStringInfoChar(&out, '{');
    AppendPorts(&out, "inputs", info->inputs, info->n_inputs);
    AppendPorts(&out, "outputs", info->outputs, info->n_outputs);
    if (info->scores >= 0) {
        appendStringInfoString(&out, "\"scores\": ");
        AppendText(&out, info->outputs[info->scores].name);
        appendStringInfoString(&out, ", ");
    }
    if (info->label >= 0) {
        appendStringInfoString(&out, "\"label\": ");
        AppendText(&out, info->outputs[info->label].name);
        appendStringInfoString(&out, ", ");
    }
    if (info->n_classes > 0) {
        appendStringInfoString(&out, "\"classes\": [");
        for (int i = 0; i < info->n_classes; i++) {
            if (i > 0)
                appendStringInfoString(&out, ", ");
            AppendText(&out, info->classes[i]);
        }
        appendStringInfoString(&out, "], ");
    }
    appendStringInfoString(&out, "\"batching\": ");
    if (info->rows_independent)
        appendStringInfoString(&out, "true, ");
    else {
        const char *why = info->outputs[info->scores].mixed;

        AppendText(&out, why ? why : info->outputs[info->label].mixed);
        appendStringInfoString(&out, ", ");
    }
    appendStringInfo(&out, "\"parameters\": " INT64_FORMAT ", \"nodes\": %d, \"flops\": %.0f, \"opset\": {",
                     (int64)info->n_parameters, info->n_nodes,
                     isfinite(info->flops) && info->flops > 0 ? info->flops : 0.0);
    for (int i = 0; i < info->n_opsets; i++) {
        if (i > 0)
            appendStringInfoString(&out, ", ");
        AppendText(&out, info->opsets[i].domain);
        appendStringInfo(&out, ": " INT64_FORMAT, (int64)info->opsets[i].version);
    }
    appendStringInfo(&out, "}, \"ir_version\": " INT64_FORMAT ", \"producer\": ", (int64)info->ir_version);
    AppendText(&out, info->producer);
    appendStringInfoString(&out, ", \"graph\": ");
    AppendText(&out, info->graph_name);
    appendStringInfoString(&out, ", \"doc\": ");
    AppendClipped(&out, info->doc);
    appendStringInfoString(&out, ", \"metadata\": {");
    for (int i = 0; i < info->n_metadata; i++) {
        if (i > 0)
            appendStringInfoString(&out, ", ");
        AppendText(&out, info->metadata[2 * i]);
        appendStringInfoString(&out, ": ");
        AppendClipped(&out, info->metadata[2 * i + 1]);
    }
    appendStringInfoString(&out, "}}");
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data));
}
