/*
 * regex_compile.c - regular expressions in RE2's syntax: from pattern to program.
 *
 * A recursive descent (bounded by MAAS_REGEX_MAX_DEPTH) makes a tree, whose nodes lie in one growing array and
 * refer to each other by number; then code is emitted, counted repetitions as copies.  Both arrays and the list of
 * class items are freed when compilation ends.
 */
#include <string.h>

#include "regex_program.h"
#include "unicode.h"

typedef enum Kind { EMPTY, RUNE, ANY, CLASS, ASSERT, CAT, ALT, REPEAT } Kind;

#define NONE UINT32_MAX
#define UNBOUNDED (-1)

typedef struct Node {
    Kind kind;
    uint32_t flags;   /* of a class: INST_FOLD, INST_NOT; ANY: 1 when it matches a newline too */
    uint32_t x, y;    /* rune; class: items; assertion; CAT, ALT, REPEAT: x the first child */
    uint32_t next;    /* sibling */
    int32_t min, max; /* REPEAT */
    int32_t copies;   /* most copies of a node that emitting this one makes */
} Node;

typedef struct Flags {
    bool fold, multiline, dot_all;
} Flags;

typedef struct Compiler {
    const char *pattern;
    size_t length, at;
    MaasMem *mem;
    MaasError *err;
    Node *nodes;
    uint32_t n_nodes, cap_nodes;
    ClassItem *items;
    uint32_t n_items, cap_items;
    Inst *insts;
    uint32_t n_insts, cap_insts;
    uint64_t steps;
    int depth;
    bool quoted; /* between \Q and \E */
    Flags flags;
} Compiler;

static MaasStatus bad(Compiler *c, const char *what)
{
    return maas_fail(c->err, MAAS_ERR_FORMAT, "regular expression: %s at byte %zu of \"%.*s\"", what, c->at,
                     (int)(c->length < 200 ? c->length : 200), c->pattern);
}

static MaasStatus too_large(Compiler *c)
{
    return maas_fail(c->err, MAAS_ERR_LIMIT, "regular expression: the program would exceed %d instructions",
                     MAAS_REGEX_MAX_PROGRAM);
}

/* Room for one more element of an array that grows by doubling. */
static MaasStatus grow(Compiler *c, void *array, uint32_t n, uint32_t *cap, size_t size)
{
    void **block = array, *more;
    uint32_t want = *cap ? *cap * 2 : 64;

    if (n < *cap)
        return MAAS_OK;
    if (n >= 1u << 22)
        return too_large(c);
    more = maas_realloc(c->mem, *block, (size_t)want * size, c->err);
    if (!more)
        return c->err->status;
    *block = more;
    *cap = want;
    return MAAS_OK;
}

static MaasStatus add_node(Compiler *c, Node node, uint32_t *out)
{
    MAAS_TRY(grow(c, &c->nodes, c->n_nodes, &c->cap_nodes, sizeof *c->nodes));
    node.next = NONE;
    node.copies = node.copies > 0 ? node.copies : 1;
    *out = c->n_nodes;
    c->nodes[c->n_nodes++] = node;
    return MAAS_OK;
}

static MaasStatus add_item(Compiler *c, uint32_t low, uint32_t high)
{
    MAAS_TRY(grow(c, &c->items, c->n_items, &c->cap_items, sizeof *c->items));
    c->items[c->n_items++] = (ClassItem){low, high};
    return MAAS_OK;
}

/* ---- reading ---- */

static bool more(const Compiler *c)
{
    return c->at < c->length;
}

static bool looking_at(const Compiler *c, const char *text)
{
    size_t n = strlen(text);

    return c->length - c->at >= n && memcmp(c->pattern + c->at, text, n) == 0;
}

static bool skip(Compiler *c, const char *text)
{
    if (!looking_at(c, text))
        return false;
    c->at += strlen(text);
    return true;
}

