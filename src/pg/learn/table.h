/*
 * table.h - the columns of a query as something to learn from: what kind each is, and what its values are like.
 */
#ifndef MAAS_PG_LEARN_TABLE_H
#define MAAS_PG_LEARN_TABLE_H

#include "utils/hsearch.h"

#include "rows.h"
#include "settings.h"

/* Values of a column that are told apart, with how often each occurs. */
typedef struct Dictionary {
    HTAB *hash;
    int64 n;
} Dictionary;

typedef struct DictionaryEntry {
    struct {
        const char *text; /* UTF-8 */
        Size length;
    } key;
    int64 count;
    int64 code; /* its place among those that are kept; -1: not kept */
} DictionaryEntry;

/* How the values of a column are read. */
typedef enum SourceKind {
    SOURCE_NUMBER,
    SOURCE_BOOL,
    SOURCE_TIME,
    SOURCE_TEXT,
    SOURCE_ARRAY,
    SOURCE_TENSOR
} SourceKind;

typedef struct Words Words;

typedef struct Source {
    int attribute;    /* of the query, from 0 */
    const char *name; /* in the server's encoding */
    Oid type;         /* below domains */
    SourceKind kind;
    MaasColumn column; /* what the engine is told */
    /* statistics */
    int64 n, n_missing; /* n: values (TENSOR: elements) that are there */
    double mean, squares, lowest, highest;
    bool fractions; /* TENSOR: an element is no whole number */
    Dictionary dictionary;
    bool has_shape, varies; /* TENSOR: varies: not all rows have the same elements, the same words */
    uint64 first_hash;
    Words *words;              /* TEXT that is read word by word, with the words in the dictionary */
    int64 max_tokens, longest; /* numbers of words are below; words of the longest text */
    int64_t dims[MAAS_MAX_RANK];
} Source;

typedef struct Table {
    MemoryContext context; /* of the table: what was learned */
    MemoryContext row;     /* emptied for each row */
    Rows rows;
    const Settings *settings;
    int n_sources; /* 0: rows are bound to a model as they are */
    Source *sources;
    TupleDesc features; /* of such rows, without the special columns */
    Source target;
    int weight, validation; /* attributes, or -1 */
    int64 n_outputs;        /* numbers of a target that is an array; 0: not known yet, or it is none */
    double *outputs; /* (3, n_outputs): those of the first row, sums of distances from them, of their squares */
    MaasTask task;   /* NONE until the survey */
    MaasPreparation learned; /* what the engine is told */
    MaasTarget target_info;
    int64 n_rows, n_train, n_validation; /* that count; of the survey */
    int64 n_weighted;                    /* of those to learn from: with a weight above 0 */
    int64 n_dropped, n_duplicates;
    double *class_weights; /* balanced: target_info.n */
    HTAB *seen;            /* hashes of rows, to leave out equal ones */
    /* the row that was read last */
    HeapTuple tuple;
    Datum *values;
    bool *nulls;
    int64 number;  /* in the query, from 1 */
    int64 kept;    /* of those that count, from 0 */
    int64 *strata; /* rows of each class so far */
} Table;

/* Opens the query, in the current memory context, and finds out what its columns are.  bind: they go to the inputs
 * of a model, which decides what they must be. */
Table *TableOpen(const char *query, const char *target, const Settings *settings, const char *function, bool bind);

/* Says which columns of text are read word by word. */
void TableTexts(Table *table, int n, const MaasArchText *texts);

/* Reads all rows and learns what the columns are like.  Throws what cannot be learned from.  classes: whole numbers
 * in the target are classes; whole: arrays are numbers of entries; raw: arrays stay as they are. */
void TableSurvey(Table *table, bool classes, bool whole, bool raw);

/* The same for rows that are bound to a model: only the target is looked at.  Classes are the model's, where it
 * has n_labels of them (UTF-8); else numbers from 0 below n_outputs.  numbers: the model was made for numbers. */
void TableSurveyTarget(Table *table, int64 n_outputs, bool numbers, int n_labels, const char *const *labels);

/* Begins anew; then come the rows that count, one after the other. */
void TableRewind(Table *table);
/* False at the end.  *apart: the row is kept apart for validation. */
bool TableNext(Table *table, bool *apart);

/* At the end: throws unless there were as many rows as the survey saw. */
void TableCheckSame(const Table *table);

/* A hash of what the network's inputs and outputs stand for: classes, categories, words, in their order. */
uint64 TableMeaning(const Table *table);

/* The row without the target and the other special columns. */
Datum TableFeatures(const Table *table);
/* Of the row; all allocate in the current memory context, for which table->row is meant. */
double TableWeight(const Table *table);
int64 TableClass(const Table *table);
void TableNumbers(const Table *table, float *out);                        /* target_info.n */
double SourceNumber(const Table *table, const Source *source);            /* NaN: missing */
MaasStr SourceText(const Table *table, const Source *source);             /* "" when missing */
void SourceElements(const Table *table, const Source *source, void *out); /* float, or int64 for whole ones */
void SourceDoubles(const Table *table, const Source *source, double *out);

#endif
