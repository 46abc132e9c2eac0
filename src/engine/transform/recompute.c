/*
 * recompute.c - a training step in less memory: what the backward pass reads is computed again instead of being
 * kept.
 *
 * Three phases.  Looking: a plan that keeps everything tells what the backward pass reads of the forward pass, how
 * large it is, and what each node costs.  Choosing: which edges are dropped after the forward pass.  Cheap nodes
 * (elementwise, normalisation) are dropped where all that they read is there anyway; in a part of the graph all
 * nodes may be dropped, between cuts where little is alive: what crosses a cut is kept, so that no more than the
 * stretch between two cuts is computed at once.  Rewriting: a copy of the graph in which backward nodes read
 * clones.  Choices are tried out: the plan of each rewritten graph tells its workspace.
 *
 * Working memory is an arena of the call.  A rewritten graph shares names, attributes, constants and states with
 * the graph that it was made of.
 */
#include <math.h>
#include <string.h>

#include "../graph/exec.h"
#include "pass.h"
#include "recompute.h"

#define CHEAP_FLOPS 16 /* for each element of the first output */
#define PARTS 16       /* in so many steps the part of the graph is found that must be dropped */
#define LEAST_CUT 64   /* the smallest stretch between cuts is so much less than all that is stored */

/* What is known of the forward pass.  Views stand for what they show: edges are told by their roots. */
typedef struct Forward {
    MaasGraph *graph;
    const MaasPlan *plan; /* that keeps everything */
    MaasArena *arena;
    int n;         /* nodes up to the one that makes the loss */
    int *maker;    /* per edge: its node, or -1 */
    int *root;     /* per edge */
    int *last;     /* per root: the last forward node that reads it */
    bool *stored;  /* per root: the backward pass reads it */
    size_t *seen;  /* per node: stored bytes of this and the nodes before */
    size_t *alive; /* per node: bytes that nodes behind it read of it and those before */
} Forward;

/* Nodes before `cheap` are dropped if they are cheap, those before `all` between cuts. */
typedef struct Choice {
    int cheap, all;
    size_t stretch; /* stored bytes between two cuts */
} Choice;

/* ---- looking ---- */

static bool runs(const Forward *f, int k)
{
    return maas_plan_node_flops(f->plan, k) >= 0;
}

static bool is_view(const MaasNode *node)
{
    return node->op->flags & MAAS_OP_VIEW;
}

static size_t bytes_of(const Forward *f, int root)
{
    return maas_plan_edge_bytes(f->plan, root);
}

static MaasStatus new_arrays(Forward *f, MaasError *err)
{
    size_t edges = (size_t)f->graph->n_edges + 1, nodes = (size_t)f->graph->n_nodes + 1;

    f->maker = maas_arena_array(f->arena, edges, sizeof *f->maker, err);
    f->root = maas_arena_array(f->arena, edges, sizeof *f->root, err);
    f->last = maas_arena_array(f->arena, edges, sizeof *f->last, err);
    f->stored = maas_arena_array(f->arena, edges, sizeof *f->stored, err);
    f->seen = maas_arena_array(f->arena, nodes, sizeof *f->seen, err);
    f->alive = maas_arena_array(f->arena, nodes, sizeof *f->alive, err);
    return f->maker && f->root && f->last && f->stored && f->seen && f->alive ? MAAS_OK : err->status;
}

static void trace_edges(Forward *f, int loss)
{
    const MaasGraph *graph = f->graph;

    for (int e = 0; e < graph->n_edges; e++) {
        f->maker[e] = -1;
        f->root[e] = e;
    }
    for (int k = 0; k < graph->n_nodes; k++) {
        const MaasNode *node = &graph->nodes[k];

        for (int i = 0; i < node->n_out; i++)
            if (node->out[i] != MAAS_NO_VALUE)
                f->maker[node->out[i]] = k;
        if (is_view(node) && node->out[0] != MAAS_NO_VALUE)
            f->root[node->out[0]] = f->root[node->in[0]];
    }
    f->n = f->maker[loss] + 1;
    for (int k = 0; k < graph->n_nodes; k++) {
        const MaasNode *node = &graph->nodes[k];

        for (int i = 0; runs(f, k) && i < node->n_in; i++) {
            int root = node->in[i] == MAAS_NO_VALUE ? MAAS_NO_VALUE : f->root[node->in[i]];

            if (root == MAAS_NO_VALUE || bytes_of(f, root) == 0 || f->maker[root] >= f->n)
                continue;
            if (k < f->n)
                f->last[root] = k;
            else if (!is_view(node)) /* what reads a view of it counts */
                f->stored[root] = true;
        }
    }
}

