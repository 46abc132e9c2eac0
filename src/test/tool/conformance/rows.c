/*
 * rows.c - tests that rows are independent where the engine says so: each case with its first dimensions made free,
 * run as a whole, in pieces and row by row.
 *
 * Official cases have fixed sizes, and what would be weights are inputs.  So a case is tried in several forms: some
 * of its inputs hold rows along axis 0, the others become constants with the content of the data set.  A form
 * counts when the engine calls an output of it independent; then every piece must give what the whole gave for its
 * rows.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../engine/format/protobuf.h"
#include "case.h"

#define MAX_INPUTS 8
#define MAX_SINGLES 12 /* rows that are run alone */
#define SUM_ERROR 1e-6 /* a product of other sizes may add in another order: part of the largest element */

typedef struct Form {
    Case *c;
    uint32_t rows; /* inputs that hold rows, as a bit mask; the others become constants */
    bool moved;    /* the rows are on axis 1 inside: transposed behind the inputs and before the outputs */
    const MaasModelInfo *info; /* of the model as it is */
    int n_in;
    MaasValue *values[MAX_INPUTS]; /* of the data set, in the order of the ports */
    Bytes files[MAX_INPUTS];
    char *names[MAX_INPUTS];
} Form;

/* ---- the model, rewritten ---- */

/* Copies a message but for what visit writes itself or leaves out. */
static void copy_fields(MaasPbOut *out, MaasSlice message,
                        bool (*visit)(MaasPbOut *out, const MaasPbField *f, void *arg), void *arg)
{
    MaasPb pb = maas_pb_open(message.data, message.size);
    MaasPbField f;
    MaasError err;

    while (maas_pb_more(&pb) && maas_pb_next(&pb, &f, &err) == MAAS_OK) {
        if (visit(out, &f, arg))
            continue;
        if (f.wire == MAAS_PB_BYTES)
            maas_pb_put_bytes(out, f.number, f.bytes.data, f.bytes.size);
        else if (f.wire == MAAS_PB_VARINT)
            maas_pb_put_int(out, f.number, (int64_t)f.value);
        else if (f.wire == MAAS_PB_FIXED32) {
            float value;

            memcpy(&value, &f.value, sizeof value);
            maas_pb_put_float(out, f.number, value);
        }
    }
}

/* Field `number` of a message is rewritten by visit, as a nested message. */
static bool nested(MaasPbOut *out, const MaasPbField *f, uint32_t number,
                   bool (*visit)(MaasPbOut *out, const MaasPbField *f, void *arg), void *arg)
{
    if (f->number != number || f->wire != MAAS_PB_BYTES)
        return false;
    size_t mark = maas_pb_begin(out, number);

    copy_fields(out, f->bytes, visit, arg);
    maas_pb_end(out, mark);
    return true;
}

/* TensorShapeProto: the first dimension becomes free. */
static bool free_dim(MaasPbOut *out, const MaasPbField *f, void *arg)
{
    bool *first = arg;

    if (f->number != 1 || !*first)
        return false;
    *first = false;
    maas_pb_put_bytes(out, 1, "", 0);
    return true;
}

/* TypeProto.Tensor: arg tells whether the shape is dropped or its first dimension made free. */
static bool change_shape(MaasPbOut *out, const MaasPbField *f, void *arg)
{
    bool drop = *(const bool *)arg, first = true;

    return drop ? f->number == 2 : nested(out, f, 2, free_dim, &first);
}

static bool change_type(MaasPbOut *out, const MaasPbField *f, void *arg)
{
    return nested(out, f, 1, change_shape, arg);
}

static bool change_value(MaasPbOut *out, const MaasPbField *f, void *arg)
{
    return nested(out, f, 2, change_type, arg);
}

/* The number of the input that a ValueInfoProto declares, or -1. */
static int input_of(const Form *form, MaasSlice value)
{
    MaasPb pb = maas_pb_open(value.data, value.size);
    MaasPbField f;
    MaasError err;

    while (maas_pb_more(&pb) && maas_pb_next(&pb, &f, &err) == MAAS_OK)
        for (int k = 0; f.number == 1 && k < form->n_in; k++)
            if (strlen(form->names[k]) == f.bytes.size && memcmp(form->names[k], f.bytes.data, f.bytes.size) == 0)
                return k;
    return -1;
}

