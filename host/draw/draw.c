/* Drawing rules of torchvision's transforms: one small function per operation, found by its kind.
 *
 * Key idea: what a transform decides depends on the image's size and on the generator, never on
 * pixels, so a whole pipeline can be drawn ahead from headers alone. Each function takes exactly
 * the words that the framework's transform takes, in its order, and computes in its precision:
 * float32 draws widened to double, halves rounded to even. Invariant: after an error the generator
 * is as it was. Not here: what the steps mean for pixels (host/plan).
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "host/draw/draw.h"
#include "host/draw/rng.h"

#define CROP_ATTEMPTS 10

struct drawer {
    const struct dlop_draw_rules *rules;
    struct dlop_rng_state *state;
    struct dlop_drawn *drawn;
    int32_t width_px, height_px; /* of the image as it is now */
};

typedef dlop_status (*draw_fn)(const struct dlop_op *op, struct drawer *d);

/* ---- steps ---- */

static struct dlop_step *add_step(struct drawer *d, enum dlop_step_kind kind)
{
    struct dlop_step *step = &d->drawn->steps[d->drawn->n_steps++];

    *step = (struct dlop_step){.kind = (int32_t)kind};
    return step;
}

static void add_crop(struct drawer *d, int32_t x, int32_t y, int32_t width_px, int32_t height_px)
{
    struct dlop_step *step = add_step(d, DLOP_STEP_CROP);

    step->v[0] = x;
    step->v[1] = y;
    step->v[2] = d->width_px = width_px;
    step->v[3] = d->height_px = height_px;
}

static void add_resize(struct drawer *d, int32_t width_px, int32_t height_px, int32_t filter)
{
    struct dlop_step *step = add_step(d, DLOP_STEP_RESIZE);

    step->v[0] = d->width_px = width_px;
    step->v[1] = d->height_px = height_px;
    step->v[2] = filter;
}

/* margins: left, top, right, bottom. look: mode, fill r, g, b. */
static void add_pad(struct drawer *d, const int32_t margins[4], const int32_t look[4])
{
    struct dlop_step *step = add_step(d, DLOP_STEP_PAD);

    memcpy(&step->v[0], margins, 4 * sizeof margins[0]);
    memcpy(&step->v[4], look, 4 * sizeof look[0]);
    d->width_px += margins[0] + margins[2];
    d->height_px += margins[1] + margins[3];
}

static bool has_margin(const int32_t margins[4])
{
    return margins[0] || margins[1] || margins[2] || margins[3];
}

/* ---- draws ---- */

static double draw_uniform(struct drawer *d, double lo, double hi)
{
    return (double)dlop_rng_uniform_one(d->state, d->rules, (float)lo, (float)hi);
}

static bool draw_chance(struct drawer *d, double p)
{
    return dlop_rng_unit(d->state) < (float)p;
}

/* Where a window of n begins in a side of side_px. */
static int32_t draw_offset(struct drawer *d, int32_t side_px, int32_t n)
{
    return (int32_t)dlop_rng_randint_one(d->state, d->rules, 0, side_px - n + 1);
}

/* ---- one function per operation ---- */

/* The box where ten attempts did not fit: as much of the middle as the ratios allow. */
static dlop_status crop_middle(const struct dlop_op *op, struct drawer *d)
{
    double ratio_min = fmin(op->f[2], op->f[3]), ratio_max = fmax(op->f[2], op->f[3]);
    double ratio = (double)d->width_px / (double)d->height_px;
    double width = d->width_px, height = d->height_px;

    if (ratio < ratio_min)
        height = rint(width / ratio_min);
    else if (ratio > ratio_max)
        width = rint(height * ratio_max);
    if (!(width >= 1 && height >= 1 && width <= d->width_px && height <= d->height_px))
        return DLOP_ERR_ARGUMENT;
    int32_t w = (int32_t)width, h = (int32_t)height;
    add_crop(d, (d->width_px - w) / 2, (d->height_px - h) / 2, w, h);
    return DLOP_OK;
}

