/* Kernel test: replacements of the pack step and of the reader of pixels against hw/core.
 *
 * Outputs are as large as the record's output and end at a closed page; everything but the row that
 * is packed must stay as it was.
 */
#include "tests/kernel/kernel.h"

#include "driver/cpu/axis.h"
#include "driver/cpu/cpu.h"
#include "driver/cpu/pack.h"
#include "driver/cpu/steps.h"
#include "hw/core/colour.h"
#include "hw/core/pack.h"

static const u32 vector_masks[] = {0, DLOP_CPU_PLAIN_C, DLOP_CPU_AVX2,
                                   DLOP_CPU_AVX2 | DLOP_CPU_AVX512, DLOP_CPU_NEON};
static const char *const vector_names[] = {"reference", "plain C", "avx2", "avx512", "neon"};
#define N_VECTOR_MASKS (sizeof vector_masks / sizeof vector_masks[0])

/* Fill steps_out for a level. False where this machine or build lacks it. */
static bool level_steps(size_t level, struct dlop_cpu_steps *steps_out)
{
    dlop_cpu_steps_init(vector_masks[level], steps_out);
    return (vector_masks[level] & dlop_cpu_steps_usable()) == vector_masks[level];
}

enum table_kind { TABLE_RANDOM, TABLE_IDENTITY, TABLE_ALMOST_IDENTITY, TABLE_NORMALISE, N_TABLES };

/* What a framework makes of 0..255: divide, subtract the mean, divide by the deviation. */
static float normalised_by(u32 value, float mean, float deviation)
{
    volatile float x = (float)value / 255.0f;

    x = x - mean;
    return x / deviation;
}

static float normalised(u32 value, u32 channel)
{
    static const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};

    return normalised_by(value, mean[channel], deviation[channel]);
}

static void fill_table(struct random_state *random, enum table_kind kind,
                       const struct dlop_job *job, u8 *table)
{
    u32 n = 256u * job->out_channels;

    random_bytes(random, table, (size_t)n * job->element_bytes);
    for (u32 i = 0; i < n; i++) {
        float x = normalised(i % 256, i / 256);

        if (kind == TABLE_NORMALISE && job->element_bytes == 4)
            memcpy(table + 4 * i, &x, 4);
        else if (kind == TABLE_IDENTITY || kind == TABLE_ALMOST_IDENTITY)
            table[i * job->element_bytes] = (u8)i;
    }
    if (kind == TABLE_ALMOST_IDENTITY)
        table[(u32)random_in(random, 0, (s32)n - 1) * job->element_bytes] ^= 1;
}

static struct dlop_job pack_job(u32 layout, u32 element_bytes, u32 channels, u32 width, u32 height)
{
    struct dlop_job job = {.layout = (u8)layout,
                           .out_channels = (u8)channels,
                           .element_bytes = (u8)element_bytes,
                           .out_width_px = width,
                           .out_height_px = height};

    job.out_bytes = width * height * channels * element_bytes;
    return job;
}

/* One row of one job with every replacement. */
static void check_row(struct random_state *random, const struct dlop_job *job, const u8 *table)
{
    u32 y = (u32)random_in(random, 0, (s32)job->out_height_px - 1);
    size_t row_bytes = dlop_cpu_row_bytes(job->out_width_px, 0);
    /* Half of the outputs end at the closed page, the others stand at any address. */
    u32 n_bytes = job->out_bytes + (u32)(random_in(random, 0, 1) ? random_in(random, 1, 7) : 0);
    u8 *row = guard_alloc(row_bytes), *expected = malloc(n_bytes), *out = guard_alloc(n_bytes);

    random_bytes(random, row, row_bytes);
    memset(expected, 0xa5, n_bytes);
    dlop_pack_row(job, table, row, y, expected);
    for (size_t i = 0; i < N_VECTOR_MASKS; i++) {
        struct dlop_cpu_steps steps;
        struct dlop_cpu_pack_memo memo = {0};
        struct dlop_cpu_pack pack;

        if (!level_steps(i, &steps))
            continue;
        dlop_cpu_pack_init(&pack, job, table);
        steps.pack_plan(&pack, &memo);
        memset(out, 0xa5, n_bytes);
        steps.pack(&pack, row, y, out);
        for (u32 b = 0; b < n_bytes; b++)
            if (out[b] != expected[b])
                RANDOM_FAIL(random,
                            "%s: layout %u, %u bytes, %u channels, %u x %u, row %u: byte %u is %d "
                            "instead of %d",
                            vector_names[i], job->layout, job->element_bytes, job->out_channels,
                            job->out_width_px, job->out_height_px, y, b, out[b], expected[b]);
    }
    guard_free(row, row_bytes);
    guard_free(out, n_bytes);
    free(expected);
}

static void every_layout_size_and_width(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (u32 width = 1; width <= 70; width++)
        for (u32 i = 0; i < 2 * 4 * 2 * N_TABLES; i++) {
            u32 channels = i & 1 ? 3 : 1, layout = i >> 1 & 1, element_bytes = 1u << (i >> 2 & 3);
            struct dlop_job job =
                pack_job(layout, element_bytes, channels, width, (u32)random_in(&random, 1, 4));
            u8 *table = guard_alloc(256u * channels * element_bytes);

            fill_table(&random, (enum table_kind)(i >> 4), &job, table);
            check_row(&random, &job, table);
            guard_free(table, 256u * channels * element_bytes);
        }
}

