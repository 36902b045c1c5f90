/* Fetch and unstuff: the bytes of each stream's scan in, chunks of one restart segment out.
 *
 * Key idea: a chunk is full unless it is the last one of its segment, and a full one is a whole
 * number of refills, so that the entropy stage uses each chunk up and nothing flows back from there
 * to here. How many segments are needed is known beforehand. Each of them is read to its end, as
 * the reference does, even if its last MCUs are not needed.
 */
#ifndef DLOP_HW_TOP_FETCH_H
#define DLOP_HW_TOP_FETCH_H

#include "hw/abi/status.h"
#include "hw/core/arith.h"
#include "hw/core/unstuff.h"
#include "hw/top/shape.h"

/* One stream's reader. */
struct dlop_top_fetch {
    u64 next_at, end_at;       /* in the launch's `in`: what is not loaded yet */
    u32 line_next, line_bytes; /* place in the stream's line, bytes in it */
    u32 is_after_ff, next_rst; /* see hw/core/unstuff.h */
    u32 segment, n_segments;   /* the one that is read, how many are needed */
    u32 is_scan_over;
    s32 status; /* not DLOP_OK: segment is damaged */
    u32 fetched_bytes, unstuffed_bytes;
};

/* A stream's part of a step. */
struct dlop_top_chunk {
    u32 n_bytes;
    u32 is_last; /* of its segment */
};

/* begin_at, end_at: the scan in `in`. */
DLOP_STEP void dlop_top_fetch_init(struct dlop_top_fetch *fetch, u64 begin_at, u64 end_at,
                                   u32 n_segments)
{
    fetch->next_at = begin_at;
    fetch->end_at = end_at;
    fetch->line_next = 0;
    fetch->line_bytes = 0;
    fetch->is_after_ff = 0;
    fetch->next_rst = 0;
    fetch->segment = 0;
    fetch->n_segments = n_segments;
    fetch->is_scan_over = 0;
    fetch->status = DLOP_OK;
    fetch->fetched_bytes = 0;
    fetch->unstuffed_bytes = 0;
}

DLOP_STEP s32 dlop_top_fetch_is_over(const struct dlop_top_fetch *fetch)
{
    return fetch->status != DLOP_OK || fetch->segment >= fetch->n_segments;
}

/* Load the stream's next line; none of its bytes where the scan is over. */
DLOP_STEP void dlop_top_fetch_line(const u8 *in, u32 context, struct dlop_top_fetch *fetch,
                                   u8 lines[DLOP_TOP_CONTEXTS * DLOP_TOP_LINE_BYTES])
{
    u64 n_left = fetch->end_at - fetch->next_at;
    u32 n = n_left < DLOP_TOP_LINE_BYTES ? (u32)n_left : DLOP_TOP_LINE_BYTES, i;

    for (i = 0; i < DLOP_TOP_LINE_BYTES; i++) {
        DLOP_HLS(PIPELINE II = 1)
        if (i >= n)
            break;
        lines[context * DLOP_TOP_LINE_BYTES + i] = in[fetch->next_at + i];
    }
    fetch->next_at += n;
    fetch->line_next = 0;
    fetch->line_bytes = n;
}

/* The scan has no more bytes. Returns whether the segment ends well. */
DLOP_STEP s32 dlop_top_fetch_end(struct dlop_top_fetch *fetch)
{
    fetch->is_scan_over = 1;
    if (fetch->is_after_ff)
        fetch->status = DLOP_ERR_BAD_DATA;
    return fetch->status == DLOP_OK;
}

/* A marker with this number; is_rst: a restart marker. Returns whether the segment ends well. */
DLOP_STEP s32 dlop_top_fetch_marker(struct dlop_top_fetch *fetch, u32 is_rst, u32 number)
{
    if (!is_rst || number != fetch->next_rst)
        fetch->status = DLOP_ERR_BAD_DATA;
    fetch->next_rst = (number + 1) & 7;
    return fetch->status == DLOP_OK;
}

/* One stream's next chunk. A chunk takes at most two stuffed bytes for each of its own. */
DLOP_STEP void dlop_top_fetch_chunk(const u8 *in, u32 context, struct dlop_top_fetch *fetch,
                                    u8 lines[DLOP_TOP_CONTEXTS * DLOP_TOP_LINE_BYTES],
                                    u8 chunks_out[DLOP_TOP_CONTEXTS * DLOP_TOP_CHUNK_BYTES],
                                    struct dlop_top_chunk *chunk_out)
{
    u32 n = 0, is_last = 0, i;

    if (fetch->is_scan_over)
        fetch->status = DLOP_ERR_TRUNCATED;
    for (i = 0; i < 2 * DLOP_TOP_CHUNK_BYTES + 2 && fetch->status == DLOP_OK; i++) {
        DLOP_HLS(PIPELINE II = 1)
        u32 event, value = 0;

        if (n == DLOP_TOP_CHUNK_BYTES || is_last)
            break;
        if (fetch->line_next == fetch->line_bytes)
            dlop_top_fetch_line(in, context, fetch, lines);
        if (fetch->line_bytes == 0) {
            is_last = dlop_top_fetch_end(fetch) != 0;
            continue;
        }
        event = dlop_unstuff_byte(lines[context * DLOP_TOP_LINE_BYTES + fetch->line_next],
                                  &fetch->is_after_ff, &value);
        fetch->line_next++;
        fetch->fetched_bytes++;
        if (event == DLOP_UNSTUFF_DATA) {
            chunks_out[context * DLOP_TOP_CHUNK_BYTES + n] = (u8)value;
            n++;
        } else if (event != DLOP_UNSTUFF_NONE) {
            is_last = dlop_top_fetch_marker(fetch, event == DLOP_UNSTUFF_RST, value) != 0;
        }
    }
    fetch->unstuffed_bytes += n;
    fetch->segment += is_last;
    chunk_out->n_bytes = fetch->status == DLOP_OK ? n : 0;
    chunk_out->is_last = is_last;
}

/* Stage: the next chunk of every stream; an empty one, not its segment's last, where the stream is
 * over.
 *
 * lines:      kept between the steps.
 * chunks_out: [context][DLOP_TOP_CHUNK_BYTES].
 * Returns whether any stream had bytes or an end to give: 0 ends the scan.
 */
DLOP_STEP s32 dlop_top_fetch_step(const u8 *in, struct dlop_top_fetch fetches[DLOP_TOP_CONTEXTS],
                                  u8 lines[DLOP_TOP_CONTEXTS * DLOP_TOP_LINE_BYTES],
                                  u8 chunks_out[DLOP_TOP_CONTEXTS * DLOP_TOP_CHUNK_BYTES],
                                  struct dlop_top_chunk chunk_out[DLOP_TOP_CONTEXTS])
{
    s32 is_any = 0;
    u32 i;

    for (i = 0; i < DLOP_TOP_CONTEXTS; i++) {
        chunk_out[i].n_bytes = 0;
        chunk_out[i].is_last = 0;
        if (dlop_top_fetch_is_over(&fetches[i]))
            continue;
        is_any = 1;
        dlop_top_fetch_chunk(in, i, &fetches[i], lines, chunks_out, &chunk_out[i]);
    }
    return is_any;
}

#endif
