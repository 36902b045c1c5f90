/* What the AVX-512 resampling passes share: weights cut into digits, sums of digits' products. Key
 * idea: head of axis_avx512.c. */
#ifndef DLOP_DRIVER_CPU_AXIS_AVX512_H
#define DLOP_DRIVER_CPU_AXIS_AVX512_H

#include <immintrin.h>

#include "driver/cpu/axis.h"

#define DLOP_ALWAYS_INLINE static inline __attribute__((always_inline))

/* How weights are cut: into one or two digits of 16 bits, for up to two taps; into digits of 8. */
enum {
    DLOP_AXIS_WHOLE_WORDS,
    DLOP_AXIS_SPLIT_WORDS,
    DLOP_AXIS_TWO_DIGITS,
    DLOP_AXIS_THREE_DIGITS,
    DLOP_AXIS_NOT_CUT
};

DLOP_ALWAYS_INLINE u32 dlop_axis_digit_bits(u32 cut)
{
    return cut <= DLOP_AXIS_SPLIT_WORDS ? 16 : 8;
}

/* Digits of a weight. */
DLOP_ALWAYS_INLINE u32 dlop_axis_n_parts(u32 cut)
{
    return cut == DLOP_AXIS_WHOLE_WORDS ? 1 : cut == DLOP_AXIS_THREE_DIGITS ? 3 : 2;
}

/* The first n of up to four weights, the others 0, cut: one word per digit, the low one first. Half
 * a digit's range is added to all but the highest, so that bits of a weight become its digits. */
DLOP_ALWAYS_INLINE __m128i dlop_axis_cut_weights(const s32 *weight, u32 n, u32 cut)
{
    const __m128i by_word = _mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m128i by_byte = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, -1, -1, -1, -1);
    const __m128i half = _mm_set1_epi32(cut <= DLOP_AXIS_SPLIT_WORDS ? 0x8000 : 0x8080);
    __m128i k = _mm_maskz_loadu_epi32((__mmask8)((1u << (n < 4 ? n : 4)) - 1), weight);

    k = _mm_xor_si128(_mm_add_epi32(k, half), half);
    return _mm_shuffle_epi8(k, cut <= DLOP_AXIS_SPLIT_WORDS ? by_word : by_byte);
}

DLOP_ALWAYS_INLINE __m512i dlop_axis_add_products(__m512i sum, __m512i taps, __m512i weights,
                                                  u32 cut)
{
    return cut <= DLOP_AXIS_SPLIT_WORDS ? _mm512_dpwssd_epi32(sum, taps, weights)
                                        : _mm512_dpbusd_epi32(sum, taps, weights);
}

/* One sum per digit. */
struct dlop_axis_sums {
    __m512i part[3];
};

DLOP_ALWAYS_INLINE struct dlop_axis_sums dlop_axis_sums_open(__m512i start)
{
    return (struct dlop_axis_sums){{start, _mm512_setzero_si512(), _mm512_setzero_si512()}};
}

DLOP_ALWAYS_INLINE void dlop_axis_sums_add(struct dlop_axis_sums *sums, __m512i taps,
                                           const __m512i *weights, u32 cut)
{
    for (u32 i = 0; i < dlop_axis_n_parts(cut); i++)
        sums->part[i] = dlop_axis_add_products(sums->part[i], taps, weights[i], cut);
}

/* How to cut the weights of spans of up to n_taps. */
u32 dlop_axis_cut_of(const struct dlop_cpu_axis *axis, u32 n_taps);

/* Outputs of a block of the x pass; vectors of its widest window; spans of up to so many groups of
 * four taps have unrolled code. */
#define DLOP_AXIS_X_BLOCK            16
#define DLOP_AXIS_MAX_WINDOW_VECTORS 4
#define DLOP_AXIS_MAX_UNROLLED       2

/* 64 bytes of the plan. */
struct dlop_axis_cell {
    u8 bytes[64];
};

/* A row of pixels as the three planes of an axis. */
void dlop_cpu_axis_split_row_avx512(const struct dlop_cpu_axis *axis, const u8 *row);

/* x, each output by itself: for outputs that lie too far apart for windows. Weights of up to three
 * digits. */
void dlop_cpu_axis_far_plan_avx512(struct dlop_cpu_axis *axis);
void dlop_cpu_axis_far_avx512(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out);

#endif
