/*
 * infer.c - type and shape inference over a whole graph.
 *
 * All results live in the scope's arena.  Signatures are checked here once for
 * all operators: kinds, element types, arguments of equal type.  The
 * operators' infer functions see types that are right.
 */
#include <stdio.h>
#include <string.h>

#include "../op/infer.h"
#include "infer.h"

#define MAAS_MAX_INFER_STEPS 20000000
#define MAX_SHAPE_PARTS 16 /* inputs of a node that makes a shape */

static MaasStatus node_fail(const MaasNode *node, MaasError *err, MaasStatus status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    maas_node_vfail(node, err, status, format, args);
    va_end(args);
    return status;
}

char *maas_info_type_text(const MaasInfo *info, char *text, size_t size)
{
    char elem[128] = "?";

    if (info->elem && info->kind != MAAS_KIND_TENSOR)
        maas_info_type_text(info->elem, elem, sizeof elem);
    switch (info->kind) {
    case MAAS_KIND_TENSOR:
        snprintf(text, size, "tensor(%s)", maas_type_name(info->type));
        break;
    case MAAS_KIND_SEQUENCE:
        snprintf(text, size, "sequence(%s)", elem);
        break;
    case MAAS_KIND_OPTIONAL:
        snprintf(text, size, "optional(%s)", elem);
        break;
    case MAAS_KIND_MAP:
        snprintf(text, size, "map(%s,%s)", maas_type_name(info->key), elem);
        break;
    default:
        snprintf(text, size, "an unknown kind");
    }
    return text;
}

bool maas_info_shape_known(const MaasInfo *info)
{
    if (info->kind != MAAS_KIND_TENSOR || info->rank < 0)
        return false;
    for (int d = 0; d < info->rank; d++)
        if (info->dims[d] < 0)
            return false;
    return true;
}

void maas_info_of_value(const MaasValue *value, MaasInfo *info)
{
    memset(info, 0, sizeof *info);
    info->kind = value->kind;
    info->rank = -1;
    if (value->kind != MAAS_KIND_TENSOR)
        return;
    info->type = value->tensor.type;
    info->rank = value->tensor.rank;
    memcpy(info->dims, value->tensor.dims, sizeof *info->dims * (size_t)info->rank);
    if (value->tensor.data || !value->tensor.count) /* else only states hold the content */
        info->value = &value->tensor;
}

/* ---- checking a node against its signature ---- */

static MaasTypeSet kind_bit(MaasKind kind)
{
    switch (kind) {
    case MAAS_KIND_SEQUENCE:
        return MAAS_T_SEQUENCE;
    case MAAS_KIND_OPTIONAL:
        return MAAS_T_OPTIONAL;
    case MAAS_KIND_MAP:
        return MAAS_T_MAP;
    default:
        return 0;
    }
}

static const MaasArgSpec *spec_at(const MaasArgSpec *specs, int n_specs, int i)
{
    int n = 0;

    while (n < n_specs && specs[n].name)
        n++;
    if (i < n)
        return &specs[i];
    return n > 0 && specs[n - 1].flags & MAAS_VARIADIC ? &specs[n - 1] : NULL;
}

static void type_set_text(MaasTypeSet set, char *text, size_t size)
{
    size_t n = 0;

    *text = '\0';
    for (int t = 1; t < MAAS_NTYPES && n < size; t++)
        if (maas_type_in((MaasType)t, set))
            n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "", maas_type_name((MaasType)t));
    if (set & MAAS_T_SEQUENCE && n < size)
        n += (size_t)snprintf(text + n, size - n, "%ssequence", n ? ", " : "");
    if (set & MAAS_T_OPTIONAL && n < size)
        n += (size_t)snprintf(text + n, size - n, "%soptional", n ? ", " : "");
    if (set & MAAS_T_MAP && n < size)
        snprintf(text + n, size - n, "%smap", n ? ", " : "");
}

/* Types bound to the letters of a signature. */
typedef struct Vars {
    MaasType type[128];
    int arg[128];
} Vars;

