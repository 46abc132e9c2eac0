/*
 * ml_label.c - LabelEncoder, CategoryMapper and OneHotEncoder: operators that look each element up in a list.
 *
 * The list's table is the node's state (ml_lookup.c).  Strings that an output refers to are those of the
 * attributes, which live as long as the model.
 */
#include <string.h>

#include "batch.h"
#include "ml.h"

/* A list of keys or of values, wherever the node keeps it. */
typedef struct List {
    const MaasAttr *attr; /* NULL: the node does not give it */
    MaasType type;
    int64_t n;
    const void *data;
} List;

/* The list that one of the attributes floats, ints, strings, tensor (in this order from first) gives. */
static List list_of(const MaasAttr *attrs, int first)
{
    const MaasAttr *a = attrs + first;

    if (a[0].n > 0)
        return (List){&a[0], MAAS_FLOAT, a[0].n, a[0].floats};
    if (a[1].n > 0)
        return (List){&a[1], MAAS_INT64, a[1].n, a[1].ints};
    if (a[2].n > 0)
        return (List){&a[2], MAAS_STRING, a[2].n, a[2].strings};
    if (a[3].n > 0)
        return (List){&a[3], a[3].tensors[0]->type, a[3].tensors[0]->count, a[3].tensors[0]->data};
    return (List){0};
}

static uint64_t key_at(MaasType type, const void *data, int64_t i)
{
    switch (type) {
    case MAAS_FLOAT:
        return maas_float_key(((const float *)data)[i]);
    case MAAS_DOUBLE:
        return maas_float_key(((const double *)data)[i]);
    case MAAS_INT64:
        return (uint64_t)((const int64_t *)data)[i];
    case MAAS_INT32:
        return (uint64_t)((const int32_t *)data)[i];
    default:
        return (uint64_t)((const int16_t *)data)[i];
    }
}

/* Place of element i of x, or -1. */
static int64_t place_of(const MaasLookup *table, const MaasTensor *x, int64_t i)
{
    if (x->type == MAAS_STRING)
        return maas_lookup_string(table, MAAS_STRS(x)[i]);
    return maas_lookup_int(table, key_at(x->type, x->data, i));
}

static MaasStatus prepare_list(MaasCtx *c, MaasType type, const void *data, int64_t n)
{
    uint64_t *keys;

    if (type == MAAS_STRING)
        return maas_lookup_state(c, n, data, NULL);
    keys = maas_scratch(c, (size_t)n, sizeof *keys);
    if (!keys)
        return c->err->status;
    for (int64_t i = 0; i < n; i++)
        keys[i] = key_at(type, data, i);
    return maas_lookup_state(c, n, NULL, keys);
}

