/* The two resampling passes with NEON: equal to hw/core/axis.h in red, green and blue.
 *
 * Weights have 22 bits and more, so products are 32-bit multiplies modulo 2^32; the check of the
 * table says that the sum fits. Weights of 16 bits take the widening multiply.
 *
 * x: one output is a register of its four channels. The weights stand in block_cells in the order
 * in which they are read: per block of 8 outputs, per output, fours of taps, zero past the span.
 * y: 32 bytes of the row at a time.
 */
#include "driver/cpu/axis.h"

#include <arm_neon.h>
#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Spans of up to this many fours of taps have unrolled code for x. */
#define MAX_UNROLLED_FOURS 2

static s32 tap(const struct dlop_cpu_axis *axis, u32 o, u32 t)
{
    return o < axis->n_out && t < axis->span[o].n ? axis->weight[(size_t)o * axis->n_taps + t] : 0;
}

/* Fours of taps that a block runs through: one number for all where the code is unrolled. */
static u32 plan_n_fours(const struct dlop_cpu_axis *axis, u32 block)
{
    u32 n_all = (axis->longest_span + 3) / 4, n_taps = 0;

    if (n_all <= MAX_UNROLLED_FOURS)
        return n_all;
    for (u32 o = 8 * block; o < 8 * block + 8 && o < axis->n_out; o++)
        n_taps = axis->span[o].n > n_taps ? axis->span[o].n : n_taps;
    return (n_taps + 3) / 4;
}

/* Four taps of one output; returns the place behind them. */
static u8 *plan_cell(const struct dlop_cpu_axis *axis, u32 o, u32 first_tap, u8 *cell)
{
    s32 wide[4];
    s16 narrow[4];
    size_t n_bytes = axis->is_16_bit ? sizeof narrow : sizeof wide;

    for (u32 t = 0; t < 4; t++) {
        wide[t] = tap(axis, o, first_tap + t);
        narrow[t] = (s16)wide[t];
    }
    memcpy(cell, axis->is_16_bit ? (const void *)narrow : (const void *)wide, n_bytes);
    return cell + n_bytes;
}

void dlop_cpu_axis_x_plan_neon(struct dlop_cpu_axis *axis)
{
    u32 n_blocks = axis->n_out / 8 + (axis->n_out % 8 != 0);
    u8 *cell = axis->block_cells;

    for (u32 block = 0; block < n_blocks; block++) {
        u32 n_fours = plan_n_fours(axis, block);

        axis->block_n_pairs[block] = 2 * n_fours;
        for (u32 o = 8 * block; o < 8 * block + 8; o++) {
            bool has_source = o < axis->n_out && axis->span[o].n;

            axis->block_offset_bytes[o] = has_source ? 4 * (u32)axis->span[o].start : 0;
            for (u32 i = 0; i < n_fours; i++)
                cell = plan_cell(axis, o, 4 * i, cell);
        }
    }
}

/* Add four pixels, each times its weight. */
ALWAYS_INLINE int32x4_t x_add_wide(int32x4_t sum, int16x8_t low, int16x8_t high, int32x4_t w)
{
    sum = vmlaq_laneq_s32(sum, vmovl_s16(vget_low_s16(low)), w, 0);
    sum = vmlaq_laneq_s32(sum, vmovl_high_s16(low), w, 1);
    sum = vmlaq_laneq_s32(sum, vmovl_s16(vget_low_s16(high)), w, 2);
    return vmlaq_laneq_s32(sum, vmovl_high_s16(high), w, 3);
}

ALWAYS_INLINE int32x4_t x_add_narrow(int32x4_t sum, int16x8_t low, int16x8_t high, int16x4_t w)
{
    sum = vmlal_lane_s16(sum, vget_low_s16(low), w, 0);
    sum = vmlal_high_lane_s16(sum, low, w, 1);
    sum = vmlal_lane_s16(sum, vget_low_s16(high), w, 2);
    return vmlal_high_lane_s16(sum, high, w, 3);
}

/* One output, four channels, as a level that is not clamped yet. cell: its first. */
ALWAYS_INLINE int16x4_t x_output(const u8 *at, const u8 *cell, u32 n_fours, bool is_16_bit,
                                 s32 precision_bits)
{
    int32x4_t sum = vdupq_n_s32(1 << (precision_bits - 1));

    for (u32 i = 0; i < n_fours; i++) {
        uint8x16_t pixels = vld1q_u8(at + (size_t)16 * i);
        int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(pixels)));
        int16x8_t high = vreinterpretq_s16_u16(vmovl_high_u8(pixels));

        if (is_16_bit)
            sum = x_add_narrow(sum, low, high, vld1_s16((const s16 *)(const void *)cell + 4 * i));
        else
            sum = x_add_wide(sum, low, high, vld1q_s32((const s32 *)(const void *)cell + 4 * i));
    }
    return vqmovn_s32(vshlq_s32(sum, vdupq_n_s32(-precision_bits)));
}

