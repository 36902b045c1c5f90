/* The two resampling passes with AVX-512 (VBMI, VNNI): equal to hw/core/axis.h in red, green and
 * blue.
 *
 * Key idea: vpdpbusd multiplies four unsigned by four signed bytes and adds all to a 32-bit sum. A
 * weight is cut into balanced digits, k = d0 + 256 d1 + 65536 d2 with each d in -128..127. The sum
 * of the lowest digits' products is shifted right by a digit before those of the next are added to
 * it, which rounds down just as one shift of the whole sum does. So four taps of 16 outputs are one
 * instruction per digit, and pixels stay bytes. Where no span has more than two taps, digits of 16
 * bits are fewer operations.
 * What is left of the shift happens in words, after a pack: levels are made 128 lower, so that up
 * to 8 bits behind the point fit and the last pack's limits, -128 and 127, clamp.
 *
 * x: the row is split into planes; outputs go in blocks of 16. One byte permutation of the 64
 * samples from a block's first one on (its window) brings four taps to each output, and weights
 * serve three channels as they stand in memory. Larger ratios take two or four vectors of samples.
 * y: 64 bytes of the row at a time, four source rows interleaved to four taps.
 * x axes with ratios above about 13 or weights that do not fit here (dlop_axis_cut_of) go through
 * axis_far_avx512.c; those of more than three digits and such y rows go through axis_avx2.c.
 */
#include "driver/cpu/axis_avx512.h"
#include "driver/cpu/pack_avx512.h"

/* Digits' products of this many taps and 128 levels of 22 bits fit in 32 bits whatever the digits,
 * 16384 * 255 * 128 + 2^29. */
#define MAX_CUT_TAPS 16384

/* All digits but the highest shift out before packing, and up to 8 bits after that. */
u32 dlop_axis_cut_of(const struct dlop_cpu_axis *axis, u32 n_taps)
{
    u32 precision_bits = axis->precision_bits;

    if (n_taps > MAX_CUT_TAPS)
        return DLOP_AXIS_NOT_CUT;
    if (n_taps <= 2 && axis->is_16_bit)
        return DLOP_AXIS_WHOLE_WORDS;
    if (n_taps <= 2 && precision_bits >= 16)
        return DLOP_AXIS_SPLIT_WORDS;
    if (axis->n_digits == 2 && precision_bits >= 8 && precision_bits <= 16)
        return DLOP_AXIS_TWO_DIGITS;
    return axis->n_digits <= 3 && precision_bits >= 16 ? DLOP_AXIS_THREE_DIGITS : DLOP_AXIS_NOT_CUT;
}

/* ---- sums ---- */

struct rounding {
    __m512i start; /* half, less 128 levels */
    __m128i shift; /* what is left of it after the digits */
};

DLOP_ALWAYS_INLINE struct rounding rounding_of(const struct dlop_cpu_axis *axis, u32 cut)
{
    u32 precision_bits = axis->precision_bits;

    return (struct rounding){
        _mm512_set1_epi32((1 << (precision_bits - 1)) - (128 << precision_bits)),
        _mm_cvtsi32_si128(
            (s32)(precision_bits - dlop_axis_digit_bits(cut) * (dlop_axis_n_parts(cut) - 1)))};
}

DLOP_ALWAYS_INLINE __m512i drop_digit(__m512i sum, u32 cut)
{
    return cut <= DLOP_AXIS_SPLIT_WORDS ? _mm512_srai_epi32(sum, 16) : _mm512_srai_epi32(sum, 8);
}

/* All of the sum, where the number of groups of taps is a constant. */
DLOP_ALWAYS_INLINE __m512i sum_of(__m512i start, const __m512i *taps, __m512i (*weights)[3],
                                  u32 n_groups, u32 cut)
{
    __m512i sum = start;

    for (u32 i = 0; i < dlop_axis_n_parts(cut); i++) {
        if (i > 0)
            sum = drop_digit(sum, cut);
        for (u32 g = 0; g < n_groups; g++)
            sum = dlop_axis_add_products(sum, taps[g], weights[g][i], cut);
    }
    return sum;
}