/* y[i] = values[place of x[i]], or *other where there is none */
static MaasStatus map_elements(MaasCtx *c, const MaasLookup *table, const void *values, const void *other)
{
    const MaasTensor *x = maas_in(c, 0);
    MaasTensor *y = maas_out(c, 0);
    const size_t size = maas_type_size(y->type);

    for (int64_t i = 0; i < x->count; i++) {
        int64_t place = place_of(table, x, i);

        memcpy((char *)y->data + (size_t)i * size, place < 0 ? other : (const char *)values + (size_t)place * size,
               size);
        if (i % 4096 == 4095 && maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

/* ---- LabelEncoder ---- */

enum { KEYS, VALUES = 4, DEFAULT_FLOAT = 8, DEFAULT_INT, DEFAULT_STRING, DEFAULT_TENSOR, CLASSES };

#define LABEL_TYPES                                                                                                \
    (MAAS_T_STRING | MAAS_T_I64 | MAAS_T_FLOAT | MAAS_T_DOUBLE | MAAS_T(MAAS_INT32) | MAAS_T(MAAS_INT16))

static MaasStatus infer_label_encoder(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0];
    List keys = list_of(c->attr, KEYS), values = list_of(c->attr, VALUES);
    const MaasAttr *other = &c->attr[DEFAULT_TENSOR];

    if (c->attr[CLASSES].n > 0 && !keys.attr && !values.attr) {
        /* version 1: strings to their places or places to strings */
        if (x->type != MAAS_STRING && x->type != MAAS_INT64)
            return maas_infer_fail(c, MAAS_ERR_TYPE, "X is %s, expected string or int64", maas_type_name(x->type));
        return maas_infer_out(c, 0, x->type == MAAS_STRING ? MAAS_INT64 : MAAS_STRING, x->rank, x->dims);
    }
    if (!keys.attr || !values.attr)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "needs one of the attributes keys_* and one of values_*");
    if (keys.n != values.n)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "%s has %lld entries, %s has %lld", keys.attr->name,
                               (long long)keys.n, values.attr->name, (long long)values.n);
    if (!maas_type_in(values.type, LABEL_TYPES))
        return maas_infer_fail(c, MAAS_ERR_TYPE, "%s is of type %s", values.attr->name,
                               maas_type_name(values.type));
    if (keys.type != x->type)
        return maas_infer_fail(c, MAAS_ERR_TYPE, "X is %s, but %s is of type %s", maas_type_name(x->type),
                               keys.attr->name, maas_type_name(keys.type));
    if (other->n > 0 && (other->tensors[0]->type != values.type || other->tensors[0]->count < 1))
        return maas_infer_fail(c, MAAS_ERR_TYPE, "default_tensor is not one value of type %s",
                               maas_type_name(values.type));
    return maas_infer_out(c, 0, values.type, x->rank, x->dims);
}

static MaasStatus prepare_label_encoder(MaasCtx *c)
{
    List keys = list_of(c->attr, KEYS);

    if (!keys.attr)
        return maas_lookup_state(c, c->attr[CLASSES].n, c->attr[CLASSES].strings, NULL);
    return prepare_list(c, keys.type, keys.data, keys.n);
}

static MaasStatus compute_classes(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    MaasTensor *y = maas_out(c, 0);
    const MaasAttr *classes = &c->attr[CLASSES];

    for (int64_t i = 0; i < x->count; i++) {
        if (x->type == MAAS_STRING) {
            int64_t place = maas_lookup_string(c->state, MAAS_STRS(x)[i]);

            MAAS_I64(y)[i] = place < 0 ? c->attr[DEFAULT_INT].i : place;
        } else {
            int64_t place = MAAS_I64(x)[i];

            MAAS_STRS(y)
            [i] = place < 0 || place >= classes->n ? c->attr[DEFAULT_STRING].s : classes->strings[place];
        }
    }
    return MAAS_OK;
}

static MaasStatus compute_label_encoder(MaasCtx *c)
{
    List values = list_of(c->attr, VALUES);
    const MaasAttr *other = &c->attr[DEFAULT_TENSOR];
    const double f64 = c->attr[DEFAULT_FLOAT].f;
    const int32_t i32 = (int32_t)c->attr[DEFAULT_INT].i;
    const int16_t i16 = (int16_t)c->attr[DEFAULT_INT].i;

    if (!values.attr)
        return compute_classes(c);
    if (other->n > 0)
        return map_elements(c, c->state, values.data, other->tensors[0]->data);
    switch (values.type) {
    case MAAS_FLOAT:
        return map_elements(c, c->state, values.data, &c->attr[DEFAULT_FLOAT].f);
    case MAAS_DOUBLE:
        return map_elements(c, c->state, values.data, &f64);
    case MAAS_INT64:
        return map_elements(c, c->state, values.data, &c->attr[DEFAULT_INT].i);
    case MAAS_INT32:
        return map_elements(c, c->state, values.data, &i32);
    case MAAS_INT16:
        return map_elements(c, c->state, values.data, &i16);
    default:
        return map_elements(c, c->state, values.data, &c->attr[DEFAULT_STRING].s);
    }
}

