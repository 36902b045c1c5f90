/* For the tests of the cycle model: an engine whose clocks are easily counted by hand. */
#ifndef DLOP_TESTS_SIM_TIMING_UNIT_H
#define DLOP_TESTS_SIM_TIMING_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/timing_card.h"

/* Everything one per clock and nothing on top. */
static const struct dlop_timing_engine unit = {
    .name = "unit",
    .clock_hz = 1000000,
    .bus_bytes = 1,
    .table_clocks = 1,
    .unstuff_bytes = 1,
    .contexts = 1,
    .symbol_clocks = 1,
    .lookup_bits = 10,
    .idct_clocks = 8,
    .colour_px = 1,
    .x_px = 1,
    .x_outputs = 1,
    .y_px = 1,
    .pack_px = 1,
    .jobs_per_launch = 1,
};

static inline struct dlop_timing_cycles predict(const struct dlop_timing_work *work,
                                                const struct dlop_timing_engine *engine)
{
    struct dlop_timing_cycles cycles;

    memset(&cycles, 0xee, sizeof cycles);
    dlop_timing_predict(work, engine, &cycles);
    return cycles;
}

#endif