DLOP_ALWAYS_INLINE __m512i sums_close(const struct dlop_axis_sums *sums, u32 cut)
{
    __m512i sum = sums->part[0];

    for (u32 i = 1; i < dlop_axis_n_parts(cut); i++)
        sum = _mm512_add_epi32(drop_digit(sum, cut), sums->part[i]);
    return sum;
}

/* Two vectors of sums to words, 128 levels lower and not clamped yet. */
DLOP_ALWAYS_INLINE __m512i round_to_words(__m512i first, __m512i second, u32 cut, __m128i shift)
{
    if (cut == DLOP_AXIS_WHOLE_WORDS)
        return _mm512_packs_epi32(_mm512_sra_epi32(first, shift), _mm512_sra_epi32(second, shift));
    return _mm512_sra_epi16(_mm512_packs_epi32(first, second), shift);
}

DLOP_ALWAYS_INLINE __m512i clamp_to_bytes(__m512i first, __m512i second)
{
    return _mm512_xor_si512(_mm512_packs_epi16(first, second), _mm512_set1_epi8(-128));
}

/* ---- x ---- */

/* Every fourth of 32 bytes from `first` on: a channel of eight pixels. */
#define EVERY_FOURTH(first)                                                                        \
    (first), (first) + 4, (first) + 8, (first) + 12, (first) + 16, (first) + 20, (first) + 24,     \
        (first) + 28

/* A row of pixels as three planes, 32 pixels at a time. */
void dlop_cpu_axis_split_row_avx512(const struct dlop_cpu_axis *axis, const u8 *row)
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

/* Where each byte of 16 output pixels stands in the sums of three channels: packs leave four pixels
 * of each channel side by side. */
#define RGBX_FROM_SUMS(byte) (byte) / 16 * 16 + (byte) % 4 * 4 + (byte) / 4 % 4
#define RGB_FROM_SUMS(byte)  (byte) / 12 * 16 + (byte) % 3 * 4 + (byte) / 3 % 4

/* How outputs leave: px_bytes 4 (RGBX), or 3. */
struct x_out {
    __m512i order;
    size_t px_bytes;
};

static struct x_out x_out_of(u32 px_bytes)
{
    static const u8 rgbx[64] = {DLOP_CPU_BYTES_64(RGBX_FROM_SUMS, 0)};
    static const u8 rgb[64] = {DLOP_CPU_BYTES_16(RGB_FROM_SUMS, 0),
                               DLOP_CPU_BYTES_16(RGB_FROM_SUMS, 16),
                               DLOP_CPU_BYTES_16(RGB_FROM_SUMS, 32)};

    return (struct x_out){_mm512_loadu_si512(px_bytes == 3 ? rgb : rgbx), px_bytes};
}

/* 16 pixels from the sums of three channels. */
DLOP_ALWAYS_INLINE void store_block(const __m512i sum[3], u32 cut, __m128i shift, __m512i order,
                                    u8 *out)
{
    __m512i bytes = clamp_to_bytes(round_to_words(sum[0], sum[1], cut, shift),
                                   round_to_words(sum[2], sum[2], cut, shift));

    _mm512_storeu_si512(out, _mm512_permutexvar_epi8(order, bytes));
}

/* What a row's code is made for. n_groups: of taps, of all blocks, or 0 = as the block says. */
struct x_shape {
    u32 cut, n_groups, n_vectors;
};

/* A block's window of one channel. */
struct x_window {
    __m512i part[DLOP_AXIS_MAX_WINDOW_VECTORS];
};

DLOP_ALWAYS_INLINE struct x_window x_load(const u8 *samples, u32 n_vectors)
{
    struct x_window window;

    for (u32 i = 0; i < n_vectors; i++)
        window.part[i] = _mm512_loadu_si512(samples + 64 * (size_t)i);
    return window;
}

