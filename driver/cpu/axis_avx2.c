/* The two resampling passes with AVX2: equal to hw/core/axis.h in red, green and blue.
 *
 * Key idea: the processor multiplies pairs of 16-bit numbers and adds the products in 32 bits, but
 * weights have 22 bits and more. A weight k is split into high = k >> 11 and low = k & 2047; the
 * sum of the high products times 2^11 plus the sum of the low ones is the exact sum modulo 2^32,
 * and the check of the table says that the sum fits. Weights of 16 bits need no split.
 *
 * x: outputs go in blocks of 8, in each block four couples (i, i + 4); a couple fills one register,
 * one output in each 128-bit lane with its four channels, so that the final packs put 8 pixels in
 * order. The weights stand in the order in which they are read, per block, per couple, per four
 * taps: a cell of one register, in each lane the high and the low parts of two pairs of taps, which
 * shuffles spread over the channels. (Spread in memory they would fill the first-level cache.)
 * y: 32 bytes of the row at a time, two source rows per multiplication.
 */
#include "driver/cpu/axis.h"

#include <immintrin.h>
#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Spans of up to this many pairs of taps have unrolled code for x. */
#define MAX_UNROLLED_PAIRS 4

#define SPLIT_BITS 11
#define LOW_MASK   ((1 << SPLIT_BITS) - 1)

/* Taps 2p and 2p + 1 of an output as two 16-bit numbers, the first in the low half. */
static u32 pair_of(s32 k0, s32 k1)
{
    return (u32)(u16)k0 | (u32)(u16)k1 << 16;
}

static s32 tap(const struct dlop_cpu_axis *axis, u32 o, u32 t)
{
    return o < axis->n_out && t < axis->span[o].n ? axis->weight[(size_t)o * axis->n_taps + t] : 0;
}

/* Weights of one output for taps 4q to 4q + 3: half of a cell. */
static __m128i plan_half_cell(const struct dlop_cpu_axis *axis, u32 o, u32 q)
{
    s32 k0 = tap(axis, o, 4 * q), k1 = tap(axis, o, 4 * q + 1);
    s32 k2 = tap(axis, o, 4 * q + 2), k3 = tap(axis, o, 4 * q + 3);

    if (axis->is_16_bit)
        return _mm_setr_epi32(0, 0, (s32)pair_of(k0, k1), (s32)pair_of(k2, k3));
    return _mm_setr_epi32((s32)pair_of(k0 >> SPLIT_BITS, k1 >> SPLIT_BITS),
                          (s32)pair_of(k2 >> SPLIT_BITS, k3 >> SPLIT_BITS),
                          (s32)pair_of(k0 & LOW_MASK, k1 & LOW_MASK),
                          (s32)pair_of(k2 & LOW_MASK, k3 & LOW_MASK));
}

/* Pairs of taps that a block runs through: one number for all blocks where the code is unrolled. */
static u32 plan_n_pairs(const struct dlop_cpu_axis *axis, u32 block)
{
    u32 n_all = (axis->longest_span + 1) / 2, n_pairs = 0;

    if (n_all <= MAX_UNROLLED_PAIRS)
        return n_all;
    for (u32 o = 8 * block; o < 8 * block + 8 && o < axis->n_out; o++)
        n_pairs = (axis->span[o].n + 1) / 2 > n_pairs ? (axis->span[o].n + 1) / 2 : n_pairs;
    return n_pairs;
}

void dlop_cpu_axis_x_plan_avx2(struct dlop_cpu_axis *axis)
{
    u32 n_blocks = axis->n_out / 8 + (axis->n_out % 8 != 0);
    __m256i *cell = axis->block_cells;

    for (u32 block = 0; block < n_blocks; block++) {
        u32 n_pairs = plan_n_pairs(axis, block);

        axis->block_n_pairs[block] = n_pairs;
        for (u32 i = 0; i < 8; i++) {
            u32 o = 8 * block + i;
            bool has_source = o < axis->n_out && axis->span[o].n;

            axis->block_offset_bytes[o] = has_source ? 4 * (u32)axis->span[o].start : 0;
        }
        for (u32 i = 0; i < 4; i++)
            for (u32 q = 0; q < (n_pairs + 1) / 2; q++)
                *cell++ = _mm256_setr_m128i(plan_half_cell(axis, 8 * block + i, q),
                                            plan_half_cell(axis, 8 * block + i + 4, q));
    }
}

struct x_constants {
    __m256i first_pair, second_pair; /* shuffles: channel c of two neighbours side by side */
    __m256i half, precision_bits;
};

/* Of the products with high and with low parts. */
struct x_sums {
    __m256i high, low;
};

