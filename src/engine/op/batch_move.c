/*
 * batch_move.c - where operators that move elements leave the batch axis.
 */
#include <string.h>

#include "batch.h"

/* ---- the same elements under another shape ---- */

/* What a tensor looks like with the rows in the middle: (before, N, after). */
static void around(MaasBatchCtx *c, const MaasInfo *in, const MaasBatch *b, int64_t *before, int64_t *after)
{
    *before = maas_size_times(c, maas_sizes_product(c, b->axis, in->dims), b->outer);
    *after = maas_size_times(c, b->inner, maas_sizes_product(c, in->rank - b->axis - 1, in->dims + b->axis + 1));
}

/*
 * The axis of the new shape that holds the rows, and how it divides.  One size of `to` is a multiple of N, or it is
 * the one at `minus` (a -1), or there is no such axis.  With the rows first, as nearly always, (N, after) becomes
 * (N * inner, rest): only what stands behind may be dealt out anew.
 */
static const char *reshaped(MaasBatchCtx *c, int rank, int64_t *to, int minus)
{
    const MaasInfo *in = c->in[0];
    const MaasBatch *b = c->batch[0];
    int64_t before, after, front = 1, back = 1, held;
    int at = -1;
    MaasBatch like = {0};

    for (int i = 0; i < rank; i++) {
        if (i == minus || !maas_size_of_batch(c, to[i]))
            continue;
        if (at >= 0 || to[i] == MAAS_DIM_ANY || to[i] == MAAS_SIZE_UNKNOWN)
            return "its new shape depends on the number of rows in more than one way";
        at = i;
    }
    if (at < 0)
        at = minus;
    if (at < 0)
        return "its new shape has no place for the number of rows";
    around(c, in, b, &before, &after);
    for (int i = 0; i < at; i++)
        front = i == minus ? MAAS_SIZE_UNKNOWN : maas_size_times(c, front, to[i]);
    for (int i = at + 1; i < rank; i++)
        back = i == minus ? MAAS_SIZE_UNKNOWN : maas_size_times(c, back, to[i]);
    like.outer = front == MAAS_SIZE_UNKNOWN ? MAAS_SIZE_UNKNOWN : maas_size_over(c, before, front);
    like.inner = back == MAAS_SIZE_UNKNOWN ? MAAS_SIZE_UNKNOWN : maas_size_over(c, after, back);
    if (at != minus) { /* (outer, N, inner) is known as a whole: one of the two tells the other, as the numbers of
                          elements are equal */
        held = maas_size_over(c, to[at], MAAS_SIZE_BATCH);
        if (like.outer == MAAS_SIZE_UNKNOWN && like.inner != MAAS_SIZE_UNKNOWN)
            like.outer = maas_size_over(c, held, like.inner);
        else if (like.outer != MAAS_SIZE_UNKNOWN)
            like.inner = maas_size_over(c, held, like.outer);
    }
    if (like.outer == MAAS_SIZE_UNKNOWN || like.inner == MAAS_SIZE_UNKNOWN)
        return "its new shape does not keep the rows apart";
    if (minus >= 0 && minus != at) {
        int64_t rest = maas_size_times(c, before, after), named = maas_size_times(c, like.outer, like.inner);

        for (int i = 0; i < rank; i++)
            if (i != at && i != minus)
                named = maas_size_times(c, named, to[i]);
        to[minus] = maas_size_over(c, rest, named);
        if (to[minus] == MAAS_SIZE_UNKNOWN)
            to[minus] = MAAS_DIM_ANY;
    }
    if (b->pad && (at == rank - 1 || to[rank - 1] != in->dims[in->rank - 1]))
        return "it moves what is padded to the longest row of the batch";
    if (!c->result[0])
        return NULL;
    c->out[0]->rank = rank;
    memcpy(c->out[0]->dims, to, (size_t)rank * sizeof *to);
    maas_batch_set_rows(c, 0, at, &like);
    c->result[0]->pad = b->pad;
    return NULL;
}

