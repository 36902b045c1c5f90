/* Kernel test: upsampling against the triangle filter written as real-valued weights on a picture
 * extended by its edges, for every small size, every first column and every width. */
#include "tests/kernel/kernel.h"

#include <math.h>

#include "hw/core/upsample.h"

#define MAX_SAMPLES 12

static int clamped(int i, int n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* Weight 3/4 on the nearest sample and 1/4 on the next nearest, for output position p of n samples.
 */
static double along(const double *in, int n, int p)
{
    int beside = p % 2 ? p / 2 + 1 : p / 2 - 1;
    return 0.75 * in[clamped(p / 2, n)] + 0.25 * in[clamped(beside, n)];
}

struct shape {
    int n_cols, n_rows;
    u8 *rows[MAX_SAMPLES]; /* each ends at a closed page */
};

static void shape_open(struct shape *s, int n_cols, int n_rows, struct random_state *random)
{
    *s = (struct shape){.n_cols = n_cols, .n_rows = n_rows};
    for (int r = 0; r < n_rows; r++) {
        s->rows[r] = guard_alloc((size_t)n_cols);
        random_bytes(random, s->rows[r], (size_t)n_cols);
        if (random_u32(random) % 4 == 0)
            memset(s->rows[r], random_u32(random) & 1 ? 255 : 0, (size_t)n_cols);
    }
}

static void shape_close(struct shape *s)
{
    for (int r = 0; r < s->n_rows; r++)
        guard_free(s->rows[r], (size_t)s->n_cols);
}

/* What the filter gives before rounding, and how the result is rounded: down after adding bias
 * sixteenths. */
static u8 expected_at(const struct shape *s, u32 kind, int x, int y)
{
    double column[MAX_SAMPLES], value = 0;
    int bias = 0;

    for (int c = 0; c < s->n_cols; c++) {
        double samples[MAX_SAMPLES];
        for (int r = 0; r < s->n_rows; r++)
            samples[r] = s->rows[r][c];
        column[c] = kind == DLOP_UPSAMPLE_H2V1 ? samples[y] : along(samples, s->n_rows, y);
    }
    if (kind == DLOP_UPSAMPLE_H2V1)
        value = along(column, s->n_cols, x), bias = x % 2 ? 8 : 4;
    if (kind == DLOP_UPSAMPLE_H1V2)
        value = column[x], bias = y % 2 ? 8 : 4;
    if (kind == DLOP_UPSAMPLE_H2V2)
        value = along(column, s->n_cols, x), bias = x % 2 ? 7 : 8;
    return (u8)floor(value + bias / 16.0);
}

static void upsample(const struct shape *s, u32 kind, u32 y, u32 x_first, u32 n_out, u8 *out)
{
    u32 beside = dlop_upsample_beside(y, (u32)s->n_rows), n = (u32)s->n_cols;

    if (kind == DLOP_UPSAMPLE_H2V1)
        dlop_upsample_h2v1_row(s->rows[y], n, x_first, n_out, out);
    if (kind == DLOP_UPSAMPLE_H2V2)
        dlop_upsample_h2v2_row(s->rows[y / 2], s->rows[beside], n, x_first, n_out, out);
    if (kind == DLOP_UPSAMPLE_H1V2)
        dlop_upsample_h1v2_row(s->rows[y / 2], s->rows[beside], y, x_first, n_out, out);
}

static void check_rows(const struct shape *s, u32 kind, struct random_state *random)
{
    int n_x = kind == DLOP_UPSAMPLE_H1V2 ? s->n_cols : 2 * s->n_cols;
    int n_y = kind == DLOP_UPSAMPLE_H2V1 ? s->n_rows : 2 * s->n_rows;

    for (int y = 0; y < n_y; y++)
        for (int x_first = 0; x_first < n_x; x_first++) {
            int n_out = random_in(random, 1, n_x - x_first);
            u8 *out = guard_alloc((size_t)n_out);

            upsample(s, kind, (u32)y, (u32)x_first, (u32)n_out, out);
            for (int i = 0; i < n_out; i++) {
                u8 expected = expected_at(s, kind, x_first + i, y);
                if (out[i] != expected)
                    RANDOM_FAIL(random, "kind %u, %dx%d samples, (%d, %d): got %d, expected %d",
                                kind, s->n_cols, s->n_rows, x_first + i, y, out[i], expected);
            }
            guard_free(out, (size_t)n_out);
        }
}

static void filters_equal_the_real_valued_triangle(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (u32 kind = DLOP_UPSAMPLE_H2V1; kind < DLOP_UPSAMPLE_KIND_COUNT; kind++)
        for (int n_cols = 1; n_cols <= MAX_SAMPLES; n_cols++)
            for (int n_rows = 1; n_rows <= 4; n_rows++) {
                struct shape s;
                shape_open(&s, n_cols, n_rows, &random);
                check_rows(&s, kind, &random);
                shape_close(&s);
            }
}

/* All pairs of values in one dimension. */
static void every_pair_of_samples(void **state)
{
    (void)state;
    u8 *rows[2] = {guard_alloc(3), guard_alloc(3)};
    struct shape s = {3, 2, {rows[0], rows[1]}};
    struct random_state random = random_start(random_seed());

    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++) {
            memset(rows[0], a, 3);
            memset(rows[1], b, 3);
            rows[0][1] = (u8)b;
            for (u32 kind = DLOP_UPSAMPLE_H2V1; kind < DLOP_UPSAMPLE_KIND_COUNT; kind++)
                for (u32 x = 1; x < 3; x++) {
                    u8 out;
                    upsample(&s, kind, 1, x, 1, &out);
                    if (out != expected_at(&s, kind, (int)x, 1))
                        RANDOM_FAIL(&random, "kind %u, values %d and %d, x %u", kind, a, b, x);
                }
        }
    guard_free(rows[0], 3);
    guard_free(rows[1], 3);
}

