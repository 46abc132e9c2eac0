/*
 * net.c - graphs built node by node, and a check of their gradients by central differences.
 */
#include <math.h>
#include <stdio.h>

#include "../../engine/graph/fold.h"
#include "../../engine/graph/plan.h"
#include "../../engine/transform/differentiate.h"
#include "net.h"

/* ---- building ---- */

void net_init(Net *net, MaasMem *mem, MaasType type, bool free_dims, MaasError *err)
{
    memset(net, 0, sizeof *net);
    net->mem = mem;
    net->type = type;
    net->free_dims = free_dims;
    net->err = err;
    net->random = 1;
    net->threads = 1;
    maas_arena_init(&net->arena, mem);
    net->status = maas_graph_new(&net->arena, NULL, "net", &net->graph, err);
    if (net->status != MAAS_OK)
        return;
    net->graph->inputs = maas_arena_array(&net->arena, NET_INPUTS, sizeof(int), err);
    if (!net->graph->inputs)
        net->status = err->status;
}

void net_free(Net *net)
{
    for (int e = 0; net->graph && e < net->graph->n_edges; e++)
        maas_value_unref(net->graph->edges[e].constant);
    for (int i = 0; i < net->n; i++)
        maas_value_unref(net->values[i]);
    maas_arena_free(&net->arena);
}

int net_value(Net *net, MaasValue *value, bool checked)
{
    int e = MAAS_NO_VALUE;
    char name[20];

    if (net->status == MAAS_OK) {
        snprintf(name, sizeof name, "in%d", net->n);
        net->status = maas_graph_add_edge(net->graph, name, MAAS_ROLE_INPUT, &e, net->err);
    }
    if (net->status != MAAS_OK) {
        maas_value_unref(value);
        return MAAS_NO_VALUE;
    }
    MaasInfo *info = &net->graph->edges[e].info;

    maas_info_of_value(value, info);
    info->value = NULL;
    for (int d = 0; net->free_dims && checked && d < info->rank; d++)
        info->dims[d] = MAAS_DIM_ANY;
    net->graph->edges[e].declared = true;
    net->graph->inputs[net->graph->n_inputs++] = e;
    net->inputs[net->n] = e;
    net->checked[net->n] = checked;
    net->values[net->n++] = value;
    return e;
}

static double uniform(Net *net, double low, double high)
{
    return low + (high - low) * (double)(test_random(&net->random) >> 11) * 0x1p-53;
}

static void set_number(const MaasTensor *t, int64_t i, double value)
{
    if (t->type == MAAS_DOUBLE)
        MAAS_F64(t)[i] = value;
    else
        MAAS_F32(t)[i] = (float)value;
}

static double get_number(const MaasTensor *t, int64_t i)
{
    return t->type == MAAS_DOUBLE ? MAAS_F64(t)[i] : (double)MAAS_F32(t)[i];
}

static MaasValue *random_value(Net *net, int rank, const int64_t *dims, double low, double high)
{
    MaasValue *value = NULL;

    if (net->status == MAAS_OK)
        net->status = maas_value_new_tensor(net->mem, net->type, rank, dims, &value, net->err);
    for (int64_t i = 0; value && i < value->tensor.count; i++)
        set_number(&value->tensor, i, uniform(net, low, high));
    return value;
}

int net_input(Net *net, int rank, const int64_t *dims, double low, double high)
{
    return net_value(net, random_value(net, rank, dims, low, high), true);
}

int net_ints(Net *net, MaasType type, int rank, const int64_t *dims, const int64_t *values)
{
    MaasValue *value = NULL;

    if (net->status == MAAS_OK)
        net->status = maas_value_new_tensor(net->mem, type, rank, dims, &value, net->err);
    for (int64_t i = 0; value && i < value->tensor.count; i++) {
        if (type == MAAS_INT64)
            MAAS_I64(&value->tensor)[i] = values[i];
        else if (type == MAAS_INT32)
            MAAS_I32(&value->tensor)[i] = (int32_t)values[i];
        else
            MAAS_U8(&value->tensor)[i] = (uint8_t)values[i];
    }
    int e = MAAS_NO_VALUE;

    if (net->status == MAAS_OK)
        net->status = maas_graph_add_constant(net->graph, "", value, &e, net->err);
    else
        maas_value_unref(value);
    return e;
}

