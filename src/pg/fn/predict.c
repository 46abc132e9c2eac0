/*
 * predict.c - maas_predict, maas_classify and maas_score for one call: a tensor, an array, a text, a row, jsonb.
 *
 * Each SQL function is a pair of how the inputs are bound (run/bind.h) and what the answer is (run/answer.h).  All
 * are strict: NULL in gives NULL out.
 */
#include "postgres.h"
#include "compat.h"

#include "catalog/pg_type.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"

#include "run/answer.h"
#include "run/bind.h"
#include "type/tensor.h"

PG_FUNCTION_INFO_V1(maas_predict);
PG_FUNCTION_INFO_V1(maas_predict_array);
PG_FUNCTION_INFO_V1(maas_predict_text);
PG_FUNCTION_INFO_V1(maas_predict_row);
PG_FUNCTION_INFO_V1(maas_predict_json);
PG_FUNCTION_INFO_V1(maas_predict_at);
PG_FUNCTION_INFO_V1(maas_classify);
PG_FUNCTION_INFO_V1(maas_classify_array);
PG_FUNCTION_INFO_V1(maas_classify_text);
PG_FUNCTION_INFO_V1(maas_classify_row);
PG_FUNCTION_INFO_V1(maas_classify_json);
PG_FUNCTION_INFO_V1(maas_score);
PG_FUNCTION_INFO_V1(maas_score_array);
PG_FUNCTION_INFO_V1(maas_score_text);
PG_FUNCTION_INFO_V1(maas_score_row);
PG_FUNCTION_INFO_V1(maas_score_json);
PG_FUNCTION_INFO_V1(maas_predict_support);

/* ---- the second argument ---- */

typedef void (*Binder)(Call *call, Datum value);

static void FromTensor(Call *call, Datum value)
{
    MaasTensor view;

    TensorView(DatumGetTensor(value), &view);
    BindTensor(call, &view);
}

static void FromArray(Call *call, Datum value)
{
    BindArray(call, DatumGetArrayTypeP(value));
}

static void FromText(Call *call, Datum value)
{
    BindText(call, DatumGetTextPP(value));
}

static void FromRow(Call *call, Datum value)
{
    BindRow(call, DatumGetHeapTupleHeader(value));
}

/* ---- the answers ---- */

static Datum Predict(FunctionCallInfo fcinfo, Binder bind)
{
    Call call;
    Datum result;

    CallBegin(&call, fcinfo->flinfo, PG_GETARG_TEXT_PP(0));
    bind(&call, PG_GETARG_DATUM(1));
    result = AnswerTensor(&call, PG_NARGS() > 2 ? PG_GETARG_TEXT_PP(2) : NULL);
    CallEnd(&call);
    return result;
}

static Datum One(FunctionCallInfo fcinfo, Binder bind, Datum (*answer)(Call *call))
{
    Call call;
    Datum result;

    CallBegin(&call, fcinfo->flinfo, PG_GETARG_TEXT_PP(0));
    bind(&call, PG_GETARG_DATUM(1));
    result = answer(&call);
    CallEnd(&call);
    return result;
}

Datum maas_predict(PG_FUNCTION_ARGS)
{
    return Predict(fcinfo, FromTensor);
}

Datum maas_predict_array(PG_FUNCTION_ARGS)
{
    return Predict(fcinfo, FromArray);
}

Datum maas_predict_text(PG_FUNCTION_ARGS)
{
    return Predict(fcinfo, FromText);
}

Datum maas_predict_row(PG_FUNCTION_ARGS)
{
    return Predict(fcinfo, FromRow);
}

Datum maas_predict_json(PG_FUNCTION_ARGS)
{
    return One(fcinfo, BindJson, AnswerJson);
}

Datum maas_classify(PG_FUNCTION_ARGS)
{
    return One(fcinfo, FromTensor, AnswerLabel);
}

Datum maas_classify_array(PG_FUNCTION_ARGS)
{
    return One(fcinfo, FromArray, AnswerLabel);
}

Datum maas_classify_text(PG_FUNCTION_ARGS)
{
    return One(fcinfo, FromText, AnswerLabel);
}

Datum maas_classify_row(PG_FUNCTION_ARGS)
{
    return One(fcinfo, FromRow, AnswerLabel);
}

Datum maas_classify_json(PG_FUNCTION_ARGS)
{
    return One(fcinfo, BindJson, AnswerLabel);
}

Datum maas_score(PG_FUNCTION_ARGS)
{
    return One(fcinfo, FromTensor, AnswerScore);
}

Datum maas_score_array(PG_FUNCTION_ARGS)
{
    return One(fcinfo, FromArray, AnswerScore);
}

Datum maas_score_text(PG_FUNCTION_ARGS)
{
    return One(fcinfo, FromText, AnswerScore);
}

Datum maas_score_row(PG_FUNCTION_ARGS)
{
    return One(fcinfo, FromRow, AnswerScore);
}

Datum maas_score_json(PG_FUNCTION_ARGS)
{
    return One(fcinfo, BindJson, AnswerScore);
}

/* The content is named instead of a name, so the answer never changes; the right to use it is still asked for. */
Datum maas_predict_at(PG_FUNCTION_ARGS)
{
    bytea *sha256 = PG_GETARG_BYTEA_PP(0);
    Call call;
    Datum result;

    if (VARSIZE_ANY_EXHDR(sha256) != MODEL_SHA256_BYTES)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("a SHA-256 has %d bytes, got %d", MODEL_SHA256_BYTES, (int)VARSIZE_ANY_EXHDR(sha256)),
                 errhint("The view maas.versions shows it.")));
    CallBeginRef(&call, LookupContent(fcinfo->flinfo, (const uint8 *)VARDATA_ANY(sha256)));
    FromTensor(&call, PG_GETARG_DATUM(1));
    result = AnswerTensor(&call, PG_NARGS() > 2 ? PG_GETARG_TEXT_PP(2) : NULL);
    CallEnd(&call);
    return result;
}

/* ---- for the planner ---- */

/* Operations in the time of one cpu_operator_cost, a rough figure. */
#define FLOPS_PER_OPERATOR 50.0

/* The cost of a call from the model's operations, when its name is known while planning. */
Datum maas_predict_support(PG_FUNCTION_ARGS)
{
    Node *request = (Node *)PG_GETARG_POINTER(0);
    SupportRequestCost *cost;
    List *args;
    Const *model;
    struct varlena *value;
    double flops;

    if (!IsA(request, SupportRequestCost))
        PG_RETURN_POINTER(NULL);
    cost = (SupportRequestCost *)request;
    if (!cost->node || !IsA(cost->node, FuncExpr))
        PG_RETURN_POINTER(NULL);
    args = ((FuncExpr *)cost->node)->args;
    model = args ? (Const *)linitial(args) : NULL;
    if (!model || !IsA(model, Const) || model->constisnull ||
        (model->consttype != TEXTOID && model->consttype != BYTEAOID))
        PG_RETURN_POINTER(NULL);
    value = PG_DETOAST_DATUM_PACKED(model->constvalue);
    flops = LookupFlops(model->consttype == BYTEAOID, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
    if (flops < 0)
        PG_RETURN_POINTER(NULL);
    cost->startup = 0;
    cost->per_tuple = cpu_operator_cost * (100.0 + flops / FLOPS_PER_OPERATOR);
    PG_RETURN_POINTER(cost);
}
