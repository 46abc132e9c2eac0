/*
 * metrics.c - gathering what metrics are made of, sample by sample.
 *
 * Definitions are scikit-learn's.  A MaasMetrics owns all its memory; samples are only read.
 */
#include <math.h>
#include <string.h>

#include "metrics.h"

#define MOST_CONFUSED 512 /* classes that get a confusion matrix */
#define SCORE_BYTES ((size_t)256 << 20)

static bool keeps_scores(const MaasMetrics *m)
{
    return m->options.task == MAAS_METRIC_CLASSES && !m->dropped;
}

static void drop_scores(MaasMetrics *m)
{
    maas_free(m->mem, m->scores);
    maas_free(m->mem, m->labels);
    maas_free(m->mem, m->weights);
    m->scores = NULL;
    m->labels = NULL;
    m->weights = NULL;
    m->kept = m->capacity = 0;
    m->dropped = true;
}

void maas_metrics_free(MaasMetrics *metrics)
{
    if (!metrics)
        return;
    MaasMem *mem = metrics->mem;

    drop_scores(metrics);
    maas_free(mem, metrics->values);
    maas_free(mem, metrics->classes);
    maas_free(mem, metrics->confusion);
    maas_free(mem, metrics->bins);
    maas_free(mem, metrics->roc);
    maas_free(mem, metrics->precision_recall);
    maas_arena_free(&metrics->arena);
    maas_free(mem, metrics);
}

static MaasStatus copy_names(MaasMetrics *m, MaasError *err)
{
    size_t n = (size_t)m->options.width;
    const char **names = maas_arena_array(&m->arena, n, sizeof *names, err);

    if (!names)
        return err->status;
    for (size_t i = 0; i < n; i++) {
        names[i] = maas_arena_strndup(&m->arena, m->options.classes[i], strlen(m->options.classes[i]), err);
        if (!names[i])
            return err->status;
    }
    m->options.classes = names;
    return MAAS_OK;
}

static MaasStatus make_sums(MaasMetrics *m, MaasError *err)
{
    size_t width = (size_t)m->options.width;

    if (m->options.task == MAAS_METRIC_VALUES) {
        m->values = maas_zalloc_array(m->mem, width, sizeof *m->values, err);
        return m->values ? MAAS_OK : err->status;
    }
    m->columns = width == 2 ? 1 : m->options.width;
    m->classes = maas_zalloc_array(m->mem, width, sizeof *m->classes, err);
    m->bins = maas_zalloc_array(m->mem, (size_t)m->options.bins, sizeof *m->bins, err);
    m->roc = maas_zalloc_array(m->mem, (size_t)m->columns, sizeof *m->roc, err);
    m->precision_recall = maas_zalloc_array(m->mem, (size_t)m->columns, sizeof *m->precision_recall, err);
    if (!m->classes || !m->bins || !m->roc || !m->precision_recall)
        return err->status;
    if (width <= MOST_CONFUSED) {
        m->confusion = maas_zalloc_array(m->mem, width * width, sizeof *m->confusion, err);
        if (!m->confusion)
            return err->status;
    }
    return m->options.classes ? copy_names(m, err) : MAAS_OK;
}

MaasStatus maas_metrics_new(const MaasMetricOptions *options, MaasMem *mem, MaasMetrics **out, MaasError *err)
{
    int64_t least = options->task == MAAS_METRIC_CLASSES ? 2 : 1;

    if (options->width < least || options->width > INT32_MAX)
        return maas_fail(err, MAAS_ERR_VALUE, "metrics need at least %d %s, got %lld", (int)least,
                         least == 2 ? "classes" : "number a sample", (long long)options->width);
    MaasMetrics *m = maas_zalloc(mem, sizeof *m, err);

    if (!m)
        return err->status;
    m->mem = mem;
    m->options = *options;
    maas_arena_init(&m->arena, mem);
    if (m->options.top_k <= 0)
        m->options.top_k = 5;
    if (m->options.bins <= 0)
        m->options.bins = 15;
    if (m->options.quantile <= 0)
        m->options.quantile = 0.5;
    if (m->options.score_bytes == 0)
        m->options.score_bytes = SCORE_BYTES;
    MaasStatus status = make_sums(m, err);

    if (status != MAAS_OK) {
        maas_metrics_free(m);
        return status;
    }
    *out = m;
    return MAAS_OK;
}

/* ---- classes ---- */

/* Makes room for n more; past the limit scores are no longer kept. */
static MaasStatus make_room(MaasMetrics *m, int64_t n, MaasError *err)
{
    size_t each = ((size_t)m->columns + 1) * sizeof(float) + sizeof(int32_t);
    int64_t capacity = m->capacity + m->capacity / 2 + 1024;

    if (n > INT32_MAX - m->kept || (size_t)(m->kept + n) > m->options.score_bytes / each) {
        drop_scores(m);
        return MAAS_OK;
    }
    if (m->kept + n <= m->capacity)
        return MAAS_OK;
    if (capacity < m->kept + n)
        capacity = m->kept + n;
    float *scores = maas_realloc(m->mem, m->scores, (size_t)capacity * (size_t)m->columns * sizeof *scores, err);

    if (!scores)
        return err->status;
    m->scores = scores;
    int32_t *labels = maas_realloc(m->mem, m->labels, (size_t)capacity * sizeof *labels, err);

    if (!labels)
        return err->status;
    m->labels = labels;
    float *weights = maas_realloc(m->mem, m->weights, (size_t)capacity * sizeof *weights, err);

    if (!weights)
        return err->status;
    m->weights = weights;
    m->capacity = capacity;
    return MAAS_OK;
}