int net_nodes(Net *net, const char *op, int n_in, const int *in, int n_out, int *out)
{
    for (int i = 0; i < n_out; i++)
        out[i] = MAAS_NO_VALUE;
    if (net->status == MAAS_OK)
        net->status = maas_build_op(net->graph, op, n_in, in, n_out, out, net->err);
    return net->status == MAAS_OK ? out[0] : MAAS_NO_VALUE;
}

void net_attr(Net *net, const char *text)
{
    char name[64], value[200];
    int node = net->graph ? net->graph->n_nodes - 1 : 0, n = 0;
    int64_t ints[20];

    if (net->status != MAAS_OK || sscanf(text, "%63[^=]=%199s", name, value) != 2)
        return;
    const MaasOp *op = net->graph->nodes[node].op;
    MaasAttrKind kind = MAAS_ATTR_NONE;

    for (int i = 0; i < MAAS_MAX_ATTR_SPECS && op->attrs[i].name; i++)
        if (strcmp(op->attrs[i].name, name) == 0)
            kind = op->attrs[i].kind;
    if (kind == MAAS_ATTR_INTS) {
        for (char *at = value + 1; *at && *at != ']'; at += strcspn(at, ";]"), at += *at == ';')
            ints[n++] = strtoll(at, NULL, 10);
        net->status = maas_build_ints(net->graph, node, name, n, ints, net->err);
    } else if (kind == MAAS_ATTR_FLOAT)
        net->status = maas_build_float(net->graph, node, name, strtof(value, NULL), net->err);
    else if (kind == MAAS_ATTR_STRING)
        net->status = maas_build_text(net->graph, node, name, (MaasStr){value, strlen(value)}, net->err);
    else
        net->status = maas_build_int(net->graph, node, name, strtoll(value, NULL, 10), net->err);
}

int net_weighted_sum(Net *net, int n, const int *edges, MaasValue *const *examples)
{
    int loss = MAAS_NO_VALUE;

    for (int i = 0; i < n; i++) {
        const MaasTensor *t = &examples[i]->tensor;

        if (t->type != net->type)
            continue;
        int weights = net_value(net, random_value(net, t->rank, t->dims, -1, 1), false);
        int sum = NET(net, "ReduceSum", NET(net, "Mul", edges[i], weights));

        net_attr(net, "keepdims=0");
        loss = loss == MAAS_NO_VALUE ? sum : NET(net, "Add", loss, sum);
    }
    return loss;
}

/* ---- running ---- */

void net_infer(Net *net)
{
    MaasArena results;
    MaasRun run;

    if (net->status != MAAS_OK)
        return;
    maas_arena_init(&results, net->mem);
    maas_run_init(&run, net->mem, (MaasStop){{NULL, NULL}}, 1);
    MaasInferScope scope = {.arena = &results};

    net->status = maas_graph_infer_and_fold(net->graph, &scope, &run, net->err);
    if (net->status == MAAS_OK)
        net->status = maas_graph_set_last_use(net->graph, net->err);
    maas_run_end(&run);
    maas_arena_free(&results);
}

void net_run(Net *net, int n, const int *wanted, MaasValue **out)
{
    MaasPlan *plan = NULL;
    MaasRun run;

    for (int i = 0; i < n; i++)
        out[i] = NULL;
    if (net->status != MAAS_OK)
        return;
    maas_run_init(&run, net->mem, (MaasStop){{NULL, NULL}}, net->threads);
    run.seed = 7;
    net->status =
        maas_plan_new(net->graph, net->mem, net->values, n, wanted, (MaasStop){{NULL, NULL}}, &plan, net->err);
    if (net->status == MAAS_OK)
        net->status = maas_plan_run(plan, &run, net->values, out, net->err);
    maas_plan_free(plan);
    maas_run_end(&run);
}

