/*
 * lbfgs.c - limited-memory BFGS: steps for convex problems on one large batch.
 *
 * Nocedal and Wright, "Numerical Optimization", algorithms 7.4 (two loops over remembered updates), 3.5 and 3.6
 * (line search by the strong Wolfe conditions), with the constants of torch.optim.LBFGS, so that steps are equal.
 * All vectors are flat, in double; the parameters themselves stay float.  A step that fails is undone: of the
 * remembered updates only those that it writes over are kept for that, as the ring may hold gigabytes.
 */
#include <math.h>
#include <string.h>

#include "optimizer.h"

#define GRADIENT_TOLERANCE 1e-7
#define CHANGE_TOLERANCE 1e-9
#define LEAST_CURVATURE 1e-10
#define ARMIJO 1e-4
#define CURVATURE 0.9
#define MOST_SEARCHES 25

/* The numbers of the state: iterations so far, remembered updates (a ring), the last step, the first Hessian. */
typedef struct Numbers {
    int64_t iterations, remembered, oldest;
    double step, diagonal;
} Numbers;

struct MaasLbfgs {
    MaasMem *mem;
    int64_t n, history;
    /* the state: numbers, the last direction and gradient, the updates */
    Numbers now;
    double *direction, *last_gradient; /* (n) */
    double *changes, *differences;     /* of parameters and gradients: (history, n) */
    double *rho;                       /* (history) */
    /* working memory */
    double *start;                     /* parameters at the begin of a search (n) */
    double *gradient;                  /* (n) */
    double *at_low, *at_high, *at_new; /* gradients of a search (n) */
    double *alpha;                     /* (history) */
    /* what undoes a step: its numbers, direction and gradient before it, updates before they were written over */
    Numbers before;
    int64_t most_kept, n_kept;
    double *kept_vectors;                    /* (2, n) */
    double *kept_changes, *kept_differences; /* (most_kept, n) */
    double *kept_rho;                        /* (most_kept) */
};

/* What is saved: the scalars, then the vectors. */
enum { STATE_SCALARS = 5 };

void maas_lbfgs_free(MaasLbfgs *lbfgs)
{
    if (!lbfgs)
        return;
    double *vectors[] = {
        lbfgs->direction, lbfgs->last_gradient, lbfgs->changes,      lbfgs->differences,      lbfgs->rho,
        lbfgs->start,     lbfgs->gradient,      lbfgs->at_low,       lbfgs->at_high,          lbfgs->at_new,
        lbfgs->alpha,     lbfgs->kept_vectors,  lbfgs->kept_changes, lbfgs->kept_differences, lbfgs->kept_rho};

    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        maas_free(lbfgs->mem, vectors[i]);
    maas_free(lbfgs->mem, lbfgs);
}

size_t maas_lbfgs_state_size(const MaasLbfgs *lbfgs)
{
    size_t n = (size_t)lbfgs->n, history = (size_t)lbfgs->history;

    return STATE_SCALARS + 2 * n + 2 * n * history + history;
}

static MaasStatus make_vectors(MaasLbfgs *l, MaasError *err)
{
    size_t n = (size_t)l->n, h = (size_t)l->history, kept = (size_t)l->most_kept, bytes;
    struct {
        double **vector;
        size_t rows, columns;
    } vectors[] = {{&l->direction, 1, n},
                   {&l->last_gradient, 1, n},
                   {&l->changes, h, n},
                   {&l->differences, h, n},
                   {&l->rho, 1, h},
                   {&l->start, 1, n},
                   {&l->gradient, 1, n},
                   {&l->at_low, 1, n},
                   {&l->at_high, 1, n},
                   {&l->at_new, 1, n},
                   {&l->alpha, 1, h},
                   {&l->kept_vectors, 2, n},
                   {&l->kept_changes, kept, n},
                   {&l->kept_differences, kept, n},
                   {&l->kept_rho, 1, kept}};

    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        if (!maas_mul(vectors[i].columns, sizeof(double), &bytes))
            return maas_fail(err, MAAS_ERR_LIMIT, "the state of lbfgs is too large");
        *vectors[i].vector = maas_zalloc_array(l->mem, vectors[i].rows, bytes, err);
        if (!*vectors[i].vector)
            return err->status;
    }
    return MAAS_OK;
}

