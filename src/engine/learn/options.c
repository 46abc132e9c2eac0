/*
 * options.c - what can be set for training: the one table, and reading JSON by such tables.
 *
 * Names, kinds, defaults, ranges and help stand in the table and nowhere else: validation, messages and the list
 * that SQL shows are made from it.  Names and defaults are PyTorch's, but: Lion is its paper's, L-BFGS searches
 * along the line (strong Wolfe) unless told not to, l1, l2 and max_norm are Keras's.
 */
#include <math.h>
#include <string.h>

#include "../base/json.h"
#include "../base/nearest.h"
#include "../base/number.h"
#include "learn.h"

#define FIELD(name) offsetof(MaasTrainOptions, name)
#define HUGE_COUNT 1e15

static const MaasOption train_options[] = {
    {"loss", MAAS_OPTION_CHOICE, FIELD(loss), MAAS_LOSS_AUTO, 0, 0,
     "auto|mse|mae|huber|binary_cross_entropy|cross_entropy|poisson|hinge|quantile",
     "What is made small; auto: cross_entropy after Softmax, binary_cross_entropy after Sigmoid, else mse"},
    {"huber_delta", MAAS_OPTION_NUMBER, FIELD(huber_delta), 1, 1e-12, 1e12, NULL,
     "Error from which the huber loss is linear"},
    {"quantile", MAAS_OPTION_NUMBER, FIELD(quantile), 0.5, 0, 1, NULL, "The quantile that the quantile loss fits"},
    {"label_smoothing", MAAS_OPTION_NUMBER, FIELD(label_smoothing), 0, 0, 1, NULL,
     "Share of the target that cross_entropy spreads evenly over all classes"},

    {"optimizer", MAAS_OPTION_CHOICE, FIELD(optimizer), MAAS_OPTIMIZER_ADAM, 0, 0,
     "sgd|adagrad|rmsprop|adam|adamw|lion|lbfgs", "How parameters follow the gradient"},
    {"learning_rate", MAAS_OPTION_NUMBER, FIELD(learning_rate), NAN, 0, 1e6, NULL,
     "Step size; default 0.001, adagrad and rmsprop 0.01, lion 0.0001, lbfgs 1"},
    {"momentum", MAAS_OPTION_NUMBER, FIELD(momentum), 0, 0, 1, NULL, "sgd, rmsprop: momentum"},
    {"dampening", MAAS_OPTION_NUMBER, FIELD(dampening), 0, 0, 1, NULL, "sgd: dampening of the momentum"},
    {"nesterov", MAAS_OPTION_BOOL, FIELD(nesterov), 0, 0, 0, NULL, "sgd: Nesterov's momentum"},
    {"beta1", MAAS_OPTION_NUMBER, FIELD(beta1), 0.9, 0, 0.9999999, NULL,
     "adam, adamw, lion: decay of the mean gradient"},
    {"beta2", MAAS_OPTION_NUMBER, FIELD(beta2), NAN, 0, 0.9999999, NULL,
     "adam, adamw, lion: decay of the mean square; default 0.999, lion 0.99"},
    {"alpha", MAAS_OPTION_NUMBER, FIELD(alpha), 0.99, 0, 1, NULL, "rmsprop: decay of the mean square"},
    {"epsilon", MAAS_OPTION_NUMBER, FIELD(epsilon), NAN, 0, 1, NULL,
     "Added to the root of the mean square; default 1e-8, adagrad 1e-10"},
    {"amsgrad", MAAS_OPTION_BOOL, FIELD(amsgrad), 0, 0, 0, NULL, "adam, adamw: by the largest mean square so far"},
    {"centered", MAAS_OPTION_BOOL, FIELD(centered), 0, 0, 0, NULL, "rmsprop: by the variance of the gradient"},
    {"learning_rate_decay", MAAS_OPTION_NUMBER, FIELD(learning_rate_decay), 0, 0, 1e6, NULL,
     "adagrad: the rate is divided by 1 + steps * this"},
    {"max_iterations", MAAS_OPTION_INT, FIELD(max_iterations), 20, 1, 100000, NULL, "lbfgs: iterations in a step"},
    {"history", MAAS_OPTION_INT, FIELD(history), 100, 1, 10000, NULL, "lbfgs: updates that are remembered"},
    {"line_search", MAAS_OPTION_BOOL, FIELD(line_search), 1, 0, 0, NULL,
     "lbfgs: searches along each direction (strong Wolfe conditions)"},

    {"weight_decay", MAAS_OPTION_NUMBER, FIELD(weight_decay), NAN, 0, 1e6, NULL,
     "Decay of all parameters: through the gradient, adamw and lion apart from it; default 0, adamw 0.01"},
    {"l1", MAAS_OPTION_NUMBER, FIELD(l1), 0, 0, 1e6, NULL,
     "Penalty of the sum of absolute weights (not of biases); l1 and l2 together: elastic net"},
    {"l2", MAAS_OPTION_NUMBER, FIELD(l2), 0, 0, 1e6, NULL, "Penalty of the sum of squared weights (not of biases)"},
    {"clip_norm", MAAS_OPTION_NUMBER, FIELD(clip_norm), 0, 0, 1e30, NULL,
     "Largest norm of the gradient of all parameters together; 0: any"},
    {"clip_value", MAAS_OPTION_NUMBER, FIELD(clip_value), 0, 0, 1e30, NULL,
     "Largest absolute value in the gradient; 0: any"},
    {"max_norm", MAAS_OPTION_NUMBER, FIELD(max_norm), 0, 0, 1e30, NULL,
     "Largest norm of a unit's incoming weights after each step; 0: any"},

    {"schedule", MAAS_OPTION_CHOICE, FIELD(schedule), MAAS_SCHEDULE_CONSTANT, 0, 0,
     "constant|step|cosine|on_plateau|one_cycle", "How the learning rate changes"},
    {"warmup", MAAS_OPTION_NUMBER, FIELD(warmup), 0, 0, 1e6, NULL,
     "Epochs in which the rate rises evenly to its value, before the schedule begins"},
    {"step_epochs", MAAS_OPTION_INT, FIELD(step_epochs), 10, 1, HUGE_COUNT, NULL,
     "step: epochs between two changes"},
    {"gamma", MAAS_OPTION_NUMBER, FIELD(gamma), 0.1, 0, 1e6, NULL, "step: the rate is multiplied by this"},
    {"minimum_rate", MAAS_OPTION_NUMBER, FIELD(minimum_rate), 0, 0, 1e6, NULL, "cosine, on_plateau: lowest rate"},
    {"plateau_patience", MAAS_OPTION_INT, FIELD(plateau_patience), 10, 0, HUGE_COUNT, NULL,
     "on_plateau: epochs without improvement that are waited for"},
    {"cooldown", MAAS_OPTION_INT, FIELD(cooldown), 0, 0, HUGE_COUNT, NULL,
     "on_plateau: epochs after a change that do not count"},
    {"factor", MAAS_OPTION_NUMBER, FIELD(factor), 0.1, 0, 1, NULL, "on_plateau: the rate is multiplied by this"},
    {"threshold", MAAS_OPTION_NUMBER, FIELD(threshold), 1e-4, 0, 0.999, NULL,
     "on_plateau: relative change that counts as an improvement"},
    {"cycle_start", MAAS_OPTION_NUMBER, FIELD(cycle_start), 0.3, 0, 1, NULL,
     "one_cycle: share of all steps in which the rate rises"},
    {"cycle_divisor", MAAS_OPTION_NUMBER, FIELD(cycle_divisor), 25, 1, 1e12, NULL,
     "one_cycle: the first rate is learning_rate divided by this"},
    {"cycle_final_divisor", MAAS_OPTION_NUMBER, FIELD(cycle_final_divisor), 1e4, 1, 1e12, NULL,
     "one_cycle: the last rate is the first one divided by this"},

    {"epochs", MAAS_OPTION_INT, FIELD(epochs), 10, 1, HUGE_COUNT, NULL, "How often all rows are seen"},
    {"batch_size", MAAS_OPTION_INT, FIELD(batch_size), 32, 1, 1e9, NULL, "Rows in a step"},
    {"seed", MAAS_OPTION_INT, FIELD(seed), 0, 0, 9e15, NULL, "Of first weights, order, dropout and splits"},
    {"early_stopping", MAAS_OPTION_INT, FIELD(early_stopping), 0, 0, HUGE_COUNT, NULL,
     "Epochs without improvement after which training ends; 0: never"},
    {"minimum_delta", MAAS_OPTION_NUMBER, FIELD(minimum_delta), 0, 0, 1e30, NULL,
     "early_stopping: change that counts as an improvement"},
    {"restore_best", MAAS_OPTION_BOOL, FIELD(restore_best), 0, 0, 0, NULL,
     "The parameters of the best epoch are kept instead of the last one's"},
    {"freeze", MAAS_OPTION_TEXTS, FIELD(freeze), 0, 0, 0, NULL,
     "Parameters that stay: names with * and ?, \"all but last\" or \"all but last N\" (layers)"},
    {"train", MAAS_OPTION_TEXTS, FIELD(train), 0, 0, 0, NULL,
     "Initialisers that are parameters whatever they look like: names with * and ?"},
    {"output", MAAS_OPTION_TEXT, FIELD(output), 0, 0, 0, NULL, "The model's output that is trained"},
};