static bool drop_name(MaasPbOut *out, const MaasPbField *f, void *arg)
{
    (void)out;
    (void)arg;
    return f->number == 8;
}

#define MOVED "rows_" /* before the names of what is transposed */

static void put_moved_name(MaasPbOut *out, uint32_t field, const char *name)
{
    char text[256];

    snprintf(text, sizeof text, MOVED "%.200s", name);
    maas_pb_put_bytes(out, field, text, strlen(text));
}

/* A node that exchanges axes 0 and 1; in: from what is outside to what is inside. */
static void put_transpose(MaasPbOut *out, const char *name, int rank, bool in)
{
    size_t node = maas_pb_begin(out, 1), attr;

    if (in)
        put_moved_name(out, 1, name);
    else
        maas_pb_put_bytes(out, 1, name, strlen(name));
    if (in)
        maas_pb_put_bytes(out, 2, name, strlen(name));
    else
        put_moved_name(out, 2, name);
    maas_pb_put_bytes(out, 4, "Transpose", 9);
    attr = maas_pb_begin(out, 5);
    maas_pb_put_bytes(out, 1, "perm", 4);
    for (int d = 0; d < rank; d++)
        maas_pb_put_int(out, 8, d < 2 ? 1 - d : d);
    maas_pb_put_int(out, 20, 7);
    maas_pb_end(out, attr);
    maas_pb_end(out, node);
}

/* Input k with the rows in front, and the node that puts them on axis 1. */
static void put_moved_input(MaasPbOut *out, const Form *form, int k)
{
    const MaasTensor *t = &form->values[k]->tensor; /* transposed already */
    size_t value = maas_pb_begin(out, 11), type, tensor, shape;

    put_moved_name(out, 1, form->names[k]);
    type = maas_pb_begin(out, 2);
    tensor = maas_pb_begin(out, 1);
    maas_pb_put_int(out, 1, t->type);
    shape = maas_pb_begin(out, 2);
    for (int d = 0; d < t->rank; d++) {
        size_t dim = maas_pb_begin(out, 1);

        if (d > 0)
            maas_pb_put_int(out, 1, t->dims[d]);
        maas_pb_end(out, dim);
    }
    maas_pb_end(out, shape);
    maas_pb_end(out, tensor);
    maas_pb_end(out, type);
    maas_pb_end(out, value);
    put_transpose(out, form->names[k], t->rank, true);
}

/* The output that a ValueInfoProto names, with its axes 0 and 1 exchanged; false when it has none. */
static bool put_moved_output(MaasPbOut *out, const Form *form, MaasSlice value)
{
    for (int o = 0; o < form->info->n_outputs; o++) {
        const MaasPort *port = &form->info->outputs[o];
        MaasPb pb = maas_pb_open(value.data, value.size);
        MaasPbField f;
        MaasError err;

        while (maas_pb_more(&pb) && maas_pb_next(&pb, &f, &err) == MAAS_OK) {
            if (f.number != 1 || f.bytes.size != strlen(port->name) ||
                memcmp(f.bytes.data, port->name, f.bytes.size) != 0)
                continue;
            if (port->kind != MAAS_KIND_TENSOR || port->rank < 2)
                return false;
            size_t mark = maas_pb_begin(out, 12);

            put_moved_name(out, 1, port->name);
            maas_pb_end(out, mark);
            put_transpose(out, port->name, port->rank, false);
            return true;
        }
    }
    return false;
}

static bool change_graph(MaasPbOut *out, const MaasPbField *f, void *arg)
{
    static const bool drop = true, keep = false;
    const Form *form = arg;
    int k;

    if (f->number == 13)
        return true;
    if (f->number == 12 && form->moved && put_moved_output(out, form, f->bytes))
        return true;
    if (f->number == 12)
        return nested(out, f, 12, change_value, (void *)&drop);
    if (f->number != 11 || (k = input_of(form, f->bytes)) < 0)
        return false;
    if (form->rows >> k & 1 && form->moved) {
        put_moved_input(out, form, k);
        return true;
    }
    if (form->rows >> k & 1)
        return nested(out, f, 11, change_value, (void *)&keep);
    size_t mark = maas_pb_begin(out, 5); /* an initialiser: the data set's tensor under the input's name */

    copy_fields(out, (MaasSlice){form->files[k].data, form->files[k].size}, drop_name, NULL);
    maas_pb_put_bytes(out, 8, form->names[k], strlen(form->names[k]));
    maas_pb_end(out, mark);
    return true;
}

