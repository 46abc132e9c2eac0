/*
 * report.c - the metrics made of what was gathered, by name and as JSON.
 *
 * One table a task: a name and a function of the sums.  precision, recall and f1 without a suffix are macro
 * averages over the classes that occur, as are the areas under curves; per_class has each class's own.
 */
#include <math.h>
#include <string.h>

#include "../base/text.h"
#include "metrics.h"

typedef struct Metric {
    const char *name;
    double (*value)(const MaasMetrics *m); /* the samples' weight is not 0 */
    bool curve;                            /* needs maas_metrics_curves */
} Metric;

/* ---- classes ---- */

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static double precision_of(const MaasClassSums *c)
{
    return ratio(c->true_positive, c->predicted);
}

static double recall_of(const MaasClassSums *c)
{
    return ratio(c->true_positive, c->actual);
}

static double f1_of(const MaasClassSums *c)
{
    return ratio(2 * c->true_positive, c->predicted + c->actual);
}

/* Mean over the classes that occur in truth or prediction. */
static double macro(const MaasMetrics *m, double (*of)(const MaasClassSums *))
{
    double sum = 0, n = 0;

    for (int64_t k = 0; k < m->options.width; k++) {
        const MaasClassSums *c = &m->classes[k];

        if (c->actual > 0 || c->predicted > 0) {
            sum += of(c);
            n++;
        }
    }
    return ratio(sum, n);
}

/* Mean weighted by how often a class occurs. */
static double weighted(const MaasMetrics *m, double (*of)(const MaasClassSums *))
{
    double sum = 0;

    for (int64_t k = 0; k < m->options.width; k++)
        sum += of(&m->classes[k]) * m->classes[k].actual;
    return sum / m->weight;
}

static double accuracy(const MaasMetrics *m)
{
    return m->correct / m->weight;
}

static double top_k(const MaasMetrics *m)
{
    return m->in_top_k / m->weight;
}

static double log_loss(const MaasMetrics *m)
{
    return m->log_loss / m->weight;
}

static double brier(const MaasMetrics *m)
{
    return m->brier / m->weight;
}

static double calibration_error(const MaasMetrics *m)
{
    double sum = 0;

    for (int64_t b = 0; b < m->options.bins; b++)
        sum += fabs(m->bins[b].correct - m->bins[b].confidence);
    return sum / m->weight;
}

static double precision(const MaasMetrics *m)
{
    return macro(m, precision_of);
}

static double recall(const MaasMetrics *m)
{
    return macro(m, recall_of);
}

static double f1(const MaasMetrics *m)
{
    return macro(m, f1_of);
}

static double precision_weighted(const MaasMetrics *m)
{
    return weighted(m, precision_of);
}

static double recall_weighted(const MaasMetrics *m)
{
    return weighted(m, recall_of);
}

static double f1_weighted(const MaasMetrics *m)
{
    return weighted(m, f1_of);
}

/* Mean of the columns that could be computed. */
static double mean_area(const MaasMetrics *m, const double *areas)
{
    double sum = 0, n = 0;

    for (int64_t k = 0; k < m->columns; k++)
        if (!isnan(areas[k])) {
            sum += areas[k];
            n++;
        }
    return n > 0 && !m->dropped ? sum / n : NAN;
}

static double roc_auc(const MaasMetrics *m)
{
    return mean_area(m, m->roc);
}

static double pr_auc(const MaasMetrics *m)
{
    return mean_area(m, m->precision_recall);
}

static const Metric class_metrics[] = {{"accuracy", accuracy, false},
                                       {"top_k_accuracy", top_k, false},
                                       {"precision", precision, false},
                                       {"recall", recall, false},
                                       {"f1", f1, false},
                                       {"precision_micro", accuracy, false}, /* equal where each has one class */
                                       {"recall_micro", accuracy, false},
                                       {"f1_micro", accuracy, false},
                                       {"precision_weighted", precision_weighted, false},
                                       {"recall_weighted", recall_weighted, false},
                                       {"f1_weighted", f1_weighted, false},
                                       {"log_loss", log_loss, false},
                                       {"brier", brier, false},
                                       {"calibration_error", calibration_error, false},
                                       {"roc_auc", roc_auc, true},
                                       {"pr_auc", pr_auc, true},
                                       {NULL, NULL, false}};

/* ---- values ---- */

static double mean_of(const MaasMetrics *m, double (*of)(const MaasMetrics *, const MaasValueSums *))
{
    double sum = 0;

    for (int64_t j = 0; j < m->options.width; j++)
        sum += of(m, &m->values[j]);
    return sum / (double)m->options.width;
}

static double mse_of(const MaasMetrics *m, const MaasValueSums *s)
{
    return s->squares / m->weight;
}

static double rmse_of(const MaasMetrics *m, const MaasValueSums *s)
{
    return sqrt(s->squares / m->weight);
}

static double mae_of(const MaasMetrics *m, const MaasValueSums *s)
{
    return s->absolute / m->weight;
}

static double mape_of(const MaasMetrics *m, const MaasValueSums *s)
{
    return s->percent / m->weight;
}

static double pinball_of(const MaasMetrics *m, const MaasValueSums *s)
{
    return s->pinball / m->weight;
}