ALWAYS_INLINE struct x_constants x_constants_of(const struct dlop_cpu_axis *axis)
{
    struct x_constants k;

    k.first_pair = _mm256_setr_epi8(0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1, 0, -1,
                                    4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1);
    k.second_pair = _mm256_setr_epi8(8, -1, 12, -1, 9, -1, 13, -1, 10, -1, 14, -1, 11, -1, 15, -1,
                                     8, -1, 12, -1, 9, -1, 13, -1, 10, -1, 14, -1, 11, -1, 15, -1);
    k.half = _mm256_set1_epi32(1 << (axis->precision_bits - 1));
    k.precision_bits = _mm256_set1_epi32((s32)axis->precision_bits);
    return k;
}

/* 16 bytes from each of two places: four pixels for each output of a couple. */
ALWAYS_INLINE __m256i load_couple(const u8 *at0, const u8 *at1)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)at0)),
                                   _mm_loadu_si128((const __m128i *)at1), 1);
}

/* Add one pair of taps to the sums. */
ALWAYS_INLINE void x_add_pair(__m256i pixels, __m256i w_high, __m256i w_low, bool is_16_bit,
                              struct x_sums *sums)
{
    if (!is_16_bit)
        sums->high = _mm256_add_epi32(sums->high, _mm256_madd_epi16(pixels, w_high));
    sums->low = _mm256_add_epi32(sums->low, _mm256_madd_epi16(pixels, w_low));
}

/* Two outputs, four channels each, as 32-bit levels that are not clamped yet. cell: their first. */
ALWAYS_INLINE __m256i x_couple(const u8 *at0, const u8 *at1, const __m256i *cell, u32 n_pairs,
                               bool is_16_bit, const struct x_constants *k)
{
    struct x_sums sums = {_mm256_setzero_si256(), k->half};

    for (u32 pair = 0; pair < n_pairs; pair += 2, cell++) {
        __m256i pixels = load_couple(at0 + 8 * (size_t)pair, at1 + 8 * (size_t)pair);
        __m256i w = _mm256_load_si256(cell);

        x_add_pair(_mm256_shuffle_epi8(pixels, k->first_pair), _mm256_shuffle_epi32(w, 0x00),
                   _mm256_shuffle_epi32(w, 0xaa), is_16_bit, &sums);
        if (pair + 1 < n_pairs)
            x_add_pair(_mm256_shuffle_epi8(pixels, k->second_pair), _mm256_shuffle_epi32(w, 0x55),
                       _mm256_shuffle_epi32(w, 0xff), is_16_bit, &sums);
    }
    if (!is_16_bit)
        sums.low = _mm256_add_epi32(sums.low, _mm256_slli_epi32(sums.high, SPLIT_BITS));
    return _mm256_srav_epi32(sums.low, k->precision_bits);
}

/* n_pairs: that of all blocks, or 0 = as the block says. */
ALWAYS_INLINE void x_row(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out, u32 n_pairs,
                         bool is_16_bit)
{
    const struct x_constants k = x_constants_of(axis);
    const u32 *offset = axis->block_offset_bytes;
    const __m256i *cell = axis->block_cells;
    u32 n_blocks = axis->n_out / 8 + (axis->n_out % 8 != 0);

    for (u32 block = 0; block < n_blocks; block++, offset += 8, row_out += 32) {
        u32 n = n_pairs ? n_pairs : axis->block_n_pairs[block];
        __m256i level[4];

        for (u32 i = 0; i < 4; i++, cell += (n + 1) / 2)
            level[i] = x_couple(row + offset[i], row + offset[i + 4], cell, n, is_16_bit, &k);
        _mm256_storeu_si256((__m256i *)row_out,
                            _mm256_packus_epi16(_mm256_packs_epi32(level[0], level[1]),
                                                _mm256_packs_epi32(level[2], level[3])));
    }
}

#define X_ROWS(n_pairs)                                                                            \
    static void x_row_split_##n_pairs(const struct dlop_cpu_axis *axis, const u8 *row,             \
                                      u8 *row_out)                                                 \
    {                                                                                              \
        x_row(axis, row, row_out, n_pairs, false);                                                 \
    }                                                                                              \
    static void x_row_16_##n_pairs(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out)   \
    {                                                                                              \
        x_row(axis, row, row_out, n_pairs, true);                                                  \
    }

X_ROWS(0)
X_ROWS(1)
X_ROWS(2)
X_ROWS(3)
X_ROWS(4)

void dlop_cpu_axis_x_avx2(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out)
{
    /* [is_16_bit][n_pairs] */
    static void (*const rows[2][MAX_UNROLLED_PAIRS + 1])(const struct dlop_cpu_axis *axis,
                                                         const u8 *row, u8 *row_out) = {
        {x_row_split_0, x_row_split_1, x_row_split_2, x_row_split_3, x_row_split_4},
        {x_row_16_0, x_row_16_1, x_row_16_2, x_row_16_3, x_row_16_4},
    };
    u32 n_pairs = (axis->longest_span + 1) / 2;

    rows[axis->is_16_bit][n_pairs <= MAX_UNROLLED_PAIRS ? n_pairs : 0](axis, row, row_out);
}