MaasStatus maas_lbfgs_new(const MaasTrainOptions *options, MaasMem *mem, const MaasSlot *slots, int n,
                          MaasLbfgs **out, MaasError *err)
{
    MaasLbfgs *l = maas_zalloc(mem, sizeof *l, err);

    if (!l)
        return err->status;
    l->mem = mem;
    l->history = options->history;
    l->most_kept = options->max_iterations < l->history ? options->max_iterations : l->history;
    l->now.diagonal = 1;
    for (int i = 0; i < n; i++)
        l->n += slots[i].count;
    MaasStatus status = make_vectors(l, err);

    if (status != MAAS_OK) {
        maas_lbfgs_free(l);
        return status;
    }
    *out = l;
    return MAAS_OK;
}

/* ---- state as a whole ---- */

static void copy_state(double *to, const double *from, size_t n, size_t *at, bool save)
{
    if (save)
        memcpy(to + *at, from, n * sizeof *to);
    *at += n;
}

void maas_lbfgs_save(const MaasLbfgs *l, double *state)
{
    size_t n = (size_t)l->n, h = (size_t)l->history, at = STATE_SCALARS;

    state[0] = (double)l->now.iterations;
    state[1] = (double)l->now.remembered;
    state[2] = (double)l->now.oldest;
    state[3] = l->now.step;
    state[4] = l->now.diagonal;
    copy_state(state, l->direction, n, &at, true);
    copy_state(state, l->last_gradient, n, &at, true);
    copy_state(state, l->changes, n * h, &at, true);
    copy_state(state, l->differences, n * h, &at, true);
    copy_state(state, l->rho, h, &at, true);
}

bool maas_lbfgs_restore(MaasLbfgs *l, const double *state)
{
    size_t n = (size_t)l->n, h = (size_t)l->history;

    if (!(state[0] >= 0 && state[0] < 1e15 && state[1] >= 0 && state[1] <= (double)h && state[2] >= 0 &&
          state[2] < (double)h))
        return false;
    l->now = (Numbers){(int64_t)state[0], (int64_t)state[1], (int64_t)state[2], state[3], state[4]};
    state += STATE_SCALARS;
    memcpy(l->direction, state, n * sizeof *state);
    memcpy(l->last_gradient, state + n, n * sizeof *state);
    memcpy(l->changes, state + 2 * n, n * h * sizeof *state);
    memcpy(l->differences, state + 2 * n + n * h, n * h * sizeof *state);
    memcpy(l->rho, state + 2 * n + 2 * n * h, h * sizeof *state);
    return true;
}

/* ---- vectors ---- */

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;

#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void add_times(double *y, double factor, const double *x, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] += factor * x[i];
}

static double largest(const double *x, int64_t n)
{
    double most = 0;

    for (int64_t i = 0; i < n; i++)
        most = fabs(x[i]) > most ? fabs(x[i]) : most;
    return most;
}

static void copy(double *to, const double *from, int64_t n)
{
    memcpy(to, from, (size_t)n * sizeof *to);
}

/* ---- undoing a step ---- */

static void keep_state(MaasLbfgs *l)
{
    l->before = l->now;
    l->n_kept = 0;
    copy(l->kept_vectors, l->direction, l->n);
    copy(l->kept_vectors + l->n, l->last_gradient, l->n);
}

/* Exchanges the next kept update with the one at its place in the ring, which a step fills in this order. */
static void exchange_kept(MaasLbfgs *l, int64_t k, bool keep)
{
    int64_t at = (l->before.oldest + l->before.remembered + k) % l->history;
    double *pairs[2][2] = {{l->changes + at * l->n, l->kept_changes + k * l->n},
                           {l->differences + at * l->n, l->kept_differences + k * l->n}};

    for (int i = 0; i < 2; i++)
        copy(pairs[i][keep], pairs[i][!keep], l->n);
    *(keep ? &l->kept_rho[k] : &l->rho[at]) = keep ? l->rho[at] : l->kept_rho[k];
}

/* Before the next update is written. */
static void keep_update(MaasLbfgs *l)
{
    if (l->n_kept < l->most_kept) /* else all of the ring is kept */
        exchange_kept(l, l->n_kept++, true);
}

static void undo_step(MaasLbfgs *l)
{
    for (int64_t k = 0; k < l->n_kept; k++)
        exchange_kept(l, k, false);
    copy(l->direction, l->kept_vectors, l->n);
    copy(l->last_gradient, l->kept_vectors + l->n, l->n);
    l->now = l->before;
}

/* ---- the problem ---- */