static dlop_status crop_by_area(const struct dlop_op *op, struct drawer *d)
{
    double area = (double)d->width_px * (double)d->height_px;

    for (int attempt = 0; attempt < CROP_ATTEMPTS; attempt++) {
        double target_area = area * draw_uniform(d, op->f[0], op->f[1]);
        float aspect = (float)draw_uniform(d, op->f[4], op->f[5]);
        dlop_exp(d->rules, &aspect, 1);
        double width = rint(sqrt(target_area * (double)aspect));
        double height = rint(sqrt(target_area / (double)aspect));
        if (!isfinite(width) || !isfinite(height))
            return DLOP_ERR_ARGUMENT;
        if (width > 0 && width <= d->width_px && height > 0 && height <= d->height_px) {
            int32_t w = (int32_t)width, h = (int32_t)height;
            int32_t y = draw_offset(d, d->height_px, h);
            add_crop(d, draw_offset(d, d->width_px, w), y, w, h);
            return DLOP_OK;
        }
    }
    return crop_middle(op, d);
}

static dlop_status draw_resized_crop(const struct dlop_op *op, struct drawer *d)
{
    dlop_status status = crop_by_area(op, d);

    if (status == DLOP_OK)
        add_resize(d, op->i[1], op->i[0], op->i[2]);
    return status;
}

static dlop_status draw_resize(const struct dlop_op *op, struct drawer *d)
{
    add_resize(d, op->i[1], op->i[0], op->i[2]);
    return DLOP_OK;
}

static dlop_status draw_resize_short(const struct dlop_op *op, struct drawer *d)
{
    bool is_tall = d->width_px <= d->height_px;
    double shorter = is_tall ? d->width_px : d->height_px;
    double longer = is_tall ? d->height_px : d->width_px;
    double size = op->i[0], max_size = op->i[1];
    double new_shorter = size, new_longer = max_size;

    /* Quotients of whole numbers below 2^53, each rounded once, then cut. */
    if (op->i[0] == 0) {
        new_shorter = trunc(max_size * shorter / longer);
    } else {
        new_longer = trunc(size * longer / shorter);
        if (op->i[1] != 0 && new_longer > max_size) {
            new_shorter = trunc(max_size * new_shorter / new_longer);
            new_longer = max_size;
        }
    }
    if (new_shorter < 1)
        return DLOP_ERR_ARGUMENT;
    if (new_longer > DLOP_MAX_SIDE_PX)
        return DLOP_ERR_LIMIT;
    int32_t w = (int32_t)(is_tall ? new_shorter : new_longer);
    int32_t h = (int32_t)(is_tall ? new_longer : new_shorter);
    add_resize(d, w, h, op->i[2]);
    return DLOP_OK;
}

static int32_t missing(int32_t wanted_px, int32_t side_px)
{
    return wanted_px > side_px ? wanted_px - side_px : 0;
}

static int32_t centre_offset(int32_t side_px, int32_t n)
{
    return (int32_t)rint((side_px - n) / 2.0);
}

static dlop_status draw_center_crop(const struct dlop_op *op, struct drawer *d)
{
    static const int32_t BLACK[4] = {DLOP_PAD_CONSTANT, 0, 0, 0};
    int32_t height_px = op->i[0], width_px = op->i[1];
    int32_t x = missing(width_px, d->width_px), y = missing(height_px, d->height_px);
    const int32_t margins[4] = {x / 2, y / 2, (x + 1) / 2, (y + 1) / 2};

    if (has_margin(margins))
        add_pad(d, margins, BLACK);
    add_crop(d, centre_offset(d->width_px, width_px), centre_offset(d->height_px, height_px),
             width_px, height_px);
    return DLOP_OK;
}

static dlop_status draw_random_crop(const struct dlop_op *op, struct drawer *d)
{
    enum { PAD = 2, PAD_IF_NEEDED = 6, LOOK = 7, ONLY_WITH_SLACK = 8, FILL = 9 };
    int32_t height_px = op->i[0], width_px = op->i[1];
    bool only_with_slack = op->i[ONLY_WITH_SLACK] != 0;
    const int32_t look[4] = {op->i[LOOK], op->i[FILL], op->i[FILL + 1], op->i[FILL + 2]};
    int32_t margins[4];
    memcpy(margins, &op->i[PAD], sizeof margins);

    int32_t x = 0, y = 0;
    if (op->i[PAD_IF_NEEDED]) {
        x = missing(width_px, d->width_px + margins[0] + margins[2]);
        y = missing(height_px, d->height_px + margins[1] + margins[3]);
    }
    /* v2 pads once by the sum; v1 pads the padded image again, which is not the same for
     * reflect. */
    const int32_t more[4] = {x, y, x, y};
    if (only_with_slack)
        for (int side = 0; side < 4; side++)
            margins[side] += more[side];
    if (has_margin(margins))
        add_pad(d, margins, look);
    if (!only_with_slack && has_margin(more))
        add_pad(d, more, look);

    if (d->height_px < height_px || d->width_px < width_px)
        return DLOP_ERR_ARGUMENT;
    bool has_slack_x = d->width_px > width_px, has_slack_y = d->height_px > height_px;
    bool draws_both = !only_with_slack && (has_slack_x || has_slack_y);
    int32_t top = has_slack_y || draws_both ? draw_offset(d, d->height_px, height_px) : 0;
    int32_t left = has_slack_x || draws_both ? draw_offset(d, d->width_px, width_px) : 0;
    add_crop(d, left, top, width_px, height_px);
    return DLOP_OK;
}

