/*
 * nms.c - NonMaxSuppression: boxes in the order of their scores, without those that overlap a better one.
 */
#include <string.h>

#include "dims.h"

enum { NMS_BOXES, NMS_SCORES, NMS_MAX, NMS_IOU, NMS_SCORE };

static MaasStatus infer_nms(MaasInferCtx *c)
{
    const MaasInfo *boxes = c->in[NMS_BOXES], *scores = c->in[NMS_SCORES];
    const MaasTensor *iou = maas_known(c, NMS_IOU);
    int64_t dims[2] = {MAAS_DIM_ANY, 3};

    MAAS_TRY(maas_infer_want_rank(c, NMS_BOXES, 3));
    MAAS_TRY(maas_infer_want_rank(c, NMS_SCORES, 3));
    for (int i = NMS_MAX; i <= NMS_SCORE; i++)
        MAAS_TRY(maas_infer_scalar(c, i));
    if (c->attr[0].i != 0 && c->attr[0].i != 1)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "center_point_box must be 0 or 1, got %lld",
                               (long long)c->attr[0].i);
    if (iou && !(MAAS_F32(iou)[0] >= 0 && MAAS_F32(iou)[0] <= 1))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "iou_threshold must be from 0 to 1, got %g",
                               (double)MAAS_F32(iou)[0]);
    if (boxes->rank == 3) {
        MAAS_TRY(maas_infer_equal(c, "the numbers of a box", 4, boxes->dims[2]));
        if (scores->rank == 3) {
            MAAS_TRY(maas_infer_equal(c, "the batch size of scores", boxes->dims[0], scores->dims[0]));
            MAAS_TRY(maas_infer_equal(c, "the number of boxes in scores", boxes->dims[1], scores->dims[2]));
        }
    }
    return maas_infer_out(c, 0, MAAS_INT64, 2, dims);
}

typedef struct Box {
    float x0, y0, x1, y1;
} Box;

static Box box_at(const float *b, bool centered)
{
    Box box;

    if (centered)
        return (Box){b[0] - b[2] / 2, b[1] - b[3] / 2, b[0] + b[2] / 2, b[1] + b[3] / 2};
    box.y0 = b[0] < b[2] ? b[0] : b[2];
    box.y1 = b[0] < b[2] ? b[2] : b[0];
    box.x0 = b[1] < b[3] ? b[1] : b[3];
    box.x1 = b[1] < b[3] ? b[3] : b[1];
    return box;
}

static bool overlaps(Box a, Box b, float threshold)
{
    float w = (a.x1 < b.x1 ? a.x1 : b.x1) - (a.x0 > b.x0 ? a.x0 : b.x0);
    float h = (a.y1 < b.y1 ? a.y1 : b.y1) - (a.y0 > b.y0 ? a.y0 : b.y0);
    float area_a = (a.x1 - a.x0) * (a.y1 - a.y0), area_b = (b.x1 - b.x0) * (b.y1 - b.y0), both = w * h;

    if (!(w > 0) || !(h > 0) || !(area_a > 0) || !(area_b > 0))
        return false;
    return both / (area_a + area_b - both) > threshold;
}

/* Whether box i comes after box j: lower score, or the same and a higher number.  NaN comes last. */
static bool after(const float *scores, int64_t i, int64_t j)
{
    if (scores[i] == scores[j] || (scores[i] != scores[i] && scores[j] != scores[j]))
        return i > j;
    return scores[i] < scores[j] || scores[i] != scores[i];
}

static void sift(int64_t *heap, int64_t n, int64_t at, const float *scores)
{
    for (;;) {
        int64_t child = 2 * at + 1, moved;

        if (child >= n)
            return;
        if (child + 1 < n && after(scores, heap[child], heap[child + 1]))
            child++;
        if (!after(scores, heap[at], heap[child]))
            return;
        moved = heap[at];
        heap[at] = heap[child];
        heap[child] = moved;
        at = child;
    }
}