const MaasOption *maas_train_options(int *n)
{
    *n = (int)(sizeof train_options / sizeof *train_options);
    return train_options;
}

MaasStr maas_option_choice(const MaasOption *option, int value)
{
    const char *at = option->choices ? option->choices : "";

    while (*at) {
        const char *end = strchr(at, '|');
        size_t length = end ? (size_t)(end - at) : strlen(at);

        if (value-- == 0)
            return (MaasStr){at, length};
        at += length + (end != NULL);
    }
    return (MaasStr){"", 0};
}

/* ---- names that are nearly right ---- */

static void hint_nearest(const MaasNearest *nearest, MaasError *err)
{
    if (nearest->found.length > 0)
        maas_error_hint(err, "Did you mean \"%.*s\"?", (int)nearest->found.length, nearest->found.data);
}

/* For "%.*s" of what a user wrote. */
static int shown(MaasStr text)
{
    return text.length < 80 ? (int)text.length : 80;
}

static MaasStatus unknown_option(MaasStr given, const MaasOptionTable *tables, int n_tables, MaasError *err)
{
    MaasNearest nearest = maas_nearest_begin(given);

    for (int t = 0; t < n_tables; t++)
        for (int i = 0; i < tables[t].n; i++)
            maas_nearest_consider(&nearest,
                                  (MaasStr){tables[t].options[i].name, strlen(tables[t].options[i].name)});
    maas_fail(err, MAAS_ERR_NAME, "there is no option \"%.*s\"", shown(given), given.data);
    hint_nearest(&nearest, err);
    return err->status;
}