static MaasStatus next_rune(Compiler *c, int32_t *rune)
{
    *rune = maas_rune_next(c->pattern, c->length, &c->at);
    return *rune == MAAS_RUNE_BAD ? bad(c, "invalid UTF-8") : MAAS_OK;
}

/* A decimal number; false when there is none.  Saturates. */
static bool number(Compiler *c, int32_t *value)
{
    size_t start = c->at;

    *value = 0;
    while (more(c) && c->pattern[c->at] >= '0' && c->pattern[c->at] <= '9') {
        *value = *value > MAAS_REGEX_MAX_REPEAT ? *value : *value * 10 + (c->pattern[c->at] - '0');
        c->at++;
    }
    return c->at > start;
}

/* {n}, {n,} or {n,m}; what looks otherwise is a literal brace: then nothing is read and the result is false. */
static bool counts(Compiler *c, int32_t *min, int32_t *max)
{
    size_t start = c->at;

    c->at++;
    if (number(c, min)) {
        *max = *min;
        if (skip(c, ",") && !number(c, max))
            *max = UNBOUNDED;
        if (skip(c, "}"))
            return true;
    }
    c->at = start;
    return false;
}

/* ---- classes ---- */

typedef struct NamedClass {
    const char *name;
    const char *ranges; /* pairs of characters */
} NamedClass;

static const NamedClass posix[] = {
    {"alnum", "09AZaz"}, {"alpha", "AZaz"}, {"ascii", ""},        {"blank", "\t\t  "}, {"cntrl", ""},
    {"digit", "09"},     {"graph", "!~"},   {"lower", "az"},      {"print", " ~"},     {"punct", "!/:@[`{~"},
    {"space", "\t\r  "}, {"upper", "AZ"},   {"word", "09AZ__az"}, {"xdigit", "09AFaf"}};

static const char *perl_ranges(char letter)
{
    switch (letter) {
    case 'd':
    case 'D':
        return "09";
    case 's':
    case 'S':
        return "\t\n\f\r  "; /* RE2: no vertical tab */
    case 'w':
    case 'W':
        return "09AZ__az";
    default:
        return NULL;
    }
}

/* Adds pairs of characters, or what lies between them.  The pairs ascend. */
static MaasStatus add_pairs(Compiler *c, const char *pairs, size_t n, bool negate)
{
    uint32_t from = 0;

    for (size_t i = 0; i < n; i += 2) {
        uint32_t low = (unsigned char)pairs[i], high = (unsigned char)pairs[i + 1];

        if (!negate)
            MAAS_TRY(add_item(c, low, high));
        else if (low > from)
            MAAS_TRY(add_item(c, from, low - 1));
        from = high + 1;
    }
    return negate ? add_item(c, from, 0x10ffff) : MAAS_OK;
}

/* [:name:] or [:^name:] within a class; *found tells whether there was one. */
static MaasStatus posix_class(Compiler *c, bool *found)
{
    const char *start = c->pattern + c->at + 2, *end;
    bool negate;
    size_t n;

    *found = false;
    if (!looking_at(c, "[:"))
        return MAAS_OK;
    end = memmem(start, c->length - c->at - 2, ":]", 2);
    if (!end)
        return MAAS_OK;
    negate = end > start && *start == '^';
    start += negate;
    n = (size_t)(end - start);
    for (size_t i = 0; i < sizeof posix / sizeof *posix; i++) {
        const char *ranges = posix[i].ranges;
        size_t n_ranges = strlen(ranges);

        if (strlen(posix[i].name) != n || memcmp(posix[i].name, start, n) != 0)
            continue;
        c->at = (size_t)(end + 2 - c->pattern);
        *found = true;
        if (strcmp(posix[i].name, "ascii") == 0)
            return add_pairs(c, "\0\x7f", 2, negate);
        if (strcmp(posix[i].name, "cntrl") == 0)
            return add_pairs(c, "\0\x1f\x7f\x7f", 4, negate);
        return add_pairs(c, ranges, n_ranges, negate);
    }
    return bad(c, "unknown class [:name:]");
}