const MaasOp maas_op_label_encoder = {
    .domain = MAAS_ML,
    .name = "LabelEncoder",
    .first = 1,
    .since = 4, /* versions 1 (classes_strings) and 2 have a part of the attributes */
    .flags = MAAS_OP_STATE,
    .in = {{"X", LABEL_TYPES, 0, 0}},
    .out = {{"Y", LABEL_TYPES, 0, 0}},
    .attrs = {[KEYS] = {"keys_floats", MAAS_ATTR_FLOATS},
              {"keys_int64s", MAAS_ATTR_INTS},
              {"keys_strings", MAAS_ATTR_STRINGS},
              {"keys_tensor", MAAS_ATTR_TENSOR},
              [VALUES] = {"values_floats", MAAS_ATTR_FLOATS},
              {"values_int64s", MAAS_ATTR_INTS},
              {"values_strings", MAAS_ATTR_STRINGS},
              {"values_tensor", MAAS_ATTR_TENSOR},
              [DEFAULT_FLOAT] = {"default_float", MAAS_ATTR_FLOAT, .f = -0.0f},
              [DEFAULT_INT] = {"default_int64", MAAS_ATTR_INT, .i = -1},
              [DEFAULT_STRING] = {"default_string", MAAS_ATTR_STRING, .s = "_Unused"},
              [DEFAULT_TENSOR] = {"default_tensor", MAAS_ATTR_TENSOR},
              [CLASSES] = {"classes_strings", MAAS_ATTR_STRINGS}},
    .infer = infer_label_encoder,
    .prepare = prepare_label_encoder,
    .compute = compute_label_encoder,
    .batch = maas_batch_label_encoder,
};

/* ---- CategoryMapper ---- */

enum { CATS_INTS, CATS_STRINGS, OTHER_INT, OTHER_STRING };

static MaasStatus infer_category_mapper(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0];

    if (c->attr[CATS_INTS].n != c->attr[CATS_STRINGS].n)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "cats_int64s has %lld entries, cats_strings has %lld",
                               (long long)c->attr[CATS_INTS].n, (long long)c->attr[CATS_STRINGS].n);
    return maas_infer_out(c, 0, x->type == MAAS_STRING ? MAAS_INT64 : MAAS_STRING, x->rank, x->dims);
}

/* Which way it goes follows from the input's type, so that the state is both tables, strings first. */
static MaasStatus prepare_category_mapper(MaasCtx *c)
{
    const MaasAttr *ints = &c->attr[CATS_INTS], *strings = &c->attr[CATS_STRINGS];
    const uint64_t *keys = (const uint64_t *)ints->ints;
    size_t first, second, bytes;
    char *state;

    if (ints->n != strings->n)
        return maas_node_fail(c, MAAS_ERR_VALUE, "cats_int64s and cats_strings differ in length");
    MAAS_TRY(maas_lookup_bytes(c, strings->n, strings->strings, &first));
    MAAS_TRY(maas_lookup_bytes(c, ints->n, NULL, &second));
    if (__builtin_add_overflow(first, second, &bytes))
        return maas_node_fail(c, MAAS_ERR_LIMIT, "the size of its strings overflows");
    state = maas_state(c, bytes);
    if (!state)
        return c->err->status;
    MAAS_TRY(maas_lookup_fill(c, (MaasLookup *)state, strings->n, strings->strings, NULL));
    return maas_lookup_fill(c, (MaasLookup *)(state + first), ints->n, NULL, keys);
}

static MaasStatus compute_category_mapper(MaasCtx *c)
{
    const MaasAttr *ints = &c->attr[CATS_INTS], *strings = &c->attr[CATS_STRINGS];
    size_t first;

    if (maas_in(c, 0)->type == MAAS_STRING)
        return map_elements(c, c->state, ints->ints, &c->attr[OTHER_INT].i);
    MAAS_TRY(maas_lookup_bytes(c, strings->n, strings->strings, &first));
    return map_elements(c, (const MaasLookup *)((const char *)c->state + first), strings->strings,
                        &c->attr[OTHER_STRING].s);
}

