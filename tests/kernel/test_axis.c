/* Kernel test: the resampling passes against sums in 64 bits, gathers against copies, and the check
 * of tables against every kind of damage. Tables, rows and outputs end at closed pages. */
#include "tests/kernel/kernel.h"

#include "hw/core/axis.h"
#include "tests/kernel/table.h"

static const u8 FILL[3] = {1, 2, 3};

/* Floor division, rounding halves up, then clamping: no shift of a negative number. */
static u8 expected_value(s64 sum, u32 precision_bits)
{
    s64 unit = (s64)1 << precision_bits, shifted = sum + unit / 2;
    s64 rounded = shifted >= 0 ? shifted / unit : -((-shifted + unit - 1) / unit);
    return (u8)(rounded < 0 ? 0 : rounded > 255 ? 255 : rounded);
}

/* Channel c of output o, source position i at in + step_bytes * i. */
static u8 expected_channel(const struct test_table *table, u32 o, const u8 *in, size_t step_bytes,
                           u32 c)
{
    struct dlop_span span = table_span(table, o);
    s64 sum = 0;

    if (c == 3)
        return 255;
    if (span.n == 0)
        return FILL[c];
    for (u32 t = 0; t < span.n; t++)
        sum += (s64)table_weight(table, o, t) * in[step_bytes * ((u32)span.start + t) + c];
    return expected_value(sum, table->axis.precision_bits);
}

static void passes_equal_sums_in_64_bits(void **state)
{
    (void)state;
    for (u32 test = 0; test < 1500; test++) {
        struct random_state random = random_start(random_seed() + test);
        u32 width = (u32)random_in(&random, 1, 30), height = (u32)random_in(&random, 1, 12);
        u32 n_out = (u32)random_in(&random, 1, 30);
        size_t in_bytes = 4 * width * height;
        u8 *in = guard_alloc(in_bytes), *x_row = guard_alloc(4 * n_out);
        u8 *y_row = guard_alloc(4 * width);
        struct test_table x = table_random(&random, n_out, width);
        struct test_table y = table_random(&random, n_out, height);

        random_bytes(&random, in, in_bytes);
        if (test % 5 == 0)
            memset(in, 255, in_bytes);
        assert_int_equal(dlop_axis_check(x.bytes, x.n_bytes, n_out, width), DLOP_OK);
        assert_int_equal(dlop_axis_check(y.bytes, y.n_bytes, n_out, height), DLOP_OK);
        dlop_axis_x_row(x.bytes, in + in_bytes - 4 * width, FILL, x_row);
        for (u32 i = 0; i < 4 * n_out; i++) {
            u8 expected = expected_channel(&x, i / 4, in + in_bytes - 4 * width, 4, i % 4);
            if (x_row[i] != expected)
                RANDOM_FAIL(&random, "x pass, byte %u: got %d, expected %d", i, x_row[i], expected);
        }
        for (u32 o = 0; o < n_out; o++) {
            dlop_axis_y_row(y.bytes, o, in, width, FILL, y_row);
            for (u32 i = 0; i < 4 * width; i++) {
                u8 expected = expected_channel(&y, o, in + i / 4 * 4, 4 * width, i % 4);
                if (y_row[i] != expected)
                    RANDOM_FAIL(&random, "y pass, row %u byte %u: got %d, expected %d", o, i,
                                y_row[i], expected);
            }
        }
        guard_free(in, in_bytes);
        guard_free(x_row, 4 * n_out);
        guard_free(y_row, 4 * width);
        table_close(&x);
        table_close(&y);
    }
}

static void gathers_copy_and_flip(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    u8 *in = guard_alloc(4 * 20), *out = guard_alloc(4 * 20);
    struct test_table flip = table_gather(20, 19, -1), crop = table_gather(7, 5, 1);

    random_bytes(&random, in, 4 * 20);
    assert_int_equal(dlop_axis_check(flip.bytes, flip.n_bytes, 20, 20), DLOP_OK);
    dlop_axis_x_row(flip.bytes, in, FILL, out);
    for (u32 i = 0; i < 20; i++)
        assert_memory_equal(out + 4 * i, in + 4 * (19 - i), 3);
    dlop_axis_x_row(crop.bytes, in, FILL, out);
    for (u32 i = 0; i < 7; i++)
        assert_memory_equal(out + 4 * i, in + 4 * (5 + i), 3);
    guard_free(in, 4 * 20);
    guard_free(out, 4 * 20);
    table_close(&flip);
    table_close(&crop);
}

static void fills_win_over_both_axes(void **state)
{
    (void)state;
    struct test_table x = table_gather(3, 0, 1);
    u8 row[12], filled[12] = {9, 9, 9, 255, 1, 2, 3, 255, 9, 9, 9, 255};

    table_set_span(&x, 1, 0, 0);
    memset(row, 9, sizeof row);
    row[3] = row[7] = row[11] = 255;
    dlop_axis_fill_row(x.bytes, 0, FILL, row);
    assert_memory_equal(row, filled, 12);
    dlop_axis_fill_row(x.bytes, 1, FILL, row);
    for (u32 i = 0; i < 12; i++)
        assert_int_equal(row[i], i % 4 == 3 ? 255 : FILL[i % 4]);
    table_close(&x);
}

