/* What a pipeline does to one record once its random numbers are drawn: pure function of image size
 * and generator state. */
#ifndef DLOP_HOST_DRAW_DRAW_H
#define DLOP_HOST_DRAW_DRAW_H

#include "driver/driver.h"
#include "host/include/dlop.h"

/* Drawn operations, all with concrete numbers. Boxes may reach outside the image (zeros there). */
enum dlop_step_kind {
    DLOP_STEP_CROP,   /* x, y, width, height */
    DLOP_STEP_RESIZE, /* width, height, filter */
    DLOP_STEP_PAD,    /* left, top, right, bottom, mode, fill r, g, b */
    DLOP_STEP_FLIP_X,
    DLOP_STEP_FLIP_Y,
    DLOP_STEP_GREY, /* output channels, 0 = as many as before */
    DLOP_STEP_KIND_COUNT
};
struct dlop_step {
    int32_t kind;
    int32_t v[8];
};

#define DLOP_MAX_OPS 16
/* An operation becomes at most three steps (pad, pad what is still missing, crop). */
#define DLOP_MAX_STEPS (3 * DLOP_MAX_OPS)

struct dlop_drawn {
    uint32_t n_steps;
    uint32_t width_px, height_px; /* after the last step */
    struct dlop_step steps[DLOP_MAX_STEPS];
};

/* Draw for a record of width_px x height_px, exactly as the framework's transforms would: same
 * words in the same order. ops: as dlop_recipe_check accepts them. DLOP_OK; DLOP_ERR_ARGUMENT where
 * the framework would raise (crop larger than image); DLOP_ERR_LIMIT where the image or what
 * becomes of it has a side of 0 or above DLOP_MAX_SIDE_PX. After an error the caller hands the
 * record back, and the state is as it was. One thread per state. */
dlop_status dlop_draw_record(const struct dlop_op *ops, uint32_t n_ops,
                             const struct dlop_draw_rules *rules, struct dlop_rng_state *state,
                             uint32_t width_px, uint32_t height_px,
                             struct dlop_drawn *drawn_out) DLOP_MUST_USE;

#endif
