/* Entropy decoding of several streams in rotation: chunks of unstuffed bytes in, coefficients and a
 * list of finished blocks out.
 *
 * Key idea: C-slow. One turn of the loop takes one symbol (dlop_entropy_symbol, the reference's
 * own) of one stream, the next turn one of the next stream: the chain from a symbol's length to the
 * next symbol's window has as many clocks as there are streams, while the engine takes one symbol
 * in each. A stream that waits for bytes loses its turns only.
 *
 * A stored coefficient is one event, (value << 16 | position), in its stream's list of this step.
 * Blocks that are not needed leave nothing. A finished block becomes a record that says where its
 * events are; blocks of one stream are finished in order. A block that is open at the end of a step
 * has its first events in that step's list: the stage behind keeps them (blocks.h), so that all
 * that is handed over is of one step.
 */
#ifndef DLOP_HW_TOP_SYMBOLS_H
#define DLOP_HW_TOP_SYMBOLS_H

#include "hw/core/entropy.h"
#include "hw/top/fetch.h"
#include "hw/top/walk.h"

/* DRAIN: the segment's MCUs are done, its bytes are not. */
enum dlop_top_mode { DLOP_TOP_IDLE, DLOP_TOP_SEGMENT, DLOP_TOP_RUN, DLOP_TOP_DRAIN };

/* One stream. */
struct dlop_top_context {
    struct dlop_entropy entropy; /* positions: in the array of all chunks */
    struct dlop_top_walk walk;
    u32 mode;                       /* enum dlop_top_mode; SEGMENT: begins with the next chunk */
    u32 is_last;                    /* the chunk is its segment's last */
    u32 restart_interval;           /* 0: none */
    u32 segment, n_mcus_in_segment; /* number of the segment, MCUs left of it */
    u32 k;                          /* place in the block, see dlop_entropy_symbol */
    u32 n_events, n_block_events;   /* of this step so far; of the open block */
    u32 n_kept_events;              /* of the open block in the steps before */
    s64 n_left_bits;                /* DRAIN: bits left over so far */
    s32 status;                     /* not DLOP_OK: segment is damaged */
    u32 n_symbols, n_long, n_blocks;
};

/* A finished block that is needed. */
struct dlop_top_block {
    u64 at; /* of its first sample in scratch */
    u32 pitch_samples;
    u32 context, segment;
    u32 quant;                 /* index of its factors: [context][table of the frame] */
    u32 n_kept_events;         /* its first ones are those that were kept of the steps before, */
    u32 first_event, n_events; /* the others are in this step's list from here on; all together */
};

/* What a stream leaves open at the end of a step: in the order of its events. */
struct dlop_top_open {
    u32 n_kept_events, first_event, n_events; /* as in dlop_top_block */
};

/* walk: filled in. */
DLOP_STEP void dlop_top_context_init(struct dlop_top_context *context, u32 restart_interval)
{
    context->mode = context->walk.n_mcus_left ? DLOP_TOP_SEGMENT : DLOP_TOP_IDLE;
    context->is_last = 0;
    context->restart_interval = restart_interval;
    context->segment = 0;
    context->n_mcus_in_segment = 0;
    context->k = 0;
    context->n_events = 0;
    context->n_block_events = 0;
    context->n_kept_events = 0;
    context->n_left_bits = 0;
    context->status = DLOP_OK;
    context->n_symbols = 0;
    context->n_long = 0;
    context->n_blocks = 0;
}

DLOP_STEP void dlop_top_context_fail(struct dlop_top_context *context, s32 status)
{
    context->status = status;
    context->mode = DLOP_TOP_IDLE;
}

/* A segment whose MCUs are done: no whole byte may be left over before the next one. */
DLOP_STEP void dlop_top_context_drain(struct dlop_top_context *context)
{
    if (context->n_left_bits > 7) {
        dlop_top_context_fail(context, DLOP_ERR_BAD_DATA);
    } else if (context->is_last) {
        context->segment++;
        context->mode = DLOP_TOP_SEGMENT;
    } else {
        context->mode = DLOP_TOP_DRAIN;
    }
}