static MaasStatus check_input(const MaasNode *node, int i, const MaasInfo *in, Vars *vars, MaasError *err)
{
    const MaasArgSpec *spec = spec_at(node->op->in, MAAS_MAX_IN_SPECS, i);
    char got[160], want[600];

    if (!spec)
        return node_fail(node, err, MAAS_ERR_FORMAT, "input %d is one too many", i);
    if (in->kind == MAAS_KIND_UNKNOWN)
        return MAAS_OK;
    bool fits = in->kind == MAAS_KIND_TENSOR ? in->type == MAAS_UNDEFINED || maas_type_in(in->type, spec->types)
                                             : (kind_bit(in->kind) & spec->types) != 0;
    if (!fits) {
        type_set_text(spec->types, want, sizeof want);
        return node_fail(node, err, MAAS_ERR_UNSUPPORTED, "input %s is %s, this engine computes: %s", spec->name,
                         maas_info_type_text(in, got, sizeof got), want);
    }
    int v = spec->var & 127;

    if (!v || in->kind != MAAS_KIND_TENSOR || in->type == MAAS_UNDEFINED || spec->flags & MAAS_MIXED)
        return MAAS_OK;
    if (vars->type[v] == MAAS_UNDEFINED) {
        vars->type[v] = in->type;
        vars->arg[v] = i;
    } else if (vars->type[v] != in->type)
        return node_fail(node, err, MAAS_ERR_TYPE,
                         "input %s is tensor(%s), but input %s, which must have the same type, is tensor(%s)",
                         spec->name, maas_type_name(in->type),
                         spec_at(node->op->in, MAAS_MAX_IN_SPECS, vars->arg[v])->name,
                         maas_type_name(vars->type[v]));
    return MAAS_OK;
}

static MaasType only_type(MaasTypeSet set)
{
    if (!set || set & (set - 1))
        return MAAS_UNDEFINED;
    int bit = __builtin_ctzll(set);
    return bit < MAAS_NTYPES ? (MaasType)bit : MAAS_UNDEFINED;
}

static void preset_output(const MaasNode *node, int i, MaasInfo *out, const Vars *vars)
{
    const MaasArgSpec *spec = spec_at(node->op->out, MAAS_MAX_OUT_SPECS, i);

    memset(out, 0, sizeof *out);
    out->rank = -1;
    if (!spec)
        return;
    if ((spec->types & MAAS_T_ANY) != 0)
        out->kind = MAAS_KIND_TENSOR;
    else if (spec->types & MAAS_T_SEQUENCE)
        out->kind = MAAS_KIND_SEQUENCE;
    else if (spec->types & MAAS_T_MAP)
        out->kind = MAAS_KIND_MAP;
    else
        out->kind = MAAS_KIND_OPTIONAL;
    out->type = vars->type[spec->var & 127];
    if (!spec->var || out->type == MAAS_UNDEFINED)
        out->type = only_type(spec->types);
}

MaasStatus maas_infer_node(MaasInferScope *scope, const MaasNode *node, const MaasInfo *const *in,
                           MaasInfo *const *out, MaasError *err)
{
    Vars vars = {0};

    for (int i = 0; i < node->n_in; i++) {
        if (in[i])
            MAAS_TRY(check_input(node, i, in[i], &vars, err));
        else {
            const MaasArgSpec *spec = spec_at(node->op->in, MAAS_MAX_IN_SPECS, i);

            if (spec && !(spec->flags & (MAAS_OPTIONAL | MAAS_VARIADIC)))
                return node_fail(node, err, MAAS_ERR_FORMAT, "input %s is missing", spec->name);
        }
    }
    for (int i = 0; i < node->n_out; i++)
        if (out[i])
            preset_output(node, i, out[i], &vars);
    MaasInferCtx c = {.node = node,
                      .attr = node->attrs,
                      .n_in = node->n_in,
                      .n_out = node->n_out,
                      .in = in,
                      .out = out,
                      .scope = scope,
                      .err = err};
    const int64_t *in_sizes[MAX_SHAPE_PARTS], *out_sizes[1] = {NULL};
    const bool follow =
        scope->frame && scope->frame->sizes && node->n_in <= MAX_SHAPE_PARTS && node->n_out == 1 && out[0];

    if (follow) {
        for (int i = 0; i < node->n_in; i++)
            in_sizes[i] = node->in[i] == MAAS_NO_VALUE ? NULL : scope->frame->sizes[node->in[i]];
        c.in_sizes = in_sizes;
        c.out_sizes = out_sizes;
    }
    MAAS_TRY(node->op->infer(&c));
    if (node->op->sizes && c.out_sizes)
        MAAS_TRY(node->op->sizes(&c));
    if (follow)
        scope->frame->sizes[node->out[0]] = out_sizes[0];
    if (node->op->cost)
        scope->flops += node->op->cost(&c);
    else if (node->n_out > 0 && out[0] && maas_info_shape_known(out[0])) {
        double n = 1;

        for (int d = 0; d < out[0]->rank; d++)
            n *= (double)out[0]->dims[d];
        scope->flops += n;
    }
    return MAAS_OK;
}

