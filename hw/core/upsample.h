/* Chroma upsampling: rows of a component's samples in, one row at full resolution out.
 *
 * "Fancy" (triangle) filters for the ratios 2x1, 2x2 and 1x2, replication for all others, exactly
 * as libjpeg-turbo does by default. Rows and columns past an edge are those of the edge, where the
 * edge is that of the component's real size ceil(size * h / h_max), not of the padded blocks: the
 * caller picks rows by dlop_upsample_beside, the functions clamp columns by the same rule.
 * All positions are absolute: a row may be made from any first position on, so that a region needs
 * no other formula than the whole image. Input and output 0..255; 16-bit sums suffice.
 */
#ifndef DLOP_HW_CORE_UPSAMPLE_H
#define DLOP_HW_CORE_UPSAMPLE_H

#include "hw/core/arith.h"

enum dlop_upsample_kind {
    DLOP_UPSAMPLE_REPLICATE, /* any whole ratio, 1x1 included */
    DLOP_UPSAMPLE_H2V1,
    DLOP_UPSAMPLE_H2V2,
    DLOP_UPSAMPLE_H1V2,
    DLOP_UPSAMPLE_KIND_COUNT
};

/* Which filter a component takes. ratio_x, ratio_y: 1..4. n_samples: the component's real width;
 * two or fewer samples are too few for the horizontal filters. */
DLOP_STEP u32 dlop_upsample_kind_of(u32 ratio_x, u32 ratio_y, u32 n_samples)
{
    if (ratio_x == 1 && ratio_y == 2)
        return DLOP_UPSAMPLE_H1V2;
    if (ratio_x == 2 && ratio_y == 1 && n_samples > 2)
        return DLOP_UPSAMPLE_H2V1;
    if (ratio_x == 2 && ratio_y == 2 && n_samples > 2)
        return DLOP_UPSAMPLE_H2V2;
    return DLOP_UPSAMPLE_REPLICATE;
}

/* The second sample that a filter of ratio 2 uses for output position p, besides the nearest one,
 * p / 2: the one before for even p, the one after for odd p, clamped to [0, n_samples). Rows and
 * columns alike. */
DLOP_STEP u32 dlop_upsample_beside(u32 p, u32 n_samples)
{
    u32 nearest = p / 2;

    if (p % 2 == 0)
        return nearest == 0 ? 0 : nearest - 1;
    return nearest + 1 < n_samples ? nearest + 1 : n_samples - 1;
}

/* out[i] = in[(x_first + i) / ratio]. */
DLOP_STEP void dlop_upsample_replicate_row(DLOP_GLOBAL const u8 *in, u32 ratio_x, u32 x_first,
                                           u32 n_out, DLOP_GLOBAL u8 *out)
{
    u32 i;

    for (i = 0; i < n_out; i++) {
        DLOP_HLS(PIPELINE II = 1)
        out[i] = in[(x_first + i) / ratio_x];
    }
}

/* Even x: (3 near + left + 1) >> 2; odd x: (3 near + right + 2) >> 2. in: [n_samples]. */
DLOP_STEP void dlop_upsample_h2v1_row(DLOP_GLOBAL const u8 *in, u32 n_samples, u32 x_first,
                                      u32 n_out, DLOP_GLOBAL u8 *out)
{
    u32 i;

    for (i = 0; i < n_out; i++) {
        DLOP_HLS(PIPELINE II = 1)
        u32 x = x_first + i;
        u32 sum = 3u * in[x / 2] + in[dlop_upsample_beside(x, n_samples)];

        out[i] = (u8)((sum + 1 + x % 2) >> 2);
    }
}

/* Columns first: c = 3 near + far; then even x: (3 c + c left + 8) >> 4, odd x: (3 c + c right + 7)
 * >> 4. near, far: [n_samples]. */
DLOP_STEP void dlop_upsample_h2v2_row(DLOP_GLOBAL const u8 *near_row, DLOP_GLOBAL const u8 *far_row,
                                      u32 n_samples, u32 x_first, u32 n_out, DLOP_GLOBAL u8 *out)
{
    u32 i;

    for (i = 0; i < n_out; i++) {
        DLOP_HLS(PIPELINE II = 1)
        u32 x = x_first + i;
        u32 side = dlop_upsample_beside(x, n_samples);
        u32 column = 3u * near_row[x / 2] + far_row[x / 2];
        u32 column_beside = 3u * near_row[side] + far_row[side];

        out[i] = (u8)((3 * column + column_beside + 8 - x % 2) >> 4);
    }
}

/* Even y: (3 near + far + 1) >> 2; odd y: (3 near + far + 2) >> 2. */
DLOP_STEP void dlop_upsample_h1v2_row(DLOP_GLOBAL const u8 *near_row, DLOP_GLOBAL const u8 *far_row,
                                      u32 y, u32 x_first, u32 n_out, DLOP_GLOBAL u8 *out)
{
    u32 i;

    for (i = 0; i < n_out; i++) {
        DLOP_HLS(PIPELINE II = 1)
        u32 x = x_first + i;

        out[i] = (u8)((3u * near_row[x] + far_row[x] + 1 + y % 2) >> 2);
    }
}

#endif
