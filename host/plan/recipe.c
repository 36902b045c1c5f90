/* Recipe check: runs the operations once on what is known of every image.
 *
 * Key idea: abstract interpretation. Sizes are known, or only bounded from below; a resize
 * happened, or may have; a fill colour is in use, or may be. A recipe is refused as soon as some
 * image could make it need more than one pass, so that no record fails later. Not here: records
 * (fold.c).
 */
#include "host/plan/recipe.h"

#include <math.h>
#include <string.h>

#include "host/plan/fold.h"

struct recipe {
    uint32_t resampler;
    bool is_known;               /* the size of every image at this point is width x height */
    int32_t width_px, height_px; /* known, or at least this much */
    bool is_resized;             /* a resize may have changed the size */
    bool has_fill;               /* some image may show the fill */
    bool is_fill_unsure;         /* a random grey may have changed it */
    uint8_t fill[3];
    uint32_t channels;
};

typedef const char *(*check_fn)(const struct dlop_op *op, struct recipe *recipe);

/* ---- parts of operations ---- */

static bool is_side(int32_t px)
{
    return px >= 1 && px <= DLOP_MAX_SIDE_PX;
}

static void set_size(struct recipe *recipe, int32_t width_px, int32_t height_px)
{
    recipe->is_known = true;
    recipe->width_px = width_px;
    recipe->height_px = height_px;
}

static const char *check_size(const struct dlop_op *op)
{
    return is_side(op->i[0]) && is_side(op->i[1]) ? NULL : "a size is below 1 or above the limit";
}

static const char *check_margins(const int32_t margins[4])
{
    for (int side = 0; side < 4; side++)
        if (margins[side] < 0 || margins[side] > DLOP_MAX_SIDE_PX)
            return "a padding is negative or above the limit";
    return NULL;
}

/* look: mode, fill r, g, b. */
static const char *check_look(const int32_t look[4])
{
    if (look[0] < 0 || look[0] >= DLOP_PAD_MODE_COUNT)
        return "unknown padding mode";
    for (int channel = 1; channel < 4; channel++)
        if (look[0] == DLOP_PAD_CONSTANT && (look[channel] < 0 || look[channel] > 255))
            return "a fill value is not in 0..255";
    return NULL;
}

/* Some image shows this colour from now on. */
static const char *add_fill(struct recipe *recipe, const int32_t rgb[3])
{
    const uint8_t fill[3] = {(uint8_t)rgb[0], (uint8_t)rgb[1], (uint8_t)rgb[2]};

    if (recipe->has_fill && (recipe->is_fill_unsure || memcmp(fill, recipe->fill, 3) != 0))
        return "two different fill colours in one pass";
    recipe->has_fill = true;
    memcpy(recipe->fill, fill, 3);
    return NULL;
}

static const char *check_chance(const struct dlop_op *op)
{
    return isnan(op->f[0]) ? "a probability is not a number" : NULL;
}

/* width_px 0: unknown. */
static const char *add_resize(struct recipe *recipe, int32_t filter, int32_t width_px,
                              int32_t height_px)
{
    static const uint8_t BLACK[3] = {0, 0, 0};
    bool is_tensor = recipe->resampler == DLOP_RESAMPLER_TENSOR;

    if (filter < 0 || filter >= DLOP_FILTER_COUNT)
        return "unknown resampling filter";
    if (width_px && recipe->is_known && recipe->width_px == width_px &&
        recipe->height_px == height_px)
        return NULL;
    if (is_tensor && filter != DLOP_FILTER_BILINEAR && filter != DLOP_FILTER_BICUBIC &&
        filter != DLOP_FILTER_LANCZOS)
        return "tensors are resized only with bilinear, bicubic or lanczos";
    if (recipe->is_resized)
        return "two resizes need two passes";
    if (recipe->has_fill && (recipe->is_fill_unsure || memcmp(recipe->fill, BLACK, 3) != 0))
        return "padding with a colour other than black before a resize";
    recipe->is_resized = true;
    return NULL;
}

