/* Axis tables made ready for this processor: what the two resampling steps work on.
 *
 * A table (hw/abi/abi.h) is checked by the caller. Preparing it finds which outputs are copies or
 * fill, how long the spans really are and how wide the weights are; the vector step also needs the
 * weights of the x axis in the order in which it reads them. All memory is the caller's.
 *
 * Rows are RGBX pixels, four bytes each. Steps work on whole blocks of up to 16 pixels: rows are
 * readable and writable up to dlop_cpu_row_bytes.
 */
#ifndef DLOP_DRIVER_CPU_AXIS_H
#define DLOP_DRIVER_CPU_AXIS_H

#include <stdbool.h>
#include <stddef.h>

#include "hw/abi/abi.h"

/* Outputs [first, first + n) of a run have no source pixel, or are copies of source pixels that
 * stand still, rise or fall from `start`. */
enum dlop_cpu_run_kind {
    DLOP_CPU_RUN_FILL,
    DLOP_CPU_RUN_SAME,
    DLOP_CPU_RUN_RISING,
    DLOP_CPU_RUN_FALLING
};
struct dlop_cpu_run {
    u32 kind;
    u32 first, n;
    u32 start;
};

struct dlop_cpu_axis {
    const u8 *table; /* as it stands in the launch's buffer */
    u32 n_out, n_taps, precision_bits;
    const struct dlop_span *span; /* [n_out] */
    const s32 *weight;            /* [n_out][n_taps] */
    u8 fill[4];                   /* the job's fill as RGBX */
    bool is_gather;
    bool is_shift;            /* one rising run: output o is source pixel o + span[0].start */
    bool is_16_bit;           /* each weight in use fits in 16 bits */
    u32 n_digits;             /* signed bytes that each weight in use is the sum of, 2 at least */
    u32 longest_span;         /* pixels */
    u32 n_in;                 /* pixels of a row up to the last that a span has */
    struct dlop_cpu_run *run; /* all outputs of a gather axis, the fill runs of a filter */
    u32 n_runs;
    u8 *column; /* [longest_span][4], whole 64 bytes: room for the y step */
    /* Order of the vector step for x, see axis_avx2.c, axis_avx512.c and axis_neon.c. */
    u32 *block_offset_bytes; /* [n blocks of 8 outputs][8]: span start in a row of pixels */
    u32 *block_n_pairs;      /* [n blocks]: pairs of taps of the longest span */
    void *block_cells;       /* weights */
    u8 *planes;              /* [3][plane_bytes]: room for the channels of one row */
    size_t plane_bytes;      /* readable for 256 bytes from each pixel of a span on */
    u32 n_window_vectors;    /* windows of axis_avx512.c: 1, 2, 4; 0: it has none */
};

/* Bytes that a row of n_px pixels must have where spans of up to longest_span pixels are read from
 * it. A multiple of 64. */
static inline size_t dlop_cpu_row_bytes(u32 n_px, u32 longest_span)
{
    return (4 * ((size_t)n_px + longest_span) + 64 + 63) & ~(size_t)63;
}

/* Read a checked table: fills everything of *axis but the arrays that dlop_cpu_axis_plan makes. The
 * table must stay where it is, at an address divisible by 4. */
void dlop_cpu_axis_read(struct dlop_cpu_axis *axis, const u8 *table, const u8 fill[3]);

/* Memory for the arrays of an axis that was read. */
size_t dlop_cpu_axis_memory_bytes(const struct dlop_cpu_axis *axis);

/* Lay the arrays out in memory, which is aligned to 64 bytes, and find the runs. */
void dlop_cpu_axis_plan(struct dlop_cpu_axis *axis, u8 *memory);

/* Copy one row through a gather axis; both rows at multiples of 4, apart from each other. */
void dlop_cpu_axis_gather(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out);

bool dlop_cpu_axis_has_fill(const struct dlop_cpu_axis *axis);

/* Write the fill over the outputs that have no source pixel. */
void dlop_cpu_axis_fill(const struct dlop_cpu_axis *axis, u8 *row_out);

/* ---- steps: slots axis_x_plan, axis_x, axis_x_rgb and axis_y of struct dlop_cpu_steps ---- */

/* axis_x_plan: put block_* in order for axis_x. Once per job, for a filter. */
void dlop_cpu_axis_x_plan_none(struct dlop_cpu_axis *axis);
void dlop_cpu_axis_x_plan_avx2(struct dlop_cpu_axis *axis);
void dlop_cpu_axis_x_plan_avx512(struct dlop_cpu_axis *axis);
void dlop_cpu_axis_x_plan_neon(struct dlop_cpu_axis *axis);

/* axis_x: one row [source width][4] to [n_out][4]. Fill outputs and the fourth byte are
 * undefined. */
void dlop_cpu_axis_x_reference(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out);
void dlop_cpu_axis_x_avx2(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out);
void dlop_cpu_axis_x_avx512(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out);
void dlop_cpu_axis_x_neon(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out);

/* axis_x_rgb: the same to [n_out][3]; may be null. row_out has room as for axis_x. */
void dlop_cpu_axis_x_rgb_avx512(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out);

/* axis_y: output row o, which is no fill, from rows[t], the source rows of its span: n_bytes
 * samples of each, in any order. */
void dlop_cpu_axis_y_reference(const struct dlop_cpu_axis *axis, u32 o, const u8 *const *rows,
                               size_t n_bytes, u8 *row_out);
void dlop_cpu_axis_y_plain(const struct dlop_cpu_axis *axis, u32 o, const u8 *const *rows,
                           size_t n_bytes, u8 *row_out);
void dlop_cpu_axis_y_avx2(const struct dlop_cpu_axis *axis, u32 o, const u8 *const *rows,
                          size_t n_bytes, u8 *row_out);
void dlop_cpu_axis_y_avx512(const struct dlop_cpu_axis *axis, u32 o, const u8 *const *rows,
                            size_t n_bytes, u8 *row_out);
void dlop_cpu_axis_y_neon(const struct dlop_cpu_axis *axis, u32 o, const u8 *const *rows,
                          size_t n_bytes, u8 *row_out);

#endif
