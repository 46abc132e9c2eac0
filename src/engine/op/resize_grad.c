/*
 * resize_grad.c - the gradient of Resize: each output element's gradient goes back to the elements that it was made
 * of, with their weights, axis by axis.
 */
#include <string.h>

#include "expect.h"
#include "resize.h"

enum { GRAD_DY = RESIZE_X, GRAD_SHAPE = RESIZE_SIZES + 1 };

static MaasStatus infer_resize_grad(MaasInferCtx *c)
{
    return maas_infer_shaped(c, GRAD_SHAPE);
}

typedef struct GradJob {
    const MaasResizeAxis *axis;
    int64_t inner;
    const void *dy; /* (outer, axis->out, inner) */
    void *dx;       /* (outer, axis->in, inner) */
    bool single;
} GradJob;

#define DEFINE_PART(T, NAME)                                                                                       \
    static void part_##NAME(const GradJob *job, int64_t o)                                                         \
    {                                                                                                              \
        const MaasResizeAxis *p = job->axis;                                                                       \
        const T *dy = (const T *)job->dy + o * p->out * job->inner;                                                \
        T *dx = (T *)job->dx + o * p->in * job->inner;                                                             \
                                                                                                                   \
        memset(dx, 0, sizeof *dx *(size_t)(p->in * job->inner));                                                   \
        for (int64_t j = 0; j < p->out; j++) {                                                                     \
            if (p->outside && p->outside[j])                                                                       \
                continue;                                                                                          \
            for (int64_t t = j * p->taps; t < (j + 1) * p->taps; t++) {                                            \
                const T *from = dy + j * job->inner;                                                               \
                T *to = dx + p->index[t] * job->inner, w = p->weight ? (T)p->weight[t] : 1;                        \
                                                                                                                   \
                for (int64_t i = 0; i < job->inner; i++)                                                           \
                    to[i] += w * from[i];                                                                          \
            }                                                                                                      \
        }                                                                                                          \
    }

DEFINE_PART(float, f32)
DEFINE_PART(double, f64)

static void grad_part(void *arg, int64_t from, int64_t to)
{
    const GradJob *job = arg;

    for (int64_t o = from; o < to; o++) {
        if (job->single)
            part_f32(job, o);
        else
            part_f64(job, o);
    }
}

/* Takes the gradient of one axis back; dims: the shape of dy. */
static MaasStatus axis_back(MaasCtx *c, const MaasResizeAxis *p, int axis, int rank, const int64_t *dims,
                            bool single, const void *dy, void *dx)
{
    GradJob job = {.axis = p, .inner = 1, .dy = dy, .dx = dx, .single = single};
    int64_t outer = 1, work;

    for (int i = 0; i < axis; i++)
        outer *= dims[i];
    for (int i = axis + 1; i < rank; i++)
        job.inner *= dims[i];
    work = p->out * p->taps * job.inner;
    return maas_parallel(c, outer, work >= 65536 ? 1 : 65536 / (work + 1) + 1, grad_part, &job);
}

static MaasStatus compute_resize_grad(MaasCtx *c)
{
    const MaasTensor *dy = maas_in(c, GRAD_DY);
    MaasTensor *dx = maas_out(c, 0);
    MaasResizeAxis axes[MAAS_MAX_RANK];
    int64_t dims[MAAS_MAX_RANK];
    const void *from = dy->data;
    int left = 0;

    if (dx->count == 0)
        return MAAS_OK;
    if (dy->count == 0) {
        memset(dx->data, 0, maas_tensor_bytes(dx));
        return MAAS_OK;
    }
    MAAS_TRY(maas_resize_axes(c, dx->rank, dx->dims, dy->dims, axes));
    memcpy(dims, dy->dims, sizeof dims);
    for (int i = 0; i < dx->rank; i++)
        left += axes[i].changes;
    if (left == 0)
        memcpy(dx->data, dy->data, maas_tensor_bytes(dx));
    for (int i = 0; left > 0; i++) { /* the other way round than forward */
        int64_t count = 1;
        void *to = dx->data;

        if (!axes[i].changes)
            continue;
        for (int d = 0; d < dx->rank; d++)
            if (!maas_mul64(count, d == i ? axes[i].in : dims[d], &count))
                return maas_node_fail(c, MAAS_ERR_LIMIT, "the number of elements overflows");
        if (--left > 0)
            to = maas_scratch(c, (size_t)count, maas_type_size(dy->type));
        if (!to)
            return maas_scratch_failed(c);
        MAAS_TRY(axis_back(c, &axes[i], i, dx->rank, dims, dy->type == MAAS_FLOAT, from, to));
        dims[i] = axes[i].in;
        from = to;
    }
    return MAAS_OK;
}

const MaasOp maas_op_resize_grad = {
    .domain = "maas",
    .name = "ResizeGrad",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"dY", MAAS_T_FLOATS, 'T', 0},
           {"roi", MAAS_T_FLOATS, 0, MAAS_OPTIONAL},
           {"scales", MAAS_T_FLOAT, 0, MAAS_OPTIONAL},
           {"sizes", MAAS_T_I64, 0, MAAS_OPTIONAL},
           {"shape", MAAS_T_I64, 0, 0}},
    .out = {{"dX", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {MAAS_RESIZE_ATTRS},
    .infer = infer_resize_grad,
    .compute = compute_resize_grad,
};
