/*
 * ml_map.c - CastMap, DictVectorizer and ZipMap: between maps and tensors.
 *
 * Map keys may come in any order.  Keys and strings of an output refer to the attributes, which live as long as
 * the model, or to the input's, which live as long as the run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/number.h"
#include "ml.h"

static const MaasTensor *map_keys(const MaasCtx *c)
{
    return &c->in[0]->map.keys->tensor;
}

static const MaasTensor *map_values(const MaasCtx *c)
{
    return &c->in[0]->map.values->tensor;
}

/* ---- CastMap ---- */

enum { CAST_TO, MAP_FORM, MAX_MAP };
static const char *const casts[] = {"TO_FLOAT", "TO_STRING", "TO_INT64", NULL};
static const char *const forms[] = {"DENSE", "SPARSE", NULL};
static const MaasType cast_types[] = {MAAS_FLOAT, MAAS_STRING, MAAS_INT64};

static MaasStatus infer_cast_map(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0];
    int to = maas_ml_choice(&c->attr[CAST_TO], casts), form = maas_ml_choice(&c->attr[MAP_FORM], forms);
    int64_t n = form == 1 ? c->attr[MAX_MAP].i : MAAS_DIM_ANY;

    if (to < 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "cast_to is unknown, expected TO_FLOAT, TO_STRING or TO_INT64");
    if (form < 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "map_form is unknown, expected DENSE or SPARSE");
    if (form == 1 && n < 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "max_map is %lld, expected 0 or more", (long long)n);
    if (x->key != MAAS_UNDEFINED && x->key != MAAS_INT64)
        return maas_infer_fail(c, MAAS_ERR_TYPE, "the map's keys are %s, expected int64", maas_type_name(x->key));
    return maas_ml_infer_matrix(c, 0, cast_types[to], 1, n);
}

typedef struct Entry {
    int64_t key, place;
} Entry;

