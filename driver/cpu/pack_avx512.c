/* Rows of pixels to elements and back with AVX-512: what is only a change of byte order. As
 * pack_avx2.c, with byte permutations over 64 and 128 bytes; tails are masked.
 */
#include "driver/cpu/pack_avx512.h"

static inline void store_some(u8 *out, __m256i bytes, size_t n)
{
    _mm256_mask_storeu_epi8(out, (__mmask32)dlop_cpu_first_bytes(n < 32 ? n : 32), bytes);
}

/* 32 pixels at a time: red and green in one vector, blue in the lower half of another. */
static void split_row(const u8 *row, u32 n_px, u32 n_channels, size_t plane_bytes, u8 *out)
{
#define RED_OF(px)   4 * (px)
#define GREEN_OF(px) 4 * (px) + 1
    static const u8 red_green[64] = {DLOP_CPU_BYTES_16(RED_OF, 0), DLOP_CPU_BYTES_16(RED_OF, 16),
                                     DLOP_CPU_BYTES_16(GREEN_OF, 0),
                                     DLOP_CPU_BYTES_16(GREEN_OF, 16)};
    const __m512i two = _mm512_loadu_si512(red_green);
    const __m512i blue = _mm512_add_epi8(two, _mm512_set1_epi8(2));

    for (size_t x = 0; x < n_px; x += 32) {
        size_t n = n_px - x;
        __m512i first = _mm512_loadu_si512(row + 4 * x);
        __m512i second = n > 16 ? _mm512_loadu_si512(row + 4 * x + 64) : _mm512_setzero_si512();
        __m512i rg = _mm512_permutex2var_epi8(first, two, second);

        store_some(out + x, _mm512_castsi512_si256(rg), n);
        if (n_channels == 3) {
            __m512i b = _mm512_permutex2var_epi8(first, blue, second);

            store_some(out + plane_bytes + x, _mm512_extracti64x4_epi64(rg, 1), n);
            store_some(out + 2 * plane_bytes + x, _mm512_castsi512_si256(b), n);
        }
    }
}

/* 16 pixels at a time. */
void dlop_cpu_rgbx_to_rgb_avx512(const u8 *row, u32 n_px, u8 *out)
{
#define FROM_RGBX(byte) (4 * ((byte) / 3) + (byte) % 3)
    static const u8 from_rgbx[64] = {DLOP_CPU_BYTES_16(FROM_RGBX, 0),
                                     DLOP_CPU_BYTES_16(FROM_RGBX, 16),
                                     DLOP_CPU_BYTES_16(FROM_RGBX, 32)};
    const __m512i places = _mm512_loadu_si512(from_rgbx);

    for (size_t x = 0; x < n_px; x += 16) {
        size_t n = n_px - x < 16 ? n_px - x : 16;
        __m512i rgb = _mm512_permutexvar_epi8(places, _mm512_loadu_si512(row + 4 * x));

        if (n_px - x >= 22) /* what is too much is overwritten by the next */
            _mm512_storeu_si512(out + 3 * x, rgb);
        else
            _mm512_mask_storeu_epi8(out + 3 * x, dlop_cpu_first_bytes(3 * n), rgb);
    }
}

static void by_table(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out)
{
    if (pack->byte_planes)
        dlop_cpu_pack_look_up_avx512(pack, row, y, out);
    else
        dlop_cpu_pack_plain(pack, row, y, out);
}

static const struct dlop_cpu_pack_parts parts = {dlop_cpu_formula_to_planes_avx512,
                                                 dlop_cpu_formula_to_rgb_avx512, by_table,
                                                 split_row, dlop_cpu_rgbx_to_rgb_avx512};

void dlop_cpu_pack_avx512(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out)
{
    dlop_cpu_pack_by_parts(&parts, pack, row, y, out);
}

/* 16 pixels at a time. */
void dlop_cpu_pixels_to_rgbx_avx512(const u8 *pixels, u32 n_channels, u32 n_px, u8 *rgbx_out)
{
#define FROM_RGB(byte)  (byte) / 4 * 3 + (byte) % 4
#define FROM_GREY(byte) (byte) / 4
    static const u8 from_rgb[64] = {DLOP_CPU_BYTES_16(FROM_RGB, 0), DLOP_CPU_BYTES_16(FROM_RGB, 16),
                                    DLOP_CPU_BYTES_16(FROM_RGB, 32),
                                    DLOP_CPU_BYTES_16(FROM_RGB, 48)};
    static const u8 from_grey[64] = {
        DLOP_CPU_BYTES_16(FROM_GREY, 0), DLOP_CPU_BYTES_16(FROM_GREY, 16),
        DLOP_CPU_BYTES_16(FROM_GREY, 32), DLOP_CPU_BYTES_16(FROM_GREY, 48)};
    const __m512i places = _mm512_loadu_si512(n_channels == 3 ? from_rgb : from_grey);
    const __m512i opaque = _mm512_set1_epi8(-1);

    for (size_t x = 0; x < n_px; x += 16) {
        size_t n = n_px - x < 16 ? n_px - x : 16;
        __m512i in =
            _mm512_maskz_loadu_epi8(dlop_cpu_first_bytes(n * n_channels), pixels + x * n_channels);

        _mm512_storeu_si512(rgbx_out + 4 * x,
                            _mm512_mask_permutexvar_epi8(opaque, 0x7777777777777777u, places, in));
    }
}