/* A group of taps of 16 outputs. */
DLOP_ALWAYS_INLINE __m512i x_taps(const struct x_window *window, __m512i places,
                                  struct x_shape shape)
{
    const __mmask64 wanted = shape.cut <= DLOP_AXIS_SPLIT_WORDS ? 0x5555555555555555u : ~(u64)0;
    __m512i near, far;

    if (shape.n_vectors == 1)
        return _mm512_maskz_permutexvar_epi8(wanted, places, window->part[0]);
    near = _mm512_permutex2var_epi8(window->part[0], places, window->part[1]);
    if (shape.n_vectors == 2)
        return near;
    far = _mm512_permutex2var_epi8(window->part[2], places, window->part[3]);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(places), near, far);
}

/* One block by a constant number of groups, and by any; return the cell behind theirs. */
DLOP_ALWAYS_INLINE const struct dlop_axis_cell *x_block(const struct dlop_cpu_axis *axis,
                                                        const u8 *samples,
                                                        const struct dlop_axis_cell *cell,
                                                        struct x_shape shape, __m512i sum_out[3])
{
    __m512i places[DLOP_AXIS_MAX_UNROLLED], weights[DLOP_AXIS_MAX_UNROLLED][3];

    places[0] = _mm512_load_si512(cell++);
    for (u32 g = 0; g < shape.n_groups; g++) {
        if (g > 0)
            places[g] = _mm512_add_epi8(places[g - 1], _mm512_set1_epi8(4));
        for (u32 i = 0; i < dlop_axis_n_parts(shape.cut); i++)
            weights[g][i] = _mm512_load_si512(cell++);
    }
    for (u32 c = 0; c < 3; c++, samples += axis->plane_bytes) {
        struct x_window window = x_load(samples, shape.n_vectors);
        __m512i taps[DLOP_AXIS_MAX_UNROLLED];

        for (u32 g = 0; g < shape.n_groups; g++)
            taps[g] = x_taps(&window, places[g], shape);
        sum_out[c] = sum_of(sum_out[c], taps, weights, shape.n_groups, shape.cut);
    }
    return cell;
}

DLOP_ALWAYS_INLINE const struct dlop_axis_cell *
x_block_any(const struct dlop_cpu_axis *axis, const u8 *samples, const struct dlop_axis_cell *cell,
            u32 n_groups, struct x_shape shape, __m512i sum_out[3])
{
    __m512i places = _mm512_load_si512(cell++);
    struct x_window window[3];
    struct dlop_axis_sums sums[3];

    for (u32 c = 0; c < 3; c++) {
        window[c] = x_load(samples + c * axis->plane_bytes, shape.n_vectors);
        sums[c] = dlop_axis_sums_open(sum_out[c]);
    }
    for (u32 g = 0; g < n_groups; g++, cell += dlop_axis_n_parts(shape.cut)) {
        for (u32 c = 0; c < 3; c++)
            dlop_axis_sums_add(&sums[c], x_taps(&window[c], places, shape), (const __m512i *)cell,
                               shape.cut);
        places = _mm512_add_epi8(places, _mm512_set1_epi8(4));
    }
    for (u32 c = 0; c < 3; c++)
        sum_out[c] = sums_close(&sums[c], shape.cut);
    return cell;
}

DLOP_ALWAYS_INLINE void x_row(const struct dlop_cpu_axis *axis, const u8 *row, u32 px_bytes,
                              u8 *row_out, struct x_shape shape)
{
    const struct rounding rounding = rounding_of(axis, shape.cut);
    const struct x_out out = x_out_of(px_bytes);
    const struct dlop_axis_cell *cell = axis->block_cells;

    dlop_cpu_axis_split_row_avx512(axis, row);
    for (u32 block = 0; block * DLOP_AXIS_X_BLOCK < axis->n_out; block++) {
        const u8 *samples = axis->planes + axis->block_offset_bytes[block];
        __m512i sum[3] = {rounding.start, rounding.start, rounding.start};

        if (shape.n_groups)
            cell = x_block(axis, samples, cell, shape, sum);
        else
            cell = x_block_any(axis, samples, cell, axis->block_n_pairs[block], shape, sum);
        store_block(sum, shape.cut, rounding.shift, out.order, row_out);
        row_out += DLOP_AXIS_X_BLOCK * out.px_bytes;
    }
}

