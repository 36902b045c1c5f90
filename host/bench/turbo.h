/* Rectangles of JPEG files by libjpeg-turbo, as a loader written in C on top of it decodes them.
 *
 * The contestant that is hardest to beat: only the rows and columns of the crop are transformed
 * (jpeg_skip_scanlines, jpeg_crop_scanline), with the defaults that give Pillow's pixels (islow
 * inverse DCT, fancy upsampling). libjpeg-turbo cuts at whole MCUs and lacks the neighbours of a
 * cut's outermost columns, so one column more than asked for is decoded on each side.
 *
 * One object per thread; it keeps libjpeg's own object between pictures.
 */
#ifndef DLOP_HOST_BENCH_TURBO_H
#define DLOP_HOST_BENCH_TURBO_H

#include "driver/driver.h"

#define DLOP_TURBO_CHANNELS 3

struct dlop_turbo;

/* DLOP_OK, DLOP_ERR_NO_MEMORY. */
dlop_status dlop_turbo_open(struct dlop_turbo **turbo_out) DLOP_MUST_USE;
/* Accepts null, sets *turbo to null. */
void dlop_turbo_close(struct dlop_turbo **turbo);

/* Read a file's header; bytes must stay until dlop_turbo_read has returned. DLOP_OK;
 * DLOP_ERR_BAD_DATA: libjpeg-turbo refuses it. */
dlop_status dlop_turbo_start(struct dlop_turbo *turbo, const u8 *bytes, size_t n_bytes,
                             u32 *width_px_out, u32 *height_px_out) DLOP_MUST_USE;

/* Decode a rectangle, not empty and inside the picture that was started, to RGB
 * [rect[3]][*pitch_px_out][3]; its first column is *first_px_out of each row. pixels_bytes: at
 * least those of as many rows of the whole picture. rect: x, y, width, height. DLOP_OK;
 * DLOP_ERR_BAD_DATA, DLOP_ERR_TOO_SMALL, DLOP_ERR_ARGUMENT. */
dlop_status dlop_turbo_read(struct dlop_turbo *turbo, const u32 rect[4], u8 *pixels_out,
                            size_t pixels_bytes, u32 *pitch_px_out,
                            u32 *first_px_out) DLOP_MUST_USE;

#endif
