/* Colour in plain C, for compilers that vectorise: planes of a short run first, then pixels. */
#include "driver/cpu/colour.h"

#include <stddef.h>
#include <string.h>

#include "hw/core/arith.h"

#define RUN_PX 64

static inline void put_pixel(u8 *rgbx, u32 r, u32 g, u32 b)
{
    u8 pixel[4] = {(u8)r, (u8)g, (u8)b, 255};

    memcpy(rgbx, pixel, sizeof(pixel));
}

static inline void convert_run(const u8 *restrict y, const u8 *restrict cb, const u8 *restrict cr,
                               u32 n_px, u8 *restrict rgbx_out)
{
    u8 r[RUN_PX], g[RUN_PX], b[RUN_PX];

    for (u32 i = 0; i < n_px; i++) {
        s32 luma = y[i], blue = cb[i] - 128, red = cr[i] - 128;

        r[i] = dlop_clamp_u8(luma + ((91881 * red + 32768) >> 16));
        g[i] = dlop_clamp_u8(luma + ((-22554 * blue - 46802 * red + 32768) >> 16));
        b[i] = dlop_clamp_u8(luma + ((116130 * blue + 32768) >> 16));
    }
    for (u32 i = 0; i < n_px; i++)
        put_pixel(rgbx_out + 4 * (size_t)i, r[i], g[i], b[i]);
}

void dlop_cpu_ycc_to_rgbx_plain(const u8 *y, const u8 *cb, const u8 *cr, u32 n_px, u8 *rgbx_out)
{
    size_t x = 0;

    for (; x + RUN_PX <= n_px; x += RUN_PX)
        convert_run(y + x, cb + x, cr + x, RUN_PX, rgbx_out + 4 * x);
    convert_run(y + x, cb + x, cr + x, n_px - (u32)x, rgbx_out + 4 * x);
}

void dlop_cpu_grey_to_rgbx_plain(const u8 *grey, u32 n_px, u8 *rgbx_out)
{
    for (u32 i = 0; i < n_px; i++)
        put_pixel(rgbx_out + 4 * (size_t)i, grey[i], grey[i], grey[i]);
}
