/* Cycle model of the card entry points: counts of work in, clock cycles of each stage out.
 *
 * Key idea: a stage of the pipeline takes a number of clocks that follows from counts (bytes,
 * symbols, blocks, samples) and from a few widths of the engine. Stages run at the same time, so
 * the slowest one gives the rate; filling the pipeline and starting a launch come on top. All
 * arithmetic is in whole numbers and rounds up.
 *
 * Nothing here was measured on a card. What a tool confirmed and what is assumed is a table of
 * its own (timing_card.h). Not here: where counts come from (timing_work.h), how many engines a
 * card holds (timing_card.h).
 */
#ifndef DLOP_SIM_TIMING_H
#define DLOP_SIM_TIMING_H

#include "hw/top/counts.h"
#include "hw/top/top.h"

/* Stages in the order of the data. X(name, text) */
#define DLOP_TIMING_STAGES(X)                                                                      \
    X(FETCH, "fetch")         /* bytes from card memory: records, source, axis tables */           \
    X(TABLES, "tables")       /* Huffman decode tables of an image */                              \
    X(UNSTUFF, "unstuff")     /* stuffed bytes of the scans */                                     \
    X(ENTROPY, "entropy")     /* symbols */                                                        \
    X(HAND_OVER, "hand-over") /* the same, with waits where a block is shorter than its IDCT */    \
    X(IDCT, "idct")           /* blocks transformed */                                             \
    X(COLOUR, "colour")       /* upsampling and colour: pixels of the region */                    \
    X(X_AXIS, "x axis")       /* horizontal pass */                                                \
    X(Y_AXIS, "y axis")       /* vertical pass */                                                  \
    X(PACK, "pack")           /* pixels of the output through the tables */                        \
    X(STORE, "store")         /* bytes of the output to card memory */

#define DLOP_TIMING_STAGE_ENUMERATOR(name, text) DLOP_TIMING_##name,
enum dlop_timing_stage { DLOP_TIMING_STAGES(DLOP_TIMING_STAGE_ENUMERATOR) DLOP_TIMING_STAGE_COUNT };
#undef DLOP_TIMING_STAGE_ENUMERATOR

/* Name of a stage as the tables print it. Any thread. */
const char *dlop_timing_stage_name(u32 stage);

/* Tap widths whose steps are counted: 1, 2, 4, 8, 16 taps in one clock. */
#define DLOP_TIMING_TAP_WIDTHS 5
/* A block has 1 to 64 symbols, a code 1 to 16 bits. */
#define DLOP_TIMING_BLOCK_SYMBOLS 65
#define DLOP_TIMING_CODE_BITS     17

/* What a resampling pass does besides its multiply-adds. steps[i]: sum over all outputs of
 * ceil(taps / 2^i), at least one each. */
struct dlop_timing_pass {
    u64 rows, inputs; /* rows that come in and pixels in them */
    u64 steps[DLOP_TIMING_TAP_WIDTHS];
};

/* What one job makes an engine do. Zeroed where a stage has nothing to do. */
struct dlop_timing_work {
    struct dlop_top_counts counts;     /* as hw/top itself counts */
    u64 host_in_bytes, host_out_bytes; /* over PCIe */
    u64 read_bytes, write_bytes;       /* by the engine: from `in`, to `out` */
    u64 source_bytes;                  /* PIXELS, TENSOR: samples, a part of read_bytes */
    u64 scratch_bytes; /* written to scratch memory and read back once: samples, first pass */
    u64 wide_symbols;  /* code and value longer than 15 bits */
    u64 symbols_by_code_bits[DLOP_TIMING_CODE_BITS]; /* [bits of the code] */
    /* [symbols of the block]: transformed blocks. All zero: not known, no waits are counted. */
    u64 blocks_by_symbols[DLOP_TIMING_BLOCK_SYMBOLS];
    u64 n_mcu_rows; /* rows of MCUs with transformed blocks, of all scans */
    struct dlop_timing_pass x, y;
    u64 out_px;
};

