/* Cycle model of the card entry points: the formulas. See timing.h. */
#include "sim/timing.h"

#include "hw/core/colour.h"
#include "hw/core/huff_table.h"

#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* One symbol per clock has a price in bytes that hardly depends on the photograph. */
#define ENTROPY_CLOCKS_PER_100_BYTES 143u

#define STAGE_NAME(name, text) text,
static const char *const stage_names[DLOP_TIMING_STAGE_COUNT] = {DLOP_TIMING_STAGES(STAGE_NAME)};
#undef STAGE_NAME

const char *dlop_timing_stage_name(u32 stage)
{
    return stage < DLOP_TIMING_STAGE_COUNT ? stage_names[stage] : "?";
}

static u64 ceil_div(u64 a, u64 b)
{
    return (a + b - 1) / b;
}

/* ---- stages ---- */

/* A context may take its next turn symbol_clocks after the last one; the others fill the gap. So
 * `contexts` turns take max(contexts, symbol_clocks) clocks. */
static u64 turns_to_clocks(u64 turns, const struct dlop_timing_engine *engine)
{
    return ceil_div(turns * MAX(engine->contexts, engine->symbol_clocks), engine->contexts);
}

/* One turn for each symbol. */
static u64 symbol_clocks(const struct dlop_timing_work *work,
                         const struct dlop_timing_engine *engine)
{
    return turns_to_clocks(work->counts.symbols, engine);
}

static u64 entropy_clocks(const struct dlop_timing_work *work,
                          const struct dlop_timing_engine *engine)
{
    u64 n_long = engine->lookup_bits == DLOP_HUFF_LOOKUP_BITS ? work->counts.long_symbols : 0;
    u64 turns = work->counts.symbols + work->wide_symbols * engine->wide_turns;

    for (u32 bits = engine->lookup_bits + 1;
         bits < DLOP_TIMING_CODE_BITS && engine->lookup_bits != DLOP_HUFF_LOOKUP_BITS; bits++)
        n_long += work->symbols_by_code_bits[bits];
    turns += n_long * engine->long_turns;
    return turns_to_clocks(turns, engine) + work->counts.blocks_parsed * engine->block_clocks;
}

/* Two block buffers between entropy stage and IDCT: where a block has fewer symbols than the
 * transform has clocks, the entropy stage waits for the difference. */
static u64 hand_over_clocks(const struct dlop_timing_work *work,
                            const struct dlop_timing_engine *engine, u64 entropy)
{
    u64 wait = 0; /* in clocks * symbols */

    for (u32 s = 1; s < DLOP_TIMING_BLOCK_SYMBOLS; s++) {
        u64 has = s * entropy, wants = engine->idct_clocks * work->counts.symbols;

        if (wants > has)
            wait += work->blocks_by_symbols[s] * (wants - has);
    }
    return work->counts.symbols == 0 ? 0 : entropy + ceil_div(wait, work->counts.symbols);
}

/* Reading a row and working on its outputs overlap from row to row. */
static u64 x_clocks(const struct dlop_timing_pass *x, const struct dlop_timing_engine *engine)
{
    return MAX(ceil_div(x->inputs, engine->x_px),
               ceil_div(x->steps[engine->x_taps_log2], engine->x_outputs));
}

/* Rows that an output needs wait in buffers of their own and are read at once. */
static u64 y_clocks(const struct dlop_timing_pass *y, const struct dlop_timing_engine *engine)
{
    return ceil_div(y->steps[engine->y_taps_log2], engine->y_px);
}

/* One row of MCUs must be there before pixels come out, and some rows of the horizontal pass before
 * the first output row. */
static u64 fill_clocks(const struct dlop_timing_work *work, const struct dlop_timing_engine *engine,
                       const u64 stage[DLOP_TIMING_STAGE_COUNT])
{
    u64 front = 0, rows = 0;

    for (u32 i = DLOP_TIMING_UNSTUFF; i <= DLOP_TIMING_IDCT; i++)
        front = MAX(front, stage[i]);
    if (work->n_mcu_rows != 0)
        rows += ceil_div(front, work->n_mcu_rows);
    if (work->x.rows != 0)
        rows += engine->fill_rows * ceil_div(stage[DLOP_TIMING_X_AXIS], work->x.rows);
    return rows;
}

u32 dlop_timing_slowest_stage(const u64 stage[DLOP_TIMING_STAGE_COUNT])
{
    u32 slowest = 0;
    u64 coded = MAX(stage[DLOP_TIMING_HAND_OVER], stage[DLOP_TIMING_IDCT]);

    for (u32 i = 1; i < DLOP_TIMING_STAGE_COUNT; i++) {
        if (i != DLOP_TIMING_HAND_OVER && stage[i] > stage[slowest])
            slowest = i;
    }
    if (coded > stage[slowest])
        return stage[DLOP_TIMING_ENTROPY] >= stage[DLOP_TIMING_IDCT] ? DLOP_TIMING_ENTROPY
                                                                     : DLOP_TIMING_IDCT;
    return slowest;
}

