/* Replacements of the inverse DCT, each with the order in which it wants a block's coefficients.
 *
 * All take coefficients as coded and multiply by the quantisers (dlop_dequantise_block and
 * dlop_idct_block of hw/core in one). Contract: slot idct in steps.h. AC coefficients are those of
 * at most DLOP_HUFF_MAX_AC_SIZE bits, DC is within DLOP_ENTROPY_MAX_DC.
 */
#ifndef DLOP_DRIVER_CPU_IDCT_H
#define DLOP_DRIVER_CPU_IDCT_H

#include "driver/cpu/entropy.h"

/* Place of the coefficient that was decoded when the index became [k]; DLOP_CPU_COEF_DUMMY past the
 * block. From [1] on these are the steps' coef_position. NEON takes the order of plain C. */
extern const u8 dlop_cpu_coef_position_plain[DLOP_CPU_N_INDICES];
extern const u8 dlop_cpu_coef_position_avx2[DLOP_CPU_N_INDICES];

u32 dlop_cpu_idct_plain(const s16 *coef, const struct dlop_cpu_quant *quant, u8 *samples,
                        size_t stride_bytes);
u32 dlop_cpu_idct_avx2(const s16 *coef, const struct dlop_cpu_quant *quant, u8 *samples,
                       size_t stride_bytes);
u32 dlop_cpu_idct_neon(const s16 *coef, const struct dlop_cpu_quant *quant, u8 *samples,
                       size_t stride_bytes);

#endif
