/*
 * dims.h - what the inference of operators that move data has in common: axes, known vectors, products of sizes.
 */
#ifndef MAAS_OP_DIMS_H
#define MAAS_OP_DIMS_H

#include "op.h"

static inline bool maas_present(const MaasInferCtx *c, int i)
{
    return i < c->n_in && c->in[i] != NULL;
}

/* axis in [-rank, rank), checked before. */
static inline int maas_axis(int64_t axis, int rank)
{
    return (int)(axis < 0 ? axis + rank : axis);
}

/* Whether an attribute's string is this text. */
bool maas_text_is(MaasStr string, const char *text);
/* Whether all sizes are numbers. */
bool maas_dims_known(int rank, const int64_t *dims);
/* a * b for sizes; unknown when either is, MAAS_ERR_LIMIT on overflow. */
MaasStatus maas_infer_mul(const MaasInferCtx *c, int64_t a, int64_t b, int64_t *product);
/* Fails when both are numbers that differ. */
MaasStatus maas_infer_equal(const MaasInferCtx *c, const char *what, int64_t expected, int64_t got);
/* A rank that a tensor of this engine can have. */
MaasStatus maas_infer_rank(const MaasInferCtx *c, int64_t rank);
/* Input i must be of this rank if its rank is known. */
MaasStatus maas_infer_want_rank(const MaasInferCtx *c, int i, int rank);
/* Input i is a vector; its length, or a negative number when unknown. */
MaasStatus maas_infer_vector(const MaasInferCtx *c, int i, int64_t *length);
/* Input i holds one element (rank 0, or every size 1). */
MaasStatus maas_infer_scalar(const MaasInferCtx *c, int i);
/* Normalises n axes of a tensor of this rank; fails on one that is out of range or given twice. */
MaasStatus maas_infer_axes(const MaasInferCtx *c, int64_t n, const int64_t *list, int rank, int *axes);
/* The same for a known tensor of axes; *n gets their number. */
MaasStatus maas_infer_axes_of(const MaasInferCtx *c, const MaasTensor *t, int rank, int *axes, int *n);
/* Output i is a vector (rank 1) or a scalar (rank 0, n = 1) of int64 with known content. */
MaasStatus maas_infer_ints(MaasInferCtx *c, int i, int rank, int64_t n, const int64_t *values);
/* Output 0 has the shape that input i, a vector of int64, says. */
MaasStatus maas_infer_shaped(MaasInferCtx *c, int i);
/* The part [*from, *to) of the sizes that Shape's attributes start and end ask for. */
void maas_shape_range(const MaasAttr *attr, int rank, int *from, int *to);
/* Element k of input i, a shape, where it is known at load: a size or its symbol. */
bool maas_known_size(const MaasInferCtx *c, int i, int64_t k, int64_t *size);
/* The element types that an attribute `dtype` may name; refuses others. */
MaasStatus maas_infer_dtype(const MaasInferCtx *c, int64_t dtype, MaasTypeSet allowed, MaasType *type);
/* A copy of an info that lives as long as the inference results, without its content. */
MaasInfo *maas_infer_copy(MaasInferCtx *c, const MaasInfo *info);
/* dst becomes what is known of a value that is either of the two; fails when kinds or element types differ.  An
 * optional stays one when src is what it may hold. */
MaasStatus maas_infer_merge(MaasInferCtx *c, const char *what, MaasInfo *dst, const MaasInfo *src, bool *changed);

/* Refuses constant indices that are out of range: input i, whose last axis holds `depth` numbers for the axes of
 * `sizes`.  Only before `data` itself is known: then the computation checks them. */
MaasStatus maas_infer_indices(const MaasInferCtx *c, int i, const MaasInfo *data, int64_t depth,
                              const int64_t *sizes);

/* shape_value.c: which elements of a shape are known, for the record's `sizes` */
MaasStatus maas_sizes_shape(MaasInferCtx *c);
MaasStatus maas_sizes_same(MaasInferCtx *c);
MaasStatus maas_sizes_gather(MaasInferCtx *c);
MaasStatus maas_sizes_slice(MaasInferCtx *c);
MaasStatus maas_sizes_concat(MaasInferCtx *c);
MaasStatus maas_sizes_add(MaasInferCtx *c);
MaasStatus maas_sizes_sub(MaasInferCtx *c);
MaasStatus maas_sizes_mul(MaasInferCtx *c);
MaasStatus maas_sizes_div(MaasInferCtx *c);

/* Element i of a number tensor as double; 0 for types that are not numbers. */
double maas_number_at(const MaasTensor *t, int64_t i);
/* Element i of a number tensor as int64 (floats are cut, saturated; NaN becomes 0). */
int64_t maas_int_at(const MaasTensor *t, int64_t i);
/* Writes the number one in any number type (or bool); element has 8 bytes. */
void maas_one(MaasType type, void *element);

#endif
