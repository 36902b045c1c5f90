/* Inside of the timings: a photograph taken apart, and one step being timed. timing.c has the
 * material and the clock, timing_jpeg.c and timing_rows.c the passes. */
#ifndef DLOP_DRIVER_CPU_TIMING_INTERNAL_H
#define DLOP_DRIVER_CPU_TIMING_INTERNAL_H

#include "driver/cpu/axis.h"
#include "driver/cpu/jpeg_internal.h"
#include "driver/cpu/pack.h"
#include "driver/cpu/timing.h"

#define TIMING_MAX_BLOCKS 1024
/* Rows of pixels that axis steps go round in: few, so that a step finds a row in the caches as in a
 * job. */
#define TIMING_ROWS      16
#define TIMING_ROW_BYTES (4 * (DLOP_CPU_TIMING_MAX_IN_PX + DLOP_CPU_TIMING_MAX_TAPS) + 256)

struct dlop_cpu_material {
    const struct dlop_jpeg_frame *frame;
    const u8 *scan; /* stuffed, [n_scan_bytes] */
    u32 n_scan_bytes;
    u8 *segment; /* unstuffed, then DLOP_CPU_SEGMENT_SLACK_BYTES zeros */
    u32 n_segment_bytes;
    u32 n_mcus, n_blocks;               /* n_blocks: of all MCUs */
    struct dlop_cpu_jpeg *jpeg;         /* with the planes of the whole picture */
    u8 *wide[DLOP_JPEG_MAX_COMPONENTS]; /* a plane of one row of MCUs that holds them all */
    size_t wide_stride_bytes[DLOP_JPEG_MAX_COMPONENTS];
    s16 coef[TIMING_MAX_BLOCKS][64]; /* of the first component, zigzag order */
    u32 n_coefs;
    u8 *rows; /* [TIMING_ROWS][TIMING_ROW_BYTES] pixels */
    u8 *out;  /* a tensor of the largest elements */
};

/* A step with everything that it needs, ready for passes. */
struct timed {
    struct dlop_cpu_material *material;
    const struct dlop_cpu_timing *timing;
    struct dlop_cpu_steps steps;
    struct dlop_cpu_huff huff[DLOP_JPEG_MAX_COMPONENTS][2]; /* DC, AC */
    struct dlop_cpu_quant quant[DLOP_JPEG_MAX_COMPONENTS];
    _Alignas(64) s16 coef[TIMING_MAX_BLOCKS][64]; /* in the order of the steps */
    struct dlop_cpu_axis axis;
    u8 *axis_memory;
    struct dlop_job job;
    struct dlop_cpu_pack pack;
    struct dlop_cpu_pack_memo memo;
    _Alignas(64) u8 row[TIMING_ROW_BYTES];
};

/* One pass over the material; returns its units, or 0 where the step refused. */
typedef double timed_pass(struct timed *timed);

timed_pass dlop_timed_unstuff, dlop_timed_huff_dc, dlop_timed_huff_ac;
timed_pass dlop_timed_decode_mcus, dlop_timed_skip_mcus, dlop_timed_idct;
timed_pass dlop_timed_h2v1, dlop_timed_h2v2, dlop_timed_h1v2;
timed_pass dlop_timed_ycc, dlop_timed_rgb, dlop_timed_grey, dlop_timed_to_grey, dlop_timed_pixels;
timed_pass dlop_timed_axis_plan, dlop_timed_axis_x, dlop_timed_axis_y;
timed_pass dlop_timed_pack_plan, dlop_timed_pack;

/* Before the passes: tables, quantisers and coefficients in the form of timed->steps. False where a
 * table is refused. */
bool dlop_timed_prepare_jpeg(struct timed *timed);
/* Before the passes: axis and pack. timed->axis_memory is freed by the caller. False where there is
 * no memory. */
bool dlop_timed_prepare_rows(struct timed *timed);

/* The first coefficients of the first component, by the reference. Statuses of the entropy
 * decoder. */
dlop_status dlop_material_read_coefs(struct dlop_cpu_material *material) DLOP_MUST_USE;

#endif
