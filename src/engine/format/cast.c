/*
 * cast.c - a tensor of another element type.
 *
 * The conversions themselves are in base/convert.c; here are memory, strings and the place that a failure names.
 */
#include <string.h>

#include "../base/convert.h"
#include "../maas.h"

/* "[3,1]": element i of a tensor; "" when it is the only one of rank 0. */
static const char *place_text(const MaasTensor *t, int64_t i, char *text, size_t size)
{
    int64_t index[MAAS_MAX_RANK];

    if (t->rank == 0)
        return "";
    for (int d = t->rank; d-- > 0; i /= t->dims[d])
        index[d] = i % t->dims[d];
    return maas_dims_text(t->rank, index, NULL, text, size);
}

static MaasStatus fail_element(const MaasTensor *t, int64_t i, MaasType type, MaasError *err)
{
    char place[256], value[MAAS_NUMBER_TEXT];
    const char *where = place_text(t, i, place, sizeof place);

    maas_number_to_string(t->type, (const char *)t->data + (size_t)i * maas_type_size(t->type), value);
    return maas_fail(err, MAAS_ERR_VALUE, "%s%s%s%s cannot be converted to %s", where[0] ? "element " : "", where,
                     where[0] ? ": " : "", value, maas_type_name(type));
}

static MaasStatus from_strings(const MaasTensor *t, MaasType type, bool exact, MaasTensor *out, MaasError *err)
{
    size_t size = maas_type_size(type);
    char place[256];

    for (int64_t i = 0; i < t->count; i++)
        if (maas_string_to_number(MAAS_STRS(t)[i], type, (char *)out->data + (size_t)i * size, NULL, exact, err) !=
            MAAS_OK) {
            if (t->rank > 0)
                maas_error_prefix(err, "element %s", place_text(t, i, place, sizeof place));
            return err->status;
        }
    return MAAS_OK;
}

/* Writes every element as text into one block, then makes the tensor of it. */
static MaasStatus to_strings(const MaasTensor *t, MaasMem *mem, MaasValue **out, MaasError *err)
{
    size_t size = maas_type_size(t->type);
    MaasStr *strings = maas_alloc_array(mem, (size_t)t->count, sizeof *strings + MAAS_NUMBER_TEXT, err);
    MaasStatus status;
    char *texts;

    if (!strings)
        return err->status;
    texts = (char *)(strings + t->count);
    for (int64_t i = 0; i < t->count; i++, texts += MAAS_NUMBER_TEXT)
        strings[i] =
            (MaasStr){texts, maas_number_to_string(t->type, (const char *)t->data + (size_t)i * size, texts)};
    status = maas_value_new_strings(mem, t->rank, t->dims, strings, out, err);
    maas_free(mem, strings);
    return status;
}

MaasStatus maas_tensor_cast(const MaasTensor *tensor, MaasType type, bool exact, MaasMem *mem, MaasValue **out,
                            MaasError *err)
{
    MaasStatus status = MAAS_OK;
    MaasValue *value;
    MaasTensor *t;

    if (tensor->type == MAAS_STRING && type == MAAS_STRING)
        return maas_value_new_strings(mem, tensor->rank, tensor->dims, MAAS_STRS(tensor), out, err);
    if (type == MAAS_STRING)
        return to_strings(tensor, mem, out, err);
    if (!maas_can_convert(tensor->type == MAAS_STRING ? MAAS_DOUBLE : tensor->type, type))
        return maas_fail(err, MAAS_ERR_TYPE, "a tensor of type %s cannot be converted to %s",
                         maas_type_name(tensor->type), maas_type_name(type));
    MAAS_TRY(maas_value_new_tensor(mem, type, tensor->rank, tensor->dims, &value, err));
    t = &value->tensor;
    if (tensor->type == MAAS_STRING) {
        status = from_strings(tensor, type, exact, t, err);
    } else if (exact) {
        int64_t i = maas_convert_exact(tensor->type, tensor->data, type, t->data, t->count);

        if (i < t->count)
            status = fail_element(tensor, i, type, err);
    } else {
        maas_convert(tensor->type, tensor->data, type, t->data, t->count, NULL);
    }
    if (status == MAAS_OK)
        *out = value;
    else
        maas_value_unref(value);
    return status;
}
