/* The figures that the cycle model rests on: engines, their parts, cards, assumptions.
 *
 * Sources are named in each row. "published" means that somebody else's tool or card gave the
 * figure, for the design or card that the row names; "ASSUMED" that none did. Ours are all assumed:
 * no vendor tool was run on hw/top.
 */
#include <stddef.h>

#include "hw/top/symbols.h"
#include "sim/timing_card.h"

#define COUNT_OF(table) (sizeof(table) / sizeof((table)[0]))

/* ---- engines ---- */

/* What hw/top is planned to become; hw/README.md has the sources of the figures. */
#define PLANNED                                                                                    \
    .clock_hz = 300000000, .bus_bytes = 64,                                                        \
    .table_clocks = 1296, /* 16 lengths, 256 symbols, 1024 entries of the lookup */                \
        .unstuff_bytes = 1, .contexts = 4, .symbol_clocks = 4, .lookup_bits = 10,                  \
    .long_turns = 0, /* hw/top compares in the same turn */                                        \
        .idct_clocks = 8, .colour_px = 4, .x_px = 4, .x_outputs = 2, .x_taps_log2 = 2, .y_px = 2,  \
    .y_taps_log2 = 2, .pack_px = 2, .fill_rows = 3, .launch_clocks = 30000, .jobs_per_launch = 64

static const struct dlop_timing_engine engines[] = {
    {.name = "planned", PLANNED},
    {
        .name = "as written",
        .clock_hz = 300000000,
        .bus_bytes = 1,
        .table_clocks = 1296,
        .unstuff_bytes = 1,
        .contexts = 4,
        .symbol_clocks = 4,
        .lookup_bits = 10,
        .long_turns = 0,
        .idct_clocks = 1,
        .colour_px = 1,
        .x_px = 1,
        .x_outputs = 1,
        .y_px = 1,
        .pack_px = 1,
        .fill_rows = 3,
        .launch_clocks = 30000,
        .jobs_per_launch = 64,
        .is_as_written = 1,
    },
    {.name = "in series", PLANNED, .is_serial = 1},
    {
        /* Header of Vitis_Libraries codec L1: one symbol per clock, 9-bit table, codes beyond it
         * over four more clocks, wide values over one more. Entropy stage only. */
        .name = "vitis-l1",
        .clock_hz = 270000000,
        .bus_bytes = 64,
        .unstuff_bytes = 2,
        .contexts = 1,
        .symbol_clocks = 1,
        .lookup_bits = 9,
        .long_turns = 4,
        .wide_turns = 1,
        .idct_clocks = 1,
        .colour_px = 64,
        .x_px = 64,
        .x_outputs = 64,
        .x_taps_log2 = 4,
        .y_px = 64,
        .y_taps_log2 = 4,
        .pack_px = 64,
        .jobs_per_launch = 1,
    },
    {
        /* The whole decoder of the same library. 15 clocks per block besides its symbols are what
         * its published run takes more than the entropy stage alone (211.7 k and 118.0 k clocks
         * for 6,144 blocks): an inference from two figures. */
        .name = "vitis-l2", .clock_hz = 243000000, .bus_bytes = 64,      .unstuff_bytes = 2,
        .contexts = 1,      .symbol_clocks = 1,    .lookup_bits = 9,     .long_turns = 4,
        .wide_turns = 1,    .block_clocks = 15,    .idct_clocks = 8,     .colour_px = 64,
        .x_px = 64,         .x_outputs = 64,       .x_taps_log2 = 4,     .y_px = 64,
        .y_taps_log2 = 4,   .pack_px = 64,         .jobs_per_launch = 1,
    },
    {
        /* Source of ultraembedded/core_jpeg: three states per symbol, two more per block, 66
         * clocks per transform. */
        .name = "core_jpeg",
        .clock_hz = 75000000,
        .bus_bytes = 4,
        .unstuff_bytes = 1,
        .contexts = 1,
        .symbol_clocks = 3,
        .lookup_bits = 16,
        .block_clocks = 2,
        .idct_clocks = 66,
        .colour_px = 64,
        .x_px = 64,
        .x_outputs = 64,
        .x_taps_log2 = 4,
        .y_px = 64,
        .y_taps_log2 = 4,
        .pack_px = 64,
        .jobs_per_launch = 1,
    },
};