/* Widths of an engine. Every field is at least 1 unless it says otherwise. */
struct dlop_timing_engine {
    const char *name;
    u32 clock_hz;
    u32 bus_bytes;     /* of each memory port per clock */
    u32 table_clocks;  /* to build one Huffman table */
    u32 unstuff_bytes; /* stuffed bytes per clock */
    u32 contexts;      /* images that take turns in the entropy stage */
    u32 symbol_clocks; /* from one symbol to the next of the same image (initiation interval of
                            a single context) */
    u32 lookup_bits;   /* longer codes take more turns */
    u32 long_turns;    /* 0..: extra turns of a long code */
    u32 wide_turns;    /* 0..: extra turns where code and value exceed 15 bits */
    u32 block_clocks;  /* 0..: extra clocks of each block in the entropy stage */
    u32 idct_clocks;   /* per block */
    u32 colour_px;     /* pixels per clock */
    u32 x_px;          /* pixels read per clock by the horizontal pass */
    u32 x_outputs;     /* outputs worked on at a time */
    u32 x_taps_log2;   /* 0..4: taps per output and clock */
    u32 y_px;          /* pixels per clock in the vertical pass */
    u32 y_taps_log2;   /* 0..4: rows that add to a pixel in one clock */
    u32 pack_px;       /* pixels per clock */
    u32 fill_rows;     /* 0..: rows of the horizontal pass before the first output row */
    u32 launch_clocks; /* 0..: start of a launch as the host sees it */
    u32 jobs_per_launch;
    u32 drains;        /* 1: a job enters when the last one has left; 0: they follow each other */
    u32 is_serial;     /* 1: check, decode, first pass and second pass of a wave do not overlap */
    u32 is_as_written; /* 1: the loops of hw/top with one turn per clock, nothing unrolled, nothing
                          widened; of the widths above only the entropy stage's count */
};

struct dlop_timing_cycles {
    u64 stage[DLOP_TIMING_STAGE_COUNT];
    u64 fill;    /* until the first output, when the pipeline is empty */
    u64 launch;  /* this job's part of starting a launch */
    u64 total;   /* of one job among many */
    u32 binding; /* dlop_timing_slowest_stage */
};

/* The slowest stage. Where the hand-over is, it is called after the slower one of its neighbours,
 * entropy stage and IDCT: it only waits for them. */
u32 dlop_timing_slowest_stage(const u64 stage[DLOP_TIMING_STAGE_COUNT]);

/* Cycles of each stage for one job. Any thread, no allocation. */
void dlop_timing_predict(const struct dlop_timing_work *work,
                         const struct dlop_timing_engine *engine,
                         struct dlop_timing_cycles *cycles_out);

/* A wave: jobs that share the entropy stage until the last of them is done.
 *
 * work: [n_jobs], at most engine->contexts. rounds: turns of the ring of contexts, as
 * dlop_timing_rounds counts them; a ring turns whether all of its contexts have a symbol or not.
 * cycles_out is of the whole wave. Any thread, no allocation. */
void dlop_timing_predict_wave(const struct dlop_timing_work *work, u32 n_jobs, u64 rounds,
                              const struct dlop_timing_engine *engine,
                              struct dlop_timing_cycles *cycles_out);

/* Symbols of one stream in each step: a step gives every stream of the wave a chunk of its bytes,
 * and ends when the last of them has used its chunk up. */
struct dlop_timing_stream {
    u16 *symbols; /* [n_steps] */
    u32 n_steps;
};

/* Rounds of the streams of a wave. streams: [n]. */
u64 dlop_timing_rounds(const struct dlop_timing_stream *streams, u32 n);

/* total of dlop_timing_predict for one job of which only hw/top's own counts are known: waits in
 * the hand-over, odd taps and other jobs of the wave are left out, so it is at most what
 * dlop_timing_predict says. For a virtual clock. job: the one that gave the counts, refused or
 * not. Any thread, no allocation. */
u64 dlop_timing_job_cycles(const struct dlop_job *job, const struct dlop_top_counts *counts,
                           const struct dlop_timing_engine *engine);

/* Count-independent estimate of the entropy stage from bytes: 1.43 clocks per byte of JPEG, the
 * mean over photographs of a decoder with one symbol per clock. */
u64 dlop_timing_entropy_of_bytes(u64 jpeg_bytes);

/* Engines by number, null past the last: DLOP_TIMING_PLANNED is what hw/top is written for, with
 * loops unrolled and ports widened as far as the widths say; DLOP_TIMING_AS_WRITTEN is its text
 * without any of that; DLOP_TIMING_IN_SERIES is the planned one where a tool does not let the
 * processes of a wave overlap; the others are published decoders, as far as their sources say. */
enum dlop_timing_engine_number {
    DLOP_TIMING_PLANNED,
    DLOP_TIMING_AS_WRITTEN,
    DLOP_TIMING_IN_SERIES,
    DLOP_TIMING_VITIS_L1,
    DLOP_TIMING_VITIS_L2,
    DLOP_TIMING_CORE_JPEG,
    DLOP_TIMING_ENGINE_COUNT
};
const struct dlop_timing_engine *dlop_timing_engine_at(u32 i);

#endif
