/* Rectangles of JPEG files by libjpeg-turbo: see turbo.h.
 *
 * libjpeg reports errors by leaving through a handler, so each function here is a landing place.
 * Warnings (damaged data that it repairs) are let pass, as Pillow does.
 */
#include "host/bench/turbo.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

/* Rows for which one call of libjpeg is asked. */
#define TURBO_ROWS 16

struct dlop_turbo {
    struct jpeg_decompress_struct decoder;
    struct jpeg_error_mgr errors;
    jmp_buf landing;
};

static void leave(j_common_ptr common)
{
    struct dlop_turbo *turbo = common->client_data;

    longjmp(turbo->landing, 1);
}

static void say_nothing(j_common_ptr common, int level)
{
    (void)common;
    (void)level;
}

dlop_status dlop_turbo_open(struct dlop_turbo **turbo_out)
{
    struct dlop_turbo *turbo = calloc(1, sizeof *turbo);

    if (!turbo)
        return DLOP_ERR_NO_MEMORY;
    turbo->decoder.err = jpeg_std_error(&turbo->errors);
    turbo->errors.error_exit = leave;
    turbo->errors.emit_message = say_nothing;
    turbo->decoder.client_data = turbo;
    if (setjmp(turbo->landing)) {
        free(turbo);
        return DLOP_ERR_NO_MEMORY;
    }
    jpeg_create_decompress(&turbo->decoder);
    *turbo_out = turbo;
    return DLOP_OK;
}

void dlop_turbo_close(struct dlop_turbo **turbo)
{
    if (!*turbo)
        return;
    jpeg_destroy_decompress(&(*turbo)->decoder);
    free(*turbo);
    *turbo = NULL;
}

dlop_status dlop_turbo_start(struct dlop_turbo *turbo, const u8 *bytes, size_t n_bytes,
                             u32 *width_px_out, u32 *height_px_out)
{
    struct jpeg_decompress_struct *decoder = &turbo->decoder;

    if (setjmp(turbo->landing)) {
        jpeg_abort_decompress(decoder);
        return DLOP_ERR_BAD_DATA;
    }
    jpeg_abort_decompress(decoder); /* what an earlier picture left unread */
    jpeg_mem_src(decoder, bytes, n_bytes);
    jpeg_read_header(decoder, TRUE);
    decoder->out_color_space = JCS_RGB;
    *width_px_out = decoder->image_width;
    *height_px_out = decoder->image_height;
    return DLOP_OK;
}

dlop_status dlop_turbo_read(struct dlop_turbo *turbo, const u32 rect[4], u8 *pixels_out,
                            size_t pixels_bytes, u32 *pitch_px_out, u32 *first_px_out)
{
    struct jpeg_decompress_struct *decoder = &turbo->decoder;
    const u32 width_px = decoder->image_width, height_px = decoder->image_height;
    JDIMENSION left = rect[0] > 0 ? rect[0] - 1 : 0;

    if (!rect[2] || !rect[3] || rect[2] > width_px || rect[0] > width_px - rect[2] ||
        rect[3] > height_px || rect[1] > height_px - rect[3])
        return DLOP_ERR_ARGUMENT;
    if (pixels_bytes / DLOP_TURBO_CHANNELS / width_px < rect[3])
        return DLOP_ERR_TOO_SMALL;
    JDIMENSION right = rect[0] + rect[2] < width_px ? rect[0] + rect[2] + 1 : width_px;
    JDIMENSION pitch_px = right - left;
    if (setjmp(turbo->landing)) {
        jpeg_abort_decompress(decoder);
        return DLOP_ERR_BAD_DATA;
    }
    jpeg_start_decompress(decoder);
    if (pitch_px < width_px)
        jpeg_crop_scanline(decoder, &left, &pitch_px);
    if (rect[1] > 0 && jpeg_skip_scanlines(decoder, rect[1]) != rect[1])
        return DLOP_ERR_BAD_DATA;
    *pitch_px_out = decoder->output_width;
    *first_px_out = rect[0] - left;
    size_t pitch_bytes = (size_t)decoder->output_width * DLOP_TURBO_CHANNELS;
    while (decoder->output_scanline < rect[1] + rect[3]) {
        u32 y = decoder->output_scanline - rect[1], n = rect[3] - y;
        JSAMPROW rows[TURBO_ROWS];

        n = n < TURBO_ROWS ? n : TURBO_ROWS;
        for (u32 i = 0; i < n; i++)
            rows[i] = pixels_out + (y + i) * pitch_bytes;
        jpeg_read_scanlines(decoder, rows, n);
    }
    jpeg_abort_decompress(decoder); /* the rows below the rectangle */
    return DLOP_OK;
}
