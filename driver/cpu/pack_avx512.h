/* What the AVX-512 pack files share: constants of byte permutations, and masks of tails. */
#ifndef DLOP_DRIVER_CPU_PACK_AVX512_H
#define DLOP_DRIVER_CPU_PACK_AVX512_H

#include <immintrin.h>

#include "driver/cpu/pack.h"

/* DLOP_CPU_BYTES_16(f, i) is the list f(i), ..., f(i + 15); _64 likewise. */
#define DLOP_CPU_BYTES_4(f, i) f(i), f(i + 1), f(i + 2), f(i + 3)
#define DLOP_CPU_BYTES_16(f, i)                                                                    \
    DLOP_CPU_BYTES_4(f, i), DLOP_CPU_BYTES_4(f, (i) + 4), DLOP_CPU_BYTES_4(f, (i) + 8),            \
        DLOP_CPU_BYTES_4(f, (i) + 12)
#define DLOP_CPU_BYTES_64(f, i)                                                                    \
    DLOP_CPU_BYTES_16(f, i), DLOP_CPU_BYTES_16(f, (i) + 16), DLOP_CPU_BYTES_16(f, (i) + 32),       \
        DLOP_CPU_BYTES_16(f, (i) + 48)

/* The first n of 64 bytes. */
static inline __mmask64 dlop_cpu_first_bytes(size_t n)
{
    return n >= 64 ? ~(u64)0 : ((u64)1 << n) - 1;
}

/* [n_px][4] to [n_px][3]; out may be row. */
void dlop_cpu_rgbx_to_rgb_avx512(const u8 *row, u32 n_px, u8 *out);

/* By look-up, elements of up to 4 bytes: pack->byte_planes is not null. */
void dlop_cpu_pack_look_up_avx512(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out);

#endif
