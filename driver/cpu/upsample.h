/* Replacements of the upsampling filters. Contract: slots upsample_* of steps.h. */
#ifndef DLOP_DRIVER_CPU_UPSAMPLE_H
#define DLOP_DRIVER_CPU_UPSAMPLE_H

#include "hw/abi/port.h"

void dlop_cpu_upsample_h2v1_plain(const u8 *in, u32 n, u8 *out);
void dlop_cpu_upsample_h2v2_plain(const u8 *near_row, const u8 *far_row, u32 n, u8 *out);
void dlop_cpu_upsample_h1v2_plain(const u8 *near_row, const u8 *far_row, u32 is_odd, u32 n,
                                  u8 *out);

void dlop_cpu_upsample_h2v1_avx2(const u8 *in, u32 n, u8 *out);
void dlop_cpu_upsample_h2v2_avx2(const u8 *near_row, const u8 *far_row, u32 n, u8 *out);
void dlop_cpu_upsample_h1v2_avx2(const u8 *near_row, const u8 *far_row, u32 is_odd, u32 n, u8 *out);

void dlop_cpu_upsample_h2v1_avx512(const u8 *in, u32 n, u8 *out);
void dlop_cpu_upsample_h2v2_avx512(const u8 *near_row, const u8 *far_row, u32 n, u8 *out);

void dlop_cpu_upsample_h2v1_neon(const u8 *in, u32 n, u8 *out);
void dlop_cpu_upsample_h2v2_neon(const u8 *near_row, const u8 *far_row, u32 n, u8 *out);
void dlop_cpu_upsample_h1v2_neon(const u8 *near_row, const u8 *far_row, u32 is_odd, u32 n, u8 *out);

#endif
