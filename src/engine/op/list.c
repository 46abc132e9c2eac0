/*
 * list.c - the list of all operators and the search in it.
 */
#include <string.h>

#include "op.h"

#define OP(record) extern const MaasOp record;
#include "list.def"
#undef OP

const MaasOp *const maas_ops[] = {
#define OP(record) &record,
#include "list.def"
#undef OP
    NULL};

const MaasOp *maas_op_find(const char *domain, const char *name)
{
    if (strcmp(domain, "ai.onnx") == 0)
        domain = "";
    for (const MaasOp *const *op = maas_ops; *op; op++)
        if (strcmp((*op)->name, name) == 0 && strcmp((*op)->domain != NULL ? (*op)->domain : "", domain) == 0)
            return *op;
    return NULL;
}
