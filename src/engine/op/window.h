/*
 * window.h - the attributes and shapes of operators that slide a window over spatial axes: convolutions and pools.
 */
#ifndef MAAS_OP_WINDOW_H
#define MAAS_OP_WINDOW_H

#include "../kernel/window.h"
#include "op.h"

/* The attributes of a window, of which an operator may lack some (NULL). */
typedef struct MaasWindowAttrs {
    const MaasAttr *auto_pad, *kernel, *strides, *pads, *dilations;
    bool ceil_mode;
} MaasWindowAttrs;

/* The first five attributes of most of these operators. */
#define MAAS_WINDOW_SPECS                                                                                          \
    {"auto_pad", MAAS_ATTR_STRING, .s = "NOTSET"}, {"kernel_shape", MAAS_ATTR_INTS}, {"strides", MAAS_ATTR_INTS},  \
        {"pads", MAAS_ATTR_INTS},                                                                                  \
    {                                                                                                              \
        "dilations", MAAS_ATTR_INTS                                                                                \
    }
enum { MAAS_WINDOW_N_SPECS = 5 };
MaasWindowAttrs maas_window_attrs(const MaasAttr *attr);

/*
 * Infer: fills w from the attributes and n spatial sizes of the input; w->out gets the output's sizes.
 * kernel: the window's size by the weights, or NULL when only the attribute gives it.  Unknown sizes give unknown
 * ones; a window that does not fit and any size that is out of range fail.
 */
MaasStatus maas_window_infer(const MaasInferCtx *c, const MaasWindowAttrs *a, int n, const int64_t *in,
                             const int64_t *kernel, MaasWindow *w);
/* Compute: the same from shapes that infer accepted. */
void maas_window_plan(const MaasWindowAttrs *a, int n, const int64_t *in, const int64_t *kernel, MaasWindow *w);

/* Sets kernel, stride and dilation and the explicit padding alone, checked; for transposed windows. */
MaasStatus maas_window_sizes(const MaasInferCtx *c, const MaasWindowAttrs *a, int n, const int64_t *kernel,
                             MaasWindow *w);
/* The dilated extent of the window on an axis. */
static inline int64_t maas_window_extent(const MaasWindow *w, int axis)
{
    return (w->kernel[axis] - 1) * w->dilation[axis] + 1;
}
bool maas_window_same(const MaasWindowAttrs *a, bool *lower);
/*
 * Calls fn for parts of the outputs of one plane, polling the stop flag between them: the whole plane when the work
 * is small.  at: where the part's first output stands among the plane's; its outputs follow each other there.
 */
MaasStatus maas_window_parts(MaasCtx *c, const MaasWindow *w,
                             void (*fn)(void *arg, const MaasWindow *part, int64_t at), void *arg);
/* The same window over two axes, the first of one element if need be; false when it has more. */
bool maas_window_of_plane(const MaasWindow *w, MaasWindow *plane);
/* Products of the sizes. */
int64_t maas_window_taps(const MaasWindow *w);
int64_t maas_window_inputs(const MaasWindow *w);
int64_t maas_window_outputs(const MaasWindow *w);

#endif