const char *maas_batch_reshape(MaasBatchCtx *c)
{
    const MaasInfo *in = c->in[0];
    int64_t to[MAAS_MAX_SIZES], content[MAAS_MAX_SIZES];
    bool allow_zero = c->attr[0].i != 0;
    int n, n_content, minus = -1;

    if (!maas_batch_content(c, 1, &n, to) || n > MAAS_MAX_RANK) {
        if (maas_batch_free(c, 0) && maas_batch_free(c, 1))
            return maas_batch_no_rows(c);
        return "its new shape is not known";
    }
    if (n <= 1 && maas_batch_content(c, 0, &n_content, content) && (n == 1 || n_content == 1)) {
        maas_batch_set_content(c, 0, n_content, content); /* a vector of sizes, or one size */
        return NULL;
    }
    if (!maas_batch_rows(c, 0))
        return maas_batch_no_rows(c);
    for (int i = 0; i < n; i++) {
        if (to[i] == 0 && !allow_zero)
            to[i] = i < in->rank ? in->dims[i] : MAAS_DIM_ANY;
        else if (to[i] == -1)
            minus = i;
        else if (to[i] == MAAS_SIZE_UNKNOWN || to[i] == MAAS_SIZE_OPAQUE)
            return "its new shape is not known";
    }
    return reshaped(c, n, to, minus);
}

const char *maas_batch_flatten(MaasBatchCtx *c)
{
    const MaasInfo *in = c->in[0];
    int64_t to[2];
    int axis = (int)(c->attr[0].i < 0 ? c->attr[0].i + in->rank : c->attr[0].i);

    if (!maas_batch_rows(c, 0))
        return maas_batch_no_rows(c);
    to[0] = maas_sizes_product(c, axis, in->dims);
    to[1] = maas_sizes_product(c, in->rank - axis, in->dims + axis);
    for (int i = 0; i < 2; i++)
        if (to[i] == MAAS_SIZE_UNKNOWN)
            return "its new shape is not known";
    return reshaped(c, 2, to, -1);
}

/* Axes from a known content, as a bit mask; false when they are not known. */
static bool axes_mask(const MaasBatchCtx *c, int i, int rank, uint32_t *mask)
{
    int64_t axes[MAAS_MAX_SIZES];
    int n;

    *mask = 0;
    if (!maas_batch_content(c, i, &n, axes))
        return false;
    for (int k = 0; k < n; k++) {
        if (!maas_size_is_number(axes[k]) || axes[k] < -rank || axes[k] >= rank)
            return false;
        *mask |= (uint32_t)1 << maas_axis(axes[k], rank);
    }
    return true;
}

static int bits_below(uint32_t mask, int axis)
{
    int n = 0;

    for (int i = 0; i < axis; i++)
        n += mask >> i & 1;
    return n;
}

/* Passes a vector of one size or a single size on; false when input 0 is none. */
static bool pass_content(MaasBatchCtx *c)
{
    int64_t sizes[MAAS_MAX_SIZES];
    int n;

    if (!maas_batch_content(c, 0, &n, sizes) || n != 1 || !c->out[0] || c->out[0]->rank < 0 || c->out[0]->rank > 1)
        return false;
    maas_batch_set_content(c, 0, n, sizes);
    return true;
}

static void pass_rows(MaasBatchCtx *c, int axis)
{
    const MaasBatch *b = c->batch[0];

    maas_batch_set_rows(c, 0, axis, b);
    if (c->result[0] && axis < c->out[0]->rank - 1)
        c->result[0]->pad = b->pad;
}

