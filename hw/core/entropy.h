/* Entropy decoder: unstuffed bytes of one restart segment in, quantised coefficients of one block
 * out.
 *
 * Key idea: DC and AC symbols share one loop body, one symbol per turn: refill by at most one
 * 32-bit word, find the code, cut code and value out of the same window. The body is a step of its
 * own (dlop_entropy_symbol), so that a card can take the turns of several images in rotation. The
 * block is never cleared: a mask says which coefficients were written. Coefficients stay in zigzag
 * order and undequantised; hw/core/dequantise.h does the rest for the blocks that are needed.
 *
 * Worst case: 64 symbols and 64 * 27 bits per block. Whatever is read, memory is safe: positions
 * are limited and bytes past the segment read as zeros. A block is refused, never decoded
 * differently from other decoders, where
 *     a code is not in the table, an AC size is above 10, or a zero size has a run other than 0 or
 *     15,
 *     a run leaves the block,
 *     |DC| leaves DLOP_ENTROPY_MAX_DC (no picture of 8 bits has such),
 *     bits past the segment's end were consumed.
 */
#ifndef DLOP_HW_CORE_ENTROPY_H
#define DLOP_HW_CORE_ENTROPY_H

#include "hw/core/huff_table.h"

#define DLOP_ENTROPY_MAX_DC 16383

/* State between blocks of one segment. */
struct dlop_entropy {
    u64 window;     /* the next bits, first one at bit 63, zeros below the valid ones */
    u32 n_bits;     /* valid bits of window */
    u32 next_bytes; /* position of the next byte to fetch */
    u32 end_bytes;  /* bytes of the segment */
    s32 prediction[DLOP_JPEG_MAX_COMPONENTS]; /* last DC of each component of the scan */
};

/* One block: coef[i] is valid where bit i of valid is 1 and zero elsewhere. */
struct dlop_coef_block {
    u64 valid;
    s16 coef[64]; /* zigzag order, quantised */
};

DLOP_STEP void dlop_entropy_init(struct dlop_entropy *state, u32 end_bytes)
{
    u32 i;

    state->window = 0;
    state->n_bits = 0;
    state->next_bytes = 0;
    state->end_bytes = end_bytes;
    for (i = 0; i < DLOP_JPEG_MAX_COMPONENTS; i++)
        state->prediction[i] = 0;
}

/* At least 32 valid bits afterwards. */
DLOP_STEP void dlop_entropy_refill(DLOP_GLOBAL const u8 *bytes, struct dlop_entropy *state)
{
    u32 word = 0, i;

    if (state->n_bits > 32)
        return;
    for (i = 0; i < 4; i++) {
        DLOP_HLS(UNROLL)
        u32 is_inside = state->next_bytes < state->end_bytes;

        word = word << 8 | (is_inside ? bytes[state->next_bytes] : 0u);
        state->next_bytes++;
    }
    state->window |= (u64)word << (32 - state->n_bits);
    state->n_bits += 32;
}

/* Bits of the segment that are not consumed yet; negative once bits past its end were. */
DLOP_STEP s64 dlop_entropy_bits_left(const struct dlop_entropy *state)
{
    return ((s64)state->end_bytes - (s64)state->next_bytes) * 8 + (s64)state->n_bits;
}

/* The value of size bits (0..11) that follows code_bits bits of the window: leading 0 means
 * negative. */
DLOP_STEP s32 dlop_entropy_value(u64 window, u32 code_bits, u32 size)
{
    u32 raw = (u32)(window << code_bits >> 48) >> (16 - size);
    u32 is_negative = size != 0 && (raw >> (size - 1) & 1) == 0;

    return (s32)raw - (is_negative ? (s32)(1u << size) - 1 : 0);
}

/* What one symbol does to its block. */
struct dlop_coef {
    s32 value;
    u32 position;           /* 0..63, zigzag; defined where is_stored */
    u32 is_stored, is_last; /* of the block */
    u32 code_bits;
};

/* Take one symbol. The caller has refilled the window, and looks after a block's last symbol
 * whether bits past the segment's end were consumed (dlop_entropy_bits_left).
 *
 * dc, ac:     tables of the block's component.
 * component:  0..2, index into state->prediction.
 * k:          place in the block: 0 at its start, counted on.
 * DLOP_OK, DLOP_ERR_BAD_DATA, DLOP_ERR_INEXACT.
 */
DLOP_STEP s32 dlop_entropy_symbol(const struct dlop_huff_table *dc,
                                  const struct dlop_huff_table *ac, u32 component,
                                  struct dlop_entropy *state, u32 *k, struct dlop_coef *coef_out)
{
    u32 is_ac = *k > 0, window = (u32)(state->window >> 48);
    u32 entry = is_ac ? dlop_huff_find(ac, window) : dlop_huff_find(dc, window);
    u32 size = DLOP_HUFF_SIZE(entry), position = *k + DLOP_HUFF_ADVANCE(entry) - 1;
    u32 is_end = DLOP_HUFF_ADVANCE(entry) == DLOP_HUFF_ADVANCE_EOB;
    s32 value;

    if (entry & DLOP_HUFF_BAD || (position > 63 && !is_end))
        return DLOP_ERR_BAD_DATA;
    value = dlop_entropy_value(state->window, DLOP_HUFF_CODE_BITS(entry), size);
    state->window <<= DLOP_HUFF_TOTAL_BITS(entry);
    state->n_bits -= DLOP_HUFF_TOTAL_BITS(entry);
    *k += DLOP_HUFF_ADVANCE(entry);
    if (!is_ac) {
        value += state->prediction[component];
        state->prediction[component] = value;
        if (value > DLOP_ENTROPY_MAX_DC || value < -DLOP_ENTROPY_MAX_DC)
            return DLOP_ERR_INEXACT;
    }
    coef_out->value = value;
    coef_out->position = position;
    coef_out->is_stored = !is_ac || size != 0;
    coef_out->is_last = *k > 63;
    coef_out->code_bits = DLOP_HUFF_CODE_BITS(entry);
    return DLOP_OK;
}

/* Decode the next block.
 *
 * bytes:      [state->end_bytes], the segment.
 * dc, ac:     tables of the block's component.
 * component:  0..2, index into state->prediction.
 * DLOP_OK, DLOP_ERR_BAD_DATA, DLOP_ERR_TRUNCATED, DLOP_ERR_INEXACT; after an error state and block
 * are of no use.
 */
DLOP_STEP s32 dlop_entropy_block(DLOP_GLOBAL const u8 *bytes, const struct dlop_huff_table *dc,
                                 const struct dlop_huff_table *ac, u32 component,
                                 struct dlop_entropy *state, struct dlop_coef_block *block_out)
{
    u32 k = 0, i;
    u64 valid = 0;

    for (i = 0; i < 64; i++) {
        DLOP_HLS(PIPELINE II = 1)
        struct dlop_coef coef;
        s32 status;

        dlop_entropy_refill(bytes, state);
        status = dlop_entropy_symbol(dc, ac, component, state, &k, &coef);
        if (status != DLOP_OK)
            return status;
        if (coef.is_stored) {
            block_out->coef[coef.position] = (s16)coef.value;
            valid |= (u64)1 << coef.position;
        }
        if (coef.is_last)
            break;
    }
    block_out->valid = valid;
    return dlop_entropy_bits_left(state) < 0 ? DLOP_ERR_TRUNCATED : DLOP_OK;
}

#endif
