/* The contract between host and devices: what a job is, what a completion is, what the buffers of a
 * launch hold.
 *
 * A launch has three buffers: `in` (filled by the host for each batch: compressed bytes or pixels,
 * frame descriptions, axis tables), `constants` (filled once per plan: pack tables) and `out` (the
 * tensor). A job names bytes by offsets into them, never by addresses, so the same record works on
 * the host, over OpenCL and on a card. All records are little-endian; reserved fields are zero. A
 * device checks each offset and size of a job before use: records may come from damaged files.
 *
 * The work of every job is the same five steps, after which all geometry of the framework's
 * transforms is expressed:
 *
 *     source pixels (decoded region) -> optional grey -> x and y axis tables -> optional grey
 *         -> pack table -> out
 *
 * Each axis table maps output positions to weighted source positions and so holds crop, resize,
 * flip and every padding.
 */
#ifndef DLOP_HW_ABI_ABI_H
#define DLOP_HW_ABI_ABI_H

#include "hw/abi/port.h"

#define DLOP_ABI_VERSION 1

/* Limits that devices may rely on; the host refuses records beyond them. */
#define DLOP_MAX_SIDE_PX  65500
#define DLOP_MAX_CHANNELS 3

/* JPEG: in_offset names a struct dlop_jpeg_frame (hw/abi/jpeg_frame.h). PIXELS: in_offset names
 * 8-bit samples [src_height_px][src_width_px][src_channels], rows without padding. TENSOR: samples
 * like those of PIXELS, which go through the pack table as they are: no axis tables (offsets 0), no
 * grey, the region is the whole source and the output has its size. */
enum dlop_job_kind { DLOP_JOB_JPEG, DLOP_JOB_PIXELS, DLOP_JOB_TENSOR, DLOP_JOB_KIND_COUNT };

/* Order of the two resampling passes; the intermediate is rounded to 8 bits, so the order shows in
 * the result. */
enum dlop_pass_order { DLOP_PASS_X_FIRST, DLOP_PASS_Y_FIRST, DLOP_PASS_ORDER_COUNT };

/* Where colour becomes grey: (19595 R + 38470 G + 7471 B + 0x8000) >> 16, copied to all channels.
 */
enum dlop_grey { DLOP_GREY_NONE, DLOP_GREY_BEFORE_AXES, DLOP_GREY_AFTER_AXES, DLOP_GREY_COUNT };

/* Order of the output's elements: [channel][y][x] or [y][x][channel]. */
enum dlop_layout { DLOP_LAYOUT_CHW, DLOP_LAYOUT_HWC, DLOP_LAYOUT_COUNT };

/* Header of an axis table. It is followed by struct dlop_span span[n_out] and s32
 * weight[n_out][n_taps].
 *
 * Output o is clip8((half + sum over t < span[o].n of source[span[o].start + t] * weight[o][t])
 * >> precision_bits) with half = 1 << (precision_bits - 1) and the sum in s32. An output whose span
 * has n = 0 is the job's fill. Positions are relative to the job's region (roi_*).
 * is_gather: every n is 0 or 1 and every weight 1 << precision_bits, so that outputs are copies.
 * A filter whose output n is 0 on one axis gives the fill whatever the other axis says.
 */
struct dlop_axis {
    u32 n_out;
    u32 n_taps;
    u32 precision_bits; /* 1..22 */
    u32 is_gather;
};

struct dlop_span {
    s32 start;
    u32 n;
};

/* Bytes of a table: header, spans, weights. */
#define DLOP_AXIS_BYTES(n_out, n_taps) (16u + 8u * (u64)(n_out) + 4u * (u64)(n_out) * (u64)(n_taps))

/* One record to be made into one tensor. Offsets are in bytes: in_offset, x_axis_offset and
 * y_axis_offset into `in`, pack_offset into `constants`, out_offset into `out`. The pack table is
 * out_channels x 256 elements of element_bytes. Axis tables and frames stand at multiples of 4,
 * pack tables and outputs at multiples of element_bytes. */
struct dlop_job {
    u16 abi_version;
    u8 kind;          /* enum dlop_job_kind */
    u8 pass_order;    /* enum dlop_pass_order */
    u8 grey;          /* enum dlop_grey */
    u8 layout;        /* enum dlop_layout */
    u8 src_channels;  /* 1 or 3: channels of the decoded source */
    u8 out_channels;  /* 1 or 3; 1 takes the first channel */
    u8 element_bytes; /* 1, 2, 4 or 8 */
    u8 fill[3]; /* 8-bit colour of outputs that no source pixel reaches; written after grey, right
                   before the pack table */
    u32 record; /* copied into the completion */
    u64 in_offset;
    u64 in_bytes; /* all bytes of the source from in_offset on; JPEG: padding included */
    u64 x_axis_offset;
    u64 y_axis_offset;
    u64 pack_offset;
    u64 out_offset;
    u32 out_bytes; /* exactly what is written on success */
    u32 src_width_px, src_height_px;
    u32 roi_x_px, roi_y_px, roi_width_px,
        roi_height_px; /* the only source pixels that the axis tables name */
    u32 out_width_px, out_height_px;
    u32 reserved[7];
};
DLOP_ASSERT_SIZE(struct dlop_job, 128);

/* What became of one job. bytes_written is 0 unless status is DLOP_OK. */
struct dlop_completion {
    u32 record;
    s32 status; /* enum dlop_status_value */
    u32 bytes_written;
    u32 blocks_decoded; /* JPEG: 8x8 blocks that were transformed */
    u64 busy_ticks;     /* ns on the host, cycles on a card */
    /* Card only: cycles in which the engine waited for bytes of the job, and for room for results.
     */
    u32 starved_ticks, blocked_ticks;
};
DLOP_ASSERT_SIZE(struct dlop_completion, 32);

#endif
