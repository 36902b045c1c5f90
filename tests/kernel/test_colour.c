/* Kernel test: colour conversion against the real-valued formulas, for all inputs.
 *
 * The integer constants differ from the real ones by less than 2^-17 each, so a result may differ
 * from rounding the real value only where that lies within 0.003 of a half.
 */
#include "tests/kernel/kernel.h"

#include <math.h>

#include "hw/core/colour.h"

static int is_rounding(int got, double real)
{
    double clamped = real < 0 ? 0 : real > 255 ? 255 : real;
    return fabs(got - clamped) <= 0.503;
}

static void every_ycc_colour(void **state)
{
    (void)state;
    u8 *y = guard_alloc(256), *cb = guard_alloc(256), *cr = guard_alloc(256);
    u8 *rgbx = guard_alloc(1024);

    for (int i = 0; i < 256; i++)
        y[i] = (u8)i;
    for (int b = 0; b < 256; b++)
        for (int r = 0; r < 256; r++) {
            double blue = b - 128, red = r - 128;
            memset(cb, b, 256);
            memset(cr, r, 256);
            memset(rgbx, 0x55, 1024);
            dlop_colour_ycc_row(y, cb, cr, 256, rgbx);
            for (int i = 0; i < 256; i++) {
                const u8 *px = rgbx + 4 * i;
                if (!is_rounding(px[0], i + 1.402 * red) ||
                    !is_rounding(px[1], i - 0.344136286 * blue - 0.714136286 * red) ||
                    !is_rounding(px[2], i + 1.772 * blue) || px[3] != 255)
                    fail_msg("ycc %d %d %d gave %d %d %d %d", i, b, r, px[0], px[1], px[2], px[3]);
            }
        }
    guard_free(y, 256);
    guard_free(cb, 256);
    guard_free(cr, 256);
    guard_free(rgbx, 1024);
}

/* Primaries and corners, as any JPEG viewer shows them. */
static void known_colours(void **state)
{
    (void)state;
    static const struct {
        u8 ycc[3], rgb[3];
    } known[] = {
        {{0, 128, 128}, {0, 0, 0}},       {{255, 128, 128}, {255, 255, 255}},
        {{76, 85, 255}, {254, 0, 0}},     {{150, 44, 21}, {0, 255, 1}},
        {{29, 255, 107}, {0, 0, 254}},    {{128, 0, 0}, {0, 255, 0}},
        {{128, 255, 255}, {255, 0, 255}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        u8 rgbx[4];
        const u8 *ycc = known[i].ycc;
        dlop_colour_ycc_row(ycc, ycc + 1, ycc + 2, 1, rgbx);
        assert_memory_equal(rgbx, known[i].rgb, 3);
    }
}

static void every_colour_to_grey(void **state)
{
    (void)state;
    u8 *rgbx = guard_alloc(1024);

    for (int r = 0; r < 256; r++)
        for (int g = 0; g < 256; g++) {
            for (int b = 0; b < 256; b++)
                memcpy(rgbx + 4 * b, (u8[4]){(u8)r, (u8)g, (u8)b, 255}, 4);
            dlop_colour_to_grey_row(rgbx, 256);
            for (int b = 0; b < 256; b++) {
                const u8 *px = rgbx + 4 * b;
                if (!is_rounding(px[0], 0.299 * r + 0.587 * g + 0.114 * b) || px[1] != px[0] ||
                    px[2] != px[0] || px[3] != 255)
                    fail_msg("rgb %d %d %d gave %d %d %d %d", r, g, b, px[0], px[1], px[2], px[3]);
            }
        }
    guard_free(rgbx, 1024);
}

static void plain_rows_are_copied(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (u32 n = 0; n <= 40; n++) {
        u8 *pixels = guard_alloc(3 * n), *rgbx = guard_alloc(4 * n);
        u8 *planes[3] = {guard_alloc(n), guard_alloc(n), guard_alloc(n)};

        random_bytes(&random, pixels, 3 * n);
        for (u32 i = 0; i < 3 * n; i++)
            planes[i % 3][i / 3] = pixels[i];
        dlop_colour_pixels_row(pixels, 3, n, rgbx);
        for (u32 i = 0; i < 4 * n; i++)
            assert_int_equal(rgbx[i], i % 4 == 3 ? 255 : pixels[i / 4 * 3 + i % 4]);
        memset(rgbx, 0, 4 * n);
        dlop_colour_rgb_row(planes[0], planes[1], planes[2], n, rgbx);
        for (u32 i = 0; i < 4 * n; i++)
            assert_int_equal(rgbx[i], i % 4 == 3 ? 255 : pixels[i / 4 * 3 + i % 4]);
        dlop_colour_grey_row(planes[1], n, rgbx);
        for (u32 i = 0; i < 4 * n; i++)
            assert_int_equal(rgbx[i], i % 4 == 3 ? 255 : planes[1][i / 4]);
        memset(rgbx, 0, 4 * n);
        dlop_colour_pixels_row(planes[2], 1, n, rgbx);
        for (u32 i = 0; i < 4 * n; i++)
            assert_int_equal(rgbx[i], i % 4 == 3 ? 255 : planes[2][i / 4]);
        for (int c = 0; c < 3; c++)
            guard_free(planes[c], n);
        guard_free(pixels, 3 * n);
        guard_free(rgbx, 4 * n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_ycc_colour),
        cmocka_unit_test(known_colours),
        cmocka_unit_test(every_colour_to_grey),
        cmocka_unit_test(plain_rows_are_copied),
    };
    return cmocka_run_group_tests_name("kernel/colour", tests, NULL, NULL);
}