/* \pN, \p{Lu}, \p{^Lu}, \PN; c->at stands at the p or P */
static MaasStatus category(Compiler *c)
{
    bool negate = c->pattern[c->at++] == 'P';
    const char *name = c->pattern + c->at, *end;
    size_t n = 1;
    uint32_t mask;

    if (!more(c))
        return bad(c, "category missing after \\p");
    if (*name == '{') {
        end = memchr(name, '}', c->length - c->at);
        if (!end)
            return bad(c, "} missing after \\p{");
        n = (size_t)(end - name) - 1;
        c->at += n + 2;
        name++;
        if (n > 0 && *name == '^') {
            negate = !negate;
            name++;
            n--;
        }
    } else {
        c->at++;
    }
    if (n == 3 && memcmp(name, "Any", 3) == 0)
        return negate ? MAAS_OK : add_item(c, 0, 0x10ffff);
    mask = maas_category_mask(name, n);
    if (mask == 0) {
        bad(c, "\\p names no general category");
        maas_error_hint(c->err, "General categories such as \\p{L} or \\p{Nd} work; Unicode scripts do not.");
        return c->err->status;
    }
    return add_item(c, CLASS_CATEGORY | (negate ? CLASS_NOT : 0), mask);
}

static MaasStatus hex(Compiler *c, int32_t *rune)
{
    bool braces = skip(c, "{");
    int digits = 0;

    *rune = 0;
    for (; more(c) && (braces || digits < 2); digits++) {
        char h = c->pattern[c->at];
        int v = h >= '0' && h <= '9'   ? h - '0'
                : h >= 'a' && h <= 'f' ? h - 'a' + 10
                : h >= 'A' && h <= 'F' ? h - 'A' + 10
                                       : -1;

        if (v < 0)
            break;
        *rune = *rune * 16 + v;
        if (*rune > 0x10ffff)
            return bad(c, "code point beyond 10FFFF");
        c->at++;
    }
    if (digits == 0 || (!braces && digits != 2) || (braces && !skip(c, "}")))
        return bad(c, "invalid \\x escape");
    return MAAS_OK;
}

/* The rune of an escape that names one; c->at stands behind the backslash. */
static MaasStatus escaped_rune(Compiler *c, int32_t *rune)
{
    static const char letters[] = "aftnrv", runes[] = "\a\f\t\n\r\v";
    const char *letter;

    if (!more(c))
        return bad(c, "trailing backslash");
    MAAS_TRY(next_rune(c, rune));
    letter = *rune > 0 && *rune < 128 ? strchr(letters, *rune) : NULL;
    if (letter) {
        *rune = runes[letter - letters];
        return MAAS_OK;
    }
    if (*rune == 'x')
        return hex(c, rune);
    if (*rune >= '0' && *rune <= '7') {
        bool zero = *rune == '0';

        if (!zero && !(more(c) && c->pattern[c->at] >= '0' && c->pattern[c->at] <= '7'))
            return bad(c, "back references are not part of this syntax");
        *rune -= '0';
        for (int i = 0; i < 2 && more(c) && c->pattern[c->at] >= '0' && c->pattern[c->at] <= '7'; i++)
            *rune = *rune * 8 + (c->pattern[c->at++] - '0');
        return MAAS_OK;
    }
    if (*rune < 128 &&
        !((*rune >= '0' && *rune <= '9') || (*rune >= 'A' && *rune <= 'Z') || (*rune >= 'a' && *rune <= 'z')))
        return MAAS_OK;
    return bad(c, "invalid escape");
}