static int by_key(const void *a, const void *b)
{
    const Entry *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* y[to] = values[from], converted */
static MaasStatus cast_value(MaasCtx *c, const MaasTensor *values, int64_t from, MaasTensor *y, int64_t to)
{
    double number = 0;

    if (values->type == MAAS_STRING) {
        MaasStr s = MAAS_STRS(values)[from];

        if (y->type == MAAS_STRING) {
            MAAS_STRS(y)[to] = s;
            return MAAS_OK;
        }
        if (s.length > 0 && maas_number_length(s.data, s.length) == s.length)
            number = maas_number_double(s.data, s.length);
        else if (!maas_number_special(s.data, s.length, &number))
            return maas_node_fail(c, MAAS_ERR_VALUE, "value %lld of the map, \"%.*s\", is not a number",
                                  (long long)from, (int)(s.length < 40 ? s.length : 40), s.data);
    } else {
        number = MAAS_F32(values)[from];
    }
    if (y->type == MAAS_FLOAT) {
        MAAS_F32(y)[to] = (float)number;
    } else if (y->type == MAAS_INT64) {
        if (!(number > -9.2e18 && number < 9.2e18))
            return maas_node_fail(c, MAAS_ERR_VALUE, "value %lld of the map does not fit into int64",
                                  (long long)from);
        MAAS_I64(y)[to] = (int64_t)number;
    } else {
        char text[64], *copy; /* the largest float has 39 digits */
        int length = snprintf(text, sizeof text, "%f", number);

        copy = maas_run_string(c, (size_t)length);
        if (!copy)
            return c->err->status;
        memcpy(copy, text, (size_t)length);
        MAAS_STRS(y)[to] = (MaasStr){copy, (size_t)length};
    }
    return MAAS_OK;
}

static MaasStatus compute_cast_map(MaasCtx *c)
{
    const MaasTensor *keys = map_keys(c), *values = map_values(c);
    const bool sparse = maas_ml_choice(&c->attr[MAP_FORM], forms) == 1;
    const int64_t n = keys->count, width = sparse ? c->attr[MAX_MAP].i : n;
    Entry *entries = maas_scratch(c, (size_t)n, sizeof *entries);
    MaasTensor *y;

    if (!entries)
        return c->err->status;
    if (keys->type != MAAS_INT64 || (values->type != MAAS_STRING && values->type != MAAS_FLOAT))
        return maas_node_fail(c, MAAS_ERR_TYPE, "got a map from %s to %s, expected int64 to float or string",
                              maas_type_name(keys->type), maas_type_name(values->type));
    for (int64_t i = 0; i < n; i++)
        entries[i] = (Entry){MAAS_I64(keys)[i], i};
    qsort(entries, (size_t)n, sizeof *entries, by_key);
    MAAS_TRY(
        maas_out_new(c, 0, cast_types[maas_ml_choice(&c->attr[CAST_TO], casts)], 2, (int64_t[]){1, width}, &y));
    if (sparse)
        for (int64_t i = 0; i < width; i++) {
            if (y->type == MAAS_STRING)
                MAAS_STRS(y)[i] = (MaasStr){"0.f", 3}; /* what onnxruntime fills with */
            else
                memset((char *)y->data + (size_t)i * maas_type_size(y->type), 0, maas_type_size(y->type));
        }
    for (int64_t i = 0; i < n; i++) {
        if (sparse && (entries[i].key < 0 || entries[i].key >= width))
            return maas_node_fail(c, MAAS_ERR_VALUE, "key %lld is outside of a sparse map of %lld places",
                                  (long long)entries[i].key, (long long)width);
        MAAS_TRY(cast_value(c, values, entries[i].place, y, sparse ? entries[i].key : i));
    }
    return MAAS_OK;
}

const MaasOp maas_op_cast_map = {
    .domain = MAAS_ML,
    .name = "CastMap",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_DYNAMIC,
    .in = {{"X", MAAS_T_MAP, 0, 0}},
    .out = {{"Y", MAAS_T_STRING | MAAS_T_FLOAT | MAAS_T_I64, 0, 0}},
    .attrs = {[CAST_TO] = {"cast_to", MAAS_ATTR_STRING, .s = "TO_FLOAT"},
              [MAP_FORM] = {"map_form", MAAS_ATTR_STRING, .s = "DENSE"},
              [MAX_MAP] = {"max_map", MAAS_ATTR_INT, .i = 1}},
    .infer = infer_cast_map,
    .compute = compute_cast_map,
};

/* ---- DictVectorizer ---- */

enum { WORDS_INT, WORDS_STRING };
#define DICT_VALUES (MAAS_T_I64 | MAAS_T_FLOAT | MAAS_T_DOUBLE | MAAS_T_STRING)

static const MaasAttr *vocabulary(const MaasAttr *attr)
{
    return attr[WORDS_STRING].n > 0 ? &attr[WORDS_STRING] : &attr[WORDS_INT];
}

static MaasStatus infer_dict_vectorizer(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0];
    const MaasAttr *words = vocabulary(c->attr);
    MaasType key = c->attr[WORDS_STRING].n > 0 ? MAAS_STRING : MAAS_INT64;

    if (c->attr[WORDS_STRING].n > 0 && c->attr[WORDS_INT].n > 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "has both int64_vocabulary and string_vocabulary");
    if (words->n == 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "needs int64_vocabulary or string_vocabulary");
    if (x->key != MAAS_UNDEFINED && x->key != key)
        return maas_infer_fail(c, MAAS_ERR_TYPE, "the map's keys are %s, the vocabulary's %s",
                               maas_type_name(x->key), maas_type_name(key));
    if (!x->elem) /* while running: compute sees what the values are */
        return maas_ml_infer_matrix(c, 0, MAAS_UNDEFINED, 1, words->n);
    if (!maas_type_in(x->elem->type, DICT_VALUES))
        return maas_infer_fail(c, MAAS_ERR_TYPE, "the map's values are %s, expected int64, float, double or string",
                               maas_type_name(x->elem->type));
    return maas_ml_infer_matrix(c, 0, x->elem->type, 1, words->n);
}

static MaasStatus prepare_dict_vectorizer(MaasCtx *c)
{
    const MaasAttr *words = vocabulary(c->attr);

    if (words == &c->attr[WORDS_STRING])
        return maas_lookup_state(c, words->n, words->strings, NULL);
    return maas_lookup_state(c, words->n, NULL, (const uint64_t *)words->ints);
}

/* y[place of the key] = value; what the map has not is 0 (or an empty string).  A word that the vocabulary has
 * twice gets its value in both places. */
static MaasStatus compute_dict_vectorizer(MaasCtx *c)
{
    const MaasTensor *keys = map_keys(c), *values = map_values(c);
    const MaasAttr *words = vocabulary(c->attr);
    const bool text = words == &c->attr[WORDS_STRING];
    const size_t size = maas_type_size(values->type);
    int64_t *from = maas_scratch(c, (size_t)words->n, sizeof *from);
    MaasTensor *y;

    if (!from)
        return c->err->status;
    if (keys->type != (text ? MAAS_STRING : MAAS_INT64) || !maas_type_in(values->type, DICT_VALUES))
        return maas_node_fail(c, MAAS_ERR_TYPE, "got a map from %s to %s", maas_type_name(keys->type),
                              maas_type_name(values->type));
    MAAS_TRY(maas_out_new(c, 0, values->type, 2, (int64_t[]){1, words->n}, &y));
    memset(y->data, 0, maas_tensor_bytes(y));
    memset(from, -1, (size_t)words->n * sizeof *from);
    for (int64_t i = 0; i < keys->count; i++) {
        int64_t place = text ? maas_lookup_string(c->state, MAAS_STRS(keys)[i])
                             : maas_lookup_int(c->state, (uint64_t)MAAS_I64(keys)[i]);

        if (place >= 0)
            from[place] = i;
    }
    for (int64_t i = 0; i < words->n; i++) {
        int64_t place = text ? maas_lookup_string(c->state, words->strings[i])
                             : maas_lookup_int(c->state, (uint64_t)words->ints[i]);

        if (from[place] >= 0)
            memcpy((char *)y->data + (size_t)i * size, (const char *)values->data + (size_t)from[place] * size,
                   size);
    }
    return MAAS_OK;
}

