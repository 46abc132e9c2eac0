/*
 * math.c - arithmetic and distances of tensors.
 *
 * Element by element, with the broadcasting of ONNX and NumPy.  Both sides have the same element type; a plain
 * number takes the tensor's.  Floating-point results follow IEEE 754 (1/0 is Infinity); an integer that does not
 * fit is an error, as it is elsewhere in SQL.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "utils/float.h"

#include "element.h"
#include "tensor.h"

PG_FUNCTION_INFO_V1(tensor_add);
PG_FUNCTION_INFO_V1(tensor_sub);
PG_FUNCTION_INFO_V1(tensor_mul);
PG_FUNCTION_INFO_V1(tensor_div);
PG_FUNCTION_INFO_V1(tensor_neg);
PG_FUNCTION_INFO_V1(tensor_add_number);
PG_FUNCTION_INFO_V1(tensor_sub_number);
PG_FUNCTION_INFO_V1(tensor_mul_number);
PG_FUNCTION_INFO_V1(tensor_div_number);
PG_FUNCTION_INFO_V1(tensor_number_add);
PG_FUNCTION_INFO_V1(tensor_number_sub);
PG_FUNCTION_INFO_V1(tensor_number_mul);
PG_FUNCTION_INFO_V1(tensor_number_div);
PG_FUNCTION_INFO_V1(maas_inner_product);
PG_FUNCTION_INFO_V1(maas_negative_inner_product);
PG_FUNCTION_INFO_V1(maas_l2_distance);
PG_FUNCTION_INFO_V1(maas_cosine_distance);

#define COMPUTABLE (MAAS_T_FLOATS | MAAS_T_INTS)

pg_noreturn static void OutOfRange(const MaasTensor *out, int64_t i, char op)
{
    ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                    errmsg("element " INT64_FORMAT " of the result of %c does not fit type %s", i, op,
                           maas_type_name(out->type)),
                    errhint("Widen the tensors first: maas_cast(tensor, 'double').")));
}

static double OpReal(char op, double a, double b)
{
    switch (op) {
    case '+':
        return a + b;
    case '-':
        return a - b;
    case '*':
        return a * b;
    default:
        return a / b;
    }
}

static void RefuseZero(bool zero, int64_t i)
{
    if (zero)
        ereport(ERROR, (errcode(ERRCODE_DIVISION_BY_ZERO), errmsg("division by zero in element " INT64_FORMAT, i)));
}

/* One element of an integer tensor; false when the result overflows. */
static bool OpInt(char op, const MaasTensor *out, int64_t i, int64_t a, int64_t b)
{
    int64_t result;
    bool overflow;

    switch (op) {
    case '+':
        overflow = __builtin_add_overflow(a, b, &result);
        break;
    case '-':
        overflow = __builtin_sub_overflow(a, b, &result);
        break;
    case '*':
        overflow = __builtin_mul_overflow(a, b, &result);
        break;
    default:
        RefuseZero(b == 0, i);
        overflow = a == INT64_MIN && b == -1;
        result = overflow ? 0 : a / b;
        break;
    }
    return !overflow && ElementSetInt(out, i, result);
}

static bool OpUint(char op, const MaasTensor *out, int64_t i, uint64_t a, uint64_t b)
{
    uint64_t result;
    bool overflow = false;

    switch (op) {
    case '+':
        overflow = __builtin_add_overflow(a, b, &result);
        break;
    case '-':
        overflow = __builtin_sub_overflow(a, b, &result);
        break;
    case '*':
        overflow = __builtin_mul_overflow(a, b, &result);
        break;
    default:
        RefuseZero(b == 0, i);
        result = a / b;
        break;
    }
    return !overflow && ElementSetUint(out, i, result);
}

/* out[i] = a[ia] op b[ib], for every type. */
static void OpElement(char op, const MaasTensor *out, int64_t i, const MaasTensor *a, int64_t ia,
                      const MaasTensor *b, int64_t ib)
{
    bool fits = true;

    switch (ElementKindOf(out->type)) {
    case ELEMENT_REAL:
        ElementSetReal(out, i, OpReal(op, ElementReal(a, ia), ElementReal(b, ib)));
        break;
    case ELEMENT_UINT:
        fits = OpUint(op, out, i, ElementUint(a, ia), ElementUint(b, ib));
        break;
    default:
        fits = OpInt(op, out, i, ElementInt(a, ia), ElementInt(b, ib));
        break;
    }
    if (!fits)
        OutOfRange(out, i, op);
}

