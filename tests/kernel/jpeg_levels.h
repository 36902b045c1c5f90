/* The tables of JPEG steps to compare: the reference and each level of replacements. */
#ifndef DLOP_TESTS_KERNEL_JPEG_LEVELS_H
#define DLOP_TESTS_KERNEL_JPEG_LEVELS_H

#include "driver/cpu/jpeg_internal.h"
#include "driver/cpu/steps.h"
#include "tests/kernel/random.h"

static const struct jpeg_level {
    const char *name;
    u32 vector_mask;
} jpeg_levels[] = {
    {"reference", 0},        {"plain C", DLOP_CPU_PLAIN_C},
    {"avx2", DLOP_CPU_AVX2}, {"avx512", DLOP_CPU_AVX2 | DLOP_CPU_AVX512},
    {"neon", DLOP_CPU_NEON},
};
#define N_JPEG_LEVELS (sizeof jpeg_levels / sizeof *jpeg_levels)

/* Fill steps_out for a level. 0 where this machine or build lacks it. */
static inline int jpeg_level_steps(size_t level, struct dlop_cpu_steps *steps_out)
{
    u32 mask = jpeg_levels[level].vector_mask;

    dlop_cpu_steps_init(mask, steps_out);
    return (mask & dlop_cpu_steps_usable()) == mask;
}

typedef void (*jpeg_check_fn)(struct random_state *random, const struct dlop_cpu_steps *steps,
                              const char *level);

/* Check every level that there is, each from the same seed. */
static inline void jpeg_check_levels(jpeg_check_fn check)
{
    for (size_t level = 0; level < N_JPEG_LEVELS; level++) {
        struct random_state random = random_start(random_seed());
        struct dlop_cpu_steps steps;

        if (jpeg_level_steps(level, &steps))
            check(&random, &steps, jpeg_levels[level].name);
    }
}

#endif
