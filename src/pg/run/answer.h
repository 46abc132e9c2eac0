/*
 * answer.h - what a model's outputs are to SQL: a tensor, a label, a number.
 */
#ifndef MAAS_PG_RUN_ANSWER_H
#define MAAS_PG_RUN_ANSWER_H

#include "call.h"

/* Each runs the model on what is bound. */
Datum AnswerTensor(Call *call, const text *output); /* tensor; NULL: the scores */
Datum AnswerLabel(Call *call);                      /* text */
Datum AnswerScore(Call *call);                      /* float8 */
Datum AnswerJson(Call *call);                       /* jsonb: all outputs */

/* ---- what batches share ---- */

/* Element k as a double. */
double AnswerNumber(Call *call, const MaasTensor *view, int64_t k);
/* Whether the second of two scores is the one number of an example. */
bool AnswerSecond(const Call *call, int64_t count);
/* The labels in the order of the scores; their number.  *engine tells that they are the engine's text. */
int AnswerLabels(const Call *call, const char *const **labels, bool *engine);
/* Whether the label comes from the model's own output, and not from the largest score. */
bool AnswerHasLabel(const Call *call);
/* All outputs, from these values. */
Datum AnswerJsonOf(Call *call, const MaasValue *const *values);

#endif
