/*
 * model_end.c - the operator that a model ends in, and the raw scores before it.
 *
 * Losses take raw scores, so that nothing is rounded away between Softmax or Sigmoid and the logarithm.  What only
 * moves elements may stand behind the end (a Squeeze, say): a function of single elements can be left out before it
 * as well as behind it, so the moves are made once more with the scores.  A Softmax is no such function; its
 * logarithm is a raw score, too.
 */
#include <float.h>
#include <string.h>

#include "../graph/build.h"
#include "model_end.h"

#define MOST_STEPS 64 /* back from the output */

/* Operators whose first input is all that is moved; the last two pick some of it. */
static const char *const movers[] = {"Squeeze", "Unsqueeze", "Reshape", "Flatten", "Transpose", "Slice", "Gather"};
enum { N_MOVERS = sizeof movers / sizeof *movers, N_WHOLE = N_MOVERS - 2 };

static bool is_op(const MaasNode *node, const char *name)
{
    return *node->domain == '\0' && strcmp(node->op_type, name) == 0;
}

/* Whether it is one of the first n movers. */
static bool moves(const MaasNode *node, int n)
{
    for (int i = 0; i < n; i++)
        if (is_op(node, movers[i]))
            return true;
    return false;
}

static int maker(const MaasGraph *graph, int edge)
{
    for (int k = graph->n_nodes - 1; k >= 0; k--)
        for (int i = 0; i < graph->nodes[k].n_out; i++)
            if (graph->nodes[k].out[i] == edge)
                return k;
    return -1;
}

static bool over_last_axis(const MaasGraph *graph, const MaasNode *node)
{
    int rank = graph->edges[node->out[0]].info.rank;
    int64_t axis = -1;

    for (int a = 0; node->op->attrs[a].name; a++)
        if (strcmp(node->op->attrs[a].name, "axis") == 0)
            axis = node->attrs[a].i;
    return axis == -1 || (rank > 0 ? axis == rank - 1 : axis == 1);
}

/* Whether the output holds distributions over its last axis: all of the Softmax, its classes last.  Where it was
 * moved they are taken to be there. */
static bool is_distribution(const MaasGraph *graph, const MaasNode *softmax, const MaasModelEnd *end)
{
    for (int i = 0; i < end->n_moves; i++)
        if (!moves(&graph->nodes[end->moves[i]], N_WHOLE))
            return false;
    return end->n_moves > 0 || over_last_axis(graph, softmax);
}

/* The name among the known ends; "" for others. */
static const char *end_name(const MaasGraph *graph, const MaasNode *node, const MaasModelEnd *end)
{
    static const char *const ends[] = {"Softmax", "LogSoftmax", "Sigmoid", "Exp", "Softplus", "Relu"};

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (is_op(node, ends[i]))
            return i > 1 || is_distribution(graph, node, end) ? ends[i] : "";
    return "";
}

/* The edge itself, behind nodes that only give it another name. */
static int named_anew(const MaasGraph *graph, int edge)
{
    for (int steps = 0; steps < MOST_STEPS; steps++) {
        int k = maker(graph, edge);

        if (k < 0 || !is_op(&graph->nodes[k], "Identity"))
            break;
        edge = graph->nodes[k].in[0];
    }
    return edge;
}

static bool is_one(const MaasGraph *graph, int edge)
{
    const MaasValue *value = graph->edges[edge].constant;

    return value && value->tensor.type == MAAS_FLOAT && value->tensor.count == 1 &&
           MAAS_F32(&value->tensor)[0] == 1;
}

/* Two probabilities of one unit, 1 - p and p: the end of classifiers with a single sigmoid.  *unit: the Sigmoid. */
static bool find_pair(const MaasGraph *graph, const MaasNode *join, int *unit)
{
    int rest;

    if (!is_op(join, "Concat") || join->n_in != 2 || !over_last_axis(graph, join))
        return false;
    rest = maker(graph, join->in[0]);
    *unit = maker(graph, named_anew(graph, join->in[1]));
    return rest >= 0 && *unit >= 0 && is_op(&graph->nodes[rest], "Sub") && is_op(&graph->nodes[*unit], "Sigmoid") &&
           is_one(graph, graph->nodes[rest].in[0]) &&
           named_anew(graph, graph->nodes[rest].in[1]) == graph->nodes[*unit].out[0];
}

