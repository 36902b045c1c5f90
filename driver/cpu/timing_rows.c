/* Timings of the steps from rows of pixels to the tensor: see timing.h. */
#include <stdlib.h>
#include <string.h>

#include "driver/cpu/timing_internal.h"

#define SIDE_PX DLOP_CPU_TIMING_OUT_PX

static const u8 no_fill[3];

static const u8 *row_at(const struct timed *timed, u32 y)
{
    return timed->material->rows + (size_t)(y % TIMING_ROWS) * TIMING_ROW_BYTES;
}

static void plan_axis(struct timed *timed)
{
    dlop_cpu_axis_read(&timed->axis, timed->timing->axis_table, no_fill);
    dlop_cpu_axis_plan(&timed->axis, timed->axis_memory);
    timed->steps.axis_x_plan(&timed->axis);
}

bool dlop_timed_prepare_rows(struct timed *timed)
{
    const struct dlop_cpu_timing *timing = timed->timing;

    if (timing->axis_table) {
        dlop_cpu_axis_read(&timed->axis, timing->axis_table, no_fill);
        timed->axis_memory =
            aligned_alloc(64, (dlop_cpu_axis_memory_bytes(&timed->axis) + 63) & ~(size_t)63);
        if (!timed->axis_memory)
            return false;
        plan_axis(timed);
    }
    if (timing->pack_table) {
        timed->job = (struct dlop_job){.layout = (u8)timing->layout,
                                       .out_channels = 3,
                                       .element_bytes = (u8)timing->element_bytes,
                                       .out_bytes = SIDE_PX * SIDE_PX * 3 * timing->element_bytes,
                                       .out_width_px = SIDE_PX,
                                       .out_height_px = SIDE_PX};
        dlop_cpu_pack_init(&timed->pack, &timed->job, timing->pack_table);
        timed->steps.pack_plan(&timed->pack, &timed->memo);
    }
    return true;
}

double dlop_timed_pixels(struct timed *timed)
{
    for (u32 y = 0; y < SIDE_PX; y++)
        timed->steps.pixels_to_rgbx(row_at(timed, y), 3, SIDE_PX, timed->row);
    return SIDE_PX * SIDE_PX;
}

double dlop_timed_axis_plan(struct timed *timed)
{
    plan_axis(timed);
    return timed->axis.n_out;
}

double dlop_timed_axis_x(struct timed *timed)
{
    for (u32 y = 0; y < TIMING_ROWS; y++)
        timed->steps.axis_x(&timed->axis, row_at(timed, y), timed->row);
    return (double)TIMING_ROWS * timed->axis.n_out;
}

double dlop_timed_axis_y(struct timed *timed)
{
    const u8 *rows[DLOP_CPU_TIMING_MAX_TAPS];

    for (u32 o = 0; o < timed->axis.n_out; o++) {
        const struct dlop_span *span = &timed->axis.span[o];

        if (span->n > DLOP_CPU_TIMING_MAX_TAPS)
            return 0;
        for (u32 t = 0; t < span->n; t++)
            rows[t] = row_at(timed, (u32)span->start + t);
        timed->steps.axis_y(&timed->axis, o, rows, (size_t)4 * SIDE_PX, timed->row);
    }
    return (double)SIDE_PX * timed->axis.n_out;
}

double dlop_timed_pack_plan(struct timed *timed)
{
    timed->memo.n_channels = 0; /* as if this table were new */
    timed->steps.pack_plan(&timed->pack, &timed->memo);
    return 1;
}

double dlop_timed_pack(struct timed *timed)
{
    for (u32 y = 0; y < SIDE_PX; y++)
        timed->steps.pack(&timed->pack, row_at(timed, y), y, timed->material->out);
    return SIDE_PX * SIDE_PX;
}
