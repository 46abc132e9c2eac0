/*
 * nested.h - a tensor as nested lists, [[1,2],[3,4]]: what tensor text and JSON have in common.
 */
#ifndef MAAS_FORMAT_NESTED_H
#define MAAS_FORMAT_NESTED_H

#include "../base/json.h"
#include "../base/tensor.h"
#include "../base/text.h"

/*
 * Reads a tensor of this type that begins with the lexer's current token, up to the token behind it.  The lists
 * give the shape; they must not be ragged.  Every element must be one that the type holds: up to rounding for
 * floats, in range and without a fraction for integers, true or false for bool.  A lexer that is not lenient takes
 * "NaN", "Infinity" and "-Infinity" in double quotes for those floats.  Complex elements are [re,im].  Failures
 * name the index and the character: MAAS_ERR_FORMAT for structure, MAAS_ERR_TYPE and MAAS_ERR_VALUE for elements.
 */
MaasStatus maas_nested_read(MaasLexer *lexer, MaasType type, MaasMem *mem, MaasValue **out, MaasError *err);

/* Writes the elements as nested lists; quoted: NaN and infinities in double quotes.  A tensor without elements
 * shows its dimensions as far as lists can. */
void maas_nested_write(MaasText *text, const MaasTensor *tensor, bool quoted);

#endif