/* ---- one function per operation ---- */

static const char *check_resized_crop(const struct dlop_op *op, struct recipe *recipe)
{
    const char *reason = check_size(op);

    for (int k = 0; k < 6; k++)
        if (!isfinite(op->f[k]))
            return "scale or ratio of a random crop is not finite";
    if (op->f[0] > op->f[1] || op->f[4] > op->f[5])
        return "scale or ratio of a random crop is not in order";
    if (!(op->f[0] >= 0 && op->f[2] > 0 && op->f[3] > 0))
        return "scale or ratio of a random crop is negative";
    /* The box is any part of the image. */
    recipe->is_known = false;
    recipe->width_px = recipe->height_px = 1;
    if (!reason)
        reason = add_resize(recipe, op->i[2], op->i[1], op->i[0]);
    set_size(recipe, op->i[1], op->i[0]);
    return reason;
}

static const char *check_resize(const struct dlop_op *op, struct recipe *recipe)
{
    const char *reason = check_size(op);

    if (!reason)
        reason = add_resize(recipe, op->i[2], op->i[1], op->i[0]);
    set_size(recipe, op->i[1], op->i[0]);
    return reason;
}

static const char *check_resize_short(const struct dlop_op *op, struct recipe *recipe)
{
    int32_t size = op->i[0], max_size = op->i[1];

    if (size < 0 || size > DLOP_MAX_SIDE_PX || max_size < 0 || max_size > DLOP_MAX_SIDE_PX ||
        (size == 0 && max_size == 0))
        return "a size is below 1 or above the limit";
    if (size != 0 && max_size != 0 && max_size <= size)
        return "max_size must be greater than size";
    if (size != 0 && recipe->is_known && recipe->width_px == size && recipe->height_px == size)
        return add_resize(recipe, op->i[2], size, size);
    const char *reason = add_resize(recipe, op->i[2], 0, 0);
    recipe->is_known = false;
    recipe->width_px = recipe->height_px = size != 0 && max_size == 0 ? size : 1;
    return reason;
}

static const char *check_center_crop(const struct dlop_op *op, struct recipe *recipe)
{
    static const int32_t BLACK[3] = {0, 0, 0};
    const char *reason = check_size(op);

    if (!reason && (recipe->width_px < op->i[1] || recipe->height_px < op->i[0]))
        reason = add_fill(recipe, BLACK);
    set_size(recipe, op->i[1], op->i[0]);
    return reason;
}

static const char *check_random_crop(const struct dlop_op *op, struct recipe *recipe)
{
    const int32_t *margins = &op->i[2];
    const int32_t look[4] = {op->i[7], op->i[9], op->i[10], op->i[11]};
    const char *reason = check_size(op);

    if (!reason)
        reason = check_margins(margins);
    if (!reason)
        reason = check_look(look);
    if (reason)
        return reason;
    int32_t width_px = recipe->width_px + margins[0] + margins[2];
    int32_t height_px = recipe->height_px + margins[1] + margins[3];
    bool may_need = op->i[6] && (width_px < op->i[1] || height_px < op->i[0]);
    bool has_margin = margins[0] || margins[1] || margins[2] || margins[3];
    if (look[0] == DLOP_PAD_CONSTANT && (has_margin || may_need))
        reason = add_fill(recipe, &look[1]);
    set_size(recipe, op->i[1], op->i[0]);
    return reason;
}

static const char *check_pad(const struct dlop_op *op, struct recipe *recipe)
{
    const int32_t *margins = &op->i[0], *look = &op->i[4];
    const char *reason = check_margins(margins);
    bool has_margin = margins[0] || margins[1] || margins[2] || margins[3];

    if (!reason)
        reason = check_look(look);
    if (reason)
        return reason;
    recipe->width_px += margins[0] + margins[2];
    recipe->height_px += margins[1] + margins[3];
    if (recipe->width_px > DLOP_MAX_SIDE_PX || recipe->height_px > DLOP_MAX_SIDE_PX)
        return "a size is below 1 or above the limit";
    return look[0] == DLOP_PAD_CONSTANT && has_margin ? add_fill(recipe, &look[1]) : NULL;
}

