/*
 * test_case_memory.c - runs some of our own cases with each allocation failing once: control flow, sequences,
 * strings and results whose size the data decide hold references and lists that must be given back.
 */
#include <stdio.h>

#include "onnx_build.h"

#define MAX_INPUTS 4

typedef struct Case {
    char *model, *inputs[MAX_INPUTS];
    size_t model_size, sizes[MAX_INPUTS];
    int n;
} Case;

static MaasStatus read_inputs(const Case *c, const MaasModelInfo *info, MaasMem *mem, MaasValue **values,
                              MaasError *err)
{
    for (int i = 0; i < c->n; i++)
        MAAS_TRY(maas_value_from_onnx(info->inputs[i].kind, c->inputs[i], c->sizes[i], mem, &values[i], err));
    return MAAS_OK;
}

static MaasStatus run_case(MaasMem *mem, void *arg, MaasError *err)
{
    const Case *c = arg;
    MaasRunOptions options = {.mem = mem, .threads = 1};
    MaasValue *values[MAX_INPUTS] = {NULL};
    MaasModel *model = NULL;
    MaasResults *results = NULL;
    int wanted[] = {0};
    MaasStatus status = maas_model_load(c->model, c->model_size, &options, &model, err);

    if (status == MAAS_OK)
        status = read_inputs(c, maas_model_info(model), mem, values, err);
    /* the second run may use what the first has planned */
    for (int i = 0; i < 2 && status == MAAS_OK; i++) {
        maas_results_free(results);
        results = NULL;
        status = maas_model_run(model, &options, (const MaasValue *const *)values, 1, wanted, &results, err);
    }
    maas_results_free(results);
    for (int i = 0; i < c->n; i++)
        maas_value_unref(values[i]);
    maas_model_free(model);
    return status;
}

static void check_case(const char *name)
{
    char path[256];
    Case c = {0};

    snprintf(path, sizeof path, "src/test/cases/shape/test_%s/model.onnx", name);
    c.model = read_source(path, &c.model_size);
    for (; c.model && c.n < MAX_INPUTS; c.n++) {
        snprintf(path, sizeof path, "src/test/cases/shape/test_%s/test_data_set_0/input_%d.pb", name, c.n);
        FILE *file = fopen(path, "rb");

        if (!file)
            break;
        fclose(file);
        c.inputs[c.n] = read_source(path, &c.sizes[c.n]);
    }
    if (c.model)
        CHECK_EACH_FAILURE(run_case, &c);
    for (int i = 0; i < c.n; i++)
        free(c.inputs[i]);
    free(c.model);
}

TEST(case_memory)
{
    static const char *const names[] = {"loop_growing_state",
                                        "loop_while",
                                        "if_shapes_differ",
                                        "scan_axes_directions",
                                        "scan_opset8_lengths",
                                        "sequence_map_two_outputs",
                                        "sequence_insert_erase",
                                        "split_to_sequence_parts",
                                        "concat_from_sequence_new_axis",
                                        "optional_round",
                                        "string_split_space",
                                        "string_concat_broadcast",
                                        "normalizer_unicode_lower",
                                        "regex_2",
                                        "tfidf_strings_tfidf",
                                        "unique_axis1",
                                        "resize_cubic_roi_axes",
                                        "pad_wrap",
                                        "gather_nd_batch",
                                        "multinomial"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_case(names[i]);
}
