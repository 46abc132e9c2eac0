/*
 * image_value.c - tensors and other values, types, and the description of a model in an image.
 *
 * Elements of tensors are used where they lie; strings are described by an array of their own, their bytes lie in
 * the skeleton.  Values that are read have one reference, which nobody gives up: they go with the arena.
 */
#include <limits.h>

#include "image_code.h"

static void code_type(ImageCoder *c, MaasType *type)
{
    int number = (int)*type;

    maas_code_int(c, &number, MAAS_UNDEFINED, MAAS_NTYPES - 1);
    *type = (MaasType)number;
}

static void code_kind(ImageCoder *c, MaasKind *kind)
{
    int number = (int)*kind;

    maas_code_int(c, &number, MAAS_KIND_UNKNOWN, MAAS_KIND_OPTIONAL);
    *kind = (MaasKind)number;
}

/* ---- values ---- */

static void code_strings(ImageCoder *c, MaasTensor *t)
{
    if (!c->writing && t->count > c->end - c->at)
        maas_code_fail(c, MAAS_ERR_FORMAT, "a tensor has more strings than there are");
    t->data = maas_code_array(c, t->data, t->count, sizeof(MaasStr));
    for (int64_t i = 0; i < t->count && code_ok(c); i++)
        maas_code_str(c, &MAAS_STRS(t)[i]);
}

void maas_code_tensor(ImageCoder *c, MaasTensor *t)
{
    /* only the states of nodes hold the content of some constants */
    bool content = c->writing && (t->data || t->count == 0);

    code_type(c, &t->type);
    maas_code_int(c, &t->rank, 0, MAAS_MAX_RANK);
    maas_code_bytes(c, t->dims, sizeof *t->dims * (size_t)t->rank);
    maas_code_bool(c, &content);
    if (!code_ok(c))
        return;
    if (!c->writing && (maas_type_size(t->type) == 0 || !maas_count_dims(t->rank, t->dims, &t->count) ||
                        t->count > (int64_t)(PTRDIFF_MAX / 2 / maas_type_size(t->type)))) {
        maas_code_fail(c, MAAS_ERR_FORMAT, "a tensor of impossible shape");
        return;
    }
    if (!content)
        return;
    if (t->type == MAAS_STRING)
        code_strings(c, t);
    else {
        const void *data = t->data;

        maas_code_data(c, &data, maas_tensor_bytes(t));
        t->data = (void *)(uintptr_t)data;
    }
}

static void code_items(ImageCoder *c, MaasValue *value, int depth)
{
    maas_code_count64(c, &value->seq.n);
    value->seq.items = maas_code_array(c, value->seq.items, value->seq.n, sizeof *value->seq.items);
    for (int64_t i = 0; i < value->seq.n && code_ok(c); i++)
        maas_code_value(c, &value->seq.items[i], depth + 1);
}

void maas_code_value(ImageCoder *c, MaasValue **place, int depth)
{
    bool there = *place != NULL;
    MaasValue *value;

    maas_code_bool(c, &there);
    if (code_ok(c) && depth > MAAS_IMAGE_MAX_DEPTH)
        maas_code_fail(c, MAAS_ERR_LIMIT, "a value is nested too deep");
    value = there ? maas_code_array(c, *place, 1, sizeof *value) : NULL;
    if (!code_ok(c) || !there)
        return;
    if (!c->writing) {
        value->refs = 1;
        value->mem = c->arena->mem;
    }
    code_kind(c, &value->kind);
    switch (value->kind) {
    case MAAS_KIND_TENSOR:
        maas_code_tensor(c, &value->tensor);
        break;
    case MAAS_KIND_SEQUENCE:
        code_items(c, value, depth);
        break;
    case MAAS_KIND_MAP:
        maas_code_value(c, &value->map.keys, depth + 1);
        maas_code_value(c, &value->map.values, depth + 1);
        break;
    case MAAS_KIND_OPTIONAL:
        maas_code_value(c, &value->some, depth + 1);
        break;
    default:
        maas_code_fail(c, MAAS_ERR_FORMAT, "a value of unknown kind");
    }
    *place = value;
}

/* ---- types ---- */

void maas_code_info(ImageCoder *c, MaasInfo *info, int depth)
{
    bool elem = info->elem != NULL;

    code_kind(c, &info->kind);
    code_type(c, &info->type);
    code_type(c, &info->key);
    maas_code_int(c, &info->rank, -1, MAAS_MAX_RANK);
    maas_code_bytes(c, info->dims, sizeof *info->dims * (size_t)(info->rank > 0 ? info->rank : 0));
    maas_code_bool(c, &elem);
    if (code_ok(c) && depth > MAAS_IMAGE_MAX_DEPTH)
        maas_code_fail(c, MAAS_ERR_LIMIT, "a type is nested too deep");
    if (!code_ok(c) || !elem)
        return;
    info->elem = maas_code_array(c, info->elem, 1, sizeof *info->elem);
    if (code_ok(c))
        maas_code_info(c, info->elem, depth + 1);
}