/* The common case: float tensors of one shape (step_b 1) or a float tensor and a number (step_b 0). */
static void OpFloats(char op, float *restrict out, const float *restrict a, int64_t step_a, const float *restrict b,
                     int64_t step_b, int64_t n)
{
#define LOOP(expression)                                                                                           \
    for (int64_t i = 0; i < n; i++) {                                                                              \
        float x = a[i * step_a], y = b[i * step_b];                                                                \
        out[i] = expression;                                                                                       \
    }
    switch (op) {
    case '+':
        LOOP(x + y) break;
    case '-':
        LOOP(x - y) break;
    case '*':
        LOOP(x * y) break;
    default:
        LOOP(x / y) break;
    }
#undef LOOP
}

/* The shape of both sides broadcast together; throws when they do not fit. */
static int Broadcast(const MaasTensor *a, const MaasTensor *b, int64_t *dims)
{
    int rank = Max(a->rank, b->rank);
    char left[256], right[256];

    for (int d = 0; d < rank; d++) {
        int da = d - (rank - a->rank), db = d - (rank - b->rank);
        int64_t x = da < 0 ? 1 : a->dims[da], y = db < 0 ? 1 : b->dims[db];

        if (x != y && x != 1 && y != 1)
            ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                            errmsg("tensors of shapes %s and %s do not fit together",
                                   maas_dims_text(a->rank, a->dims, NULL, left, sizeof(left)),
                                   maas_dims_text(b->rank, b->dims, NULL, right, sizeof(right))),
                            errdetail("From the last dimension on, sizes must be equal or 1.")));
        dims[d] = x == 1 ? y : x;
    }
    return rank;
}

/* The step in elements from one index of dimension d of the result to the next; 0 where one is broadcast. */
static void Steps(const MaasTensor *t, int rank, int64_t *steps)
{
    int64_t step = 1;

    for (int d = rank - 1; d >= 0; d--) {
        int own = d - (rank - t->rank);

        steps[d] = own < 0 || t->dims[own] == 1 ? 0 : step;
        if (own >= 0)
            step *= t->dims[own];
    }
}

static Datum Arithmetic(char op, const MaasTensor *a, const MaasTensor *b)
{
    int64_t dims[MAAS_MAX_RANK], step_a[MAAS_MAX_RANK], step_b[MAAS_MAX_RANK], index[MAAS_MAX_RANK] = {0};
    int rank;
    int64_t ia = 0, ib = 0;
    MaasTensor out;
    Datum result;

    if (a->type != b->type)
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("tensors of types %s and %s cannot be combined", maas_type_name(a->type),
                               maas_type_name(b->type)),
                        errhint("Convert one of them: maas_cast(tensor, '%s').", maas_type_name(a->type))));
    if (!maas_type_in(a->type, COMPUTABLE))
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("there is no arithmetic on tensors of type %s", maas_type_name(a->type)),
                        errhint("Convert them first: maas_cast(tensor, 'float').")));
    rank = Broadcast(a, b, dims);
    result = TensorNew(a->type, rank, dims, &out);
    if (out.type == MAAS_FLOAT && out.count > 0 && (a->count == out.count || a->count == 1) &&
        (b->count == out.count || b->count == 1)) {
        OpFloats(op, MAAS_F32(&out), MAAS_F32(a), a->count == out.count, MAAS_F32(b), b->count == out.count,
                 out.count);
        return result;
    }
    Steps(a, rank, step_a);
    Steps(b, rank, step_b);
    for (int64_t i = 0; i < out.count; i++) {
        OpElement(op, &out, i, a, ia, b, ib);
        for (int d = rank - 1; d >= 0; d--) {
            ia += step_a[d];
            ib += step_b[d];
            if (++index[d] < dims[d])
                break;
            ia -= step_a[d] * dims[d];
            ib -= step_b[d] * dims[d];
            index[d] = 0;
        }
    }
    return result;
}

