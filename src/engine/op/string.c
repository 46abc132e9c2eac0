/*
 * string.c - StringConcat, StringSplit, StringNormalizer, RegexFullMatch.
 *
 * Strings are UTF-8.  New bytes are made with maas_run_string and live as long as the run; parts of input strings
 * are not copied.
 */
#include <string.h>

#include "../base/utf8.h"
#include "../text/regex.h"
#include "../text/unicode.h"
#include "batch.h"
#include "dims.h"
#include "move.h"

static bool same(MaasStr a, MaasStr b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

/* ---- StringConcat ---- */

static MaasStatus concat_two(MaasCtx *c, MaasStr a, MaasStr b, MaasStr *out)
{
    char *bytes;

    if (a.length == 0 || b.length == 0) {
        *out = a.length == 0 ? b : a;
        return MAAS_OK;
    }
    if (__builtin_add_overflow(a.length, b.length, &out->length))
        return maas_node_fail(c, MAAS_ERR_LIMIT, "the length of a string overflows");
    bytes = maas_run_string(c, out->length);
    if (!bytes)
        return c->err->status;
    memcpy(bytes, a.data, a.length);
    memcpy(bytes + a.length, b.data, b.length);
    out->data = bytes;
    return MAAS_OK;
}

/* The steps of a tensor that is broadcast to the shape of out. */
static void broadcast_steps(const MaasTensor *t, const MaasTensor *out, int64_t *steps)
{
    int64_t own[MAAS_MAX_RANK];
    int lead = out->rank - t->rank;

    maas_row_major(t->rank, t->dims, own);
    for (int i = 0; i < out->rank; i++)
        steps[i] = i < lead || t->dims[i - lead] == 1 ? 0 : own[i - lead];
}

static MaasStatus compute_string_concat(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *y = maas_in(c, 1);
    MaasTensor *out = maas_out(c, 0);
    int64_t x_steps[MAAS_MAX_RANK], y_steps[MAAS_MAX_RANK], at[MAAS_MAX_RANK] = {0}, i = 0, j = 0;

    if (out->count == 0)
        return MAAS_OK;
    broadcast_steps(x, out, x_steps);
    broadcast_steps(y, out, y_steps);
    for (int64_t k = 0; k < out->count; k++) {
        MAAS_TRY(concat_two(c, MAAS_STRS(x)[i], MAAS_STRS(y)[j], &MAAS_STRS(out)[k]));
        for (int d = out->rank - 1; d >= 0; d--) {
            i += x_steps[d];
            j += y_steps[d];
            if (++at[d] < out->dims[d])
                break;
            i -= x_steps[d] * out->dims[d];
            j -= y_steps[d] * out->dims[d];
            at[d] = 0;
        }
        if ((k & 0xfff) == 0 && maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

const MaasOp maas_op_string_concat = {
    .name = "StringConcat",
    .first = 20,
    .since = 20,
    .in = {{"X", MAAS_T_STRING, 0, 0}, {"Y", MAAS_T_STRING, 0, 0}},
    .out = {{"Z", MAAS_T_STRING, 0, 0}},
    .infer = maas_infer_broadcast,
    .compute = compute_string_concat,
    .batch = maas_batch_elementwise,
};

/* ---- StringSplit ---- */

enum { SPLIT_DELIMITER, SPLIT_MAX };

static MaasStatus infer_string_split(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    int64_t dims[MAAS_MAX_RANK];

    if (in->rank >= 0) {
        MAAS_TRY(maas_infer_rank(c, in->rank + 1));
        memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
        dims[in->rank] = MAAS_DIM_ANY;
    }
    MAAS_TRY(maas_infer_out(c, 0, MAAS_STRING, in->rank < 0 ? -1 : in->rank + 1, dims));
    return maas_infer_out(c, 1, MAAS_INT64, in->rank, in->dims);
}

static bool is_space(int32_t rune)
{
    if (rune < 0x80)
        return (rune >= 9 && rune <= 13) || (rune >= 28 && rune <= 32);
    return rune == 0x85 || (maas_rune_category(rune) & maas_category_mask("Z", 1)) != 0;
}

/* Moves *at over white space (or, with stop_at_space, up to it). */
static void pass(MaasStr s, size_t *at, bool stop_at_space)
{
    while (*at < s.length) {
        size_t next = *at;
        int32_t rune = maas_rune_next(s.data, s.length, &next);

        if ((rune >= 0 && is_space(rune)) == stop_at_space)
            return;
        *at = next;
    }
}

/* The next part of s from *at on; left: splits that are still allowed.  False when there is none. */
static bool next_part(MaasStr s, MaasStr delimiter, int64_t left, size_t *at, MaasStr *part)
{
    const char *found;
    size_t start;

    if (*at > s.length)
        return false;
    if (delimiter.length == 0) {
        pass(s, at, false);
        if (*at >= s.length)
            return false;
        start = *at;
        if (left == 0)
            *at = s.length;
        else
            pass(s, at, true);
        *part = (MaasStr){s.data + start, *at - start};
        return true;
    }
    start = *at;
    found = left == 0 || s.length - start < delimiter.length
                ? NULL
                : memmem(s.data + start, s.length - start, delimiter.data, delimiter.length);
    part->data = s.data + start;
    part->length = found ? (size_t)(found - s.data) - start : s.length - start;
    *at = found ? start + part->length + delimiter.length : s.length + 1;
    return true;
}

static MaasStatus compute_string_split(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, 0);
    MaasStr delimiter = c->attr[SPLIT_DELIMITER].s;
    int64_t most = c->attr[SPLIT_MAX].set && c->attr[SPLIT_MAX].i >= 0 ? c->attr[SPLIT_MAX].i : INT64_MAX;
    int64_t *counts, width = 0, dims[MAAS_MAX_RANK];
    MaasTensor *out, *numbers;

    counts = maas_scratch(c, (size_t)in->count, sizeof *counts);
    if (!counts)
        return c->err->status;
    for (int64_t i = 0; i < in->count; i++) {
        size_t at = 0;
        MaasStr part;

        counts[i] = 0;
        while (next_part(MAAS_STRS(in)[i], delimiter, most - counts[i], &at, &part))
            counts[i]++;
        width = counts[i] > width ? counts[i] : width;
        if ((i & 0xfff) == 0 && maas_stop(c))
            return maas_stopped(c);
    }
    memcpy(dims, in->dims, sizeof dims);
    dims[in->rank] = width;
    if (maas_has_out(c, 0)) {
        MAAS_TRY(maas_out_new(c, 0, MAAS_STRING, in->rank + 1, dims, &out));
        for (int64_t i = 0; i < in->count; i++) {
            MaasStr *row = MAAS_STRS(out) + i * width;
            size_t at = 0;

            for (int64_t k = 0; k < width; k++) {
                row[k] = (MaasStr){0};
                if (k < counts[i])
                    next_part(MAAS_STRS(in)[i], delimiter, most - k, &at, &row[k]);
            }
        }
    }
    if (!maas_has_out(c, 1))
        return MAAS_OK;
    MAAS_TRY(maas_out_new(c, 1, MAAS_INT64, in->rank, in->dims, &numbers));
    if (in->count > 0)
        memcpy(numbers->data, counts, (size_t)in->count * sizeof *counts);
    return MAAS_OK;
}

const MaasOp maas_op_string_split = {
    .name = "StringSplit",
    .first = 20,
    .since = 20,
    .flags = MAAS_OP_DYNAMIC,
    .in = {{"X", MAAS_T_STRING, 0, 0}},
    .out = {{"Y", MAAS_T_STRING, 0, 0}, {"Z", MAAS_T_I64, 0, 0}},
    .attrs = {[SPLIT_DELIMITER] = {"delimiter", MAAS_ATTR_STRING, .s = ""},
              [SPLIT_MAX] = {"maxsplit", MAAS_ATTR_INT, .i = 0}},
    .infer = infer_string_split,
    .compute = compute_string_split,
    .batch = maas_batch_string_split,
};

/* ---- StringNormalizer ---- */

enum { NORM_CASE, NORM_SENSITIVE, NORM_LOCALE, NORM_STOPWORDS };

typedef enum CaseChange { CASE_NONE, CASE_LOWER, CASE_UPPER, CASE_UNKNOWN } CaseChange;

static CaseChange case_change(const MaasAttr *attr)
{
    static const char *const names[] = {"NONE", "LOWER", "UPPER"};

    for (int i = 0; i < 3; i++)
        if (attr->s.length == strlen(names[i]) && memcmp(attr->s.data, names[i], attr->s.length) == 0)
            return (CaseChange)i;
    return CASE_UNKNOWN;
}

static MaasStatus infer_string_normalizer(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    int64_t dims[2] = {1, MAAS_DIM_ANY};

    if (case_change(&c->attr[NORM_CASE]) == CASE_UNKNOWN)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "case_change_action must be NONE, LOWER or UPPER, got \"%.*s\"",
                               (int)c->attr[NORM_CASE].s.length, c->attr[NORM_CASE].s.data);
    if (in->rank < 0)
        return maas_infer_out(c, 0, MAAS_STRING, -1, NULL);
    if (in->rank != 1 && in->rank != 2)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "the input must have shape [C] or [1,C], got rank %d", in->rank);
    if (in->rank == 2)
        MAAS_TRY(maas_infer_equal(c, "the first size of [1,C]", 1, in->dims[0]));
    if (c->attr[NORM_STOPWORDS].n == 0 && in->dims[in->rank - 1] != 0)
        dims[1] = in->dims[in->rank - 1];
    return maas_infer_out(c, 0, MAAS_STRING, in->rank, in->rank == 1 ? dims + 1 : dims);
}

static int32_t convert(CaseChange change, int32_t rune)
{
    return change == CASE_LOWER ? maas_rune_lower(rune) : change == CASE_UPPER ? maas_rune_upper(rune) : rune;
}

/* Whether two strings are equal when the case of both is changed. */
static bool same_folded(MaasStr a, MaasStr b, CaseChange change)
{
    size_t i = 0, j = 0;

    while (i < a.length && j < b.length) {
        size_t from_a = i, from_b = j;
        int32_t x = maas_rune_next(a.data, a.length, &i), y = maas_rune_next(b.data, b.length, &j);

        if (x < 0 || y < 0 ? x != y || a.data[from_a] != b.data[from_b] : convert(change, x) != convert(change, y))
            return false;
    }
    return i == a.length && j == b.length;
}

static MaasStatus change_case(MaasCtx *c, CaseChange change, MaasStr s, MaasStr *out)
{
    size_t length = 0;
    char *bytes, rune_bytes[4];

    for (size_t at = 0; at < s.length;) {
        int32_t rune = maas_rune_next(s.data, s.length, &at);

        length += rune < 0 ? 1 : maas_utf8_write((uint32_t)convert(change, rune), rune_bytes);
    }
    bytes = maas_run_string(c, length);
    if (!bytes)
        return c->err->status;
    *out = (MaasStr){bytes, length};
    for (size_t at = 0; at < s.length;) {
        size_t from = at;
        int32_t rune = maas_rune_next(s.data, s.length, &at);

        if (rune < 0)
            *bytes++ = s.data[from];
        else
            bytes += maas_utf8_write((uint32_t)convert(change, rune), bytes);
    }
    return MAAS_OK;
}

static bool is_stopword(const MaasCtx *c, MaasStr s)
{
    const MaasAttr *words = &c->attr[NORM_STOPWORDS];
    CaseChange fold = case_change(&c->attr[NORM_CASE]) == CASE_UPPER ? CASE_UPPER : CASE_LOWER;

    for (int64_t i = 0; i < words->n; i++)
        if (c->attr[NORM_SENSITIVE].i ? same(s, words->strings[i]) : same_folded(s, words->strings[i], fold))
            return true;
    return false;
}

static MaasStatus compute_string_normalizer(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, 0);
    CaseChange change = case_change(&c->attr[NORM_CASE]);
    MaasStr *kept = maas_scratch(c, (size_t)in->count + 1, sizeof *kept);
    int64_t n = 0, dims[2] = {1, 0};
    MaasTensor *out;

    if (!kept)
        return c->err->status;
    for (int64_t i = 0; i < in->count; i++) {
        if (!is_stopword(c, MAAS_STRS(in)[i]))
            kept[n++] = MAAS_STRS(in)[i];
        if ((i & 0xff) == 0 && maas_stop(c))
            return maas_stopped(c);
    }
    if (n == 0)
        kept[n++] = (MaasStr){0};
    dims[1] = n;
    MAAS_TRY(maas_out_new(c, 0, MAAS_STRING, in->rank, in->rank == 1 ? dims + 1 : dims, &out));
    for (int64_t i = 0; i < n; i++) {
        MAAS_STRS(out)[i] = kept[i];
        if (change != CASE_NONE)
            MAAS_TRY(change_case(c, change, kept[i], &MAAS_STRS(out)[i]));
    }
    return MAAS_OK;
}

