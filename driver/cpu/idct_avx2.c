/* The AVX2 inverse DCT as a step of its own, and the order in which it wants coefficients. */
#include "driver/cpu/idct_avx2.h"

#define PLACES(first)                                                                              \
    [first] = 0, 10, 33, 16, 43, 4, 12, 37, 26, 48, 1, 58, 20, 45, 2, 14, 35, 28, 52, 11, 49, 17,  \
    59, 5, 60, 18, 47, 6, 8, 39, 30, 50, 13, 53, 27, 32, 42, 21, 61, 3, 62, 22, 41, 24, 54, 15,    \
    51, 29, 36, 44, 19, 63, 7, 56, 9, 55, 31, 34, 46, 23, 57, 25, 38, 40

/* Natural order through the row pairs and columns of idct_avx2.h. */
const u8 dlop_cpu_coef_position_avx2[DLOP_CPU_N_INDICES] = {
    [0] = DLOP_CPU_COEF_DUMMY,
    PLACES(1),
    [65 ... DLOP_CPU_END_ADVANCE] = DLOP_CPU_COEF_DUMMY,
    PLACES(DLOP_CPU_END_ADVANCE + 1),
    [DLOP_CPU_END_ADVANCE + 65 ... DLOP_CPU_N_INDICES - 1] = DLOP_CPU_COEF_DUMMY,
};

u32 dlop_cpu_idct_avx2(const s16 *coef, const struct dlop_cpu_quant *quant, u8 *samples,
                       size_t stride_bytes)
{
    return dlop_idct_block_avx2(coef, quant, samples, stride_bytes);
}