static Datum TwoTensors(char op, FunctionCallInfo fcinfo)
{
    MaasTensor a, b;

    TensorView(PG_GETARG_TENSOR(0), &a);
    TensorView(PG_GETARG_TENSOR(1), &b);
    return Arithmetic(op, &a, &b);
}

/* A tensor and a number, which becomes a tensor of rank 0 and of the same type. */
static Datum TensorAndNumber(char op, Datum tensor, float8 number, bool number_first)
{
    MaasTensor a, b;
    bool fits = true;

    TensorView(DatumGetTensor(tensor), &a);
    (void)TensorNew(maas_type_in(a.type, COMPUTABLE) ? a.type : MAAS_FLOAT, 0, NULL, &b);
    switch (ElementKindOf(b.type)) {
    case ELEMENT_REAL:
        ElementSetReal(&b, 0, number);
        break;
    case ELEMENT_UINT:
        fits = number >= 0 && number < 18446744073709551616.0 && number == floor(number) &&
               ElementSetUint(&b, 0, (uint64_t)number);
        break;
    default:
        fits = number >= -9223372036854775808.0 && number < 9223372036854775808.0 && number == floor(number) &&
               ElementSetInt(&b, 0, (int64_t)number);
        break;
    }
    if (!fits)
        ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                        errmsg("the number %s cannot be combined with a tensor of type %s",
                               float8out_internal(number), maas_type_name(a.type)),
                        errhint("Convert the tensor first: maas_cast(tensor, 'double').")));
    b.type = maas_type_in(a.type, COMPUTABLE) ? b.type : a.type;
    return number_first ? Arithmetic(op, &b, &a) : Arithmetic(op, &a, &b);
}

Datum tensor_add(PG_FUNCTION_ARGS)
{
    return TwoTensors('+', fcinfo);
}

Datum tensor_sub(PG_FUNCTION_ARGS)
{
    return TwoTensors('-', fcinfo);
}

Datum tensor_mul(PG_FUNCTION_ARGS)
{
    return TwoTensors('*', fcinfo);
}

Datum tensor_div(PG_FUNCTION_ARGS)
{
    return TwoTensors('/', fcinfo);
}

Datum tensor_neg(PG_FUNCTION_ARGS)
{
    MaasTensor a;

    TensorView(PG_GETARG_TENSOR(0), &a);
    /* -1 * x keeps the sign of zero, which 0 - x would not. */
    if (maas_type_in(a.type, MAAS_T_UNSIGNED))
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("a tensor of type %s has no negative numbers", maas_type_name(a.type)),
                        errhint("Convert it first: maas_cast(tensor, 'int64').")));
    return TensorAndNumber('*', PG_GETARG_DATUM(0), -1, false);
}

Datum tensor_add_number(PG_FUNCTION_ARGS)
{
    return TensorAndNumber('+', PG_GETARG_DATUM(0), PG_GETARG_FLOAT8(1), false);
}

Datum tensor_sub_number(PG_FUNCTION_ARGS)
{
    return TensorAndNumber('-', PG_GETARG_DATUM(0), PG_GETARG_FLOAT8(1), false);
}

Datum tensor_mul_number(PG_FUNCTION_ARGS)
{
    return TensorAndNumber('*', PG_GETARG_DATUM(0), PG_GETARG_FLOAT8(1), false);
}

Datum tensor_div_number(PG_FUNCTION_ARGS)
{
    return TensorAndNumber('/', PG_GETARG_DATUM(0), PG_GETARG_FLOAT8(1), false);
}

Datum tensor_number_add(PG_FUNCTION_ARGS)
{
    return TensorAndNumber('+', PG_GETARG_DATUM(1), PG_GETARG_FLOAT8(0), true);
}

Datum tensor_number_sub(PG_FUNCTION_ARGS)
{
    return TensorAndNumber('-', PG_GETARG_DATUM(1), PG_GETARG_FLOAT8(0), true);
}

Datum tensor_number_mul(PG_FUNCTION_ARGS)
{
    return TensorAndNumber('*', PG_GETARG_DATUM(1), PG_GETARG_FLOAT8(0), true);
}

