/*
 * signal.c - DFT, STFT, window functions and the mel filter bank.
 */
#include <math.h>
#include <string.h>

#include "adapt.h"
#include "batch.h"
#include "expect.h"
#include "fourier.h"

static double number(const MaasTensor *t, int64_t i)
{
    return t->type == MAAS_DOUBLE ? MAAS_F64(t)[i] : (double)MAAS_F32(t)[i];
}

static void put_real(MaasTensor *t, int64_t i, double value)
{
    if (t->type == MAAS_DOUBLE)
        MAAS_F64(t)[i] = value;
    else
        MAAS_F32(t)[i] = (float)value;
}

/* Signals end in an axis of 1 (real) or 2 (complex). */
static MaasStatus expect_signal(const MaasInferCtx *c, int i)
{
    int64_t parts = maas_ranked(c, i) ? maas_dim(c, i, c->in[i]->rank - 1) : MAAS_DIM_ANY;

    if (parts >= 0 && parts != 1 && parts != 2)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "the last axis must be 1 (real) or 2 (complex), got %lld",
                               (long long)parts);
    return MAAS_OK;
}

/* ---- DFT ---- */

enum { DFT_X, DFT_LENGTH, DFT_AXIS };
enum { DFT_INVERSE, DFT_ONESIDED };

/* Below opset 20 the axis is an attribute, 1 when not given. */
static MaasStatus adapt_dft(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    const MaasAttr *axis = maas_adapt_attr(node, "axis");
    int64_t value = axis ? axis->i : 1;

    if (version >= 20)
        return MAAS_OK;
    maas_adapt_drop_attr(node, "axis");
    return maas_adapt_input_ints(graph, node, DFT_AXIS, MAAS_INT64, 0, 1, &value, err);
}

/* The points of the transform: given, or what the signal has. */
static int64_t dft_points(const MaasAttr *attr, const MaasTensor *length, int64_t size)
{
    if (length)
        return maas_known_int(length, 0);
    if (size >= 0 && attr[DFT_INVERSE].i && attr[DFT_ONESIDED].i)
        return 2 * (size - 1);
    return size;
}

static MaasStatus infer_dft(MaasInferCtx *c)
{
    const MaasTensor *length = maas_known(c, DFT_LENGTH), *given = maas_known(c, DFT_AXIS);
    bool onesided = c->attr[DFT_ONESIDED].i != 0, inverse = c->attr[DFT_INVERSE].i != 0;
    int64_t dims[MAAS_MAX_RANK], points;
    const MaasInfo *x = c->in[DFT_X];
    int axis;

    MAAS_TRY(maas_expect_rank_in(c, DFT_X, 2, MAAS_MAX_RANK));
    MAAS_TRY(expect_signal(c, DFT_X));
    MAAS_TRY(maas_infer_scalar(c, DFT_LENGTH));
    MAAS_TRY(maas_infer_scalar(c, DFT_AXIS));
    if (x->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    memcpy(dims, x->dims, (size_t)x->rank * sizeof *dims);
    dims[x->rank - 1] = onesided && inverse ? 1 : 2;
    if (maas_present(c, DFT_AXIS) && !given) {
        for (int i = 0; i < x->rank - 1; i++)
            dims[i] = MAAS_DIM_ANY;
        return maas_infer_out(c, 0, MAAS_UNDEFINED, x->rank, dims);
    }
    MAAS_TRY(maas_infer_axis(c, given ? maas_known_int(given, 0) : -2, x->rank, &axis));
    if (axis == x->rank - 1)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "axis %d holds the parts of complex numbers", axis);
    if (maas_present(c, DFT_LENGTH) && !length)
        points = MAAS_DIM_ANY;
    else
        points = dft_points(c->attr, length, x->dims[axis]);
    if ((length || points >= 0) && (points < 1 || points > MAAS_FOURIER_MOST))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "dft_length must lie between 1 and 2^28, got %lld",
                               (long long)points);
    dims[axis] = points;
    if (onesided && !inverse)
        dims[axis] = points < 0 ? MAAS_DIM_ANY : points / 2 + 1;
    return maas_infer_out(c, 0, MAAS_UNDEFINED, x->rank, dims);
}

