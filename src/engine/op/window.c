/*
 * window.c - the attributes and shapes of operators that slide a window over spatial axes.
 *
 * One function, read_window, does the arithmetic for infer, which reports what is wrong, and again for compute,
 * where nothing can be.
 */
#include <stdio.h>
#include <string.h>

#include "dims.h"
#include "window.h"

/* Strides, dilations, kernels and pads beyond this make no sense, and below it sums and products of two fit. */
#define MOST ((int64_t)1 << 30)

MaasWindowAttrs maas_window_attrs(const MaasAttr *attr)
{
    return (MaasWindowAttrs){&attr[0], &attr[1], &attr[2], &attr[3], &attr[4], false};
}

static bool is_mode(const MaasAttr *a, const char *mode)
{
    return a && a->s.length == strlen(mode) && memcmp(a->s.data, mode, a->s.length) == 0;
}

bool maas_window_same(const MaasWindowAttrs *a, bool *lower)
{
    *lower = is_mode(a->auto_pad, "SAME_LOWER");
    return *lower || is_mode(a->auto_pad, "SAME_UPPER");
}

static bool explicit_pads(const MaasWindowAttrs *a)
{
    return !a->auto_pad || a->auto_pad->s.length == 0 || is_mode(a->auto_pad, "NOTSET");
}

/* Element i of a list attribute, or what stands for it when it is not given. */
static int64_t item(const MaasAttr *a, int64_t i, int64_t otherwise)
{
    return a && a->n > 0 ? a->ints[i] : otherwise;
}

/* The list, if given, has n entries in [least, MOST]. */
static const char *check_list(const MaasAttr *a, int n, int64_t least, char *why, size_t size)
{
    if (!a || a->n == 0)
        return NULL;
    if (a->n != n) {
        snprintf(why, size, "%s needs %d entries, got %lld", a->name, n, (long long)a->n);
        return why;
    }
    for (int i = 0; i < n; i++)
        if (a->ints[i] < least || a->ints[i] > MOST) {
            snprintf(why, size, "%s[%d] must lie between %lld and 2^30, got %lld", a->name, i, (long long)least,
                     (long long)a->ints[i]);
            return why;
        }
    return NULL;
}

/* Everything that does not depend on the input's sizes. */
static const char *read_sizes(const MaasWindowAttrs *a, int n, const int64_t *kernel, MaasWindow *w, char *why,
                              size_t size)
{
    bool lower, pads = explicit_pads(a);
    const char *bad = check_list(a->kernel, n, 1, why, size);

    if (!bad)
        bad = check_list(a->strides, n, 1, why, size);
    if (!bad)
        bad = check_list(a->dilations, n, 1, why, size);
    if (!bad && pads)
        bad = check_list(a->pads, 2 * n, 0, why, size);
    if (bad)
        return bad;
    if (!pads && !maas_window_same(a, &lower) && !is_mode(a->auto_pad, "VALID")) {
        snprintf(why, size, "auto_pad must be NOTSET, SAME_UPPER, SAME_LOWER or VALID, got \"%.*s\"",
                 a->auto_pad->s.length < 40 ? (int)a->auto_pad->s.length : 40, a->auto_pad->s.data);
        return why;
    }
    w->n = n;
    memset(w->start, 0, sizeof w->start);
    for (int i = 0; i < n; i++) {
        int64_t given = item(a->kernel, i, MAAS_DIM_ANY);

        w->kernel[i] = kernel && kernel[i] >= 0 ? kernel[i] : given;
        if (given >= 0 && given != w->kernel[i]) {
            snprintf(why, size, "kernel_shape[%d] is %lld, but the weights have size %lld there", i,
                     (long long)given, (long long)w->kernel[i]);
            return why;
        }
        if (w->kernel[i] == 0 || w->kernel[i] > MOST) {
            snprintf(why, size, "the window's size on spatial axis %d must lie between 1 and 2^30, got %lld", i,
                     (long long)w->kernel[i]);
            return why;
        }
        w->stride[i] = item(a->strides, i, 1);
        w->dilation[i] = item(a->dilations, i, 1);
        w->before[i] = pads ? item(a->pads, i, 0) : 0;
        w->after[i] = pads ? item(a->pads, n + i, 0) : 0;
    }
    return NULL;
}

