/*
 * onnx_import.c - ModelProto: versions, opsets, functions, metadata, and what cannot be run.
 *
 * Import owns a temporary arena for the messages it takes apart; the result
 * lies in the caller's arena.  Constants hold memory of their own, which
 * maas_onnx_release gives back.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "onnx_read.h"

#define MAX_OPSETS 256 /* imports of a model or a function: they are searched one by one */
#define MAX_FUNCTIONS 100000

/* The numbers of ModelProto's fields. */
enum {
    M_IR_VERSION = 1,
    M_PRODUCER = 2,
    M_PRODUCER_VERSION = 3,
    M_DOC = 6,
    M_GRAPH = 7,
    M_OPSETS = 8,
    M_METADATA = 14,
    M_FUNCTIONS = 25
};

typedef struct ModelMsg {
    MaasSlice graph, producer, producer_version, doc;
    int n_functions;
    int n_metadata;
} ModelMsg;

/* ---- helpers of the other files ---- */

MaasStatus maas_onnx_keep(Import *im, MaasValue *value)
{
    MaasOnnxModel *model = im->model;

    if (model->n_values == model->cap_values) {
        int cap = model->cap_values < 16 ? 16 : model->cap_values * 2;
        MaasValue **values = NULL;
        if (cap > INT_MAX / 4)
            maas_fail(im->err, MAAS_ERR_LIMIT, "the model has too many constants");
        else
            values = maas_arena_array(im->arena, (size_t)cap, sizeof(MaasValue *), im->err);
        if (values == NULL) {
            maas_value_unref(value);
            return im->err->status;
        }
        if (model->n_values > 0)
            memcpy(values, model->values, (size_t)model->n_values * sizeof(MaasValue *));
        model->values = values;
        model->cap_values = cap;
    }
    model->values[model->n_values++] = value;
    return MAAS_OK;
}

void maas_onnx_bad_type(Import *im, const char *format, ...)
{
    char text[64];
    size_t length = strlen(im->bad_types);
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    im->n_bad_types++;
    if (strstr(im->bad_types, text) == NULL && length + strlen(text) + 3 < sizeof im->bad_types)
        snprintf(im->bad_types + length, sizeof im->bad_types - length, "%s%s", length > 0 ? ", " : "", text);
}

/* ---- opsets ---- */

static MaasStatus read_opset(Import *im, MaasPb pb, MaasOnnxOpset *out)
{
    MaasSlice domain = {"", 0};
    MaasPbField f;

    out->version = 0;
    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, im->err));
        if (f.number == 1)
            MAAS_TRY(maas_pb_text(&f, "the domain of an opset", &domain, im->err));
        else if (f.number == 2)
            MAAS_TRY(maas_pb_int(&f, "the version of an opset", &out->version, im->err));
    }
    if (maas_slice_is(domain, "ai.onnx"))
        domain.size = 0;
    out->domain = maas_onnx_text(im, domain);
    if (out->domain == NULL)
        return im->err->status;
    if (out->version < 1 || out->version > INT_MAX)
        return maas_fail(im->err, MAAS_ERR_FORMAT, "the model imports opset %lld of domain \"%s\"",
                         (long long)out->version, *out->domain ? out->domain : "ai.onnx");
    return MAAS_OK;
}

MaasStatus maas_onnx_opsets(Import *im, MaasPb pb, uint32_t field, Opsets *out)
{
    MaasPb count = pb;
    MaasOnnxOpset *list;
    MaasPbField f;
    int n = 0;

    while (maas_pb_more(&count)) {
        MAAS_TRY(maas_pb_next(&count, &f, im->err));
        n += f.number == field && n <= MAX_OPSETS;
    }
    if (n > MAX_OPSETS)
        return maas_fail(im->err, MAAS_ERR_LIMIT, "the model imports more than %d opsets", MAX_OPSETS);
    list = maas_arena_array(im->arena, (size_t)n, sizeof *list, im->err);
    if (list == NULL)
        return im->err->status;
    *out = (Opsets){.n = 0, .list = list};
    while (maas_pb_more(&pb)) {
        MaasSlice bytes;
        MAAS_TRY(maas_pb_next(&pb, &f, im->err));
        if (f.number != field)
            continue;
        MAAS_TRY(maas_pb_bytes(&f, "an opset import", &bytes, im->err));
        MAAS_TRY(read_opset(im, maas_pb_inner(&pb, bytes), &list[out->n++]));
    }
    return MAAS_OK;
}

