/*
 * lookup.h - from a model's name to one version, as the caller is allowed to see it.
 */
#ifndef MAAS_PG_CATALOG_LOOKUP_H
#define MAAS_PG_CATALOG_LOOKUP_H

#include "fmgr.h"

#include "statement.h"

#define MODEL_SHA256_BYTES 32

/* One version of a model.  The strings belong to the table of decisions or to the caller's memory context, see
 * the functions below. */
typedef struct ModelRef {
    const char *name; /* of the model, without what follows @ */
    int64 model;
    int32 number;
    uint8 sha256[MODEL_SHA256_BYTES];
    bool null_as_nan;
    int n_labels;
    const char **labels; /* given when the model was loaded */
    int64 size;
    double flops; /* of one example */
} ModelRef;

/* The version that the text `name` asks for: 'churn', 'churn@4' or 'churn@canary'.  Throws when there is none or
 * the caller may not use it.  The answer is kept within the statement; it is valid until SQL runs again. */
const ModelRef *LookupModel(const FmgrInfo *flinfo, const char *name, size_t length);

/* Any version with this content that the caller may use. */
const ModelRef *LookupContent(const FmgrInfo *flinfo, const uint8 *sha256);

/* The operations of one example of a model for the planner, by its name or by its hash; negative when the caller
 * sees no such model.  May be out of date. */
double LookupFlops(bool content, const char *asked, size_t length);

/* What a model may be wanted for beyond predicting. */
typedef enum ModelRight { MODEL_DOWNLOAD, MODEL_MANAGE, MODEL_OWN } ModelRight;

/* Throws unless the caller has the right on the model. */
void RequireRight(int64 model, const char *name, ModelRight right);

/* The number of a model by its bare name; throws when the caller does not see it. */
int64 LookupModelId(const char *name);

/* Throws that there is no such model, or none that the caller may use. */
pg_noreturn void ModelMissing(const char *name);

#endif
