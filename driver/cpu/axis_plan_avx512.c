/* What axis_avx512.c reads in its x pass: for each block of 16 outputs the first sample of its
 * window (block_offset_bytes) and its groups of taps (block_n_pairs); in block_cells a cell of
 * places, then for each group of four taps one cell per digit of the weights.
 */
#include "driver/cpu/axis_avx512.h"

/* Groups of taps that a block runs through: one number for all where the code is unrolled. */
static u32 plan_n_groups(const struct dlop_cpu_axis *axis, u32 block)
{
    u32 n_all = (axis->longest_span + 3) / 4, n_taps = 1;

    if (n_all <= DLOP_AXIS_MAX_UNROLLED)
        return n_all;
    for (u32 o = DLOP_AXIS_X_BLOCK * block; o < DLOP_AXIS_X_BLOCK * (block + 1) && o < axis->n_out;
         o++)
        n_taps = axis->span[o].n > n_taps ? axis->span[o].n : n_taps;
    return (n_taps + 3) / 4;
}

/* Spans of a block: its starts, and which outputs have one. */
static __mmask16 load_starts(const struct dlop_cpu_axis *axis, u32 block, __m512i *starts_out)
{
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const struct dlop_span *span = axis->span + (size_t)DLOP_AXIS_X_BLOCK * block;
    u32 left = axis->n_out - DLOP_AXIS_X_BLOCK * block,
        is_there = left < 16 ? (1u << left) - 1 : 0xffff;
    __m512i low = _mm512_maskz_loadu_epi64((__mmask8)is_there, span);
    __m512i high = _mm512_maskz_loadu_epi64((__mmask8)(is_there >> 8), span + 8);
    __m512i n = _mm512_permutex2var_epi32(low, _mm512_add_epi32(even, _mm512_set1_epi32(1)), high);

    *starts_out = _mm512_permutex2var_epi32(low, even, high);
    return _mm512_test_epi32_mask(n, n);
}

/* Find the first sample of a block's window; returns how many samples it takes for all taps. */
static u32 plan_window(const struct dlop_cpu_axis *axis, u32 block, u32 *first_out)
{
    __m512i starts;
    __mmask16 is_used = load_starts(axis, block, &starts);
    u32 first = _mm512_mask_reduce_min_epu32(is_used, starts);
    u32 last = _mm512_mask_reduce_max_epu32(is_used, starts);

    *first_out = is_used ? first : 0;
    return is_used ? last - first + 4 * axis->block_n_pairs[block] : 0;
}

/* Plan groups and windows; returns the vectors of samples for the widest window, 0 where there is
 * no code for it. */
static u32 plan_windows(const struct dlop_cpu_axis *axis, u32 cut)
{
    u32 widest = 0, n_vectors = 1;

    if (cut == DLOP_AXIS_NOT_CUT)
        return 0;
    for (u32 block = 0; block * DLOP_AXIS_X_BLOCK < axis->n_out; block++) {
        u32 n;

        axis->block_n_pairs[block] = plan_n_groups(axis, block);
        n = plan_window(axis, block, &axis->block_offset_bytes[block]);
        widest = n > widest ? n : widest;
    }
    while (n_vectors <= DLOP_AXIS_MAX_WINDOW_VECTORS && 64 * n_vectors < widest)
        n_vectors *= 2;
    return n_vectors <= (cut <= DLOP_AXIS_SPLIT_WORDS ? 1 : DLOP_AXIS_MAX_WINDOW_VECTORS)
               ? n_vectors
               : 0;
}

/* A window has at most 256 samples, so that places are bytes and no sum of them carries; where an
 * output has no span they do not matter. Words take two samples and leave the bytes between them
 * zero (x_row masks them). */
static void plan_places(const struct dlop_cpu_axis *axis, u32 block, u32 cut,
                        struct dlop_axis_cell *cell)
{
    const __m512i first = _mm512_set1_epi32((s32)axis->block_offset_bytes[block]);
    const __m512i next = _mm512_set1_epi32(cut <= DLOP_AXIS_SPLIT_WORDS ? 0x01010000 : 0x03020100);
    __m512i starts;

    load_starts(axis, block, &starts);
    starts = _mm512_mullo_epi32(_mm512_sub_epi32(starts, first), _mm512_set1_epi32(0x01010101));
    _mm512_store_si512(cell, _mm512_add_epi32(starts, next));
}

/* Group g of the weights of output o, cut. */
DLOP_ALWAYS_INLINE __m128i cut_output(const struct dlop_cpu_axis *axis, u32 o, u32 g, u32 cut)
{
    u32 n_taps = o < axis->n_out ? axis->span[o].n : 0, n = n_taps > 4 * g ? n_taps - 4 * g : 0;

    return dlop_axis_cut_weights(axis->weight + (n ? (size_t)o * axis->n_taps + 4 * (size_t)g : 0),
                                 n, cut);
}

/* Group g of the weights of a block, four outputs at a time. */
DLOP_ALWAYS_INLINE void plan_group(const struct dlop_cpu_axis *axis, u32 block, u32 g, u32 cut,
                                   struct dlop_axis_cell *cell)
{
    for (u32 i = 0; i < DLOP_AXIS_X_BLOCK; i += 4) {
        u32 o = DLOP_AXIS_X_BLOCK * block + i;
        __m128i a = cut_output(axis, o, g, cut), b = cut_output(axis, o + 1, g, cut);
        __m128i c = cut_output(axis, o + 2, g, cut), d = cut_output(axis, o + 3, g, cut);
        __m128i low = _mm_unpacklo_epi32(a, b), high = _mm_unpacklo_epi32(c, d);
        __m128i part[3] = {_mm_unpacklo_epi64(low, high), _mm_unpackhi_epi64(low, high),
                           _mm_unpacklo_epi64(_mm_unpackhi_epi32(a, b), _mm_unpackhi_epi32(c, d))};

        for (u32 p = 0; p < dlop_axis_n_parts(cut); p++)
            _mm_store_si128((__m128i *)(void *)(cell[p].bytes + 4 * (size_t)i), part[p]);
    }
}

static void plan_weights(const struct dlop_cpu_axis *axis, u32 block, u32 cut,
                         struct dlop_axis_cell *cell)
{
    for (u32 g = 0; g < axis->block_n_pairs[block]; g++, cell += dlop_axis_n_parts(cut))
        plan_group(axis, block, g, cut, cell);
}

void dlop_cpu_axis_x_plan_avx512(struct dlop_cpu_axis *axis)
{
    u32 cut = dlop_axis_cut_of(axis, axis->longest_span);
    struct dlop_axis_cell *cell = axis->block_cells;

    axis->n_window_vectors = plan_windows(axis, cut);
    if (!axis->n_window_vectors) {
        if (axis->n_digits <= 3)
            dlop_cpu_axis_far_plan_avx512(axis);
        else
            dlop_cpu_axis_x_plan_avx2(axis);
        return;
    }
    for (u32 block = 0; block * DLOP_AXIS_X_BLOCK < axis->n_out; block++) {
        plan_places(axis, block, cut, cell);
        plan_weights(axis, block, cut, cell + 1);
        cell += 1 + axis->block_n_pairs[block] * dlop_axis_n_parts(cut);
    }
}