/* Score of class k: with one column that of class 1 is given. */
static double score_of(const float *scores, int64_t columns, int64_t k)
{
    if (columns > 1)
        return (double)scores[k];
    return k == 1 ? (double)scores[0] : 1 - (double)scores[0];
}

static void add_sample(MaasMetrics *m, const float *scores, int64_t columns, int64_t label, double weight)
{
    int64_t width = m->options.width, best = 0, above = 0;
    double own = score_of(scores, columns, label), brier = 0, clipped = own;
    const double least = (double)__FLT_EPSILON__;

    for (int64_t k = 0; k < width; k++) {
        double p = score_of(scores, columns, k), gap = p - (k == label);

        if (p > score_of(scores, columns, best))
            best = k;
        above += p > own || (p == own && k > label); /* of equal scores the later ones rank first, as in numpy */
        brier += gap * gap;
    }
    double confidence = score_of(scores, columns, best);

    m->correct += weight * (best == label);
    m->in_top_k += weight * (above < m->options.top_k);
    m->brier += weight * (width == 2 ? brier / 2 : brier);
    clipped = clipped < least ? least : clipped > 1 - least ? 1 - least : clipped;
    m->log_loss -= weight * log(clipped);
    m->classes[label].actual += weight;
    m->classes[best].predicted += weight;
    if (best == label)
        m->classes[label].true_positive += weight;
    if (m->confusion)
        m->confusion[label * width + best] += weight;
    /* bins are open below: (0, 1/bins] ... */
    double place = ceil(confidence * (double)m->options.bins) - 1;
    int64_t bin = !(place > 0) ? 0 : place >= (double)m->options.bins ? m->options.bins - 1 : (int64_t)place;

    m->bins[bin].weight += weight;
    m->bins[bin].confidence += weight * confidence;
    m->bins[bin].correct += weight * (best == label);
}

MaasStatus maas_metrics_add_classes(MaasMetrics *metrics, int64_t n, int64_t columns, const float *scores,
                                    const int64_t *labels, const double *weights, MaasError *err)
{
    MaasMetrics *m = metrics;
    int64_t width = m->options.width;

    if (columns != width && !(columns == 1 && width == 2))
        return maas_fail(err, MAAS_ERR_SHAPE, "expects scores of %lld classes, got %lld", (long long)width,
                         (long long)columns);
    for (int64_t i = 0; i < n; i++)
        if (labels[i] < 0 || labels[i] >= width)
            return maas_fail(err, MAAS_ERR_VALUE, "class %lld is none of the %lld that the model has",
                             (long long)labels[i], (long long)width);
    if (keeps_scores(m))
        MAAS_TRY(make_room(m, n, err));
    m->curved = false;
    for (int64_t i = 0; i < n; i++) {
        double weight = weights ? weights[i] : 1;
        const float *row = scores + i * columns;

        add_sample(m, row, columns, labels[i], weight);
        m->n++;
        m->weight += weight;
        if (!keeps_scores(m))
            continue;
        m->labels[m->kept] = (int32_t)labels[i];
        m->weights[m->kept] = (float)weight;
        memcpy(m->scores + m->kept * m->columns, row + (columns - m->columns), (size_t)m->columns * sizeof *row);
        m->kept++;
    }
    return MAAS_OK;
}

/* ---- values ---- */

MaasStatus maas_metrics_add_values(MaasMetrics *metrics, int64_t n, const double *predicted, const double *actual,
                                   const double *weights, MaasError *err)
{
    MaasMetrics *m = metrics;
    int64_t width = m->options.width;

    for (int64_t i = 0; i < n; i++) {
        double weight = weights ? weights[i] : 1;

        m->n++;
        m->weight += weight;
        for (int64_t j = 0; j < width; j++) {
            MaasValueSums *s = &m->values[j];
            double y = actual[i * width + j], error = y - predicted[i * width + j];
            double q = m->options.quantile;

            s->squares += weight * error * error;
            s->absolute += weight * fabs(error);
            s->percent += weight * fabs(error) / fmax(fabs(y), __DBL_EPSILON__);
            s->pinball += weight * (error > 0 ? q * error : (q - 1) * error);
            if (weight == 0)
                continue;
            double step = y - s->mean;

            s->mean += weight == m->weight ? step : step * weight / m->weight; /* the first is itself */
            s->spread += weight * step * (y - s->mean);
        }
    }
    return MAAS_OK;
}