static MaasStatus unknown_choice(const MaasOption *option, MaasStr given, MaasError *err)
{
    MaasNearest nearest = maas_nearest_begin(given);

    for (int i = 0; maas_option_choice(option, i).length > 0; i++)
        maas_nearest_consider(&nearest, maas_option_choice(option, i));
    maas_fail(err, MAAS_ERR_VALUE, "option \"%s\" is \"%.*s\", it must be one of %s", option->name, shown(given),
              given.data, option->choices);
    hint_nearest(&nearest, err);
    return err->status;
}

/* ---- values ---- */

static void *field(const MaasOptionTable *table, const MaasOption *option)
{
    return (char *)table->target + option->offset;
}

static void preset(const MaasOptionTable *table, const MaasOption *option)
{
    void *at = field(table, option);

    switch (option->kind) {
    case MAAS_OPTION_BOOL:
        *(bool *)at = option->preset != 0;
        break;
    case MAAS_OPTION_INT:
        *(int64_t *)at = (int64_t)option->preset;
        break;
    case MAAS_OPTION_NUMBER:
        *(double *)at = option->preset;
        break;
    case MAAS_OPTION_CHOICE:
        *(int *)at = (int)option->preset;
        break;
    case MAAS_OPTION_TEXT:
        *(const char **)at = NULL;
        break;
    case MAAS_OPTION_TEXTS:
        *(MaasTexts *)at = (MaasTexts){0, NULL};
        break;
    }
}

static MaasStatus wrong_kind(const MaasOption *option, const char *expected, MaasError *err)
{
    return maas_fail(err, MAAS_ERR_TYPE, "option \"%s\" must be %s", option->name, expected);
}

