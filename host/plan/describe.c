/* A plan as text: sizes, operations and resampling rules in a few lines, for people and for tests
 * with expected texts. Heights come before widths, as in the framework. */
#include "host/base/text.h"
#include "host/plan/plan.h"

static const char *const FILTER_NAME[DLOP_FILTER_COUNT] = {
    [DLOP_FILTER_NEAREST] = "nearest",   [DLOP_FILTER_LANCZOS] = "lanczos",
    [DLOP_FILTER_BILINEAR] = "bilinear", [DLOP_FILTER_BICUBIC] = "bicubic",
    [DLOP_FILTER_BOX] = "box",           [DLOP_FILTER_HAMMING] = "hamming",
};

static const char *const PAD_NAME[DLOP_PAD_MODE_COUNT] = {
    [DLOP_PAD_CONSTANT] = "constant",
    [DLOP_PAD_EDGE] = "edge",
    [DLOP_PAD_REFLECT] = "reflect",
    [DLOP_PAD_SYMMETRIC] = "symmetric",
};

static const char *const RESAMPLER_TEXT[DLOP_RESAMPLER_COUNT] = {
    [DLOP_RESAMPLER_PILLOW] = "Pillow's, weights of 22 bits",
    [DLOP_RESAMPLER_TENSOR] = "uint8 tensors', weights of 16 bits, x first",
};

static const char *const PASS_RULE_TEXT[DLOP_PASS_RULE_COUNT] = {
    [DLOP_PASS_RULE_ALWAYS_X] = "x first",
    [DLOP_PASS_RULE_TALL_100] = "y first where h > 100 w and it shrinks, else x first",
    [DLOP_PASS_RULE_SHRINK] =
        "y first where h shrinks by more than twice what w does, else x first",
};

typedef void (*describe_fn)(const struct dlop_op *op, struct dlop_text *text);

/* margins: left, top, right, bottom. look: mode, fill r, g, b. */
static void add_padding(struct dlop_text *text, const int32_t margins[4], const int32_t look[4])
{
    dlop_text_add(text, "left %d top %d right %d bottom %d, %s", margins[0], margins[1], margins[2],
                  margins[3], PAD_NAME[look[0]]);
    if (look[0] == DLOP_PAD_CONSTANT)
        dlop_text_add(text, " %d %d %d", look[1], look[2], look[3]);
}

static void describe_resized_crop(const struct dlop_op *op, struct dlop_text *text)
{
    dlop_text_add(text, "random box, area %g..%g, ratio %g..%g, resized to %d x %d, %s", op->f[0],
                  op->f[1], op->f[2], op->f[3], op->i[0], op->i[1], FILTER_NAME[op->i[2]]);
}

static void describe_resize(const struct dlop_op *op, struct dlop_text *text)
{
    dlop_text_add(text, "resize to %d x %d, %s", op->i[0], op->i[1], FILTER_NAME[op->i[2]]);
}

static void describe_resize_short(const struct dlop_op *op, struct dlop_text *text)
{
    if (op->i[0] == 0)
        dlop_text_add(text, "resize, longer side to %d", op->i[1]);
    else
        dlop_text_add(text, "resize, shorter side to %d", op->i[0]);
    if (op->i[0] != 0 && op->i[1] != 0)
        dlop_text_add(text, ", longer at most %d", op->i[1]);
    dlop_text_add(text, ", %s", FILTER_NAME[op->i[2]]);
}

static void describe_center_crop(const struct dlop_op *op, struct dlop_text *text)
{
    dlop_text_add(text, "middle %d x %d", op->i[0], op->i[1]);
}

static void describe_random_crop(const struct dlop_op *op, struct dlop_text *text)
{
    const int32_t *margins = &op->i[2];
    const int32_t look[4] = {op->i[7], op->i[9], op->i[10], op->i[11]};

    dlop_text_add(text, "random %d x %d", op->i[0], op->i[1]);
    if (margins[0] || margins[1] || margins[2] || margins[3]) {
        dlop_text_add(text, " of padded: ");
        add_padding(text, margins, look);
    }
    if (op->i[6])
        dlop_text_add(text, ", padded where too small");
    dlop_text_add(text, op->i[8] ? ", draws on axes with slack" : ", draws on both axes");
}

static void describe_pad(const struct dlop_op *op, struct dlop_text *text)
{
    dlop_text_add(text, "pad ");
    add_padding(text, &op->i[0], &op->i[4]);
}

static void describe_flip_x(const struct dlop_op *op, struct dlop_text *text)
{
    dlop_text_add(text, "flip left to right, p %g", op->f[0]);
}

static void describe_flip_y(const struct dlop_op *op, struct dlop_text *text)
{
    dlop_text_add(text, "flip top to bottom, p %g", op->f[0]);
}

static void describe_grey(const struct dlop_op *op, struct dlop_text *text)
{
    dlop_text_add(text, "grey, channels %d", op->i[0]);
}

static void describe_random_grey(const struct dlop_op *op, struct dlop_text *text)
{
    dlop_text_add(text, "grey, p %g", op->f[0]);
}

static const describe_fn DESCRIBE_BY_KIND[DLOP_OP_COUNT] = {
    [DLOP_OP_RESIZED_CROP] = describe_resized_crop,
    [DLOP_OP_RESIZE] = describe_resize,
    [DLOP_OP_RESIZE_SHORT] = describe_resize_short,
    [DLOP_OP_CENTER_CROP] = describe_center_crop,
    [DLOP_OP_RANDOM_CROP] = describe_random_crop,
    [DLOP_OP_PAD] = describe_pad,
    [DLOP_OP_FLIP_X] = describe_flip_x,
    [DLOP_OP_FLIP_Y] = describe_flip_y,
    [DLOP_OP_GREY] = describe_grey,
    [DLOP_OP_RANDOM_GREY] = describe_random_grey,
};

size_t dlop_plan_describe(const dlop_plan *plan, char *text_out, size_t size)
{
    const struct dlop_plan_cfg *cfg = &plan->cfg;
    struct dlop_text text = {.bytes = text_out, .size_bytes = size};

    dlop_text_add(&text, "in      channels %u\n", cfg->src_channels);
    for (uint32_t i = 0; i < cfg->n_ops; i++) {
        dlop_text_add(&text, "op %-2u   ", i + 1);
        DESCRIBE_BY_KIND[plan->ops[i].kind](&plan->ops[i], &text);
        dlop_text_add(&text, "\n");
    }
    dlop_text_add(&text, "resize  %s", RESAMPLER_TEXT[cfg->resampler]);
    if (cfg->resampler == DLOP_RESAMPLER_PILLOW)
        dlop_text_add(&text, ", %s", PASS_RULE_TEXT[cfg->pass_rule]);
    dlop_text_add(&text, "\nout     channels %u, ", cfg->out_channels);
    if (plan->out_width_px)
        dlop_text_add(&text, "%u x %u", plan->out_height_px, plan->out_width_px);
    else
        dlop_text_add(&text, "size of each record");
    dlop_text_add(&text, ", %s, elements of %u bytes\n", cfg->is_hwc ? "hwc" : "chw",
                  cfg->element_bytes);
    if (cfg->n_ops == 0)
        dlop_text_add(&text, "plain   decoded pixels of any size go through the pack table only\n");
    else if (dlop_plan_is_plain(plan, plan->out_width_px, plan->out_height_px))
        dlop_text_add(&text, "plain   decoded pixels of %u x %u go through the pack table only\n",
                      plan->out_height_px, plan->out_width_px);
    return text.n_bytes + 1;
}