Datum tensor_number_div(PG_FUNCTION_ARGS)
{
    return TensorAndNumber('/', PG_GETARG_DATUM(1), PG_GETARG_FLOAT8(0), true);
}

/* ---- distances ---- */

#define LANES 8

/* Sums that a distance is made of. */
typedef struct Sums {
    double ab, aa, bb, diff; /* of a*b, a*a, b*b, (a-b)*(a-b) */
} Sums;

/* Several sums side by side, which the compiler turns into vectors and which round less than one long sum. */
static void SumFloats(const float *a, const float *b, int64_t n, Sums *sums)
{
    double ab[LANES] = {0}, aa[LANES] = {0}, bb[LANES] = {0}, diff[LANES] = {0};
    int64_t whole = n - n % LANES;

    for (int64_t i = 0; i < whole; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            double x = a[i + l], y = b[i + l];

            ab[l] += x * y;
            aa[l] += x * x;
            bb[l] += y * y;
            diff[l] += (x - y) * (x - y);
        }
    }
    for (int64_t i = whole; i < n; i++) {
        double x = a[i], y = b[i];

        ab[0] += x * y;
        aa[0] += x * x;
        bb[0] += y * y;
        diff[0] += (x - y) * (x - y);
    }
    for (int l = 0; l < LANES; l++) {
        sums->ab += ab[l];
        sums->aa += aa[l];
        sums->bb += bb[l];
        sums->diff += diff[l];
    }
}

static Sums SumArgs(FunctionCallInfo fcinfo)
{
    MaasTensor a, b;
    Sums sums = {0};
    char left[256], right[256];

    TensorView(PG_GETARG_TENSOR(0), &a);
    TensorView(PG_GETARG_TENSOR(1), &b);
    if (!maas_type_in(a.type, MAAS_T_FLOATS) || !maas_type_in(b.type, MAAS_T_FLOATS))
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("a distance needs tensors of a floating-point type, got %s and %s",
                               maas_type_name(a.type), maas_type_name(b.type)),
                        errhint("Convert them first: maas_cast(tensor, 'float').")));
    if (a.rank != b.rank || memcmp(a.dims, b.dims, sizeof(*a.dims) * a.rank) != 0)
        ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                        errmsg("a distance needs tensors of one shape, got %s and %s",
                               maas_dims_text(a.rank, a.dims, NULL, left, sizeof(left)),
                               maas_dims_text(b.rank, b.dims, NULL, right, sizeof(right)))));
    if (a.type == MAAS_FLOAT && b.type == MAAS_FLOAT) {
        SumFloats(MAAS_F32(&a), MAAS_F32(&b), a.count, &sums);
        return sums;
    }
    for (int64_t i = 0; i < a.count; i++) {
        double x = ElementReal(&a, i), y = ElementReal(&b, i);

        sums.ab += x * y;
        sums.aa += x * x;
        sums.bb += y * y;
        sums.diff += (x - y) * (x - y);
    }
    return sums;
}

Datum maas_inner_product(PG_FUNCTION_ARGS)
{
    PG_RETURN_FLOAT8(SumArgs(fcinfo).ab);
}

/* Smaller is nearer, as for the other distances. */
Datum maas_negative_inner_product(PG_FUNCTION_ARGS)
{
    PG_RETURN_FLOAT8(-SumArgs(fcinfo).ab);
}

Datum maas_l2_distance(PG_FUNCTION_ARGS)
{
    PG_RETURN_FLOAT8(sqrt(SumArgs(fcinfo).diff));
}

/* 1 - cos of the angle, from 0 to 2; NaN when one side is all zero. */
Datum maas_cosine_distance(PG_FUNCTION_ARGS)
{
    Sums sums = SumArgs(fcinfo);
    double norms = sqrt(sums.aa * sums.bb), cosine;

    if (!isnormal(norms)) /* the product left the range of double; it rounds less where it does not */
        norms = sqrt(sums.aa) * sqrt(sums.bb);
    cosine = sums.ab / norms;
    /* Rounding must not leave the range. */
    PG_RETURN_FLOAT8(1 - (cosine > 1 ? 1 : cosine < -1 ? -1 : cosine));
}
