/* Geometry of a frame: sizes of its components' planes and the order of blocks in its scans.
 *
 * Everything follows from the frame's size and sampling factors. Planes are whole MCUs: their pitch
 * and height in samples are those of the padded component. The real size of a component,
 * ceil(size * h / h_max), is where the upsampling filters clamp.
 * A frame of one component has MCUs of one block, whatever its sampling factors say.
 */
#ifndef DLOP_HW_CORE_GEOMETRY_H
#define DLOP_HW_CORE_GEOMETRY_H

#include "hw/abi/jpeg_frame.h"
#include "hw/core/arith.h"

#define DLOP_BLOCK_SIDE 8u

struct dlop_component_geometry {
    u32 blocks_x, blocks_y;            /* per MCU */
    u32 ratio_x, ratio_y;              /* of the full resolution to this component's, 1..4 */
    u32 width_samples, height_samples; /* real size */
    u32 width_blocks, height_blocks;   /* blocks that a scan of this component alone holds */
    u32 pitch_samples, rows_samples;   /* of the plane: whole MCUs */
};

struct dlop_geometry {
    u32 n_components;
    u32 mcus_x, mcus_y; /* of an interleaved scan */
    struct dlop_component_geometry component[DLOP_JPEG_MAX_COMPONENTS];
};

/* frame: checked (dlop_frame_check). */
DLOP_STEP void dlop_geometry_of_frame(const struct dlop_jpeg_frame *frame,
                                      struct dlop_geometry *geometry_out)
{
    u32 is_single = frame->n_components == 1;
    u32 h_max = is_single ? 1 : frame->h_max, v_max = is_single ? 1 : frame->v_max, i;

    geometry_out->n_components = frame->n_components;
    geometry_out->mcus_x = dlop_ceil_div(frame->width_px, DLOP_BLOCK_SIDE * h_max);
    geometry_out->mcus_y = dlop_ceil_div(frame->height_px, DLOP_BLOCK_SIDE * v_max);
    for (i = 0; i < frame->n_components; i++) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = 3)
        struct dlop_component_geometry *c = &geometry_out->component[i];

        c->blocks_x = is_single ? 1 : frame->component[i].h;
        c->blocks_y = is_single ? 1 : frame->component[i].v;
        c->ratio_x = h_max / c->blocks_x;
        c->ratio_y = v_max / c->blocks_y;
        c->width_samples = dlop_ceil_div(frame->width_px, c->ratio_x);
        c->height_samples = dlop_ceil_div(frame->height_px, c->ratio_y);
        c->width_blocks = dlop_ceil_div(c->width_samples, DLOP_BLOCK_SIDE);
        c->height_blocks = dlop_ceil_div(c->height_samples, DLOP_BLOCK_SIDE);
        c->pitch_samples = geometry_out->mcus_x * c->blocks_x * DLOP_BLOCK_SIDE;
        c->rows_samples = geometry_out->mcus_y * c->blocks_y * DLOP_BLOCK_SIDE;
    }
}

#endif
