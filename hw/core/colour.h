/* Colour: rows of full-resolution samples in, rows of RGBX pixels (4 bytes, the last 255) out; and
 * colour to grey.
 *
 * Formulas, with x = c - 128 and arithmetic shifts:
 *     R = clamp(y + ((91881 cr + 32768) >> 16))
 *     G = clamp(y + ((-22554 cb - 46802 cr + 32768) >> 16))
 *     B = clamp(y + ((116130 cb + 32768) >> 16))
 *     L = (19595 R + 38470 G + 7471 B + 32768) >> 16
 */
#ifndef DLOP_HW_CORE_COLOUR_H
#define DLOP_HW_CORE_COLOUR_H

#include "hw/core/arith.h"

/* Bytes of a pixel between the steps, and the value of its unused fourth byte. */
#define DLOP_RGBX_BYTES  4u
#define DLOP_RGBX_UNUSED 255

/* y, cb, cr: [n_px]. rgbx_out: [n_px][4]. */
DLOP_STEP void dlop_colour_ycc_row(DLOP_GLOBAL const u8 *y, DLOP_GLOBAL const u8 *cb,
                                   DLOP_GLOBAL const u8 *cr, u32 n_px, DLOP_GLOBAL u8 *rgbx_out)
{
    u32 i;

    for (i = 0; i < n_px; i++) {
        DLOP_HLS(PIPELINE II = 1)
        s32 luma = y[i], blue = cb[i] - 128, red = cr[i] - 128;
        u64 at = (u64)i * DLOP_RGBX_BYTES;

        rgbx_out[at] = dlop_clamp_u8(luma + ((91881 * red + 32768) >> 16));
        rgbx_out[at + 1] = dlop_clamp_u8(luma + ((-22554 * blue - 46802 * red + 32768) >> 16));
        rgbx_out[at + 2] = dlop_clamp_u8(luma + ((116130 * blue + 32768) >> 16));
        rgbx_out[at + 3] = DLOP_RGBX_UNUSED;
    }
}

/* Components that are R, G and B already. r, g, b: [n_px]; all three may be the same row: grey. */
DLOP_STEP void dlop_colour_rgb_row(DLOP_GLOBAL const u8 *r, DLOP_GLOBAL const u8 *g,
                                   DLOP_GLOBAL const u8 *b, u32 n_px, DLOP_GLOBAL u8 *rgbx_out)
{
    u32 i;

    for (i = 0; i < n_px; i++) {
        DLOP_HLS(PIPELINE II = 1)
        u64 at = (u64)i * DLOP_RGBX_BYTES;

        rgbx_out[at] = r[i];
        rgbx_out[at + 1] = g[i];
        rgbx_out[at + 2] = b[i];
        rgbx_out[at + 3] = DLOP_RGBX_UNUSED;
    }
}

/* One component, copied to all three channels. grey: [n_px]. */
DLOP_STEP void dlop_colour_grey_row(DLOP_GLOBAL const u8 *grey, u32 n_px, DLOP_GLOBAL u8 *rgbx_out)
{
    dlop_colour_rgb_row(grey, grey, grey, n_px, rgbx_out);
}

/* Interleaved pixels of a PIXELS job. pixels: [n_px][n_channels], n_channels 1 or 3. */
DLOP_STEP void dlop_colour_pixels_row(DLOP_GLOBAL const u8 *pixels, u32 n_channels, u32 n_px,
                                      DLOP_GLOBAL u8 *rgbx_out)
{
    u32 second = n_channels == 3 ? 1 : 0, third = n_channels == 3 ? 2 : 0, i;

    for (i = 0; i < n_px; i++) {
        DLOP_HLS(PIPELINE II = 1)
        u64 at = (u64)i * DLOP_RGBX_BYTES, from = (u64)i * n_channels;

        rgbx_out[at] = pixels[from];
        rgbx_out[at + 1] = pixels[from + second];
        rgbx_out[at + 2] = pixels[from + third];
        rgbx_out[at + 3] = DLOP_RGBX_UNUSED;
    }
}

/* Replace each pixel's colour by its grey L, in place. rgbx: [n_px][4]. */
DLOP_STEP void dlop_colour_to_grey_row(DLOP_GLOBAL u8 *rgbx, u32 n_px)
{
    u32 i;

    for (i = 0; i < n_px; i++) {
        DLOP_HLS(PIPELINE II = 1)
        u64 at = (u64)i * DLOP_RGBX_BYTES;
        u32 sum = 19595u * rgbx[at] + 38470u * rgbx[at + 1] + 7471u * rgbx[at + 2];
        u8 grey = (u8)((sum + 0x8000u) >> 16);

        rgbx[at] = grey;
        rgbx[at + 1] = grey;
        rgbx[at + 2] = grey;
    }
}

#endif