static dlop_status draw_pad(const struct dlop_op *op, struct drawer *d)
{
    add_pad(d, &op->i[0], &op->i[4]);
    return DLOP_OK;
}

static dlop_status draw_flip_x(const struct dlop_op *op, struct drawer *d)
{
    if (draw_chance(d, op->f[0]))
        add_step(d, DLOP_STEP_FLIP_X);
    return DLOP_OK;
}

static dlop_status draw_flip_y(const struct dlop_op *op, struct drawer *d)
{
    if (draw_chance(d, op->f[0]))
        add_step(d, DLOP_STEP_FLIP_Y);
    return DLOP_OK;
}

static dlop_status draw_grey(const struct dlop_op *op, struct drawer *d)
{
    add_step(d, DLOP_STEP_GREY)->v[0] = op->i[0];
    return DLOP_OK;
}

static dlop_status draw_random_grey(const struct dlop_op *op, struct drawer *d)
{
    if (draw_chance(d, op->f[0]))
        add_step(d, DLOP_STEP_GREY);
    return DLOP_OK;
}

static const draw_fn DRAW_BY_KIND[DLOP_OP_COUNT] = {
    [DLOP_OP_RESIZED_CROP] = draw_resized_crop,
    [DLOP_OP_RESIZE] = draw_resize,
    [DLOP_OP_RESIZE_SHORT] = draw_resize_short,
    [DLOP_OP_CENTER_CROP] = draw_center_crop,
    [DLOP_OP_RANDOM_CROP] = draw_random_crop,
    [DLOP_OP_PAD] = draw_pad,
    [DLOP_OP_FLIP_X] = draw_flip_x,
    [DLOP_OP_FLIP_Y] = draw_flip_y,
    [DLOP_OP_GREY] = draw_grey,
    [DLOP_OP_RANDOM_GREY] = draw_random_grey,
};

/* ---- the whole record ---- */

static bool is_side(int64_t px)
{
    return px >= 1 && px <= DLOP_MAX_SIDE_PX;
}

static dlop_status draw_ops(const struct dlop_op *ops, uint32_t n_ops, struct drawer *d)
{
    for (uint32_t i = 0; i < n_ops; i++) {
        if (ops[i].kind >= DLOP_OP_COUNT)
            return DLOP_ERR_ARGUMENT;
        dlop_status status = DRAW_BY_KIND[ops[i].kind](&ops[i], d);
        if (status != DLOP_OK)
            return status;
        if (!is_side(d->width_px) || !is_side(d->height_px))
            return DLOP_ERR_LIMIT;
    }
    return DLOP_OK;
}

dlop_status dlop_draw_record(const struct dlop_op *ops, uint32_t n_ops,
                             const struct dlop_draw_rules *rules, struct dlop_rng_state *state,
                             uint32_t width_px, uint32_t height_px, struct dlop_drawn *drawn_out)
{
    if ((n_ops && !ops) || n_ops > DLOP_MAX_OPS || !rules || !state || !drawn_out)
        return DLOP_ERR_ARGUMENT;
    if (!is_side(width_px) || !is_side(height_px))
        return DLOP_ERR_LIMIT;
    struct drawer d = {.rules = rules,
                       .state = state,
                       .drawn = drawn_out,
                       .width_px = (int32_t)width_px,
                       .height_px = (int32_t)height_px};
    /* 2.5 KB, some 50 ns: cheaper than to prove before the draws that none of them can fail. */
    struct dlop_rng_state before = *state;

    drawn_out->n_steps = 0;
    dlop_status status = draw_ops(ops, n_ops, &d);
    if (status != DLOP_OK) {
        *state = before;
        return status;
    }
    drawn_out->width_px = (uint32_t)d.width_px;
    drawn_out->height_px = (uint32_t)d.height_px;
    return DLOP_OK;
}