typedef struct Problem {
    MaasLbfgs *l;
    const MaasTrainOptions *options;
    MaasSlot *slots;
    int n_slots;
    MaasLossFn fn;
    void *ctx;
    const MaasStop *stop;
    MaasError *err;
    int64_t evaluations;
} Problem;

static MaasStatus go_on(const Problem *p)
{
    return maas_stop_raised(p->stop) ? maas_fail(p->err, MAAS_ERR_CANCEL, "stopped") : MAAS_OK;
}

/* Loss and gradient with penalties at the parameters as they stand; *data: without the penalties.  The loss is
 * infinite where it or the gradient is no finite number. */
static MaasStatus evaluate(Problem *p, double *gradient, double *loss, double *data)
{
    double penalty = 0;
    int64_t at = 0;

    MAAS_TRY(p->fn(p->ctx, loss, p->err));
    p->evaluations++;
    *data = *loss;
    for (int i = 0; i < p->n_slots; i++) {
        const MaasSlot *s = &p->slots[i];
        double l1 = s->penalized ? p->options->l1 : 0, l2 = s->penalized ? p->options->l2 : 0;
        double decay = p->options->weight_decay;

        MAAS_TRY(go_on(p));
        for (int64_t k = 0; k < s->count; k++) {
            double w = (double)s->w[k];

            gradient[at++] = (double)s->g[k] + l1 * ((w > 0) - (w < 0)) + (2 * l2 + decay) * w;
            penalty += l1 * fabs(w) + (l2 + decay / 2) * w * w;
        }
    }
    *loss += penalty;
    if (!isfinite(*loss) || !isfinite(dot(gradient, gradient, p->l->n)))
        *loss = INFINITY;
    return MAAS_OK;
}

/* The same where there is no way back. */
static MaasStatus evaluate_here(Problem *p, double *gradient, double *loss, double *data)
{
    MAAS_TRY(evaluate(p, gradient, loss, data));
    if (*loss < INFINITY)
        return MAAS_OK;
    maas_fail(p->err, MAAS_ERR_VALUE, "the loss is %g%s", *data,
              isfinite(*data) ? ", but its gradient is no finite number" : "");
    maas_error_hint(p->err, "A smaller learning_rate may help; look for values in the data that are no finite "
                            "numbers.");
    return p->err->status;
}

static void get_parameters(const Problem *p, double *x)
{
    for (int i = 0; i < p->n_slots; i++)
        for (int64_t k = 0; k < p->slots[i].count; k++)
            *x++ = (double)p->slots[i].w[k];
}

/* Parameters = start + step * direction. */
static void set_parameters(Problem *p, double step)
{
    const double *x = p->l->start, *d = p->l->direction;

    for (int i = 0; i < p->n_slots; i++)
        for (int64_t k = 0; k < p->slots[i].count; k++)
            p->slots[i].w[k] = (float)(*x++ + step * *d++);
}

/* ---- line search ---- */

/* A point on the line: its step, loss, slope along the direction and gradient. */
typedef struct Point {
    double t, f, slope;
    double *g;
} Point;

static MaasStatus at_step(Problem *p, double t, Point *point)
{
    double data;

    set_parameters(p, t);
    point->t = t;
    MAAS_TRY(evaluate(p, point->g, &point->f, &data));
    point->slope = point->f < INFINITY ? dot(point->g, p->l->direction, p->l->n) : 0;
    return MAAS_OK;
}

/* The minimum of the cubic through two points, kept within [low, high]; the middle where there is none or one of
 * the points lies where the loss is infinite. */
static double cubic_minimum(const Point *a, const Point *b, double low, double high)
{
    double d1 = a->slope + b->slope - 3 * (a->f - b->f) / (a->t - b->t), square = d1 * d1 - a->slope * b->slope;

    if (!(square >= 0 && square < INFINITY))
        return (low + high) / 2;
    double d2 = sqrt(square);
    double t = a->t <= b->t ? b->t - (b->t - a->t) * ((b->slope + d2 - d1) / (b->slope - a->slope + 2 * d2))
                            : a->t - (a->t - b->t) * ((a->slope + d2 - d1) / (a->slope - b->slope + 2 * d2));

    return fmin(fmax(t, low), high);
}

static void swap_points(Point *a, Point *b)
{
    Point c = *a;

    *a = *b;
    *b = c;
}

static void copy_point(Point *to, const Point *from, int64_t n)
{
    double *g = to->g;

    copy(g, from->g, n);
    *to = *from;
    to->g = g;
}