/* ---- functions ---- */

/* The key under which a function is found: three names with bytes between that no name holds. */
static MaasStatus function_key(Import *im, MaasSlice domain, MaasSlice name, MaasSlice overload, MaasSlice *key)
{
    size_t size = domain.size + name.size + overload.size + 2;
    char *text = maas_arena_alloc(im->temp, size, im->err);

    if (text == NULL)
        return im->err->status;
    memcpy(text, domain.data != NULL ? domain.data : "", domain.size);
    memcpy(text + domain.size + 1, name.data != NULL ? name.data : "", name.size);
    memcpy(text + domain.size + name.size + 2, overload.data != NULL ? overload.data : "", overload.size);
    *key = (MaasSlice){text, size};
    return MAAS_OK;
}

MaasStatus maas_onnx_find_function(Import *im, const NodeMsg *node, Function **out)
{
    const int *found;
    MaasSlice key;

    *out = NULL;
    if (im->n_functions == 0)
        return MAAS_OK;
    MAAS_TRY(function_key(im, node->domain, node->op_type, node->overload, &key));
    found = maas_names_find(&im->function_names, key);
    if (found != NULL)
        *out = &im->functions[*found];
    return MAAS_OK;
}

static MaasStatus read_function(Import *im, MaasPb pb, Function *fn)
{
    MaasPbField f;
    MaasSlice key;

    fn->bytes = (MaasSlice){(const char *)pb.at, (size_t)(pb.end - pb.at)};
    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, im->err));
        if (f.number == 1)
            MAAS_TRY(maas_pb_text(&f, "the name of a function", &fn->name, im->err));
        else if (f.number == 10)
            MAAS_TRY(maas_pb_text(&f, "the domain of a function", &fn->domain, im->err));
        else if (f.number == 13)
            MAAS_TRY(maas_pb_text(&f, "the overload of a function", &fn->overload, im->err));
    }
    if (maas_slice_is(fn->domain, "ai.onnx"))
        fn->domain.size = 0;
    MAAS_TRY(function_key(im, fn->domain, fn->name, fn->overload, &key));
    if (maas_names_find(&im->function_names, key) != NULL)
        return maas_fail(im->err, MAAS_ERR_NAME, "function \"%.*s\" is defined twice", SHOW(fn->name));
    return maas_names_put(&im->function_names, key, im->n_functions, im->err);
}

/* ---- the model ---- */

static MaasStatus read_text(Import *im, const MaasPbField *f, const char *what, MaasSlice *out)
{
    return maas_pb_text(f, what, out, im->err);
}

static MaasStatus read_model(Import *im, MaasPb pb, ModelMsg *msg)
{
    MaasPbField f;

    memset(msg, 0, sizeof *msg);
    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, im->err));
        switch (f.number) {
        case M_IR_VERSION:
            MAAS_TRY(maas_pb_int(&f, "ir_version", &im->model->ir_version, im->err));
            break;
        case M_PRODUCER:
            MAAS_TRY(read_text(im, &f, "producer_name", &msg->producer));
            break;
        case M_PRODUCER_VERSION:
            MAAS_TRY(read_text(im, &f, "producer_version", &msg->producer_version));
            break;
        case M_DOC:
            MAAS_TRY(read_text(im, &f, "doc_string", &msg->doc));
            break;
        case M_GRAPH:
            if (msg->graph.data != NULL)
                return maas_fail(im->err, MAAS_ERR_FORMAT, "the model has two graphs");
            MAAS_TRY(maas_pb_bytes(&f, "the graph", &msg->graph, im->err));
            break;
        case M_METADATA:
            msg->n_metadata += msg->n_metadata < INT_MAX / 4;
            break;
        case M_FUNCTIONS:
            if (++msg->n_functions > MAX_FUNCTIONS)
                return maas_fail(im->err, MAAS_ERR_LIMIT, "the model has more than %d functions", MAX_FUNCTIONS);
            break;
        default:
            break;
        }
    }
    if (msg->graph.data == NULL)
        return maas_fail(im->err, MAAS_ERR_FORMAT, "there is no graph");
    if (im->model->ir_version < 1)
        return maas_fail(im->err, MAAS_ERR_FORMAT, "there is no IR version");
    return MAAS_OK;
}

