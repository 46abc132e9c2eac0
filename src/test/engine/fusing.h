/*
 * fusing.h - small models as text, run with the passes of transform/ and without.
 *
 * A model is lines:
 *   opset 24              the first line, where it is not 21
 *   in x N,8,4            an input of float32; letters are free dimensions
 *   in ids N,6 int64      one of integers from 0 to 7
 *   const w 8,5           float32 of random numbers from -1 to 1; a number behind the shape scales them
 *   value s int64:[0,-1]  a constant as text
 *   Gemm x w b > y transB=1 alpha=0.5    a node of ai.onnx; - is an absent input
 *   If c > y then_branch{MatMul,x,w>t} else_branch{Identity,x>e}    an attribute that is a graph of one node
 *   out y z
 */
#ifndef MAAS_TEST_FUSING_H
#define MAAS_TEST_FUSING_H

#include "refusal.h"

/* Says which internal operator the tests of a file compare; a test wants one such line for each. */
#define COMPARES(op)                                                                                               \
    __attribute__((constructor)) static void compares_##op(void)                                                   \
    {                                                                                                              \
        fusing_compares(#op);                                                                                      \
    }
void fusing_compares(const char *op);

/*
 * The loaded model must hold `count` nodes of operator `op`, and every output must be the same with
 * and without passes up to rounding: at every CPU level, for several sizes of the free dimensions, on one thread
 * and on three, and with every single allocation failing in turn.
 */
void check_fusing(const char *op, int count, const char *model);

/* The model of a file must hold `count` nodes of operator `op` after the passes. */
void check_fused_file(const char *op, int count, const char *path);

/* Every output, of float32, must be 0 up to rounding, in the same ways. */
void check_vanishing(const char *model);

/* Writes a model; the caller gives it to build_free. */
void build_lines(Build *b, const char *model);

#endif