const MaasOp maas_op_string_normalizer = {
    .name = "StringNormalizer",
    .first = 10,
    .since = 10,
    .flags = MAAS_OP_DYNAMIC,
    .in = {{"X", MAAS_T_STRING, 0, 0}},
    .out = {{"Y", MAAS_T_STRING, 0, 0}},
    .attrs = {[NORM_CASE] = {"case_change_action", MAAS_ATTR_STRING, .s = "NONE"},
              [NORM_SENSITIVE] = {"is_case_sensitive", MAAS_ATTR_INT, .i = 0},
              [NORM_LOCALE] = {"locale", MAAS_ATTR_STRING, .s = ""},
              [NORM_STOPWORDS] = {"stopwords", MAAS_ATTR_STRINGS, .required = false}},
    .infer = infer_string_normalizer,
    .compute = compute_string_normalizer,
    .batch = maas_batch_string_normalizer,
};

/* ---- RegexFullMatch ---- */

static MaasStatus infer_regex(MaasInferCtx *c)
{
    if (!c->attr[0].set)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "attribute pattern is missing");
    return maas_infer_out(c, 0, MAAS_BOOL, c->in[0]->rank, c->in[0]->dims);
}

static MaasStatus prepare_regex(MaasCtx *c)
{
    MaasStr pattern = c->attr[0].s;
    MaasRegex *program;
    size_t bytes;
    void *state;
    MaasStatus status = maas_regex_compile(pattern.data, pattern.length, maas_run_mem(c), &program, &bytes, c->err);

    if (status != MAAS_OK)
        return status;
    state = maas_state(c, bytes);
    if (state)
        memcpy(state, program, bytes);
    maas_free(maas_run_mem(c), program);
    return state ? MAAS_OK : c->err->status;
}

static bool poll_stop(void *arg)
{
    return maas_stop(arg);
}

static MaasStatus compute_regex(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, 0);
    MaasTensor *out = maas_out(c, 0);
    void *work = maas_scratch(c, maas_regex_work_size(c->state), 1);

    if (!work)
        return c->err->status;
    for (int64_t i = 0; i < in->count; i++) {
        MaasStr s = MAAS_STRS(in)[i];
        MaasMatch match = maas_regex_full_match(c->state, s.data, s.length, work, poll_stop, c);

        if (match == MAAS_MATCH_STOPPED || ((i & 0xff) == 0 && maas_stop(c)))
            return maas_stopped(c);
        MAAS_U8(out)[i] = match == MAAS_MATCH;
    }
    return MAAS_OK;
}

const MaasOp maas_op_regex_full_match = {
    .name = "RegexFullMatch",
    .first = 20,
    .since = 20,
    .in = {{"X", MAAS_T_STRING, 0, 0}},
    .out = {{"Y", MAAS_T_BOOL, 0, 0}},
    .attrs = {{"pattern", MAAS_ATTR_STRING, .s = ""}},
    .infer = infer_regex,
    .prepare = prepare_regex,
    .compute = compute_regex,
    .batch = maas_batch_elementwise,
};
