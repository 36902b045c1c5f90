/* Kernel test: replacements of the two resampling passes against hw/core/axis.h.
 *
 * Rows end at a closed page right behind the slack that steps.h and axis.h allow, so that a
 * replacement which reads or writes farther is caught.
 */
#include "tests/kernel/kernel.h"

#include "driver/cpu/axis.h"
#include "driver/cpu/cpu.h"
#include "driver/cpu/steps.h"
#include "hw/core/axis.h"
#include "tests/kernel/axis_table.h"

struct replacement {
    const char *name;
    u32 vector_mask;
    void (*x_plan)(struct dlop_cpu_axis *axis);
    void (*x)(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out);
    void (*y)(const struct dlop_cpu_axis *axis, u32 o, const u8 *const *rows, size_t n_bytes,
              u8 *row_out);
    void (*x_rgb)(const struct dlop_cpu_axis *axis, const u8 *row, u8 *row_out); /* or null */
};

static const struct replacement replacements[] = {
    {"reference", 0, dlop_cpu_axis_x_plan_none, dlop_cpu_axis_x_reference,
     dlop_cpu_axis_y_reference, NULL},
    {"plain C", DLOP_CPU_PLAIN_C, dlop_cpu_axis_x_plan_none, dlop_cpu_axis_x_reference,
     dlop_cpu_axis_y_plain, NULL},
#if DLOP_INTRINSICS && defined(__x86_64__)
    {"avx2", DLOP_CPU_AVX2, dlop_cpu_axis_x_plan_avx2, dlop_cpu_axis_x_avx2, dlop_cpu_axis_y_avx2,
     NULL},
    {"avx512", DLOP_CPU_AVX2 | DLOP_CPU_AVX512, dlop_cpu_axis_x_plan_avx512, dlop_cpu_axis_x_avx512,
     dlop_cpu_axis_y_avx512, dlop_cpu_axis_x_rgb_avx512},
#elif DLOP_INTRINSICS && defined(__aarch64__)
    {"neon", DLOP_CPU_NEON, dlop_cpu_axis_x_plan_neon, dlop_cpu_axis_x_neon, dlop_cpu_axis_y_neon,
     NULL},
#endif
};
#define N_REPLACEMENTS (sizeof replacements / sizeof replacements[0])

static int is_usable(const struct replacement *replacement)
{
    return (replacement->vector_mask & dlop_cpu_steps_usable()) == replacement->vector_mask;
}

/* An axis that is ready for one replacement. */
struct ready_axis {
    struct dlop_cpu_axis axis;
    u8 *memory;
    size_t memory_bytes;
};

static const u8 test_fill[3] = {11, 222, 77};

static struct ready_axis ready(const struct replacement *replacement, void *table)
{
    struct ready_axis r;

    dlop_cpu_axis_read(&r.axis, table, test_fill);
    r.memory_bytes = (dlop_cpu_axis_memory_bytes(&r.axis) + 63) & ~(size_t)63;
    r.memory = guard_alloc(r.memory_bytes);
    dlop_cpu_axis_plan(&r.axis, r.memory);
    if (!r.axis.is_gather)
        replacement->x_plan(&r.axis);
    return r;
}

static void ready_free(struct ready_axis *r)
{
    guard_free(r->memory, r->memory_bytes);
}

static void expect_same_pixels(const struct random_state *random, const char *what, u32 n_px,
                               const u8 *expected, const u8 *got)
{
    for (u32 x = 0; x < n_px; x++)
        if (memcmp(expected + 4 * x, got + 4 * x, 3) != 0)
            RANDOM_FAIL(random, "%s, pixel %u of %u: got %d %d %d, expected %d %d %d", what, x,
                        n_px, got[4 * x], got[4 * x + 1], got[4 * x + 2], expected[4 * x],
                        expected[4 * x + 1], expected[4 * x + 2]);
}