/* Sums along the forward pass. */
static void add_up(Forward *f)
{
    size_t seen = 0, alive = 0;

    for (int k = 0; k < f->n; k++) {
        const MaasNode *node = &f->graph->nodes[k];

        for (int i = 0; i < node->n_out; i++) {
            int e = node->out[i];

            if (e == MAAS_NO_VALUE || f->root[e] != e)
                continue;
            seen += f->stored[e] ? bytes_of(f, e) : 0;
            alive += f->last[e] > k ? bytes_of(f, e) : 0;
        }
        for (int i = 0; runs(f, k) && i < node->n_in; i++) {
            int root = node->in[i] == MAAS_NO_VALUE ? MAAS_NO_VALUE : f->root[node->in[i]];
            bool before = false; /* the node reads it twice */

            for (int j = 0; j < i && !before; j++)
                before = node->in[j] != MAAS_NO_VALUE && f->root[node->in[j]] == root;
            if (root != MAAS_NO_VALUE && !before && f->maker[root] >= 0 && f->maker[root] < k && f->last[root] == k)
                alive -= bytes_of(f, root);
        }
        f->seen[k] = seen;
        f->alive[k] = alive;
    }
}

static bool has_subgraph(const MaasGraph *graph)
{
    for (int k = 0; k < graph->n_nodes; k++)
        if (maas_node_has_graph(&graph->nodes[k]))
            return true;
    return false;
}

static MaasStatus look(Forward *f, int loss, MaasError *err)
{
    MAAS_TRY(new_arrays(f, err));
    trace_edges(f, loss);
    add_up(f);
    return MAAS_OK;
}

/* The node before which a share of all that is stored has been made. */
static int node_at(const Forward *f, int part)
{
    size_t total = f->n > 0 ? f->seen[f->n - 1] : 0;
    int k = 0;

    while (k < f->n && part < PARTS && f->seen[k] <= total / PARTS * (size_t)part)
        k++;
    return part < PARTS ? k : f->n;
}

/* ---- choosing ---- */

/* Dropout with its mask: the mask is kept and applied again. */
static bool is_masked(const MaasNode *node)
{
    return *node->domain == '\0' && strcmp(node->op_type, "Dropout") == 0 && node->n_out > 1 &&
           node->out[1] != MAAS_NO_VALUE && !maas_pass_attr(node, "seed")->set;
}

static bool can_run_again(const Forward *f, int k)
{
    const MaasNode *node = &f->graph->nodes[k];
    double flops = maas_plan_node_flops(f->plan, k);

    if (flops < 0 || isinf(flops) || node->out[0] == MAAS_NO_VALUE)
        return false;
    return !(node->op->flags & MAAS_OP_RANDOM) || is_masked(node);
}

static bool is_cheap(const Forward *f, int k)
{
    int e = f->graph->nodes[k].out[0];
    size_t elements = bytes_of(f, e) / sizeof(float);

    return maas_plan_node_flops(f->plan, k) <= CHEAP_FLOPS * (double)elements;
}

/* Whether all that a node reads is there in the backward pass anyway, or is dropped itself. */
static bool reads_what_is_there(const Forward *f, int k, const bool *dropped)
{
    const MaasNode *node = &f->graph->nodes[k];

    for (int i = 0; i < node->n_in; i++) {
        int root = node->in[i] == MAAS_NO_VALUE ? MAAS_NO_VALUE : f->root[node->in[i]];

        if (root != MAAS_NO_VALUE && bytes_of(f, root) > 0 && !f->stored[root] && !dropped[root])
            return false;
    }
    return true;
}

/* next[k]: the first cut at or behind node k, f->n when there is none.  A cut is made where the least is alive in
 * the second half of a stretch. */
static int find_cuts(const Forward *f, const Choice *choice, int *next)
{
    size_t from = 0;
    int start = 0, last = 0;

    for (int k = 0; k < f->n; k++)
        next[k] = f->n;
    for (int k = 0; k < choice->all && k < f->n; k++) {
        if (f->seen[k] - from <= choice->stretch)
            continue;
        int at = k;

        for (int j = k; j >= start && f->seen[j] - from > choice->stretch / 2; j--)
            if (f->alive[j] < f->alive[at])
                at = j;
        next[at] = at;
        from = f->seen[at];
        start = last = at + 1;
        k = at;
    }
    for (int k = f->n - 2; k >= 0; k--)
        if (next[k] == f->n)
            next[k] = next[k + 1];
    return last;
}