const char *maas_batch_squeeze(MaasBatchCtx *c)
{
    uint32_t mask;

    if (pass_content(c))
        return NULL;
    if (!maas_batch_rows(c, 0))
        return maas_batch_no_rows(c);
    if (!axes_mask(c, 1, c->in[0]->rank, &mask))
        return "the axes that it drops are not known, or depend on the number of rows";
    if (mask >> c->batch[0]->axis & 1 || (c->batch[0]->pad && mask >> (c->in[0]->rank - 1) & 1))
        return "it drops the batch axis";
    pass_rows(c, c->batch[0]->axis - bits_below(mask, c->batch[0]->axis));
    return NULL;
}

const char *maas_batch_unsqueeze(MaasBatchCtx *c)
{
    uint32_t mask;
    int axis = 0;

    if (pass_content(c))
        return NULL;
    if (!maas_batch_rows(c, 0))
        return maas_batch_no_rows(c);
    if (!c->out[0])
        return NULL;
    if (c->out[0]->rank < 0 || !axes_mask(c, 1, c->out[0]->rank, &mask))
        return "the axes that it adds are not known";
    for (int left = c->batch[0]->axis; mask >> axis & 1 || left > 0; axis++)
        left -= !(mask >> axis & 1);
    if (c->batch[0]->pad && mask >> (c->out[0]->rank - 1) & 1)
        return "it moves what is padded to the longest row of the batch";
    pass_rows(c, axis);
    return NULL;
}

const char *maas_batch_transpose(MaasBatchCtx *c)
{
    const MaasAttr *perm = maas_batch_attr(c, "perm");
    int rank = c->in[0]->rank;

    if (!maas_batch_rows(c, 0))
        return maas_batch_no_rows(c);
    if (c->batch[0]->pad)
        return "it moves what is padded to the longest row of the batch";
    for (int i = 0; i < rank; i++)
        if ((perm->n > 0 ? perm->ints[i] : rank - 1 - i) == c->batch[0]->axis) {
            maas_batch_set_rows(c, 0, i, c->batch[0]);
            return NULL;
        }
    return "it loses the batch axis";
}

/* ---- joining and dividing ---- */

static bool concat_content(MaasBatchCtx *c)
{
    int64_t all[MAAS_MAX_SIZES], part[MAAS_MAX_SIZES];
    int n, total = 0;

    if (!c->out[0] || c->out[0]->rank != 1)
        return false;
    for (int i = 0; i < c->n_in; i++) {
        if (!maas_batch_content(c, i, &n, part) || total + n > MAAS_MAX_SIZES)
            return false;
        memcpy(all + total, part, (size_t)n * sizeof *part);
        total += n;
    }
    maas_batch_set_content(c, 0, total, all);
    return true;
}

const char *maas_batch_concat(MaasBatchCtx *c)
{
    if (concat_content(c))
        return NULL;
    if (!maas_batch_any_rows(c))
        return maas_batch_no_rows(c);
    for (int i = 0; i < c->n_in; i++) {
        if (!maas_batch_rows(c, i))
            return "it joins the rows with something that does not hold the batch axis";
        if (c->batch[i]->pad)
            return "its input is padded to the longest row of the batch";
        if (!maas_batch_same(c->batch[i], c->batch[0]))
            return "its inputs have the rows on different axes";
    }
    if (maas_batch_axis_attr(c, "axis", c->in[0]->rank) == c->batch[0]->axis)
        return "it joins along the batch axis";
    maas_batch_set_rows(c, 0, c->batch[0]->axis, c->batch[0]);
    return NULL;
}

const char *maas_batch_split(MaasBatchCtx *c)
{
    int64_t sizes[MAAS_MAX_SIZES];
    int n, at = 0;

    if (maas_batch_content(c, 0, &n, sizes) && c->in[0]->rank == 1) {
        for (int o = 0; o < c->n_out; o++) {
            if (!c->out[o] || c->out[o]->rank != 1 || c->out[o]->dims[0] < 0 || at + c->out[o]->dims[0] > n)
                return "it divides a shape in parts that are not known";
            maas_batch_set_content(c, o, (int)c->out[o]->dims[0], sizes + at);
            at += (int)c->out[o]->dims[0];
        }
        return NULL;
    }
    return maas_batch_along_axis(c);
}