static MaasStatus read_number(const MaasOption *option, const MaasJson *json, double *out, MaasError *err)
{
    char low[MAAS_DOUBLE_TEXT], high[MAAS_DOUBLE_TEXT];

    if (json->kind != MAAS_JSON_NUMBER)
        return wrong_kind(option, option->kind == MAAS_OPTION_INT ? "a whole number" : "a number", err);
    if (option->kind == MAAS_OPTION_INT && json->number != floor(json->number))
        return wrong_kind(option, "a whole number", err);
    if (!(json->number >= option->low && json->number <= option->high)) {
        maas_print_double(option->low, low);
        maas_print_double(option->high, high);
        return maas_fail(err, MAAS_ERR_VALUE, "option \"%s\" is %.*s, it must lie between %s and %s", option->name,
                         shown(json->string), json->string.data, low, high);
    }
    *out = json->number;
    return MAAS_OK;
}

static MaasStatus read_texts(const MaasOption *option, const MaasJson *json, MaasArena *arena, MaasTexts *out,
                             MaasError *err)
{
    const MaasJson *first = json->kind == MAAS_JSON_LIST ? json->first : json;
    int64_t n = json->kind == MAAS_JSON_LIST ? json->n : 1, i = 0;
    const char **items = maas_arena_array(arena, (size_t)n + 1, sizeof *items, err);

    if (!items)
        return err->status;
    for (const MaasJson *item = first; i < n; item = item->next) {
        if (item->kind != MAAS_JSON_STRING)
            return wrong_kind(option, "a string or a list of strings", err);
        items[i++] = item->string.data;
    }
    *out = (MaasTexts){n, items};
    return MAAS_OK;
}

static MaasStatus read_option(const MaasOptionTable *table, const MaasOption *option, const MaasJson *json,
                              MaasArena *arena, MaasError *err)
{
    void *at = field(table, option);
    double number;

    switch (option->kind) {
    case MAAS_OPTION_BOOL:
        if (json->kind != MAAS_JSON_BOOL)
            return wrong_kind(option, "true or false", err);
        *(bool *)at = json->boolean;
        break;
    case MAAS_OPTION_INT:
        MAAS_TRY(read_number(option, json, &number, err));
        *(int64_t *)at = (int64_t)number;
        break;
    case MAAS_OPTION_NUMBER:
        MAAS_TRY(read_number(option, json, at, err));
        break;
    case MAAS_OPTION_CHOICE:
        if (json->kind != MAAS_JSON_STRING)
            return wrong_kind(option, "a string", err);
        for (int i = 0;; i++) {
            MaasStr choice = maas_option_choice(option, i);

            if (choice.length == 0)
                return unknown_choice(option, json->string, err);
            if (choice.length == json->string.length &&
                memcmp(choice.data, json->string.data, choice.length) == 0) {
                *(int *)at = i;
                break;
            }
        }
        break;
    case MAAS_OPTION_TEXT:
        if (json->kind != MAAS_JSON_STRING)
            return wrong_kind(option, "a string", err);
        *(const char **)at = json->string.data;
        break;
    case MAAS_OPTION_TEXTS:
        return read_texts(option, json, arena, at, err);
    }
    return MAAS_OK;
}

static MaasStatus read_member(const MaasJson *member, const MaasOptionTable *tables, int n_tables, MaasArena *arena,
                              MaasError *err)
{
    for (int t = 0; t < n_tables; t++)
        for (int i = 0; i < tables[t].n; i++)
            if (strcmp(tables[t].options[i].name, member->name.data) == 0)
                return read_option(&tables[t], &tables[t].options[i], member, arena, err);
    return unknown_option(member->name, tables, n_tables, err);
}

MaasStatus maas_options_read(const char *json, size_t length, const MaasOptionTable *tables, int n_tables,
                             MaasArena *arena, MaasError *err)
{
    MaasJson *tree;

    for (int t = 0; t < n_tables; t++)
        for (int i = 0; i < tables[t].n; i++)
            preset(&tables[t], &tables[t].options[i]);
    if (length == 0)
        return MAAS_OK;
    MAAS_TRY(maas_json_parse(json, length, arena, &tree, err));
    if (tree->kind != MAAS_JSON_OBJECT)
        return maas_fail(err, MAAS_ERR_TYPE, "options must be a JSON object");
    for (const MaasJson *member = tree->first; member; member = member->next)
        MAAS_TRY(read_member(member, tables, n_tables, arena, err));
    return MAAS_OK;
}
