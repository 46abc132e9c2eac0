/*
 * prepare.h - what is learned of a table's columns becomes a graph in front of a network, so that the model takes
 * the columns as they are.
 *
 * Numbers, truth values and times come in as double (N,1) (truth values as bool where none was missing), categories
 * and texts as string (N,1), arrays as (N, ...).  All but texts and arrays become one input of the network,
 * "features" (N,F); each text, as numbers of words (N,length), and each array is an input of its own.  The label or
 * the number in the target's own unit comes out.
 *
 * Words of a text: 0 pads it to its length, 1 is a word that is not among those that were learned, the others count
 * from 2.  What a word is, the graph itself says, while a vocabulary is learned, too: maas_prepare_words_to_onnx.
 *
 *   maas_prepare_words_to_onnx  texts to words, to learn a vocabulary from
 *   maas_prepare_ports     what the network reads: for maas_architecture_to_onnx
 *   maas_prepare_to_onnx   the graph as a model of its own: rows are prepared by it while a network is trained
 *   maas_prepare_join      the whole
 */
#ifndef MAAS_LEARN_PREPARE_H
#define MAAS_LEARN_PREPARE_H

/* Stands before the names of what the network reads: inputs of the network alone, edges within the whole. */
#define MAAS_PREPARED "prepared/"
#define MAAS_PREPARED_FEATURES "features"

typedef enum MaasColumnKind {
    MAAS_COLUMN_NUMBER,
    MAAS_COLUMN_BOOL,
    MAAS_COLUMN_TIME,     /* seconds since 1970 */
    MAAS_COLUMN_CATEGORY, /* strings */
    MAAS_COLUMN_TEXT,     /* strings of several words, in their order */
    MAAS_COLUMN_TENSOR
} MaasColumnKind;

/* A column and what was learned of it. */
typedef struct MaasColumn {
    const char *name;
    MaasColumnKind kind;
    double mean, deviation; /* NUMBER, BOOL, TIME, TENSOR (of all elements): x becomes (x - mean) / deviation */
    bool raw;               /* NUMBER, BOOL, TIME: mean and deviation only say what an outlier is */
    bool missing;           /* NUMBER, BOOL, TIME: NaN occurs; it becomes fill, and a further feature tells */
    double fill;
    int n_periods;        /* TIME: sine and cosine of each become features */
    double periods[3];    /* in seconds */
    int64_t n_categories; /* CATEGORY: each becomes a feature; what is none of them, a further one.  TEXT: words */
    const MaasStr *categories;
    MaasTextRule text; /* TEXT */
    int64_t length;    /* TEXT: words that the network reads */
    MaasType type;     /* TENSOR: of the elements as they come in */
    int rank;          /* TENSOR: of one example */
    const int64_t *dims;
    bool whole; /* TENSOR: the network reads whole numbers, as they are */
} MaasColumn;

typedef struct MaasPreparation {
    int n_columns;
    const MaasColumn *columns;
    double clip; /* numbers, truth values and times are kept within so many deviations of the mean; 0: any */
} MaasPreparation;

/* What the network's output means. */
typedef struct MaasTarget {
    const char *name;
    MaasTask task;
    int64_t n;                      /* classes, or numbers */
    const MaasStr *strings;         /* CLASSIFY: the classes, or */
    const int64_t *numbers;         /* the classes as numbers */
    const double *mean, *deviation; /* REGRESS: n each; the network learned (y - mean) / deviation.  NULL: y */
} MaasTarget;

/* A model of one input `text` (N,1) and one output (N,W): words, with "" behind the last of a row. */
MaasStatus maas_prepare_words_to_onnx(MaasTextRule rule, MaasMem *mem, void **bytes, size_t *n_bytes,
                                      MaasError *err);

/* *ports: those of the network, in arena. */
MaasStatus maas_prepare_ports(const MaasPreparation *preparation, MaasArena *arena, int *n_ports,
                              struct MaasPort **ports, MaasError *err);
MaasStatus maas_prepare_to_onnx(const MaasPreparation *preparation, MaasMem *mem, void **bytes, size_t *n_bytes,
                                MaasError *err);
/* network: a model whose inputs are the ports with MAAS_PREPARED before their names, and whose only output is what
 * the target is learned by. */
MaasStatus maas_prepare_join(const MaasPreparation *preparation, const MaasTarget *target, const void *network,
                             size_t n_network, MaasMem *mem, void **bytes, size_t *n_bytes, MaasError *err);

#endif