static double r2_of(const MaasMetrics *m, const MaasValueSums *s)
{
    if (s->spread > 0)
        return 1 - s->squares / s->spread;
    return m->n < 2 ? NAN : s->squares > 0 ? 0 : 1;
}

static double mse(const MaasMetrics *m)
{
    return mean_of(m, mse_of);
}

static double rmse(const MaasMetrics *m)
{
    return mean_of(m, rmse_of);
}

static double mae(const MaasMetrics *m)
{
    return mean_of(m, mae_of);
}

static double mape(const MaasMetrics *m)
{
    return mean_of(m, mape_of);
}

static double pinball(const MaasMetrics *m)
{
    return mean_of(m, pinball_of);
}

static double r2(const MaasMetrics *m)
{
    return mean_of(m, r2_of);
}

static const Metric value_metrics[] = {{"mse", mse, false}, {"rmse", rmse, false}, {"mae", mae, false},
                                       {"r2", r2, false},   {"mape", mape, false}, {"pinball", pinball, false},
                                       {NULL, NULL, false}};

/* ---- by name and as JSON ---- */

static MaasStatus compute(MaasMetrics *m, const Metric *metric, double *value, MaasError *err)
{
    *value = NAN;
    if (!(m->weight > 0))
        return MAAS_OK;
    if (metric->curve)
        MAAS_TRY(maas_metrics_curves(m, err));
    *value = metric->value(m);
    return MAAS_OK;
}

static const Metric *metrics_of(const MaasMetrics *m)
{
    return m->options.task == MAAS_METRIC_CLASSES ? class_metrics : value_metrics;
}

MaasStatus maas_metrics_get(MaasMetrics *metrics, const char *name, double *value, MaasError *err)
{
    for (const Metric *metric = metrics_of(metrics); metric->name; metric++)
        if (strcmp(metric->name, name) == 0)
            return compute(metrics, metric, value, err);
    return maas_fail(err, MAAS_ERR_NAME, "there is no metric \"%.80s\"", name);
}

static void add_name(MaasText *text, const char *name)
{
    if (text->length > 0 && text->data[text->length - 1] != '{')
        maas_text_char(text, ',');
    maas_text_json_string(text, (MaasStr){name, strlen(name)});
    maas_text_char(text, ':');
}

static void add_value(MaasText *text, double value)
{
    if (isfinite(value))
        maas_text_number(text, MAAS_DOUBLE, &value, false);
    else
        maas_text_adds(text, "null");
}

static void add_number(MaasText *text, const char *name, double value)
{
    add_name(text, name);
    add_value(text, value);
}

static void add_classes(const MaasMetrics *m, MaasText *text)
{
    add_name(text, "per_class");
    maas_text_char(text, '[');
    for (int64_t k = 0; k < m->options.width; k++) {
        const MaasClassSums *c = &m->classes[k];
        bool curve = m->columns > 1 || k == 1;

        maas_text_adds(text, k ? ",{" : "{");
        add_name(text, "class");
        if (m->options.classes)
            maas_text_json_string(text, (MaasStr){m->options.classes[k], strlen(m->options.classes[k])});
        else
            maas_text_number(text, MAAS_INT64, &k, false);
        add_number(text, "support", c->actual);
        add_number(text, "precision", precision_of(c));
        add_number(text, "recall", recall_of(c));
        add_number(text, "f1", f1_of(c));
        if (curve) {
            int64_t column = m->columns > 1 ? k : 0;

            add_number(text, "roc_auc", m->dropped ? NAN : m->roc[column]);
            add_number(text, "pr_auc", m->dropped ? NAN : m->precision_recall[column]);
        }
        maas_text_char(text, '}');
    }
    maas_text_char(text, ']');
}

static void add_confusion(const MaasMetrics *m, MaasText *text)
{
    int64_t width = m->options.width;

    add_name(text, "confusion_matrix");
    if (!m->confusion) {
        maas_text_adds(text, "null");
        return;
    }
    maas_text_char(text, '[');
    for (int64_t i = 0; i < width; i++)
        for (int64_t j = 0; j < width; j++) {
            maas_text_adds(text, j > 0 ? "," : i > 0 ? ",[" : "[");
            add_value(text, m->confusion[i * width + j]);
            if (j == width - 1)
                maas_text_char(text, ']');
        }
    maas_text_char(text, ']');
}

MaasStatus maas_metrics_json(MaasMetrics *metrics, MaasMem *mem, char **json, size_t *length, MaasError *err)
{
    MaasText text;
    MaasStatus status = MAAS_OK;
    double n = (double)metrics->n;

    maas_text_init(&text, mem, err);
    maas_text_char(&text, '{');
    add_number(&text, "samples", n);
    for (const Metric *metric = metrics_of(metrics); metric->name && status == MAAS_OK; metric++) {
        double value;

        status = compute(metrics, metric, &value, err);
        if (status == MAAS_OK)
            add_number(&text, metric->name, value);
    }
    if (status == MAAS_OK && metrics->options.task == MAAS_METRIC_CLASSES && metrics->weight > 0) {
        add_number(&text, "k", (double)metrics->options.top_k);
        add_classes(metrics, &text);
        add_confusion(metrics, &text);
    }
    maas_text_char(&text, '}');
    if (status != MAAS_OK) {
        maas_free(mem, text.data);
        return status;
    }
    return maas_text_take(&text, json, length);
}
