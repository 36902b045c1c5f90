/* Upsampling filters in plain C without branches or clamps, for compilers that vectorise. */
#include "driver/cpu/upsample.h"

#include <stddef.h>

void dlop_cpu_upsample_h2v1_plain(const u8 *restrict in, u32 n, u8 *restrict out)
{
    for (u32 i = 0; i < n; i++) {
        u32 near = 3u * in[i];

        out[2 * (size_t)i] = (u8)((near + *(in + i - 1) + 1) >> 2);
        out[2 * (size_t)i + 1] = (u8)((near + in[i + 1] + 2) >> 2);
    }
}

void dlop_cpu_upsample_h2v2_plain(const u8 *restrict near_row, const u8 *restrict far_row, u32 n,
                                  u8 *restrict out)
{
    u32 left = 3u * near_row[-1] + far_row[-1];
    u32 here = 3u * near_row[0] + far_row[0];

    for (u32 i = 0; i < n; i++) {
        u32 right = 3u * near_row[i + 1] + far_row[i + 1];

        out[2 * (size_t)i] = (u8)((3 * here + left + 8) >> 4);
        out[2 * (size_t)i + 1] = (u8)((3 * here + right + 7) >> 4);
        left = here;
        here = right;
    }
}

void dlop_cpu_upsample_h1v2_plain(const u8 *restrict near_row, const u8 *restrict far_row,
                                  u32 is_odd, u32 n, u8 *restrict out)
{
    for (u32 i = 0; i < n; i++)
        out[i] = (u8)((3u * near_row[i] + far_row[i] + 1 + is_odd) >> 2);
}
