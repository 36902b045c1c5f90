/* Coded bytes for processors with AVX-512 VBMI2. */
#include <immintrin.h>

#include "driver/cpu/entropy.h"
#include "hw/core/unstuff.h"

/* 64 bytes at a time: what each 0xFF is followed by is seen in the masks of both bytes, and one
 * compression drops all stuffed zeros. A 0xFF in the last place waits for the next 64. */
s32 dlop_cpu_unstuff_avx512(const u8 *scan, u32 n_scan_bytes, u32 *position, u32 *next_rst,
                            u8 *segment_out, u32 *n_bytes_out)
{
    const u8 *in = scan + *position, *end = scan + n_scan_bytes;
    u8 *out = segment_out;

    while (in < end) {
        u32 n = end - in < 64 ? (u32)(end - in) : 64;
        u64 valid = ~(u64)0 >> (64 - n), kept;
        __m512i bytes = _mm512_maskz_loadu_epi8(valid, in);
        u64 ff = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(-1));
        u64 stuffed = ff << 1 & _mm512_mask_testn_epi8_mask(valid, bytes, bytes);
        u64 markers = ff & ~(stuffed >> 1);

        if (markers != 0) {
            u32 n_before = (u32)__builtin_ctzll(markers);

            if (n_before < 63 || n < 64)
                end = in + n_before;
            n = n_before;
        }
        kept = _bzhi_u64(~stuffed, n);
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi8(kept, bytes));
        out += __builtin_popcountll(kept);
        in += n;
    }
    *position = (u32)(in - scan);
    *n_bytes_out = (u32)(out - segment_out);
    return dlop_cpu_unstuff_end(scan, n_scan_bytes, position, next_rst);
}