/* A class that an escape names (\d, \pL); *found tells whether there was one.  c->at stands at the backslash. */
static MaasStatus escaped_class(Compiler *c, bool *found)
{
    char letter = c->length - c->at > 1 ? c->pattern[c->at + 1] : 0;
    const char *ranges = perl_ranges(letter);

    *found = true;
    if (ranges) {
        c->at += 2;
        return add_pairs(c, ranges, strlen(ranges), letter < 'a');
    }
    if (letter == 'p' || letter == 'P') {
        c->at++;
        return category(c);
    }
    *found = false;
    return MAAS_OK;
}

static MaasStatus class_rune(Compiler *c, int32_t *rune)
{
    if (skip(c, "\\"))
        return escaped_rune(c, rune);
    return next_rune(c, rune);
}

/* [...]; c->at stands behind the bracket. */
static MaasStatus bracket(Compiler *c, uint32_t *out)
{
    Node node = {.kind = CLASS, .flags = c->flags.fold ? INST_FOLD : 0, .x = c->n_items};
    bool first = true;

    if (skip(c, "^"))
        node.flags |= INST_NOT;
    for (; first || !looking_at(c, "]"); first = false) {
        int32_t low, high;
        bool found = false;

        if (!more(c))
            return bad(c, "] missing");
        MAAS_TRY(posix_class(c, &found));
        if (!found && looking_at(c, "\\"))
            MAAS_TRY(escaped_class(c, &found));
        if (found)
            continue;
        MAAS_TRY(class_rune(c, &low));
        high = low;
        if (looking_at(c, "-") && c->length - c->at > 1 && c->pattern[c->at + 1] != ']') {
            c->at++;
            MAAS_TRY(class_rune(c, &high));
            if (high < low)
                return bad(c, "range out of order");
        }
        MAAS_TRY(add_item(c, (uint32_t)low, (uint32_t)high));
    }
    c->at++;
    node.y = c->n_items - node.x;
    return add_node(c, node, out);
}

/* ---- expressions ---- */

static MaasStatus alternation(Compiler *c, uint32_t *out);

static MaasStatus literal(Compiler *c, int32_t rune, uint32_t *out)
{
    Node node = {.kind = RUNE, .x = (uint32_t)rune};

    if (c->flags.fold && (maas_rune_lower(rune) != rune || maas_rune_upper(rune) != rune)) {
        node = (Node){.kind = CLASS, .flags = INST_FOLD, .x = c->n_items, .y = 3};
        MAAS_TRY(add_item(c, (uint32_t)rune, (uint32_t)rune));
        MAAS_TRY(add_item(c, (uint32_t)maas_rune_lower(rune), (uint32_t)maas_rune_lower(rune)));
        MAAS_TRY(add_item(c, (uint32_t)maas_rune_upper(rune), (uint32_t)maas_rune_upper(rune)));
    }
    return add_node(c, node, out);
}

static MaasStatus assertion(Compiler *c, Assertion which, uint32_t *out)
{
    return add_node(c, (Node){.kind = ASSERT, .x = which}, out);
}

/* Flags behind (?, up to : or ). */
static MaasStatus group_flags(Compiler *c, bool *group)
{
    bool value = true, any = false;

    for (;; any = true) {
        char f = more(c) ? c->pattern[c->at++] : 0;

        switch (f) {
        case 'i':
            c->flags.fold = value;
            break;
        case 'm':
            c->flags.multiline = value;
            break;
        case 's':
            c->flags.dot_all = value;
            break;
        case 'U': /* greediness decides nothing about a whole text */
            break;
        case '-':
            if (!value)
                return bad(c, "invalid group flags");
            value = false;
            any = false;
            continue;
        case ':':
        case ')':
            if (!any && (!value || f == ')'))
                return bad(c, "invalid group flags");
            *group = f == ':';
            return MAAS_OK;
        default:
            return bad(c, "invalid group flags (lookaround is not part of this syntax)");
        }
    }
}

