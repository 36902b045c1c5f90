/* Which MCUs a rectangle of pixels needs.
 *
 * The upsampling filters of ratio 2 use one sample beside the nearest one, so a component of that
 * ratio is widened by one sample on each side and then clamped to its real size. Integer arithmetic
 * only; the result serves all components, and every device uses the same one.
 */
#ifndef DLOP_HW_CORE_REGION_H
#define DLOP_HW_CORE_REGION_H

#include "hw/core/geometry.h"

/* MCUs [x_begin, x_end) x [y_begin, y_end); empty where an end is 0. */
struct dlop_mcu_range {
    u32 x_begin, x_end, y_begin, y_end;
};

/* One axis of one component: widen *begin and *end to the MCUs that pixels [first_px, first_px +
 * n_px) need. n_px > 0; n_samples: real size of the component on this axis; n_blocks: per MCU. */
DLOP_STEP void dlop_region_widen(u32 first_px, u32 n_px, u32 ratio, u32 n_samples, u32 n_blocks,
                                 u32 range[2])
{
    u32 support = ratio == 2 ? 1 : 0, mcu_samples = DLOP_BLOCK_SIDE * n_blocks;
    u32 first = first_px / ratio, last = (first_px + n_px - 1) / ratio;

    first = first > support ? first - support : 0;
    last = dlop_min_u32(last + support, n_samples - 1);
    range[0] = dlop_min_u32(range[0], first / mcu_samples);
    range[1] = dlop_max_u32(range[1], last / mcu_samples + 1);
}

/* rect: x, y, width, height in pixels, inside the frame; an empty one needs no MCU. */
DLOP_STEP void dlop_region_mcus(const struct dlop_geometry *geometry, const u32 rect[4],
                                struct dlop_mcu_range *range_out)
{
    u32 x[2] = {0xffffffffu, 0}, y[2] = {0xffffffffu, 0}, i;

    for (i = 0; i < geometry->n_components && rect[2] != 0 && rect[3] != 0; i++) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = 3)
        const struct dlop_component_geometry *c = &geometry->component[i];

        dlop_region_widen(rect[0], rect[2], c->ratio_x, c->width_samples, c->blocks_x, x);
        dlop_region_widen(rect[1], rect[3], c->ratio_y, c->height_samples, c->blocks_y, y);
    }
    range_out->x_begin = x[0];
    range_out->x_end = x[1];
    range_out->y_begin = y[0];
    range_out->y_end = y[1];
}

#endif
