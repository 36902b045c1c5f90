/* What must hold for every frame that the parser accepts, whatever the file was: devices rely on
 * it. Null, or the first rule that is broken. */
#ifndef DLOP_TESTS_FUZZ_FRAME_CHECK_H
#define DLOP_TESTS_FUZZ_FRAME_CHECK_H

#include <string.h>

#include "hw/abi/abi.h"
#include "hw/abi/jpeg_frame.h"

static inline int frame_check_huff_is_valid(const struct dlop_jpeg_huff *huff, int is_dc)
{
    u32 n_symbols = 0, space = 0; /* space: parts of 2^-16 of all codes */
    for (int i = 0; i < 16; i++) {
        n_symbols += huff->n_codes[i];
        space += (u32)huff->n_codes[i] << (15 - i);
    }
    if (n_symbols > 256 || space >= 65536)
        return 0;
    for (u32 i = 0; is_dc && i < n_symbols; i++)
        if (huff->symbols[i] > 11)
            return 0;
    return 1;
}

static inline const char *frame_check_scan(const struct dlop_jpeg_frame *frame, int index,
                                           u32 first_byte, u64 end_of_file)
{
    const struct dlop_jpeg_scan *scan = &frame->scan[index];
    u32 previous_end = index == 0 ? first_byte + 2 : frame->scan[index - 1].end_bytes;

    if (scan->begin_bytes < previous_end || scan->end_bytes < scan->begin_bytes ||
        (u64)scan->end_bytes + 2 > end_of_file)
        return "bytes of a scan";
    if (scan->n_components != 1 && scan->n_components != frame->n_components)
        return "number of components of a scan";
    for (int i = 0; i < scan->n_components; i++) {
        if (scan->component[i] >= frame->n_components)
            return "component of a scan";
        if (scan->dc_table[i] >= frame->n_huff || scan->ac_table[i] >= frame->n_huff)
            return "Huffman table of a scan";
        if (!frame_check_huff_is_valid(&frame->huff[scan->dc_table[i]], 1) ||
            !frame_check_huff_is_valid(&frame->huff[scan->ac_table[i]], 0))
            return "Huffman table";
    }
    return NULL;
}

/* first_byte is the parser's bytes_offset. */
static inline const char *frame_check(const struct dlop_jpeg_frame *frame, u32 first_byte,
                                      u64 n_bytes)
{
    u32 seen = 0, h_max = 0, v_max = 0, n_blocks = 0;

    if (frame->width_px < 1 || frame->width_px > DLOP_MAX_SIDE_PX || frame->height_px < 1 ||
        frame->height_px > DLOP_MAX_SIDE_PX)
        return "size";
    if (frame->n_components != 1 && frame->n_components != 3)
        return "number of components";
    if (frame->colour >= DLOP_JPEG_COLOUR_COUNT ||
        (frame->colour == DLOP_JPEG_GREY) != (frame->n_components == 1))
        return "colour";
    for (int i = 0; i < frame->n_components; i++) {
        const struct dlop_jpeg_component *component = &frame->component[i];
        if (component->h < 1 || component->h > 4 || component->v < 1 || component->v > 4 ||
            frame->h_max % component->h != 0 || frame->v_max % component->v != 0)
            return "sampling factors";
        if (component->quant >= DLOP_JPEG_MAX_QUANT_TABLES)
            return "quantisation table";
        h_max = component->h > h_max ? component->h : h_max;
        v_max = component->v > v_max ? component->v : v_max;
        n_blocks += (u32)component->h * component->v;
    }
    if (h_max != frame->h_max || v_max != frame->v_max || n_blocks > DLOP_JPEG_MAX_BLOCKS_PER_MCU)
        return "largest sampling factors";
    if (frame->n_scans < 1 || frame->n_scans > DLOP_JPEG_MAX_SCANS)
        return "number of scans";
    if (frame->n_huff < 1 || frame->n_huff > DLOP_JPEG_MAX_HUFF_TABLES)
        return "number of Huffman tables";
    for (int i = 0; i < frame->n_scans; i++) {
        const char *broken = frame_check_scan(frame, i, first_byte, first_byte + n_bytes);
        if (broken != NULL)
            return broken;
        for (int k = 0; k < frame->scan[i].n_components; k++) {
            if (seen >> frame->scan[i].component[k] & 1)
                return "component with two scans";
            seen |= 1u << frame->scan[i].component[k];
        }
    }
    return seen == (1u << frame->n_components) - 1 ? NULL : "component without a scan";
}

#endif
