/* The two resampling passes with AVX-512 (VBMI, VNNI): equal to hw/core/axis.h in red, green and
 * blue.
 *
 * Key idea: vpdpbusd multiplies four unsigned by four signed bytes and adds all to a 32-bit sum. A
 * weight is cut into balanced digits, k = d0 + 256 d1 + 65536 d2 with each d in -128..127, and the
 * sums of the digits' products, shifted and added, are the exact sum modulo 2^32; the check of the
 * table says that it fits. So four taps of 16 outputs are one instruction per digit, and pixels
 * stay bytes. Where no span has more than two taps, 16-bit words as in axis_avx2.c are fewer
 * operations.
 *
 * x: the row is split into planes; outputs go in blocks of 16. One byte permutation of the 64
 * samples from a block's first one on (its window) brings four taps to each output, and weights
 * serve three channels as they stand in memory. Axes whose blocks reach farther than a window, with
 * a ratio above 4, and weights of more than three digits go through axis_avx2.c.
 * y: 64 bytes of the row at a time, four source rows interleaved to four taps.
 */
#include "driver/cpu/axis.h"

#include <immintrin.h>
#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

#define BLOCK_OUT    16
#define WINDOW_BYTES 64

/* Spans of up to this many groups of four taps have unrolled code for x. */
#define MAX_UNROLLED_QUADS 2

#define SPLIT_BITS 11
#define LOW_MASK   ((1 << SPLIT_BITS) - 1)

/* "Words" as the number of digits: up to two taps in 16-bit words, whole or split at SPLIT_BITS. */
enum { WHOLE_WORDS = 0, SPLIT_WORDS = 1, TWO_DIGITS = 2, THREE_DIGITS = 3 };

/* How weights of spans of up to n_taps are cut. */
static u32 cut_of(const struct dlop_cpu_axis *axis, u32 n_taps)
{
    if (n_taps <= 2)
        return axis->is_16_bit ? WHOLE_WORDS : SPLIT_WORDS;
    return axis->n_digits;
}

/* Vectors of weights for each group of taps. */
ALWAYS_INLINE u32 n_parts_of(u32 cut)
{
    return cut == WHOLE_WORDS ? 1 : cut == SPLIT_WORDS ? 2 : cut;
}

/* The first n of up to four weights, the others 0, cut: one word per part, the low one first. */
ALWAYS_INLINE void cut_weights(const s32 *weight, u32 n, u32 cut, u32 part_out[3])
{
    __m128i k = _mm_maskz_loadu_epi32((__mmask8)((1u << (n < 4 ? n : 4)) - 1), weight);

    if (cut == WHOLE_WORDS) {
        part_out[0] = (u32)_mm_cvtsi128_si32(_mm_cvtepi32_epi16(k));
        return;
    }
    if (cut == SPLIT_WORDS) {
        part_out[0] =
            (u32)_mm_cvtsi128_si32(_mm_cvtepi32_epi16(_mm_and_si128(k, _mm_set1_epi32(LOW_MASK))));
        part_out[1] = (u32)_mm_cvtsi128_si32(_mm_cvtepi32_epi16(_mm_srai_epi32(k, SPLIT_BITS)));
        return;
    }
    for (u32 d = 0; d < cut; d++) {
        __m128i digit = _mm_srai_epi32(_mm_slli_epi32(k, 24), 24);

        part_out[d] = (u32)_mm_cvtsi128_si32(_mm_cvtepi32_epi8(digit));
        k = _mm_srai_epi32(_mm_sub_epi32(k, digit), 8);
    }
}

/* Sums of products, one per part of the weights. */
struct sums {
    __m512i part[3];
};

ALWAYS_INLINE struct sums sums_open(__m512i half)
{
    return (struct sums){{half, _mm512_setzero_si512(), _mm512_setzero_si512()}};
}

