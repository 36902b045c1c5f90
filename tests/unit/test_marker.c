/* Unit tests of host/format/marker.c: the search by blocks against the plainest one. Bytes end at a
 * closed page, so a read past them stops the test. */
#include "tests/kernel/kernel.h"

#include "host/format/marker.h"

/* More than two blocks, for any alignment of the first byte. */
#define MOST_BYTES 420

static const uint8_t *find_plainly(const uint8_t *p, const uint8_t *end)
{
    for (; end - p >= 2; p++)
        if (p[0] == 0xFF && p[1] != 0)
            return p;
    return end;
}

static void expect_same(const struct random_state *random, const uint8_t *bytes, size_t n)
{
    const uint8_t *expected = find_plainly(bytes, bytes + n);
    const uint8_t *found = dlop_find_marker(bytes, bytes + n);

    if (found != expected)
        RANDOM_FAIL(random, "%zu bytes at %zu of 64: found at %td, expected at %td", n,
                    (size_t)((uintptr_t)bytes % 64), found - bytes, expected - bytes);
}

/* Coded bytes: a 0xFF in every `one_in` bytes, followed by 0 but in one of `one_in_stuffed`. */
static void fill_coded(struct random_state *random, uint8_t *bytes, size_t n, int32_t one_in,
                       int32_t one_in_stuffed)
{
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (uint8_t)random_in(random, 0, 255);
        if (i > 0 && bytes[i - 1] == 0xFF && random_in(random, 1, one_in_stuffed) > 1)
            bytes[i] = 0;
        else if (random_in(random, 1, one_in) == 1)
            bytes[i] = 0xFF;
    }
}

static void random_bytes_of_every_length(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (size_t n = 0; n <= MOST_BYTES; n++) {
        uint8_t *bytes = guard_alloc(n);
        for (int round = 0; round < 60; round++) {
            fill_coded(&random, bytes, n, 1 << round % 6, 1 << round % 10);
            expect_same(&random, bytes, n);
        }
        guard_free(bytes, n);
    }
}

/* Alone at every place, after the first byte at every place of a line of the cache. */
static void one_marker_at_every_place(void **state)
{
    (void)state;
    static const uint8_t second[] = {0xD9, 0xD0, 0xFF, 0x01, 0x80};
    struct random_state random = random_start(random_seed());

    for (size_t n = MOST_BYTES - 63; n <= MOST_BYTES; n++) {
        uint8_t *bytes = guard_alloc(n);
        memset(bytes, 0, n);
        for (size_t at = 0; at < n; at++) {
            bytes[at] = 0xFF; /* stuffed, or the last byte */
            expect_same(&random, bytes, n);
            if (at + 1 < n)
                bytes[at + 1] = second[at % sizeof second];
            expect_same(&random, bytes, n);
            memset(bytes + at, 0, at + 1 < n ? 2 : 1);
        }
        guard_free(bytes, n);
    }
}

/* What is between two markers, as a scan with restart markers is walked. */
static void one_marker_after_the_other(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    size_t n = 100000;
    uint8_t *bytes = guard_alloc(n);

    for (int round = 0; round < 12; round++) {
        fill_coded(&random, bytes, n, 100, 1 << round);
        for (size_t at = 0; at < n;) {
            expect_same(&random, bytes + at, n - at);
            at = (size_t)(dlop_find_marker(bytes + at, bytes + n) - bytes) + 2;
        }
    }
    guard_free(bytes, n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bytes_of_every_length),
        cmocka_unit_test(one_marker_at_every_place),
        cmocka_unit_test(one_marker_after_the_other),
    };
    return cmocka_run_group_tests_name("unit/marker", tests, NULL, NULL);
}