/* Picks boxes of one class; chosen gets at most `most` numbers.  heap has room for n. */
static MaasStatus pick(MaasCtx *c, const float *boxes, const float *scores, int64_t n, int64_t most, float iou,
                       const float *least, int64_t *heap, int64_t *chosen, int64_t *n_chosen)
{
    bool centered = c->attr[0].i == 1;
    int64_t left = 0;

    *n_chosen = 0;
    for (int64_t i = 0; i < n; i++)
        if (!least || scores[i] > *least)
            heap[left++] = i;
    for (int64_t i = left / 2 - 1; i >= 0; i--)
        sift(heap, left, i, scores);
    while (left > 0 && *n_chosen < most) {
        int64_t best = heap[0];
        Box box = box_at(boxes + 4 * best, centered);
        bool keep = true;

        heap[0] = heap[--left];
        sift(heap, left, 0, scores);
        for (int64_t i = 0; keep && i < *n_chosen; i++)
            keep = !overlaps(box, box_at(boxes + 4 * chosen[i], centered), iou);
        if (keep)
            chosen[(*n_chosen)++] = best;
        if (maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

static MaasStatus compute_nms(MaasCtx *c)
{
    const MaasTensor *boxes = maas_in(c, NMS_BOXES), *scores = maas_in(c, NMS_SCORES), *max = maas_in(c, NMS_MAX),
                     *iou = maas_in(c, NMS_IOU), *least = maas_in(c, NMS_SCORE);
    int64_t batches = scores->dims[0], classes = scores->dims[1], n = boxes->dims[1];
    int64_t most = max && max->count > 0 ? MAAS_I64(max)[0] : 0, total = 0, groups, dims[2] = {0, 3}, at = 0;
    int64_t *heap, *chosen, *counts;
    MaasTensor *out;
    size_t room;

    most = most < 0 ? 0 : most > n ? n : most;
    if (!maas_mul64(batches, classes, &groups) || !maas_mul((size_t)groups, (size_t)most, &room))
        return maas_node_fail(c, MAAS_ERR_LIMIT, "the number of boxes overflows");
    heap = maas_scratch(c, (size_t)n, sizeof *heap);
    chosen = maas_scratch(c, room, sizeof *chosen);
    counts = maas_scratch(c, (size_t)groups, sizeof *counts);
    if (!heap || !chosen || !counts)
        return c->err->status;
    for (int64_t g = 0; g < groups && most > 0; g++) {
        MAAS_TRY(pick(c, MAAS_F32(boxes) + g / classes * n * 4, MAAS_F32(scores) + g * n, n, most,
                      iou && iou->count > 0 ? MAAS_F32(iou)[0] : 0,
                      least && least->count > 0 ? MAAS_F32(least) : NULL, heap, chosen + g * most, &counts[g]));
        total += counts[g];
    }
    dims[0] = total;
    MAAS_TRY(maas_out_new(c, 0, MAAS_INT64, 2, dims, &out));
    for (int64_t g = 0; g < groups && most > 0; g++)
        for (int64_t i = 0; i < counts[g]; i++, at++) {
            MAAS_I64(out)[3 * at] = g / classes;
            MAAS_I64(out)[3 * at + 1] = g % classes;
            MAAS_I64(out)[3 * at + 2] = chosen[g * most + i];
        }
    return MAAS_OK;
}

const MaasOp maas_op_nms = {
    .name = "NonMaxSuppression",
    .first = 10,
    .since = 10,
    .flags = MAAS_OP_DYNAMIC,
    .in = {{"boxes", MAAS_T_FLOAT, 0, 0},
           {"scores", MAAS_T_FLOAT, 0, 0},
           {"max_output_boxes_per_class", MAAS_T_I64, 0, MAAS_OPTIONAL},
           {"iou_threshold", MAAS_T_FLOAT, 0, MAAS_OPTIONAL},
           {"score_threshold", MAAS_T_FLOAT, 0, MAAS_OPTIONAL}},
    .out = {{"selected_indices", MAAS_T_I64, 0, 0}},
    .attrs = {{"center_point_box", MAAS_ATTR_INT, .i = 0}},
    .infer = infer_nms,
    .compute = compute_nms,
};