ALWAYS_INLINE void sums_add(struct sums *sums, __m512i taps, const __m512i *weights, u32 cut)
{
    for (u32 i = 0; i < n_parts_of(cut); i++)
        sums->part[i] = cut <= SPLIT_WORDS ? _mm512_dpwssd_epi32(sums->part[i], taps, weights[i])
                                           : _mm512_dpbusd_epi32(sums->part[i], taps, weights[i]);
}

/* Levels that are not clamped yet. */
ALWAYS_INLINE __m512i sums_close(const struct sums *sums, u32 cut, __m512i precision_bits)
{
    __m512i sum = sums->part[0], high = sums->part[1];

    if (cut == THREE_DIGITS)
        high = _mm512_add_epi32(high, _mm512_slli_epi32(sums->part[2], 8));
    if (cut != WHOLE_WORDS)
        sum = _mm512_add_epi32(sum, _mm512_slli_epi32(high, cut == SPLIT_WORDS ? SPLIT_BITS : 8));
    return _mm512_srav_epi32(sum, precision_bits);
}

/* ---- x ---- */

/* Memory of a block: the places of its taps in the window, then for each group of taps the parts of
 * its 16 weights. */
struct x_cell {
    u8 bytes[64];
};

/* First sample of a block's window; false where its first four taps do not all lie in one. */
static bool plan_window(const struct dlop_cpu_axis *axis, u32 block, u32 *first_out)
{
    u32 first = UINT32_MAX, last = 0;

    for (u32 o = BLOCK_OUT * block; o < BLOCK_OUT * (block + 1) && o < axis->n_out; o++) {
        u32 start = (u32)axis->span[o].start;

        if (!axis->span[o].n)
            continue;
        first = start < first ? start : first;
        last = start > last ? start : last;
    }
    *first_out = first <= last ? first : 0;
    return first > last || last - first + 4 <= WINDOW_BYTES;
}

/* Groups of taps that a block runs through: one number for all where the code is unrolled. */
static u32 plan_n_groups(const struct dlop_cpu_axis *axis, u32 block)
{
    u32 n_all = (axis->longest_span + 3) / 4, n_taps = 1;

    if (n_all <= MAX_UNROLLED_QUADS)
        return n_all;
    for (u32 o = BLOCK_OUT * block; o < BLOCK_OUT * (block + 1) && o < axis->n_out; o++)
        n_taps = axis->span[o].n > n_taps ? axis->span[o].n : n_taps;
    return (n_taps + 3) / 4;
}

/* Words take two samples and leave the bytes between them zero (x_row masks them). */
static void plan_places(const struct dlop_cpu_axis *axis, u32 block, u32 cut, struct x_cell *cell)
{
    u32 first = axis->block_offset_bytes[block];

    for (u32 i = 0; i < BLOCK_OUT; i++) {
        u32 o = BLOCK_OUT * block + i;
        u32 start = o < axis->n_out && axis->span[o].n ? (u32)axis->span[o].start - first : 0;

        for (u32 t = 0; t < 4; t++)
            cell->bytes[4 * i + t] = (u8)(start + (cut <= SPLIT_WORDS ? t / 2 : t));
    }
}

static void plan_weights(const struct dlop_cpu_axis *axis, u32 block, u32 cut, struct x_cell *cell)
{
    u32 n_parts = n_parts_of(cut);

    for (u32 i = 0; i < BLOCK_OUT; i++) {
        u32 o = BLOCK_OUT * block + i, n_taps = o < axis->n_out ? axis->span[o].n : 0;

        for (u32 g = 0; g < axis->block_n_pairs[block]; g++) {
            u32 n = n_taps > 4 * g ? n_taps - 4 * g : 0, part[3];

            cut_weights(axis->weight + (n ? (size_t)o * axis->n_taps + 4 * (size_t)g : 0), n, cut,
                        part);
            for (u32 p = 0; p < n_parts; p++)
                memcpy(cell[(size_t)g * n_parts + p].bytes + 4 * (size_t)i, &part[p], 4);
        }
    }
}