static MaasStatus group_name(Compiler *c)
{
    size_t start = c->at;

    while (more(c) && c->pattern[c->at] != '>') {
        char l = c->pattern[c->at];

        if (!(l == '_' || (l >= '0' && l <= '9') || (l >= 'A' && l <= 'Z') || (l >= 'a' && l <= 'z')))
            return bad(c, "invalid group name");
        c->at++;
    }
    if (c->at == start || !skip(c, ">"))
        return bad(c, "invalid group name");
    return MAAS_OK;
}

/* (...); c->at stands behind the parenthesis. */
static MaasStatus group(Compiler *c, uint32_t *out)
{
    Flags saved = c->flags;
    bool is_group = true;

    if (skip(c, "?P<") || (looking_at(c, "?<") && !looking_at(c, "?<=") && !looking_at(c, "?<!") && skip(c, "?<")))
        MAAS_TRY(group_name(c));
    else if (skip(c, "?"))
        MAAS_TRY(group_flags(c, &is_group));
    if (!is_group) /* the flags hold to the end of the enclosing group */
        return add_node(c, (Node){.kind = EMPTY}, out);
    if (++c->depth > MAAS_REGEX_MAX_DEPTH)
        return maas_fail(c->err, MAAS_ERR_LIMIT, "regular expression: groups are nested deeper than %d",
                         MAAS_REGEX_MAX_DEPTH);
    MAAS_TRY(alternation(c, out));
    c->depth--;
    if (!skip(c, ")"))
        return bad(c, ") missing");
    c->flags = saved;
    return MAAS_OK;
}

/* A rune between \Q and \E. */
static MaasStatus quoted_rune(Compiler *c, uint32_t *out)
{
    int32_t rune;

    c->quoted = more(c) && !skip(c, "\\E");
    if (!c->quoted)
        return add_node(c, (Node){.kind = EMPTY}, out);
    MAAS_TRY(next_rune(c, &rune));
    c->quoted = !skip(c, "\\E");
    return literal(c, rune, out);
}

static MaasStatus escape(Compiler *c, uint32_t *out)
{
    uint32_t first = c->n_items;
    int32_t rune;
    bool found;

    MAAS_TRY(escaped_class(c, &found));
    if (found)
        return add_node(
            c, (Node){.kind = CLASS, .flags = c->flags.fold ? INST_FOLD : 0, .x = first, .y = c->n_items - first},
            out);
    if (skip(c, "\\A"))
        return assertion(c, BEGIN_TEXT, out);
    if (skip(c, "\\z"))
        return assertion(c, END_TEXT, out);
    if (skip(c, "\\b"))
        return assertion(c, WORD_EDGE, out);
    if (skip(c, "\\B"))
        return assertion(c, NO_WORD_EDGE, out);
    if (skip(c, "\\Q"))
        return quoted_rune(c, out);
    c->at++;
    MAAS_TRY(escaped_rune(c, &rune));
    return literal(c, rune, out);
}

static MaasStatus atom(Compiler *c, uint32_t *out)
{
    int32_t rune;

    switch (c->pattern[c->at]) {
    case '(':
        c->at++;
        return group(c, out);
    case '[':
        c->at++;
        return bracket(c, out);
    case '\\':
        return escape(c, out);
    case '.':
        c->at++;
        return add_node(c, (Node){.kind = ANY, .flags = c->flags.dot_all}, out);
    case '^':
        c->at++;
        return assertion(c, c->flags.multiline ? BEGIN_LINE : BEGIN_TEXT, out);
    case '$':
        c->at++;
        return assertion(c, c->flags.multiline ? END_LINE : END_TEXT, out);
    case '*':
    case '+':
    case '?':
        return bad(c, "nothing to repeat");
    default:
        MAAS_TRY(next_rune(c, &rune));
        return literal(c, rune, out);
    }
}

