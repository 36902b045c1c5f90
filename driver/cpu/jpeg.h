/* The CPU's JPEG decoder: from a frame description to rows of pixels, for one thread.
 *
 * dlop_cpu_jpeg_decode reads as much of the scans as a rectangle needs and leaves the samples of
 * the touched MCUs in planes, one per component, still subsampled. dlop_cpu_jpeg_row then makes
 * rows of pixels from the planes, one by one, so that a caller which consumes rows (a resize) works
 * out of the first-level cache. Result: bit for bit libjpeg-turbo's default (islow IDCT, fancy
 * upsampling), or a status that refuses the record.
 *
 * Not here: header parsing (host/format), anything after RGB (axis.h, pack.h).
 */
#ifndef DLOP_DRIVER_CPU_JPEG_H
#define DLOP_DRIVER_CPU_JPEG_H

#include "driver/driver.h"
#include "hw/abi/jpeg_frame.h"

struct dlop_cpu_steps; /* driver/cpu/steps.h: which code runs for each step */

/* One thread's decoder memory: planes, unstuffed bytes, row buffers and the Huffman tables of the
 * last images. Grows to the largest image seen. Not shared between threads. */
struct dlop_cpu_jpeg;

/* A rectangle of source pixels. */
struct dlop_rect {
    u32 x, y, width, height;
};

/* Bytes behind the last pixel of dlop_cpu_jpeg_row's output that may be overwritten. */
#define DLOP_CPU_ROW_SLACK_BYTES 64

/* DLOP_OK, DLOP_ERR_NO_MEMORY. On failure *out is untouched. */
dlop_status dlop_cpu_jpeg_open(struct dlop_cpu_jpeg **out) DLOP_MUST_USE;
/* Accepts null; sets *jpeg to null. */
void dlop_cpu_jpeg_close(struct dlop_cpu_jpeg **jpeg);

/* Decode what rect needs of a frame.
 *
 * frame: at an address divisible by 4; checked in every field, so it may come from a damaged file
 *     or a hostile caller. n_bytes: readable from the frame's first byte on, the
 *     DLOP_JPEG_PADDING_BYTES behind the last scan included. Nothing is kept of it on return except
 *     what dlop_cpu_jpeg_row needs, which is copied.
 * rect: not empty and inside the frame, else DLOP_ERR_ARGUMENT.
 * n_blocks_out: blocks that were transformed; written on DLOP_OK only.
 * DLOP_OK; this record: DLOP_ERR_BAD_DATA, DLOP_ERR_TRUNCATED, DLOP_ERR_UNSUPPORTED,
 * DLOP_ERR_LIMIT, DLOP_ERR_INEXACT; this call: DLOP_ERR_ARGUMENT, DLOP_ERR_NO_MEMORY.
 */
dlop_status dlop_cpu_jpeg_decode(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                                 const struct dlop_jpeg_frame *frame, size_t n_bytes,
                                 const struct dlop_rect *rect, u32 *n_blocks_out) DLOP_MUST_USE;

/* Row y (0..rect.height - 1, in any order) of the last rectangle that was decoded with DLOP_OK.
 *
 * rgbx_out: [rect.width][4]: red, green, blue, 255 (grey: three times the sample); the
 *     DLOP_CPU_ROW_SLACK_BYTES behind may be overwritten.
 */
void dlop_cpu_jpeg_row(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps, u32 y,
                       u8 *rgbx_out);

#endif