void dlop_cpu_axis_x_plan_avx512(struct dlop_cpu_axis *axis)
{
    u32 n_blocks = (axis->n_out + BLOCK_OUT - 1) / BLOCK_OUT,
        cut = cut_of(axis, axis->longest_span);
    struct x_cell *cell = axis->block_cells;

    axis->is_windowed = cut <= THREE_DIGITS;
    for (u32 block = 0; block < n_blocks && axis->is_windowed; block++) {
        axis->is_windowed = plan_window(axis, block, &axis->block_offset_bytes[block]);
        axis->block_n_pairs[block] = plan_n_groups(axis, block);
        plan_places(axis, block, cut, cell);
        plan_weights(axis, block, cut, cell + 1);
        cell += 1 + axis->block_n_pairs[block] * n_parts_of(cut);
    }
    if (!axis->is_windowed)
        dlop_cpu_axis_x_plan_avx2(axis);
}

/* Every fourth of 32 bytes from `first` on: a channel of eight pixels. */
#define EVERY_FOURTH(first)                                                                        \
    (first), (first) + 4, (first) + 8, (first) + 12, (first) + 16, (first) + 20, (first) + 24,     \
        (first) + 28

/* A row of pixels as three planes, 32 pixels at a time. */
static void split_row(const struct dlop_cpu_axis *axis, const u8 *row)
{
    static const u8 red_green[64] = {EVERY_FOURTH(0),  EVERY_FOURTH(32), EVERY_FOURTH(64),
                                     EVERY_FOURTH(96), EVERY_FOURTH(1),  EVERY_FOURTH(33),
                                     EVERY_FOURTH(65), EVERY_FOURTH(97)};
    const __m512i two = _mm512_loadu_si512(red_green);
    const __m512i blue = _mm512_add_epi8(two, _mm512_set1_epi8(2)); /* its lower half */
    u8 *out = axis->planes;

    for (u32 x = 0; x < axis->n_in; x += 32, out += 32) {
        u32 n = axis->n_in - x;
        __mmask16 low = (__mmask16)(n >= 16 ? 0xffff : (1u << n) - 1);
        __mmask16 high = (__mmask16)(n >= 32 ? 0xffff : n > 16 ? (1u << (n - 16)) - 1 : 0);
        __m512i first = _mm512_maskz_loadu_epi32(low, row + 4 * (size_t)x);
        __m512i second = _mm512_maskz_loadu_epi32(high, row + 4 * (size_t)x + 64);
        __m512i rg = _mm512_permutex2var_epi8(first, two, second);
        __m512i b = _mm512_permutex2var_epi8(first, blue, second);

        _mm256_store_si256((__m256i *)out, _mm512_castsi512_si256(rg));
        _mm256_store_si256((__m256i *)(out + axis->plane_bytes), _mm512_extracti64x4_epi64(rg, 1));
        _mm256_store_si256((__m256i *)(out + 2 * axis->plane_bytes), _mm512_castsi512_si256(b));
    }
}

/* 16 pixels from the levels of three channels. */
ALWAYS_INLINE void store_block(const __m512i level[3], u8 *row_out)
{
    const __m512i by_pixel =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    __m512i rg = _mm512_packs_epi32(level[0], level[1]), b = _mm512_packs_epi32(level[2], level[2]);

    _mm512_storeu_si512(row_out, _mm512_shuffle_epi8(_mm512_packus_epi16(rg, b), by_pixel));
}