/* line (points, 2) = `n` numbers of x from `at` on, `step` apart, of 1 or 2 parts; beyond them 0. */
static void read_line(const MaasTensor *x, int64_t at, int64_t step, int64_t n, int64_t parts, int64_t points,
                      double *line)
{
    memset(line, 0, (size_t)points * 2 * sizeof *line);
    for (int64_t i = 0; i < n && i < points; i++) {
        line[2 * i] = number(x, at + i * step);
        line[2 * i + 1] = parts == 2 ? number(x, at + i * step + 1) : 0;
    }
}

/* The half that a real signal's spectrum leaves out: what is there, mirrored and conjugated. */
static void complete_spectrum(double *line, int64_t points)
{
    line[1] = 0;
    if (points % 2 == 0)
        line[2 * (points / 2) + 1] = 0;
    for (int64_t i = points / 2 + 1; i < points; i++) {
        line[2 * i] = line[2 * (points - i)];
        line[2 * i + 1] = -line[2 * (points - i) + 1];
    }
}

static MaasStatus compute_dft(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, DFT_X), *length = maas_in(c, DFT_LENGTH), *given = maas_in(c, DFT_AXIS);
    MaasTensor *y = maas_out(c, 0);
    bool inverse = c->attr[DFT_INVERSE].i != 0, mirrored = inverse && c->attr[DFT_ONESIDED].i;
    int64_t axis = given ? maas_known_int(given, 0) : -2, inner = 1, points, parts, out_parts, half;
    MaasFourier f;
    double *line;

    axis += axis < 0 ? x->rank : 0;
    points = dft_points(c->attr, length, x->dims[axis]);
    parts = x->dims[x->rank - 1];
    out_parts = y->dims[y->rank - 1];
    half = mirrored ? points / 2 + 1 : points; /* input bins that count */
    for (int i = (int)axis + 1; i < x->rank - 1; i++)
        inner *= x->dims[i];
    if (y->count == 0)
        return MAAS_OK;
    MAAS_TRY(maas_fourier_plan(c, points, &f));
    line = maas_scratch(c, (size_t)points, 2 * sizeof *line);
    if (!line)
        return maas_scratch_failed(c);
    for (int64_t k = 0; k < y->count / out_parts / y->dims[axis]; k++) {
        int64_t from = (k / inner * x->dims[axis] * inner + k % inner) * parts;
        int64_t to = (k / inner * y->dims[axis] * inner + k % inner) * out_parts;

        if (maas_stop(c))
            return maas_stopped(c);
        read_line(x, from, inner * parts, x->dims[axis] < half ? x->dims[axis] : half, parts, points, line);
        if (mirrored)
            complete_spectrum(line, points);
        MAAS_TRY(maas_fourier(c, &f, inverse, line));
        for (int64_t i = 0; i < y->dims[axis]; i++)
            for (int64_t p = 0; p < out_parts; p++)
                put_real(y, to + i * inner * out_parts + p, line[2 * i + p]);
    }
    return MAAS_OK;
}

const MaasOp maas_op_dft = {
    .domain = "",
    .name = "DFT",
    .first = 17,
    .since = 20,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"input", MAAS_T_FLOATS, 'T', 0},
           {"dft_length", MAAS_T_INDEX, 0, MAAS_OPTIONAL},
           {"axis", MAAS_T_INDEX, 0, MAAS_OPTIONAL}},
    .out = {{"output", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"inverse", MAAS_ATTR_INT}, {"onesided", MAAS_ATTR_INT}},
    .adapt = adapt_dft,
    .infer = infer_dft,
    .compute = compute_dft,
};

/* ---- STFT ---- */

enum { STFT_SIGNAL, STFT_STEP, STFT_WINDOW, STFT_FRAME };