void net_differentiate(Net *net, int loss, int *gradients)
{
    int wanted[NET_INPUTS], found[NET_INPUTS], n = 0;

    for (int i = 0; i < net->n; i++)
        if (net->checked[i])
            wanted[n++] = net->inputs[i];
    if (net->status == MAAS_OK)
        net->status = maas_differentiate(net->graph, loss, n, wanted, found, net->err);
    n = 0;
    for (int i = 0; i < net->n; i++)
        gradients[i] = net->checked[i] && net->status == MAAS_OK ? found[n++] : MAAS_NO_VALUE;
}

/* The loss with element k of input i moved by `by`. */
static double loss_at(Net *net, MaasPlan *plan, MaasRun *run, int i, int64_t k, double by)
{
    const MaasTensor *t = &net->values[i]->tensor;
    double here = get_number(t, k), loss = NAN;
    MaasValue *out = NULL;

    if (net->status != MAAS_OK)
        return loss;
    set_number(t, k, here + by);
    run->seeds = 0;
    net->status = maas_plan_run(plan, run, net->values, &out, net->err);
    set_number(t, k, here);
    if (out)
        loss = get_number(&out->tensor, 0);
    maas_value_unref(out);
    return loss;
}

static void compare(Net *net, const char *name, MaasPlan *plan, int i, const MaasTensor *gradient, double tolerance)
{
    const MaasTensor *x = &net->values[i]->tensor;
    double step = net->type == MAAS_DOUBLE ? 1e-5 : 1e-2;
    MaasRun run;

    if (gradient->rank != x->rank || memcmp(gradient->dims, x->dims, sizeof *x->dims * (size_t)x->rank) != 0) {
        test_fail(__FILE__, __LINE__, "%s: the gradient of input %d has another shape", name, i);
        return;
    }
    maas_run_init(&run, net->mem, (MaasStop){{NULL, NULL}}, 1);
    run.seed = 7;
    for (int64_t k = 0; k < x->count; k++) {
        double up = loss_at(net, plan, &run, i, k, step), down = loss_at(net, plan, &run, i, k, -step);
        double expected = (up - down) / (2 * step), got = get_number(gradient, k);

        if (!(fabs(got - expected) <= tolerance * (1 + fabs(expected)))) {
            test_fail(__FILE__, __LINE__,
                      "%s: the gradient of element %d of input %d is %.10g, differences give %.10g", name, (int)k,
                      i, got, expected);
            break;
        }
    }
    maas_run_end(&run);
}

void net_check(Net *net, const char *name, int loss, double tolerance)
{
    int gradients[NET_INPUTS], wanted[NET_INPUTS], n = 0;
    MaasValue *out[NET_INPUTS] = {NULL};
    MaasPlan *plan = NULL;

    net_differentiate(net, loss, gradients);
    for (int i = 0; i < net->n && net->status == MAAS_OK; i++)
        if (net->checked[i] && gradients[i] == MAAS_NO_VALUE)
            test_fail(__FILE__, __LINE__, "%s: input %d has no gradient", name, i);
        else if (net->checked[i])
            wanted[n++] = gradients[i];
    net_run(net, n, wanted, out);
    if (net->status == MAAS_OK)
        net->status =
            maas_plan_new(net->graph, net->mem, net->values, 1, &loss, (MaasStop){{NULL, NULL}}, &plan, net->err);
    n = 0;
    for (int i = 0; i < net->n && net->status == MAAS_OK; i++)
        if (net->checked[i] && gradients[i] != MAAS_NO_VALUE)
            compare(net, name, plan, i, &out[n++]->tensor, tolerance);
    if (net->status != MAAS_OK)
        test_fail(__FILE__, __LINE__, "%s: %s", name, net->err->message);
    for (int i = 0; i < NET_INPUTS; i++)
        maas_value_unref(out[i]);
    maas_plan_free(plan);
}
