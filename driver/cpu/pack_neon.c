/* Rows of pixels to elements and back with NEON: what is only a change of byte order.
 *
 * As pack_avx2.c: tables that are a formula go to pack_formula_neon.c, all others that change
 * something through the loops of pack.c.
 */
#include "driver/cpu/pack.h"

#include <arm_neon.h>
#include <string.h>

static void split_row(const u8 *row, u32 n_px, u32 n_channels, size_t plane_bytes, u8 *out)
{
    size_t x = 0;

    for (; x + 16 <= n_px; x += 16) {
        uint8x16x4_t pixels = vld4q_u8(row + 4 * x);

        for (u32 c = 0; c < n_channels; c++)
            vst1q_u8(out + c * plane_bytes + x, pixels.val[c]);
    }
    for (; x < n_px; x++)
        for (u32 c = 0; c < n_channels; c++)
            out[c * plane_bytes + x] = row[4 * x + c];
}

static void drop_fourth_row(const u8 *row, u32 n_px, u8 *out)
{
    size_t x = 0;

    for (; x + 16 <= n_px; x += 16) {
        uint8x16x4_t pixels = vld4q_u8(row + 4 * x);
        uint8x16x3_t rgb = {{pixels.val[0], pixels.val[1], pixels.val[2]}};

        vst3q_u8(out + 3 * x, rgb);
    }
    for (; x < n_px; x++)
        memcpy(out + 3 * x, row + 4 * x, 3);
}

void dlop_cpu_pack_neon(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out)
{
    static const struct dlop_cpu_pack_parts parts = {
        dlop_cpu_formula_to_planes_neon, dlop_cpu_formula_to_rgb_neon, dlop_cpu_pack_plain,
        split_row, drop_fourth_row};

    dlop_cpu_pack_by_parts(&parts, pack, row, y, out);
}

static void store_pixels(u8 *rgbx, uint8x16_t r, uint8x16_t g, uint8x16_t b)
{
    uint8x16x4_t pixels = {{r, g, b, vdupq_n_u8(255)}};

    vst4q_u8(rgbx, pixels);
}

void dlop_cpu_pixels_to_rgbx_neon(const u8 *pixels, u32 n_channels, u32 n_px, u8 *rgbx_out)
{
    size_t x = 0;

    for (; x + 16 <= n_px; x += 16) {
        if (n_channels == 3) {
            uint8x16x3_t rgb = vld3q_u8(pixels + 3 * x);

            store_pixels(rgbx_out + 4 * x, rgb.val[0], rgb.val[1], rgb.val[2]);
        } else {
            uint8x16_t grey = vld1q_u8(pixels + x);

            store_pixels(rgbx_out + 4 * x, grey, grey, grey);
        }
    }
    for (; x < n_px; x++) {
        const u8 *in = pixels + x * n_channels;

        rgbx_out[4 * x] = in[0];
        rgbx_out[4 * x + 1] = in[n_channels == 3 ? 1 : 0];
        rgbx_out[4 * x + 2] = in[n_channels == 3 ? 2 : 0];
        rgbx_out[4 * x + 3] = 255;
    }
}
