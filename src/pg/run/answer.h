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

#endif