const struct dlop_timing_engine *dlop_timing_engine_at(u32 i)
{
    return i < COUNT_OF(engines) ? &engines[i] : NULL;
}

/* ---- parts of our engine: LUT, FF, BRAM36, URAM, DSP ---- */

/* Memories of 32-bit words: 1,024 in a BRAM36, 4,096 in a URAM. */
#define BRAM_OF(n_words) (((n_words) + 1023u) / 1024u)
#define URAM_OF(n_words) (((n_words) + 4095u) / 4096u)

/* Arrays of hw/top; what two stages share through a dataflow channel is there twice. */
#define TABLES_BRAM                                                                                \
    (DLOP_TOP_CONTEXTS * DLOP_TOP_TABLES *                                                         \
     BRAM_OF(DLOP_HUFF_LOOKUP_ENTRIES + 256u + 2u * DLOP_HUFF_MAX_CODE_BITS))
#define EVENTS_BRAM (2u * BRAM_OF(DLOP_TOP_CONTEXTS * DLOP_TOP_STEP_EVENTS))
#define BLOCKS_BRAM (2u * BRAM_OF(8u * DLOP_TOP_STEP_BLOCKS))
#define JOBS_BRAM                                                                                  \
    (4u * BRAM_OF(DLOP_TOP_CONTEXTS * sizeof(struct dlop_top_job) / 4u) +                          \
     4u * BRAM_OF(sizeof(struct dlop_top_job) / 4u))
#define AXES_BRAM (3u * (BRAM_OF(DLOP_TOP_WEIGHTS) + 2u * BRAM_OF(DLOP_TOP_SPANS)))
#define ROWS_URAM (3u * URAM_OF(DLOP_MAX_SIDE_PX))

static const struct dlop_timing_part parts[] = {
    {"decoder",
     {24600, 23700, 0, 0, 39},
     DLOP_TIMING_PUBLISHED,
     "Vitis_Libraries codec L2, whole decoder, 243 MHz; ours is of the same shape but was not "
     "synthesised by a vendor tool. Its memories (28 BRAM36) are not counted, ours are"},
    {"streams",
     {1000, 1000, TABLES_BRAM + EVENTS_BRAM + BLOCKS_BRAM + JOBS_BRAM, 0, 0},
     DLOP_TIMING_ASSUMED,
     "arrays of the decoding stages of hw/top: arithmetic; logic guessed"},
    {"upsample, colour",
     {2000, 2000, 0, 0, 16},
     DLOP_TIMING_ASSUMED,
     "four multiplications per pixel, 4 pixels per clock: arithmetic; logic guessed"},
    {"resize",
     {15000, 15000, 0, 0, 168},
     DLOP_TIMING_PUBLISHED,
     "Vitis resize, 8 pixels per clock, 341 MHz; its FF were not published and are taken as its "
     "LUT. Its memories (29 BRAM36) are not counted, ours are"},
    {"rows, axes",
     {0, 0, AXES_BRAM, ROWS_URAM, 0},
     DLOP_TIMING_ASSUMED,
     "arrays of the resampling stages of hw/top: arithmetic"},
    {"pack, ports",
     {4000, 6000, 3 + 7 * 8, 0, 0},
     DLOP_TIMING_ASSUMED,
     "pack table, seven directions of 512-bit ports with 32 KB each: arithmetic; logic guessed"},
};

const struct dlop_timing_part *dlop_timing_part_at(u32 i)
{
    return i < COUNT_OF(parts) ? &parts[i] : NULL;
}

/* ---- cards ---- */

#define GEN3X16_SOURCE                                                                             \
    "XDMA on a U250, Gen3 x16: 11.6 GB/s to and 12.2 GB/s from the card (Xilinx/XRT PR 950); "     \
    "both directions at once not measured"

