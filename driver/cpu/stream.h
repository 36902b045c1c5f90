/* One job's rows, from its source to the tensor; for worker.c.
 *
 * dlop_cpu_stream_open, then dlop_cpu_stream_open_source (or, where another thread has done that,
 * its pixels or planes), then dlop_cpu_stream_rows for any rows in any order; nothing to close.
 *
 * Invariants: all sizes come from a checked job; memory grows before the first row and never while
 * rows run; the output is written only after the source is complete.
 * Not here: decoding (jpeg.h), filters and table look-ups (axis.h, pack.h), threads (pool.h).
 */
#ifndef DLOP_DRIVER_CPU_STREAM_H
#define DLOP_DRIVER_CPU_STREAM_H

#include "driver/cpu/axis.h"
#include "driver/cpu/pack.h"
#include "driver/cpu/steps.h"

struct dlop_cpu_jpeg;

struct dlop_cpu_memory {
    u8 *bytes; /* aligned to 64 */
    size_t capacity;
};

/* Content is lost. DLOP_OK, DLOP_ERR_NO_MEMORY. Nothing happens where the memory is large enough,
 * which is the steady state. */
dlop_status dlop_cpu_memory_grow(struct dlop_cpu_memory *memory, size_t n_bytes) DLOP_MUST_USE;

/* What a thread keeps from job to job; its owner frees the memories. */
struct dlop_cpu_tools {
    const struct dlop_cpu_steps *steps;
    struct dlop_cpu_jpeg *jpeg;
    struct dlop_cpu_memory x_axis, y_axis; /* arrays of the axes */
    struct dlop_cpu_memory rows;           /* the ring, then the rows of struct dlop_cpu_stream */
    struct dlop_cpu_memory
        ring_index; /* struct dlop_cpu_ring: rows of a span, then what it holds */
    struct dlop_cpu_pack_memo pack_memo;
};

/* The last rows that were made; slot r & mask holds row r where held says so. */
struct dlop_cpu_ring {
    u8 *rows;
    const u8 **span_rows; /* [longest span]: the rows of one span, for the y step */
    u32 *held;            /* [mask + 1] */
    u32 mask;
};

/* One job while its rows run. */
struct dlop_cpu_stream {
    struct dlop_cpu_tools *tools;
    const struct dlop_job *job;
    const struct dlop_launch *buffers;
    const u8 *pixels; /* PIXELS: first sample of the region; null for JPEG */
    struct dlop_cpu_axis x, y;
    struct dlop_cpu_pack pack;
    bool is_x_first;
    bool is_packed_first; /* before the y axis */
    size_t packed_bytes;  /* of an output row, where is_packed_first */
    size_t row_bytes;     /* of every row here */
    struct dlop_cpu_ring ring;
    u8 *source_row, *middle_row, *out_row, *fill_row;
    u8 *out;
};

/* Everything that rows need besides their source. job: checked; it, buffers and tools must stay.
 * DLOP_OK, DLOP_ERR_NO_MEMORY. */
dlop_status dlop_cpu_stream_open(struct dlop_cpu_stream *stream, struct dlop_cpu_tools *tools,
                                 const struct dlop_job *job,
                                 const struct dlop_launch *buffers) DLOP_MUST_USE;

/* Decode what the region needs; for pixels find its first sample. Statuses: as
 * dlop_cpu_jpeg_decode. n_blocks_out: of a JPEG, on DLOP_OK. */
dlop_status dlop_cpu_stream_open_source(struct dlop_cpu_stream *stream,
                                        u32 *n_blocks_out) DLOP_MUST_USE;

/* Write output rows first..end - 1 of the tensor, and no byte beside them. */
void dlop_cpu_stream_rows(struct dlop_cpu_stream *stream, u32 first, u32 end);

#endif