/* As expect_same_pixels, for three bytes per pixel; pixels without a source may be anything. */
static void expect_same_rgb(const struct random_state *random, const struct dlop_cpu_axis *axis,
                            const u8 *expected, const u8 *got)
{
    for (u32 x = 0; x < axis->n_out; x++)
        if (axis->span[x].n && memcmp(expected + 4 * (size_t)x, got + 3 * (size_t)x, 3) != 0)
            RANDOM_FAIL(random, "x to RGB, pixel %u of %u: got %d %d %d, expected %d %d %d", x,
                        axis->n_out, got[3 * x], got[3 * x + 1], got[3 * x + 2], expected[4 * x],
                        expected[4 * x + 1], expected[4 * x + 2]);
}

/* The table at a closed page instead of on the heap. */
static u8 *guarded(void *table)
{
    u8 *copy = guard_alloc(axis_bytes(table));

    memcpy(copy, table, axis_bytes(table));
    free(table);
    return copy;
}

/* One random row through the table, by the reference and by each replacement. Frees the table. */
static void check_x(struct random_state *random, u32 n_in, void *heap_table)
{
    u8 *table = guarded(heap_table);
    u32 n_out = axis_header(table)->n_out;
    u8 *expected = malloc(4 * (size_t)n_out);

    assert_int_equal(dlop_axis_check(table, axis_bytes(table), n_out, n_in), DLOP_OK);
    for (size_t i = 0; i < N_REPLACEMENTS; i++) {
        struct ready_axis r = ready(&replacements[i], table);
        size_t in_bytes = dlop_cpu_row_bytes(n_in, r.axis.longest_span);
        size_t out_bytes = dlop_cpu_row_bytes(n_out, 0);
        u8 *in, *out;

        if (is_usable(&replacements[i])) {
            in = guard_alloc(in_bytes);
            out = guard_alloc(out_bytes);
            random_bytes(random, in, in_bytes);
            if (random_in(random, 0, 3) == 0)
                memset(in, random_in(random, 0, 1) ? 255 : 0, in_bytes);
            dlop_axis_x_row(table, in, test_fill, expected);
            if (r.axis.is_gather) {
                dlop_cpu_axis_gather(&r.axis, in, out);
            } else {
                replacements[i].x(&r.axis, in, out);
                dlop_cpu_axis_fill(&r.axis, out);
            }
            expect_same_pixels(random, replacements[i].name, n_out, expected, out);
            if (replacements[i].x_rgb && !r.axis.is_gather) {
                replacements[i].x_rgb(&r.axis, in, out);
                expect_same_rgb(random, &r.axis, expected, out);
            }
            guard_free(in, in_bytes);
            guard_free(out, out_bytes);
        }
        ready_free(&r);
    }
    free(expected);
    guard_free(table, axis_bytes(table));
}

/* One random output row through the table, the samples of all columns apart. Frees the table. */
static void check_y(struct random_state *random, u32 n_in, void *heap_table)
{
    u8 *table = guarded(heap_table);
    u32 n_out = axis_header(table)->n_out, o = (u32)random_in(random, 0, (s32)n_out - 1);
    u32 n_bytes = (u32)random_in(random, 1, 400), shift = (u32)random_in(random, 0, 12);
    size_t out_bytes = dlop_cpu_row_bytes(n_bytes / 4 + 1, 0), row_bytes = out_bytes + shift;
    u8 *rows = guard_alloc(n_in * row_bytes), *out = guard_alloc(out_bytes);
    u8 *apart = calloc((size_t)n_in * n_bytes, 4), *expected = malloc(4 * (size_t)n_bytes);
    const struct dlop_span *span = &axis_spans(table)[o];
    const u8 **pointers = calloc(span->n + 1, sizeof *pointers);

    random_bytes(random, rows, n_in * row_bytes);
    if (random_in(random, 0, 3) == 0)
        memset(rows, random_in(random, 0, 1) ? 255 : 0, n_in * row_bytes);
    for (u32 y = 0; y < n_in; y++)
        for (u32 i = 0; i < n_bytes; i++)
            apart[4 * ((size_t)y * n_bytes + i)] = rows[y * row_bytes + shift + i];
    for (u32 t = 0; t < span->n; t++)
        pointers[t] = rows + ((u32)span->start + t) * row_bytes + shift;
    dlop_axis_y_row(table, o, apart, n_bytes, test_fill, expected);
    for (size_t i = 0; i < N_REPLACEMENTS && span->n; i++) {
        struct ready_axis r = ready(&replacements[i], table);

        if (is_usable(&replacements[i]) && !r.axis.is_gather) {
            replacements[i].y(&r.axis, o, pointers, n_bytes, out);
            for (u32 at = 0; at < n_bytes; at++)
                if (out[at] != expected[4 * (size_t)at])
                    RANDOM_FAIL(random, "%s, sample %u of %u: got %d, expected %d",
                                replacements[i].name, at, n_bytes, out[at],
                                expected[4 * (size_t)at]);
        }
        ready_free(&r);
    }
    guard_free(rows, n_in * row_bytes);
    guard_free(out, out_bytes);
    free(apart);
    free(expected);
    free(pointers);
    guard_free(table, axis_bytes(table));
}

