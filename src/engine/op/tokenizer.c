/*
 * tokenizer.c - com.microsoft.Tokenizer, which skl2onnx writes for the text vectorisers of scikit-learn.
 *
 * Tokens are parts of the input strings, not copied.  With tokenexp they are its matches, each as long as possible;
 * with separators what is left between the matches of the first, split again by the second, and so on.
 */
#include <string.h>

#include "../text/regex.h"
#include "../text/unicode.h"
#include "batch.h"
#include "op.h"

enum { MARK, MIN_CHARS, PAD, SEPARATORS, TOKEN };

#define MAX_SEPARATORS 32

/* The state: n programs at offsets from its start. */
typedef struct Programs {
    uint32_t n;
    uint64_t at[MAX_SEPARATORS];
    uint64_t work; /* the largest maas_regex_work_size */
} Programs;

/* Every character is a token. */
static bool by_character(const MaasAttr *a)
{
    if (a[SEPARATORS].n > 0)
        return a[SEPARATORS].n == 1 && a[SEPARATORS].strings[0].length == 0;
    return a[TOKEN].s.length == 1 && a[TOKEN].s.data[0] == '.';
}

static MaasStatus infer_tokenizer(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0];
    const MaasAttr *a = c->attr;
    int64_t dims[MAAS_MAX_RANK];

    if ((a[SEPARATORS].n > 0) == (a[TOKEN].s.length > 0))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "needs one of the attributes separators and tokenexp");
    if (a[SEPARATORS].n > MAX_SEPARATORS)
        return maas_infer_fail(c, MAAS_ERR_LIMIT, "has %lld separators, at most %d are allowed",
                               (long long)a[SEPARATORS].n, MAX_SEPARATORS);
    if (a[MIN_CHARS].i < 1)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "mincharnum is %lld, expected 1 or more",
                               (long long)a[MIN_CHARS].i);
    if (x->rank < 0)
        return maas_infer_out(c, 0, MAAS_STRING, -1, NULL);
    if (x->rank != 1 && x->rank != 2)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "X has %d dimensions, expected [C] or [N,C]", x->rank);
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank] = MAAS_DIM_ANY;
    return maas_infer_out(c, 0, MAAS_STRING, x->rank + 1, dims);
}

static MaasStatus prepare_tokenizer(MaasCtx *c)
{
    const MaasAttr *a = c->attr;
    const uint32_t n = by_character(a) ? 0 : a[SEPARATORS].n > 0 ? (uint32_t)a[SEPARATORS].n : 1;
    const MaasStr *patterns = a[SEPARATORS].n > 0 ? a[SEPARATORS].strings : &a[TOKEN].s;
    Programs head = {.n = n}, *state;
    MaasRegex *programs[MAX_SEPARATORS] = {NULL};
    size_t bytes[MAX_SEPARATORS], total = (sizeof head + 63) & ~(size_t)63;
    MaasStatus status = MAAS_OK;

    for (uint32_t i = 0; i < n && status == MAAS_OK; i++) {
        status = maas_regex_compile(patterns[i].data, patterns[i].length, maas_run_mem(c), &programs[i], &bytes[i],
                                    c->err);
        if (status != MAAS_OK)
            break;
        head.at[i] = total;
        total += (bytes[i] + 63) & ~(size_t)63; /* a program is of bounded size, and so are 32 */
        if (maas_regex_work_size(programs[i]) > head.work)
            head.work = maas_regex_work_size(programs[i]);
    }
    state = status == MAAS_OK ? maas_state(c, total) : NULL;
    if (status == MAAS_OK && !state)
        status = c->err->status;
    if (state) {
        *state = head;
        for (uint32_t i = 0; i < n; i++)
            memcpy((char *)state + head.at[i], programs[i], bytes[i]);
    }
    for (uint32_t i = 0; i < n; i++)
        maas_free(maas_run_mem(c), programs[i]);
    return status;
}

/* Where the tokens of one string go; out is NULL while they are counted. */
typedef struct Row {
    MaasCtx *c;
    const Programs *programs;
    void *work;
    int64_t min_chars, n;
    MaasStr *out;
} Row;

static bool poll_stop(void *arg)
{
    return maas_stop(arg);
}

static void add_token(Row *row, MaasStr s)
{
    int64_t chars = 0;

    for (size_t at = 0; at < s.length && chars < row->min_chars; chars++)
        maas_rune_next(s.data, s.length, &at);
    if (chars < row->min_chars)
        return;
    if (row->out)
        row->out[row->n] = s;
    row->n++;
}

static void characters(Row *row, MaasStr s)
{
    for (size_t at = 0; at < s.length;) {
        size_t start = at;

        maas_rune_next(s.data, s.length, &at);
        add_token(row, (MaasStr){s.data + start, at - start});
    }
}