static bool change_model(MaasPbOut *out, const MaasPbField *f, void *arg)
{
    return nested(out, f, 7, change_graph, arg);
}

/* ---- inputs and pieces ---- */

/* Rows [from, to) of a value as a value of its own that shares the memory. */
static MaasValue rows_of(const MaasValue *value, int64_t from, int64_t to)
{
    MaasValue piece = *value;
    MaasTensor *t = &piece.tensor;
    int64_t row = t->dims[0] > 0 ? t->count / t->dims[0] : 0;

    t->data = (char *)t->data + (size_t)(from * row) * maas_type_size(t->type);
    t->dims[0] = to - from;
    t->count = (to - from) * row;
    return piece;
}

/* A single row makes three: its elements turned round by one and by two places. */
static bool make_three(Case *c, MaasValue **value)
{
    const MaasTensor *t = &(*value)->tensor;
    int64_t dims[MAAS_MAX_RANK];
    size_t size = maas_type_size(t->type);
    MaasValue *three;
    MaasError err;

    memcpy(dims, t->dims, sizeof dims);
    dims[0] = 3;
    if (maas_value_new_tensor(c->data, t->type, t->rank, dims, &three, &err) != MAAS_OK)
        return false;
    for (int64_t r = 0; r < 3; r++)
        for (int64_t i = 0; i < t->count; i++)
            memcpy((char *)three->tensor.data + (size_t)(r * t->count + i) * size,
                   (const char *)t->data + (size_t)((i + r) % t->count) * size, size);
    maas_value_unref(*value);
    *value = three;
    return true;
}

/* Exchanges axes 0 and 1 of a value. */
static bool exchange(Case *c, MaasValue **value)
{
    const MaasTensor *t = &(*value)->tensor;
    int64_t dims[MAAS_MAX_RANK];
    MaasValue *turned;
    MaasError err;

    memcpy(dims, t->dims, sizeof dims);
    dims[0] = t->dims[1];
    dims[1] = t->dims[0];
    if (maas_value_new_tensor(c->data, t->type, t->rank, dims, &turned, &err) != MAAS_OK)
        return false;
    size_t bytes = dims[0] && dims[1] ? maas_tensor_bytes(t) / (size_t)(dims[0] * dims[1]) : 0;

    for (int64_t i = 0; i < dims[0]; i++)
        for (int64_t j = 0; j < dims[1] && bytes; j++)
            memcpy((char *)turned->tensor.data + (size_t)(i * dims[1] + j) * bytes,
                   (const char *)t->data + (size_t)(j * dims[0] + i) * bytes, bytes);
    maas_value_unref(*value);
    *value = turned;
    return true;
}

typedef struct Piece {
    const Form *form;
    MaasModel *model;
    int n_wanted, *wanted;
    int64_t piece_rows; /* into which the engine itself divides the rows; 0: as it likes */
    int threads;
} Piece;

/* Runs rows [from, to) of the inputs. */
static MaasStatus run_rows(const Piece *p, int64_t from, int64_t to, MaasResults **results, MaasError *err)
{
    const Form *form = p->form;
    const MaasModelInfo *info = maas_model_info(p->model);
    MaasRunOptions options = {
        .mem = form->c->mem, .stop = form->c->stop, .threads = p->threads, .piece_rows = p->piece_rows};
    MaasValue pieces[MAX_INPUTS];
    const MaasValue *inputs[MAX_INPUTS + 1] = {NULL};

    for (int i = 0; i < info->n_inputs && i < MAX_INPUTS; i++)
        for (int k = 0; k < form->n_in; k++)
            if (form->rows >> k & 1 &&
                strcmp(form->names[k], info->inputs[i].name + (form->moved ? strlen(MOVED) : 0)) == 0) {
                pieces[i] = rows_of(form->values[k], from, to);
                inputs[i] = &pieces[i];
            }
    return maas_model_run(p->model, &options, inputs, p->n_wanted, p->wanted, results, err);
}

