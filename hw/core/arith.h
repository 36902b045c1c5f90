/* Small integer helpers that the steps share: clamps, rounding divisions, little-endian reads.
 *
 * Right shifts of negative values are relied on to be arithmetic, here and in all of hw/core; left
 * shifts of signed values are never used.
 */
#ifndef DLOP_HW_CORE_ARITH_H
#define DLOP_HW_CORE_ARITH_H

#include "hw/abi/port.h"

DLOP_STEP u32 dlop_min_u32(u32 a, u32 b)
{
    return a < b ? a : b;
}

DLOP_STEP u32 dlop_max_u32(u32 a, u32 b)
{
    return a > b ? a : b;
}

DLOP_STEP u64 dlop_max_u64(u64 a, u64 b)
{
    return a > b ? a : b;
}

/* ceil(a / b); b > 0 and a + b below 2^32. */
DLOP_STEP u32 dlop_ceil_div(u32 a, u32 b)
{
    return (a + b - 1) / b;
}

DLOP_STEP u8 dlop_clamp_u8(s32 x)
{
    return (u8)(x < 0 ? 0 : x > 255 ? 255 : x);
}

/* Whether [offset, offset + n_bytes) lies within a buffer of size_bytes; no sum can wrap. */
DLOP_STEP s32 dlop_is_within(u64 offset, u64 n_bytes, u64 size_bytes)
{
    return offset <= size_bytes && n_bytes <= size_bytes - offset;
}

/* Little-endian fields of the records that stand in byte buffers. */
DLOP_STEP u32 dlop_u16_at(DLOP_GLOBAL const u8 *bytes, u64 offset)
{
    return bytes[offset] | (u32)bytes[offset + 1] << 8;
}

DLOP_STEP u32 dlop_u32_at(DLOP_GLOBAL const u8 *bytes, u64 offset)
{
    DLOP_GLOBAL const u8 *at = bytes + offset; /* compilers make one read of it */

    return at[0] | (u32)at[1] << 8 | (u32)at[2] << 16 | (u32)at[3] << 24;
}

DLOP_STEP u64 dlop_u64_at(DLOP_GLOBAL const u8 *bytes, u64 offset)
{
    return dlop_u32_at(bytes, offset) | (u64)dlop_u32_at(bytes, offset + 4) << 32;
}

/* Two's complement without a conversion whose result the language leaves open. */
DLOP_STEP s32 dlop_s32_at(DLOP_GLOBAL const u8 *bytes, u64 offset)
{
    u32 x = dlop_u32_at(bytes, offset);

    return x < 0x80000000u ? (s32)x : -(s32)(0xffffffffu - x) - 1;
}

#endif