/* ---- the pipeline ---- */

static void predict_stages(const struct dlop_timing_work *work,
                           const struct dlop_timing_engine *engine,
                           u64 stage[DLOP_TIMING_STAGE_COUNT])
{
    const struct dlop_top_counts *counts = &work->counts;

    stage[DLOP_TIMING_FETCH] = ceil_div(work->read_bytes, engine->bus_bytes);
    stage[DLOP_TIMING_TABLES] =
        counts->table_entries / DLOP_HUFF_LOOKUP_ENTRIES * engine->table_clocks;
    stage[DLOP_TIMING_UNSTUFF] = ceil_div(counts->fetched_bytes, engine->unstuff_bytes);
    stage[DLOP_TIMING_ENTROPY] = entropy_clocks(work, engine);
    stage[DLOP_TIMING_HAND_OVER] = hand_over_clocks(work, engine, stage[DLOP_TIMING_ENTROPY]);
    stage[DLOP_TIMING_IDCT] = counts->blocks_transformed * engine->idct_clocks;
    stage[DLOP_TIMING_COLOUR] = ceil_div(counts->source_px, engine->colour_px);
    stage[DLOP_TIMING_X_AXIS] = x_clocks(&work->x, engine);
    stage[DLOP_TIMING_Y_AXIS] = y_clocks(&work->y, engine);
    stage[DLOP_TIMING_PACK] = ceil_div(work->out_px, engine->pack_px);
    stage[DLOP_TIMING_STORE] = ceil_div(work->write_bytes, engine->bus_bytes);
}

/* The stages as the text of hw/top has them, in turns: a byte is copied to the chip, then
 * unstuffed; a block is dequantised, transformed and stored by loops beside each other, the longest
 * of 64 turns; samples are copied to the chip, then upsampled; pixels go to and from scratch memory
 * byte by byte; elements are packed one by one; a TENSOR job has no passes and no fill. */
static void predict_as_written(const struct dlop_timing_work *work,
                               const struct dlop_timing_engine *engine,
                               u64 stage[DLOP_TIMING_STAGE_COUNT])
{
    const struct dlop_top_counts *counts = &work->counts;
    const u64 block_turns = 64;

    predict_stages(work, engine, stage);
    stage[DLOP_TIMING_FETCH] = work->read_bytes - counts->fetched_bytes - work->source_bytes;
    stage[DLOP_TIMING_UNSTUFF] = 2 * counts->fetched_bytes;
    stage[DLOP_TIMING_HAND_OVER] = stage[DLOP_TIMING_ENTROPY];
    stage[DLOP_TIMING_IDCT] = block_turns * counts->blocks_transformed;
    stage[DLOP_TIMING_COLOUR] = work->source_bytes + counts->source_px;
    if (counts->upsampled_samples != 0)
        stage[DLOP_TIMING_COLOUR] += counts->source_px;
    if (counts->x_outputs != 0)
        stage[DLOP_TIMING_COLOUR] += DLOP_RGBX_BYTES * counts->source_px;
    stage[DLOP_TIMING_X_AXIS] =
        MAX(counts->x_multiply_adds + counts->x_outputs, DLOP_RGBX_BYTES * counts->x_outputs);
    stage[DLOP_TIMING_Y_AXIS] =
        (1 + DLOP_RGBX_BYTES) * counts->y_multiply_adds + 2 * counts->y_outputs;
    stage[DLOP_TIMING_PACK] = counts->packed_elements;
    if (counts->x_outputs != 0)
        stage[DLOP_TIMING_PACK] += work->out_px;
    stage[DLOP_TIMING_STORE] = work->write_bytes;
}

/* The clocks that a job, or a wave, holds the pipeline up. As written, tables are built before a
 * scan begins, and a row is resampled, filled and written before the next one. */
static u64 pace(const struct dlop_timing_engine *engine, const u64 stage[DLOP_TIMING_STAGE_COUNT])
{
    u64 decode =
        MAX(MAX(stage[DLOP_TIMING_UNSTUFF], stage[DLOP_TIMING_HAND_OVER]), stage[DLOP_TIMING_IDCT]);
    u64 paint = MAX(stage[DLOP_TIMING_COLOUR], stage[DLOP_TIMING_X_AXIS]);
    u64 emit = MAX(stage[DLOP_TIMING_PACK], stage[DLOP_TIMING_STORE]);
    u64 finish = stage[DLOP_TIMING_Y_AXIS] + emit;
    u32 slowest = dlop_timing_slowest_stage(stage);

    if (engine->is_serial)
        return stage[DLOP_TIMING_FETCH] + stage[DLOP_TIMING_TABLES] + decode + paint +
               MAX(stage[DLOP_TIMING_Y_AXIS], emit);
    if (!engine->is_as_written)
        return MAX(stage[slowest], stage[DLOP_TIMING_HAND_OVER]);
    return MAX(stage[DLOP_TIMING_FETCH],
               MAX(decode + stage[DLOP_TIMING_TABLES], MAX(paint, finish)));
}

