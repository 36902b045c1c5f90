/* Jobs and completions as bytes: the form in which they cross to a card. */
#ifndef DLOP_HW_TOP_RECORD_H
#define DLOP_HW_TOP_RECORD_H

#include "hw/abi/abi.h"
#include "hw/core/arith.h"

/* bytes: [128], a job of any content. */
DLOP_STEP void dlop_job_read(DLOP_GLOBAL const u8 *bytes, struct dlop_job *job_out)
{
    u32 i;

    job_out->abi_version = (u16)dlop_u16_at(bytes, 0);
    job_out->kind = bytes[2];
    job_out->pass_order = bytes[3];
    job_out->grey = bytes[4];
    job_out->layout = bytes[5];
    job_out->src_channels = bytes[6];
    job_out->out_channels = bytes[7];
    job_out->element_bytes = bytes[8];
    for (i = 0; i < 3; i++)
        job_out->fill[i] = bytes[9 + i];
    job_out->record = dlop_u32_at(bytes, 12);
    job_out->in_offset = dlop_u64_at(bytes, 16);
    job_out->in_bytes = dlop_u64_at(bytes, 24);
    job_out->x_axis_offset = dlop_u64_at(bytes, 32);
    job_out->y_axis_offset = dlop_u64_at(bytes, 40);
    job_out->pack_offset = dlop_u64_at(bytes, 48);
    job_out->out_offset = dlop_u64_at(bytes, 56);
    job_out->out_bytes = dlop_u32_at(bytes, 64);
    job_out->src_width_px = dlop_u32_at(bytes, 68);
    job_out->src_height_px = dlop_u32_at(bytes, 72);
    job_out->roi_x_px = dlop_u32_at(bytes, 76);
    job_out->roi_y_px = dlop_u32_at(bytes, 80);
    job_out->roi_width_px = dlop_u32_at(bytes, 84);
    job_out->roi_height_px = dlop_u32_at(bytes, 88);
    job_out->out_width_px = dlop_u32_at(bytes, 92);
    job_out->out_height_px = dlop_u32_at(bytes, 96);
    for (i = 0; i < 7; i++)
        job_out->reserved[i] = dlop_u32_at(bytes, 100 + 4 * i);
}

/* bytes_out: [32]. */
DLOP_STEP void dlop_completion_write(const struct dlop_completion *completion,
                                     DLOP_GLOBAL u8 *bytes_out)
{
    u32 i;

    for (i = 0; i < 4; i++) {
        bytes_out[i] = (u8)(completion->record >> 8 * i);
        bytes_out[4 + i] = (u8)((u32)completion->status >> 8 * i);
        bytes_out[8 + i] = (u8)(completion->bytes_written >> 8 * i);
        bytes_out[12 + i] = (u8)(completion->blocks_decoded >> 8 * i);
        bytes_out[24 + i] = (u8)(completion->starved_ticks >> 8 * i);
        bytes_out[28 + i] = (u8)(completion->blocked_ticks >> 8 * i);
    }
    for (i = 0; i < 8; i++)
        bytes_out[16 + i] = (u8)(completion->busy_ticks >> 8 * i);
}

#endif