MaasModelEnd maas_model_end(const MaasGraph *graph, int output)
{
    MaasModelEnd end = {.last = "", .node = -1};

    for (int steps = 0, edge = output; steps < MOST_STEPS; steps++) {
        int k = maker(graph, edge);
        const MaasNode *node = k < 0 ? NULL : &graph->nodes[k];

        if (!node)
            break;
        if (moves(node, N_MOVERS) && end.n_moves < MAAS_END_MOVES)
            end.moves[end.n_moves++] = k;
        else if (!is_op(node, "Identity")) {
            int unit;
            bool pair = end.n_moves == 0 && find_pair(graph, node, &unit);

            end.last = pair ? MAAS_END_PAIR : end_name(graph, node, &end);
            end.node = pair ? unit : k;
            break;
        }
        edge = node->in[0];
    }
    return end;
}

/* The same node again, of another first input. */
static MaasStatus move_again(MaasGraph *graph, int k, int *edge, MaasError *err)
{
    MaasNode node = graph->nodes[k]; /* appending moves the nodes */
    int in[5] = {*edge};             /* Slice has most */

    if (node.n_in > 5)
        return maas_fail(err, MAAS_ERR_INTERNAL, "%.80s has %d inputs", node.op_type, node.n_in);
    for (int i = 1; i < node.n_in; i++)
        in[i] = node.in[i];
    MAAS_TRY(maas_build_op(graph, node.op_type, node.n_in, in, 1, edge, err));
    for (int a = 0; node.op->attrs[a].name; a++)
        if (node.attrs[a].set)
            MAAS_TRY(maas_build_attr(graph, graph->n_nodes - 1, &node.attrs[a], err));
    return MAAS_OK;
}

/* (N, 1) z becomes (N, 2): 0 and z. */
static MaasStatus both_logits(MaasGraph *graph, int *edge, MaasError *err)
{
    int in[2] = {*edge, *edge};

    MAAS_TRY(maas_build_op(graph, "Sub", 2, in, 1, &in[0], err));
    MAAS_TRY(maas_build_op(graph, "Concat", 2, in, 1, edge, err));
    return maas_build_int(graph, graph->n_nodes - 1, "axis", 1, err);
}

/* A logarithm that is finite. */
static MaasStatus take_logarithm(MaasGraph *graph, int *edge, MaasError *err)
{
    MaasType type = graph->edges[*edge].info.type == MAAS_DOUBLE ? MAAS_DOUBLE : MAAS_FLOAT;
    int in[2] = {*edge}, bounded;

    MAAS_TRY(maas_build_number(graph, type, (double)FLT_MIN, &in[1], err));
    MAAS_TRY(maas_build_op(graph, "Max", 2, in, 1, &bounded, err));
    return maas_build_op(graph, "Log", 1, &bounded, 1, edge, err);
}

static MaasStatus before_end(MaasGraph *graph, const MaasModelEnd *end, int *edge, MaasError *err)
{
    bool logarithm = strcmp(end->last, "LogSoftmax") == 0;

    if (end->n_moves > 0 && (logarithm || strcmp(end->last, "Softmax") == 0)) {
        *edge = graph->nodes[end->moves[0]].out[0];
        return logarithm ? MAAS_OK : take_logarithm(graph, edge, err);
    }
    *edge = graph->nodes[end->node].in[0];
    if (strcmp(end->last, MAAS_END_PAIR) == 0)
        return both_logits(graph, edge, err);
    for (int i = end->n_moves - 1; i >= 0; i--)
        MAAS_TRY(move_again(graph, end->moves[i], edge, err));
    return MAAS_OK;
}

MaasStatus maas_before_end(MaasGraph *graph, const MaasModelEnd *end, int *edge, MaasError *err)
{
    MaasType type = graph->edges[graph->nodes[end->node].out[0]].info.type;

    MAAS_TRY(before_end(graph, end, edge, err));
    graph->edges[*edge].info.type = type; /* no step on the way changes it, and it is asked for before inference */
    return MAAS_OK;
}