/* ---- regular selections ---- */

enum { SLICE_DATA, SLICE_STARTS, SLICE_ENDS, SLICE_AXES, SLICE_STEPS };

static int64_t clamp(int64_t i, int64_t size, int64_t low, int64_t high)
{
    i = i < 0 ? i + size : i;
    return i < low ? low : i > high ? high : i;
}

/* A slice of a vector of sizes with numbers for start, end and step. */
static const char *slice_content(MaasBatchCtx *c, int n, const int64_t *sizes, int64_t start, int64_t end,
                                 int64_t step)
{
    int64_t part[MAAS_MAX_SIZES];
    int n_part = 0;

    start = clamp(start, n, 0, step > 0 ? n : n - 1);
    end = clamp(end, n, step > 0 ? 0 : -1, step > 0 ? n : n - 1);
    if (step < -n)
        step = -n - 1;
    else if (step > n)
        step = n + 1;
    for (int64_t i = start; step > 0 ? i < end : i > end; i += step)
        part[n_part++] = sizes[i];
    maas_batch_set_content(c, 0, n_part, part);
    return NULL;
}

/* Where slices begin and end; "from the very front" is written as a number that would be taken for a symbol. */
static bool bounds(const MaasBatchCtx *c, int i, int *n, int64_t *sizes)
{
    const MaasTensor *t = c->in[i]->value;

    if (!maas_batch_content(c, i, n, sizes))
        return false;
    for (int k = 0; t && c->batch[i]->n_sizes == 0 && k < *n; k++)
        if (maas_int_at(t, k) < -INT64_MAX / 2)
            sizes[k] = -INT64_MAX / 2;
    return true;
}

const char *maas_batch_slice(MaasBatchCtx *c)
{
    int64_t data[MAAS_MAX_SIZES], starts[MAAS_MAX_SIZES], ends[MAAS_MAX_SIZES], axes[MAAS_MAX_SIZES],
        steps[MAAS_MAX_SIZES];
    int n, n_data, n_ends, n_axes, n_steps, rank = c->in[0]->rank;
    const MaasBatch *b = c->batch[SLICE_DATA];

    if (!maas_batch_any_rows(c) && b->kind == MAAS_BATCH_FREE && b->n_sizes == 0)
        return maas_batch_no_rows(c);
    if (!bounds(c, SLICE_STARTS, &n, starts) || !bounds(c, SLICE_ENDS, &n_ends, ends) || n_ends != n)
        return "where it begins and ends is not known";
    if (maas_batch_has(c, SLICE_AXES) && (!maas_batch_content(c, SLICE_AXES, &n_axes, axes) || n_axes != n))
        return "the axes that it works on are not known";
    if (maas_batch_has(c, SLICE_STEPS) && (!maas_batch_content(c, SLICE_STEPS, &n_steps, steps) || n_steps != n))
        return "its steps are not known";
    for (int i = 0; i < n; i++) {
        if (!maas_batch_has(c, SLICE_AXES))
            axes[i] = i;
        if (!maas_size_is_number(axes[i]) || axes[i] < -rank || axes[i] >= rank)
            return "the axes that it works on are not known";
        axes[i] = maas_axis(axes[i], rank);
        if (!maas_batch_has(c, SLICE_STEPS))
            steps[i] = 1;
    }
    if (n == 1 && maas_batch_content(c, SLICE_DATA, &n_data, data) && maas_size_is_number(starts[0]) &&
        maas_size_is_number(ends[0]) && maas_size_is_number(steps[0]) && steps[0] != 0)
        return slice_content(c, n_data, data, starts[0], ends[0], steps[0]);
    if (!maas_batch_rows(c, SLICE_DATA))
        return maas_batch_no_rows(c);
    if (b->pad && (n != 1 || axes[0] != rank - 1 || axes[0] == b->axis || starts[0] != 0 || steps[0] != 1 ||
                   !maas_size_is_number(ends[0]) || ends[0] < 0 || ends[0] >= INT32_MAX || ends[0] > b->pad->room))
        return "it cuts what is padded to the longest row of the batch";
    if (b->pad && c->out[0]) /* what is left has the same size whatever the other rows are */
        c->out[0]->dims[axes[0]] = ends[0];
    for (int i = 0; i < n; i++) {
        bool whole = starts[i] == 0 && steps[i] == 1 &&
                     (ends[i] == c->in[0]->dims[axes[i]] || (maas_size_is_number(ends[i]) && ends[i] >= INT32_MAX));

        if (whole && c->out[0]) {
            c->out[0]->dims[axes[i]] = c->in[0]->dims[axes[i]];
            continue;
        }
        if (axes[i] == b->axis)
            return "it cuts the batch axis";
        if ((!maas_size_is_number(ends[i]) && maas_size_of_batch(c, ends[i])) ||
            (!maas_size_is_number(starts[i]) && maas_size_of_batch(c, starts[i])))
            return "it cuts where the number of rows says";
    }
    maas_batch_set_rows(c, 0, b->axis, b);
    return NULL;
}

