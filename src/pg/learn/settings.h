/*
 * settings.h - the options of a training: those of the engine's trainer, and those that are about rows.
 */
#ifndef MAAS_PG_LEARN_SETTINGS_H
#define MAAS_PG_LEARN_SETTINGS_H

#include "border.h"

#include "utils/jsonb.h"

typedef enum TaskChoice { TASK_AUTO, TASK_CLASSIFY, TASK_REGRESS } TaskChoice;
typedef enum SplitChoice { SPLIT_RANDOM, SPLIT_STRATIFIED } SplitChoice;
typedef enum MissingChoice { MISSING_IMPUTE, MISSING_DROP, MISSING_ERROR } MissingChoice;
typedef enum WeightChoice { WEIGHT_NONE, WEIGHT_BALANCED } WeightChoice;

typedef struct Settings {
    MaasTrainOptions train;
    int task;
    double validation;
    int split;
    const char *validation_column, *weight_column;
    int class_weights;
    int missing;
    double clip_outliers;
    bool deduplicate;
    int64_t max_categories;
    bool calendar;
    bool standardize;
    bool shuffle;
    MaasAugment augment;
    int64_t checkpoint; /* steps between two; 0: none */
    bool resume;
    bool has_epochs; /* given, not a default */
    bool has_seed;
} Settings;

/* Reads options (NULL: all defaults) into settings; texts live in the arena.  Throws when a name or a value is
 * wrong. */
void SettingsRead(const Jsonb *options, MaasArena *arena, Settings *settings);

#endif
