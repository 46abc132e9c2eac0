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

typedef double OfClass(const MaasClassSums *c);
typedef double OfColumn(const MaasMetrics *m, const MaasValueSums *s);

/* How a number is made of the sums, one of three ways; the samples' weight is not 0. */
typedef struct Metric {
    const char *name;
    double (*value)(const MaasMetrics *m);
    double (*mean)(const MaasMetrics *m, OfClass *of); /* over the classes: macro or weighted */
    OfClass *of_class;
    OfColumn *of_column; /* mean over the numbers of a sample */
    bool curve;          /* needs maas_metrics_curves */
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
static double macro(const MaasMetrics *m, OfClass *of)
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
static double weighted(const MaasMetrics *m, OfClass *of)
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

static const Metric class_metrics[] = {{"accuracy", .value = accuracy},
                                       {"top_k_accuracy", .value = top_k},
                                       {"precision", .mean = macro, .of_class = precision_of},
                                       {"recall", .mean = macro, .of_class = recall_of},
                                       {"f1", .mean = macro, .of_class = f1_of},
                                       {"precision_micro", .value = accuracy}, /* equal where each has one class */
                                       {"recall_micro", .value = accuracy},
                                       {"f1_micro", .value = accuracy},
                                       {"precision_weighted", .mean = weighted, .of_class = precision_of},
                                       {"recall_weighted", .mean = weighted, .of_class = recall_of},
                                       {"f1_weighted", .mean = weighted, .of_class = f1_of},
                                       {"log_loss", .value = log_loss},
                                       {"brier", .value = brier},
                                       {"calibration_error", .value = calibration_error},
                                       {"roc_auc", .value = roc_auc, .curve = true},
                                       {"pr_auc", .value = pr_auc, .curve = true},
                                       {NULL}};

/* ---- values ---- */

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

static const Metric value_metrics[] = {{"mse", .of_column = mse_of},
                                       {"rmse", .of_column = rmse_of},
                                       {"mae", .of_column = mae_of},
                                       {"r2", .of_column = r2_of},
                                       {"mape", .of_column = mape_of},
                                       {"pinball", .of_column = pinball_of},
                                       {NULL}};

/* ---- by name and as JSON ---- */

static double mean_column(const MaasMetrics *m, OfColumn *of)
{
    double sum = 0;

    for (int64_t j = 0; j < m->options.width; j++)
        sum += of(m, &m->values[j]);
    return sum / (double)m->options.width;
}

static MaasStatus compute(MaasMetrics *m, const Metric *metric, double *value, MaasError *err)
{
    *value = NAN;
    if (!(m->weight > 0))
        return MAAS_OK;
    if (metric->curve)
        MAAS_TRY(maas_metrics_curves(m, err));
    if (metric->of_class)
        *value = metric->mean(m, metric->of_class);
    else
        *value = metric->of_column ? mean_column(m, metric->of_column) : metric->value(m);
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
