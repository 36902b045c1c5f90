/* What a card makes of the cycle model: engines that fit, images per second, and what limits them.
 *
 * Key idea: a card is resources per region (SLR) and three rates; an engine is a sum of parts. How
 * many engines fit follows from division, the rate from the slowest of engines, PCIe in each
 * direction and card memory. Each figure carries its source, and says so where no tool and no card
 * confirmed it: none of our own figures is, since no vendor tool was run.
 * Not here: cycles of one job (timing.h).
 */
#ifndef DLOP_SIM_TIMING_CARD_H
#define DLOP_SIM_TIMING_CARD_H

#include "sim/timing_work.h"

/* Resources. X(name in the struct, text, percent of a region that a design may fill) */
#define DLOP_TIMING_RESOURCES(X)                                                                   \
    X(LUT, "LUT", 70)                                                                              \
    X(FF, "FF", 50)                                                                                \
    X(BRAM, "BRAM36", 80)                                                                          \
    X(URAM, "URAM", 80)                                                                            \
    X(DSP, "DSP", 80)

#define DLOP_TIMING_RESOURCE_ENUMERATOR(name, text, percent) DLOP_TIMING_##name,
enum dlop_timing_resource {
    DLOP_TIMING_RESOURCES(DLOP_TIMING_RESOURCE_ENUMERATOR) DLOP_TIMING_RESOURCE_COUNT
};
#undef DLOP_TIMING_RESOURCE_ENUMERATOR

/* A figure that somebody published or measured, or one that is only assumed. */
enum dlop_timing_trust { DLOP_TIMING_ASSUMED, DLOP_TIMING_PUBLISHED, DLOP_TIMING_TRUST_COUNT };

/* "ASSUMED", "published". */
const char *dlop_timing_trust_name(u32 trust);

/* A part of an engine. */
struct dlop_timing_part {
    const char *name;
    u32 resource[DLOP_TIMING_RESOURCE_COUNT];
    u32 trust; /* of these numbers for our engine: enum dlop_timing_trust */
    const char *source;
};

#define DLOP_TIMING_MAX_REGIONS 4

struct dlop_timing_card {
    const char *name;
    u32 n_regions;
    u32 region[DLOP_TIMING_MAX_REGIONS][DLOP_TIMING_RESOURCE_COUNT];
    u32 n_controllers; /* soft memory controllers, one in each of the first regions */
    u32 trust;         /* of the regions */
    const char *source;
    u32 memory_mbytes_per_s; /* peak of the banks in use; MB = 10^6 bytes */
    u32 pcie_in_mbytes_per_s, pcie_out_mbytes_per_s;
    u32 pcie_trust;
    const char *pcie_source;
};

/* A statement that the model rests on. */
struct dlop_timing_assumption {
    const char *what, *value, *source;
    u32 trust;
};

/* Parts, cards and assumptions by number, null past the last. */
const struct dlop_timing_part *dlop_timing_part_at(u32 i);
const struct dlop_timing_card *dlop_timing_card_at(u32 i);
const struct dlop_timing_assumption *dlop_timing_assumption_at(u32 i);

/* Sum of the parts. */
void dlop_timing_engine_cost(u32 resource_out[DLOP_TIMING_RESOURCE_COUNT]);
/* Engines of that sum which fit a card; *scarce_out: the resource that ends it in the first region
 * (enum dlop_timing_resource). */
u32 dlop_timing_engines_that_fit(const struct dlop_timing_card *card, u32 *scarce_out);

/* Sums over the jobs of a sample. */
struct dlop_timing_load {
    u64 n_jobs;
    u64 cycles;
    u64 stage[DLOP_TIMING_STAGE_COUNT];
    u64 host_in_bytes, host_out_bytes, memory_bytes;
};

/* Add jobs: work [n_jobs], cycles of all of them together (dlop_timing_predict for one,
 * dlop_timing_predict_wave). */
void dlop_timing_load_add(struct dlop_timing_load *load, const struct dlop_timing_work *work,
                          u32 n_jobs, const struct dlop_timing_cycles *cycles);

/* What ends a card's rate: its engines (then the stage says which), or a path to or from them. */
enum dlop_timing_limit {
    DLOP_TIMING_LIMIT_ENGINES,
    DLOP_TIMING_LIMIT_PCIE_IN,
    DLOP_TIMING_LIMIT_PCIE_OUT,
    DLOP_TIMING_LIMIT_MEMORY,
    DLOP_TIMING_LIMIT_COUNT
};

struct dlop_timing_rate {
    u32 n_engines;
    u32 limit;                                 /* the smallest of images_per_s */
    u32 stage;                                 /* the slowest stage of an engine */
    u64 images_per_s[DLOP_TIMING_LIMIT_COUNT]; /* if only this one limited */
    u64 engine_images_per_s;
};

/* Rates of a card for a sample. load: at least one job. Any thread. */
void dlop_timing_card_rate(const struct dlop_timing_card *card,
                           const struct dlop_timing_engine *engine,
                           const struct dlop_timing_load *load, struct dlop_timing_rate *rate_out);

/* "PCIe out", or the name of the stage where engines are the limit. */
const char *dlop_timing_limit_name(const struct dlop_timing_rate *rate);

#endif