/* Take stream i's next chunk. */
DLOP_STEP void dlop_top_context_feed(struct dlop_top_context *context, u32 i,
                                     const struct dlop_top_chunk *chunk)
{
    if (context->mode == DLOP_TOP_IDLE || (chunk->n_bytes == 0 && !chunk->is_last))
        return;
    context->is_last = chunk->is_last;
    if (context->mode == DLOP_TOP_DRAIN) {
        context->n_left_bits += 8 * (s64)chunk->n_bytes;
        dlop_top_context_drain(context);
        return;
    }
    if (context->mode == DLOP_TOP_SEGMENT) {
        dlop_entropy_init(&context->entropy, 0);
        context->n_mcus_in_segment =
            context->restart_interval ? context->restart_interval : 0xffffffffu;
        context->mode = DLOP_TOP_RUN;
    }
    context->entropy.next_bytes = i * DLOP_TOP_CHUNK_BYTES;
    context->entropy.end_bytes = i * DLOP_TOP_CHUNK_BYTES + chunk->n_bytes;
}

/* Whether the stream can take a symbol: a refill finds its four bytes, or all that there will be.
 */
DLOP_STEP s32 dlop_top_context_is_ready(const struct dlop_top_context *context)
{
    const struct dlop_entropy *entropy = &context->entropy;

    return context->mode == DLOP_TOP_RUN &&
           (entropy->n_bits > 32 || entropy->next_bytes < entropy->end_bytes || context->is_last);
}

/* The open block of stream i is finished. Returns 1 where it is needed; block_out is written then.
 */
DLOP_STEP s32 dlop_top_context_close_block(struct dlop_top_context *context, u32 i,
                                           struct dlop_top_block *block_out)
{
    s32 is_needed = dlop_top_walk_is_needed(&context->walk);
    const struct dlop_top_entry *entry = &context->walk.entries[context->walk.entry];
    s64 n_left_bits = dlop_entropy_bits_left(&context->entropy);

    if (n_left_bits < 0) {
        dlop_top_context_fail(context, DLOP_ERR_TRUNCATED);
        return 0;
    }
    if (is_needed) {
        block_out->at = dlop_top_walk_at(&context->walk);
        block_out->pitch_samples = entry->plane.pitch_samples;
        block_out->context = i;
        block_out->segment = context->segment;
        block_out->quant = i * DLOP_JPEG_MAX_QUANT_TABLES + entry->quant;
        block_out->n_kept_events = context->n_kept_events;
        block_out->first_event =
            context->n_events - (context->n_block_events - context->n_kept_events);
        block_out->n_events = context->n_block_events;
    }
    context->k = 0;
    context->n_block_events = 0;
    context->n_kept_events = 0;
    context->n_blocks++;
    if (dlop_top_walk_step(&context->walk)) {
        context->n_mcus_in_segment--;
        context->n_left_bits = n_left_bits;
        if (context->walk.n_mcus_left == 0)
            context->mode = DLOP_TOP_IDLE;
        else if (context->n_mcus_in_segment == 0)
            dlop_top_context_drain(context);
    }
    return is_needed;
}

/* One symbol of stream i, which is ready. Returns 1 where it finished a block that is needed;
 * block_out is written then. */
DLOP_STEP s32 dlop_top_turn(
    const u8 chunks[DLOP_TOP_CONTEXTS * DLOP_TOP_CHUNK_BYTES], u32 i,
    const struct dlop_huff_table tables[DLOP_TOP_CONTEXTS * DLOP_TOP_TABLES],
    struct dlop_top_context *context, u32 events[DLOP_TOP_CONTEXTS * DLOP_TOP_STEP_EVENTS],
    struct dlop_top_block *block_out)
{
    u32 entry = context->walk.entry, table = i * DLOP_TOP_TABLES + 2 * entry;
    struct dlop_coef coef;
    s32 status;

