/*
 * onnx_write.c - makes the bytes of an ONNX model piece by piece.
 *
 * Each kind of piece goes into a buffer of its own; finish puts them into one message.  The writer owns its
 * buffers. What the operators mean is not known here: a model is checked by loading it.  Field numbers: onnx.proto.
 */
#include <string.h>

#include "onnx_tensor.h"
#include "onnx_write.h"

enum { /* ModelProto */
       MODEL_IR_VERSION = 1,
       MODEL_PRODUCER_NAME = 2,
       MODEL_GRAPH = 7,
       MODEL_OPSET_IMPORT = 8,
       MODEL_METADATA = 14
};
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP_TYPE = 4, NODE_ATTRIBUTE = 5, NODE_DOMAIN = 7 };
enum {
    ATTR_NAME = 1,
    ATTR_F = 2,
    ATTR_I = 3,
    ATTR_S = 4,
    ATTR_FLOATS = 7,
    ATTR_INTS = 8,
    ATTR_STRINGS = 9,
    ATTR_TYPE = 20
};
enum { TYPE_FLOAT = 1, TYPE_INT = 2, TYPE_STRING = 3, TYPE_FLOATS = 6, TYPE_INTS = 7, TYPE_STRINGS = 8 };
enum { TENSOR_NAME = 8 };

static void put_text(MaasPbOut *out, uint32_t number, const char *text)
{
    maas_pb_put_bytes(out, number, text, strlen(text));
}

void maas_onnx_writer_init(MaasOnnxWriter *w, MaasMem *mem, MaasError *err)
{
    *w = (MaasOnnxWriter){.mem = mem, .err = err};
    maas_pb_out_init(&w->nodes, mem, err);
    maas_pb_out_init(&w->tensors, mem, err);
    maas_pb_out_init(&w->inputs, mem, err);
    maas_pb_out_init(&w->outputs, mem, err);
    maas_pb_out_init(&w->metadata, mem, err);
}

void maas_onnx_writer_free(MaasOnnxWriter *w)
{
    maas_pb_out_free(&w->nodes);
    maas_pb_out_free(&w->tensors);
    maas_pb_out_free(&w->inputs);
    maas_pb_out_free(&w->outputs);
    maas_pb_out_free(&w->metadata);
}

MaasStatus maas_onnx_writer_status(const MaasOnnxWriter *w)
{
    const MaasPbOut *all[] = {&w->nodes, &w->tensors, &w->inputs, &w->outputs, &w->metadata};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->status != MAAS_OK)
            return all[i]->status;
    return MAAS_OK;
}

/* ---- inputs, outputs, initialisers ---- */

/* ValueInfoProto of a tensor. */
static void put_value_info(MaasPbOut *out, uint32_t number, const char *name, MaasType type, int rank,
                           const int64_t *dims, const char *const *symbols)
{
    size_t info = maas_pb_begin(out, number);
    size_t type_proto, tensor_type, shape;

    put_text(out, 1, name);
    type_proto = maas_pb_begin(out, 2);
    tensor_type = maas_pb_begin(out, 1);
    maas_pb_put_int(out, 1, type);
    shape = maas_pb_begin(out, 2);
    for (int d = 0; d < rank; d++) {
        size_t dim = maas_pb_begin(out, 1);

        if (dims[d] >= 0)
            maas_pb_put_int(out, 1, dims[d]);
        else if (symbols && symbols[d])
            put_text(out, 2, symbols[d]);
        maas_pb_end(out, dim);
    }
    maas_pb_end(out, shape);
    maas_pb_end(out, tensor_type);
    maas_pb_end(out, type_proto);
    maas_pb_end(out, info);
}

void maas_onnx_write_input(MaasOnnxWriter *w, const char *name, MaasType type, int rank, const int64_t *dims,
                           const char *const *symbols)
{
    put_value_info(&w->inputs, GRAPH_INPUT, name, type, rank, dims, symbols);
}

void maas_onnx_write_output(MaasOnnxWriter *w, const char *name, MaasType type, int rank, const int64_t *dims,
                            const char *const *symbols)
{
    put_value_info(&w->outputs, GRAPH_OUTPUT, name, type, rank, dims, symbols);
}

