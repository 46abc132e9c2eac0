/*
 * onnx_attr.c - AttributeProto.
 *
 * The bytes of strings and numbers are copied into the model's arena; tensors
 * are values that the model keeps.  Inside a function an attribute may stand for
 * one that the caller gives; it is then read where the caller wrote it, with the
 * names that are known there.
 */
#include <string.h>

#include "../base/utf8.h"
#include "onnx_read.h"

/* The numbers of AttributeProto's fields. */
enum {
    A_NAME = 1,
    A_F = 2,
    A_I = 3,
    A_S = 4,
    A_T = 5,
    A_G = 6,
    A_FLOATS = 7,
    A_INTS = 8,
    A_STRINGS = 9,
    A_TENSORS = 10,
    A_GRAPHS = 11,
    A_TYPE_PROTO = 14,
    A_TYPE = 20,
    A_REF = 21,
    A_SPARSE = 22
};

typedef struct AttrMsg {
    MaasSlice name, ref;
    int64_t type;
    size_t n[A_SPARSE + 1]; /* entries of each field */
    float f;
    int64_t i;
    MaasSlice one[A_SPARSE + 1]; /* s, t, g, tp, sparse_tensor */
} AttrMsg;

const char *maas_onnx_text(Import *im, MaasSlice text)
{
    return text.size > 0 ? maas_arena_strndup(im->arena, text.data, text.size, im->err) : "";
}

static MaasStatus read_message(Import *im, MaasPb pb, AttrMsg *msg)
{
    MaasPbField f;
    MaasSlice ignored;

    memset(msg, 0, sizeof *msg);
    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, im->err));
        switch (f.number) {
        case A_NAME:
            MAAS_TRY(maas_pb_text(&f, "the name of an attribute", &msg->name, im->err));
            break;
        case A_REF:
            MAAS_TRY(maas_pb_text(&f, "ref_attr_name", &msg->ref, im->err));
            break;
        case A_TYPE:
            MAAS_TRY(maas_pb_int(&f, "the type of an attribute", &msg->type, im->err));
            break;
        case A_F:
            MAAS_TRY(maas_pb_float(&f, "a float attribute", &msg->f, im->err));
            msg->n[A_F]++;
            break;
        case A_I:
            MAAS_TRY(maas_pb_int(&f, "an int attribute", &msg->i, im->err));
            msg->n[A_I]++;
            break;
        case A_S:
        case A_T:
        case A_G:
        case A_TYPE_PROTO:
        case A_SPARSE:
            MAAS_TRY(maas_pb_bytes(&f, "an attribute", &msg->one[f.number], im->err));
            msg->n[f.number]++;
            break;
        case A_FLOATS:
            MAAS_TRY(maas_pb_count(&f, MAAS_PB_FIXED32, "a list of floats", &msg->n[A_FLOATS], im->err));
            break;
        case A_INTS:
            MAAS_TRY(maas_pb_count(&f, MAAS_PB_VARINT, "a list of ints", &msg->n[A_INTS], im->err));
            break;
        case A_STRINGS:
        case A_TENSORS:
        case A_GRAPHS:
            MAAS_TRY(maas_pb_bytes(&f, "a list attribute", &ignored, im->err));
            msg->n[f.number]++;
            break;
        default:
            break;
        }
    }
    if (msg->name.size == 0)
        return maas_fail(im->err, MAAS_ERR_FORMAT, "an attribute has no name");
    return MAAS_OK;
}

/* The kind that the message states or, in files of IR version 1 and 2, that its content shows. */
static MaasStatus find_kind(Import *im, const AttrMsg *msg, MaasAttrKind *out)
{
    static const struct {
        int field;
        MaasAttrKind kind;
    } kinds[] = {
        {A_F, MAAS_ATTR_FLOAT},
        {A_I, MAAS_ATTR_INT},
        {A_S, MAAS_ATTR_STRING},
        {A_T, MAAS_ATTR_TENSOR},
        {A_G, MAAS_ATTR_GRAPH},
        {A_FLOATS, MAAS_ATTR_FLOATS},
        {A_INTS, MAAS_ATTR_INTS},
        {A_STRINGS, MAAS_ATTR_STRINGS},
        {A_TENSORS, MAAS_ATTR_TENSORS},
        {A_GRAPHS, MAAS_ATTR_GRAPHS},
        {A_SPARSE, MAAS_ATTR_SPARSE_TENSOR},
        {A_TYPE_PROTO, MAAS_ATTR_TYPE_PROTO},
    };
    int filled = 0;

    *out = MAAS_ATTR_NONE;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        filled += msg->n[kinds[k].field] > 0;
        if (msg->type == 0 ? msg->n[kinds[k].field] > 0 : msg->type == (int64_t)kinds[k].kind)
            *out = kinds[k].kind;
    }
    if (msg->type == 0 && filled > 1)
        return maas_fail(im->err, MAAS_ERR_FORMAT, "attribute \"%.*s\" has no type and values of several types",
                         SHOW(msg->name));
    if (msg->type != 0 && *out == MAAS_ATTR_NONE)
        return maas_fail(im->err, MAAS_ERR_UNSUPPORTED, "attribute \"%.*s\" is of type %lld, which is not known",
                         SHOW(msg->name), (long long)msg->type);
    return MAAS_OK;
}