/* An atom with at most one repetition behind it. */
static MaasStatus repetition(Compiler *c, uint32_t *out)
{
    int32_t min = 0, max = UNBOUNDED;
    int64_t copies;
    char op;

    MAAS_TRY(c->quoted ? quoted_rune(c, out) : atom(c, out));
    if (c->quoted)
        return MAAS_OK;
    op = more(c) ? c->pattern[c->at] : 0;
    if (op == '{' ? !counts(c, &min, &max) : op != '*' && op != '+' && op != '?')
        return MAAS_OK;
    if (op != '{') {
        c->at++;
        min = op == '+';
        max = op == '?' ? 1 : UNBOUNDED;
    }
    if (max != UNBOUNDED && min > max)
        return bad(c, "repetition counts out of order");
    skip(c, "?");
    if (more(c) && strchr("*+?", c->pattern[c->at]) && c->pattern[c->at])
        return bad(c, "repetition of a repetition");
    if (looking_at(c, "{")) {
        int32_t a, b;

        if (counts(c, &a, &b))
            return bad(c, "repetition of a repetition");
    }
    copies = max > 1 ? max : min > 1 ? min : 1;
    copies *= c->nodes[*out].copies;
    if (copies > MAAS_REGEX_MAX_REPEAT)
        return maas_fail(c->err, MAAS_ERR_LIMIT,
                         "regular expression: more than %d repetitions (nested ones multiplied)",
                         MAAS_REGEX_MAX_REPEAT);
    return add_node(c, (Node){.kind = REPEAT, .x = *out, .min = min, .max = max, .copies = (int32_t)copies}, out);
}

/* Makes a node of kind CAT or ALT out of what `part` reads until it stands before an end. */
static MaasStatus sequence(Compiler *c, uint32_t *out)
{
    Node node = {.kind = CAT, .x = NONE};
    uint32_t child, last = NONE;

    while (more(c) && (c->quoted || (c->pattern[c->at] != '|' && c->pattern[c->at] != ')'))) {
        MAAS_TRY(repetition(c, &child));
        if (last == NONE)
            node.x = child;
        else
            c->nodes[last].next = child;
        if (c->nodes[child].copies > node.copies)
            node.copies = c->nodes[child].copies;
        last = child;
    }
    return add_node(c, node, out);
}

static MaasStatus alternation(Compiler *c, uint32_t *out)
{
    Node node = {.kind = ALT};
    uint32_t child, last;

    MAAS_TRY(sequence(c, &child));
    node.x = last = child;
    node.copies = c->nodes[child].copies;
    while (skip(c, "|")) {
        MAAS_TRY(sequence(c, &child));
        c->nodes[last].next = child;
        if (c->nodes[child].copies > node.copies)
            node.copies = c->nodes[child].copies;
        last = child;
    }
    if (last == node.x) {
        *out = last;
        return MAAS_OK;
    }
    return add_node(c, node, out);
}

/* ---- emitting ---- */

static MaasStatus emit(Compiler *c, Inst inst)
{
    if (c->n_insts >= MAAS_REGEX_MAX_PROGRAM)
        return too_large(c);
    MAAS_TRY(grow(c, &c->insts, c->n_insts, &c->cap_insts, sizeof *c->insts));
    c->insts[c->n_insts++] = inst;
    return MAAS_OK;
}

static MaasStatus emit_node(Compiler *c, uint32_t at);

/* L1: split L2, next; L2: child; jump end ... */
static MaasStatus emit_alternatives(Compiler *c, const Node *node)
{
    uint32_t jumps = NONE;

    for (uint32_t child = node->x, next; child != NONE; child = next) {
        uint32_t split = c->n_insts;

        next = c->nodes[child].next;
        if (next != NONE)
            MAAS_TRY(emit(c, (Inst){.op = OP_SPLIT, .x = split + 1}));
        MAAS_TRY(emit_node(c, child));
        if (next == NONE)
            break;
        MAAS_TRY(emit(c, (Inst){.op = OP_JUMP, .x = jumps}));
        jumps = c->n_insts - 1;
        c->insts[split].y = c->n_insts;
    }
    while (jumps != NONE) {
        uint32_t previous = c->insts[jumps].x;

        c->insts[jumps].x = c->n_insts;
        jumps = previous;
    }
    return MAAS_OK;
}