void maas_onnx_write_initializer(MaasOnnxWriter *w, const char *name, MaasType type, int rank, const int64_t *dims,
                                 const void *data)
{
    MaasPbOut *out = &w->tensors;
    MaasTensor tensor = {.type = type, .rank = rank, .data = (void *)data};
    size_t mark;

    if (out->status != MAAS_OK)
        return;
    if (rank > MAAS_MAX_RANK || !maas_count_dims(rank, dims, &tensor.count)) {
        out->status = maas_fail(w->err, MAAS_ERR_LIMIT, "the tensor \"%.200s\" is too large", name);
        return;
    }
    if (rank > 0)
        memcpy(tensor.dims, dims, sizeof *dims * (size_t)rank);
    mark = maas_pb_begin(out, GRAPH_INITIALIZER);
    put_text(out, TENSOR_NAME, name);
    maas_onnx_write_tensor(out, &tensor);
    maas_pb_end(out, mark);
}

/* ---- nodes ---- */

void maas_onnx_begin_node(MaasOnnxWriter *w, const char *domain, const char *op, const char *name, int n_in,
                          const char *const *in, int n_out, const char *const *out)
{
    MaasPbOut *to = &w->nodes;

    w->node = maas_pb_begin(to, GRAPH_NODE);
    for (int i = 0; i < n_in; i++)
        put_text(to, NODE_INPUT, in[i] ? in[i] : "");
    for (int i = 0; i < n_out; i++)
        put_text(to, NODE_OUTPUT, out[i] ? out[i] : "");
    put_text(to, NODE_NAME, name);
    put_text(to, NODE_OP_TYPE, op);
    if (*domain)
        put_text(to, NODE_DOMAIN, domain);
    w->ml |= strcmp(domain, "ai.onnx.ml") == 0;
    w->microsoft |= strcmp(domain, "com.microsoft") == 0;
}

static size_t begin_attr(MaasOnnxWriter *w, const char *name, int64_t type)
{
    size_t mark = maas_pb_begin(&w->nodes, NODE_ATTRIBUTE);

    put_text(&w->nodes, ATTR_NAME, name);
    maas_pb_put_int(&w->nodes, ATTR_TYPE, type);
    return mark;
}

void maas_onnx_attr_int(MaasOnnxWriter *w, const char *name, int64_t value)
{
    size_t mark = begin_attr(w, name, TYPE_INT);

    maas_pb_put_int(&w->nodes, ATTR_I, value);
    maas_pb_end(&w->nodes, mark);
}

void maas_onnx_attr_float(MaasOnnxWriter *w, const char *name, float value)
{
    size_t mark = begin_attr(w, name, TYPE_FLOAT);

    maas_pb_put_float(&w->nodes, ATTR_F, value);
    maas_pb_end(&w->nodes, mark);
}

void maas_onnx_attr_string(MaasOnnxWriter *w, const char *name, const char *value)
{
    size_t mark = begin_attr(w, name, TYPE_STRING);

    put_text(&w->nodes, ATTR_S, value);
    maas_pb_end(&w->nodes, mark);
}

void maas_onnx_attr_ints(MaasOnnxWriter *w, const char *name, size_t n, const int64_t *values)
{
    size_t mark = begin_attr(w, name, TYPE_INTS);

    for (size_t i = 0; i < n; i++)
        maas_pb_put_int(&w->nodes, ATTR_INTS, values[i]);
    maas_pb_end(&w->nodes, mark);
}

void maas_onnx_attr_floats(MaasOnnxWriter *w, const char *name, size_t n, const float *values)
{
    size_t mark = begin_attr(w, name, TYPE_FLOATS);

    for (size_t i = 0; i < n; i++)
        maas_pb_put_float(&w->nodes, ATTR_FLOATS, values[i]);
    maas_pb_end(&w->nodes, mark);
}

void maas_onnx_attr_strings(MaasOnnxWriter *w, const char *name, size_t n, const MaasStr *values)
{
    size_t mark = begin_attr(w, name, TYPE_STRINGS);

    for (size_t i = 0; i < n; i++)
        maas_pb_put_bytes(&w->nodes, ATTR_STRINGS, values[i].data, values[i].length);
    maas_pb_end(&w->nodes, mark);
}

void maas_onnx_end_node(MaasOnnxWriter *w)
{
    maas_pb_end(&w->nodes, w->node);
}

/* ---- parts of other models ---- */