#define X_ROW(name, cut, n_groups, n_vectors)                                                      \
    static void name(const struct dlop_cpu_axis *axis, const u8 *row, u32 px_bytes, u8 *row_out)   \
    {                                                                                              \
        x_row(axis, row, px_bytes, row_out, (struct x_shape){cut, n_groups, n_vectors});           \
    }
X_ROW(x_row_words, DLOP_AXIS_WHOLE_WORDS, 1, 1)
X_ROW(x_row_split_words, DLOP_AXIS_SPLIT_WORDS, 1, 1)
X_ROW(x_row_2_digits_0, DLOP_AXIS_TWO_DIGITS, 0, 1)
X_ROW(x_row_2_digits_1, DLOP_AXIS_TWO_DIGITS, 1, 1)
X_ROW(x_row_2_digits_2, DLOP_AXIS_TWO_DIGITS, 2, 1)
X_ROW(x_row_3_digits_0, DLOP_AXIS_THREE_DIGITS, 0, 1)
X_ROW(x_row_3_digits_1, DLOP_AXIS_THREE_DIGITS, 1, 1)
X_ROW(x_row_3_digits_2, DLOP_AXIS_THREE_DIGITS, 2, 1)
X_ROW(x_row_2_digits_in_2, DLOP_AXIS_TWO_DIGITS, 0, 2)
X_ROW(x_row_2_digits_in_4, DLOP_AXIS_TWO_DIGITS, 0, 4)
X_ROW(x_row_3_digits_in_2, DLOP_AXIS_THREE_DIGITS, 0, 2)
X_ROW(x_row_3_digits_in_4, DLOP_AXIS_THREE_DIGITS, 0, 4)

typedef void x_row_fn(const struct dlop_cpu_axis *axis, const u8 *row, u32 px_bytes, u8 *row_out);

/* The code for this axis, or null where it has none here. */
static x_row_fn *x_row_of(const struct dlop_cpu_axis *axis)
{
    /* [cut][n_groups] for windows of one vector, [cut][n_vectors] for wider ones. */
    static x_row_fn *const rows[][DLOP_AXIS_MAX_UNROLLED + 1] = {
        [DLOP_AXIS_WHOLE_WORDS] = {x_row_words, x_row_words, x_row_words},
        [DLOP_AXIS_SPLIT_WORDS] = {x_row_split_words, x_row_split_words, x_row_split_words},
        [DLOP_AXIS_TWO_DIGITS] = {x_row_2_digits_0, x_row_2_digits_1, x_row_2_digits_2},
        [DLOP_AXIS_THREE_DIGITS] = {x_row_3_digits_0, x_row_3_digits_1, x_row_3_digits_2},
    };
    static x_row_fn *const wide_rows[][DLOP_AXIS_MAX_WINDOW_VECTORS + 1] = {
        [DLOP_AXIS_TWO_DIGITS] = {[2] = x_row_2_digits_in_2, [4] = x_row_2_digits_in_4},
        [DLOP_AXIS_THREE_DIGITS] = {[2] = x_row_3_digits_in_2, [4] = x_row_3_digits_in_4},
    };
    u32 n_groups = (axis->longest_span + 3) / 4, cut = dlop_axis_cut_of(axis, axis->longest_span);

    if (cut == DLOP_AXIS_NOT_CUT || !axis->n_window_vectors)
        return NULL;
    return axis->n_window_vectors > 1
               ? wide_rows[cut][axis->n_window_vectors]
               : rows[cut][n_groups <= DLOP_AXIS_MAX_UNROLLED ? n_groups : 0];
}

