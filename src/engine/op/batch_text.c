/*
 * batch_text.c - the batch axis of operators on strings.
 *
 * Rows that are split into words are padded to the longest row of the batch: what stands beyond a row's own words
 * depends on the other rows.  Counting n-grams does not see it, when no n-gram holds the padding; words that became
 * numbers, padded further and cut to a fixed length do not show it (maas_batch_pad, maas_batch_slice).
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

/* Output 0 is padded with this; false when there is no memory. */
static bool set_pad(MaasBatchCtx *c, MaasStr text, int64_t number)
{
    MaasPad *pad = c->result[0] ? maas_arena_array(c->arena, 1, sizeof *pad, c->err) : NULL;

    if (!c->result[0])
        return true;
    if (!pad) {
        c->status = c->err->status;
        return false;
    }
    *pad = (MaasPad){.text = text, .number = number};
    c->result[0]->pad = pad;
    return true;
}

#define NO_MEMORY "there is no memory to find it out"

/* Output 0 has a further axis of parts, output 1 their number. */
const char *maas_batch_string_split(MaasBatchCtx *c)
{
    if (!maas_batch_rows(c, 0))
        return maas_batch_no_rows(c);
    if (c->batch[0]->pad)
        return "its input is padded to the longest row of the batch";
    for (int o = 0; o < c->n_out; o++)
        maas_batch_set_rows(c, o, c->batch[0]->axis, c->batch[0]);
    return set_pad(c, (MaasStr){"", 0}, 0) ? NULL : NO_MEMORY;
}

const char *maas_batch_tokenizer(MaasBatchCtx *c)
{
    if (!maas_batch_rows(c, 0))
        return maas_batch_no_rows(c);
    if (c->batch[0]->pad)
        return "its input is padded to the longest row of the batch";
    maas_batch_set_rows(c, 0, c->batch[0]->axis, c->batch[0]);
    return set_pad(c, maas_batch_attr(c, "pad_value")->s, 0) ? NULL : NO_MEMORY;
}

/* Element by element, the padding too: strings to int64. */
const char *maas_batch_label_encoder(MaasBatchCtx *c)
{
    const MaasAttr *keys = maas_batch_attr(c, "keys_strings"), *values = maas_batch_attr(c, "values_int64s");
    int64_t number = maas_batch_attr(c, "default_int64")->i;

    if (!maas_batch_rows(c, 0) || !c->batch[0]->pad || keys->n == 0 || values->n != keys->n ||
        maas_batch_attr(c, "default_tensor")->n > 0)
        return maas_batch_elementwise(c);
    for (int64_t i = keys->n; i-- > 0;)
        if (same_string(keys->strings[i], c->batch[0]->pad->text))
            number = values->ints[i];
    maas_batch_set_rows(c, 0, c->batch[0]->axis, c->batch[0]);
    return set_pad(c, (MaasStr){"", 0}, number) ? NULL : NO_MEMORY;
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
            if (same_string(pool->strings[i], c->batch[0]->pad->text))
                return "it counts what pads the rows to the longest of the batch";
    maas_batch_set_rows(c, 0, 0, c->batch[0]);
    return NULL;
}