/* The largest magnitude in a tensor of float32 or float64; 0 for other types. */
static double largest(const MaasTensor *t)
{
    double most = 0;

    for (int64_t i = 0; i < t->count; i++) {
        double x = t->type == MAAS_FLOAT    ? fabs((double)MAAS_F32(t)[i])
                   : t->type == MAAS_DOUBLE ? fabs(MAAS_F64(t)[i])
                                            : 0;

        most = isfinite(x) && x > most ? x : most;
    }
    return most;
}

/* Runs rows [from, to) and compares with the same rows of the whole. */
static bool check_piece(const Piece *p, const MaasResults *whole, int64_t from, int64_t to)
{
    Case *c = p->form->c;
    MaasResults *results = NULL;
    char why[sizeof((MaasError *)0)->message];
    Judge judge = c->judge;
    MaasError err;
    bool ok = true;

    judge.why = why;
    judge.size = sizeof why;
    if (run_rows(p, from, to, &results, &err) != MAAS_OK)
        return differs(&c->judge, "inputs %x as rows%s, rows %lld to %lld alone: %s", p->form->rows,
                       p->form->moved ? " on axis 1" : "", (long long)from, (long long)to, err.message);
    for (int o = 0; o < p->n_wanted && ok; o++) {
        MaasValue want = rows_of(maas_results_get(whole, o), from, to);

        judge.atol = fmax(c->judge.atol, SUM_ERROR * largest(&maas_results_get(whole, o)->tensor));

        if (!same_value(&judge, maas_results_get(results, o), &want, true))
            ok = differs(&c->judge, "inputs %x as rows%s, rows %lld to %lld alone, output %d: %s", p->form->rows,
                         p->form->moved ? " on axis 1" : "", (long long)from, (long long)to, p->wanted[o], why);
    }
    maas_results_free(results);
    return ok;
}

/* Compares the whole with pieces: rows alone, two halves, all but the first, and as the engine divides them. */
static bool check_pieces(const Piece *p, int64_t n)
{
    Case *c = p->form->c;
    MaasResults *whole = NULL;
    MaasError err;
    bool ok = true;

    if (run_rows(p, 0, n, &whole, &err) != MAAS_OK) /* such content is refused, as it is one by one */
        return true;
    for (int o = 0; o < p->n_wanted && ok; o++) {
        const MaasValue *value = maas_results_get(whole, o);

        if (value->kind != MAAS_KIND_TENSOR || value->tensor.rank < 1 || value->tensor.dims[0] != n)
            ok = differs(&c->judge, "output %d is called independent but does not hold the rows", p->wanted[o]);
    }
    for (int64_t r = 0; r < n && r < MAX_SINGLES && ok; r++)
        ok = check_piece(p, whole, r, r + 1);
    if (ok && n > 2)
        ok = check_piece(p, whole, 0, n / 2) && check_piece(p, whole, n / 2, n) && check_piece(p, whole, 1, n);
    for (int threads = 1; threads <= 3 && ok;
         threads++) /* the engine's own pieces; twice, as the first is measured */
        for (int64_t rows = 1; rows <= 2 && ok; rows++) {
            Piece own = *p;

            own.threads = threads;
            own.piece_rows = rows;
            ok = check_piece(&own, whole, 0, n) && check_piece(&own, whole, 0, n);
        }
    maas_results_free(whole);
    return ok;
}

/* ---- forms ---- */

/* The number of rows of the inputs in the mask; 0 when they do not have the same. */
static int64_t count_rows(const Form *form)
{
    int64_t n = -1;

    for (int k = 0; k < form->n_in; k++) {
        const MaasValue *v = form->values[k];

        if (!(form->rows >> k & 1))
            continue;
        if (v->kind != MAAS_KIND_TENSOR || v->tensor.rank < 1 + form->moved ||
            (n >= 0 && n != v->tensor.dims[form->moved]))
            return 0;
        n = v->tensor.dims[form->moved];
        if ((n == 1 || form->moved) &&
            v->tensor.type == MAAS_STRING) /* copies would leave the strings' bytes behind */
            return 0;
    }
    return n > 0 ? n : 0;
}

