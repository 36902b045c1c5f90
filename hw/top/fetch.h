/* Fetch and unstuff: the bytes of each stream's scan in, chunks of one restart segment out.
 *
 * Key idea: a chunk is full unless it is the last one of its segment, and a full one is a whole
 * number of refills, so that the entropy stage uses each chunk up and nothing flows back from there
 * to here. How many segments are needed is known beforehand. Each of them is read to its end, as
 * the reference does, even if its last MCUs are not needed.
 *
 * Lines are loaded before the loop over a chunk's bytes, so that the loop has no other in it.
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
    u32 loaded_bytes;          /* so far */
    u32 is_after_ff, next_rst; /* see hw/core/unstuff.h */
    u32 segment, n_segments;   /* the one that is read, how many are needed */
    u32 is_scan_over;
    s32 status;                         /* not DLOP_OK: segment is damaged */
    u32 fetched_bytes, unstuffed_bytes; /* taken from the loaded ones so far, given on */
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
    fetch->loaded_bytes = 0;
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

/* Steps that a stream takes at most: each of them takes a chunk's bytes or more, or ends a segment;
 * a last one sees that the scan is over. */
DLOP_STEP u32 dlop_top_fetch_max_steps(const struct dlop_top_fetch *fetch)
{
    if (fetch->n_segments == 0)
        return 0;
    return (u32)((fetch->end_at - fetch->next_at) / DLOP_TOP_CHUNK_BYTES) + fetch->n_segments + 1;
}

/* Load the stream's next bytes, if there are not those that a chunk can take. */
DLOP_STEP void dlop_top_fetch_line(const u8 *in, u32 context, struct dlop_top_fetch *fetch,
                                   u8 lines[DLOP_TOP_CONTEXTS * DLOP_TOP_LINE_BYTES])
{
    u64 n_left = fetch->end_at - fetch->next_at;
    u32 n = n_left < DLOP_TOP_LOAD_BYTES ? (u32)n_left : DLOP_TOP_LOAD_BYTES, i;

    if (fetch->loaded_bytes - fetch->fetched_bytes >= DLOP_TOP_CHUNK_TAKES_BYTES)
        return;
    for (i = 0; i < n; i++) {
        DLOP_HLS(PIPELINE II = 1)
        DLOP_HLS(LOOP_TRIPCOUNT min = 0 max = DLOP_TOP_LOAD_BYTES avg = 254)
        lines[context * DLOP_TOP_LINE_BYTES + (fetch->loaded_bytes + i) % DLOP_TOP_LINE_BYTES] =
            in[fetch->next_at + i];
    }
    fetch->next_at += n;
    fetch->loaded_bytes += n;
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
    dlop_top_fetch_line(in, context, fetch, lines);
    for (i = 0; i < DLOP_TOP_CHUNK_TAKES_BYTES; i++) {
        DLOP_HLS(PIPELINE II = 1)
        u32 event, value = 0;

        if (fetch->status != DLOP_OK || n == DLOP_TOP_CHUNK_BYTES || is_last)
            break;
        if (fetch->fetched_bytes == fetch->loaded_bytes) {
            is_last = dlop_top_fetch_end(fetch) != 0;
            continue;
        }
        event = dlop_unstuff_byte(
            lines[context * DLOP_TOP_LINE_BYTES + fetch->fetched_bytes % DLOP_TOP_LINE_BYTES],
            &fetch->is_after_ff, &value);
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
 * lines:      rings, [context][DLOP_TOP_LINE_BYTES]; kept between the steps.
 * chunks_out: [context][DLOP_TOP_CHUNK_BYTES].
 */
DLOP_STEP void dlop_top_fetch_step(const u8 *in, struct dlop_top_fetch fetches[DLOP_TOP_CONTEXTS],
                                   u8 lines[DLOP_TOP_CONTEXTS * DLOP_TOP_LINE_BYTES],
                                   u8 chunks_out[DLOP_TOP_CONTEXTS * DLOP_TOP_CHUNK_BYTES],
                                   struct dlop_top_chunk chunk_out[DLOP_TOP_CONTEXTS])
{
    u32 i;

    for (i = 0; i < DLOP_TOP_CONTEXTS; i++) {
        chunk_out[i].n_bytes = 0;
        chunk_out[i].is_last = 0;
        if (!dlop_top_fetch_is_over(&fetches[i]))
            dlop_top_fetch_chunk(in, i, &fetches[i], lines, chunks_out, &chunk_out[i]);
    }
}

#endif