/* The last dimension in a ValueInfoProto of a tensor, and its name. */
static MaasStatus read_output(MaasPb pb, MaasOnnxPart *part, MaasError *err)
{
    static const uint32_t path[] = {2, 1, 2}; /* type, tensor_type, shape */
    MaasPbField f;

    part->last_dim = -1;
    for (int depth = 0; depth <= 3; depth++) {
        MaasPb next = maas_pb_open(NULL, 0);

        while (maas_pb_more(&pb)) {
            MaasSlice bytes;

            MAAS_TRY(maas_pb_next(&pb, &f, err));
            if (f.wire != MAAS_PB_BYTES)
                continue;
            MAAS_TRY(maas_pb_bytes(&f, "an output", &bytes, err));
            if (depth == 0 && f.number == 1)
                part->output = bytes;
            if (depth < 3 && f.number == path[depth])
                next = maas_pb_inner(&pb, bytes);
            if (depth == 3 && f.number == 1) { /* a dimension: the last one stays */
                MaasPb dim = maas_pb_inner(&pb, bytes);

                part->last_dim = -1;
                while (maas_pb_more(&dim)) {
                    MAAS_TRY(maas_pb_next(&dim, &f, err));
                    if (f.number == 1 && f.wire == MAAS_PB_VARINT)
                        part->last_dim = (int64_t)f.value;
                }
            }
        }
        pb = next;
    }
    return MAAS_OK;
}

MaasStatus maas_onnx_write_nodes_of(MaasOnnxWriter *w, const void *bytes, size_t n_bytes, MaasOnnxPart *part)
{
    MaasPb pb = maas_pb_open(bytes, n_bytes);
    MaasPbField f;
    MaasSlice inner;

    *part = (MaasOnnxPart){.last_dim = -1};
    while (maas_pb_more(&pb)) {
        MaasPb graph;

        MAAS_TRY(maas_pb_next(&pb, &f, w->err));
        if (f.number != MODEL_GRAPH)
            continue;
        MAAS_TRY(maas_pb_bytes(&f, "a graph", &inner, w->err));
        graph = maas_pb_inner(&pb, inner);
        while (maas_pb_more(&graph)) {
            MAAS_TRY(maas_pb_next(&graph, &f, w->err));
            if (f.number != GRAPH_NODE && f.number != GRAPH_INITIALIZER && f.number != GRAPH_OUTPUT)
                continue;
            MAAS_TRY(maas_pb_bytes(&f, "a graph", &inner, w->err));
            if (f.number == GRAPH_OUTPUT && !part->output.data)
                MAAS_TRY(read_output(maas_pb_inner(&graph, inner), part, w->err));
            else if (f.number != GRAPH_OUTPUT)
                maas_pb_put_bytes(f.number == GRAPH_NODE ? &w->nodes : &w->tensors, f.number, inner.data,
                                  inner.size);
        }
    }
    return maas_onnx_writer_status(w);
}

/* ---- the whole ---- */

void maas_onnx_write_metadata(MaasOnnxWriter *w, const char *key, const char *value)
{
    size_t mark = maas_pb_begin(&w->metadata, MODEL_METADATA);

    put_text(&w->metadata, 1, key);
    put_text(&w->metadata, 2, value);
    maas_pb_end(&w->metadata, mark);
}

/* Fields that are written already become part of the message that is open. */
static void put_written(MaasPbOut *out, const MaasPbOut *part)
{
    maas_pb_put_raw(out, part->data, part->size);
}

static void put_opset(MaasPbOut *out, const char *domain, int64_t version)
{
    size_t mark = maas_pb_begin(out, MODEL_OPSET_IMPORT);

    put_text(out, 1, domain);
    maas_pb_put_int(out, 2, version);
    maas_pb_end(out, mark);
}

MaasStatus maas_onnx_writer_finish(MaasOnnxWriter *w, const char *graph_name, void **bytes, size_t *n_bytes)
{
    MaasPbOut out;
    MaasStatus status = maas_onnx_writer_status(w);
    size_t graph;

    maas_pb_out_init(&out, w->mem, w->err);
    out.status = status;
    maas_pb_put_int(&out, MODEL_IR_VERSION, MAAS_ONNX_WRITE_IR);
    put_text(&out, MODEL_PRODUCER_NAME, "maas");
    put_opset(&out, "", MAAS_ONNX_WRITE_OPSET);
    if (w->ml)
        put_opset(&out, "ai.onnx.ml", MAAS_ONNX_WRITE_ML_OPSET);
    if (w->microsoft)
        put_opset(&out, "com.microsoft", MAAS_ONNX_WRITE_MICROSOFT_OPSET);
    put_written(&out, &w->metadata);
    graph = maas_pb_begin(&out, MODEL_GRAPH);
    put_text(&out, GRAPH_NAME, graph_name);
    put_written(&out, &w->inputs);
    put_written(&out, &w->outputs);
    put_written(&out, &w->nodes);
    put_written(&out, &w->tensors);
    maas_pb_end(&out, graph);
    maas_onnx_writer_free(w);
    if (out.status != MAAS_OK) {
        status = out.status;
        maas_pb_out_free(&out);
        return status;
    }
    *bytes = out.data;
    *n_bytes = out.size;
    return MAAS_OK;
}