static const char *check_flip(const struct dlop_op *op, struct recipe *recipe)
{
    (void)recipe;
    return check_chance(op);
}

static const char *refuse_tensor_grey(const struct recipe *recipe)
{
    return recipe->resampler == DLOP_RESAMPLER_TENSOR && recipe->channels == 3
               ? "grey of tensors is computed in floating point"
               : NULL;
}

static const char *check_grey(const struct dlop_op *op, struct recipe *recipe)
{
    if (op->i[0] != 1 && op->i[0] != 3)
        return "grey gives 1 or 3 channels";
    const char *reason = refuse_tensor_grey(recipe);
    if (recipe->channels == 3)
        memset(recipe->fill, dlop_fold_grey(recipe->fill), 3);
    recipe->is_fill_unsure = false;
    recipe->channels = (uint32_t)op->i[0];
    return reason;
}

static const char *check_random_grey(const struct dlop_op *op, struct recipe *recipe)
{
    const char *reason = check_chance(op);
    uint8_t grey = dlop_fold_grey(recipe->fill);

    if (!reason)
        reason = refuse_tensor_grey(recipe);
    if (recipe->channels == 3 && recipe->has_fill &&
        (recipe->fill[0] != grey || recipe->fill[1] != grey || recipe->fill[2] != grey))
        recipe->is_fill_unsure = true;
    return reason;
}

static const check_fn CHECK_BY_KIND[DLOP_OP_COUNT] = {
    [DLOP_OP_RESIZED_CROP] = check_resized_crop,
    [DLOP_OP_RESIZE] = check_resize,
    [DLOP_OP_RESIZE_SHORT] = check_resize_short,
    [DLOP_OP_CENTER_CROP] = check_center_crop,
    [DLOP_OP_RANDOM_CROP] = check_random_crop,
    [DLOP_OP_PAD] = check_pad,
    [DLOP_OP_FLIP_X] = check_flip,
    [DLOP_OP_FLIP_Y] = check_flip,
    [DLOP_OP_GREY] = check_grey,
    [DLOP_OP_RANDOM_GREY] = check_random_grey,
};

/* ---- the whole recipe ---- */

static const char *check_rules(const struct dlop_draw_rules *rules)
{
    if (rules->exp_kind >= DLOP_EXP_COUNT)
        return "unknown rule for exp";
    if (rules->exp_kind == DLOP_EXP_MKL && !rules->exp_fn)
        return "the rule for exp needs the address of vmsExp";
    if (rules->randint_wide_log2 < 1 || rules->randint_wide_log2 > 32)
        return "unknown rule for randint";
    return NULL;
}

const char *dlop_recipe_check(const struct dlop_plan_cfg *cfg, uint32_t *width_out,
                              uint32_t *height_out)
{
    struct recipe recipe = {
        .resampler = cfg->resampler, .width_px = 1, .height_px = 1, .channels = cfg->src_channels};
    const char *reason = check_rules(cfg->rules);

    for (uint32_t i = 0; i < cfg->n_ops && !reason; i++)
        reason = cfg->ops[i].kind < DLOP_OP_COUNT
                     ? CHECK_BY_KIND[cfg->ops[i].kind](&cfg->ops[i], &recipe)
                     : "unknown operation";
    if (!reason && recipe.channels != cfg->out_channels)
        reason = "the operations give another number of channels than the output has";
    if (reason)
        return reason;
    *width_out = recipe.is_known ? (uint32_t)recipe.width_px : 0;
    *height_out = recipe.is_known ? (uint32_t)recipe.height_px : 0;
    return NULL;
}