/* The slowest stage, and what comes on top for n_jobs. stage, fill: sums over them. */
static void predict_total(const struct dlop_timing_engine *engine, u32 n_jobs,
                          struct dlop_timing_cycles *cycles)
{
    cycles->binding = dlop_timing_slowest_stage(cycles->stage);
    cycles->launch = ceil_div((u64)n_jobs * engine->launch_clocks, engine->jobs_per_launch);
    cycles->total = pace(engine, cycles->stage) + cycles->launch;
    cycles->total +=
        engine->drains ? cycles->fill : ceil_div(cycles->fill, engine->jobs_per_launch);
}

static void predict_job(const struct dlop_timing_work *work,
                        const struct dlop_timing_engine *engine, u64 stage[DLOP_TIMING_STAGE_COUNT])
{
    if (engine->is_as_written)
        predict_as_written(work, engine, stage);
    else
        predict_stages(work, engine, stage);
}

void dlop_timing_predict(const struct dlop_timing_work *work,
                         const struct dlop_timing_engine *engine,
                         struct dlop_timing_cycles *cycles_out)
{
    predict_job(work, engine, cycles_out->stage);
    cycles_out->fill = fill_clocks(work, engine, cycles_out->stage);
    predict_total(engine, 1, cycles_out);
}

void dlop_timing_predict_wave(const struct dlop_timing_work *work, u32 n_jobs, u64 rounds,
                              const struct dlop_timing_engine *engine,
                              struct dlop_timing_cycles *cycles_out)
{
    u64 entropy = rounds * MAX(engine->contexts, engine->symbol_clocks), waits = 0;

    *cycles_out = (struct dlop_timing_cycles){0};
    for (u32 j = 0; j < n_jobs; j++) {
        u64 stage[DLOP_TIMING_STAGE_COUNT];

        predict_job(&work[j], engine, stage);
        for (u32 i = 0; i < DLOP_TIMING_STAGE_COUNT; i++)
            cycles_out->stage[i] += stage[i];
        entropy += stage[DLOP_TIMING_ENTROPY] - symbol_clocks(&work[j], engine);
        waits += stage[DLOP_TIMING_HAND_OVER] - stage[DLOP_TIMING_ENTROPY];
        cycles_out->fill += fill_clocks(&work[j], engine, stage);
    }
    cycles_out->stage[DLOP_TIMING_ENTROPY] = entropy;
    cycles_out->stage[DLOP_TIMING_HAND_OVER] = entropy + waits;
    predict_total(engine, n_jobs, cycles_out);
}

u64 dlop_timing_rounds(const struct dlop_timing_stream *streams, u32 n)
{
    u64 rounds = 0;
    u32 n_steps = 0;

    for (u32 i = 0; i < n; i++)
        n_steps = MAX(n_steps, streams[i].n_steps);
    for (u32 s = 0; s < n_steps; s++) {
        u32 most = 0;

        for (u32 i = 0; i < n; i++) {
            if (s < streams[i].n_steps && streams[i].symbols[s] > most)
                most = streams[i].symbols[s];
        }
        rounds += most;
    }
    return rounds;
}

/* Steps of a pass if its taps came in full groups. */
static void fill_steps(u64 outputs, u64 multiply_adds, struct dlop_timing_pass *pass)
{
    for (u32 i = 0; i < DLOP_TIMING_TAP_WIDTHS; i++)
        pass->steps[i] = MAX(outputs, ceil_div(multiply_adds, (u64)1 << i));
}

u64 dlop_timing_job_cycles(const struct dlop_job *job, const struct dlop_top_counts *counts,
                           const struct dlop_timing_engine *engine)
{
    struct dlop_timing_work work = {.counts = *counts};
    struct dlop_timing_cycles cycles;
    s32 is_x_first = job->pass_order == DLOP_PASS_X_FIRST;

    if (counts->x_outputs != 0) {
        work.x.rows = is_x_first ? job->roi_height_px : job->out_height_px;
        work.x.inputs = work.x.rows * job->roi_width_px;
    }
    fill_steps(counts->x_outputs, counts->x_multiply_adds, &work.x);
    fill_steps(counts->y_outputs, counts->y_multiply_adds, &work.y);
    work.read_bytes = counts->fetched_bytes;
    if (job->kind != DLOP_JOB_JPEG)
        work.read_bytes = work.source_bytes = counts->source_px * job->src_channels;
    work.write_bytes = counts->written_bytes;
    if (counts->packed_elements != 0) /* a refused job may say anything of its channels */
        work.out_px = counts->packed_elements / job->out_channels;
    dlop_timing_predict(&work, engine, &cycles);
    return cycles.total;
}

u64 dlop_timing_entropy_of_bytes(u64 jpeg_bytes)
{
    return ceil_div(jpeg_bytes * ENTROPY_CLOCKS_PER_100_BYTES, 100);
}