/* n_groups: that of all blocks, or 0 = as the block says. */
ALWAYS_INLINE void x_row(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out, u32 n_groups,
                         u32 cut)
{
    const __m512i half = _mm512_set1_epi32(1 << (axis->precision_bits - 1));
    const __m512i precision_bits = _mm512_set1_epi32((s32)axis->precision_bits);
    const __mmask64 taps_mask = cut <= SPLIT_WORDS ? 0x5555555555555555u : ~(u64)0;
    const struct x_cell *cell = axis->block_cells;

    split_row(axis, row);
    for (u32 block = 0; block * BLOCK_OUT < axis->n_out; block++, row_out += sizeof *cell) {
        u32 n = n_groups ? n_groups : axis->block_n_pairs[block];
        const u8 *window = axis->planes + axis->block_offset_bytes[block];
        __m512i places = _mm512_load_si512(cell++), level[3];
        struct sums sums[3] = {sums_open(half), sums_open(half), sums_open(half)};

        for (u32 g = 0; g < n; g++) {
            __m512i weights[3];

            for (u32 i = 0; i < n_parts_of(cut); i++)
                weights[i] = _mm512_load_si512(cell++);
            for (u32 c = 0; c < 3; c++) {
                __m512i samples =
                    _mm512_loadu_si512(window + c * axis->plane_bytes + 4 * (size_t)g);

                sums_add(&sums[c], _mm512_maskz_permutexvar_epi8(taps_mask, places, samples),
                         weights, cut);
            }
        }
        for (u32 c = 0; c < 3; c++)
            level[c] = sums_close(&sums[c], cut, precision_bits);
        store_block(level, row_out);
    }
}

#define X_ROWS(n_groups)                                                                           \
    static void x_row_2_digits_##n_groups(const struct dlop_cpu_axis *axis, const u8 *row,         \
                                          u8 *row_out)                                             \
    {                                                                                              \
        x_row(axis, row, row_out, n_groups, TWO_DIGITS);                                           \
    }                                                                                              \
    static void x_row_3_digits_##n_groups(const struct dlop_cpu_axis *axis, const u8 *row,         \
                                          u8 *row_out)                                             \
    {                                                                                              \
        x_row(axis, row, row_out, n_groups, THREE_DIGITS);                                         \
    }

X_ROWS(0)
X_ROWS(1)
X_ROWS(2)

static void x_row_words(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out)
{
    x_row(axis, row, row_out, 1, WHOLE_WORDS);
}

static void x_row_split_words(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out)
{
    x_row(axis, row, row_out, 1, SPLIT_WORDS);
}

void dlop_cpu_axis_x_avx512(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out)
{
    /* [cut][n_groups] */
    static void (*const rows[][MAX_UNROLLED_QUADS + 1])(const struct dlop_cpu_axis *axis,
                                                        const u8 *row, u8 *row_out) = {
        [WHOLE_WORDS] = {x_row_words, x_row_words, x_row_words},
        [SPLIT_WORDS] = {x_row_split_words, x_row_split_words, x_row_split_words},
        [TWO_DIGITS] = {x_row_2_digits_0, x_row_2_digits_1, x_row_2_digits_2},
        [THREE_DIGITS] = {x_row_3_digits_0, x_row_3_digits_1, x_row_3_digits_2},
    };
    u32 n_groups = (axis->longest_span + 3) / 4, cut = cut_of(axis, axis->longest_span);

    if (!axis->is_windowed)
        dlop_cpu_axis_x_avx2(axis, row, row_out);
    else
        rows[cut][n_groups <= MAX_UNROLLED_QUADS ? n_groups : 0](axis, row, row_out);
}

/* ---- y ---- */

/* 64 columns of four rows (of two, for words) side by side, in the order that the packs undo. */
struct y_taps {
    __m512i part[4];
};

ALWAYS_INLINE struct y_taps y_interleave(const __m512i row[4], u32 cut)
{
    __m512i low = _mm512_unpacklo_epi8(row[0], row[1]), high = _mm512_unpackhi_epi8(row[0], row[1]);
    __m512i low2 = _mm512_setzero_si512(), high2 = low2;

    if (cut <= SPLIT_WORDS)
        return (struct y_taps){{_mm512_unpacklo_epi8(low, low2), _mm512_unpackhi_epi8(low, low2),
                                _mm512_unpacklo_epi8(high, high2),
                                _mm512_unpackhi_epi8(high, high2)}};
    low2 = _mm512_unpacklo_epi8(row[2], row[3]);
    high2 = _mm512_unpackhi_epi8(row[2], row[3]);
    return (struct y_taps){{_mm512_unpacklo_epi16(low, low2), _mm512_unpackhi_epi16(low, low2),
                            _mm512_unpacklo_epi16(high, high2),
                            _mm512_unpackhi_epi16(high, high2)}};
}