const char *maas_batch_expand(MaasBatchCtx *c)
{
    const MaasInfo *in = c->in[0];
    const MaasBatch *b = c->batch[0];
    int64_t to[MAAS_MAX_SIZES];
    int n, at = -1, rank;
    MaasBatch like = {.outer = 1, .inner = 1};

    if (!c->out[0])
        return NULL;
    if (maas_batch_free(c, 0) && maas_batch_free(c, 1))
        return maas_batch_no_rows(c);
    if (!maas_batch_content(c, 1, &n, to) || n > MAAS_MAX_RANK || in->rank < 0)
        return "the shape that it makes is not known";
    if (b->kind == MAAS_BATCH_SIZE || b->pad)
        return "it computes with the number of rows";
    rank = n > in->rank ? n : in->rank;
    if (b->kind == MAAS_BATCH_ROWS) {
        at = rank - in->rank + b->axis;
        like = *b;
    }
    c->out[0]->rank = rank;
    for (int i = 0; i < rank; i++) {
        int64_t have = i - (rank - in->rank) >= 0 ? in->dims[i - (rank - in->rank)] : 1;
        int64_t want = i - (rank - n) >= 0 ? to[i - (rank - n)] : 1;

        if (want == MAAS_SIZE_UNKNOWN)
            return "the shape that it makes is not known";
        if (!maas_size_is_number(want) && maas_size_of_batch(c, want) && want != have) {
            if (have != 1 || at >= 0) /* one value repeated for each row: any division of the axis is right */
                return "it repeats something for each row";
            at = i;
            like.inner = maas_size_over(c, want, MAAS_SIZE_BATCH);
        } else if (i == at && want != 1 && want != have)
            return "it repeats the rows";
        c->out[0]->dims[i] = want == have || want == 1               ? have
                             : have == 1 && want != MAAS_SIZE_OPAQUE ? want
                             : maas_size_is_number(have) && have > 1 ? have
                                                                     : MAAS_DIM_ANY;
    }
    if (at < 0)
        maas_batch_set_free(c);
    else
        maas_batch_set_rows(c, 0, at, &like);
    return NULL;
}

