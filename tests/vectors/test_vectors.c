/* Exactness on the vectors: what the decoder decodes are Pillow's pixels, with every set of vector
 * replacements; what Pillow alone decodes is refused or equal; what Pillow refuses is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "driver/cpu/cpu.h"
#include "host/include/dlop.h"
#include "tests/vectors/vectors.h"

static const uint32_t vector_masks[] = {0, DLOP_CPU_PLAIN_C, DLOP_CPU_AVX2, UINT32_MAX};
#define N_MASKS (sizeof(vector_masks) / sizeof(vector_masks[0]))

static dlop_decoder *decoders[N_MASKS];
static uint8_t pixels[4 * VECTOR_MAX_PIXELS];

static int open_decoders(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_MASKS; i++)
        if (dlop_decoder_open(vector_masks[i], &decoders[i]) != DLOP_OK)
            return -1;
    return 0;
}

static int close_decoders(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_MASKS; i++)
        dlop_decoder_close(&decoders[i]);
    return 0;
}

static dlop_status decode(const struct vector *vector, size_t decoder, uint32_t channels)
{
    size_t n_pixels = (size_t)vector->width_px * vector->height_px;
    memset(pixels, 0xA5, sizeof(pixels));
    return dlop_decoder_jpeg(decoders[decoder], vector->bytes, vector->n_bytes, channels, pixels,
                             n_pixels * channels);
}

/* Whether the pixels are Pillow's, for 1 (first of RGB), 3 and 4 channels. */
static void check_pixels(const struct vector *vector, size_t decoder, uint32_t channels)
{
    for (size_t i = 0; i < (size_t)vector->width_px * vector->height_px; i++) {
        for (uint32_t c = 0; c < channels; c++) {
            int expected = c == 3 ? 255 : vector->rgb[3 * i + c];
            if (pixels[channels * i + c] != expected)
                fail_msg("%s: mask %u, pixel %zu, channel %u of %u: %d, Pillow %d", vector->path,
                         vector_masks[decoder], i, c, channels, pixels[channels * i + c], expected);
        }
    }
}

static void check_valid(const struct vector *vector)
{
    static const uint32_t channels[] = {1, 3, 4};
    for (size_t decoder = 0; decoder < N_MASKS; decoder++) {
        for (size_t i = 0; i < 3; i++) {
            dlop_status status = decode(vector, decoder, channels[i]);
            if (status != DLOP_OK)
                fail_msg("%s: mask %u: %s", vector->path, vector_masks[decoder],
                         dlop_status_name(status));
            check_pixels(vector, decoder, channels[i]);
        }
    }
}

static void check_tolerated(const struct vector *vector)
{
    for (size_t decoder = 0; decoder < N_MASKS; decoder++) {
        dlop_status status = decode(vector, decoder, 3);
        assert_in_range(-status, 0, 29);
        if (status == DLOP_OK)
            check_pixels(vector, decoder, 3);
    }
}

static void check_invalid(const struct vector *vector)
{
    for (size_t decoder = 0; decoder < N_MASKS; decoder++) {
        dlop_status status = dlop_decoder_jpeg(decoders[decoder], vector->bytes, vector->n_bytes, 3,
                                               pixels, sizeof(pixels));
        if (status == DLOP_OK)
            fail_msg("%s: decoded, but Pillow raises", vector->path);
    }
}

static void valid_files_give_pillows_pixels(void **state)
{
    (void)state;
    for_each_vector("valid/", check_valid);
}

static void tolerated_files_are_refused_or_equal(void **state)
{
    (void)state;
    for_each_vector("tolerated/", check_tolerated);
}

static void invalid_files_are_refused(void **state)
{
    (void)state;
    for_each_vector("invalid/", check_invalid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_files_give_pillows_pixels),
        cmocka_unit_test(tolerated_files_are_refused_or_equal),
        cmocka_unit_test(invalid_files_are_refused),
    };
    return cmocka_run_group_tests_name("vectors", tests, open_decoders, close_decoders);
}
