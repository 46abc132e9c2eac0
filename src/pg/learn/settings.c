/*
 * settings.c - the options of a training, from jsonb.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "utils/builtins.h"

#include "settings.h"

#define FIELD(name) offsetof(Settings, name)

static const MaasOption row_options[] = {
    {"task", MAAS_OPTION_CHOICE, FIELD(task), TASK_AUTO, 0, 0, "auto|classify|regress",
     "What is learned; auto: classes of text, booleans, enums and few whole numbers, else numbers"},
    {"validation", MAAS_OPTION_NUMBER, FIELD(validation), 0.1, 0, 0.9, NULL,
     "Share of the rows that are kept apart to see how well the model does"},
    {"split", MAAS_OPTION_CHOICE, FIELD(split), SPLIT_RANDOM, 0, 0, "random|stratified",
     "How rows are kept apart; stratified: the same share of each class"},
    {"validation_column", MAAS_OPTION_TEXT, FIELD(validation_column), 0, 0, 0, NULL,
     "A boolean column that tells which rows are kept apart"},
    {"weight_column", MAAS_OPTION_TEXT, FIELD(weight_column), 0, 0, 0, NULL,
     "A column with the weight of each row"},
    {"class_weights", MAAS_OPTION_CHOICE, FIELD(class_weights), WEIGHT_NONE, 0, 0, "none|balanced",
     "balanced: each class counts the same, however many rows it has"},
    {"missing", MAAS_OPTION_CHOICE, FIELD(missing), MISSING_IMPUTE, 0, 0, "impute|drop|error",
     "What happens to NULL in a column other than the target"},
    {"clip_outliers", MAAS_OPTION_NUMBER, FIELD(clip_outliers), 0, 0, 1e6, NULL,
     "Numbers further from the mean than so many deviations are moved there; 0: none"},
    {"deduplicate", MAAS_OPTION_BOOL, FIELD(deduplicate), 0, 0, 0, NULL, "Of equal rows only the first one counts"},
    {"max_categories", MAAS_OPTION_INT, FIELD(max_categories), 64, 1, 10000, NULL,
     "Categories of a column that are told apart, the most frequent ones"},
    {"calendar", MAAS_OPTION_BOOL, FIELD(calendar), 1, 0, 0, NULL,
     "Dates and timestamps also count as times of the day, the week and the year"},
    {"standardize", MAAS_OPTION_BOOL, FIELD(standardize), 1, 0, 0, NULL,
     "Numbers and arrays are brought to mean 0 and deviation 1"},
    {"shuffle", MAAS_OPTION_BOOL, FIELD(shuffle), 1, 0, 0, NULL, "Rows come in another order in each epoch"},
    {"augment_shift", MAAS_OPTION_NUMBER, FIELD(augment.shift), 0, 0, 10000, NULL,
     "Images move by up to so many pixels in each direction"},
    {"augment_flip", MAAS_OPTION_BOOL, FIELD(augment.flip), 0, 0, 0, NULL, "Images are mirrored every second time"},
    {"augment_rotate", MAAS_OPTION_NUMBER, FIELD(augment.rotate), 0, 0, 180, NULL,
     "Images turn by up to so many degrees in each direction"},
    {"augment_crop", MAAS_OPTION_NUMBER, FIELD(augment.crop), 0, 0, 0.9, NULL,
     "Up to this share of height and width is cut off, the rest stretched"},
    {"augment_noise", MAAS_OPTION_NUMBER, FIELD(augment.noise), 0, 0, 1000, NULL,
     "Deviation of the noise that is added to images"},
    {"augment_erase", MAAS_OPTION_INT, FIELD(augment.erase), 0, 0, 10000, NULL,
     "Side of a square in images that becomes 0"},
    {"checkpoint", MAAS_OPTION_INT, FIELD(checkpoint), 0, 0, 1e15, NULL,
     "Steps after which the state is kept, to go on from there; 0: never"},
    {"resume", MAAS_OPTION_BOOL, FIELD(resume), 0, 0, 0, NULL,
     "Goes on from the last checkpoint of the same training"},
};

static bool HasKey(const Jsonb *json, const char *key)
{
    JsonbValue value = {.type = jbvString};

    value.val.string.val = (char *)key;
    value.val.string.len = strlen(key);
    return findJsonbValueFromContainer((JsonbContainer *)&json->root, JB_FOBJECT, &value) != NULL;
}

void SettingsRead(const Jsonb *options, MaasArena *arena, Settings *settings)
{
    MaasOptionTable tables[2];
    const char *text = "";
    size_t length = 0;
    MaasError err = {0};

    memset(settings, 0, sizeof(*settings));
    tables[0].options = maas_train_options(&tables[0].n);
    tables[0].target = &settings->train;
    tables[1] = (MaasOptionTable){lengthof(row_options), row_options, settings};
    if (options) {
        char *json;

        if (!JB_ROOT_IS_OBJECT(options))
            ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                            errmsg("options must be an object, like {\"epochs\": 10}")));
        json = JsonbToCString(NULL, (JsonbContainer *)&options->root, VARSIZE(options));
        text = BorderUtf8(json, strlen(json), &length);
        settings->has_epochs = HasKey(options, "epochs");
        settings->has_seed = HasKey(options, "seed");
    }
    BORDER_CHECK(maas_options_read(text, length, tables, lengthof(tables), arena, &err), &err);
    if (!settings->has_seed) {
        uint64 random;

        if (!pg_strong_random(&random, sizeof(random)))
            ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate a random seed")));
        settings->train.seed = (int64)(random % 1000000000);
    }
}