/* min copies, then a loop or up to max - min optional copies. */
static MaasStatus emit_repeat(Compiler *c, Node node)
{
    uint32_t splits = NONE, loop;

    for (int32_t i = 0; i < node.min; i++)
        MAAS_TRY(emit_node(c, node.x));
    if (node.max == UNBOUNDED) {
        loop = c->n_insts;
        MAAS_TRY(emit(c, (Inst){.op = OP_SPLIT, .x = loop + 1}));
        MAAS_TRY(emit_node(c, node.x));
        MAAS_TRY(emit(c, (Inst){.op = OP_JUMP, .x = loop}));
        c->insts[loop].y = c->n_insts;
        return MAAS_OK;
    }
    for (int32_t i = node.min; i < node.max; i++) {
        MAAS_TRY(emit(c, (Inst){.op = OP_SPLIT, .x = c->n_insts + 1, .y = splits}));
        splits = c->n_insts - 1;
        MAAS_TRY(emit_node(c, node.x));
    }
    while (splits != NONE) {
        uint32_t previous = c->insts[splits].y;

        c->insts[splits].y = c->n_insts;
        splits = previous;
    }
    return MAAS_OK;
}

static MaasStatus emit_node(Compiler *c, uint32_t at)
{
    Node node = c->nodes[at];

    if (++c->steps > 100 * (uint64_t)MAAS_REGEX_MAX_PROGRAM)
        return too_large(c);
    switch (node.kind) {
    case RUNE:
        return emit(c, (Inst){.op = OP_CHAR, .x = node.x});
    case ANY:
        return emit(c, (Inst){.op = node.flags ? OP_ANY : OP_ANY_BUT_NEWLINE});
    case CLASS:
        return emit(c, (Inst){.op = OP_CLASS, .flags = (uint16_t)node.flags, .x = node.x, .y = node.y});
    case ASSERT:
        return emit(c, (Inst){.op = OP_ASSERT, .x = c->n_insts + 1, .y = node.x});
    case CAT:
        for (uint32_t child = node.x; child != NONE; child = c->nodes[child].next)
            MAAS_TRY(emit_node(c, child));
        return MAAS_OK;
    case ALT:
        return emit_alternatives(c, &node);
    case REPEAT:
        return emit_repeat(c, node);
    default:
        return MAAS_OK;
    }
}

static MaasStatus compile(Compiler *c, MaasRegex **program, size_t *bytes)
{
    uint32_t root;
    MaasRegex *re;

    MAAS_TRY(alternation(c, &root));
    if (more(c))
        return bad(c, "unexpected )");
    MAAS_TRY(emit_node(c, root));
    MAAS_TRY(emit(c, (Inst){.op = OP_MATCH}));
    *bytes = sizeof *re + c->n_insts * sizeof *c->insts + c->n_items * sizeof *c->items;
    re = maas_alloc(c->mem, *bytes, c->err);
    if (!re)
        return c->err->status;
    re->n_insts = c->n_insts;
    re->n_items = c->n_items;
    memcpy(re + 1, c->insts, c->n_insts * sizeof *c->insts);
    if (c->n_items > 0)
        memcpy((char *)(re + 1) + c->n_insts * sizeof *c->insts, c->items, c->n_items * sizeof *c->items);
    *program = re;
    return MAAS_OK;
}

MaasStatus maas_regex_compile(const char *pattern, size_t length, MaasMem *mem, MaasRegex **program, size_t *bytes,
                              MaasError *err)
{
    Compiler c = {.pattern = pattern, .length = length, .mem = mem, .err = err};
    MaasStatus status = compile(&c, program, bytes);

    maas_free(mem, c.nodes);
    maas_free(mem, c.items);
    maas_free(mem, c.insts);
    return status;
}
