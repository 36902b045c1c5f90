/* Frame description (hw/abi/jpeg_frame.h): read from the bytes of a job and checked in every field,
 * since it may come from a damaged file or a hostile caller.
 *
 * After dlop_frame_check all later steps may use the frame's fields as indices without a test. Not
 * here: Huffman codes, which dlop_huff_build checks.
 */
#ifndef DLOP_HW_CORE_FRAME_H
#define DLOP_HW_CORE_FRAME_H

#include "hw/abi/abi.h"
#include "hw/abi/jpeg_frame.h"
#include "hw/abi/status.h"
#include "hw/core/arith.h"

/* Byte offsets of the record's parts. */
#define DLOP_FRAME_BYTES        2792u
#define DLOP_FRAME_COMPONENT_AT 16u
#define DLOP_FRAME_SCAN_AT      32u
#define DLOP_FRAME_SCAN_BYTES   24u
#define DLOP_FRAME_QUANT_AT     104u
#define DLOP_FRAME_HUFF_AT      616u
#define DLOP_FRAME_HUFF_BYTES   272u

DLOP_STEP void dlop_frame_read_scan(DLOP_GLOBAL const u8 *bytes, u32 at,
                                    struct dlop_jpeg_scan *scan_out)
{
    u32 i;

    scan_out->begin_bytes = dlop_u32_at(bytes, at);
    scan_out->end_bytes = dlop_u32_at(bytes, at + 4);
    scan_out->restart_interval = dlop_u32_at(bytes, at + 8);
    scan_out->n_components = bytes[at + 12];
    for (i = 0; i < 3; i++) {
        scan_out->component[i] = bytes[at + 13 + i];
        scan_out->dc_table[i] = bytes[at + 16 + i];
        scan_out->ac_table[i] = bytes[at + 19 + i];
    }
    scan_out->reserved[0] = bytes[at + 22];
    scan_out->reserved[1] = bytes[at + 23];
}

DLOP_STEP void dlop_frame_read_tables(DLOP_GLOBAL const u8 *bytes,
                                      struct dlop_jpeg_frame *frame_out)
{
    u32 i, k;

    for (i = 0; i < DLOP_JPEG_MAX_QUANT_TABLES; i++) {
        for (k = 0; k < 64; k++)
            frame_out->quant[i][k] = (u16)dlop_u16_at(bytes, DLOP_FRAME_QUANT_AT + 128 * i + 2 * k);
    }
    for (i = 0; i < DLOP_JPEG_MAX_HUFF_TABLES; i++) {
        u32 at = DLOP_FRAME_HUFF_AT + DLOP_FRAME_HUFF_BYTES * i;

        for (k = 0; k < 16; k++)
            frame_out->huff[i].n_codes[k] = bytes[at + k];
        for (k = 0; k < 256; k++)
            frame_out->huff[i].symbols[k] = bytes[at + 16 + k];
    }
}

/* bytes: [DLOP_FRAME_BYTES], the record as it stands in a job's `in` buffer. */
DLOP_STEP void dlop_frame_read(DLOP_GLOBAL const u8 *bytes, struct dlop_jpeg_frame *frame_out)
{
    u32 i;

    frame_out->width_px = dlop_u32_at(bytes, 0);
    frame_out->height_px = dlop_u32_at(bytes, 4);
    frame_out->n_components = bytes[8];
    frame_out->colour = bytes[9];
    frame_out->h_max = bytes[10];
    frame_out->v_max = bytes[11];
    frame_out->n_scans = bytes[12];
    frame_out->n_huff = bytes[13];
    frame_out->reserved[0] = bytes[14];
    frame_out->reserved[1] = bytes[15];
    for (i = 0; i < 3; i++) {
        u32 at = DLOP_FRAME_COMPONENT_AT + 4 * i;

        frame_out->component[i].h = bytes[at];
        frame_out->component[i].v = bytes[at + 1];
        frame_out->component[i].quant = bytes[at + 2];
        frame_out->component[i].reserved = bytes[at + 3];
    }
    frame_out->reserved2 = dlop_u32_at(bytes, 28);
    for (i = 0; i < DLOP_JPEG_MAX_SCANS; i++)
        dlop_frame_read_scan(bytes, DLOP_FRAME_SCAN_AT + DLOP_FRAME_SCAN_BYTES * i,
                             &frame_out->scan[i]);
    dlop_frame_read_tables(bytes, frame_out);
}