/* Between ends[0] and ends[1]: narrows until the conditions hold.  The best end is *low when it returns. */
static MaasStatus zoom(Problem *p, const Point *origin, Point ends[2], Point *new, int *searches, int *low)
{
    double longest = largest(p->l->direction, p->l->n);
    bool stuck = false;

    *low = ends[0].f <= ends[1].f ? 0 : 1;
    while (*searches < MOST_SEARCHES) {
        double least = fmin(ends[0].t, ends[1].t), most = fmax(ends[0].t, ends[1].t), margin = 0.1 * (most - least);

        if ((most - least) * longest < CHANGE_TOLERANCE)
            break;
        double t = cubic_minimum(&ends[0], &ends[1], least, most);

        if (fmin(most - t, t - least) < margin) { /* too near to an end: the second time it is moved away */
            if (stuck || t >= most || t <= least) {
                t = fabs(t - most) < fabs(t - least) ? most - margin : least + margin;
                stuck = false;
            } else
                stuck = true;
        } else
            stuck = false;
        MAAS_TRY(go_on(p));
        MAAS_TRY(at_step(p, t, new));
        ++*searches;
        Point *best = &ends[*low], *other = &ends[1 - *low];

        if (new->f > origin->f + ARMIJO * t * origin->slope || new->f >= best->f) {
            swap_points(other, new);
            *low = ends[0].f <= ends[1].f ? 0 : 1;
            continue;
        }
        bool done = fabs(new->slope) <= -CURVATURE * origin->slope;

        if (!done && new->slope *(other->t - best->t) >= 0)
            copy_point(other, best, p->l->n);
        swap_points(best, new);
        if (done)
            break;
    }
    return MAAS_OK;
}

/* Finds a step along the direction that satisfies the strong Wolfe conditions.  origin: step 0; first: the step to
 * begin with.  The parameters, *loss and gradient are those of the step found. */
static MaasStatus search(Problem *p, double first, double *step, double *loss, double *gradient)
{
    MaasLbfgs *l = p->l;
    Point origin = {0, *loss, dot(gradient, l->direction, l->n), gradient};
    Point ends[2] = {{.g = l->at_low}, {.g = l->at_high}}, new = {.g = l->at_new};
    int searches = 0, low = 0;
    bool found = false, bracketed = false;

    copy_point(&ends[0], &origin, l->n);
    MAAS_TRY(at_step(p, first, &ends[1]));
    while (searches < MOST_SEARCHES) { /* ends[0]: the point before, ends[1]: the newest */
        double t = ends[1].t;

        if (ends[1].f > origin.f + ARMIJO * t * origin.slope || (searches > 1 && ends[1].f >= ends[0].f)) {
            bracketed = true;
            break;
        }
        if (fabs(ends[1].slope) <= -CURVATURE * origin.slope) {
            found = true;
            low = 1;
            break;
        }
        if (ends[1].slope >= 0) {
            bracketed = true;
            break;
        }
        double next = cubic_minimum(&ends[0], &ends[1], t + 0.01 * (t - ends[0].t), t * 10);

        swap_points(&ends[0], &ends[1]);
        MAAS_TRY(at_step(p, next, &ends[1]));
        searches++;
    }
    if (!found && !bracketed)
        copy_point(&ends[0], &origin, l->n);
    if (!found)
        MAAS_TRY(zoom(p, &origin, ends, &new, &searches, &low));
    *step = ends[low].t;
    *loss = ends[low].f;
    copy(gradient, ends[low].g, l->n);
    set_parameters(p, *step);
    return MAAS_OK;
}

/* ---- directions ---- */

static double *row(double *rows, const MaasLbfgs *l, int64_t k)
{
    return rows + (l->now.oldest + k) % l->history * l->n;
}

/* Remembers the last update if the curvature along it is positive. */
static void remember(MaasLbfgs *l, const double *gradient)
{
    int64_t slot = (l->now.oldest + l->now.remembered) % l->history;
    double *s = l->changes + slot * l->n, *y = l->differences + slot * l->n, ys = 0, yy = 0;

    /* the slot may hold the oldest update, so look before writing */
    for (int64_t i = 0; i < l->n; i++) {
        double dy = gradient[i] - l->last_gradient[i];

        ys += dy * l->direction[i] * l->now.step;
        yy += dy * dy;
    }
    if (!(ys > LEAST_CURVATURE))
        return;
    keep_update(l);
    for (int64_t i = 0; i < l->n; i++) {
        s[i] = l->direction[i] * l->now.step;
        y[i] = gradient[i] - l->last_gradient[i];
    }
    l->rho[slot] = 1 / ys;
    l->now.diagonal = ys / yy;
    if (l->now.remembered < l->history)
        l->now.remembered++;
    else
        l->now.oldest = (l->now.oldest + 1) % l->history;
}