static MaasStatus infer_stft(MaasInferCtx *c)
{
    const MaasTensor *step = maas_known(c, STFT_STEP), *frame = maas_known(c, STFT_FRAME);
    int64_t length = maas_dim(c, STFT_SIGNAL, 1), size, window = maas_dim(c, STFT_WINDOW, 0);
    int64_t dims[4] = {maas_dim(c, STFT_SIGNAL, 0), MAAS_DIM_ANY, MAAS_DIM_ANY, 2};

    MAAS_TRY(maas_infer_want_rank(c, STFT_SIGNAL, 3));
    MAAS_TRY(expect_signal(c, STFT_SIGNAL));
    MAAS_TRY(maas_infer_scalar(c, STFT_STEP));
    MAAS_TRY(maas_infer_scalar(c, STFT_FRAME));
    MAAS_TRY(maas_infer_want_rank(c, STFT_WINDOW, 1));
    if (step && maas_known_int(step, 0) < 1)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "frame_step must be positive, got %lld",
                               (long long)maas_known_int(step, 0));
    if (maas_present(c, STFT_FRAME))
        size = frame ? maas_known_int(frame, 0) : MAAS_DIM_ANY;
    else
        size = maas_present(c, STFT_WINDOW) ? window : length;
    if (frame && maas_present(c, STFT_WINDOW))
        MAAS_TRY(maas_expect_dim(c, STFT_WINDOW, 0, size));
    if ((frame || size >= 0) && (size < 1 || size > MAAS_FOURIER_MOST))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "frame_length must lie between 1 and 2^28, got %lld",
                               (long long)size);
    if (size >= 0 && length >= 0 && size > length)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "a frame of %lld is longer than the signal of %lld",
                               (long long)size, (long long)length);
    if (size >= 0)
        dims[2] = c->attr[0].i ? size / 2 + 1 : size;
    if (size >= 0 && length >= 0 && step)
        dims[1] = (length - size) / maas_known_int(step, 0) + 1;
    return maas_infer_out(c, 0, MAAS_UNDEFINED, 4, dims);
}

static MaasStatus compute_stft(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, STFT_SIGNAL), *window = maas_in(c, STFT_WINDOW),
                     *frame = maas_in(c, STFT_FRAME);
    MaasTensor *y = maas_out(c, 0);
    int64_t step = maas_known_int(maas_in(c, STFT_STEP), 0), length = x->dims[1], parts = x->dims[2];
    int64_t size = frame ? maas_known_int(frame, 0) : window ? window->count : length;
    MaasFourier f;
    double *line;

    if (y->count == 0)
        return MAAS_OK;
    MAAS_TRY(maas_fourier_plan(c, size, &f));
    line = maas_scratch(c, (size_t)size, 2 * sizeof *line);
    if (!line)
        return maas_scratch_failed(c);
    for (int64_t k = 0; k < y->dims[0] * y->dims[1]; k++) {
        int64_t from = (k / y->dims[1] * length + k % y->dims[1] * step) * parts;

        if (maas_stop(c))
            return maas_stopped(c);
        read_line(x, from, parts, size, parts, size, line);
        for (int64_t i = 0; window && i < size; i++) {
            line[2 * i] *= number(window, i);
            line[2 * i + 1] *= number(window, i);
        }
        MAAS_TRY(maas_fourier(c, &f, false, line));
        for (int64_t i = 0; i < 2 * y->dims[2]; i++)
            put_real(y, 2 * k * y->dims[2] + i, line[i]);
    }
    return MAAS_OK;
}

const MaasOp maas_op_stft = {
    .domain = "",
    .name = "STFT",
    .first = 17,
    .since = 17,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"signal", MAAS_T_FLOATS, 'T', 0},
           {"frame_step", MAAS_T_INDEX, 'I', 0},
           {"window", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL},
           {"frame_length", MAAS_T_INDEX, 'I', MAAS_OPTIONAL}},
    .out = {{"output", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"onesided", MAAS_ATTR_INT, .i = 1}},
    .infer = infer_stft,
    .compute = compute_stft,
    .batch = maas_batch_first,
};

/* ---- what makes a tensor of a type that an attribute names ---- */

#define MADE_TYPES MAAS_T_NUMERIC