/* Each way in which one table can be damaged. */
static void damaged_tables_are_refused(void **state)
{
    (void)state;
    struct test_table good = table_open(4, 3, 22, 0), table;
    const s32 limit = (0x7fffffff - (1 << 21)) / 255;

    for (u32 o = 0; o < 4; o++)
        table_set_span(&good, o, (s32)o, 3);
    assert_int_equal(dlop_axis_check(good.bytes, good.n_bytes, 4, 6), DLOP_OK);
    for (size_t n = 0; n < good.n_bytes; n++) {
        u8 *cut = guard_alloc(n);
        memcpy(cut, good.bytes, n);
        assert_int_equal(dlop_axis_check(cut, n, 4, 6), DLOP_ERR_ARGUMENT);
        guard_free(cut, n);
    }
    assert_int_equal(dlop_axis_check(good.bytes, good.n_bytes, 3, 6), DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_axis_check(good.bytes, good.n_bytes, 4, 5), DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_axis_check(good.bytes, good.n_bytes, 4, 0), DLOP_ERR_ARGUMENT);

    struct {
        s32 start;
        u32 n;
        s32 weights[3];
        s32 expected;
    } cases[] = {
        {0, 0, {0}, DLOP_OK},
        {-5, 0, {0}, DLOP_OK}, /* an empty span has no start */
        {-1, 2, {0}, DLOP_ERR_ARGUMENT},
        {-2147483647 - 1, 1, {0}, DLOP_ERR_ARGUMENT},
        {2147483647, 1, {0}, DLOP_ERR_ARGUMENT},
        {4, 3, {0}, DLOP_ERR_ARGUMENT},
        {0, 4, {0}, DLOP_ERR_ARGUMENT},
        {0, 4294967295u, {0}, DLOP_ERR_ARGUMENT},
        {0, 3, {limit, 0, 0}, DLOP_OK},
        {0, 3, {limit, 1, 0}, DLOP_ERR_ARGUMENT},
        {0, 3, {-limit, 0, 1}, DLOP_ERR_ARGUMENT},
        {0, 2, {0, -2147483647 - 1, 0}, DLOP_ERR_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        table_set_span(&good, 3, cases[i].start, cases[i].n);
        for (u32 t = 0; t < 3; t++)
            table_set_weight(&good, 3, t, cases[i].weights[t]);
        if (dlop_axis_check(good.bytes, good.n_bytes, 4, 6) != cases[i].expected)
            fail_msg("case %zu", i);
    }
    table_close(&good);

    static const struct dlop_axis headers[] = {
        {1, 1, 0, 0}, {1, 1, 23, 0}, {1, 1, 22, 2}, {1, 0xffffffff, 22, 0}, {1, 65501, 22, 0}};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        table = table_open(1, 1, 1, 0);
        memcpy(table.bytes, &headers[i], sizeof *headers);
        assert_int_equal(dlop_axis_check(table.bytes, table.n_bytes, 1, 6), DLOP_ERR_ARGUMENT);
        table_close(&table);
    }
}

static void gathers_have_one_whole_weight(void **state)
{
    (void)state;
    struct test_table table = table_open(1, 2, 8, 1);

    table_set_span(&table, 0, 0, 1);
    table_set_weight(&table, 0, 0, 256);
    assert_int_equal(dlop_axis_check(table.bytes, table.n_bytes, 1, 2), DLOP_OK);
    table_set_weight(&table, 0, 0, 255);
    assert_int_equal(dlop_axis_check(table.bytes, table.n_bytes, 1, 2), DLOP_ERR_ARGUMENT);
    table_set_weight(&table, 0, 0, 256);
    table_set_span(&table, 0, 0, 2);
    assert_int_equal(dlop_axis_check(table.bytes, table.n_bytes, 1, 2), DLOP_ERR_ARGUMENT);
    table_close(&table);
}

/* Any bytes with a plausible header: what passes the check runs without access out of bounds and
 * without overflow (closed pages and sanitizers watch). */
static void random_tables_are_safe(void **state)
{
    (void)state;
    u32 n_ok = 0;
    u8 *in = guard_alloc(4 * 16), *out = guard_alloc(4 * 4);

    memset(in, 255, 4 * 16);
    for (u32 test = 0; test < 20000; test++) {
        struct random_state random = random_start(random_seed() + test);
        u32 n_out = (u32)random_in(&random, 1, 4);
        struct test_table table = table_open(n_out, (u32)random_in(&random, 0, 3),
                                             (u32)random_in(&random, 0, 24), test % 8 == 0);

        for (size_t i = 16; i < table.n_bytes; i += 4) {
            int is_span = i < 16 + 8 * n_out;
            u32 word = random_u32(&random) >> random_in(&random, is_span ? 26 : 0, 31);
            if (random_u32(&random) % 16 == 0)
                word = ~word;
            memcpy(table.bytes + i, &word, 4);
        }
        if (dlop_axis_check(table.bytes, table.n_bytes, n_out, 16) == DLOP_OK) {
            dlop_axis_x_row(table.bytes, in, FILL, out);
            n_ok++;
        }
        table_close(&table);
    }
    assert_in_range(n_ok, 300, 15000);
    guard_free(in, 4 * 16);
    guard_free(out, 4 * 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_equal_sums_in_64_bits),
        cmocka_unit_test(gathers_copy_and_flip),
        cmocka_unit_test(fills_win_over_both_axes),
        cmocka_unit_test(damaged_tables_are_refused),
        cmocka_unit_test(gathers_have_one_whole_weight),
        cmocka_unit_test(random_tables_are_safe),
    };
    return cmocka_run_group_tests_name("kernel/axis", tests, NULL, NULL);
}