    dlop_entropy_refill(chunks, &context->entropy);
    status = dlop_entropy_symbol(&tables[table], &tables[table + 1], entry, &context->entropy,
                                 &context->k, &coef);
    if (status != DLOP_OK) {
        dlop_top_context_fail(context, status);
        return 0;
    }
    context->n_symbols++;
    context->n_long += coef.code_bits > DLOP_HUFF_LOOKUP_BITS;
    if (coef.is_stored && dlop_top_walk_is_needed(&context->walk)) {
        events[i * DLOP_TOP_STEP_EVENTS + context->n_events] =
            ((u32)coef.value & 0xffffu) << 16 | coef.position;
        context->n_events++;
        context->n_block_events++;
    }
    return coef.is_last && dlop_top_context_close_block(context, i, block_out);
}

/* A step's end: what stream i leaves open. The next step's list begins anew. */
DLOP_STEP void dlop_top_context_leave(struct dlop_top_context *context,
                                      struct dlop_top_open *open_out)
{
    open_out->n_kept_events = context->n_kept_events;
    open_out->first_event = context->n_events - (context->n_block_events - context->n_kept_events);
    open_out->n_events = context->n_block_events;
    context->n_kept_events = context->n_block_events;
    context->n_events = 0;
}

/* What the entropy stage hands over of a step, beside the events. */
struct dlop_top_handed {
    struct dlop_top_open open[DLOP_TOP_CONTEXTS];
    u32 n_blocks;
    struct dlop_top_block blocks[DLOP_TOP_STEP_BLOCKS]; /* in the order of their ends */
};

/* Stage: take the symbols of one chunk of every stream.
 *
 * chunks:     [context][DLOP_TOP_CHUNK_BYTES]; chunk: [context].
 * tables:     [context][entry of the scan][DC, AC].
 * events_out: [context][DLOP_TOP_STEP_EVENTS].
 */
DLOP_STEP void
dlop_top_symbols(const u8 chunks[DLOP_TOP_CONTEXTS * DLOP_TOP_CHUNK_BYTES],
                 const struct dlop_top_chunk chunk[DLOP_TOP_CONTEXTS],
                 const struct dlop_huff_table tables[DLOP_TOP_CONTEXTS * DLOP_TOP_TABLES],
                 struct dlop_top_context contexts[DLOP_TOP_CONTEXTS],
                 u32 events_out[DLOP_TOP_CONTEXTS * DLOP_TOP_STEP_EVENTS],
                 struct dlop_top_handed *handed_out)
{
    u32 n_blocks = 0, n_idle = 0, context = 0, i;

    /* A stream's state is in registers, and used again when its turn comes. What is handed over is
     * written only, so that nothing waits for it. */
    DLOP_HLS(ARRAY_PARTITION variable = contexts type = complete)
    for (i = 0; i < DLOP_TOP_CONTEXTS; i++)
        dlop_top_context_feed(&contexts[i], i, &chunk[i]);
    for (i = 0; i < DLOP_TOP_CONTEXTS * (DLOP_TOP_STEP_SYMBOLS + 1); i++) {
        DLOP_HLS(PIPELINE II = 1)
        DLOP_HLS(LOOP_TRIPCOUNT min = 4 max = 2564 avg = 360)
        DLOP_HLS(DEPENDENCE variable = contexts type = inter direction = RAW distance =
                     DLOP_TOP_CONTEXTS dependent = true)
        if (n_idle == DLOP_TOP_CONTEXTS)
            break;
        n_idle++;
        if (dlop_top_context_is_ready(&contexts[context])) {
            n_idle = 0;
            n_blocks += (u32)dlop_top_turn(chunks, context, tables, &contexts[context], events_out,
                                           &handed_out->blocks[n_blocks]);
        }
        context = context + 1 == DLOP_TOP_CONTEXTS ? 0 : context + 1;
    }
    handed_out->n_blocks = n_blocks;
    for (i = 0; i < DLOP_TOP_CONTEXTS; i++)
        dlop_top_context_leave(&contexts[i], &handed_out->open[i]);
}

#endif
