/* Cycle model of the card entry points: the formulas. See timing.h. */
#include "sim/timing.h"

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

/* Turns of the symbol loop: one per symbol, more for the rare long ones. */
static u64 entropy_turns(const struct dlop_timing_work *work,
                         const struct dlop_timing_engine *engine)
{
    u64 n_long = 0;

    for (u32 bits = engine->lookup_bits + 1; bits < DLOP_TIMING_CODE_BITS; bits++)
        n_long += work->symbols_by_code_bits[bits];
    return work->symbols + n_long * engine->long_turns + work->wide_symbols * engine->wide_turns;
}

/* A context may take its next turn symbol_clocks after the last one; the others fill the gap. So
 * contexts turns take max(contexts, symbol_clocks) clocks. */
static u64 entropy_clocks(const struct dlop_timing_work *work,
                          const struct dlop_timing_engine *engine)
{
    u64 turns = entropy_turns(work, engine);

    return ceil_div(turns * MAX(engine->contexts, engine->symbol_clocks), engine->contexts) +
           work->blocks_parsed * engine->block_clocks;
}

/* Two block buffers between entropy stage and IDCT: where a block has fewer symbols than the
 * transform has clocks, the entropy stage waits for the difference. */
static u64 hand_over_clocks(const struct dlop_timing_work *work,
                            const struct dlop_timing_engine *engine, u64 entropy)
{
    u64 wait = 0; /* in clocks * symbols */

    for (u32 s = 1; s < DLOP_TIMING_BLOCK_SYMBOLS; s++) {
        u64 has = s * entropy, wants = engine->idct_clocks * work->symbols;

        if (wants > has)
            wait += work->blocks_by_symbols[s] * (wants - has);
    }
    return work->symbols == 0 ? 0 : entropy + ceil_div(wait, work->symbols);
}

/* Reading a row and working on its outputs overlap from row to row. */
static u64 x_clocks(const struct dlop_timing_axis *x, const struct dlop_timing_engine *engine)
{
    return MAX(ceil_div(x->inputs, engine->x_px),
               ceil_div(x->steps[engine->x_taps_log2], engine->x_outputs));
}

/* Accumulators: each row that comes in is added once to the outputs that it reaches; where outputs
 * outnumber inputs each output is one turn. */
static u64 y_clocks(const struct dlop_timing_axis *y, const struct dlop_timing_engine *engine)
{
    return ceil_div(MAX(y->inputs, y->outputs), engine->y_px);
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

void dlop_timing_predict(const struct dlop_timing_work *work,
                         const struct dlop_timing_engine *engine,
                         struct dlop_timing_cycles *cycles_out)
{
    u64 *stage = cycles_out->stage;

    stage[DLOP_TIMING_FETCH] = ceil_div(work->read_bytes, engine->bus_bytes);
    stage[DLOP_TIMING_TABLES] = work->n_tables * engine->table_clocks;
    stage[DLOP_TIMING_UNSTUFF] = ceil_div(work->scan_bytes, engine->unstuff_bytes);
    stage[DLOP_TIMING_ENTROPY] = entropy_clocks(work, engine);
    stage[DLOP_TIMING_HAND_OVER] = hand_over_clocks(work, engine, stage[DLOP_TIMING_ENTROPY]);
    stage[DLOP_TIMING_IDCT] = work->blocks_transformed * engine->idct_clocks;
    stage[DLOP_TIMING_COLOUR] = ceil_div(work->pixels, engine->colour_px);
    stage[DLOP_TIMING_X_AXIS] = x_clocks(&work->x, engine);
    stage[DLOP_TIMING_Y_AXIS] = y_clocks(&work->y, engine);
    stage[DLOP_TIMING_PACK] = ceil_div(work->out_pixels, engine->pack_px);
    stage[DLOP_TIMING_STORE] = ceil_div(work->write_bytes, engine->bus_bytes);

    cycles_out->binding = dlop_timing_slowest_stage(stage);
    cycles_out->fill = fill_clocks(work, engine, stage);
    cycles_out->launch = ceil_div(engine->launch_clocks, engine->jobs_per_launch);
    cycles_out->total =
        MAX(stage[cycles_out->binding], stage[DLOP_TIMING_HAND_OVER]) + cycles_out->launch;
    cycles_out->total +=
        engine->drains ? cycles_out->fill : ceil_div(cycles_out->fill, engine->jobs_per_launch);
}

u64 dlop_timing_job_cycles(const struct dlop_timing_work *work,
                           const struct dlop_timing_engine *engine)
{
    struct dlop_timing_cycles cycles;

    dlop_timing_predict(work, engine, &cycles);
    return cycles.total;
}

u64 dlop_timing_entropy_of_bytes(u64 jpeg_bytes)
{
    return ceil_div(jpeg_bytes * ENTROPY_CLOCKS_PER_100_BYTES, 100);
}
