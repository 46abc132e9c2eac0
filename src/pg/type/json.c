/*
 * json.c - tensors as jsonb.
 *
 * Nested arrays of numbers, booleans or strings.  NaN and the infinities, which JSON lacks, are the strings "NaN",
 * "Infinity" and "-Infinity".  JSON does not say the element type: numbers become float, which the two-argument
 * form of maas_tensor changes.
 */
#include "postgres.h"
#include "compat.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "tensor.h"

PG_FUNCTION_INFO_V1(maas_tensor_from_jsonb);
PG_FUNCTION_INFO_V1(maas_tensor_to_jsonb);

static bool IsNonFinite(const JsonbValue *v)
{
    return (v->val.string.len == 3 && memcmp(v->val.string.val, "NaN", 3) == 0) ||
           (v->val.string.len == 8 && memcmp(v->val.string.val, "Infinity", 8) == 0) ||
           (v->val.string.len == 9 && memcmp(v->val.string.val, "-Infinity", 9) == 0);
}

/* The element type that the leaves speak of.  A string that is no number decides for string; the reader then finds
 * what does not go with it. */
static MaasType TypeOfLeaves(Jsonb *json)
{
    JsonbIterator *it = JsonbIteratorInit(&json->root);
    JsonbIteratorToken token;
    JsonbValue v;

    while ((token = JsonbIteratorNext(&it, &v, false)) != WJB_DONE) {
        if (token != WJB_ELEM && token != WJB_VALUE)
            continue;
        if (v.type == jbvNumeric)
            return MAAS_FLOAT;
        if (v.type == jbvBool)
            return MAAS_BOOL;
        if (v.type == jbvString && !IsNonFinite(&v))
            return MAAS_STRING;
    }
    return MAAS_FLOAT;
}

/* maas_tensor(jsonb) and maas_tensor(jsonb, dtype text) */
Datum maas_tensor_from_jsonb(PG_FUNCTION_ARGS)
{
    Jsonb *json = PG_GETARG_JSONB_P(0);
    char *written = JsonbToCString(NULL, &json->root, VARSIZE(json));
    MaasPort port = {.name = "", .kind = MAAS_KIND_TENSOR, .rank = -1};
    MaasError err;
    MaasMem mem;
    MaasValue *value;
    const char *utf8;
    size_t length;
    Datum result;

    if (PG_NARGS() > 1) {
        text *name = PG_GETARG_TEXT_PP(1);

        port.type = TensorTypeFromName(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
    } else {
        port.type = TypeOfLeaves(json);
    }
    utf8 = BorderUtf8(written, strlen(written), &length);
    BorderMem(&mem, CurrentMemoryContext);
    BORDER_CHECK(maas_value_from_json(utf8, length, &port, &mem, &value, &err), &err);
    result = TensorFromValue(value);
    maas_value_unref(value);
    return result;
}

Datum maas_tensor_to_jsonb(PG_FUNCTION_ARGS)
{
    MaasError err;
    MaasMem mem;
    MaasValue *value;
    char *json, *text;
    size_t length;
    Datum result;

    BorderMem(&mem, CurrentMemoryContext);
    value = TensorValue(PG_GETARG_TENSOR(0), &mem);
    BORDER_CHECK(maas_value_to_json(value, &mem, &json, &length, &err), &err);
    maas_value_unref(value);
    text = BorderText(json, length);
    maas_free(&mem, json);
    result = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
    pfree(text);
    return result;
}