/* Loads the form and checks the outputs that the engine calls independent; *counted: there was one. */
static bool check_form(Form *form, const Bytes *model, bool *counted)
{
    Case *c = form->c;
    MaasRunOptions options = {.mem = c->mem, .stop = c->stop, .threads = 1};
    MaasError err;
    MaasPbOut out;
    Piece p = {.form = form, .threads = 1};
    int64_t n = count_rows(form);
    bool ok = true;

    if (n == 0)
        return true;
    for (int k = 0; k < form->n_in && form->moved; k++)
        if (form->rows >> k & 1 && !exchange(c, &form->values[k]))
            return differs(&c->judge, "no memory");
    maas_pb_out_init(&out, c->data, &err);
    copy_fields(&out, (MaasSlice){model->data, model->size}, change_model, form);
    MaasStatus status = maas_model_load(out.data, out.size, &options, &p.model, &err);

    maas_pb_out_free(&out);
    if (status != MAAS_OK)
        return true;
    const MaasModelInfo *info = maas_model_info(p.model);

    p.wanted = calloc((size_t)info->n_outputs + 1, sizeof *p.wanted);
    for (int o = 0; o < info->n_outputs; o++)
        if (info->outputs[o].mixed == NULL)
            p.wanted[p.n_wanted++] = o;
    for (int k = 0; k < form->n_in && n == 1 && p.n_wanted > 0; k++)
        if (form->rows >> k & 1)
            ok = ok && make_three(c, &form->values[k]);
    if (p.n_wanted > 0 && ok)
        ok = check_pieces(&p, n == 1 ? 3 : n);
    *counted |= p.n_wanted > 0;
    free(p.wanted);
    maas_model_free(p.model);
    return ok;
}

/* Reads the inputs of a data set; false when there is none or it is not of tensors. */
static bool read_inputs(Form *form, const char *folder, int n, const MaasPort *ports)
{
    MaasError err;

    for (int k = 0; k < n; k++) {
        char path[1200];

        snprintf(path, sizeof path, "%s/input_%d.pb", folder, k);
        if (k == MAX_INPUTS || !read_file(path, &form->files[k]))
            break;
        form->names[k] = strdup(ports[k].name);
        form->n_in++;
        if (ports[k].kind != MAAS_KIND_TENSOR ||
            maas_value_from_onnx(MAAS_KIND_TENSOR, form->files[k].data, form->files[k].size, form->c->data,
                                 &form->values[k], &err) != MAAS_OK)
            return false;
    }
    return form->n_in > 0;
}

bool case_rows(Case *c, const Bytes *model, bool *counted)
{
    MaasRunOptions options = {.mem = c->mem, .stop = c->stop, .threads = 1};
    MaasError err;
    MaasModel *loaded;
    bool ok = true;
    char folder[1100];

    if (maas_model_load(model->data, model->size, &options, &loaded, &err) != MAAS_OK)
        return true;
    const MaasModelInfo *info = maas_model_info(loaded);
    int n = info->n_inputs < MAX_INPUTS ? info->n_inputs : MAX_INPUTS;
    uint32_t all = ((uint32_t)1 << n) - 1;

    snprintf(folder, sizeof folder, "%s/test_data_set_0", c->folder);
    for (int i = 0; i < 4 * n && ok; i++) { /* the first inputs, or a single one; rows on axis 0 or 1 */
        int k = i / 2;
        Form form = {.c = c, .rows = k < n ? all >> k : (uint32_t)1 << (k - n), .moved = i & 1, .info = info};

        if (read_inputs(&form, folder, n, info->inputs))
            ok = check_form(&form, model, counted);
        for (int j = 0; j < form.n_in; j++) {
            maas_value_unref(form.values[j]);
            free(form.files[j].data);
            free(form.names[j]);
        }
    }
    maas_model_free(loaded);
    return ok;
}