#define U280_REGIONS                                                                               \
    {                                                                                              \
        {369000, 746000, 507, 320, 2733}, {333000, 675000, 468, 320, 2877},                        \
        {                                                                                          \
            367000, 729000, 512, 320, 2880                                                         \
        }                                                                                          \
    }

static const struct dlop_timing_card cards[] = {
    {
        .name = "U50",
        .n_regions = 2,
        .region = {{365000, 730000, 564, 304, 2580}, {365000, 730000, 564, 304, 2580}},
        .trust = DLOP_TIMING_PUBLISHED,
        .source = "UG1120 as quoted by finn; HBM at 316 GB/s, less than the 460 of its stacks: "
                  "recalled from the data sheet, not found again",
        .memory_mbytes_per_s = 316000,
        .pcie_in_mbytes_per_s = 11600,
        .pcie_out_mbytes_per_s = 12200,
        .pcie_source = GEN3X16_SOURCE,
    },
    {
        .name = "U55C",
        .n_regions = 3,
        .region = U280_REGIONS,
        .source = "regions of the U280 taken over, as finn does; HBM 460 GB/s (UG1393)",
        .memory_mbytes_per_s = 460000,
        .pcie_in_mbytes_per_s = 11600,
        .pcie_out_mbytes_per_s = 12200,
        .pcie_source = GEN3X16_SOURCE,
    },
    {
        .name = "U200",
        .n_regions = 3,
        .region = {{355000, 723000, 638, 320, 2265},
                   {355000, 723000, 638, 320, 2265},
                   {160000, 331000, 326, 160, 1317}},
        .n_controllers = 2,
        .trust = DLOP_TIMING_PUBLISHED,
        .source = "UG1120 as quoted by finn; two of four DDR4 channels in use (UG1393: 19.25 GB/s "
                  "each)",
        .memory_mbytes_per_s = 38500,
        .pcie_in_mbytes_per_s = 11600,
        .pcie_out_mbytes_per_s = 12200,
        .pcie_source = GEN3X16_SOURCE,
    },
    {
        .name = "U250",
        .n_regions = 4,
        .region = {{345000, 690000, 500, 320, 2877},
                   {345000, 690000, 500, 320, 2877},
                   {345000, 690000, 500, 320, 2877},
                   {345000, 690000, 500, 320, 2877}},
        .n_controllers = 2,
        .trust = DLOP_TIMING_PUBLISHED,
        .source = "UG1120 as quoted by finn; two of four DDR4 channels in use (UG1393: 19.25 GB/s "
                  "each)",
        .memory_mbytes_per_s = 38500,
        .pcie_in_mbytes_per_s = 11600,
        .pcie_out_mbytes_per_s = 12200,
        .pcie_trust = DLOP_TIMING_PUBLISHED,
        .pcie_source = GEN3X16_SOURCE,
    },
    {
        .name = "U280",
        .n_regions = 3,
        .region = U280_REGIONS,
        .trust = DLOP_TIMING_PUBLISHED,
        .source = "UG1120 as quoted by finn; HBM 460 GB/s (UG1393)",
        .memory_mbytes_per_s = 460000,
        .pcie_in_mbytes_per_s = 11600,
        .pcie_out_mbytes_per_s = 12200,
        .pcie_source = GEN3X16_SOURCE,
    },
    {
        .name = "VCK5000",
        .n_regions = 1,
        .region = {{899840, 1799680, 967, 463, 1968}},
        .source = "whole die of the XCVC1902, shell not taken off; four DDR4 channels behind the "
                  "NoC at 25.6 GB/s: recalled, not found again",
        .memory_mbytes_per_s = 102400,
        .pcie_in_mbytes_per_s = 11600,
        .pcie_out_mbytes_per_s = 12200,
        .pcie_source = "Gen4 x8 has the raw rate of Gen3 x16: that card's figures taken over",
    },
    {
        .name = "V80",
        .n_regions = 3,
        .region = {{858000, 1716000, 1247, 641, 3616},
                   {858000, 1716000, 1247, 641, 3616},
                   {858000, 1716000, 1247, 641, 3616}},
        .source = "whole die in three equal regions (2,574 K LUT, 132 Mb BRAM, 541 Mb URAM, 10,848 "
                  "DSP), shell not taken off: recalled, not found again; HBM 460 GB/s as in the "
                  "board's documentation (the product sheet says 820)",
        .memory_mbytes_per_s = 460000,
        .pcie_in_mbytes_per_s = 24000,
        .pcie_out_mbytes_per_s = 24000,
        .pcie_source = "Gen5 x8, about 32 GB/s raw (board documentation), three quarters of it",
    },
};