static MaasStatus read_metadata(Import *im, MaasPb pb, int i)
{
    MaasSlice pair[2] = {{"", 0}, {"", 0}};
    MaasPbField f;

    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, im->err));
        if (f.number == 1 || f.number == 2)
            MAAS_TRY(read_text(im, &f, "metadata", &pair[f.number - 1]));
    }
    for (int k = 0; k < 2; k++)
        if ((im->model->metadata[2 * i + k] = maas_onnx_text(im, pair[k])) == NULL)
            return im->err->status;
    return MAAS_OK;
}

/* Metadata and functions: the repeated fields that have been counted. */
static MaasStatus read_lists(Import *im, MaasPb pb, const ModelMsg *msg)
{
    MaasOnnxModel *model = im->model;
    MaasPbField f;
    MaasSlice bytes;

    model->metadata = maas_arena_array(im->arena, (size_t)msg->n_metadata, 2 * sizeof *model->metadata, im->err);
    im->functions = maas_arena_array(im->temp, (size_t)msg->n_functions, sizeof *im->functions, im->err);
    if (model->metadata == NULL || im->functions == NULL)
        return im->err->status;
    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, im->err));
        if (f.number != M_METADATA && f.number != M_FUNCTIONS)
            continue;
        MAAS_TRY(maas_pb_bytes(&f, "metadata or a function", &bytes, im->err));
        if (f.number == M_FUNCTIONS) {
            MAAS_TRY(read_function(im, maas_pb_inner(&pb, bytes), &im->functions[im->n_functions]));
            im->n_functions++;
        } else if (model->n_metadata < msg->n_metadata) {
            MAAS_TRY(read_metadata(im, maas_pb_inner(&pb, bytes), model->n_metadata));
            model->n_metadata++;
        }
    }
    return MAAS_OK;
}

static MaasStatus read_texts(Import *im, const ModelMsg *msg)
{
    MaasOnnxModel *model = im->model;
    bool version = msg->producer_version.size > 0;

    model->doc = maas_onnx_text(im, msg->doc);
    model->producer = maas_arena_printf(im->arena, im->err, "%.*s%s%.*s", SHOW(msg->producer), version ? " " : "",
                                        SHOW(msg->producer_version));
    return model->doc != NULL && model->producer != NULL ? MAAS_OK : im->err->status;
}

/* ---- what cannot be run ---- */

static const char *domain_text(const OpUse *use)
{
    return *use->domain ? use->domain : "ai.onnx";
}

static const char *reason(const OpUse *use, char *text, size_t size)
{
    if (use->version == 0)
        snprintf(text, size, "%s, no opset imported", use->trouble);
    else
        snprintf(text, size, "%s, opset %lld", use->trouble, (long long)use->version);
    return text;
}

