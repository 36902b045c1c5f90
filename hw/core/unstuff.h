/* Unstuffing: the bytes of a JPEG scan as they stand in the file in, the bytes of one restart
 * segment out, without the zeros that follow each FF.
 *
 * Key idea: one byte at a time, one bit of state, so that the step is a stage of its own and the
 * entropy decoder never looks for FF. RSTn markers end a segment and must come in order; any other
 * marker, a fill byte (FF FF) or an FF at the end of the data makes the record bad.
 * Rate: at most one byte out per byte in. Not here: how many MCUs a segment holds.
 */
#ifndef DLOP_HW_CORE_UNSTUFF_H
#define DLOP_HW_CORE_UNSTUFF_H

#include "hw/abi/port.h"
#include "hw/abi/status.h"

#define DLOP_RST0 0xd0u

/* What one byte of the scan means. */
enum dlop_unstuff_event {
    DLOP_UNSTUFF_NONE, /* an FF: the next byte decides */
    DLOP_UNSTUFF_DATA, /* one data byte in *value_out */
    DLOP_UNSTUFF_RST,  /* a restart marker, its number 0..7 in *value_out */
    DLOP_UNSTUFF_BAD   /* any other marker */
};

/* Take one byte. *is_after_ff: state, 0 at the start of a scan. *value_out: written for DATA and
 * RST. */
DLOP_STEP u32 dlop_unstuff_byte(u32 byte, u32 *is_after_ff, u32 *value_out)
{
    u32 was_after_ff = *is_after_ff;

    *is_after_ff = !was_after_ff && byte == 0xff;
    if (!was_after_ff) {
        *value_out = byte;
        return *is_after_ff ? DLOP_UNSTUFF_NONE : DLOP_UNSTUFF_DATA;
    }
    if (byte == 0) {
        *value_out = 0xff;
        return DLOP_UNSTUFF_DATA;
    }
    *value_out = byte - DLOP_RST0;
    return byte >= DLOP_RST0 && byte < DLOP_RST0 + 8 ? DLOP_UNSTUFF_RST : DLOP_UNSTUFF_BAD;
}

/* Unstuff from scan[*position] to the next restart marker or the scan's end.
 *
 * scan:         [n_scan_bytes] stuffed bytes.
 * position:     in: first byte of the segment; out: the byte after the marker, or n_scan_bytes.
 * next_rst:     number 0..7 of the marker expected next; counted on when that marker was found.
 * segment_out:  room for n_scan_bytes - *position bytes.
 * n_bytes_out:  bytes written.
 * DLOP_OK: a marker ended the segment; DLOP_END: the scan ended it; DLOP_ERR_BAD_DATA.
 */
DLOP_STEP s32 dlop_unstuff_segment(DLOP_GLOBAL const u8 *scan, u32 n_scan_bytes, u32 *position,
                                   u32 *next_rst, DLOP_GLOBAL u8 *segment_out, u32 *n_bytes_out)
{
    u32 is_after_ff = 0, value = 0, n = 0, i;

    for (i = *position; i < n_scan_bytes; i++) {
        DLOP_HLS(PIPELINE II = 1)
        u32 event = dlop_unstuff_byte(scan[i], &is_after_ff, &value);

        if (event == DLOP_UNSTUFF_DATA) {
            segment_out[n] = (u8)value;
            n++;
        }
        if (event == DLOP_UNSTUFF_RST || event == DLOP_UNSTUFF_BAD) {
            *position = i + 1;
            *n_bytes_out = n;
            if (event == DLOP_UNSTUFF_BAD || value != *next_rst)
                return DLOP_ERR_BAD_DATA;
            *next_rst = (value + 1) & 7;
            return DLOP_OK;
        }
    }
    *position = n_scan_bytes;
    *n_bytes_out = n;
    return is_after_ff ? DLOP_ERR_BAD_DATA : DLOP_END;
}

#endif
