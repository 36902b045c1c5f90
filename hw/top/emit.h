/* Pack and write: pixels of a part of a row in, elements in the launch's `out` out.
 *
 * The pack table is on chip for the whole job. A strip is packed into a local buffer first, in the
 * output's own layout, so that it leaves in one burst (HWC) or one for each channel (CHW).
 */
#ifndef DLOP_HW_TOP_EMIT_H
#define DLOP_HW_TOP_EMIT_H

#include "hw/core/pack.h"
#include "hw/top/shape.h"

#define DLOP_TOP_TABLE_BYTES  (DLOP_MAX_CHANNELS * 256u * DLOP_MAX_ELEMENT_BYTES)
#define DLOP_TOP_PACKED_BYTES (DLOP_TOP_STRIP_PX * DLOP_MAX_CHANNELS * DLOP_MAX_ELEMENT_BYTES)

/* Stage: a job's pack table to the chip. */
DLOP_STEP void dlop_top_load_table(const u8 *constants, const struct dlop_job *job,
                                   u8 table_out[DLOP_TOP_TABLE_BYTES])
{
    u32 n_bytes = job->out_channels * 256u * job->element_bytes, i;

    for (i = 0; i < n_bytes; i++) {
        DLOP_HLS(PIPELINE II = 1)
        DLOP_HLS(LOOP_TRIPCOUNT min = 256 max = DLOP_TOP_TABLE_BYTES)
        table_out[i] = constants[job->pack_offset + i];
    }
}

/* Stage: n pixels to elements: [channel][n] (CHW) or [n][channel] (HWC). */
DLOP_STEP void dlop_top_pack(const struct dlop_job *job, const u8 table[DLOP_TOP_TABLE_BYTES],
                             const u8 rgbx[DLOP_TOP_STRIP_PX * DLOP_RGBX_BYTES], u32 n,
                             u8 packed_out[DLOP_TOP_PACKED_BYTES])
{
    struct dlop_job strip = *job;

    strip.out_width_px = n;
    strip.out_height_px = 1;
    dlop_pack_row(&strip, table, rgbx, 0, packed_out);
}

/* Stage: n packed pixels to their place; first_px: number of the first one in the output. */
DLOP_STEP void dlop_top_write(const struct dlop_job *job, const u8 packed[DLOP_TOP_PACKED_BYTES],
                              u64 first_px, u32 n, u8 *out)
{
    u32 is_planar = job->layout == DLOP_LAYOUT_CHW, n_runs = is_planar ? job->out_channels : 1;
    u32 pixel_bytes = job->element_bytes * (is_planar ? 1u : job->out_channels);
    u64 plane_bytes = (u64)job->out_width_px * job->out_height_px * job->element_bytes;
    u64 at = job->out_offset + first_px * pixel_bytes;
    u32 run_bytes = n * pixel_bytes, run, i;

    for (run = 0; run < n_runs; run++) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = 3)
        for (i = 0; i < run_bytes; i++) {
            DLOP_HLS(PIPELINE II = 1)
            DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = DLOP_TOP_PACKED_BYTES)
            out[at + run * plane_bytes + i] = packed[run * run_bytes + i];
        }
    }
}

/* Stages: pixels to their elements in out. */
DLOP_STEP void dlop_top_emit(const struct dlop_job *job, const u8 table[DLOP_TOP_TABLE_BYTES],
                             const u8 rgbx[DLOP_TOP_STRIP_PX * DLOP_RGBX_BYTES], u64 first_px,
                             u32 n, u8 *out)
{
    DLOP_HLS(DATAFLOW)
    u8 packed[DLOP_TOP_PACKED_BYTES];

    dlop_top_pack(job, table, rgbx, n, packed);
    dlop_top_write(job, packed, first_px, n, out);
}

#endif