/* Sampling factors, and the maxima that the frame names. */
DLOP_STEP s32 dlop_frame_check_components(const struct dlop_jpeg_frame *frame)
{
    u32 h_max = 1, v_max = 1, n_blocks = 0, i;

    for (i = 0; i < frame->n_components; i++) {
        const struct dlop_jpeg_component *c = &frame->component[i];

        if (c->h < 1 || c->h > 4 || c->v < 1 || c->v > 4 || c->quant >= DLOP_JPEG_MAX_QUANT_TABLES)
            return DLOP_ERR_BAD_DATA;
        h_max = dlop_max_u32(h_max, c->h);
        v_max = dlop_max_u32(v_max, c->v);
        n_blocks += (u32)c->h * c->v;
    }
    if (h_max != frame->h_max || v_max != frame->v_max)
        return DLOP_ERR_BAD_DATA;
    for (i = 0; i < frame->n_components; i++) {
        if (h_max % frame->component[i].h != 0 || v_max % frame->component[i].v != 0)
            return DLOP_ERR_BAD_DATA;
    }
    /* The limit is one of interleaved MCUs. */
    if (frame->n_components > 1 && frame->n_scans == 1 && n_blocks > DLOP_JPEG_MAX_BLOCKS_PER_MCU)
        return DLOP_ERR_BAD_DATA;
    return DLOP_OK;
}

/* One scan of all components in order, or one scan for each; n_bytes: from the frame on. */
DLOP_STEP s32 dlop_frame_check_scans(const struct dlop_jpeg_frame *frame, u64 n_bytes)
{
    u32 seen = 0, s, i;

    if (frame->n_scans != 1 && frame->n_scans != frame->n_components)
        return DLOP_ERR_BAD_DATA;
    for (s = 0; s < frame->n_scans; s++) {
        const struct dlop_jpeg_scan *scan = &frame->scan[s];

        if (scan->begin_bytes > scan->end_bytes ||
            !dlop_is_within(scan->end_bytes, DLOP_JPEG_PADDING_BYTES, n_bytes))
            return DLOP_ERR_BAD_DATA;
        if (scan->n_components != (frame->n_scans == 1 ? frame->n_components : 1))
            return DLOP_ERR_BAD_DATA;
        for (i = 0; i < scan->n_components; i++) {
            if (scan->component[i] >= frame->n_components || scan->dc_table[i] >= frame->n_huff ||
                scan->ac_table[i] >= frame->n_huff)
                return DLOP_ERR_BAD_DATA;
            seen |= 1u << scan->component[i];
        }
    }
    return seen == (1u << frame->n_components) - 1 ? DLOP_OK : DLOP_ERR_BAD_DATA;
}

/* Check all fields. n_bytes: readable from the frame's first byte on, DLOP_JPEG_PADDING_BYTES after
 * the last scan included. DLOP_OK, DLOP_ERR_BAD_DATA, DLOP_ERR_LIMIT (picture too large). */
DLOP_STEP s32 dlop_frame_check(const struct dlop_jpeg_frame *frame, u64 n_bytes)
{
    u32 is_grey = frame->colour == DLOP_JPEG_GREY;

    if (frame->width_px > DLOP_MAX_SIDE_PX || frame->height_px > DLOP_MAX_SIDE_PX)
        return DLOP_ERR_LIMIT;
    if (frame->width_px == 0 || frame->height_px == 0 || n_bytes < DLOP_FRAME_BYTES)
        return DLOP_ERR_BAD_DATA;
    if (frame->n_components != 1 && frame->n_components != DLOP_JPEG_MAX_COMPONENTS)
        return DLOP_ERR_BAD_DATA;
    if (frame->colour >= DLOP_JPEG_COLOUR_COUNT || is_grey != (frame->n_components == 1) ||
        frame->n_huff > DLOP_JPEG_MAX_HUFF_TABLES)
        return DLOP_ERR_BAD_DATA;
    if (dlop_frame_check_components(frame) != DLOP_OK)
        return DLOP_ERR_BAD_DATA;
    return dlop_frame_check_scans(frame, n_bytes);
}

#endif
