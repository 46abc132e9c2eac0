/*
 * regex.c - regular expressions in RE2's syntax: running a program.
 *
 * All states that the text read so far leads to are followed at once (Thompson), so there is no backtracking.
 * regex_compile.c makes programs.  Working memory belongs to the caller.
 */
#include "regex_program.h"
#include "unicode.h"

size_t maas_regex_work_size(const MaasRegex *re)
{
    return (size_t)re->n_insts * 5 * sizeof(uint32_t);
}

/* A set of states in the order of their arrival, emptied in no time (Briggs and Torczon). */
typedef struct StateSet {
    uint32_t n, *dense, *sparse;
} StateSet;

static bool set_has(const StateSet *set, uint32_t state)
{
    return set->sparse[state] < set->n && set->dense[set->sparse[state]] == state;
}

static void set_add(StateSet *set, uint32_t state)
{
    set->sparse[state] = set->n;
    set->dense[set->n++] = state;
}

static bool is_word(int32_t rune)
{
    return (rune >= 'a' && rune <= 'z') || (rune >= 'A' && rune <= 'Z') || (rune >= '0' && rune <= '9') ||
           rune == '_';
}

/* before, after: the runes around the place, RUNE_NONE at the ends of the text */
#define RUNE_NONE (-2)

static bool holds(Assertion assertion, int32_t before, int32_t after)
{
    switch (assertion) {
    case BEGIN_TEXT:
        return before == RUNE_NONE;
    case END_TEXT:
        return after == RUNE_NONE;
    case BEGIN_LINE:
        return before == RUNE_NONE || before == '\n';
    case END_LINE:
        return after == RUNE_NONE || after == '\n';
    case WORD_EDGE:
        return is_word(before) != is_word(after);
    default:
        return is_word(before) == is_word(after);
    }
}

static bool in_ranges(const ClassItem *items, uint32_t n, int32_t rune)
{
    for (uint32_t i = 0; i < n; i++) {
        if (items[i].low & CLASS_CATEGORY) {
            if (((maas_rune_category(rune) & items[i].high) != 0) != ((items[i].low & CLASS_NOT) != 0))
                return true;
        } else if ((uint32_t)rune >= items[i].low && (uint32_t)rune <= items[i].high) {
            return true;
        }
    }
    return false;
}

static bool in_class(const MaasRegex *re, const Inst *inst, int32_t rune)
{
    const ClassItem *items = regex_items(re) + inst->x;
    bool in = in_ranges(items, inst->y, rune);

    if (!in && inst->flags & INST_FOLD) {
        int32_t lower = maas_rune_lower(rune), upper = maas_rune_upper(rune);

        in = (lower != rune && in_ranges(items, inst->y, lower)) ||
             (upper != rune && in_ranges(items, inst->y, upper));
    }
    return in != ((inst->flags & INST_NOT) != 0);
}

static bool accepts(const MaasRegex *re, const Inst *inst, int32_t rune)
{
    if (rune < 0)
        return false;
    switch (inst->op) {
    case OP_CHAR:
        return (uint32_t)rune == inst->x;
    case OP_ANY:
        return true;
    case OP_ANY_BUT_NEWLINE:
        return rune != '\n';
    default:
        return in_class(re, inst, rune);
    }
}

typedef struct Matcher {
    const MaasRegex *re;
    StateSet now, next;
    uint32_t *stack; /* of add_state; n_insts at most */
} Matcher;

/* Adds a state and all that it leads to without reading. */
static void add_state(Matcher *m, StateSet *set, uint32_t first, int32_t before, int32_t after)
{
    const Inst *insts = regex_insts(m->re);
    uint32_t depth = 0;

    if (!set_has(set, first)) {
        set_add(set, first);
        m->stack[depth++] = first;
    }
    while (depth > 0) {
        const Inst *inst = &insts[m->stack[--depth]];
        uint32_t to[2], n = 0;

        if (inst->op == OP_SPLIT) {
            to[n++] = inst->x;
            to[n++] = inst->y;
        } else if (inst->op == OP_JUMP || (inst->op == OP_ASSERT && holds((Assertion)inst->y, before, after))) {
            to[n++] = inst->x;
        }
        while (n > 0)
            if (!set_has(set, to[--n])) {
                set_add(set, to[n]);
                m->stack[depth++] = to[n];
            }
    }
}

