/* Pack: 8-bit channel values through a table to elements of the output tensor.
 *
 * Any conversion of 256 values is a table that the host builds: float types, normalisation,
 * quantisation. Elements are copied byte by byte, so one text serves every element type and output
 * alignment. Exact formula: element [c][y][x] (CHW) or [y][x][c] (HWC) = table[c][channel c of
 * pixel (y, x)].
 */
#ifndef DLOP_HW_CORE_PACK_H
#define DLOP_HW_CORE_PACK_H

#include "hw/abi/abi.h"
#include "hw/core/arith.h"
#include "hw/core/colour.h"

#define DLOP_MAX_ELEMENT_BYTES 8u

/* Pack row y of a record's output.
 *
 * job:   checked; names size, layout, out_channels (1: the first one) and element_bytes.
 * table: [out_channels][256][element_bytes].
 * rgbx:  [out_width_px][4].
 * out:   the record's whole output, [out_bytes]; only this row's elements are written.
 */
DLOP_STEP void dlop_pack_row(const struct dlop_job *job, DLOP_GLOBAL const u8 *table,
                             DLOP_GLOBAL const u8 *rgbx, u32 y, DLOP_GLOBAL u8 *out)
{
    u32 n_channels = job->out_channels, element_bytes = job->element_bytes, x, c, b;
    u64 width = job->out_width_px, height = job->out_height_px;

    /* An element is one turn. */
    for (x = 0; x < job->out_width_px; x++) {
        for (c = 0; c < n_channels; c++) {
            DLOP_HLS(PIPELINE II = 1)
            DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = 3)
            u32 value = rgbx[(u64)x * DLOP_RGBX_BYTES + c];
            u64 from = (u64)(c * 256 + value) * element_bytes;
            u64 element = job->layout == DLOP_LAYOUT_CHW ? (c * height + y) * width + x
                                                         : (y * width + x) * n_channels + c;

            for (b = 0; b < DLOP_MAX_ELEMENT_BYTES; b++) {
                DLOP_HLS(UNROLL)
                if (b < element_bytes)
                    out[element * element_bytes + b] = table[from + b];
            }
        }
    }
}

#endif
