/* JPEG decoding of a wave: scans in, planes of samples in scratch out.
 *
 * All streams of the wave take their first scans together, then, where a file has more, the second
 * and the third. A scan goes through its stages in steps of one chunk for each stream:
 *
 *     fetch + unstuff -> entropy -> hand-over -> dequantise + IDCT -> store
 *
 * A step of each stage may run beside the next step of the stage before: nothing flows back, and
 * how many steps there are at most is known beforehand; streams that are over rest in those. So a
 * stream that turns out to be damaged in a late stage is still read to its end. Which fault counts
 * is decided after the scan, and is the one that the reference finds first: it unstuffs a whole
 * segment, then decodes and transforms block by block.
 */
#ifndef DLOP_HW_TOP_DECODE_H
#define DLOP_HW_TOP_DECODE_H

#include "hw/top/blocks.h"
#include "hw/top/counts.h"

/* The tables of all streams: read-only while a scan is decoded. */
struct dlop_top_tables {
    struct dlop_huff_table huff[DLOP_TOP_CONTEXTS * DLOP_TOP_TABLES]; /* [context][entry][DC, AC] */
    struct dlop_top_quant quant[DLOP_TOP_QUANT_TABLES];               /* [context][table] */
};

/* Stage: decode tables and factors of stream i's scan. DLOP_OK, or DLOP_ERR_BAD_DATA. */
DLOP_STEP s32 dlop_top_build_tables(const struct dlop_jpeg_frame *frame,
                                    const struct dlop_jpeg_scan *scan, u32 i,
                                    struct dlop_top_tables *tables_out,
                                    struct dlop_top_counts *counts)
{
    s32 status = DLOP_OK;
    u32 entry, q, k;

    for (q = 0; q < DLOP_JPEG_MAX_QUANT_TABLES; q++) {
        for (k = 0; k < 64; k++) {
            DLOP_HLS(PIPELINE II = 1)
            tables_out->quant[i * DLOP_JPEG_MAX_QUANT_TABLES + q].factor[k] = frame->quant[q][k];
        }
    }
    for (entry = 0; entry < DLOP_JPEG_MAX_COMPONENTS; entry++) {
        u32 table = i * DLOP_TOP_TABLES + 2 * entry;

        if (entry >= scan->n_components || status != DLOP_OK)
            break;
        status = dlop_huff_build(&frame->huff[scan->dc_table[entry]], DLOP_HUFF_DC,
                                 &tables_out->huff[table]);
        if (status == DLOP_OK)
            status = dlop_huff_build(&frame->huff[scan->ac_table[entry]], DLOP_HUFF_AC,
                                     &tables_out->huff[table + 1]);
        counts->table_entries += 2 * (u64)DLOP_HUFF_LOOKUP_ENTRIES;
    }
    return status;
}

/* Make one stream ready for scan number `scan` of its job, or idle where there is none. */
DLOP_STEP void dlop_top_start_stream(const struct dlop_top_job *slot, u32 scan, s32 is_started,
                                     struct dlop_top_context *context, struct dlop_top_fetch *fetch)
{
    u32 interval, n_mcus;
    u64 at;

    context->walk.n_mcus_left = 0;
    dlop_top_context_init(context, 0);
    dlop_top_fetch_init(fetch, 0, 0, 0);
    if (!is_started)
        return;
    dlop_top_walk_init(slot, &slot->frame.scan[scan], &context->walk);
    interval = slot->frame.scan[scan].restart_interval;
    n_mcus = context->walk.n_mcus_left;
    at = slot->job.in_offset;
    dlop_top_context_init(context, interval);
    dlop_top_fetch_init(fetch, at + slot->frame.scan[scan].begin_bytes,
                        at + slot->frame.scan[scan].end_bytes,
                        interval == 0 ? n_mcus != 0 : n_mcus / interval + (n_mcus % interval != 0));
}

/* What became of one stream's scan: the fault that the reference finds first. It looks at a block
 * before the next one's symbols, and at a segment's bytes before its blocks. */
DLOP_STEP s32 dlop_top_scan_status(const struct dlop_top_fetch *fetch,
                                   const struct dlop_top_context *context,
                                   const struct dlop_top_result *result)
{
    s32 status = result->status != DLOP_OK ? result->status : context->status;
    u32 segment = result->status != DLOP_OK ? result->segment : context->segment;

    if (fetch->status != DLOP_OK && (status == DLOP_OK || fetch->segment <= segment))
        return fetch->status;
    return status;
}