/* One failure that names every operator, opset and type that cannot be run. */
static MaasStatus check_supported(Import *im)
{
    char why[96], names[640] = "";
    size_t length = 0;
    int n_bad = 0, n_named = 0;

    for (int i = 0; i < im->n_uses; i++) {
        const OpUse *use = &im->uses[i];
        int more;
        if (use->op != NULL)
            continue;
        n_bad++;
        if (n_named >= 8 || n_named < n_bad - 1)
            continue;
        more = snprintf(names + length, sizeof names - length, "%s%s.%s (%s)", n_named > 0 ? ", " : "",
                        domain_text(use), use->name, reason(use, why, sizeof why));
        if (more < 0 || (size_t)more >= sizeof names - length) {
            names[length] = '\0';
            continue;
        }
        length += (size_t)more;
        n_named++;
    }
    if (n_bad == 0 && im->n_bad_types == 0)
        return MAAS_OK;
    if (n_bad == 0)
        return maas_fail(im->err, MAAS_ERR_UNSUPPORTED, "the model uses types that this engine cannot run: %s",
                         im->bad_types);
    maas_fail(im->err, MAAS_ERR_UNSUPPORTED, "the model uses %d operator%s that this engine cannot run: %s%s",
              n_bad, n_bad > 1 ? "s" : "", names, n_named < n_bad ? " ..." : "");
    for (int i = 0; i < im->n_uses; i++) {
        const OpUse *use = &im->uses[i];
        if (use->op == NULL)
            maas_error_detail(im->err, "%s.%s (%s): %lld node%s\n", domain_text(use), use->name,
                              reason(use, why, sizeof why), (long long)use->count, use->count == 1 ? "" : "s");
    }
    if (im->n_bad_types > 0)
        maas_error_detail(im->err, "Types: %s\n", im->bad_types);
    maas_error_hint(im->err, "This engine runs ai.onnx up to opset %d and ai.onnx.ml up to %d.",
                    MAAS_ONNX_MAX_OPSET, MAAS_ONNX_MAX_ML_OPSET);
    return im->err->status;
}

/* ---- import ---- */

static MaasStatus import(Import *im, MaasPb pb)
{
    static const MaasOnnxOpset first[] = {{"", 1}};
    MaasOnnxModel *model = im->model;
    ModelMsg msg;

    if (read_model(im, pb, &msg) != MAAS_OK) {
        if (im->err->status == MAAS_ERR_FORMAT)
            maas_error_prefix(im->err, "these bytes are not an ONNX model");
        return im->err->status;
    }
    if (model->ir_version > MAAS_ONNX_MAX_IR)
        return maas_fail(im->err, MAAS_ERR_UNSUPPORTED,
                         "the model is of IR version %lld, this engine reads versions up to %d",
                         (long long)model->ir_version, MAAS_ONNX_MAX_IR);
    MAAS_TRY(maas_onnx_opsets(im, pb, M_OPSETS, &im->opsets));
    if (im->opsets.n == 0 && model->ir_version >= 3)
        return maas_fail(im->err, MAAS_ERR_FORMAT, "the model does not say which opsets it uses");
    if (im->opsets.n == 0) /* before IR version 3 there was one */
        im->opsets = (Opsets){.n = 1, .list = first};
    model->n_opsets = im->opsets.n;
    model->opsets = im->opsets.list;
    MAAS_TRY(read_texts(im, &msg));
    MAAS_TRY(read_lists(im, pb, &msg));
    MAAS_TRY(maas_onnx_graph(im, msg.graph, NULL, &model->graph));
    return check_supported(im);
}

MaasStatus maas_onnx_import(const void *bytes, size_t n, MaasArena *arena, MaasMem *mem, MaasOnnxModel *out,
                            MaasError *err)
{
    MaasArena temp;
    MaasStatus status;
    Import im = {.arena = arena, .temp = &temp, .mem = mem, .model = out, .err = err};

    memset(out, 0, sizeof *out);
    maas_arena_init(&temp, mem);
    maas_names_init(&im.symbols, &temp);
    maas_names_init(&im.function_names, &temp);
    maas_names_init(&im.use_names, &temp);
    status = import(&im, maas_pb_open(bytes, n));
    maas_arena_free(&temp);
    if (status != MAAS_OK)
        maas_onnx_release(out);
    return status;
}

void maas_onnx_release(MaasOnnxModel *model)
{
    for (int g = 0; g < model->n_graphs; g++)
        for (int e = 0; e < model->graphs[g]->n_edges; e++)
            maas_value_unref(model->graphs[g]->edges[e].constant);
    for (int i = 0; i < model->n_values; i++)
        maas_value_unref(model->values[i]);
    memset(model, 0, sizeof *model);
}