static void replication_repeats(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (u32 ratio = 1; ratio <= 4; ratio++)
        for (u32 n = 1; n <= MAX_SAMPLES; n++) {
            u8 *in = guard_alloc(n), *out = guard_alloc(ratio * n), whole[4 * MAX_SAMPLES];
            random_bytes(&random, in, n);
            for (u32 i = 0; i < n; i++)
                memset(whole + i * ratio, in[i], ratio);
            for (u32 first = 0; first < ratio * n; first++) {
                u32 n_out = ratio * n - first;
                dlop_upsample_replicate_row(in, ratio, first, n_out, out + first);
                assert_memory_equal(out + first, whole + first, n_out);
            }
            guard_free(in, n);
            guard_free(out, ratio * n);
        }
}

static void kinds_follow_ratio_and_width(void **state)
{
    (void)state;
    for (u32 ratio_x = 1; ratio_x <= 4; ratio_x++)
        for (u32 ratio_y = 1; ratio_y <= 4; ratio_y++)
            for (u32 n = 1; n <= 5; n++) {
                u32 kind = DLOP_UPSAMPLE_REPLICATE;
                if (ratio_x == 2 && n >= 3)
                    kind = ratio_y == 1   ? DLOP_UPSAMPLE_H2V1
                           : ratio_y == 2 ? DLOP_UPSAMPLE_H2V2
                                          : DLOP_UPSAMPLE_REPLICATE;
                if (ratio_x == 1 && ratio_y == 2)
                    kind = DLOP_UPSAMPLE_H1V2;
                assert_int_equal(dlop_upsample_kind_of(ratio_x, ratio_y, n), kind);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_equal_the_real_valued_triangle),
        cmocka_unit_test(every_pair_of_samples),
        cmocka_unit_test(replication_repeats),
        cmocka_unit_test(kinds_follow_ratio_and_width),
    };
    return cmocka_run_group_tests_name("kernel/upsample", tests, NULL, NULL);
}