/* The output's size on one axis; sets the padding of SAME_UPPER and SAME_LOWER. */
static const char *read_axis(const MaasWindowAttrs *a, MaasWindow *w, int i, char *why, size_t size)
{
    int64_t extent, padded, room;
    bool lower;

    w->out[i] = MAAS_DIM_ANY;
    if (maas_window_same(a, &lower)) {
        if (w->in[i] < 0) {
            w->out[i] = w->stride[i] == 1 ? w->in[i] : MAAS_DIM_ANY;
            return NULL;
        }
        w->out[i] = w->in[i] / w->stride[i] + (w->in[i] % w->stride[i] != 0);
        if (w->kernel[i] < 0)
            return NULL;
        room = (w->out[i] - 1) * w->stride[i] + maas_window_extent(w, i) - w->in[i];
        if (room < 0 || w->out[i] == 0)
            room = 0;
        w->before[i] = lower ? room - room / 2 : room / 2;
        w->after[i] = room - w->before[i];
        return NULL;
    }
    if (w->kernel[i] < 0)
        return NULL;
    extent = maas_window_extent(w, i);
    if (w->in[i] < 0) {
        if (w->stride[i] == 1 && w->before[i] + w->after[i] == extent - 1)
            w->out[i] = w->in[i];
        return NULL;
    }
    if (__builtin_add_overflow(w->in[i], w->before[i] + w->after[i], &padded)) {
        snprintf(why, size, "the padded size of spatial axis %d overflows", i);
        return why;
    }
    room = padded - extent;
    if (room < 0 && !(a->ceil_mode && room > -w->stride[i])) {
        snprintf(why, size,
                 "the window reaches over %lld elements on spatial axis %d, but the padded input has %lld",
                 (long long)extent, i, (long long)padded);
        return why;
    }
    if (room < 0) {
        w->out[i] = 1;
    } else {
        w->out[i] = room / w->stride[i] + 1;
        /* a last window that is not complete counts if it begins inside the input or the padding before it */
        if (a->ceil_mode && room % w->stride[i] != 0 && w->out[i] * w->stride[i] < w->in[i] + w->before[i])
            w->out[i]++;
    }
    return NULL;
}

static const char *read_window(const MaasWindowAttrs *a, int n, const int64_t *in, const int64_t *kernel,
                               MaasWindow *w, char *why, size_t size)
{
    const char *bad = read_sizes(a, n, kernel, w, why, size);

    for (int i = 0; i < n && !bad; i++) {
        w->in[i] = in[i];
        bad = read_axis(a, w, i, why, size);
    }
    return bad;
}

MaasStatus maas_window_infer(const MaasInferCtx *c, const MaasWindowAttrs *a, int n, const int64_t *in,
                             const int64_t *kernel, MaasWindow *w)
{
    char why[160];
    const char *bad = read_window(a, n, in, kernel, w, why, sizeof why);

    return bad ? maas_infer_fail(c, MAAS_ERR_SHAPE, "%s", bad) : MAAS_OK;
}

MaasStatus maas_window_sizes(const MaasInferCtx *c, const MaasWindowAttrs *a, int n, const int64_t *kernel,
                             MaasWindow *w)
{
    char why[160];
    const char *bad = read_sizes(a, n, kernel, w, why, sizeof why);

    return bad ? maas_infer_fail(c, MAAS_ERR_SHAPE, "%s", bad) : MAAS_OK;
}

void maas_window_plan(const MaasWindowAttrs *a, int n, const int64_t *in, const int64_t *kernel, MaasWindow *w)
{
    char why[160];

    read_window(a, n, in, kernel, w, why, sizeof why);
}

/* Beside an axis of size 0 the others may be anything: their product stays in range. */
static int64_t product(int n, const int64_t *sizes)
{
    int64_t all = 1;

    for (int i = 0; i < n; i++)
        if (!maas_mul64(all, sizes[i], &all))
            return INT64_MAX;
    return all;
}

bool maas_window_of_plane(const MaasWindow *w, MaasWindow *plane)
{
    const int skip = 2 - w->n;

    if (w->n > 2)
        return false;
    *plane = (MaasWindow){.n = 2, .in = {1}, .out = {1}, .kernel = {1}, .stride = {1}, .dilation = {1}};
    for (int i = 0; i < w->n; i++) {
        plane->in[i + skip] = w->in[i];
        plane->out[i + skip] = w->out[i];
        plane->kernel[i + skip] = w->kernel[i];
        plane->stride[i + skip] = w->stride[i];
        plane->dilation[i + skip] = w->dilation[i];
        plane->before[i + skip] = w->before[i];
        plane->after[i + skip] = w->after[i];
    }
    return true;
}

int64_t maas_window_taps(const MaasWindow *w)
{
    return product(w->n, w->kernel);
}

int64_t maas_window_inputs(const MaasWindow *w)
{
    return product(w->n, w->in);
}

int64_t maas_window_outputs(const MaasWindow *w)
{
    return product(w->n, w->out);
}

MaasStatus maas_window_parts(MaasCtx *c, const MaasWindow *w,
                             void (*fn)(void *arg, const MaasWindow *part, int64_t at), void *arg)
{
    const int64_t most = 1 << 26; /* taps to look at between two polls */
    int64_t outputs = maas_window_outputs(w), taps = maas_window_taps(w), width = w->out[w->n - 1], piece;

    if (maas_stop(c))
        return maas_stopped(c);
    if (outputs <= most / taps) {
        fn(arg, w, 0);
        return MAAS_OK;
    }
    piece = taps < most ? most / taps : 1;
    for (int64_t at = 0; at < outputs;) {
        MaasWindow part = *w;
        int64_t rest = at, left;

        for (int i = w->n - 1; i >= 0; i--) {
            part.start[i] = rest % w->out[i];
            rest /= w->out[i];
            part.before[i] -= part.start[i] * w->stride[i];
            part.out[i] = 1;
        }
        left = width - part.start[w->n - 1];
        part.out[w->n - 1] = left < piece ? left : piece;
        fn(arg, &part, at);
        at += part.out[w->n - 1];
        if (maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}
