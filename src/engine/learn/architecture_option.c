/*
 * architecture_option.c - the options of a layer, as they stand in the JSON.
 *
 * {"conv2d": [32, 3], "padding": "same"} and {"conv2d": {"filters": 32, "kernel_size": 3, "padding": "same"}} are
 * the same: an option is looked for in the list by its place, in the inner object, and beside the layer's name.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../base/nearest.h"
#include "architecture_build.h"

void maas_arch_fail(MaasArchBuild *b, MaasStatus status, const char *format, ...)
{
    char text[900];
    va_list args;

    if (b->status != MAAS_OK)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    b->status =
        b->place ? maas_fail(b->err, status, "%s: %s", b->place, text) : maas_fail(b->err, status, "%s", text);
}

const char *maas_arch_printf(MaasArchBuild *b, const char *format, ...)
{
    char text[1001];
    const char *copy;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    copy = maas_arena_strndup(b->arena, text, strlen(text), b->err);
    if (!copy && b->status == MAAS_OK)
        b->status = b->err->status;
    return copy ? copy : "";
}

const char *maas_arch_shape(MaasArchBuild *b, const MaasArchValue *v)
{
    char text[256];

    return maas_arch_printf(b, "%s", maas_dims_text(v->rank, v->dims, NULL, text, sizeof text));
}

const MaasJson *maas_arch_option(MaasArchBuild *b, const char *name)
{
    const MaasJson *found;
    int place = 0;

    if (!b->given)
        return NULL;
    if (b->given->kind == MAAS_JSON_OBJECT && (found = maas_json_member(b->given, name)))
        return found;
    while (place < b->kind->n_positional && strcmp(b->kind->options[place], name) != 0)
        place++;
    if (place < b->kind->n_positional) {
        if (b->given->kind == MAAS_JSON_LIST) {
            found = b->given->first;
            while (found && place-- > 0)
                found = found->next;
            if (found)
                return found;
        } else if (place == 0 && (b->given->kind == MAAS_JSON_NUMBER || b->given->kind == MAAS_JSON_STRING))
            return b->given;
    }
    return maas_json_member(b->json, name);
}

static bool whole(const MaasJson *json, int64_t min, int64_t *out)
{
    if (json->kind != MAAS_JSON_NUMBER || json->number != floor(json->number) || fabs(json->number) > 1e15)
        return false;
    *out = (int64_t)json->number;
    return *out >= min;
}

int64_t maas_arch_int(MaasArchBuild *b, const char *name, int64_t fallback, int64_t min)
{
    const MaasJson *json = maas_arch_option(b, name);
    int64_t value;

    if (!json) {
        if (fallback < 0)
            maas_arch_fail(b, MAAS_ERR_NAME, "\"%s\" is missing", name);
        return fallback < 0 ? min : fallback;
    }
    if (whole(json, min, &value))
        return value;
    maas_arch_fail(b, MAAS_ERR_VALUE, "\"%s\" must be a whole number of at least %lld", name, (long long)min);
    return min;
}

int64_t maas_arch_units(MaasArchBuild *b, const char *name)
{
    const MaasJson *json = maas_arch_option(b, name);

    if (!json || json->kind != MAAS_JSON_STRING)
        return maas_arch_int(b, name, -1, 1);
    if (strcmp(json->string.data, "output") != 0)
        maas_arch_fail(b, MAAS_ERR_VALUE, "\"%s\" must be a whole number of at least 1 or \"output\"", name);
    else if (b->n_outputs < 1) {
        maas_arch_fail(b, MAAS_ERR_VALUE, "how many values the output has is not known here");
        maas_error_hint(b->err, "Give a number, or say it for the whole network: \"outputs\": 10.");
    } else
        return b->n_outputs;
    return 1;
}

void maas_arch_ints(MaasArchBuild *b, const char *name, int n, int64_t fallback, int64_t min, int64_t *out)
{
    const MaasJson *json = maas_arch_option(b, name);
    const MaasJson *item;

    if (!json || json->kind != MAAS_JSON_LIST) {
        out[0] = maas_arch_int(b, name, fallback, min);
        for (int i = 1; i < n; i++)
            out[i] = out[0];
        return;
    }
    item = json->first;
    for (int i = 0; i < n; i++, item = item ? item->next : NULL)
        if (json->n != n || !whole(item, min, &out[i])) {
            maas_arch_fail(b, MAAS_ERR_VALUE, "\"%s\" must be a whole number of at least %lld, or a list of %d",
                           name, (long long)min, n);
            for (i = 0; i < n; i++)
                out[i] = min;
            return;
        }
}

double maas_arch_number(MaasArchBuild *b, const char *name, double fallback, double low, double high)
{
    const MaasJson *json = maas_arch_option(b, name);

    if (!json)
        return fallback;
    if (json->kind == MAAS_JSON_NUMBER && json->number >= low && json->number <= high)
        return json->number;
    if (isinf(low) || isinf(high))
        maas_arch_fail(b, MAAS_ERR_VALUE, "\"%s\" must be a number", name);
    else
        maas_arch_fail(b, MAAS_ERR_VALUE, "\"%s\" must be a number from %g to %g", name, low, high);
    return fallback;
}

bool maas_arch_bool(MaasArchBuild *b, const char *name, bool fallback)
{
    const MaasJson *json = maas_arch_option(b, name);

    if (!json)
        return fallback;
    if (json->kind == MAAS_JSON_BOOL)
        return json->boolean;
    maas_arch_fail(b, MAAS_ERR_VALUE, "\"%s\" must be true or false", name);
    return fallback;
}

const char *maas_arch_text(MaasArchBuild *b, const char *name, const char *fallback)
{
    const MaasJson *json = maas_arch_option(b, name);

    if (!json || json->kind == MAAS_JSON_NULL)
        return fallback;
    if (json->kind == MAAS_JSON_STRING)
        return json->string.data;
    maas_arch_fail(b, MAAS_ERR_VALUE, "\"%s\" must be a string", name);
    return fallback;
}

int maas_arch_choice(MaasArchBuild *b, const char *name, const char *const *names, int n, int fallback)
{
    const char *text = maas_arch_text(b, name, NULL), *nearest;

    if (!text)
        return fallback;
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    if (b->status == MAAS_OK) {
        maas_arch_fail(b, MAAS_ERR_NAME, "there is no %s \"%.100s\"", name, text);
        nearest = maas_nearest_name(text, names, (size_t)n, sizeof *names);
        if (nearest)
            maas_error_hint(b->err, "Did you mean \"%s\"?", nearest);
        else
            for (int i = 0; i < n; i++)
                maas_error_hint(b->err, "%s%s", i ? ", " : "There are ", names[i]);
    }
    return fallback;
}

MaasInitialiser maas_arch_initialiser(MaasArchBuild *b, const char *name, MaasInitialiser fallback)
{
    return (MaasInitialiser)maas_arch_choice(b, name, maas_initialiser_names, MAAS_INIT_KINDS, (int)fallback);
}