const char *maas_batch_tile(MaasBatchCtx *c)
{
    const MaasBatch *b = c->batch[0];
    int64_t repeats[MAAS_MAX_SIZES];
    int n, at = -1;
    MaasBatch like = {.outer = 1, .inner = 1};

    if (!c->out[0])
        return NULL;
    if (maas_batch_free(c, 0) && maas_batch_free(c, 1))
        return maas_batch_no_rows(c);
    if (!maas_batch_content(c, 1, &n, repeats) || n != c->in[0]->rank)
        return "how often it repeats is not known";
    if (b->kind == MAAS_BATCH_SIZE || b->pad)
        return "it computes with the number of rows";
    if (b->kind == MAAS_BATCH_ROWS) {
        at = b->axis;
        like = *b;
        if (repeats[at] != 1)
            return "it repeats the rows";
    }
    for (int i = 0; i < n; i++) {
        if (repeats[i] == MAAS_SIZE_UNKNOWN)
            return "how often it repeats is not known";
        if (!maas_size_is_number(repeats[i]) && maas_size_of_batch(c, repeats[i])) {
            if (at >= 0 || c->in[0]->dims[i] != 1)
                return "it repeats something for each row";
            at = i;
            like.inner = maas_size_over(c, repeats[i], MAAS_SIZE_BATCH);
        }
        if (repeats[i] == 1)
            c->out[0]->dims[i] = c->in[0]->dims[i];
    }
    if (at < 0)
        maas_batch_set_free(c);
    else
        maas_batch_set_rows(c, 0, at, &like);
    return NULL;
}

/* What pads the rows to the longest one is continued by the same number. */
static const char *pad_further(MaasBatchCtx *c, int n_axes, const int64_t *axes, const int64_t *pads)
{
    const MaasInfo *in = c->in[0], *value = maas_batch_has(c, 2) ? c->in[2] : NULL;
    MaasPad *pad = maas_arena_array(c->arena, 1, sizeof *pad, c->err);

    if (!pad) {
        c->status = c->err->status;
        return "there is no memory to find it out";
    }
    *pad = *c->batch[0]->pad;
    if (in->type != MAAS_INT64 || !maas_text_is(maas_batch_attr(c, "mode")->s, "constant") ||
        (value && (!value->value || value->value->count != 1)) ||
        (value ? MAAS_I64(value->value)[0] : 0) != pad->number)
        return "it pads with something else what is padded to the longest row of the batch";
    for (int i = 0; i < n_axes; i++) {
        bool last = maas_axis(axes ? axes[i] : i, in->rank) == in->rank - 1;

        if (pads[i] != 0 || pads[i + n_axes] < 0 || pads[i + n_axes] > INT32_MAX ||
            (!last && pads[i + n_axes] != 0))
            return "it pads in front of what is padded to the longest row of the batch";
        if (last)
            pad->room += pads[i + n_axes];
    }
    maas_batch_set_rows(c, 0, c->batch[0]->axis, c->batch[0]);
    if (c->result[0])
        c->result[0]->pad = pad;
    return NULL;
}

const char *maas_batch_pad(MaasBatchCtx *c)
{
    int64_t pads[MAAS_MAX_SIZES], axes[MAAS_MAX_SIZES];
    int n, n_axes = c->in[0]->rank;

    if (!maas_batch_rows(c, 0))
        return maas_batch_no_rows(c);
    if (maas_batch_has(c, 3) && !maas_batch_content(c, 3, &n_axes, axes))
        return "the axes that it pads are not known";
    if (!maas_batch_content(c, 1, &n, pads) || n != 2 * n_axes)
        return "how much it pads is not known";
    for (int i = 0; i < n_axes; i++) {
        int64_t axis = maas_batch_has(c, 3) ? axes[i] : i;

        if (!maas_size_is_number(axis))
            return "the axes that it pads are not known";
        if (maas_axis(axis, c->in[0]->rank) == c->batch[0]->axis && (pads[i] != 0 || pads[i + n_axes] != 0))
            return "it pads the batch axis";
    }
    if (c->batch[0]->pad)
        return pad_further(c, n_axes, maas_batch_has(c, 3) ? axes : NULL, pads);
    return maas_batch_outside(c, 0);
}

