/*
 * onnx_type.c - TypeProto: declared types and shapes.
 *
 * Named dimensions become symbols of the model.  Sparse and opaque types and
 * element types of the future are noted, so that import can name all of them.
 */
#include "onnx_read.h"

enum { TYPE_TENSOR = 1, TYPE_SEQUENCE = 4, TYPE_MAP = 5, TYPE_OPAQUE = 7, TYPE_SPARSE = 8, TYPE_OPTIONAL = 9 };

static MaasStatus element_type(Import *im, const MaasPbField *f, MaasType *out)
{
    int64_t number;
    MAAS_TRY(maas_pb_int(f, "elem_type", &number, im->err));
    if (number < 0 || number >= MAAS_NTYPES) {
        maas_onnx_bad_type(im, "element type %lld", (long long)number);
        number = MAAS_UNDEFINED;
    }
    *out = (MaasType)number;
    return MAAS_OK;
}

static MaasStatus symbol(Import *im, MaasSlice name, int64_t *dim)
{
    const int *known = maas_names_find(&im->symbols, name);
    const char *copy;

    if (known != NULL) {
        *dim = -2 - (int64_t)*known;
        return MAAS_OK;
    }
    copy = maas_onnx_text(im, name);
    if (copy == NULL)
        return im->err->status;
    MAAS_TRY(maas_symbol_add(&im->model->symbols, im->arena, copy, dim, im->err));
    return maas_names_put(&im->symbols, maas_slice(copy), im->model->symbols.n - 1, im->err);
}

static MaasStatus dimension(Import *im, MaasPb pb, int64_t *dim)
{
    MaasPbField f;
    MaasSlice name;

    *dim = MAAS_DIM_ANY;
    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, im->err));
        if (f.number == 1) {
            MAAS_TRY(maas_pb_int(&f, "dim_value", dim, im->err));
            if (*dim < 0) /* some exporters write -1 for a free dimension */
                *dim = MAAS_DIM_ANY;
        } else if (f.number == 2) {
            MAAS_TRY(maas_pb_text(&f, "dim_param", &name, im->err));
            *dim = MAAS_DIM_ANY;
            if (name.size > 0)
                MAAS_TRY(symbol(im, name, dim));
        }
    }
    return MAAS_OK;
}

static MaasStatus shape(Import *im, MaasPb pb, MaasInfo *info)
{
    MaasPbField f;
    MaasSlice bytes;

    info->rank = 0;
    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, im->err));
        if (f.number != 1)
            continue;
        MAAS_TRY(maas_pb_bytes(&f, "a dimension", &bytes, im->err));
        if (info->rank == MAAS_MAX_RANK)
            return maas_fail(im->err, MAAS_ERR_LIMIT, "a declared shape has more than %d dimensions",
                             MAAS_MAX_RANK);
        MAAS_TRY(dimension(im, maas_pb_inner(&pb, bytes), &info->dims[info->rank++]));
    }
    return MAAS_OK;
}

static MaasStatus read_type(Import *im, MaasPb pb, int depth, MaasInfo *info);

/* A type within a type. */
static MaasStatus inner_type(Import *im, const MaasPb *outer, MaasSlice bytes, int depth, MaasInfo **out)
{
    MaasInfo *elem = maas_arena_alloc(im->arena, sizeof *elem, im->err);
    if (elem == NULL)
        return im->err->status;
    elem->rank = -1;
    *out = elem;
    return read_type(im, maas_pb_inner(outer, bytes), depth + 1, elem);
}

/* The message inside TypeProto of a tensor, sequence, map or optional. */
static MaasStatus read_kind(Import *im, MaasPb pb, int depth, MaasInfo *info)
{
    uint32_t inner = info->kind == MAAS_KIND_MAP ? 2 : 1;
    MaasPbField f;
    MaasSlice bytes;

    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, im->err));
        if (info->kind == MAAS_KIND_TENSOR && f.number == 1) {
            MAAS_TRY(element_type(im, &f, &info->type));
        } else if (info->kind == MAAS_KIND_TENSOR && f.number == 2) {
            MAAS_TRY(maas_pb_bytes(&f, "a shape", &bytes, im->err));
            MAAS_TRY(shape(im, maas_pb_inner(&pb, bytes), info));
        } else if (info->kind == MAAS_KIND_MAP && f.number == 1) {
            MAAS_TRY(element_type(im, &f, &info->key));
        } else if (info->kind != MAAS_KIND_TENSOR && f.number == inner) {
            MAAS_TRY(maas_pb_bytes(&f, "the type of elements", &bytes, im->err));
            MAAS_TRY(inner_type(im, &pb, bytes, depth, &info->elem));
        }
    }
    return MAAS_OK;
}

static MaasStatus read_type(Import *im, MaasPb pb, int depth, MaasInfo *info)
{
    MaasPbField f;
    MaasSlice bytes;

    if (depth > MAAS_MAX_GRAPH_DEPTH)
        return maas_fail(im->err, MAAS_ERR_LIMIT, "types are nested more than %d deep", MAAS_MAX_GRAPH_DEPTH);
    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, im->err));
        switch (f.number) {
        case TYPE_TENSOR:
            info->kind = MAAS_KIND_TENSOR;
            break;
        case TYPE_SEQUENCE:
            info->kind = MAAS_KIND_SEQUENCE;
            break;
        case TYPE_MAP:
            info->kind = MAAS_KIND_MAP;
            break;
        case TYPE_OPTIONAL:
            info->kind = MAAS_KIND_OPTIONAL;
            break;
        case TYPE_SPARSE:
        case TYPE_OPAQUE:
            maas_onnx_bad_type(im,
                               f.number == TYPE_SPARSE ? "a sparse tensor as input or output" : "an opaque type");
            continue;
        default:
            continue;
        }
        MAAS_TRY(maas_pb_bytes(&f, "a type", &bytes, im->err));
        MAAS_TRY(read_kind(im, maas_pb_inner(&pb, bytes), depth, info));
    }
    return MAAS_OK;
}

MaasStatus maas_onnx_type(Import *im, MaasSlice bytes, MaasInfo *info)
{
    return read_type(im, maas_pb_open(bytes.data, bytes.size), 0, info);
}