/* n_fours: that of all blocks, or 0 = as the block says. */
ALWAYS_INLINE void x_row(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out, u32 n_fours,
                         bool is_16_bit)
{
    const s32 precision_bits = (s32)axis->precision_bits;
    const u32 *offset = axis->block_offset_bytes;
    const u8 *cell = axis->block_cells;
    u32 n_blocks = axis->n_out / 8 + (axis->n_out % 8 != 0);

    for (u32 block = 0; block < n_blocks; block++, offset += 8, row_out += 32) {
        u32 n = n_fours ? n_fours : axis->block_n_pairs[block] / 2;
        size_t cell_bytes = (size_t)n * (is_16_bit ? 8 : 16);

        for (u32 i = 0; i < 8; i += 2, cell += 2 * cell_bytes) {
            int16x4_t a = x_output(row + offset[i], cell, n, is_16_bit, precision_bits);
            int16x4_t b =
                x_output(row + offset[i + 1], cell + cell_bytes, n, is_16_bit, precision_bits);

            vst1_u8(row_out + (size_t)4 * i, vqmovun_s16(vcombine_s16(a, b)));
        }
    }
}

#define X_ROWS(n_fours)                                                                            \
    static void x_row_wide_##n_fours(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out) \
    {                                                                                              \
        x_row(axis, row, row_out, n_fours, false);                                                 \
    }                                                                                              \
    static void x_row_16_##n_fours(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out)   \
    {                                                                                              \
        x_row(axis, row, row_out, n_fours, true);                                                  \
    }

X_ROWS(0)
X_ROWS(1)
X_ROWS(2)

void dlop_cpu_axis_x_neon(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out)
{
    /* [is_16_bit][n_fours] */
    static void (*const rows[2][MAX_UNROLLED_FOURS + 1])(const struct dlop_cpu_axis *axis,
                                                         const u8 *row, u8 *row_out) = {
        {x_row_wide_0, x_row_wide_1, x_row_wide_2},
        {x_row_16_0, x_row_16_1, x_row_16_2},
    };
    u32 n_fours = (axis->longest_span + 3) / 4;

    rows[axis->is_16_bit][n_fours <= MAX_UNROLLED_FOURS ? n_fours : 0](axis, row, row_out);
}

/* Add 8 columns of one source row to two sums of four. */
ALWAYS_INLINE void y_add_8(int32x4_t sum[2], uint8x8_t levels, s32 w, bool is_16_bit)
{
    int16x8_t v = vreinterpretq_s16_u16(vmovl_u8(levels));

    if (is_16_bit) {
        sum[0] = vmlal_n_s16(sum[0], vget_low_s16(v), (s16)w);
        sum[1] = vmlal_high_n_s16(sum[1], v, (s16)w);
    } else {
        sum[0] = vmlaq_n_s32(sum[0], vmovl_s16(vget_low_s16(v)), w);
        sum[1] = vmlaq_n_s32(sum[1], vmovl_high_s16(v), w);
    }
}

ALWAYS_INLINE uint8x8_t y_clamp_8(const int32x4_t sum[2], int32x4_t shift)
{
    return vqmovun_s16(
        vcombine_s16(vqmovn_s32(vshlq_s32(sum[0], shift)), vqmovn_s32(vshlq_s32(sum[1], shift))));
}

ALWAYS_INLINE void y_row(const struct dlop_cpu_axis *axis, u32 o, const u8 *const *rows,
                         size_t n_bytes, u8 *row_out, bool is_16_bit)
{
    const s32 *weight = axis->weight + (size_t)o * axis->n_taps;
    const u32 n_taps = axis->span[o].n;
    const int32x4_t half = vdupq_n_s32(1 << (axis->precision_bits - 1));
    const int32x4_t shift = vdupq_n_s32(-(s32)axis->precision_bits);

    for (size_t at = 0; at < n_bytes; at += 32) {
        int32x4_t sum[8] = {half, half, half, half, half, half, half, half};

        for (u32 t = 0; t < n_taps; t++) {
            uint8x16_t first = vld1q_u8(rows[t] + at), second = vld1q_u8(rows[t] + at + 16);

            y_add_8(sum, vget_low_u8(first), weight[t], is_16_bit);
            y_add_8(sum + 2, vget_high_u8(first), weight[t], is_16_bit);
            y_add_8(sum + 4, vget_low_u8(second), weight[t], is_16_bit);
            y_add_8(sum + 6, vget_high_u8(second), weight[t], is_16_bit);
        }
        for (u32 i = 0; i < 4; i++)
            vst1_u8(row_out + at + (size_t)8 * i, y_clamp_8(sum + (size_t)2 * i, shift));
    }
}

void dlop_cpu_axis_y_neon(const struct dlop_cpu_axis *axis, u32 o, const u8 *const *rows,
                          size_t n_bytes, u8 *row_out)
{
    if (axis->is_16_bit)
        y_row(axis, o, rows, n_bytes, row_out, true);
    else
        y_row(axis, o, rows, n_bytes, row_out, false);
}