static MaasStatus choose(const Forward *f, const Choice *choice, bool *dropped, MaasError *err)
{
    int *next = maas_arena_array(f->arena, (size_t)f->n + 1, sizeof *next, err), end;

    if (!next)
        return err->status;
    memset(dropped, 0, sizeof *dropped * (size_t)f->graph->n_edges);
    end = find_cuts(f, choice, next);
    for (int k = 0; k < f->n; k++) {
        const MaasNode *node = &f->graph->nodes[k];
        bool all = k < end;

        if (is_view(node) || !can_run_again(f, k))
            continue;
        if (!all && !(k < choice->cheap && is_cheap(f, k) && reads_what_is_there(f, k, dropped)))
            continue;
        for (int i = 0; i < (is_masked(node) ? 1 : node->n_out); i++) {
            int e = node->out[i];

            if (e != MAAS_NO_VALUE && bytes_of(f, e) > 0)
                dropped[e] = !all || f->last[e] <= next[k];
        }
    }
    return MAAS_OK;
}

/* ---- rewriting ---- */

typedef struct Rewrite {
    const Forward *f;
    const bool *dropped;
    MaasGraph *graph;
    int *clone; /* per edge of the graph as it was: the edge that the backward pass reads, or MAAS_NO_VALUE */
    int *stack;
    MaasError *err;
} Rewrite;

static bool is_dropped(const Rewrite *w, int e)
{
    return e != MAAS_NO_VALUE && w->f->maker[e] >= 0 && w->f->maker[e] < w->f->n && w->dropped[w->f->root[e]];
}

static void own_outputs(Rewrite *w, const MaasNode *node, int k)
{
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] != MAAS_NO_VALUE)
            w->graph->edges[node->out[i]].producer = k;
}

static MaasStatus append(Rewrite *w, const MaasNode *node)
{
    MaasNode *added = &w->graph->nodes[w->graph->n_nodes]; /* there is room */

    *added = *node;
    own_outputs(w, node, w->graph->n_nodes++);
    return MAAS_OK;
}

/* The inputs of a node with clones in place of what is dropped. */
static MaasStatus map_inputs(Rewrite *w, int n, const int *in, int **out, MaasError *err)
{
    int *mapped = maas_arena_array(w->graph->arena, (size_t)n + 1, sizeof *mapped, err);

    if (!mapped)
        return err->status;
    for (int i = 0; i < n; i++)
        mapped[i] = is_dropped(w, in[i]) ? w->clone[in[i]] : in[i];
    *out = mapped;
    return MAAS_OK;
}

static MaasStatus clone_output(Rewrite *w, int e, int *out, MaasError *err)
{
    MAAS_TRY(maas_graph_add_edge(w->graph, "", MAAS_ROLE_NODE, out, err));
    w->graph->edges[*out].info = w->f->graph->edges[e].info;
    w->clone[e] = *out;
    return MAAS_OK;
}

/* What a node is when it runs again: itself, or the mask of a dropout that is applied again. */
static MaasStatus clone_node(Rewrite *w, int k, MaasError *err)
{
    const MaasNode *from = &w->f->graph->nodes[k];
    MaasNode node = *from;
    int masked[4];

    if (is_masked(from)) {
        masked[0] = from->in[0];
        masked[1] = from->out[1];
        masked[2] = from->n_in > 1 ? from->in[1] : MAAS_NO_VALUE;
        masked[3] = from->n_in > 2 ? from->in[2] : MAAS_NO_VALUE;
        node = (MaasNode){.op = maas_op_find("maas", "DropoutGrad"), .domain = "maas", .name = from->name};
        node.op_type = node.op->name;
        node.in = masked;
        node.n_in = 4;
        node.n_out = 1;
        node.attrs = from->attrs; /* none are read */
    }
    MAAS_TRY(map_inputs(w, node.n_in, node.in, &node.in, err));
    node.out = maas_arena_array(w->graph->arena, (size_t)node.n_out + 1, sizeof *node.out, err);
    if (!node.out)
        return err->status;
    for (int i = 0; i < node.n_out; i++) {
        node.out[i] = MAAS_NO_VALUE;
        if (from->out[i] != MAAS_NO_VALUE)
            MAAS_TRY(clone_output(w, from->out[i], &node.out[i], err));
    }
    return append(w, &node);
}

