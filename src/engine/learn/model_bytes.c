/*
 * model_bytes.c - initialisers in the bytes of an ONNX model: their names, and new content for some of them.
 *
 * Everything else is copied byte for byte.  The bytes have passed import, so they are well-formed; still nothing is
 * taken for granted that a reader checks.
 */
#include <stdlib.h>
#include <string.h>

#include "../format/onnx_tensor.h"
#include "trainer.h"

enum { MODEL_GRAPH = 7, GRAPH_NODE = 1, GRAPH_INITIALIZER = 5, TENSOR_NAME = 8, NODE_OUTPUT = 2 };

/* The text of this field in a TensorProto or NodeProto, the last one if there are several; "" when there is none.
 */
static MaasStatus text_field(MaasPb pb, uint32_t field, const char *what, MaasStr *name, MaasError *err)
{
    MaasPbField f;
    MaasSlice text;

    *name = (MaasStr){"", 0};
    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, err));
        if (f.number != field)
            continue;
        MAAS_TRY(maas_pb_text(&f, what, &text, err));
        *name = (MaasStr){text.data, text.size};
    }
    return MAAS_OK;
}

static MaasStatus tensor_name(MaasPb pb, MaasStr *name, MaasError *err)
{
    return text_field(pb, TENSOR_NAME, "the name of a tensor", name, err);
}

/* Calls fn for each initialiser of the main graph with its name. */
static MaasStatus each_initializer(MaasPb graph, MaasStatus (*fn)(void *ctx, MaasStr name, MaasError *err),
                                   void *ctx, MaasError *err)
{
    MaasPbField f;

    while (maas_pb_more(&graph)) {
        MaasSlice bytes;
        MaasStr name;

        MAAS_TRY(maas_pb_next(&graph, &f, err));
        if (f.number != GRAPH_INITIALIZER)
            continue;
        MAAS_TRY(maas_pb_bytes(&f, "an initializer", &bytes, err));
        MAAS_TRY(tensor_name(maas_pb_inner(&graph, bytes), &name, err));
        MAAS_TRY(fn(ctx, name, err));
    }
    return MAAS_OK;
}

typedef struct Names {
    int n;
    MaasStr *items; /* NULL: only counted */
} Names;

static MaasStatus add_name(void *ctx, MaasStr name, MaasError *err)
{
    Names *names = ctx;

    if (names->items)
        names->items[names->n] = name;
    names->n++;
    return MAAS_OK;
}

MaasStatus maas_model_initializers(const void *bytes, size_t n_bytes, MaasArena *arena, int *n, MaasStr **names,
                                   MaasError *err)
{
    MaasPb pb = maas_pb_open(bytes, n_bytes);
    Names found = {0, NULL};
    MaasPbField f;
    MaasSlice graph = {"", 0};

    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, err));
        if (f.number == MODEL_GRAPH)
            MAAS_TRY(maas_pb_bytes(&f, "the graph", &graph, err));
    }
    MAAS_TRY(each_initializer(maas_pb_inner(&pb, graph), add_name, &found, err));
    found.items = maas_arena_array(arena, (size_t)found.n + 1, sizeof *found.items, err);
    if (!found.items)
        return err->status;
    found.n = 0;
    MAAS_TRY(each_initializer(maas_pb_inner(&pb, graph), add_name, &found, err));
    *n = found.n;
    *names = found.items;
    return MAAS_OK;
}

/* ---- replacing ---- */

typedef struct Replace {
    size_t n;
    const MaasVariable **variables; /* by name */
    MaasPbOut *out;
} Replace;

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const MaasVariable *const *)a)->name, (*(const MaasVariable *const *)b)->name);
}

static int compare_name(MaasStr name, const char *other)
{
    int order = strncmp(name.data, other, name.length);

    return order ? order : other[name.length] ? -1 : 0;
}

static const MaasVariable *find_variable(const Replace *r, MaasStr name)
{
    size_t low = 0, high = r->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_name(name, r->variables[middle]->name);

        if (order == 0)
            return r->variables[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* In place of an initialiser or, node, of an Identity that has the name of one as its output. */
static MaasStatus write_initializer(const Replace *r, const MaasPbField *f, const MaasPb *graph, bool node,
                                    bool *written, MaasError *err)
{
    MaasSlice bytes;
    MaasStr name;

    MAAS_TRY(maas_pb_bytes(f, node ? "a node" : "an initializer", &bytes, err));
    MAAS_TRY(node ? text_field(maas_pb_inner(graph, bytes), NODE_OUTPUT, "an output", &name, err)
                  : tensor_name(maas_pb_inner(graph, bytes), &name, err));
    const MaasVariable *variable = find_variable(r, name);

    *written = variable != NULL;
    if (!variable)
        return MAAS_OK;
    size_t mark = maas_pb_begin(r->out, GRAPH_INITIALIZER);

    maas_onnx_write_tensor(r->out, &variable->value->tensor);
    maas_pb_put_bytes(r->out, TENSOR_NAME, name.data, name.length);
    maas_pb_end(r->out, mark);
    return MAAS_OK;
}

static MaasStatus write_graph(const Replace *r, MaasPb graph, MaasError *err)
{
    size_t mark = maas_pb_begin(r->out, MODEL_GRAPH);
    MaasPbField f;

    while (maas_pb_more(&graph)) {
        const uint8_t *from = graph.at;
        bool written = false;

        MAAS_TRY(maas_pb_next(&graph, &f, err));
        if (f.number == GRAPH_INITIALIZER || f.number == GRAPH_NODE)
            MAAS_TRY(write_initializer(r, &f, &graph, f.number == GRAPH_NODE, &written, err));
        if (!written)
            maas_pb_put_raw(r->out, from, (size_t)(graph.at - from));
    }
    maas_pb_end(r->out, mark);
    return r->out->status;
}

static MaasStatus write_model(const Replace *r, MaasPb pb, MaasError *err)
{
    MaasPbField f;

    while (maas_pb_more(&pb)) {
        const uint8_t *from = pb.at;
        MaasSlice graph;

        MAAS_TRY(maas_pb_next(&pb, &f, err));
        if (f.number != MODEL_GRAPH) {
            maas_pb_put_raw(r->out, from, (size_t)(pb.at - from));
            continue;
        }
        MAAS_TRY(maas_pb_bytes(&f, "the graph", &graph, err));
        MAAS_TRY(write_graph(r, maas_pb_inner(&pb, graph), err));
    }
    return r->out->status;
}

MaasStatus maas_model_replace(const void *bytes, size_t n_bytes, int n, const MaasVariable *variables, MaasMem *mem,
                              void **out, size_t *n_out, MaasError *err)
{
    MaasPbOut pb;
    Replace replace = {(size_t)n, maas_alloc_array(mem, (size_t)n + 1, sizeof *replace.variables, err), &pb};

    if (!replace.variables)
        return err->status;
    for (int i = 0; i < n; i++)
        replace.variables[i] = &variables[i];
    qsort(replace.variables, (size_t)n, sizeof *replace.variables, by_name);
    maas_pb_out_init(&pb, mem, err);
    MaasStatus status = write_model(&replace, maas_pb_open(bytes, n_bytes), err);

    maas_free(mem, replace.variables);
    if (status != MAAS_OK) {
        maas_pb_out_free(&pb);
        return status;
    }
    *out = pb.data;
    *n_out = pb.size;
    return MAAS_OK;
}
