/* The table of steps: the reference of hw/core behind every slot, and which replacements go
 * where. */
#include "driver/cpu/steps.h"

#include <string.h>

#include "driver/cpu/axis.h"
#include "driver/cpu/colour.h"
#include "driver/cpu/idct.h"
#include "driver/cpu/pack.h"
#include "driver/cpu/upsample.h"
#include "hw/core/colour.h"
#include "hw/core/dequantise.h"
#include "hw/core/idct.h"
#include "hw/core/unstuff.h"
#include "hw/core/upsample.h"

#if DLOP_INTRINSICS && defined(__x86_64__)
#define HAS_AVX2 1
#else
#define HAS_AVX2 0
#endif
#if DLOP_INTRINSICS && defined(__aarch64__)
#define HAS_NEON 1
#else
#define HAS_NEON 0
#endif

/* ---- the reference in the shape of the slots ----------------------------------------------------
 */

static dlop_status build_huff(const struct dlop_jpeg_huff *dht, u32 huff_class,
                              struct dlop_cpu_huff *huff_out)
{
    return dlop_huff_build(dht, huff_class, &huff_out->core);
}

/* Coefficients stay in zigzag order. */
static const u8 zigzag_position[64] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
};

static u32 transform_block(const struct dlop_coef_block *block, const u16 *factor, u8 *samples,
                           size_t stride_bytes)
{
    s16 natural[64];
    u8 square[64];
    s32 status = dlop_dequantise_block(block, factor, natural);
    s32 is_exact = dlop_idct_block(natural, square);

    for (u32 y = 0; y < 8; y++)
        memcpy(samples + y * stride_bytes, square + (size_t)8 * y, 8);
    return status != DLOP_OK || !is_exact;
}

static u32 transform_coefs(const s16 *coef, const struct dlop_cpu_quant *quant, u8 *samples,
                           size_t stride_bytes)
{
    struct dlop_coef_block block = {.valid = ~(u64)0};

    memcpy(block.coef, coef, sizeof(block.coef));
    return transform_block(&block, quant->factor, samples, stride_bytes);
}

/* The reference's reader at the place of the scan's reader. */
static struct dlop_entropy entropy_of_scan(const struct dlop_cpu_scan *scan)
{
    struct dlop_entropy state;
    u64 position_bits = dlop_cpu_bits_position(scan);

    dlop_entropy_init(&state, scan->n_segment_bytes);
    state.next_bytes = (u32)(position_bits / 8);
    dlop_entropy_refill(scan->segment, &state);
    state.window <<= position_bits % 8;
    state.n_bits -= (u32)(position_bits % 8);
    memcpy(state.prediction, scan->dc_pred, sizeof(state.prediction));
    return state;
}

/* Bit that the reference's reader comes to next. */
static u64 position_of_entropy(const struct dlop_entropy *state)
{
    return 8 * (u64)state->next_bytes - state->n_bits;
}

static u32 run_reference(struct dlop_cpu_scan *scan, u32 n_mcus, u32 is_kept)
{
    struct dlop_entropy state = entropy_of_scan(scan);
    struct dlop_coef_block coefs;
    u32 mcu;

    for (mcu = 0; mcu < n_mcus && scan->status == DLOP_OK; mcu++) {
        if (scan->segment + position_of_entropy(&state) / 8 > scan->limit)
            break;
        for (u32 i = 0; i < scan->n_blocks && scan->status == DLOP_OK; i++) {
            struct dlop_cpu_block *block = &scan->block[i];

            scan->status = dlop_entropy_block(scan->segment, &block->dc->core, &block->ac->core,
                                              block->component, &state, &coefs);
            if (scan->status != DLOP_OK || !is_kept)
                continue;
            if (transform_block(&coefs, block->quant->factor, block->samples, block->stride_bytes))
                scan->status = DLOP_ERR_INEXACT;
            block->samples += block->step_bytes;
        }
    }
    memcpy(scan->dc_pred, state.prediction, sizeof(state.prediction));
    dlop_cpu_bits_seek(scan, position_of_entropy(&state));
    return mcu;
}

static u32 decode_mcus(struct dlop_cpu_scan *scan, u32 n_mcus)
{
    return run_reference(scan, n_mcus, 1);
}

static u32 skip_mcus(struct dlop_cpu_scan *scan, u32 n_mcus)
{
    return run_reference(scan, n_mcus, 0);
}

/* The slot's row has one sample before in[0] and one after in[n - 1]: seen from in[-1] on, output 2
 * is the first that is wanted, and no neighbour is clamped. */
