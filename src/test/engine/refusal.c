/*
 * refusal.c - runs tables of models that must be refused.
 */
#include <stdio.h>

#include "refusal.h"

/* Numbers of AttributeProto's fields and types. */
enum { A_F = 2, A_I, A_S, A_T, A_FLOATS = 7, A_INTS, A_STRINGS, A_TYPE = 20 };

static void put_float(Build *b, uint32_t field, const char *text)
{
    float value = strtof(text, NULL);

    maas_pb_put_float(&b->out, field, value);
}

static void put_list(Build *b, char kind, const char *text, const char *end)
{
    while (text < end) {
        size_t n = strcspn(text, ",");

        if (text + n > end)
            n = (size_t)(end - text);
        if (kind == '[')
            maas_pb_put_int(&b->out, A_INTS, strtoll(text, NULL, 10));
        else if (kind == '<')
            put_float(b, A_FLOATS, text);
        else
            maas_pb_put_bytes(&b->out, A_STRINGS, text, n);
        text += n + 1;
    }
    maas_pb_put_int(&b->out, A_TYPE, kind == '[' ? 7 : kind == '<' ? 6 : 8);
}

static void put_tensor(Build *b, const char *text, size_t n)
{
    MaasValue *value = NULL;
    MaasError err;
    void *bytes = NULL;
    size_t size;

    if (maas_tensor_parse(text, n, &b->mem, &value, &err) == MAAS_OK &&
        maas_value_to_onnx(value, &b->mem, &bytes, &size, &err) == MAAS_OK)
        maas_pb_put_bytes(&b->out, A_T, bytes, size);
    else
        test_fail(__FILE__, __LINE__, "tensor %.*s: %s", (int)n, text, err.message);
    maas_pb_put_int(&b->out, A_TYPE, 4);
    maas_free(&b->mem, bytes);
    maas_value_unref(value);
}

void build_attrs(Build *b, const char *attrs)
{
    while (*attrs) {
        const char *equals = strchr(attrs, '='), *value = equals + 1;
        size_t n = strcspn(value, " ");
        bool number = *value == '-' || (*value >= '0' && *value <= '9');

        build_open(b, 5);
        maas_pb_put_bytes(&b->out, 1, attrs, (size_t)(equals - attrs));
        if (*value == '(') {
            put_tensor(b, value + 1, n - 2);
        } else if (strchr("[<{", *value)) {
            put_list(b, *value, value + 1, value + n - 1);
        } else if (number && memchr(value, '.', n)) {
            put_float(b, A_F, value);
            maas_pb_put_int(&b->out, A_TYPE, 1);
        } else if (number) {
            maas_pb_put_int(&b->out, A_I, strtoll(value, NULL, 10));
            maas_pb_put_int(&b->out, A_TYPE, 2);
        } else {
            maas_pb_put_bytes(&b->out, A_S, value, n);
            maas_pb_put_int(&b->out, A_TYPE, 3);
        }
        build_close(b);
        attrs = value + n + (value[n] == ' ');
    }
}

void build_port(Build *b, uint32_t field, const char *name, const MaasTensor *t, bool shapes)
{
    build_open(b, field);
    build_text(b, 1, name);
    if (t) {
        build_open(b, 2); /* type */
        build_open(b, 1); /* tensor_type */
        maas_pb_put_int(&b->out, 1, t->type);
        if (shapes) {
            build_open(b, 2);
            for (int d = 0; d < t->rank; d++) {
                build_open(b, 1);
                maas_pb_put_int(&b->out, 1, t->dims[d]);
                build_close(b);
            }
            build_close(b);
        }
        build_close(b);
        build_close(b);
    }
    build_close(b);
}

/* Loads and runs; where says which of the two failed. */
static MaasStatus load_and_run(Build *b, MaasMem *mem, const MaasValue *const *inputs, const char **where,
                               MaasError *err)
{
    MaasRunOptions options = {.mem = mem, .threads = 1};
    const int wanted = 0;
    MaasModel *model = NULL;
    MaasResults *results = NULL;
    MaasStatus status;

    *where = "load";
    status = maas_model_load(b->out.data, b->out.size, &options, &model, err);
    if (status != MAAS_OK)
        return status;
    *where = "run";
    status = maas_model_run(model, &options, inputs, 1, &wanted, &results, err);
    maas_results_free(results);
    maas_model_free(model);
    return status;
}

static void check_refusal(const Refusal *r, bool shapes)
{
    static const char *const names[] = {"a", "b", "c"};
    TestHost host;
    MaasMem mem;
    MaasError err;
    MaasValue *inputs[3] = {NULL};
    char in[16] = "";
    const char *where;
    MaasStatus status;
    Build b;
    int n = 0;

    test_host_init(&host, &mem);
    for (; n < 3 && r->inputs[n]; n++) {
        NEED_OK(maas_tensor_parse(r->inputs[n], strlen(r->inputs[n]), &mem, &inputs[n], &err));
        snprintf(in + strlen(in), sizeof in - strlen(in), "%s%s", n ? " " : "", names[n]);
    }
    build_start(&b, 8, r->domain ? 21 : r->opset ? r->opset : 25);
    if (r->domain) {
        build_open(&b, 8);
        build_text(&b, 1, r->domain);
        maas_pb_put_int(&b.out, 2, r->opset ? r->opset : strcmp(r->domain, "ai.onnx.ml") == 0 ? 5 : 1);
        build_close(&b);
    }
    build_open(&b, 7);
    build_node(&b, 1, r->op, r->domain ? r->domain : "", in, "y", true);
    build_attrs(&b, r->attrs);
    build_close(&b);
    for (int i = 0; i < n; i++)
        build_port(&b, 11, names[i], &inputs[i]->tensor, shapes);
    build_port(&b, 12, "y", NULL, false);
    build_close(&b);
    memset(&err, 0, sizeof err);
    status = load_and_run(&b, &mem, (const MaasValue *const *)inputs, &where, &err);
    if (status == MAAS_OK || err.status != status ||
        (!strstr(err.message, r->message) && !strstr(err.detail, r->message)) || !strstr(err.message, r->op))
        test_fail(__FILE__, __LINE__, "%s %s of %s: status %d, message \"%s\", expected \"%s\"", r->op, r->attrs,
                  r->inputs[0], (int)status, err.message, r->message);
    else if (shapes && r->at_load && strcmp(where, "load") != 0)
        test_fail(__FILE__, __LINE__, "%s %s: \"%s\" is found only at %s", r->op, r->attrs, r->message, where);
    build_free(&b);
    for (int i = 0; i < n; i++)
        maas_value_unref(inputs[i]);
    CHECK_NO_LEAK(&host, &mem);
}

void check_refusals(const Refusal *refusals, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        check_refusal(&refusals[i], false);
        check_refusal(&refusals[i], true);
    }
}