/* direction = - (inverse Hessian as remembered) * gradient */
static MaasStatus choose_direction(const Problem *p, const double *gradient)
{
    MaasLbfgs *l = p->l;
    double *d = l->direction;

    for (int64_t i = 0; i < l->n; i++)
        d[i] = -gradient[i];
    for (int64_t k = l->now.remembered - 1; k >= 0; k--) {
        MAAS_TRY(go_on(p));
        l->alpha[k] = dot(row(l->changes, l, k), d, l->n) * l->rho[(l->now.oldest + k) % l->history];
        add_times(d, -l->alpha[k], row(l->differences, l, k), l->n);
    }
    for (int64_t i = 0; i < l->n; i++)
        d[i] *= l->now.diagonal;
    for (int64_t k = 0; k < l->now.remembered; k++) {
        MAAS_TRY(go_on(p));
        double beta = dot(row(l->differences, l, k), d, l->n) * l->rho[(l->now.oldest + k) % l->history];

        add_times(d, l->alpha[k] - beta, row(l->changes, l, k), l->n);
    }
    return MAAS_OK;
}

static MaasStatus iterate(Problem *p, double rate, double *first_loss)
{
    MaasLbfgs *l = p->l;
    int64_t most_evaluations = p->options->max_iterations * 5 / 4;
    double *g = l->gradient, loss, last_loss, data;

    MAAS_TRY(evaluate_here(p, g, &loss, first_loss));
    if (largest(g, l->n) <= GRADIENT_TOLERANCE)
        return MAAS_OK;
    for (int64_t k = 1; k <= p->options->max_iterations; k++) {
        if (l->now.iterations > 0)
            remember(l, g);
        l->now.iterations++;
        MAAS_TRY(choose_direction(p, g));
        copy(l->last_gradient, g, l->n);
        last_loss = loss;
        l->now.step = rate;
        if (l->now.iterations == 1) {
            double sum = 0;

            for (int64_t i = 0; i < l->n; i++)
                sum += fabs(g[i]);
            l->now.step = fmin(1, 1 / sum) * rate;
        }
        if (dot(g, l->direction, l->n) > -CHANGE_TOLERANCE)
            break;
        get_parameters(p, l->start);
        if (p->options->line_search) {
            MAAS_TRY(search(p, l->now.step, &l->now.step, &loss, g));
        } else {
            set_parameters(p, l->now.step);
            if (k < p->options->max_iterations)
                MAAS_TRY(evaluate_here(p, g, &loss, &data));
        }
        if (p->evaluations >= most_evaluations || largest(g, l->n) <= GRADIENT_TOLERANCE ||
            largest(l->direction, l->n) * fabs(l->now.step) <= CHANGE_TOLERANCE ||
            fabs(loss - last_loss) < CHANGE_TOLERANCE)
            break;
    }
    return MAAS_OK;
}

MaasStatus maas_lbfgs_step(MaasLbfgs *lbfgs, const MaasTrainOptions *options, MaasSlot *slots, int n, double rate,
                           MaasLossFn fn, void *ctx, const MaasStop *stop, double *loss, MaasError *err)
{
    Problem p = {lbfgs, options, slots, n, fn, ctx, stop, err, 0};
    float **w = maas_zalloc_array(lbfgs->mem, (size_t)n + 1, sizeof *w, err);
    MaasStatus status = w ? MAAS_OK : err->status;

    for (int i = 0; i < n && status == MAAS_OK; i++) {
        w[i] = maas_alloc_array(lbfgs->mem, (size_t)slots[i].count, sizeof **w, err);
        if (w[i])
            memcpy(w[i], slots[i].w, (size_t)slots[i].count * sizeof **w);
        else
            status = err->status;
    }
    if (status == MAAS_OK) {
        keep_state(lbfgs);
        status = iterate(&p, rate, loss);
        if (status != MAAS_OK) {
            undo_step(lbfgs);
            for (int i = 0; i < n; i++)
                memcpy(slots[i].w, w[i], (size_t)slots[i].count * sizeof **w);
        } else
            maas_optimizer_max_norm(options, slots, n, 1);
    }
    for (int i = 0; w && i < n; i++)
        maas_free(lbfgs->mem, w[i]);
    maas_free(lbfgs->mem, w);
    return status;
}