/* ---- frames ---- */

void *maas_infer_alloc(MaasInferCtx *c, size_t bytes)
{
    return maas_arena_alloc(c->scope->arena, bytes, c->err);
}

MaasStatus maas_infer_frame(MaasInferScope *scope, const MaasGraph *graph, MaasInferFrame *parent,
                            const MaasInfo *const *inputs, MaasInferFrame **out, MaasError *err)
{
    MaasInferFrame *frame = maas_arena_alloc(scope->arena, sizeof *frame, err);

    if (!frame)
        return err->status;
    frame->graph = graph;
    frame->parent = parent;
    frame->infos = maas_arena_array(scope->arena, (size_t)graph->n_edges, sizeof *frame->infos, err);
    if (!frame->infos)
        return err->status;
    for (int e = 0; e < graph->n_edges; e++) {
        const MaasEdge *edge = &graph->edges[e];

        frame->infos[e].rank = -1;
        if (edge->role == MAAS_ROLE_CONSTANT && edge->constant) /* NULL: nobody reads it since nodes were folded */
            maas_info_of_value(edge->constant, &frame->infos[e]);
        else if (edge->role == MAAS_ROLE_CAPTURED && parent)
            frame->infos[e] = parent->infos[edge->outer];
        else if (edge->role == MAAS_ROLE_PARAMETER ||
                 (edge->role == MAAS_ROLE_INPUT && edge->declared)) /* its shape, not its content */
            frame->infos[e] = edge->info;
    }
    for (int i = 0; inputs && i < graph->n_inputs; i++) {
        MaasInfo *info = &frame->infos[graph->inputs[i]];

        if (!inputs[i])
            continue;
        MaasInfo given = *inputs[i];

        /* what the caller does not know of a subgraph's input, the declaration may */
        if (given.kind == MAAS_KIND_UNKNOWN)
            given = *info;
        else if (given.kind == MAAS_KIND_TENSOR && info->kind == MAAS_KIND_TENSOR && given.type == MAAS_UNDEFINED)
            given.type = info->type;
        *info = given;
    }
    *out = frame;
    return MAAS_OK;
}

static MaasStatus copy_elem(MaasArena *arena, MaasInfo **elem, MaasError *err)
{
    for (; *elem; elem = &(*elem)->elem) {
        MaasInfo *copy = maas_arena_alloc(arena, sizeof *copy, err);

        if (!copy)
            return err->status;
        *copy = **elem;
        copy->value = NULL;
        *elem = copy;
    }
    return MAAS_OK;
}