const MaasOp maas_op_dict_vectorizer = {
    .domain = MAAS_ML,
    .name = "DictVectorizer",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_DYNAMIC | MAAS_OP_STATE,
    .in = {{"X", MAAS_T_MAP, 0, 0}},
    .out = {{"Y", DICT_VALUES, 0, 0}},
    .attrs = {[WORDS_INT] = {"int64_vocabulary", MAAS_ATTR_INTS},
              [WORDS_STRING] = {"string_vocabulary", MAAS_ATTR_STRINGS}},
    .infer = infer_dict_vectorizer,
    .prepare = prepare_dict_vectorizer,
    .compute = compute_dict_vectorizer,
};

/* ---- ZipMap ---- */

enum { ZIP_INTS, ZIP_STRINGS };

static MaasStatus infer_zip_map(MaasInferCtx *c)
{
    MaasMlLabels labels = maas_ml_labels(&c->attr[ZIP_STRINGS], &c->attr[ZIP_INTS]);
    MaasInfo *z = c->out[0], *map, *value;
    MaasMlRows rows;

    MAAS_TRY(maas_ml_infer_labels(c, &labels));
    if (c->attr[ZIP_STRINGS].n > 0 && c->attr[ZIP_INTS].n > 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "has both classlabels_strings and classlabels_int64s");
    MAAS_TRY(maas_ml_infer_rows(c, &rows));
    if (rows.f >= 0 && rows.f != labels.n)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "X has %lld columns for %lld class labels", (long long)rows.f,
                               (long long)labels.n);
    if (!z)
        return MAAS_OK;
    map = maas_infer_alloc(c, sizeof *map);
    value = maas_infer_alloc(c, sizeof *value);
    if (!map || !value)
        return c->err->status;
    *value = (MaasInfo){.kind = MAAS_KIND_TENSOR, .type = MAAS_FLOAT, .rank = 0};
    *map = (MaasInfo){.kind = MAAS_KIND_MAP, .key = labels.text ? MAAS_STRING : MAAS_INT64, .elem = value};
    z->kind = MAAS_KIND_SEQUENCE;
    z->elem = map;
    return MAAS_OK;
}

static MaasStatus compute_zip_map(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    const MaasMlLabels labels = maas_ml_labels(&c->attr[ZIP_STRINGS], &c->attr[ZIP_INTS]);
    const MaasMlRows rows = maas_ml_rows(x);
    const int64_t dims[1] = {labels.n};
    const void *list = labels.text ? (const void *)labels.strings : labels.ints;
    MaasMem *mem = maas_run_mem(c);
    MaasValue *keys = NULL, *sequence = NULL;
    MaasStatus status;

    status = maas_value_wrap(mem, labels.text ? MAAS_STRING : MAAS_INT64, 1, dims, (void *)list, &keys, c->err);
    if (status == MAAS_OK)
        status = maas_value_new_sequence(mem, rows.n, &sequence, c->err);
    for (int64_t i = 0; status == MAAS_OK && i < rows.n; i++) {
        MaasValue *values;

        status = maas_value_new_tensor(mem, MAAS_FLOAT, 1, dims, &values, c->err);
        if (status != MAAS_OK)
            break;
        memcpy(values->tensor.data, MAAS_F32(x) + i * labels.n, (size_t)labels.n * sizeof(float));
        status = maas_value_new_map(mem, maas_value_ref(keys), values, &sequence->seq.items[i], c->err);
        if (status == MAAS_OK && maas_stop(c))
            status = maas_stopped(c);
    }
    maas_value_unref(keys);
    if (status != MAAS_OK) {
        maas_value_unref(sequence);
        return status;
    }
    maas_out_take(c, 0, sequence);
    return MAAS_OK;
}

const MaasOp maas_op_zip_map = {
    .domain = MAAS_ML,
    .name = "ZipMap",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_DYNAMIC,
    .in = {{"X", MAAS_T_FLOAT, 0, 0}},
    .out = {{"Z", MAAS_T_SEQUENCE, 0, 0}},
    .attrs = {[ZIP_INTS] = {"classlabels_int64s", MAAS_ATTR_INTS},
              [ZIP_STRINGS] = {"classlabels_strings", MAAS_ATTR_STRINGS}},
    .infer = infer_zip_map,
    .compute = compute_zip_map,
};