/* Follows all states from text[from] on, before being the rune in front of it.  *end: where the longest match ends;
 * whole: only a match of all the rest counts. */
static MaasMatch match_from(const MaasRegex *re, const char *text, size_t length, size_t from, int32_t before,
                            bool whole, size_t *end, void *work, bool (*stop)(void *arg), void *arg)
{
    const Inst *insts = regex_insts(re);
    uint32_t n = re->n_insts, *memory = work;
    Matcher m = {.re = re,
                 .now = {0, memory, memory + n},
                 .next = {0, memory + 2 * n, memory + 3 * n},
                 .stack = memory + 4 * n};
    MaasMatch result = MAAS_NO_MATCH;
    int32_t rune, after;
    uint64_t visited = 0;
    size_t here = from, at = from; /* in front of rune, behind it */

    rune = at < length ? maas_rune_next(text, length, &at) : RUNE_NONE;
    add_state(&m, &m.now, 0, before, rune);
    for (;;) {
        size_t next = at;
        StateSet swap;

        if (!whole || rune == RUNE_NONE)
            for (uint32_t i = 0; i < m.now.n; i++)
                if (insts[m.now.dense[i]].op == OP_MATCH) {
                    result = MAAS_MATCH;
                    *end = here;
                }
        if (rune == RUNE_NONE)
            return result;
        after = next < length ? maas_rune_next(text, length, &next) : RUNE_NONE;
        m.next.n = 0;
        for (uint32_t i = 0; i < m.now.n; i++) {
            const Inst *inst = &insts[m.now.dense[i]];

            visited += inst->op == OP_CLASS ? inst->y : 0;
            if (inst->op >= OP_CHAR && accepts(re, inst, rune))
                add_state(&m, &m.next, m.now.dense[i] + 1, rune, after);
        }
        visited += m.now.n + 1;
        if (visited > 1 << 20) {
            visited = 0;
            if (stop && stop(arg))
                return MAAS_MATCH_STOPPED;
        }
        if (m.next.n == 0)
            return result;
        swap = m.now;
        m.now = m.next;
        m.next = swap;
        rune = after;
        here = at;
        at = next;
    }
}

/* The sparse halves are read before they are written: any number will do, but it must be one. */
static void clear_work(const MaasRegex *re, void *work)
{
    uint32_t n = re->n_insts, *memory = work;

    for (uint32_t i = 0; i < n; i++)
        memory[n + i] = memory[3 * n + i] = 0;
}

MaasMatch maas_regex_full_match(const MaasRegex *re, const char *text, size_t length, void *work,
                                bool (*stop)(void *arg), void *arg)
{
    size_t end;

    clear_work(re, work);
    return match_from(re, text, length, 0, RUNE_NONE, true, &end, work, stop, arg);
}

MaasMatch maas_regex_search(const MaasRegex *re, const char *text, size_t length, size_t from, size_t *start,
                            size_t *end, void *work, bool (*stop)(void *arg), void *arg)
{
    int32_t before = RUNE_NONE;
    size_t at = from;
    uint64_t tried = 0;

    clear_work(re, work);
    if (from > 0) {
        size_t back = from - 1;

        while (back > 0 && from - back < 4 && ((unsigned char)text[back] & 0xc0) == 0x80)
            back--;
        before = maas_rune_next(text, length, &back);
    }
    for (;;) {
        MaasMatch match = match_from(re, text, length, at, before, false, end, work, stop, arg);

        *start = at;
        if (match != MAAS_NO_MATCH || at >= length)
            return match;
        before = maas_rune_next(text, length, &at);
        if (++tried % 4096 == 0 && stop && stop(arg))
            return MAAS_MATCH_STOPPED;
    }
}