/* ---- what a model says of itself ---- */

static void code_port(ImageCoder *c, MaasPort *port, int depth)
{
    bool elem = port->elem != NULL;
    int rank;

    maas_code_text(c, &port->name);
    code_kind(c, &port->kind);
    code_type(c, &port->type);
    code_type(c, &port->key);
    maas_code_int(c, &port->rank, -1, MAAS_MAX_RANK);
    maas_code_bool(c, &port->optional);
    maas_code_text(c, &port->mixed);
    rank = code_ok(c) && port->rank > 0 ? port->rank : 0;
    int64_t *dims = maas_code_array(c, (void *)(uintptr_t)port->dims, rank + 1, sizeof *dims);
    const char **symbols = maas_code_array(c, (void *)(uintptr_t)port->symbols, rank + 1, sizeof *symbols);

    for (int d = 0; d < rank && code_ok(c); d++) {
        CODE(c, dims[d]);
        maas_code_text(c, &symbols[d]);
    }
    port->dims = dims;
    port->symbols = symbols;
    maas_code_bool(c, &elem);
    if (code_ok(c) && (!port->name || depth > MAAS_IMAGE_MAX_DEPTH))
        maas_code_fail(c, MAAS_ERR_FORMAT, "a port is not as ports are");
    if (!code_ok(c) || !elem)
        return;
    MaasPort *inner = maas_code_array(c, (void *)(uintptr_t)port->elem, 1, sizeof *inner);

    if (code_ok(c))
        code_port(c, inner, depth + 1);
    port->elem = inner;
}

static void code_ports(ImageCoder *c, const MaasPort **ports, int n)
{
    MaasPort *list = maas_code_array(c, (void *)(uintptr_t)*ports, (int64_t)n + 1, sizeof *list);

    for (int i = 0; i < n && code_ok(c); i++)
        code_port(c, &list[i], 0);
    *ports = list;
}

static void code_texts(ImageCoder *c, const char *const **texts, int n)
{
    const char **list = maas_code_array(c, (void *)(uintptr_t)*texts, n, sizeof *list);

    for (int i = 0; i < n && code_ok(c); i++) {
        maas_code_text(c, &list[i]);
        if (code_ok(c) && !list[i])
            maas_code_fail(c, MAAS_ERR_FORMAT, "a text is missing");
    }
    *texts = list;
}

static void code_opsets(ImageCoder *c, MaasModelInfo *info)
{
    maas_code_count(c, &info->n_opsets, INT_MAX / 4);
    MaasOpset *opsets = maas_code_array(c, (void *)(uintptr_t)info->opsets, info->n_opsets, sizeof *opsets);

    for (int i = 0; i < info->n_opsets && code_ok(c); i++) {
        maas_code_text(c, &opsets[i].domain);
        CODE(c, opsets[i].version);
    }
    info->opsets = opsets;
}

void maas_code_model_info(ImageCoder *c, MaasModelInfo *info, int n_ports_out)
{
    int n_texts = info->n_metadata * 2;

    maas_code_count(c, &info->n_inputs, INT_MAX / 4);
    code_ports(c, &info->inputs, info->n_inputs);
    maas_code_int(c, &info->n_outputs, 0, n_ports_out);
    code_ports(c, &info->outputs, n_ports_out);
    maas_code_int(c, &info->scores, 0, n_ports_out > 0 ? n_ports_out - 1 : 0);
    maas_code_int(c, &info->label, -1, info->n_outputs - 1);
    maas_code_count(c, &info->n_classes, INT_MAX / 4);
    code_texts(c, &info->classes, info->n_classes);
    CODE(c, info->ir_version);
    code_opsets(c, info);
    maas_code_text(c, &info->producer);
    maas_code_text(c, &info->graph_name);
    maas_code_text(c, &info->doc);
    maas_code_count(c, &n_texts, INT_MAX / 4);
    info->n_metadata = n_texts / 2;
    code_texts(c, &info->metadata, info->n_metadata * 2);
    CODE(c, info->n_parameters);
    CODE(c, info->n_nodes);
    CODE(c, info->flops);
    maas_code_bool(c, &info->rows_independent);
    if (code_ok(c) && (!info->producer || !info->graph_name || !info->doc))
        maas_code_fail(c, MAAS_ERR_FORMAT, "a text is missing");
}