const MaasOp maas_op_category_mapper = {
    .domain = MAAS_ML,
    .name = "CategoryMapper",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_STATE,
    .in = {{"X", MAAS_T_STRING | MAAS_T_I64, 0, 0}},
    .out = {{"Y", MAAS_T_STRING | MAAS_T_I64, 0, 0}},
    .attrs = {[CATS_INTS] = {"cats_int64s", MAAS_ATTR_INTS},
              [CATS_STRINGS] = {"cats_strings", MAAS_ATTR_STRINGS},
              [OTHER_INT] = {"default_int64", MAAS_ATTR_INT, .i = -1},
              [OTHER_STRING] = {"default_string", MAAS_ATTR_STRING, .s = "_Unused"}},
    .infer = infer_category_mapper,
    .prepare = prepare_category_mapper,
    .compute = compute_category_mapper,
    .batch = maas_batch_elementwise,
};

/* ---- OneHotEncoder ---- */

enum { HOT_INTS, HOT_STRINGS, ZEROS };

static MaasStatus infer_one_hot(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0];
    const MaasAttr *cats = &c->attr[x->type == MAAS_STRING ? HOT_STRINGS : HOT_INTS];
    int64_t dims[MAAS_MAX_RANK];

    if (c->attr[HOT_INTS].n > 0 && c->attr[HOT_STRINGS].n > 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "has both cats_int64s and cats_strings, expected one of them");
    if (cats->n == 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "X is %s, but %s is empty", maas_type_name(x->type), cats->name);
    if (x->rank < 0)
        return maas_infer_out(c, 0, MAAS_FLOAT, -1, NULL);
    if (x->rank == MAAS_MAX_RANK)
        return maas_infer_fail(c, MAAS_ERR_LIMIT, "X has %d dimensions already", x->rank);
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank] = cats->n;
    return maas_infer_out(c, 0, MAAS_FLOAT, x->rank + 1, dims);
}

static MaasStatus prepare_one_hot(MaasCtx *c)
{
    if (c->attr[HOT_STRINGS].n > 0)
        return maas_lookup_state(c, c->attr[HOT_STRINGS].n, c->attr[HOT_STRINGS].strings, NULL);
    return maas_lookup_state(c, c->attr[HOT_INTS].n, NULL, (const uint64_t *)c->attr[HOT_INTS].ints);
}

/* Place of element i; floating numbers are cut to integers, those that no integer holds are in no list. */
static int64_t hot_place(const MaasLookup *table, const MaasTensor *x, int64_t i)
{
    double v;

    if (x->type != MAAS_FLOAT && x->type != MAAS_DOUBLE)
        return place_of(table, x, i);
    v = x->type == MAAS_FLOAT ? MAAS_F32(x)[i] : MAAS_F64(x)[i];
    return v > -9.2e18 && v < 9.2e18 ? maas_lookup_int(table, (uint64_t)(int64_t)v) : -1;
}

static MaasStatus compute_one_hot(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    MaasTensor *y = maas_out(c, 0);
    const int64_t n = y->dims[y->rank - 1];

    if (y->count > 0)
        memset(y->data, 0, maas_tensor_bytes(y));
    for (int64_t i = 0; i < x->count; i++) {
        int64_t place = hot_place(c->state, x, i);

        if (place >= 0)
            MAAS_F32(y)[i * n + place] = 1;
        else if (!c->attr[ZEROS].i)
            return maas_node_fail(c, MAAS_ERR_VALUE, "element %lld is in none of the %lld categories", (long long)i,
                                  (long long)n);
        if (i % 4096 == 4095 && maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

const MaasOp maas_op_one_hot_encoder = {
    .domain = MAAS_ML,
    .name = "OneHotEncoder",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_STATE,
    .in = {{"X", MAAS_T_ML_NUMBERS | MAAS_T_STRING, 0, 0}},
    .out = {{"Y", MAAS_T_FLOAT, 0, 0}},
    .attrs = {[HOT_INTS] = {"cats_int64s", MAAS_ATTR_INTS},
              [HOT_STRINGS] = {"cats_strings", MAAS_ATTR_STRINGS},
              [ZEROS] = {"zeros", MAAS_ATTR_INT, .i = 1}},
    .infer = infer_one_hot,
    .prepare = prepare_one_hot,
    .compute = compute_one_hot,
    .batch = maas_batch_each,
};
