/* Runs of MCUs for processors with AVX2 and BMI2: shifts by any register, and the inverse DCT in
 * the same loop, so that it runs in the shadow of the next block's bit chain. */
#include "driver/cpu/entropy_loop.h"
#include "driver/cpu/idct_avx2.h"
#include "hw/core/unstuff.h"

u32 dlop_cpu_decode_mcus_avx2(struct dlop_cpu_scan *scan, u32 n_mcus)
{
    return run_mcus(scan, n_mcus, dlop_cpu_coef_position_avx2, dlop_idct_block_avx2);
}

u32 dlop_cpu_skip_mcus_avx2(struct dlop_cpu_scan *scan, u32 n_mcus)
{
    return skip_mcus(scan, n_mcus);
}

s32 dlop_cpu_unstuff_avx2(const u8 *scan, u32 n_scan_bytes, u32 *position, u32 *next_rst,
                          u8 *segment_out, u32 *n_bytes_out)
{
    const u8 *in = scan + *position, *end = scan + n_scan_bytes;
    u8 *out = segment_out;

    while (in < end) {
        u32 n = end - in < 32 ? (u32)(end - in) : 32, ff;
        __m256i bytes;

        /* Both may run past the end: the frame is padded, and so is the output. */
        bytes = _mm256_loadu_si256((const __m256i *)(const void *)in);
        _mm256_storeu_si256((__m256i *)(void *)out, bytes);
        ff = (u32)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(-1)));
        if (ff != 0 && (u32)__builtin_ctz(ff) < n) {
            n = (u32)__builtin_ctz(ff);
            in += n;
            out += n;
            if (end - in < 2 || in[1] != 0)
                break;
            out++;
            in += 2;
            continue;
        }
        in += n;
        out += n;
    }
    *position = (u32)(in - scan);
    *n_bytes_out = (u32)(out - segment_out);
    return dlop_cpu_unstuff_end(scan, n_scan_bytes, position, next_rst);
}
