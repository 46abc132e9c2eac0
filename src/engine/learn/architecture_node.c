/*
 * architecture_node.c - nodes, constants and parameters of the network that is being made, and the forms of values.
 *
 * Edges are named after the layer that makes them, and live in the arena.
 */
#include <string.h>

#include "architecture_build.h"

static const char *new_edge(MaasArchBuild *b, const char *what)
{
    return maas_arch_printf(b, "%s/%s_%d", b->name ? b->name : "input", what, b->n_edges++);
}

const char *maas_arch_begin(MaasArchBuild *b, const char *op, int n_in, const char *const *in)
{
    const char *edge = new_edge(b, op);

    maas_onnx_begin_node(&b->writer, "", op, edge, n_in, in, 1, &edge);
    return edge;
}

const char *maas_arch_node(MaasArchBuild *b, const char *op, const char *x, const char *y)
{
    const char *edge = maas_arch_begin(b, op, y ? 2 : 1, (const char *[]){x, y});

    maas_onnx_end_node(&b->writer);
    return edge;
}

const char *maas_arch_node_int(MaasArchBuild *b, const char *op, const char *x, const char *attr, int64_t value)
{
    const char *edge = maas_arch_begin(b, op, 1, &x);

    maas_onnx_attr_int(&b->writer, attr, value);
    maas_onnx_end_node(&b->writer);
    return edge;
}

const char *maas_arch_node_ints(MaasArchBuild *b, const char *op, const char *x, const char *attr, size_t n,
                                const int64_t *values)
{
    const char *edge = maas_arch_begin(b, op, 1, &x);

    maas_onnx_attr_ints(&b->writer, attr, n, values);
    maas_onnx_end_node(&b->writer);
    return edge;
}

const char *maas_arch_constant_ints(MaasArchBuild *b, size_t n, const int64_t *values)
{
    const char *edge = maas_arch_begin(b, "Constant", 0, NULL);

    maas_onnx_attr_ints(&b->writer, "value_ints", n, values);
    maas_onnx_end_node(&b->writer);
    return edge;
}

const char *maas_arch_constant_float(MaasArchBuild *b, float value)
{
    const char *edge = maas_arch_begin(b, "Constant", 0, NULL);

    maas_onnx_attr_float(&b->writer, "value_float", value);
    maas_onnx_end_node(&b->writer);
    return edge;
}

const char *maas_arch_reshape(MaasArchBuild *b, const char *x, size_t n, const int64_t *shape)
{
    return maas_arch_node(b, "Reshape", x, maas_arch_constant_ints(b, n, shape));
}

/* ---- parameters ---- */

float *maas_arch_buffer(MaasArchBuild *b, int rank, const int64_t *dims, int64_t *count)
{
    float *data;

    *count = 0;
    if (b->status != MAAS_OK)
        return NULL;
    if (!maas_count_dims(rank, dims, count)) {
        maas_arch_fail(b, MAAS_ERR_LIMIT, "it would have too many parameters");
        return NULL;
    }
    data = maas_zalloc_array(b->mem, (size_t)*count, sizeof *data, b->err);
    if (!data) {
        b->status = b->err->status;
        if (b->place)
            maas_error_prefix(b->err, "%s", b->place);
    }
    return data;
}

const char *maas_arch_parameter_of(MaasArchBuild *b, const char *suffix, int rank, const int64_t *dims,
                                   const float *data)
{
    const char *name = maas_arch_printf(b, "%s.%s", b->name, suffix);

    if (b->status != MAAS_OK)
        return "";
    maas_onnx_write_initializer(&b->writer, name, MAAS_FLOAT, rank, dims, data);
    return name;
}

const char *maas_arch_parameter(MaasArchBuild *b, const char *suffix, int rank, const int64_t *dims,
                                MaasInitialiser init, int64_t fan_in, int64_t fan_out)
{
    int64_t count;
    float *data = maas_arch_buffer(b, rank, dims, &count);
    const char *name = "";

    if (!data)
        return "";
    if (count > 0 && (b->status = maas_initialise(init, &b->rng, data, dims[0], count / dims[0], fan_in, fan_out,
                                                  &b->stop, b->mem, b->err)) == MAAS_OK)
        name = maas_arch_parameter_of(b, suffix, rank, dims, data);
    maas_free(b->mem, data);
    return name;
}

/* ---- values ---- */

MaasArchValue maas_arch_float(MaasArchBuild *b, const MaasArchValue *v)
{
    MaasArchValue out = *v;

    if (v->type != MAAS_FLOAT) {
        out.edge = maas_arch_node_int(b, "Cast", v->edge, "to", MAAS_FLOAT);
        out.type = MAAS_FLOAT;
    }
    return out;
}

static const char *swap_last_two(MaasArchBuild *b, const char *edge)
{
    return maas_arch_node_ints(b, "Transpose", edge, "perm", 3, (int64_t[]){0, 2, 1});
}

MaasArchValue maas_arch_rows(MaasArchBuild *b, const MaasArchValue *v)
{
    MaasArchValue out = maas_arch_float(b, v);

    if (out.first) {
        out.edge = swap_last_two(b, out.edge);
        out.first = false;
    }
    return out;
}

MaasArchValue maas_arch_first(MaasArchBuild *b, const MaasArchValue *v)
{
    MaasArchValue out = maas_arch_float(b, v);

    if (out.rank == 2 && !out.first) {
        out.edge = swap_last_two(b, out.edge);
        out.first = true;
    }
    return out;
}

bool maas_arch_need_rank(MaasArchBuild *b, const MaasArchValue *v, int rank, const char *what)
{
    if (v->rank != rank)
        maas_arch_fail(b, MAAS_ERR_SHAPE, "expects %s, got %s from \"%s\"", what, maas_arch_shape(b, v), v->name);
    return b->status == MAAS_OK;
}

bool maas_arch_need_known(MaasArchBuild *b, const MaasArchValue *v, int dim, const char *what)
{
    if (v->dims[dim] < 0)
        maas_arch_fail(b, MAAS_ERR_SHAPE, "needs to know %s, which is free in %s from \"%s\"", what,
                       maas_arch_shape(b, v), v->name);
    return b->status == MAAS_OK;
}
