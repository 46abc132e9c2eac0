/*
 * curves.c - areas under the ROC curve (trapezia) and the precision-recall curve (average precision).
 *
 * One class against the rest, from the kept scores in falling order; equal scores are one threshold.  Sorting is by
 * radix, so that a stop is seen within one class.
 */
#include <math.h>
#include <string.h>

#include "metrics.h"

#define RADIX_BITS 11
#define RADIX (1 << RADIX_BITS)

typedef struct Ranked {
    uint32_t key; /* smaller: higher score */
    uint32_t sample;
} Ranked;

/* Unsigned order of the keys is falling order of the scores; NaN comes first. */
static uint32_t falling_key(float score)
{
    uint32_t u;

    score += 0; /* -0 is 0 */
    memcpy(&u, &score, sizeof u);
    return u >> 31 ? u : ~u & 0x7fffffff;
}

/* Sorts n entries at a by key, with b as working memory of the same size; the result is where it returns. */
static Ranked *radix_sort(Ranked *a, Ranked *b, int64_t n)
{
    for (int shift = 0; shift < 32; shift += RADIX_BITS) {
        int64_t start[RADIX + 1] = {0};

        for (int64_t i = 0; i < n; i++)
            start[(a[i].key >> shift & (RADIX - 1)) + 1]++;
        for (int d = 0; d < RADIX; d++)
            start[d + 1] += start[d];
        for (int64_t i = 0; i < n; i++)
            b[start[a[i].key >> shift & (RADIX - 1)]++] = a[i];
        Ranked *spare = a;

        a = b;
        b = spare;
    }
    return a;
}

static void areas(const MaasMetrics *m, const Ranked *order, int32_t class, double *roc, double *precision_recall)
{
    double positives = 0, negatives = 0, hits = 0, misses = 0, area = 0, precision = 0;

    for (int64_t i = 0; i < m->kept; i++)
        *(m->labels[i] == class ? &positives : &negatives) += (double)m->weights[i];
    *roc = *precision_recall = NAN;
    if (positives <= 0)
        return;
    for (int64_t i = 0; i < m->kept;) {
        double hits_before = hits, misses_before = misses;
        uint32_t key = order[i].key;

        for (; i < m->kept && order[i].key == key; i++)
            *(m->labels[order[i].sample] == class ? &hits : &misses) += (double)m->weights[order[i].sample];
        area += (misses - misses_before) * (hits + hits_before) / 2;
        if (hits > hits_before)
            precision += (hits - hits_before) * hits / (hits + misses);
    }
    *precision_recall = precision / positives;
    if (negatives > 0)
        *roc = area / positives / negatives;
}

MaasStatus maas_metrics_curves(MaasMetrics *metrics, MaasError *err)
{
    MaasMetrics *m = metrics;
    MaasStop stop = {{m->options.stop, m->options.stop_too}};

    if (m->curved)
        return MAAS_OK;
    Ranked *work = maas_alloc_array(m->mem, (size_t)m->kept * 2 + 1, sizeof *work, err);

    if (!work)
        return err->status;
    for (int64_t k = 0; k < m->columns; k++) {
        if (maas_stop_raised(&stop)) {
            maas_free(m->mem, work);
            return maas_fail(err, MAAS_ERR_CANCEL, "stopped");
        }
        for (int64_t i = 0; i < m->kept; i++)
            work[i] = (Ranked){falling_key(m->scores[i * m->columns + k]), (uint32_t)i};
        areas(m, radix_sort(work, work + m->kept, m->kept), m->columns == 1 ? 1 : (int32_t)k, &m->roc[k],
              &m->precision_recall[k]);
    }
    maas_free(m->mem, work);
    m->curved = true;
    return MAAS_OK;
}
