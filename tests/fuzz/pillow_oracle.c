/* Pillow's way with libjpeg: a source that runs dry at the end of the data (then Pillow raises
 * "image file is truncated"), warnings ignored, default settings, all scanlines and then the end of
 * image. Pillow's own parser in Python comes before that and is not here: see the program
 * pillow. */
#include "tests/fuzz/pillow_oracle.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

struct oracle {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    jmp_buf on_error;
    uint8_t *rgb;
};

static void raise_error(j_common_ptr common)
{
    longjmp(((struct oracle *)common->client_data)->on_error, 1);
}

static void say_nothing(j_common_ptr common)
{
    (void)common;
}

static void ignore_message(j_common_ptr common, int level)
{
    (void)common, (void)level;
}

static void begin_source(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

static boolean run_dry(j_decompress_ptr jpeg)
{
    (void)jpeg;
    return FALSE;
}

static void skip_bytes(j_decompress_ptr jpeg, long n)
{
    struct oracle *oracle = jpeg->client_data;
    size_t left = jpeg->src->bytes_in_buffer, step = n > 0 ? (size_t)n : 0;
    /* More than there is: nothing is left, and whoever needs more will run dry. */
    step = step < left ? step : left;
    oracle->source.next_input_byte += step;
    oracle->source.bytes_in_buffer -= step;
}

static int read_pixels(struct oracle *oracle, uint64_t max_pixels)
{
    struct jpeg_decompress_struct *jpeg = &oracle->jpeg;

    if (jpeg_read_header(jpeg, TRUE) != JPEG_HEADER_OK)
        return 0;
    if ((uint64_t)jpeg->image_width * jpeg->image_height > max_pixels ||
        (jpeg->num_components != 1 && jpeg->num_components != 3))
        return 0;
    jpeg->out_color_space = jpeg->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    if (!jpeg_start_decompress(jpeg))
        return 0;
    size_t row_bytes = (size_t)jpeg->output_width * 3;
    oracle->rgb = malloc(row_bytes * jpeg->output_height);
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = oracle->rgb + row_bytes * jpeg->output_scanline;
        if (jpeg_read_scanlines(jpeg, &row, 1) != 1)
            return 0;
        for (size_t x = jpeg->output_width; jpeg->num_components == 1 && x-- > 0;)
            row[3 * x] = row[3 * x + 1] = row[3 * x + 2] = row[x];
    }
    return jpeg_finish_decompress(jpeg);
}

int pillow_decode(const uint8_t *bytes, size_t n_bytes, uint64_t max_pixels,
                  struct pillow_image *image_out)
{
    struct oracle oracle = {.source = {.next_input_byte = bytes,
                                       .bytes_in_buffer = n_bytes,
                                       .init_source = begin_source,
                                       .fill_input_buffer = run_dry,
                                       .skip_input_data = skip_bytes,
                                       .resync_to_restart = jpeg_resync_to_restart,
                                       .term_source = begin_source}};
    volatile int is_decoded = 0;

    oracle.jpeg.err = jpeg_std_error(&oracle.errors);
    oracle.errors.error_exit = raise_error;
    oracle.errors.output_message = say_nothing;
    oracle.errors.emit_message = ignore_message;
    if (setjmp(oracle.on_error) == 0) {
        jpeg_create_decompress(&oracle.jpeg);
        oracle.jpeg.client_data = &oracle;
        oracle.jpeg.src = &oracle.source;
        is_decoded = read_pixels(&oracle, max_pixels);
        if (is_decoded)
            *image_out = (struct pillow_image){oracle.jpeg.output_width, oracle.jpeg.output_height,
                                               oracle.rgb};
    } else {
        is_decoded = 0;
    }
    if (!is_decoded)
        free(oracle.rgb);
    jpeg_destroy_decompress(&oracle.jpeg);
    return is_decoded;
}