/* Behind a match; an empty one is passed together with the character that follows. */
static size_t behind(MaasStr s, size_t start, size_t end)
{
    if (end == start && end < s.length)
        maas_rune_next(s.data, s.length, &end);
    else if (end == start)
        end++;
    return end;
}

static bool matches(Row *row, MaasStr s)
{
    const MaasRegex *re = (const MaasRegex *)((const char *)row->programs + row->programs->at[0]);
    size_t at = 0, start, end;

    while (at < s.length) {
        MaasMatch match = maas_regex_search(re, s.data, s.length, at, &start, &end, row->work, poll_stop, row->c);

        if (match == MAAS_MATCH_STOPPED)
            return false;
        if (match == MAAS_NO_MATCH)
            return true;
        add_token(row, (MaasStr){s.data + start, end - start});
        at = behind(s, start, end);
    }
    return true;
}

/* What separator k leaves, split by those behind it; at most MAX_SEPARATORS deep. */
static bool parts(Row *row, MaasStr s, uint32_t k)
{
    size_t at = 0, start, end;
    int64_t chars = 0;

    for (size_t i = 0; i < s.length && chars < row->min_chars; chars++)
        maas_rune_next(s.data, s.length, &i);
    if (chars < row->min_chars)
        return true;
    if (k == row->programs->n) {
        add_token(row, s);
        return true;
    }
    while (at <= s.length) {
        const MaasRegex *re = (const MaasRegex *)((const char *)row->programs + row->programs->at[k]);
        MaasMatch match = maas_regex_search(re, s.data, s.length, at, &start, &end, row->work, poll_stop, row->c);

        if (match == MAAS_MATCH_STOPPED)
            return false;
        if (match == MAAS_NO_MATCH)
            start = s.length;
        if (!parts(row, (MaasStr){s.data + at, start - at}, k + 1))
            return false;
        if (match == MAAS_NO_MATCH)
            return true;
        at = behind(s, start, end);
    }
    return true;
}

static bool tokenize(Row *row, MaasStr s)
{
    const MaasAttr *a = row->c->attr;

    if (row->programs->n == 0)
        characters(row, s);
    else if (a[SEPARATORS].n > 0)
        return parts(row, s, 0);
    else
        return matches(row, s);
    return true;
}

static MaasStatus compute_tokenizer(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    const MaasAttr *a = c->attr;
    const Programs *programs = c->state;
    const bool mark = a[MARK].i != 0;
    Row row = {.c = c, .programs = programs, .min_chars = a[MIN_CHARS].i};
    int64_t dims[MAAS_MAX_RANK], most = 0;
    MaasTensor *y;
    MaasStr *out;

    row.work = maas_scratch(c, programs->work, 1);
    if (!row.work)
        return c->err->status;
    for (int64_t i = 0; i < x->count; i++) {
        row.n = 0;
        if (!tokenize(&row, MAAS_STRS(x)[i]) || maas_stop(c))
            return maas_stopped(c);
        most = row.n > most ? row.n : most;
    }
    if (most > 0 && mark)
        most += 2;
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank] = most;
    MAAS_TRY(maas_out_new(c, 0, MAAS_STRING, x->rank + 1, dims, &y));
    out = y->data;
    for (int64_t i = 0; i < x->count && most > 0; i++, out += most) {
        int64_t at = 0;

        if (mark)
            out[at++] = (MaasStr){"\x02", 1};
        row.n = 0;
        row.out = out + at;
        if (!tokenize(&row, MAAS_STRS(x)[i]) || maas_stop(c))
            return maas_stopped(c);
        at += row.n;
        if (mark)
            out[at++] = (MaasStr){"\x03", 1};
        while (at < most)
            out[at++] = a[PAD].s;
    }
    return MAAS_OK;
}

const MaasOp maas_op_tokenizer = {
    .domain = "com.microsoft",
    .name = "Tokenizer",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_DYNAMIC | MAAS_OP_STATE,
    .in = {{"X", MAAS_T_STRING, 0, 0}},
    .out = {{"Y", MAAS_T_STRING, 0, 0}},
    .attrs = {[MARK] = {"mark", MAAS_ATTR_INT, .required = true},
              [MIN_CHARS] = {"mincharnum", MAAS_ATTR_INT, .required = true},
              [PAD] = {"pad_value", MAAS_ATTR_STRING, .required = true},
              [SEPARATORS] = {"separators", MAAS_ATTR_STRINGS},
              [TOKEN] = {"tokenexp", MAAS_ATTR_STRING, .s = ""}},
    .infer = infer_tokenizer,
    .prepare = prepare_tokenizer,
    .compute = compute_tokenizer,
    .batch = maas_batch_tokenizer,
};
