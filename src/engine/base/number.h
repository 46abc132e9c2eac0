/*
 * number.h - numbers as text, whatever the locale.
 */
#ifndef MAAS_BASE_NUMBER_H
#define MAAS_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the number in decimal notation that text begins with: sign, digits, point, exponent.  0 when it begins
 * with none.  "infinity" and "nan" are not numbers here. */
size_t maas_number_length(const char *text, size_t length);

/* Nearest value of a number that maas_number_length has found to fill text; out of range: an infinity. */
double maas_number_double(const char *text, size_t length);
float maas_number_float(const char *text, size_t length);

/* Whether text is a number without a fraction ("12", "-3.0", "1e3") that 64 bits hold; negative: its sign,
 * magnitude: its absolute value. */
bool maas_number_int(const char *text, size_t length, bool *negative, uint64_t *magnitude);

/* NaN, Infinity, Inf, and with a sign, in any case.  Returns whether all of text is one of these. */
bool maas_number_special(const char *text, size_t length, double *value);

#define MAAS_DOUBLE_TEXT 32 /* room that the functions below need at text */

/* The fewest digits that read back to a finite value: 0.1, 1e-07, 123456, 1e+20; the style of C's %g.  Returns the
 * length; text is NUL-terminated. */
size_t maas_print_double(double value, char *text);
size_t maas_print_float(float value, char *text);
/* The same with this many digits (1 to 17), rounded; whole numbers below 1e15 keep all of theirs. */
size_t maas_print_digits(double value, int digits, char *text);
size_t maas_print_int(int64_t value, char *text);
size_t maas_print_uint(uint64_t value, char *text);

#endif