const struct dlop_timing_card *dlop_timing_card_at(u32 i)
{
    return i < COUNT_OF(cards) ? &cards[i] : NULL;
}

/* ---- assumptions, the most doubtful first ---- */

static const struct dlop_timing_assumption assumptions[] = {
    {"II of the entropy loop",
     "1 symbol per clock over 4 contexts, 4 clocks from one symbol to "
     "the next of an image",
     "length-and-shift path alone in hand-written RTL (Yosys): 2.8 ns with three contexts, 5.1 ns "
     "with one. An open C-to-RTL tool, which does not pipeline loops, took 7.2 to 10.2 clocks",
     DLOP_TIMING_ASSUMED},
    {"contexts hide the loop", "a tool sees that turns 1 to 3 apart never touch the same stream",
     "no DEPENDENCE pragma says so yet; without it the loop has the interval of one stream",
     DLOP_TIMING_ASSUMED},
    {"waves overlap", "one is decoded while the one before it is resampled",
     "processes share ports and arrays, which a tool may refuse or put in series",
     DLOP_TIMING_ASSUMED},
    {"clock", "300 MHz", "default of the shells; Vitis codec L1 and L2 reached 270 and 243 MHz",
     DLOP_TIMING_ASSUMED},
    {"indexed, coefficients", "an engine could start at a crop, or take packed coefficients",
     "projections: no job kind and no entry point for them exists", DLOP_TIMING_ASSUMED},
    {"unstuff", "1 byte per clock", "II of the loop in hw/core/unstuff.h", DLOP_TIMING_ASSUMED},
    {"hand-over", "two block buffers, no clearing", "hw/core/entropy.h returns a mask instead",
     DLOP_TIMING_ASSUMED},
    {"IDCT", "8 clocks per block",
     "8 samples per clock; Vitis has one row and one column per clock", DLOP_TIMING_ASSUMED},
    {"colour", "4 pixels per clock", "row buffers in 4 banks", DLOP_TIMING_ASSUMED},
    {"x axis", "4 pixels in, 2 outputs of 4 taps per clock", "row buffer in banks by x mod 4",
     DLOP_TIMING_ASSUMED},
    {"y axis", "2 pixels of 4 rows per clock", "rows in buffers of their own", DLOP_TIMING_ASSUMED},
    {"fill", "once per launch", "stages take the next image while the last one is on its way",
     DLOP_TIMING_ASSUMED},
    {"launch", "100 us for 64 images", "an emulation of XRT took 125 to 180 us",
     DLOP_TIMING_ASSUMED},
    {"engine", "sum of the parts", "see the parts", DLOP_TIMING_ASSUMED},
    {"filling of a region", "70 % LUT, 50 % FF, 80 % BRAM, URAM and DSP", "limits that finn uses",
     DLOP_TIMING_PUBLISHED},
    {"DDR4 controller", "33 K LUT, 45 K FF, 100 BRAM36", "finn", DLOP_TIMING_PUBLISHED},
    {"PCIe", "both directions at once at their single rates", "see the cards", DLOP_TIMING_ASSUMED},
    {"card memory", "70 % of the peak rate", "rule of thumb", DLOP_TIMING_ASSUMED},
};

const struct dlop_timing_assumption *dlop_timing_assumption_at(u32 i)
{
    return i < COUNT_OF(assumptions) ? &assumptions[i] : NULL;
}