/* 32 columns of two rows as 16-bit pairs, in the order that the packs undo. */
struct y_pairs {
    __m256i part[4];
};

ALWAYS_INLINE struct y_pairs y_interleave(__m256i first, __m256i second)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i low = _mm256_unpacklo_epi8(first, second), high = _mm256_unpackhi_epi8(first, second);
    struct y_pairs pairs = {{_mm256_unpacklo_epi8(low, zero), _mm256_unpackhi_epi8(low, zero),
                             _mm256_unpacklo_epi8(high, zero), _mm256_unpackhi_epi8(high, zero)}};

    return pairs;
}

/* n_taps: the span's, a constant in the unrolled cases. An odd last tap has no partner row: where
 * the weights are split its partner is the rounding half with ones for pixels. */
ALWAYS_INLINE void y_row(const struct dlop_cpu_axis *axis, const s32 *weight, u32 n_taps,
                         const u8 *const *rows, size_t n_bytes, u8 *row_out, bool is_16_bit)
{
    const s32 half = 1 << (axis->precision_bits - 1);
    const bool is_half_a_tap = n_taps % 2 && !is_16_bit;
    const __m256i partner = _mm256_set1_epi8(is_half_a_tap);
    const __m256i precision_bits = _mm256_set1_epi32((s32)axis->precision_bits);

    for (size_t at = 0; at < n_bytes; at += 32) {
        __m256i high[4], low[4];

        for (u32 q = 0; q < 4; q++) {
            high[q] = _mm256_setzero_si256();
            low[q] = is_half_a_tap ? _mm256_setzero_si256() : _mm256_set1_epi32(half);
        }
        for (u32 t = 0; t < n_taps; t += 2) {
            bool has_partner = t + 1 < n_taps;
            s32 k0 = weight[t], k1 = has_partner ? weight[t + 1] : is_half_a_tap ? half : 0;
            __m256i first = _mm256_loadu_si256((const __m256i *)(rows[t] + at));
            __m256i second =
                has_partner ? _mm256_loadu_si256((const __m256i *)(rows[t + 1] + at)) : partner;
            struct y_pairs pixels = y_interleave(first, second);
            __m256i w_high = _mm256_set1_epi32((s32)pair_of(k0 >> SPLIT_BITS, k1 >> SPLIT_BITS));
            __m256i w_low = _mm256_set1_epi32(
                (s32)(is_16_bit ? pair_of(k0, k1) : pair_of(k0 & LOW_MASK, k1 & LOW_MASK)));

            for (u32 q = 0; q < 4; q++) {
                if (!is_16_bit)
                    high[q] = _mm256_add_epi32(high[q], _mm256_madd_epi16(pixels.part[q], w_high));
                low[q] = _mm256_add_epi32(low[q], _mm256_madd_epi16(pixels.part[q], w_low));
            }
        }
        for (u32 q = 0; q < 4; q++) {
            if (!is_16_bit)
                low[q] = _mm256_add_epi32(low[q], _mm256_slli_epi32(high[q], SPLIT_BITS));
            low[q] = _mm256_srav_epi32(low[q], precision_bits);
        }
        _mm256_storeu_si256((__m256i *)(row_out + at),
                            _mm256_packus_epi16(_mm256_packs_epi32(low[0], low[1]),
                                                _mm256_packs_epi32(low[2], low[3])));
    }
}

ALWAYS_INLINE void y_row_by_taps(const struct dlop_cpu_axis *axis, u32 o, const u8 *const *rows,
                                 size_t n_bytes, u8 *row_out, bool is_16_bit)
{
    const s32 *weight = axis->weight + (size_t)o * axis->n_taps;
    u32 n_taps = axis->span[o].n;

    if (n_taps == 1)
        y_row(axis, weight, 1, rows, n_bytes, row_out, is_16_bit);
    else if (n_taps == 2)
        y_row(axis, weight, 2, rows, n_bytes, row_out, is_16_bit);
    else if (n_taps == 3)
        y_row(axis, weight, 3, rows, n_bytes, row_out, is_16_bit);
    else if (n_taps == 4)
        y_row(axis, weight, 4, rows, n_bytes, row_out, is_16_bit);
    else
        y_row(axis, weight, n_taps, rows, n_bytes, row_out, is_16_bit);
}

void dlop_cpu_axis_y_avx2(const struct dlop_cpu_axis *axis, u32 o, const u8 *const *rows,
                          size_t n_bytes, u8 *row_out)
{
    if (axis->is_16_bit)
        y_row_by_taps(axis, o, rows, n_bytes, row_out, true);
    else
        y_row_by_taps(axis, o, rows, n_bytes, row_out, false);
}