/* A dropped input of the node that is not there yet. */
static int lacks(const Rewrite *w, const MaasNode *node)
{
    for (int i = 0; i < node->n_in; i++)
        if (is_dropped(w, node->in[i]) && w->clone[node->in[i]] == MAAS_NO_VALUE)
            return node->in[i];
    return MAAS_NO_VALUE;
}

/* Adds the nodes that make what a backward node reads, each once. */
static MaasStatus clone_inputs(Rewrite *w, const MaasNode *reader, MaasError *err)
{
    int e;

    while ((e = lacks(w, reader)) != MAAS_NO_VALUE) {
        int depth = 0;

        w->stack[depth++] = w->f->maker[e];
        while (depth > 0) {
            int k = w->stack[depth - 1];

            if ((e = lacks(w, &w->f->graph->nodes[k])) != MAAS_NO_VALUE) {
                w->stack[depth++] = w->f->maker[e];
                continue;
            }
            MAAS_TRY(clone_node(w, k, err));
            depth--;
        }
    }
    return MAAS_OK;
}

static MaasStatus start_graph(Rewrite *w, MaasArena *arena, MaasError *err)
{
    const MaasGraph *from = w->f->graph;
    MaasGraph *graph;

    MAAS_TRY(maas_graph_new(arena, NULL, from->name, &graph, err));
    w->graph = graph;
    graph->n_edges = from->n_edges;
    graph->cap_edges = from->n_edges;
    graph->edges = maas_arena_array(arena, (size_t)from->n_edges + 1, sizeof *graph->edges, err);
    graph->cap_nodes = from->n_nodes + w->f->n;
    graph->nodes = maas_arena_array(arena, (size_t)graph->cap_nodes + 1, sizeof *graph->nodes, err);
    w->clone = maas_arena_array(w->f->arena, (size_t)from->n_edges + 1, sizeof *w->clone, err);
    w->stack = maas_arena_array(w->f->arena, (size_t)w->f->n + 1, sizeof *w->stack, err);
    if (!graph->edges || !graph->nodes || !w->clone || !w->stack)
        return err->status;
    memcpy(graph->edges, from->edges, sizeof *graph->edges * (size_t)from->n_edges);
    for (int e = 0; e < from->n_edges; e++)
        w->clone[e] = MAAS_NO_VALUE;
    graph->n_inputs = from->n_inputs;
    graph->inputs = from->inputs;
    graph->n_outputs = from->n_outputs;
    graph->outputs = from->outputs;
    return MAAS_OK;
}

static MaasStatus rewrite(const Forward *f, const bool *dropped, int n_wanted, const int *wanted, MaasArena *arena,
                          MaasGraph **out, MaasError *err)
{
    Rewrite w = {.f = f, .dropped = dropped};

    MAAS_TRY(start_graph(&w, arena, err));
    for (int k = 0; k < f->graph->n_nodes; k++) {
        MaasNode node = f->graph->nodes[k];

        if (k >= f->n && runs(f, k)) {
            MAAS_TRY(clone_inputs(&w, &node, err));
            MAAS_TRY(map_inputs(&w, node.n_in, node.in, &node.in, err));
        }
        MAAS_TRY(append(&w, &node));
    }
    MAAS_TRY(maas_graph_set_last_use(w.graph, err));
    for (int i = 0; i < n_wanted; i++)
        w.graph->last_use[wanted[i]] = w.graph->n_nodes;
    w.graph->arena = NULL; /* nothing is added any more, and the arena moves */
    *out = w.graph;
    return MAAS_OK;
}

/* ---- trying out ---- */

typedef struct Search {
    Forward f;
    MaasMem *mem;
    MaasValue *const *inputs;
    int n_wanted;
    const int *wanted;
    size_t limit;
    MaasWorkspace *workspace;
    MaasStop stop;
    MaasStepPlan best; /* f.plan at first, which stays until the end */
} Search;

/* What a plan's workspace holds beside the wanted values. */
static size_t taken(const Search *s, const MaasPlan *plan)
{
    size_t bytes = maas_plan_workspace(plan), wanted = 0;

    for (int i = 0; i < s->n_wanted; i++)
        wanted += maas_plan_edge_bytes(plan, s->wanted[i]);
    return bytes > wanted ? bytes - wanted : 0;
}

static bool fits(const Search *s, const MaasPlan *plan)
{
    return s->limit == 0 || taken(s, plan) <= s->limit;
}