/* Add one stream's scan to its job's counts. */
DLOP_STEP void dlop_top_count_scan(const struct dlop_top_fetch *fetch,
                                   const struct dlop_top_context *context,
                                   const struct dlop_top_result *result,
                                   struct dlop_top_counts *counts)
{
    counts->fetched_bytes += fetch->fetched_bytes;
    counts->unstuffed_bytes += fetch->unstuffed_bytes;
    counts->symbols += context->n_symbols;
    counts->long_symbols += context->n_long;
    counts->coefficients += result->n_coefficients;
    counts->blocks_parsed += context->n_blocks;
    counts->blocks_transformed += result->n_blocks;
}

/* Stages: the chunks of one scan of every stream, in n_steps steps. lines, kept: any content. Each
 * array that stays from step to step is one stage's own. */
DLOP_STEP void
dlop_top_steps(const u8 *in, u32 n_steps, struct dlop_top_fetch fetches[DLOP_TOP_CONTEXTS],
               u8 lines[DLOP_TOP_CONTEXTS * DLOP_TOP_LINE_BYTES],
               const struct dlop_huff_table huff[DLOP_TOP_CONTEXTS * DLOP_TOP_TABLES],
               struct dlop_top_context contexts[DLOP_TOP_CONTEXTS],
               const struct dlop_top_quant quant[DLOP_TOP_QUANT_TABLES],
               u32 kept[DLOP_TOP_KEPT_EVENTS], u8 *scratch,
               struct dlop_top_result results[DLOP_TOP_CONTEXTS])
{
    u32 step;

    for (step = 0; step < n_steps; step++) {
        DLOP_HLS(LOOP_TRIPCOUNT min = 0 max = 67108864 avg = 1700)
        DLOP_HLS(DATAFLOW)
        u8 chunks[DLOP_TOP_CONTEXTS * DLOP_TOP_CHUNK_BYTES];
        struct dlop_top_chunk chunk[DLOP_TOP_CONTEXTS];
        u32 events[DLOP_TOP_CONTEXTS * DLOP_TOP_STEP_EVENTS];
        struct dlop_top_handed handed;

        dlop_top_fetch_step(in, fetches, lines, chunks, chunk);
        dlop_top_symbols(chunks, chunk, huff, contexts, events, &handed);
        dlop_top_blocks(&handed, events, quant, kept, scratch, results);
    }
}

/* One scan of every job of the wave that has it. */
DLOP_STEP void dlop_top_scan(const u8 *in, u32 scan, struct dlop_top_job wave[DLOP_TOP_CONTEXTS],
                             u8 *scratch)
{
    struct dlop_top_tables tables;
    struct dlop_top_fetch fetches[DLOP_TOP_CONTEXTS];
    struct dlop_top_context contexts[DLOP_TOP_CONTEXTS];
    struct dlop_top_result results[DLOP_TOP_CONTEXTS];
    u8 lines[DLOP_TOP_CONTEXTS * DLOP_TOP_LINE_BYTES];
    u32 kept[DLOP_TOP_KEPT_EVENTS];
    u32 n_steps = 0, i;

    for (i = 0; i < DLOP_TOP_CONTEXTS; i++) {
        s32 is_started = wave[i].status == DLOP_OK && wave[i].job.kind == DLOP_JOB_JPEG &&
                         scan < wave[i].frame.n_scans;

        if (is_started)
            wave[i].status = dlop_top_build_tables(&wave[i].frame, &wave[i].frame.scan[scan], i,
                                                   &tables, &wave[i].counts);
        is_started = is_started && wave[i].status == DLOP_OK;
        dlop_top_start_stream(&wave[i], scan, is_started, &contexts[i], &fetches[i]);
        n_steps = dlop_max_u32(n_steps, dlop_top_fetch_max_steps(&fetches[i]));
        results[i].status = DLOP_OK;
        results[i].segment = 0;
        results[i].n_blocks = 0;
        results[i].n_coefficients = 0;
    }
    dlop_top_steps(in, n_steps, fetches, lines, tables.huff, contexts, tables.quant, kept, scratch,
                   results);
    for (i = 0; i < DLOP_TOP_CONTEXTS; i++) {
        dlop_top_count_scan(&fetches[i], &contexts[i], &results[i], &wave[i].counts);
        if (wave[i].status == DLOP_OK)
            wave[i].status = dlop_top_scan_status(&fetches[i], &contexts[i], &results[i]);
    }
}

/* Stage: decode the JPEG jobs of a wave. */
DLOP_STEP void dlop_top_decode(const u8 *in, const struct dlop_top_job wave[DLOP_TOP_CONTEXTS],
                               u8 *scratch, struct dlop_top_job wave_out[DLOP_TOP_CONTEXTS])
{
    u32 i, scan;

    for (i = 0; i < DLOP_TOP_CONTEXTS; i++)
        wave_out[i] = wave[i];
    for (scan = 0; scan < DLOP_JPEG_MAX_SCANS; scan++)
        dlop_top_scan(in, scan, wave_out, scratch);
}

#endif