static void upsample_h2v1(const u8 *in, u32 n, u8 *out)
{
    dlop_upsample_h2v1_row(in - 1, n + 2, 2, 2 * n, out);
}

static void upsample_h2v2(const u8 *near_row, const u8 *far_row, u32 n, u8 *out)
{
    dlop_upsample_h2v2_row(near_row - 1, far_row - 1, n + 2, 2, 2 * n, out);
}

static void upsample_h1v2(const u8 *near_row, const u8 *far_row, u32 is_odd, u32 n, u8 *out)
{
    dlop_upsample_h1v2_row(near_row, far_row, is_odd, 0, n, out);
}

static const struct dlop_cpu_steps reference_steps = {
    .unstuff = dlop_unstuff_segment,
    .huff_build = build_huff,
    .decode_mcus = decode_mcus,
    .skip_mcus = skip_mcus,
    .coef_position = zigzag_position,
    .idct = transform_coefs,
    .upsample_h2v1 = upsample_h2v1,
    .upsample_h2v2 = upsample_h2v2,
    .upsample_h1v2 = upsample_h1v2,
    .ycc_to_rgbx = dlop_colour_ycc_row,
    .rgb_to_rgbx = dlop_colour_rgb_row,
    .grey_to_rgbx = dlop_colour_grey_row,
    .rgbx_to_grey = dlop_colour_to_grey_row,
    .pixels_to_rgbx = dlop_colour_pixels_row,
    .axis_x_plan = dlop_cpu_axis_x_plan_none,
    .axis_x = dlop_cpu_axis_x_reference,
    .axis_y = dlop_cpu_axis_y_reference,
    .pack_plan = dlop_cpu_pack_plan_none,
    .pack = dlop_cpu_pack_reference,
};

/* ---- replacements -------------------------------------------------------------------------------
 */

static void use_plain(struct dlop_cpu_steps *steps)
{
    steps->unstuff = dlop_cpu_unstuff_plain;
    steps->huff_build = dlop_cpu_huff_build;
    steps->decode_mcus = dlop_cpu_decode_mcus_plain;
    steps->skip_mcus = dlop_cpu_skip_mcus_plain;
    steps->coef_position = dlop_cpu_coef_position_plain + 1;
    steps->idct = dlop_cpu_idct_plain;
    steps->upsample_h2v1 = dlop_cpu_upsample_h2v1_plain;
    steps->upsample_h2v2 = dlop_cpu_upsample_h2v2_plain;
    steps->upsample_h1v2 = dlop_cpu_upsample_h1v2_plain;
    steps->ycc_to_rgbx = dlop_cpu_ycc_to_rgbx_plain;
    steps->grey_to_rgbx = dlop_cpu_grey_to_rgbx_plain;
    steps->axis_y = dlop_cpu_axis_y_plain;
    steps->pack = dlop_cpu_pack_plain;
}

#if HAS_AVX2
static void use_avx2(struct dlop_cpu_steps *steps)
{
    steps->unstuff = dlop_cpu_unstuff_avx2;
    steps->huff_build = dlop_cpu_huff_build;
    steps->decode_mcus = dlop_cpu_decode_mcus_avx2;
    steps->skip_mcus = dlop_cpu_skip_mcus_avx2;
    steps->coef_position = dlop_cpu_coef_position_avx2 + 1;
    steps->idct = dlop_cpu_idct_avx2;
    steps->upsample_h2v1 = dlop_cpu_upsample_h2v1_avx2;
    steps->upsample_h2v2 = dlop_cpu_upsample_h2v2_avx2;
    steps->upsample_h1v2 = dlop_cpu_upsample_h1v2_avx2;
    steps->ycc_to_rgbx = dlop_cpu_ycc_to_rgbx_avx2;
    steps->rgb_to_rgbx = dlop_cpu_rgb_to_rgbx_avx2;
    steps->grey_to_rgbx = dlop_cpu_grey_to_rgbx_avx2;
    steps->rgbx_to_grey = dlop_cpu_rgbx_to_grey_avx2;
    steps->pixels_to_rgbx = dlop_cpu_pixels_to_rgbx_avx2;
    steps->axis_x_plan = dlop_cpu_axis_x_plan_avx2;
    steps->axis_x = dlop_cpu_axis_x_avx2;
    steps->axis_y = dlop_cpu_axis_y_avx2;
    steps->pack_plan = dlop_cpu_pack_plan_avx2;
    steps->pack = dlop_cpu_pack_avx2;
}

static u32 has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