static MaasStatus make_plan(const Search *s, MaasGraph *graph, MaasPlan **plan, MaasError *err)
{
    return maas_plan_new_kept(graph, s->mem, s->inputs, s->n_wanted, s->wanted, s->workspace, s->stop, plan, err);
}

static MaasStatus build(const Search *s, const Choice *choice, MaasStepPlan *made, MaasError *err)
{
    bool *dropped = maas_arena_array(s->f.arena, (size_t)s->f.graph->n_edges + 1, sizeof *dropped, err);
    MaasGraph *graph;

    if (!dropped)
        return err->status;
    MAAS_TRY(choose(&s->f, choice, dropped, err));
    MAAS_TRY(rewrite(&s->f, dropped, s->n_wanted, s->wanted, &made->arena, &graph, err));
    return make_plan(s, graph, &made->plan, err);
}

/* What computes twice without fitting must be worth it. */
static bool much_smaller(const Search *s, const MaasPlan *plan)
{
    size_t bytes = taken(s, s->best.plan);

    return taken(s, plan) < bytes - bytes / 8;
}

/* Makes the plan of a choice; it becomes the best one if it fits, or if none does and it is much smaller. */
static MaasStatus attempt(Search *s, const Choice *choice, bool *fit, MaasError *err)
{
    MaasStepPlan made = {0};

    maas_arena_init(&made.arena, s->mem);
    MaasStatus status = build(s, choice, &made, err);

    *fit = status == MAAS_OK && fits(s, made.plan);
    if (status == MAAS_OK && (*fit || much_smaller(s, made.plan))) {
        MaasStepPlan spare = s->best;

        s->best = made;
        made = spare;
    }
    if (made.plan != s->f.plan)
        maas_step_plan_free(&made);
    return status;
}

/* The smallest part of the forward pass, from its beginning, that must be dropped for a plan to fit; all of it
 * does. */
static MaasStatus narrow(Search *s, Choice *choice, int *end, MaasError *err)
{
    int low = 0, high = PARTS;

    while (high - low > 1) {
        int middle = (low + high) / 2;
        bool fit;

        *end = node_at(&s->f, middle);
        MAAS_TRY(attempt(s, choice, &fit, err));
        *(fit ? &high : &low) = middle;
    }
    return MAAS_OK;
}

static MaasStatus search(Search *s, MaasError *err)
{
    Choice choice = {.cheap = s->f.n};
    size_t total = s->f.n > 0 ? s->f.seen[s->f.n - 1] : 0;
    bool fit;

    MAAS_TRY(attempt(s, &choice, &fit, err));
    if (fit)
        return narrow(s, &choice, &choice.cheap, err);
    choice.all = s->f.n;
    for (size_t cut = 2; cut <= LEAST_CUT && !fit; cut *= 2) {
        choice.stretch = total / cut;
        MAAS_TRY(attempt(s, &choice, &fit, err));
    }
    return fit ? narrow(s, &choice, &choice.all, err) : MAAS_OK;
}

void maas_step_plan_free(MaasStepPlan *plan)
{
    maas_plan_free(plan->plan);
    if (plan->arena.mem)
        maas_arena_free(&plan->arena);
    plan->plan = NULL;
}

MaasStatus maas_step_plan_new(MaasGraph *graph, MaasMem *mem, MaasValue *const *inputs, int n_wanted,
                              const int *wanted, size_t limit, MaasWorkspace *workspace, MaasStop stop,
                              MaasStepPlan *out, MaasError *err)
{
    Search s = {.mem = mem,
                .inputs = inputs,
                .n_wanted = n_wanted,
                .wanted = wanted,
                .limit = limit,
                .workspace = workspace,
                .stop = stop};
    MaasArena arena;
    MaasPlan *whole;

    MAAS_TRY(make_plan(&s, graph, &whole, err));
    s.best.plan = whole;
    if (!fits(&s, whole) && !has_subgraph(graph)) {
        maas_arena_init(&arena, mem);
        s.f = (Forward){.graph = graph, .plan = whole, .arena = &arena};
        MaasStatus status = look(&s.f, wanted[0], err);

        if (status == MAAS_OK)
            status = search(&s, err);
        maas_arena_free(&arena);
        if (status != MAAS_OK) {
            if (s.best.plan != whole)
                maas_step_plan_free(&s.best);
            maas_plan_free(whole);
            return status;
        }
    }
    s.best.whole = taken(&s, whole);
    s.best.taken = taken(&s, s.best.plan);
    if (s.best.plan != whole)
        maas_plan_free(whole);
    *out = s.best;
    return MAAS_OK;
}