/* ---- content ---- */

static MaasStatus read_tensor_value(Import *im, MaasSlice bytes, bool sparse, MaasTensor **out)
{
    MaasPb pb = maas_pb_open(bytes.data, bytes.size);
    MaasValue *value;

    if (sparse)
        MAAS_TRY(maas_onnx_read_sparse(pb, im->mem, NULL, &value, im->err));
    else
        MAAS_TRY(maas_onnx_read_tensor(pb, im->mem, NULL, &value, im->err));
    *out = &value->tensor;
    return maas_onnx_keep(im, value);
}

static MaasStatus copy_string(Import *im, MaasSlice text, MaasStr *out)
{
    const char *copy;

    if (maas_utf8_valid(text.data, text.size) != text.size)
        return maas_fail(im->err, MAAS_ERR_FORMAT, "a string is not valid UTF-8");
    copy = maas_onnx_text(im, text);
    if (copy == NULL)
        return im->err->status;
    *out = (MaasStr){copy, text.size};
    return MAAS_OK;
}

static MaasStatus make_arrays(Import *im, const AttrMsg *msg, MaasAttr *attr, MaasStr **strings,
                              MaasTensor ***tensors, int64_t **ints, float **floats)
{
    bool made = true;

    if (attr->kind == MAAS_ATTR_INTS)
        made = (*ints = maas_arena_array(im->arena, msg->n[A_INTS], sizeof **ints, im->err)) != NULL;
    else if (attr->kind == MAAS_ATTR_FLOATS)
        made = (*floats = maas_arena_array(im->arena, msg->n[A_FLOATS], sizeof **floats, im->err)) != NULL;
    else if (attr->kind == MAAS_ATTR_STRINGS)
        made = (*strings = maas_arena_array(im->arena, msg->n[A_STRINGS], sizeof **strings, im->err)) != NULL;
    else if (attr->kind == MAAS_ATTR_TENSORS)
        made = (*tensors = maas_arena_array(im->arena, msg->n[A_TENSORS], sizeof **tensors, im->err)) != NULL;
    attr->ints = *ints;
    attr->floats = *floats;
    attr->strings = *strings;
    attr->tensors = *tensors;
    return made ? MAAS_OK : im->err->status;
}

static MaasStatus read_list(Import *im, MaasPb pb, const AttrMsg *msg, MaasAttr *attr)
{
    MaasStr *strings = NULL;
    MaasTensor **tensors = NULL;
    int64_t *ints = NULL;
    float *floats = NULL;
    MaasPbField f;
    size_t n = 0;

    MAAS_TRY(make_arrays(im, msg, attr, &strings, &tensors, &ints, &floats));
    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, im->err));
        if (f.number == A_INTS && ints != NULL)
            maas_pb_read_ints(&f, ints, &n);
        else if (f.number == A_FLOATS && floats != NULL)
            maas_pb_read_floats(&f, floats, &n);
        else if (f.number == A_STRINGS && strings != NULL)
            MAAS_TRY(copy_string(im, f.bytes, &strings[n++]));
        else if (f.number == A_TENSORS && tensors != NULL)
            MAAS_TRY(read_tensor_value(im, f.bytes, false, &tensors[n++]));
    }
    attr->n = (int64_t)n;
    return MAAS_OK;
}

static MaasStatus read_one(Import *im, Scope *scope, const AttrMsg *msg, MaasAttr *attr)
{
    MaasTensor **tensors;
    MaasInfo *info;
    bool sparse;

    switch (attr->kind) {
    case MAAS_ATTR_FLOAT:
        attr->f = msg->f;
        return MAAS_OK;
    case MAAS_ATTR_INT:
        attr->i = msg->i;
        return MAAS_OK;
    case MAAS_ATTR_STRING:
        return copy_string(im, msg->one[A_S], &attr->s);
    case MAAS_ATTR_TENSOR:
    case MAAS_ATTR_SPARSE_TENSOR:
        sparse = attr->kind == MAAS_ATTR_SPARSE_TENSOR;
        tensors = maas_arena_array(im->arena, 1, sizeof *tensors, im->err);
        if (tensors == NULL)
            return im->err->status;
        MAAS_TRY(read_tensor_value(im, msg->one[sparse ? A_SPARSE : A_T], sparse, &tensors[0]));
        attr->tensors = tensors;
        attr->n = 1;
        attr->kind = MAAS_ATTR_TENSOR;
        return MAAS_OK;
    case MAAS_ATTR_GRAPH:
        return maas_onnx_graph(im, msg->one[A_G], scope, &attr->graph);
    case MAAS_ATTR_TYPE_PROTO:
        info = maas_arena_alloc(im->arena, sizeof *info, im->err);
        if (info == NULL)
            return im->err->status;
        info->rank = -1;
        attr->info = info;
        return maas_onnx_type(im, msg->one[A_TYPE_PROTO], info);
    default:
        return MAAS_OK;
    }
}