const char *maas_batch_resize(MaasBatchCtx *c)
{
    const MaasAttr *axes = maas_batch_attr(c, "axes");
    const MaasBatch *b = c->batch[0];
    int64_t sizes[MAAS_MAX_SIZES];
    int n, k = -1;

    if (!maas_batch_rows(c, 0))
        return maas_batch_no_rows(c);
    if (maas_text_is(maas_batch_attr(c, "coordinate_transformation_mode")->s, "tf_crop_and_resize") ||
        !maas_text_is(maas_batch_attr(c, "keep_aspect_ratio_policy")->s, "stretch"))
        return "it may crop or scale the batch axis";
    for (int i = 0; i < (axes->n > 0 ? axes->n : c->in[0]->rank); i++)
        if ((axes->n > 0 ? maas_axis(axes->ints[i], c->in[0]->rank) : i) == b->axis)
            k = i;
    if (k >= 0 && maas_batch_has(c, 3) && c->in[3]->dims[0] != 0) {
        if (!maas_batch_content(c, 3, &n, sizes) || k >= n || sizes[k] != c->in[0]->dims[b->axis])
            return "it changes the size of the batch axis";
    } else if (k >= 0) {
        const MaasTensor *scales = maas_batch_has(c, 2) ? c->in[2]->value : NULL;

        if (!scales || k >= scales->count || MAAS_F32(scales)[k] != 1)
            return "it changes the size of the batch axis";
    }
    if (!maas_batch_free(c, 1) || !maas_batch_free(c, 2))
        return "more than its first input depends on the batch";
    maas_batch_set_rows(c, 0, b->axis, b);
    return NULL;
}

const char *maas_batch_reverse_sequence(MaasBatchCtx *c)
{
    int batch = maas_batch_axis_attr(c, "batch_axis", c->in[0]->rank),
        time = maas_batch_axis_attr(c, "time_axis", c->in[0]->rank);

    if (!maas_batch_rows(c, 0) || !maas_batch_rows(c, 1))
        return maas_batch_outside(c, (uint32_t)1 << batch | (uint32_t)1 << time);
    if (c->batch[0]->axis != batch || c->batch[1]->axis != 0 || c->batch[0]->outer != c->batch[1]->outer ||
        c->batch[0]->inner != c->batch[1]->inner || c->batch[0]->pad)
        return "its lengths are not those of the rows";
    maas_batch_set_rows(c, 0, batch, c->batch[0]);
    return NULL;
}

/* ---- picking by index ---- */

const char *maas_batch_gather(MaasBatchCtx *c)
{
    int64_t data[MAAS_MAX_SIZES], indices[MAAS_MAX_SIZES], picked[MAAS_MAX_SIZES];
    int n, n_data;

    if (maas_batch_content(c, 0, &n_data, data) && c->in[0]->rank == 1 && maas_batch_content(c, 1, &n, indices)) {
        for (int i = 0; i < n; i++) {
            int64_t k = indices[i];

            if (!maas_size_is_number(k) || k < -n_data || k >= n_data)
                return maas_batch_no_rows(c);
            picked[i] = data[k < 0 ? k + n_data : k];
        }
        maas_batch_set_content(c, 0, n, picked);
        return NULL;
    }
    if (!maas_batch_any_rows(c))
        return maas_batch_no_rows(c);
    if (c->in[0]->rank < 0 || c->in[1]->rank < 0)
        return "the rank of an input is not known";
    int axis = maas_batch_axis_attr(c, "axis", c->in[0]->rank);
    const MaasBatch *b = c->batch[maas_batch_rows(c, 0) ? 0 : 1];

    if (b->pad)
        return "its input is padded to the longest row of the batch";
    if (!maas_batch_rows(c, 0)) { /* an embedding: the rows pick from weights */
        if (!maas_batch_free(c, 0))
            return "it computes with the number of rows";
        maas_batch_set_rows(c, 0, axis + b->axis, b);
        return NULL;
    }
    if (!maas_batch_free(c, 1))
        return "its indices pick among the rows, or differ from row to row";
    if (b->axis == axis)
        return "it picks along the batch axis";
    maas_batch_set_rows(c, 0, b->axis < axis ? b->axis : b->axis - 1 + c->in[1]->rank, b);
    return NULL;
}

