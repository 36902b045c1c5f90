/* Pictures with what photographs have: soft gradients, edges at odd places, fine texture, saturated
 * areas.
 *
 * Encoded and decoded by the system's libjpeg-turbo, so the expected pixels do not come from our
 * own code. Anonymous files (memfd) carry them into the product's ordinary file source without
 * touching a disk.
 */
#include "host/cli/selftest_pictures.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jpeglib.h>

const struct selftest_kind SELFTEST_KINDS[] = {
    {"4:4:4, own tables", 1, 1, 3, 96, 1, 0, 500, 375},
    {"4:4:4, standard tables", 1, 1, 3, 75, 0, 0, 333, 251},
    {"4:2:0", 2, 2, 3, 92, 1, 0, 500, 375},
    {"4:2:0, odd size", 2, 2, 3, 85, 1, 0, 127, 93},
    {"4:2:2", 2, 1, 3, 90, 1, 0, 301, 200},
    {"4:4:0", 1, 2, 3, 90, 1, 0, 200, 301},
    {"4:1:1", 4, 1, 3, 90, 1, 0, 211, 97},
    {"4:2:0, restart markers", 2, 2, 3, 90, 0, 5, 320, 240},
    {"grey", 1, 1, 1, 95, 1, 0, 257, 199},
    {"one pixel", 2, 2, 3, 90, 0, 0, 1, 1},
};
const uint32_t SELFTEST_N_KINDS = sizeof(SELFTEST_KINDS) / sizeof(SELFTEST_KINDS[0]);

static uint8_t clip(int level)
{
    return (uint8_t)(level < 0 ? 0 : level > 255 ? 255 : level);
}

/* One row of the scene at (x, y): sky to ground gradient, a bright disc, dark bars, and texture
 * below. */
static void draw_row(uint8_t *row, int y, const struct selftest_kind *kind)
{
    int width = kind->width_px, height = kind->height_px;

    for (int x = 0; x < width; x++) {
        int dx = x - width / 3, dy = y - height / 3;
        int is_disc = dx * dx + dy * dy < width * height / 40;
        int is_bar = (x * 7 / width) % 2 && y > height * 2 / 3;
        int texture = y > height / 2 ? ((x * 37 + y * 91) ^ (x * y)) % 61 - 30 : 0;
        int level = 220 - 160 * y / height + texture;
        row[3 * x + 0] = clip(is_disc ? 255 : level + 40 * x / width);
        row[3 * x + 1] = clip(is_disc ? 240 : is_bar ? 20 : level);
        row[3 * x + 2] = clip(is_disc ? 30 : is_bar ? 10 : level + 60 - texture);
    }
}

static void set_compression(struct jpeg_compress_struct *encoder, const struct selftest_kind *kind)
{
    encoder->image_width = kind->width_px;
    encoder->image_height = kind->height_px;
    encoder->input_components = 3;
    encoder->in_color_space = JCS_RGB;
    jpeg_set_defaults(encoder);
    jpeg_set_colorspace(encoder, kind->n_components == 1 ? JCS_GRAYSCALE : JCS_YCbCr);
    jpeg_set_quality(encoder, kind->quality, TRUE);
    encoder->comp_info[0].h_samp_factor = kind->h;
    encoder->comp_info[0].v_samp_factor = kind->v;
    encoder->optimize_coding = kind->is_optimised;
    encoder->restart_interval = kind->restart_mcus;
}

static void encode(FILE *file, const struct selftest_kind *kind, uint8_t *row)
{
    struct jpeg_compress_struct encoder;
    struct jpeg_error_mgr errors;

    encoder.err = jpeg_std_error(&errors);
    jpeg_create_compress(&encoder);
    jpeg_stdio_dest(&encoder, file);
    set_compression(&encoder, kind);
    jpeg_start_compress(&encoder, TRUE);
    while (encoder.next_scanline < encoder.image_height) {
        draw_row(row, (int)encoder.next_scanline, kind);
        jpeg_write_scanlines(&encoder, &row, 1);
    }
    jpeg_finish_compress(&encoder);
    jpeg_destroy_compress(&encoder);
}

static void decode(FILE *file, uint8_t *pixels)
{
    struct jpeg_decompress_struct decoder;
    struct jpeg_error_mgr errors;

    decoder.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&decoder);
    jpeg_stdio_src(&decoder, file);
    jpeg_read_header(&decoder, TRUE);
    decoder.out_color_space = JCS_RGB;
    jpeg_start_decompress(&decoder);
    while (decoder.output_scanline < decoder.output_height) {
        uint8_t *row = pixels + 3ull * decoder.output_width * decoder.output_scanline;
        jpeg_read_scanlines(&decoder, &row, 1);
    }
    jpeg_finish_decompress(&decoder);
    jpeg_destroy_decompress(&decoder);
}

bool selftest_picture_open(const struct selftest_kind *kind, struct selftest_picture *picture_out)
{
    uint8_t *expected = malloc(3ull * kind->width_px * kind->height_px);
    uint8_t *row = malloc(3ull * kind->width_px);
    int fd = memfd_create("dlop-selftest", MFD_CLOEXEC);
    FILE *file = fd >= 0 ? fdopen(dup(fd), "w+b") : NULL;
    bool is_open = expected && row && file;

    if (is_open) {
        encode(file, kind, row);
        rewind(file);
        decode(file, expected);
        *picture_out = (struct selftest_picture){kind, fd, expected};
    }
    if (file)
        fclose(file);
    free(row);
    if (!is_open) {
        free(expected);
        if (fd >= 0)
            close(fd);
    }
    return is_open;
}

void selftest_picture_close(struct selftest_picture *picture)
{
    close(picture->fd);
    free(picture->expected);
}