static void every_filter_and_size(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (u32 i = 0; i < 1200; i++) {
        const struct axis_filter *filter = &axis_filters[i % N_AXIS_FILTERS];
        u32 n_in = (u32)random_in(&random, 1, 300), n_out = (u32)random_in(&random, 1, 300);
        u32 precision_bits = i % 3 ? 22 : 0;

        check_x(&random, n_in, axis_resize(filter, n_in, n_out, precision_bits, i & 1));
        check_y(&random, n_in, axis_resize(filter, n_in, n_out, precision_bits, i & 1));
    }
}

static void small_sizes_exhaustively(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (u32 n_in = 1; n_in <= 18; n_in++)
        for (u32 n_out = 1; n_out <= 18; n_out++)
            for (u32 precision_bits = 0; precision_bits <= 22; precision_bits += 22) {
                const struct axis_filter *filter = &axis_filters[(n_in + n_out) % N_AXIS_FILTERS];

                check_x(&random, n_in, axis_resize(filter, n_in, n_out, precision_bits, 0));
                check_y(&random, n_in, axis_resize(filter, n_in, n_out, precision_bits, 0));
            }
}

static void long_spans(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (u32 i = 0; i < 40; i++) {
        const struct axis_filter *filter = &axis_filters[i % N_AXIS_FILTERS];
        u32 n_out = (u32)random_in(&random, 1, 20);
        u32 n_in = (u32)random_in(&random, 20, 120) * n_out;

        check_x(&random, n_in, axis_resize(filter, n_in, n_out, i & 1 ? 22 : 0, 0));
        check_y(&random, n_in, axis_resize(filter, n_in, n_out, i & 1 ? 22 : 0, 0));
    }
}

/* As many taps as there are, each as large as a lowest digit gets: partial sums reach the limits
 * that the whole sum has. */
static void longest_spans(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (u32 i = 0; i < 24; i++) {
        void *table = axis_alloc(1, DLOP_MAX_SIDE_PX, 22, 0);

        axis_spans(table)[0] = (struct dlop_span){0, DLOP_MAX_SIDE_PX};
        for (u32 t = 0; t < DLOP_MAX_SIDE_PX; t++)
            axis_weights(table)[t] = i % 2 ? 127 : -128;
        if (i < 20)
            check_x(&random, DLOP_MAX_SIDE_PX, table);
        else
            check_y(&random, DLOP_MAX_SIDE_PX, table);
    }
}

/* Spans anywhere, of any length, some empty; weights of both signs up to what the check allows. */
static void *random_table(struct random_state *random, u32 n_in, u32 n_out)
{
    u32 precision_bits = (u32)random_in(random, 1, 22);
    u32 n_taps = (u32)random_in(random, 1, random_in(random, 0, 3) ? 24 : 2);
    s32 limit = (0x7fffffff - (1 << (precision_bits - 1))) / 255;
    void *table = axis_alloc(n_out, n_taps, precision_bits, 0);
    bool is_dirty = random_in(random, 0, 3) == 0;

    for (u32 o = 0; o < n_out; o++) {
        u32 longest = n_taps < n_in ? n_taps : n_in, n = (u32)random_in(random, 0, (s32)longest);
        s32 left = random_in(random, 0, 3) ? limit : random_in(random, 0, limit);

        axis_spans(table)[o] = (struct dlop_span){random_in(random, 0, (s32)(n_in - n)), n};
        for (u32 t = 0; t < n; t++) {
            s32 magnitude = t + 1 == n ? left : random_in(random, 0, left);

            axis_weights(table)[(size_t)o * n_taps + t] =
                random_in(random, 0, 1) ? magnitude : -magnitude;
            left -= magnitude;
        }
        /* Weights that no output uses may be anything. */
        for (u32 t = n; t < n_taps && is_dirty; t++)
            axis_weights(table)[(size_t)o * n_taps + t] = (s32)random_u32(random);
    }
    return table;
}

