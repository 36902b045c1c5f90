/* The x pass with AVX-512 for ratios whose outputs lie far apart: each output by itself.
 *
 * Key idea: such spans have many taps, so 16 at a time stand side by side in a plane and need no
 * permutation. Four outputs share a vector, one in each 128-bit lane. In the end the four partial
 * sums of each lane and channel are added so that a lane holds a pixel. Sums of digits are shifted
 * and added here, exact modulo 2^32, since partial sums must not be rounded.
 */
#include <string.h>

#include "driver/cpu/axis_avx512.h"

#define BLOCK_OUT  4
#define GROUP_TAPS 16

/* Groups of taps that a block runs through. */
static u32 n_groups_of(const struct dlop_cpu_axis *axis, u32 block)
{
    u32 n_taps = 1;

    for (u32 o = BLOCK_OUT * block; o < BLOCK_OUT * (block + 1) && o < axis->n_out; o++)
        n_taps = axis->span[o].n > n_taps ? axis->span[o].n : n_taps;
    return (n_taps + GROUP_TAPS - 1) / GROUP_TAPS;
}

/* Group g of the weights of output o: four by four into one lane of each digit's cell. */
static void plan_group(const struct dlop_cpu_axis *axis, u32 o, u32 g, u32 cut,
                       struct dlop_axis_cell *cell)
{
    u32 n_taps = o < axis->n_out ? axis->span[o].n : 0;
    size_t lane = 16 * (size_t)(o % BLOCK_OUT);

    for (u32 i = 0; i < 4; i++) {
        u32 t = GROUP_TAPS * g + 4 * i, n = n_taps > t ? n_taps - t : 0, part[4];
        const s32 *weight = axis->weight + (n ? (size_t)o * axis->n_taps + t : 0);

        _mm_storeu_si128((__m128i *)part, dlop_axis_cut_weights(weight, n, cut));
        for (u32 p = 0; p < dlop_axis_n_parts(cut); p++)
            memcpy(cell[p].bytes + lane + 4 * (size_t)i, &part[p], 4);
    }
}

/* Any precision will do here, so weights of torch's resize take two digits. */
static u32 far_cut_of(const struct dlop_cpu_axis *axis)
{
    return axis->n_digits == 2 ? DLOP_AXIS_TWO_DIGITS : DLOP_AXIS_THREE_DIGITS;
}

void dlop_cpu_axis_far_plan_avx512(struct dlop_cpu_axis *axis)
{
    u32 cut = far_cut_of(axis);
    struct dlop_axis_cell *cell = axis->block_cells;

    for (u32 block = 0; block * BLOCK_OUT < axis->n_out; block++) {
        u32 n_groups = n_groups_of(axis, block);

        for (u32 o = BLOCK_OUT * block; o < BLOCK_OUT * (block + 1); o++)
            axis->block_offset_bytes[o] =
                o < axis->n_out && axis->span[o].n ? (u32)axis->span[o].start : 0;
        for (u32 g = 0; g < n_groups; g++, cell += dlop_axis_n_parts(cut))
            for (u32 o = BLOCK_OUT * block; o < BLOCK_OUT * (block + 1); o++)
                plan_group(axis, o, g, cut, cell);
    }
}

/* 16 samples for each of four outputs. */
DLOP_ALWAYS_INLINE __m512i load_taps(const u8 *plane, const u32 start[BLOCK_OUT])
{
    __m512i taps =
        _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(const void *)(plane + start[0])));

    taps = _mm512_inserti32x4(
        taps, _mm_loadu_si128((const __m128i *)(const void *)(plane + start[1])), 1);
    taps = _mm512_inserti32x4(
        taps, _mm_loadu_si128((const __m128i *)(const void *)(plane + start[2])), 2);
    return _mm512_inserti32x4(
        taps, _mm_loadu_si128((const __m128i *)(const void *)(plane + start[3])), 3);
}

DLOP_ALWAYS_INLINE __m512i join_digits(const struct dlop_axis_sums *sums, u32 cut)
{
    __m512i high = sums->part[1];

    if (cut == DLOP_AXIS_THREE_DIGITS)
        high = _mm512_add_epi32(high, _mm512_slli_epi32(sums->part[2], 8));
    return _mm512_add_epi32(sums->part[0], _mm512_slli_epi32(high, 8));
}

/* From four partial sums of a channel in each lane to R, G, B and B again in each lane. */
DLOP_ALWAYS_INLINE __m512i join_lanes(__m512i r, __m512i g, __m512i b)
{
    __m512i rg = _mm512_add_epi32(_mm512_unpacklo_epi32(r, g), _mm512_unpackhi_epi32(r, g));
    __m512i bb = _mm512_add_epi32(_mm512_unpacklo_epi32(b, b), _mm512_unpackhi_epi32(b, b));

    return _mm512_add_epi32(_mm512_unpacklo_epi64(rg, bb), _mm512_unpackhi_epi64(rg, bb));
}

DLOP_ALWAYS_INLINE void far_row(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out,
                                u32 cut)
{
    const __m512i half = _mm512_set1_epi32(1 << (axis->precision_bits - 1));
    const __m128i precision_bits = _mm_cvtsi32_si128((s32)axis->precision_bits);
    const __m512i zero = _mm512_setzero_si512();
    const struct dlop_axis_cell *cell = axis->block_cells;

    dlop_cpu_axis_split_row_avx512(axis, row);
    for (u32 block = 0; block * BLOCK_OUT < axis->n_out; block++, row_out += sizeof(__m128i)) {
        const u32 *start = axis->block_offset_bytes + (size_t)BLOCK_OUT * block;
        u32 n_groups = n_groups_of(axis, block);
        struct dlop_axis_sums sums[3];
        __m512i pixels;

        for (u32 c = 0; c < 3; c++)
            sums[c] = dlop_axis_sums_open(zero);
        for (u32 g = 0; g < n_groups; g++, cell += dlop_axis_n_parts(cut))
            for (u32 c = 0; c < 3; c++) {
                const u8 *plane = axis->planes + c * axis->plane_bytes + GROUP_TAPS * (size_t)g;

                dlop_axis_sums_add(&sums[c], load_taps(plane, start), (const __m512i *)cell, cut);
            }
        pixels = join_lanes(join_digits(&sums[0], cut), join_digits(&sums[1], cut),
                            join_digits(&sums[2], cut));
        pixels = _mm512_sra_epi32(_mm512_add_epi32(pixels, half), precision_bits);
        _mm_storeu_si128((__m128i *)(void *)row_out,
                         _mm512_cvtusepi32_epi8(_mm512_max_epi32(pixels, zero)));
    }
}

void dlop_cpu_axis_far_avx512(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out)
{
    if (far_cut_of(axis) == DLOP_AXIS_TWO_DIGITS)
        far_row(axis, row, row_out, DLOP_AXIS_TWO_DIGITS);
    else
        far_row(axis, row, row_out, DLOP_AXIS_THREE_DIGITS);
}
