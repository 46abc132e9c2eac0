/*
 * batch_text.c - the batch axis of operators on strings.
 *
 * Rows that are split into words are padded to the longest row of the batch: what stands beyond a row's own words
 * depends on the other rows.  Counting n-grams does not see it, when no n-gram holds the padding.
 */
#include <string.h>

#include "batch.h"

static bool same_string(MaasStr a, MaasStr b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

const char *maas_batch_string_normalizer(MaasBatchCtx *c)
{
    if (maas_batch_attr(c, "stopwords")->n > 0)
        return "it leaves out words";
    if (maas_batch_rows(c, 0) && c->in[0]->rank == 2 && c->batch[0]->axis == 0)
        return "it takes a single row";
    return maas_batch_elementwise(c);
}

/* Output 0 has a further axis of parts, output 1 their number. */
const char *maas_batch_string_split(MaasBatchCtx *c)
{
    static const MaasStr none = {.data = "", .length = 0};

    if (!maas_batch_rows(c, 0))
        return maas_batch_no_rows(c);
    if (c->batch[0]->pad)
        return "its input is padded to the longest row of the batch";
    for (int o = 0; o < c->n_out; o++)
        maas_batch_set_rows(c, o, c->batch[0]->axis, c->batch[0]);
    if (c->result[0])
        c->result[0]->pad = &none;
    return NULL;
}

const char *maas_batch_tokenizer(MaasBatchCtx *c)
{
    if (!maas_batch_rows(c, 0))
        return maas_batch_no_rows(c);
    if (c->batch[0]->pad)
        return "its input is padded to the longest row of the batch";
    maas_batch_set_rows(c, 0, c->batch[0]->axis, c->batch[0]);
    if (c->result[0])
        c->result[0]->pad = &maas_batch_attr(c, "pad_value")->s;
    return NULL;
}

const char *maas_batch_tfidf(MaasBatchCtx *c)
{
    const MaasAttr *pool = maas_batch_attr(c, "pool_strings");

    if (!maas_batch_rows(c, 0))
        return maas_batch_no_rows(c);
    if (c->in[0]->rank != 2 || c->batch[0]->axis != 0)
        return "it takes all rows for one sequence";
    if (c->batch[0]->pad)
        for (int64_t i = 0; i < pool->n; i++)
            if (same_string(pool->strings[i], *c->batch[0]->pad))
                return "it counts what pads the rows to the longest of the batch";
    maas_batch_set_rows(c, 0, 0, c->batch[0]);
    return NULL;
}
