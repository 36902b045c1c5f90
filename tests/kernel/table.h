/* Axis tables for the tests: made in memory as the host lays them out. */
#ifndef DLOP_TESTS_KERNEL_TABLE_H
#define DLOP_TESTS_KERNEL_TABLE_H

#include <string.h>

#include "hw/abi/abi.h"
#include "tests/kernel/guard.h"
#include "tests/kernel/random.h"

/* A table that ends at a closed page; n_bytes as DLOP_AXIS_BYTES. */
struct test_table {
    uint8_t *bytes;
    size_t n_bytes;
    struct dlop_axis axis;
};

static inline struct test_table table_open(u32 n_out, u32 n_taps, u32 precision_bits, u32 is_gather)
{
    struct test_table table = {.axis = {n_out, n_taps, precision_bits, is_gather}};

    table.n_bytes = DLOP_AXIS_BYTES(n_out, n_taps);
    table.bytes = guard_alloc(table.n_bytes);
    memset(table.bytes, 0, table.n_bytes);
    memcpy(table.bytes, &table.axis, sizeof table.axis);
    return table;
}

static inline void table_close(struct test_table *table)
{
    guard_free(table->bytes, table->n_bytes);
}

static inline void table_set_span(struct test_table *table, u32 o, s32 start, u32 n)
{
    struct dlop_span span = {start, n};

    memcpy(table->bytes + 16 + 8 * o, &span, sizeof span);
}

static inline struct dlop_span table_span(const struct test_table *table, u32 o)
{
    struct dlop_span span;

    memcpy(&span, table->bytes + 16 + 8 * o, sizeof span);
    return span;
}

static inline uint8_t *table_weight_at(const struct test_table *table, u32 o, u32 tap)
{
    return table->bytes + 16 + 8 * table->axis.n_out + 4 * (o * table->axis.n_taps + tap);
}

static inline void table_set_weight(struct test_table *table, u32 o, u32 tap, s32 weight)
{
    memcpy(table_weight_at(table, o, tap), &weight, sizeof weight);
}

static inline s32 table_weight(const struct test_table *table, u32 o, u32 tap)
{
    s32 weight;

    memcpy(&weight, table_weight_at(table, o, tap), sizeof weight);
    return weight;
}

/* Copy outputs 0..n_out-1 from positions first + step * o. */
static inline struct test_table table_gather(u32 n_out, s32 first, s32 step)
{
    struct test_table table = table_open(n_out, 1, 22, 1);

    for (u32 o = 0; o < n_out; o++) {
        table_set_span(&table, o, first + step * (s32)o, 1);
        table_set_weight(&table, o, 0, 1 << 22);
    }
    return table;
}

/* Random spans over region_size positions (some of them empty) and weights whose sum is about 1,
 * some negative, as large as a checked table may have them. */
static inline struct test_table table_random(struct random_state *random, u32 n_out,
                                             u32 region_size)
{
    u32 precision_bits = (u32)random_in(random, 1, 22), n_taps = (u32)random_in(random, 1, 9);
    struct test_table table = table_open(n_out, n_taps, precision_bits, 0);
    s64 limit = (0x7fffffff - (1 << (precision_bits - 1))) / 255;

    for (u32 o = 0; o < n_out; o++) {
        u32 n = (u32)random_in(random, 0, (s32)(n_taps < region_size ? n_taps : region_size));
        s64 left = random_u32(random) % 4 ? (s64)1 << precision_bits : limit;

        if (random_u32(random) % 8 && region_size)
            n = n ? n : 1;
        table_set_span(&table, o, random_in(random, 0, (s32)(region_size - n)), n);
        left = left < limit ? left : limit;
        for (u32 t = 0; t < n; t++) {
            s32 magnitude = t + 1 == n ? (s32)left : random_in(random, 0, (s32)left);
            table_set_weight(&table, o, t, random_u32(random) % 4 ? magnitude : -magnitude);
            left -= magnitude;
        }
    }
    return table;
}

#endif