/* Stores what was found in the edge; where that is less than the model declares, the declaration stays. */
static MaasStatus keep_info(const MaasGraph *graph, MaasEdge *edge, const MaasInfo *found, MaasError *err)
{
    MaasInfo merged = *found;

    merged.value = NULL;
    if (edge->declared && edge->info.kind == found->kind && found->kind == MAAS_KIND_TENSOR) {
        if (merged.type == MAAS_UNDEFINED)
            merged.type = edge->info.type;
        if (merged.rank < 0) {
            merged.rank = edge->info.rank;
            memcpy(merged.dims, edge->info.dims, sizeof merged.dims);
        } else if (merged.rank == edge->info.rank)
            for (int d = 0; d < merged.rank; d++)
                if (merged.dims[d] == MAAS_DIM_ANY)
                    merged.dims[d] = edge->info.dims[d];
    } else if (edge->declared && found->kind == MAAS_KIND_UNKNOWN)
        merged = edge->info;
    if (!merged.elem && edge->declared)
        merged.elem = edge->info.elem;
    else
        MAAS_TRY(copy_elem(graph->arena, &merged.elem, err));
    edge->info = merged;
    return MAAS_OK;
}

MaasStatus maas_infer_frame_nodes(MaasInferScope *scope, MaasInferFrame *frame, MaasError *err)
{
    const MaasGraph *graph = frame->graph;
    MaasInferFrame *saved = scope->frame;
    const MaasInfo *in_small[32];
    MaasInfo *out_small[32];

    scope->steps += graph->n_nodes + 1;
    if (scope->steps > MAAS_MAX_INFER_STEPS)
        return maas_fail(err, MAAS_ERR_LIMIT, "inferring the shapes of nested subgraphs takes too many steps");
    if (maas_stop_raised(&scope->stop))
        return maas_fail(err, MAAS_ERR_CANCEL, "stopped");
    for (int k = 0; k < graph->n_nodes; k++) {
        const MaasNode *node = &graph->nodes[k];
        const MaasInfo **in = in_small;
        MaasInfo **out = out_small;

        if (scope->nodes && !frame->parent && !scope->nodes[k])
            continue;
        if (node->n_in > 32)
            in = maas_arena_array(scope->arena, (size_t)node->n_in, sizeof *in, err);
        if (node->n_out > 32)
            out = maas_arena_array(scope->arena, (size_t)node->n_out, sizeof *out, err);
        if (!in || !out)
            return err->status;
        for (int i = 0; i < node->n_in; i++)
            in[i] = node->in[i] == MAAS_NO_VALUE ? NULL : &frame->infos[node->in[i]];
        for (int i = 0; i < node->n_out; i++)
            out[i] = node->out[i] == MAAS_NO_VALUE ? NULL : &frame->infos[node->out[i]];
        scope->frame = frame;
        MAAS_TRY(maas_infer_node(scope, node, in, out, err));
        if (scope->fold)
            MAAS_TRY(scope->fold(scope->fold_ctx, node, frame, err));
        for (int i = 0; scope->keep && i < node->n_out; i++)
            if (node->out[i] != MAAS_NO_VALUE)
                MAAS_TRY(keep_info(graph, &graph->edges[node->out[i]], &frame->infos[node->out[i]], err));
    }
    scope->frame = saved;
    return MAAS_OK;
}

MaasStatus maas_infer_graph(MaasInferCtx *c, const MaasGraph *graph, int n, const MaasInfo *const *in,
                            const MaasInfo **outs)
{
    MaasInferScope *scope = c->scope;
    MaasInferFrame *frame, *parent = scope->frame;

    if (n != graph->n_inputs)
        return maas_infer_fail(c, MAAS_ERR_FORMAT, "its subgraph \"%.100s\" has %d inputs, expected %d",
                               graph->name, graph->n_inputs, n);
    if (scope->depth >= MAAS_MAX_GRAPH_DEPTH)
        return maas_infer_fail(c, MAAS_ERR_LIMIT, "subgraphs are nested deeper than %d", MAAS_MAX_GRAPH_DEPTH);
    MAAS_TRY(maas_infer_frame(scope, graph, parent, in, &frame, c->err));
    scope->depth++;
    MaasStatus status = maas_infer_frame_nodes(scope, frame, c->err);
    scope->depth--;
    scope->frame = parent;
    if (status != MAAS_OK)
        return status;
    for (int i = 0; i < graph->n_outputs; i++)
        outs[i] = &frame->infos[graph->outputs[i]];
    return MAAS_OK;
}

const MaasInfo *maas_graph_output_info(const MaasGraph *graph, int i)
{
    return &graph->edges[graph->outputs[i]].info;
}
