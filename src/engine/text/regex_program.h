/*
 * regex_program.h - the form of a compiled regular expression.
 */
#ifndef MAAS_TEXT_REGEX_PROGRAM_H
#define MAAS_TEXT_REGEX_PROGRAM_H

#include "regex.h"

typedef enum Op {
    OP_MATCH,
    OP_JUMP,   /* to x */
    OP_SPLIT,  /* to x and y */
    OP_ASSERT, /* y holds, then to x */
    OP_CHAR,   /* from here on: read a rune, then to the next instruction.  x: the rune */
    OP_ANY,
    OP_ANY_BUT_NEWLINE,
    OP_CLASS /* one of the items [x, x + y) */
} Op;

typedef enum Assertion { BEGIN_TEXT, END_TEXT, BEGIN_LINE, END_LINE, WORD_EDGE, NO_WORD_EDGE } Assertion;

#define INST_FOLD 1 /* class: letter case does not matter */
#define INST_NOT 2  /* class: none of the items */

typedef struct Inst {
    uint16_t op, flags;
    uint32_t x, y;
} Inst;

/* Runes low to high; with CLASS_CATEGORY in low: those of the categories in high, with CLASS_NOT: all others. */
#define CLASS_CATEGORY 0x80000000u
#define CLASS_NOT 0x40000000u

typedef struct ClassItem {
    uint32_t low, high;
} ClassItem;

/* Followed by n_insts instructions and n_items items. */
struct MaasRegex {
    uint32_t n_insts, n_items;
};

static inline const Inst *regex_insts(const MaasRegex *re)
{
    return (const Inst *)(re + 1);
}

static inline const ClassItem *regex_items(const MaasRegex *re)
{
    return (const ClassItem *)(regex_insts(re) + re->n_insts);
}

#endif