/* A value of a table may be any bit pattern, NaNs too: every entry must arrive. */
static void every_value_of_a_table(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (u32 kind = 0; kind < N_TABLES; kind++)
        for (u32 layout = 0; layout < DLOP_LAYOUT_COUNT; layout++) {
            struct dlop_job job = pack_job(layout, 4, 3, 256, 1);
            u8 *table = malloc(256 * 3 * 4), row[4 * 256 + 64] = {0};
            float *out = malloc(256 * 3 * 4);

            fill_table(&random, (enum table_kind)kind, &job, table);
            for (u32 x = 0; x < 256; x++)
                row[4 * x] = row[4 * x + 1] = row[4 * x + 2] = (u8)x;
            for (size_t i = 0; i < N_VECTOR_MASKS; i++) {
                struct dlop_cpu_steps steps;
                struct dlop_cpu_pack_memo memo = {0};
                struct dlop_cpu_pack pack;

                if (!level_steps(i, &steps))
                    continue;
                dlop_cpu_pack_init(&pack, &job, table);
                steps.pack_plan(&pack, &memo);
                steps.pack(&pack, row, 0, (u8 *)out);
                for (u32 c = 0; c < 3; c++)
                    for (u32 x = 0; x < 256; x++) {
                        u32 at = layout == DLOP_LAYOUT_CHW ? c * 256 + x : 3 * x + c;

                        assert_memory_equal(&out[at], table + 4 * (256 * c + x), 4);
                    }
            }
            free(table);
            free(out);
        }
}

/* Not a matter of right or wrong, but of speed: normalisations that people use are formulas. */
static void usual_normalisations_are_formulas(void **state)
{
    (void)state;
    static const float usual[][2] = {
        {0, 1},
        {0.5f, 0.5f},
        {0.485f, 0.229f},
        {0.456f, 0.224f},
        {0.406f, 0.225f},
        {0.4914f, 0.2023f},
        {0.4822f, 0.1994f},
        {0.4465f, 0.2010f},
        {0.4914f, 0.2470f},
        {0.5071f, 0.2675f},
        {0.1307f, 0.3081f},
        {0.2860f, 0.3530f},
        {0.48145466f, 0.26862954f},
        {0.4578275f, 0.26130258f},
        {0.40821073f, 0.27577711f},
    };
    struct dlop_job job = pack_job(DLOP_LAYOUT_CHW, 4, 1, 8, 1);
    struct dlop_cpu_pack_memo memo = {0};
    struct dlop_cpu_steps steps;
    struct dlop_cpu_pack pack;
    float table[256];

    dlop_cpu_steps_init(DLOP_CPU_AVX2 | DLOP_CPU_NEON, &steps);
    if (!(dlop_cpu_steps_usable() & (DLOP_CPU_AVX2 | DLOP_CPU_NEON)))
        return;
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        for (u32 v = 0; v < 256; v++)
            table[v] = normalised_by(v, usual[i][0], usual[i][1]);
        dlop_cpu_pack_init(&pack, &job, (const u8 *)table);
        steps.pack_plan(&pack, &memo);
        if (!pack.formula)
            fail_msg("mean %g, deviation %g is looked up", (double)usual[i][0],
                     (double)usual[i][1]);
        table[i * 17 % 256] += 1; /* the memo must notice */
        dlop_cpu_pack_init(&pack, &job, (const u8 *)table);
        steps.pack_plan(&pack, &memo);
        assert_null(pack.formula);
    }
}

static void reader_of_pixels(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (u32 n_px = 1; n_px <= 100; n_px++)
        for (u32 channels = 1; channels <= 3; channels += 2) {
            u8 *pixels = guard_alloc((size_t)n_px * channels);
            size_t row_bytes = dlop_cpu_row_bytes(n_px, 0);
            u8 *row = guard_alloc(row_bytes), *expected = malloc(4 * (size_t)n_px);

            random_bytes(&random, pixels, (size_t)n_px * channels);
            dlop_colour_pixels_row(pixels, channels, n_px, expected);
            for (size_t i = 0; i < N_VECTOR_MASKS; i++) {
                struct dlop_cpu_steps steps;

                if (!level_steps(i, &steps))
                    continue;
                memset(row, 0, row_bytes);
                steps.pixels_to_rgbx(pixels, channels, n_px, row);
                assert_memory_equal(row, expected, 4 * (size_t)n_px);
            }
            guard_free(pixels, (size_t)n_px * channels);
            guard_free(row, row_bytes);
            free(expected);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layout_size_and_width),
        cmocka_unit_test(every_value_of_a_table),
        cmocka_unit_test(usual_normalisations_are_formulas),
        cmocka_unit_test(reader_of_pixels),
    };

    return cmocka_run_group_tests_name("kernel/check_pack", tests, NULL, NULL);
}
