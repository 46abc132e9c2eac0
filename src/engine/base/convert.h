/*
 * convert.h - conversion of elements from one type to another by the rules of ONNX Cast.
 *
 * Where Cast leaves a result open, this is what numpy and onnxruntime give on x86-64: a float out of an integer's
 * range becomes the smallest int32 (int64 for wider integers), of which narrower integers take the low bits.
 */
#ifndef MAAS_BASE_CONVERT_H
#define MAAS_BASE_CONVERT_H

#include "dtype.h"

typedef struct MaasCastRules {
    bool wrap_float8; /* Cast's saturate = 0: 8-bit floats out of range become NaN or infinity, not the largest */
    MaasRound round;  /* float8e8m0 */
} MaasCastRules;

/* Whether maas_convert knows this pair: any but strings, and complex only to complex. */
bool maas_can_convert(MaasType from, MaasType to);

/* y[i] = x[i] for n elements of a pair that maas_can_convert; x and y do not overlap.  rules may be NULL. */
void maas_convert(MaasType from, const void *x, MaasType to, void *y, int64_t n, const MaasCastRules *rules);

/* The same, up to the first element that the new type cannot hold: a fraction or an overflow for an integer, other
 * than 0 and 1 for bool, infinity for a type that has none, a finite value that would become infinite.  Rounding to
 * a float of less precision is allowed.  Returns its index, or n. */
int64_t maas_convert_exact(MaasType from, const void *x, MaasType to, void *y, int64_t n);

/* Reads "3.14", "-1e5", "+INF", "nan", "true" into one element y, as Cast does: an integer from "2.7" is 2.  exact:
 * as above.  MAAS_ERR_VALUE quotes the string. */
MaasStatus maas_string_to_number(MaasStr string, MaasType to, void *y, const MaasCastRules *rules, bool exact,
                                 MaasError *err);

/* Writes a finite value of a floating type (not complex) with the fewest digits that read back to it in that type;
 * room as for maas_print_double in number.h. */
size_t maas_print_real(MaasType type, double value, char *text);

#define MAAS_NUMBER_TEXT 80 /* room for any element's text */

/* Writes one element as text with the fewest digits that read back to it: "314.15926", "1e-05", "INF", "NaN",
 * "True", "(1,-2)" for complex.  Not for strings.  Returns the length; text is NUL-terminated. */
size_t maas_number_to_string(MaasType from, const void *x, char text[MAAS_NUMBER_TEXT]);

#endif