/* ---- references ---- */

/* Finds the AttributeProto of this name; *found has no data when there is none. */
static MaasStatus find_named(Import *im, const SliceList *attrs, MaasSlice name, MaasSlice *found)
{
    MaasSlice given;

    *found = (MaasSlice){NULL, 0};
    for (int i = 0; i < attrs->n && found->data == NULL; i++) {
        MAAS_TRY(maas_onnx_attr_peek(im, attrs->items[i], &given, NULL));
        if (given.size == name.size && memcmp(given.data, name.data, name.size) == 0)
            *found = attrs->items[i];
    }
    return MAAS_OK;
}

/* Reads an attribute with the names that scope `where` knows, for a node of scope->graph, which may lie deeper:
 * scopes without names of their own then lead from one to the other. */
static MaasStatus read_from(Import *im, Scope *scope, Scope *where, MaasSlice bytes, MaasAttr *out, bool *present)
{
    Scope path[MAAS_MAX_GRAPH_DEPTH];
    const MaasGraph *graphs[MAAS_MAX_GRAPH_DEPTH];
    int n = 0;

    for (MaasGraph *g = scope->graph; g != where->graph; g = g->parent) {
        if (g == NULL || n == MAAS_MAX_GRAPH_DEPTH)
            return maas_fail(im->err, MAAS_ERR_INTERNAL, "a function's attribute is read outside its call");
        graphs[n++] = g;
    }
    for (int i = n - 1; i >= 0; i--) {
        maas_onnx_scope(im, &path[i], im->temp, (MaasGraph *)graphs[i], where, where->call, where->opsets);
        where = &path[i];
    }
    return maas_onnx_attr(im, where, bytes, out, present);
}

static MaasStatus read_reference(Import *im, Scope *scope, const AttrMsg *msg, MaasAttr *out, bool *present)
{
    const Call *call = scope->call;
    MaasStatus status;
    MaasSlice bytes;

    if (call == NULL)
        return maas_fail(im->err, MAAS_ERR_FORMAT, "attribute \"%.*s\" refers to \"%.*s\" outside a function",
                         SHOW(msg->name), SHOW(msg->ref));
    MAAS_TRY(find_named(im, &call->node->attrs, msg->ref, &bytes));
    if (bytes.data != NULL) {
        MAAS_TRY(read_from(im, scope, call->caller, bytes, out, present));
    } else {
        MAAS_TRY(find_named(im, &call->function->defaults, msg->ref, &bytes));
        if (bytes.data == NULL) {
            *present = false;
            return MAAS_OK;
        }
        scope->call = NULL; /* a default refers to nothing */
        status = maas_onnx_attr(im, scope, bytes, out, present);
        scope->call = call;
        MAAS_TRY(status);
    }
    if (*present && (out->name = maas_onnx_text(im, msg->name)) == NULL)
        return im->err->status;
    return MAAS_OK;
}

MaasStatus maas_onnx_attr(Import *im, Scope *scope, MaasSlice bytes, MaasAttr *out, bool *present)
{
    MaasPb pb = maas_pb_open(bytes.data, bytes.size);
    MaasStatus status;
    AttrMsg msg;

    MAAS_TRY(read_message(im, pb, &msg));
    if (msg.ref.size > 0)
        return read_reference(im, scope, &msg, out, present);
    *present = true;
    *out = (MaasAttr){.set = true};
    MAAS_TRY(find_kind(im, &msg, &out->kind));
    out->name = maas_onnx_text(im, msg.name);
    if (out->name == NULL)
        return im->err->status;
    if (out->kind >= MAAS_ATTR_FLOATS && out->kind <= MAAS_ATTR_TENSORS)
        status = read_list(im, pb, &msg, out);
    else
        status = read_one(im, scope, &msg, out);
    if (status != MAAS_OK && out->kind != MAAS_ATTR_GRAPH)
        maas_error_prefix(im->err, "attribute \"%s\"", out->name);
    return status;
}

MaasStatus maas_onnx_attr_peek(Import *im, MaasSlice bytes, MaasSlice *name, SliceList *graphs)
{
    MaasPb pb = maas_pb_open(bytes.data, bytes.size);
    MaasPbField f;

    *name = (MaasSlice){"", 0};
    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, im->err));
        if (f.number == A_NAME)
            MAAS_TRY(maas_pb_text(&f, "the name of an attribute", name, im->err));
        else if (graphs != NULL && (f.number == A_G || f.number == A_GRAPHS) && f.wire == MAAS_PB_BYTES)
            MAAS_TRY(maas_onnx_push(im, graphs, f.bytes));
    }
    return MAAS_OK;
}