/* Stands on use_avx2: only what is faster than there. */
static void use_avx512(struct dlop_cpu_steps *steps)
{
    steps->unstuff = dlop_cpu_unstuff_avx512;
    steps->upsample_h2v1 = dlop_cpu_upsample_h2v1_avx512;
    steps->upsample_h2v2 = dlop_cpu_upsample_h2v2_avx512;
    steps->ycc_to_rgbx = dlop_cpu_ycc_to_rgbx_avx512;
    steps->rgb_to_rgbx = dlop_cpu_rgb_to_rgbx_avx512;
    steps->rgbx_to_grey = dlop_cpu_rgbx_to_grey_avx512;
    steps->axis_x_plan = dlop_cpu_axis_x_plan_avx512;
    steps->axis_x = dlop_cpu_axis_x_avx512;
    steps->axis_x_rgb = dlop_cpu_axis_x_rgb_avx512;
    steps->axis_y = dlop_cpu_axis_y_avx512;
    steps->pixels_to_rgbx = dlop_cpu_pixels_to_rgbx_avx512;
    steps->pack_plan = dlop_cpu_pack_plan_avx512;
    steps->pack = dlop_cpu_pack_avx512;
}

static u32 has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
           __builtin_cpu_supports("avx512vnni");
}
#endif

#if HAS_NEON
/* Unstuffing, tables and skipped MCUs are those of plain C: there is nothing in them for vectors
 * that the C library's memchr does not have. */
static void use_neon(struct dlop_cpu_steps *steps)
{
    steps->unstuff = dlop_cpu_unstuff_plain;
    steps->huff_build = dlop_cpu_huff_build;
    steps->decode_mcus = dlop_cpu_decode_mcus_neon;
    steps->skip_mcus = dlop_cpu_skip_mcus_plain;
    steps->coef_position = dlop_cpu_coef_position_plain + 1;
    steps->idct = dlop_cpu_idct_neon;
    steps->upsample_h2v1 = dlop_cpu_upsample_h2v1_neon;
    steps->upsample_h2v2 = dlop_cpu_upsample_h2v2_neon;
    steps->upsample_h1v2 = dlop_cpu_upsample_h1v2_neon;
    steps->ycc_to_rgbx = dlop_cpu_ycc_to_rgbx_neon;
    steps->rgb_to_rgbx = dlop_cpu_rgb_to_rgbx_neon;
    steps->grey_to_rgbx = dlop_cpu_grey_to_rgbx_neon;
    steps->rgbx_to_grey = dlop_cpu_rgbx_to_grey_neon;
    steps->pixels_to_rgbx = dlop_cpu_pixels_to_rgbx_neon;
    steps->axis_x_plan = dlop_cpu_axis_x_plan_neon;
    steps->axis_x = dlop_cpu_axis_x_neon;
    steps->axis_y = dlop_cpu_axis_y_neon;
    steps->pack_plan = dlop_cpu_pack_plan_neon;
    steps->pack = dlop_cpu_pack_neon;
}
#endif

/* In order of preference, the best last. */
static const struct {
    const char *name;
    u32 bit, base; /* base: another level's bit that must be set, too */
    void (*use)(struct dlop_cpu_steps *steps);
    u32 (*is_there)(void); /* null: always */
} levels[] = {
    {"plain C", DLOP_CPU_PLAIN_C, 0, use_plain, NULL},
#if HAS_AVX2
    {"avx2", DLOP_CPU_AVX2, 0, use_avx2, has_avx2},
    {"avx512", DLOP_CPU_AVX512, DLOP_CPU_AVX2, use_avx512, has_avx512},
#endif
#if HAS_NEON
    {"neon", DLOP_CPU_NEON, 0, use_neon, NULL}, /* every AArch64 processor has it */
#endif
};

void dlop_cpu_steps_init(u32 vector_mask, struct dlop_cpu_steps *steps_out)
{
    u32 usable = vector_mask & dlop_cpu_steps_usable();

    *steps_out = reference_steps;
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        u32 needed = levels[i].bit | levels[i].base;

        if ((usable & needed) == needed)
            levels[i].use(steps_out);
    }
}

u32 dlop_cpu_steps_usable(void)
{
    u32 usable = 0;

    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (levels[i].is_there == NULL || levels[i].is_there())
            usable |= levels[i].bit;
    }
    return usable;
}

const char *dlop_cpu_steps_level(u32 i, u32 *vector_mask_out)
{
    if (i >= sizeof(levels) / sizeof(levels[0]))
        return NULL;
    *vector_mask_out = levels[i].bit | levels[i].base;
    return levels[i].name;
}
