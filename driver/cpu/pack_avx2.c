/* Rows of pixels to elements and back with AVX2: what is only a change of byte order.
 *
 * 8-bit elements whose table changes nothing need no look-up: channels are picked with byte
 * shuffles. Tables that are a formula go to pack_formula_avx2.c, all others through the loops of
 * pack.c.
 */
#include "driver/cpu/pack.h"

#include <immintrin.h>
#include <string.h>

/* 8 pixels: R of four, G of four, B of four, X of four in each lane, then lanes sorted, so that
 * 64-bit quarters are the 8 values of R, G, B, X. */
static __m256i split_channels(__m256i pixels)
{
    const __m256i by_channel =
        _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0, 4, 8, 12, 1, 5, 9,
                         13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m256i by_quarter = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);

    return _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(pixels, by_channel), by_quarter);
}

static void split_row(const u8 *row, u32 n_px, u32 n_channels, size_t plane_bytes, u8 *out)
{
    size_t x = 0;

    for (; x + 8 <= n_px; x += 8) {
        __m256i split = split_channels(_mm256_loadu_si256((const __m256i *)(row + 4 * x)));
        __m128i low = _mm256_castsi256_si128(split);

        _mm_storel_epi64((__m128i *)(out + x), low);
        if (n_channels == 3) {
            _mm_storel_epi64((__m128i *)(out + plane_bytes + x), _mm_unpackhi_epi64(low, low));
            _mm_storel_epi64((__m128i *)(out + 2 * plane_bytes + x),
                             _mm256_extracti128_si256(split, 1));
        }
    }
    for (; x < n_px; x++)
        for (u32 c = 0; c < n_channels; c++)
            out[c * plane_bytes + x] = row[4 * x + c];
}

/* RGBX to RGB: 4 pixels are 12 bytes, stored as 16 while four more pixels follow. */
static void drop_fourth_row(const u8 *row, u32 n_px, u8 *out)
{
    const __m128i drop = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    size_t x = 0;

    for (; x + 8 <= n_px; x += 4)
        _mm_storeu_si128((__m128i *)(out + 3 * x),
                         _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(row + 4 * x)), drop));
    for (; x < n_px; x++)
        memcpy(out + 3 * x, row + 4 * x, 3);
}

void dlop_cpu_pack_avx2(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out)
{
    static const struct dlop_cpu_pack_parts parts = {
        dlop_cpu_formula_to_planes_avx2, dlop_cpu_formula_to_rgb_avx2, dlop_cpu_pack_plain,
        split_row, drop_fourth_row};

    dlop_cpu_pack_by_parts(&parts, pack, row, y, out);
}

void dlop_cpu_pixels_to_rgbx_avx2(const u8 *pixels, u32 n_channels, u32 n_px, u8 *rgbx_out)
{
    const __m128i fourth = _mm_set1_epi32((s32)0xff000000u);
    const __m128i spread = n_channels == 3
                               ? _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1)
                               : _mm_setr_epi8(0, 0, 0, -1, 1, 1, 1, -1, 2, 2, 2, -1, 3, 3, 3, -1);
    size_t x = 0, n_bytes = (size_t)n_px * n_channels;

    for (; x * n_channels + 16 <= n_bytes; x += 4) {
        __m128i in = _mm_loadu_si128((const __m128i *)(pixels + x * n_channels));

        _mm_storeu_si128((__m128i *)(rgbx_out + 4 * x),
                         _mm_or_si128(_mm_shuffle_epi8(in, spread), fourth));
    }
    for (; x < n_px; x++) {
        const u8 *in = pixels + x * n_channels;

        rgbx_out[4 * x] = in[0];
        rgbx_out[4 * x + 1] = in[n_channels == 3 ? 1 : 0];
        rgbx_out[4 * x + 2] = in[n_channels == 3 ? 2 : 0];
        rgbx_out[4 * x + 3] = 255;
    }
}