/* Integers cut off the fraction and saturate. */
static void put(MaasTensor *t, int64_t i, double value)
{
    double whole = value != value ? 0 : trunc(value);

    switch (t->type) {
    case MAAS_FLOAT:
    case MAAS_DOUBLE:
        put_real(t, i, value);
        break;
    case MAAS_INT8:
        MAAS_I8(t)[i] = (int8_t)fmax(fmin(whole, INT8_MAX), INT8_MIN);
        break;
    case MAAS_UINT8:
        MAAS_U8(t)[i] = (uint8_t)fmax(fmin(whole, UINT8_MAX), 0);
        break;
    case MAAS_INT16:
        ((int16_t *)t->data)[i] = (int16_t)fmax(fmin(whole, INT16_MAX), INT16_MIN);
        break;
    case MAAS_UINT16:
        ((uint16_t *)t->data)[i] = (uint16_t)fmax(fmin(whole, UINT16_MAX), 0);
        break;
    case MAAS_INT32:
        MAAS_I32(t)[i] = (int32_t)fmax(fmin(whole, INT32_MAX), INT32_MIN);
        break;
    case MAAS_UINT32:
        ((uint32_t *)t->data)[i] = (uint32_t)fmax(fmin(whole, UINT32_MAX), 0);
        break;
    case MAAS_INT64:
        MAAS_I64(t)[i] = whole >= 0x1p63 ? INT64_MAX : whole < -0x1p63 ? INT64_MIN : (int64_t)whole;
        break;
    default:
        ((uint64_t *)t->data)[i] = whole >= 0x1p64 ? UINT64_MAX : whole > 0 ? (uint64_t)whole : 0;
        break;
    }
}

/* ---- window functions: a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N) ---- */

enum { WINDOW_PERIODIC, WINDOW_TYPE };

static MaasStatus infer_window(MaasInferCtx *c)
{
    const MaasTensor *size = maas_known(c, 0);
    int64_t dims[1] = {MAAS_DIM_ANY};
    MaasType type = MAAS_FLOAT;

    MAAS_TRY(maas_infer_dtype(c, c->attr[WINDOW_TYPE].i, MADE_TYPES, &type));
    MAAS_TRY(maas_infer_scalar(c, 0));
    if (size) {
        dims[0] = maas_known_int(size, 0);
        if (dims[0] < 0)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "size must not be negative, got %lld", (long long)dims[0]);
    }
    return maas_infer_out(c, 0, type, 1, dims);
}

static MaasStatus make_window(MaasCtx *c, double a0, double a1, double a2)
{
    const double pi = 3.14159265358979323846;
    MaasTensor *y = maas_out(c, 0);
    int64_t span = y->count - (c->attr[WINDOW_PERIODIC].i ? 0 : 1);

    for (int64_t i = 0; i < y->count; i++) {
        double angle = span > 0 ? 2 * pi * (double)i / (double)span : pi;

        if ((i & 0xffff) == 0 && maas_stop(c))
            return maas_stopped(c);
        put(y, i, a0 - a1 * cos(angle) + a2 * cos(2 * angle));
    }
    return MAAS_OK;
}

static MaasStatus compute_hann(MaasCtx *c)
{
    return make_window(c, 0.5, 0.5, 0);
}

static MaasStatus compute_hamming(MaasCtx *c)
{
    return make_window(c, 25.0 / 46, 21.0 / 46, 0);
}

static MaasStatus compute_blackman(MaasCtx *c)
{
    return make_window(c, 0.42, 0.5, 0.08);
}

#define WINDOW(record, op_name, fn)                                                                                \
    const MaasOp record = {                                                                                        \
        .domain = "",                                                                                              \
        .name = op_name,                                                                                           \
        .first = 17,                                                                                               \
        .since = 17,                                                                                               \
        .flags = MAAS_OP_HALF_VIA_F32,                                                                             \
        .in = {{"size", MAAS_T_INDEX, 0, 0}},                                                                      \
        .out = {{"output", MADE_TYPES, 0, 0}},                                                                     \
        .attrs = {{"periodic", MAAS_ATTR_INT, .i = 1}, {"output_datatype", MAAS_ATTR_INT, .i = MAAS_FLOAT}},       \
        .infer = infer_window,                                                                                     \
        .compute = fn,                                                                                             \
    }

WINDOW(maas_op_hann_window, "HannWindow", compute_hann);
WINDOW(maas_op_hamming_window, "HammingWindow", compute_hamming);
WINDOW(maas_op_blackman_window, "BlackmanWindow", compute_blackman);