/* n_taps: the span's, a constant in the unrolled cases. */
ALWAYS_INLINE void y_row(const struct dlop_cpu_axis *axis, u32 n_taps, const u8 *const *rows,
                         u32 n_px, u8 *row_out, u32 cut)
{
    const u32 *parts = (const u32 *)(const void *)axis->column; /* [group of taps][4] */
    const __m512i half = _mm512_set1_epi32(1 << (axis->precision_bits - 1));
    const __m512i precision_bits = _mm512_set1_epi32((s32)axis->precision_bits);

    for (size_t at = 0; at < 4 * (size_t)n_px; at += 64) {
        struct sums sums[4] = {sums_open(half), sums_open(half), sums_open(half), sums_open(half)};
        __m512i level[4];

        for (u32 t = 0; t < n_taps; t += 4) {
            __m512i row[4], weights[3];
            struct y_taps taps;

            for (u32 i = 0; i < 4; i++)
                row[i] =
                    t + i < n_taps ? _mm512_loadu_si512(rows[t + i] + at) : _mm512_setzero_si512();
            for (u32 i = 0; i < n_parts_of(cut); i++)
                weights[i] = _mm512_set1_epi32((s32)parts[t + i]);
            taps = y_interleave(row, cut);
            for (u32 q = 0; q < 4; q++)
                sums_add(&sums[q], taps.part[q], weights, cut);
        }
        for (u32 q = 0; q < 4; q++)
            level[q] = sums_close(&sums[q], cut, precision_bits);
        _mm512_storeu_si512(row_out + at,
                            _mm512_packus_epi16(_mm512_packs_epi32(level[0], level[1]),
                                                _mm512_packs_epi32(level[2], level[3])));
    }
}

ALWAYS_INLINE void y_row_by_taps(const struct dlop_cpu_axis *axis, u32 o, const u8 *const *rows,
                                 u32 n_px, u8 *row_out, u32 cut)
{
    const s32 *weight = axis->weight + (size_t)o * axis->n_taps;
    u32 n_taps = axis->span[o].n, *parts = (u32 *)(void *)axis->column;

    for (u32 t = 0; t < n_taps; t += 4)
        cut_weights(weight + t, n_taps - t, cut, parts + t);
    if (n_taps == 1)
        y_row(axis, 1, rows, n_px, row_out, cut);
    else if (n_taps == 2)
        y_row(axis, 2, rows, n_px, row_out, cut);
    else if (n_taps == 3)
        y_row(axis, 3, rows, n_px, row_out, cut);
    else if (n_taps == 4)
        y_row(axis, 4, rows, n_px, row_out, cut);
    else
        y_row(axis, n_taps, rows, n_px, row_out, cut);
}

void dlop_cpu_axis_y_avx512(const struct dlop_cpu_axis *axis, u32 o, const u8 *const *rows,
                            u32 n_px, u8 *row_out)
{
    u32 cut = cut_of(axis, axis->span[o].n);

    if (cut == WHOLE_WORDS)
        y_row_by_taps(axis, o, rows, n_px, row_out, WHOLE_WORDS);
    else if (cut == SPLIT_WORDS)
        y_row_by_taps(axis, o, rows, n_px, row_out, SPLIT_WORDS);
    else if (cut == TWO_DIGITS)
        y_row_by_taps(axis, o, rows, n_px, row_out, TWO_DIGITS);
    else if (cut == THREE_DIGITS)
        y_row_by_taps(axis, o, rows, n_px, row_out, THREE_DIGITS);
    else
        dlop_cpu_axis_y_avx2(axis, o, rows, n_px, row_out);
}