static void random_tables(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (u32 i = 0; i < 1000; i++) {
        u32 n_in = (u32)random_in(&random, 1, 60), n_out = (u32)random_in(&random, 1, 60);
        u32 n_far = (u32)random_in(&random, 1, 600); /* neighbours far apart */

        check_x(&random, n_in, random_table(&random, n_in, n_out));
        check_y(&random, n_in, random_table(&random, n_in, n_out));
        check_x(&random, n_far, random_table(&random, n_far, n_out));
    }
}

/* Runs of all kinds in a row: rising, falling, standing, fill and single positions. */
static void *random_copy(struct random_state *random, u32 n_in, u32 n_out)
{
    s32 *source = malloc(n_out * sizeof *source);
    s32 at = 0, step = 0;
    u32 left = 0;
    void *table;

    for (u32 o = 0; o < n_out; o++) {
        if (!left) {
            left = (u32)random_in(random, 1, 12);
            step = random_in(random, -1, 2);
            at = random_in(random, 0, (s32)n_in - 1);
        }
        source[o] = step == 2 ? -1 : at;
        at = at + step < 0 || at + step >= (s32)n_in ? at : at + step;
        left--;
    }
    table = axis_copy(source, n_out);
    free(source);
    return table;
}

static void copies_by_runs(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (u32 i = 0; i < 2000; i++) {
        u32 n_in = (u32)random_in(&random, 1, 40), n_out = (u32)random_in(&random, 1, 80);

        check_x(&random, n_in, random_copy(&random, n_in, n_out));
    }
}

static void a_crop_is_a_shift_and_a_flip_is_one_run(void **state)
{
    (void)state;
    s32 source[100];
    struct ready_axis r;
    void *table;

    for (s32 o = 0; o < 100; o++)
        source[o] = 7 + o;
    table = axis_copy(source, 100);
    r = ready(&replacements[0], table);
    assert_true(r.axis.is_shift);
    ready_free(&r);
    free(table);
    for (s32 o = 0; o < 100; o++)
        source[o] = 99 - o;
    table = axis_copy(source, 100);
    r = ready(&replacements[0], table);
    assert_false(r.axis.is_shift);
    assert_int_equal(r.axis.n_runs, 1);
    assert_int_equal(r.axis.run[0].kind, DLOP_CPU_RUN_FALLING);
    ready_free(&r);
    free(table);
}

static void a_fill_or_a_filter_is_no_shift(void **state)
{
    (void)state;
    s32 source[100];
    struct ready_axis r;
    void *table;

    for (s32 o = 0; o < 100; o++)
        source[o] = o;
    for (s32 fill = 0; fill < 100; fill += 33) {
        source[fill] = -1;
        table = axis_copy(source, 100);
        r = ready(&replacements[0], table);
        assert_true(r.axis.is_gather);
        assert_false(r.axis.is_shift);
        ready_free(&r);
        free(table);
        source[fill] = fill;
    }
    table = axis_copy(source, 100);
    axis_header(table)->is_gather = 0;
    r = ready(&replacements[0], table);
    assert_false(r.axis.is_gather || r.axis.is_shift);
    ready_free(&r);
    free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_filter_and_size),
        cmocka_unit_test(small_sizes_exhaustively),
        cmocka_unit_test(long_spans),
        cmocka_unit_test(longest_spans),
        cmocka_unit_test(random_tables),
        cmocka_unit_test(copies_by_runs),
        cmocka_unit_test(a_crop_is_a_shift_and_a_flip_is_one_run),
        cmocka_unit_test(a_fill_or_a_filter_is_no_shift),
    };

    return cmocka_run_group_tests_name("kernel/check_axis", tests, NULL, NULL);
}