/* ---- MelWeightMatrix ---- */

enum { MEL_BINS, MEL_LENGTH, MEL_RATE, MEL_LOW, MEL_HIGH };

static MaasStatus infer_mel(MaasInferCtx *c)
{
    const MaasTensor *bins = maas_known(c, MEL_BINS), *length = maas_known(c, MEL_LENGTH);
    int64_t dims[2] = {MAAS_DIM_ANY, MAAS_DIM_ANY};
    MaasType type = MAAS_FLOAT;

    MAAS_TRY(maas_infer_dtype(c, c->attr[0].i, MADE_TYPES, &type));
    for (int i = MEL_BINS; i <= MEL_HIGH; i++)
        MAAS_TRY(maas_infer_scalar(c, i));
    if (bins && (dims[1] = maas_known_int(bins, 0)) < 1)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "num_mel_bins must be positive, got %lld", (long long)dims[1]);
    if (length) {
        dims[0] = maas_known_int(length, 0);
        if (dims[0] < 1)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "dft_length must be positive, got %lld", (long long)dims[0]);
        dims[0] = dims[0] / 2 + 1;
    }
    return maas_infer_out(c, 0, type, 2, dims);
}

/* The spectrum bin where mel band number i begins. */
static double mel_edge(double low, double step, int64_t i, double length, double rate)
{
    double hertz = 700 * expm1((low + (double)i * step) / 2595 * log(10));

    return floor((length + 1) * hertz / rate);
}

static MaasStatus compute_mel(MaasCtx *c)
{
    MaasTensor *y = maas_out(c, 0);
    double length = (double)maas_known_int(maas_in(c, MEL_LENGTH), 0);
    double rate = (double)maas_known_int(maas_in(c, MEL_RATE), 0);
    double low = 2595 * log1p(number(maas_in(c, MEL_LOW), 0) / 700) / log(10);
    double high = 2595 * log1p(number(maas_in(c, MEL_HIGH), 0) / 700) / log(10);
    int64_t rows = y->dims[0], bins = y->dims[1];
    double step = (high - low) / (double)(bins + 2);

    if (y->count > 0)
        memset(y->data, 0, maas_tensor_bytes(y));
    for (int64_t i = 0; i < bins; i++) {
        double from = mel_edge(low, step, i, length, rate), centre = mel_edge(low, step, i + 1, length, rate);
        double to = mel_edge(low, step, i + 2, length, rate);

        if ((i & 255) == 0 && maas_stop(c))
            return maas_stopped(c);
        if (!(from >= 0 && from <= centre && centre <= to && to <= (double)rows && centre < (double)rows))
            return maas_node_fail(c, MAAS_ERR_VALUE,
                                  "mel band %lld reaches over the spectrum bins %g to %g, there are %lld",
                                  (long long)i, from, to, (long long)rows);
        if (from == centre)
            put(y, (int64_t)centre * bins + i, 1);
        else
            for (int64_t j = (int64_t)from; j <= (int64_t)centre; j++)
                put(y, j * bins + i, ((double)j - from) / (centre - from));
        for (int64_t j = (int64_t)centre; j < (int64_t)to; j++)
            put(y, j * bins + i, (to - (double)j) / (to - centre));
    }
    return MAAS_OK;
}

const MaasOp maas_op_mel_weight_matrix = {
    .domain = "",
    .name = "MelWeightMatrix",
    .first = 17,
    .since = 17,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"num_mel_bins", MAAS_T_INDEX, 'I', 0},
           {"dft_length", MAAS_T_INDEX, 'I', 0},
           {"sample_rate", MAAS_T_INDEX, 'I', 0},
           {"lower_edge_hertz", MAAS_T_FLOATS, 'F', 0},
           {"upper_edge_hertz", MAAS_T_FLOATS, 'F', 0}},
    .out = {{"output", MADE_TYPES, 0, 0}},
    .attrs = {{"output_datatype", MAAS_ATTR_INT, .i = MAAS_FLOAT}},
    .infer = infer_mel,
    .compute = compute_mel,
};