void dlop_cpu_axis_x_avx512(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out)
{
    x_row_fn *run = x_row_of(axis);

    if (run)
        run(axis, row, 4, row_out);
    else if (axis->n_digits <= 3)
        dlop_cpu_axis_far_avx512(axis, row, row_out);
    else
        dlop_cpu_axis_x_avx2(axis, row, row_out);
}

void dlop_cpu_axis_x_rgb_avx512(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out)
{
    x_row_fn *run = x_row_of(axis);

    if (run) {
        run(axis, row, 3, row_out);
        return;
    }
    dlop_cpu_axis_x_avx512(axis, row, row_out);
    dlop_cpu_rgbx_to_rgb_avx512(row_out, axis->n_out, row_out);
}

/* ---- y ---- */

/* 64 columns of four rows (of two, for words) side by side, in the order that the packs undo. */
struct y_taps {
    __m512i part[4];
};

DLOP_ALWAYS_INLINE struct y_taps y_interleave(const __m512i row[4], u32 cut)
{
    __m512i low = _mm512_unpacklo_epi8(row[0], row[1]), high = _mm512_unpackhi_epi8(row[0], row[1]);
    __m512i low2 = _mm512_setzero_si512(), high2 = low2;

    if (cut <= DLOP_AXIS_SPLIT_WORDS)
        return (struct y_taps){{_mm512_unpacklo_epi8(low, low2), _mm512_unpackhi_epi8(low, low2),
                                _mm512_unpacklo_epi8(high, high2),
                                _mm512_unpackhi_epi8(high, high2)}};
    low2 = _mm512_unpacklo_epi8(row[2], row[3]);
    high2 = _mm512_unpackhi_epi8(row[2], row[3]);
    return (struct y_taps){{_mm512_unpacklo_epi16(low, low2), _mm512_unpackhi_epi16(low, low2),
                            _mm512_unpacklo_epi16(high, high2),
                            _mm512_unpackhi_epi16(high, high2)}};
}

/* Group g of the taps of 64 columns. */
DLOP_ALWAYS_INLINE struct y_taps y_group(const u8 *const *rows, size_t at, u32 n_taps, u32 g,
                                         u32 cut)
{
    __m512i row[4];

    for (u32 i = 0; i < 4; i++)
        row[i] =
            4 * g + i < n_taps ? _mm512_loadu_si512(rows[4 * g + i] + at) : _mm512_setzero_si512();
    return y_interleave(row, cut);
}

/* 64 columns by a constant number of taps, and by any. weights: [group][4] words of digits. */
DLOP_ALWAYS_INLINE void y_block(const u32 *weights, const u8 *const *rows, size_t at, u32 n_taps,
                                u32 cut, __m512i sum_out[4])
{
    u32 n_groups = (n_taps + 3) / 4;
    struct y_taps group[DLOP_AXIS_MAX_UNROLLED];
    __m512i spread[DLOP_AXIS_MAX_UNROLLED][3];

    for (u32 g = 0; g < n_groups; g++) {
        group[g] = y_group(rows, at, n_taps, g, cut);
        for (u32 i = 0; i < dlop_axis_n_parts(cut); i++)
            spread[g][i] = _mm512_set1_epi32((s32)weights[4 * g + i]);
    }
    for (u32 q = 0; q < 4; q++) {
        __m512i taps[DLOP_AXIS_MAX_UNROLLED];

        for (u32 g = 0; g < n_groups; g++)
            taps[g] = group[g].part[q];
        sum_out[q] = sum_of(sum_out[q], taps, spread, n_groups, cut);
    }
}

