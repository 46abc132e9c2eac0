/*
 * test_attention.c - the operator Attention in float32, which is computed block by block, against itself in
 * float64, which is computed as the specification says.
 */
#include <stdio.h>

#include "fusing.h"

/* rest, rest_d: the inputs behind V; those that are float64 for the second. */
static void compare_with(const char *lines, const char *rest, const char *rest_d, const char *attrs)
{
    char text[1500];

    snprintf(text, sizeof text,
             "opset 24\n%sCast q > qd to=11\nCast k > kd to=11\nCast v > vd to=11\n"
             "Attention q k v %s > y %s\nAttention qd kd vd %s > d %s\nCast d > f to=1\nSub y f > gap\nout gap\n",
             lines, rest, attrs, rest_d, attrs);
    check_vanishing(text);
}

static void compare(const char *lines, const char *rest, const char *attrs)
{
    compare_with(lines, rest, rest, attrs);
}

/* Heads in both layouts that share keys and values; more queries and keys than a block holds. */
TEST(attention_blocks)
{
    static const char *const shapes[] = {
        "in q N,6,L,8\nin k N,2,S,8\nin v N,2,S,5\n",
        "in q N,4,1,8\nin k N,1,300,8\nin v N,1,300,5\n",
        "in q 1,2,200,8\nin k 1,2,300,8\nin v 1,2,300,5\n",
        "in q 1,2,300,8\nin k 1,2,200,8\nin v 1,2,200,5\n",
    };
    static const char *const attrs[] = {
        "",
        "is_causal=1 softcap=0.7",
        "is_causal=1 scale=2.0",
    };

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t k = 0; k < sizeof attrs / sizeof *attrs; k++)
            compare(shapes[i], "", attrs[k]);
    compare("in q N,L,24\nin k N,S,8\nin v N,S,6\n", "", "q_num_heads=6 kv_num_heads=2 is_causal=1");
    compare("in q N,1,24\nin k N,S,8\nin v N,S,6\n", "", "q_num_heads=6 kv_num_heads=2 softcap=0.5");
}

/* Masks of every type and rank, of fewer keys than there are, and rows of which nothing is left. */
TEST(attention_masks)
{
    static const char *const shape = "in q N,4,40,8\nin k N,2,300,8\nin v N,2,300,5\nvalue low 0.2\n";
    static const struct {
        const char *lines, *name;
    } masks[] = {
        {"in m 40,300\n", "m"},
        {"in m N,1,1,300\n", "m"},
        {"in m 4,40,290\n", "m"},
        {"in mf 40,300\nLess mf low > m\n", "m"},
        {"in mf N,4,1,290\nLess mf low > m\n", "m"},
        {"in mf 40,1\nin g 1,300\nLess mf low > fm\nLess g low > gm\nAnd fm gm > m\n", "m"},
        {"value gone -inf\nvalue none 0\nin mf 40,300\nin g 40,1\nLess mf low > fm\nLess g low > gm\n"
         "And fm gm > hm\nWhere hm none gone > m\n",
         "m"},
        {"in mf 40,300\nCast mf > m to=11\n", "m"},
    };
    char lines[600];

    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++)
        for (int causal = 0; causal < 2; causal++) {
            snprintf(lines, sizeof lines, "%s%s", shape, masks[i].lines);
            compare(lines, masks[i].name, causal ? "is_causal=1" : "");
        }
    compare("in q N,4,1,8\nin k N,2,S,8\nin v N,2,S,5\nin m S\n", "m", ""); /* one query: heads are rows */
    compare("in q N,4,1,8\nin k N,2,S,8\nin v N,2,S,5\nin m 4,1,S\n", "m", "");
}

/* What came before, and how many keys of each example count. */
TEST(attention_cache)
{
    compare_with("in q N,4,L,8\nin k N,2,L,8\nin v N,2,L,5\nin pk N,2,90,8\nin pv N,2,90,5\n"
                 "Cast pk > pkd to=11\nCast pv > pvd to=11\n",
                 "- pk pv", "- pkd pvd", "is_causal=1");
    compare("in q 3,4,20,8\nin k 3,2,300,8\nin v 3,2,300,5\nvalue n int64:[300,7,0]\n", "- - - n", "is_causal=1");
    compare("in q 3,4,1,8\nin k 3,2,300,8\nin v 3,2,300,5\nvalue n int64:[300,7,0]\n", "- - - n", "is_causal=1");
}
