/*
 * signature.h - what the catalog tells about a model without loading it.
 */
#ifndef MAAS_PG_CATALOG_SIGNATURE_H
#define MAAS_PG_CATALOG_SIGNATURE_H

#include "border.h"

/* The column maas.model_version.signature as jsonb. */
Datum SignatureMake(const MaasModelInfo *info);

#endif