DLOP_ALWAYS_INLINE void y_block_any(const u32 *weights, const u8 *const *rows, size_t at,
                                    u32 n_taps, u32 cut, __m512i sum_out[4])
{
    struct dlop_axis_sums sums[4];

    for (u32 q = 0; q < 4; q++)
        sums[q] = dlop_axis_sums_open(sum_out[q]);
    for (u32 g = 0; 4 * g < n_taps; g++) {
        struct y_taps taps = y_group(rows, at, n_taps, g, cut);
        __m512i spread[3];

        for (u32 i = 0; i < dlop_axis_n_parts(cut); i++)
            spread[i] = _mm512_set1_epi32((s32)weights[4 * g + i]);
        for (u32 q = 0; q < 4; q++)
            dlop_axis_sums_add(&sums[q], taps.part[q], spread, cut);
    }
    for (u32 q = 0; q < 4; q++)
        sum_out[q] = sums_close(&sums[q], cut);
}

/* One output row. */
struct y_row {
    const struct dlop_cpu_axis *axis;
    const u8 *const *rows;
    size_t n_bytes;
    u8 *out;
};

/* n_taps: the span's where that is a constant, else 0 = n_any. */
DLOP_ALWAYS_INLINE void y_row(const struct y_row *row, u32 n_taps, u32 n_any, u32 cut)
{
    const struct rounding rounding = rounding_of(row->axis, cut);
    const u32 *weights = (const u32 *)(const void *)row->axis->column;

    for (size_t at = 0; at < row->n_bytes; at += 64) {
        __m512i sum[4] = {rounding.start, rounding.start, rounding.start, rounding.start};

        if (n_taps)
            y_block(weights, row->rows, at, n_taps, cut, sum);
        else
            y_block_any(weights, row->rows, at, n_any, cut, sum);
        _mm512_storeu_si512(row->out + at,
                            clamp_to_bytes(round_to_words(sum[0], sum[1], cut, rounding.shift),
                                           round_to_words(sum[2], sum[3], cut, rounding.shift)));
    }
}

DLOP_ALWAYS_INLINE void y_row_by_words(const struct y_row *row, u32 n_taps, u32 cut)
{
    if (n_taps == 1)
        y_row(row, 1, 0, cut);
    else
        y_row(row, 2, 0, cut);
}

DLOP_ALWAYS_INLINE void y_row_by_digits(const struct y_row *row, u32 n_taps, u32 cut)
{
    if (n_taps == 3)
        y_row(row, 3, 0, cut);
    else if (n_taps == 4)
        y_row(row, 4, 0, cut);
    else if (n_taps == 5)
        y_row(row, 5, 0, cut);
    else if (n_taps == 6)
        y_row(row, 6, 0, cut);
    else
        y_row(row, 0, n_taps, cut);
}

void dlop_cpu_axis_y_avx512(const struct dlop_cpu_axis *axis, u32 o, const u8 *const *rows,
                            size_t n_bytes, u8 *row_out)
{
    const struct y_row row = {axis, rows, n_bytes, row_out};
    const s32 *weight = axis->weight + (size_t)o * axis->n_taps;
    u32 n_taps = axis->span[o].n, cut = dlop_axis_cut_of(axis, n_taps);

    for (u32 t = 0; t < n_taps && cut != DLOP_AXIS_NOT_CUT; t += 4)
        _mm_store_si128((__m128i *)axis->column + t / 4,
                        dlop_axis_cut_weights(weight + t, n_taps - t, cut));
    if (cut == DLOP_AXIS_WHOLE_WORDS)
        y_row_by_words(&row, n_taps, DLOP_AXIS_WHOLE_WORDS);
    else if (cut == DLOP_AXIS_SPLIT_WORDS)
        y_row_by_words(&row, n_taps, DLOP_AXIS_SPLIT_WORDS);
    else if (cut == DLOP_AXIS_TWO_DIGITS)
        y_row_by_digits(&row, n_taps, DLOP_AXIS_TWO_DIGITS);
    else if (cut == DLOP_AXIS_THREE_DIGITS)
        y_row_by_digits(&row, n_taps, DLOP_AXIS_THREE_DIGITS);
    else
        dlop_cpu_axis_y_avx2(axis, o, rows, n_bytes, row_out);
}
