/*
 * words.c - the vocabulary of a column of text.
 *
 * The model that cuts texts into words is loaded with the first row and lives, as the words do, in the table's
 * memory context.  What a run of it takes is freed after each row.
 */
#include "postgres.h"
#include "compat.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "source.h"
#include "words.h"

#define MOST_WORDS_READ 256 /* of one text, where the architecture does not say */

struct Words {
    MaasModel *model;
    MaasMem model_mem, mem;
    MemoryContext row;
};

static Words *NewWords(const Table *table, MaasTextRule rule)
{
    MemoryContext old = MemoryContextSwitchTo(table->context);
    Words *words = palloc0(sizeof(*words));
    BorderRun run = BORDER_RUN_INIT;
    MaasRunOptions options;
    MaasStatus status;
    MaasError err = {0};
    void *bytes;
    size_t n_bytes;

    words->row = AllocSetContextCreate(table->context, "maas words", ALLOCSET_DEFAULT_SIZES);
    BorderMem(&words->model_mem, table->context);
    BORDER_CHECK(maas_prepare_words_to_onnx(rule, &words->model_mem, &bytes, &n_bytes, &err), &err);
    do {
        BorderRunOptions(&run, &options, &words->model_mem);
        status = maas_model_load(bytes, n_bytes, &options, &words->model, &err);
    } while (BorderAgain(&run, status));
    BORDER_CHECK(status, &err);
    maas_free(&words->model_mem, bytes);
    MemoryContextSwitchTo(old);
    return words;
}

static MaasResults *Cut(Words *words, MaasStr *text)
{
    static const int64_t dims[] = {1, 1};
    BorderRun run = BORDER_RUN_INIT;
    MaasRunOptions options;
    MaasStatus status;
    MaasError err = {0};
    MaasResults *results = NULL;
    MaasValue *input;

    MemoryContextReset(words->row);
    BorderMem(&words->mem, words->row);
    BORDER_CHECK(maas_value_wrap(&words->mem, MAAS_STRING, 2, dims, text, &input, &err), &err);
    do {
        BorderRunOptions(&run, &options, &words->mem);
        status =
            maas_model_run(words->model, &options, (const MaasValue *const *)&input, 1, (int[]){0}, &results, &err);
    } while (BorderAgain(&run, status));
    BORDER_CHECK(status, &err);
    maas_value_unref(input);
    return results;
}

void WordsCount(const Table *table, Source *source)
{
    MaasStr text = SourceText(table, source);
    uint64 hash = hash_bytes_extended((const unsigned char *)text.data, (int)text.length, 0);
    const MaasTensor *found;
    MaasResults *results;

    if (!source->words)
        source->words = NewWords(table, source->column.text);
    if (source->n++ == 0)
        source->first_hash = hash;
    source->varies |= hash != source->first_hash;
    results = Cut(source->words, &text);
    found = &maas_results_get(results, 0)->tensor;
    for (int64 i = 0; i < found->count; i++)
        DictionaryCount(table, source, MAAS_STRS(found)[i]);
    source->longest = Max(source->longest, found->count);
    maas_results_free(results);
}

void WordsLearn(Source *source)
{
    MaasColumn *column = &source->column;

    column->categories = DictionaryKeep(&source->dictionary, source->max_tokens - MAAS_TEXT_SPECIAL, KEEP_BY_COUNT,
                                        &column->n_categories);
    if (column->length == 0)
        column->length = Min(Max(source->longest, 1), MOST_WORDS_READ);
}