const char *maas_batch_gather_elements(MaasBatchCtx *c)
{
    if (!maas_batch_any_rows(c))
        return maas_batch_no_rows(c);
    for (int i = 0; i < c->n_in; i++)
        if (!maas_batch_rows(c, i) || c->batch[i]->pad || !maas_batch_same(c->batch[i], c->batch[0]))
            return "not all of its inputs hold the rows on one axis";
    if (maas_batch_axis_attr(c, "axis", c->in[0]->rank) == c->batch[0]->axis)
        return "it picks along the batch axis";
    maas_batch_set_rows(c, 0, c->batch[0]->axis, c->batch[0]);
    return NULL;
}

const char *maas_batch_gather_nd(MaasBatchCtx *c)
{
    int64_t depth = maas_batch_attr(c, "batch_dims")->i;

    if (!maas_batch_any_rows(c))
        return maas_batch_no_rows(c);
    if (c->in[0]->rank < 0 || c->in[1]->rank < 0)
        return "the rank of an input is not known";
    if (maas_batch_rows(c, 0)) {
        if (!maas_batch_rows(c, 1) || !maas_batch_same(c->batch[0], c->batch[1]) || c->batch[0]->axis >= depth ||
            c->batch[0]->pad || c->batch[1]->pad)
            return "its indices pick among the rows";
    } else if (!maas_batch_free(c, 0) || c->batch[1]->axis < depth || c->batch[1]->axis == c->in[1]->rank - 1 ||
               c->batch[1]->pad)
        return "the rows are numbers of one index";
    maas_batch_set_rows(c, 0, c->batch[1]->axis, c->batch[1]);
    return NULL;
}

/* X (..., F) picked along its last axis by Y; X (F) gives (1, n). */
const char *maas_batch_extract(MaasBatchCtx *c)
{
    int x = c->in[0]->rank, y = c->in[1]->rank;

    if (!maas_batch_any_rows(c))
        return maas_batch_no_rows(c);
    if (x < 1 || y < 0)
        return "the rank of an input is not known";
    if (maas_batch_rows(c, 0)) {
        if (x == 1 || c->batch[0]->axis == x - 1)
            return "it picks along the batch axis";
        return maas_batch_outside(c, 0);
    }
    const MaasBatch *b = c->batch[1];
    int64_t before = maas_sizes_product(c, b->axis, c->in[1]->dims),
            after = maas_sizes_product(c, y - b->axis - 1, c->in[1]->dims + b->axis + 1);
    MaasBatch like = {.outer = maas_size_times(c, before, b->outer), .inner = maas_size_times(c, b->inner, after)};

    if (!maas_batch_free(c, 0) || b->pad || like.outer == MAAS_SIZE_UNKNOWN || like.inner == MAAS_SIZE_UNKNOWN)
        return "its indices cannot be told apart by rows";
    maas_batch_set_rows(c, 0, x == 1 ? 1 : x - 1, &like);
    return NULL;
}

const char *maas_batch_one_hot(MaasBatchCtx *c)
{
    int rank = c->in[0]->rank, axis;

    if (!maas_batch_rows(c, 0))
        return maas_batch_no_rows(c);
    if (!maas_batch_free(c, 1) || !maas_batch_free(c, 2) || c->batch[0]->pad)
        return "more than its first input depends on the batch";
    axis = maas_batch_axis_attr(c, "axis", rank + 1);
    maas_batch_set_rows(c, 0, c->batch[0]->axis + (axis <= c->batch[0]->axis), c->batch[0]);
    return NULL;
}
