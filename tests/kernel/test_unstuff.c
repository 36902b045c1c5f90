/* Kernel test: unstuffing against a plain reference that looks two bytes ahead. */
#include "tests/kernel/kernel.h"

#include "hw/core/unstuff.h"

#define MAX_SCAN_BYTES 400

/* What the reference says of a scan: segments, and whether damage follows them. */
struct expected {
    u8 bytes[MAX_SCAN_BYTES];
    u32 n_bytes[MAX_SCAN_BYTES]; /* of each segment */
    u32 n_segments;              /* complete ones */
    int is_bad;
};

static void expect(const u8 *scan, u32 n, struct expected *e)
{
    u32 at = 0, out = 0, start = 0;

    memset(e, 0, sizeof *e);
    while (at < n) {
        u32 next = at + 1 < n ? scan[at + 1] : 0xd9;
        if (scan[at] != 0xff) {
            e->bytes[out++] = scan[at++];
        } else if (next == 0) {
            e->bytes[out++] = 0xff;
            at += 2;
        } else if (next == (0xd0 | (e->n_segments & 7))) {
            e->n_bytes[e->n_segments++] = out - start;
            start = out;
            at += 2;
        } else {
            e->is_bad = 1;
            return;
        }
    }
    e->n_bytes[e->n_segments++] = out - start;
}

/* scan ends at a closed page, and so does each output buffer. */
static void compare(const u8 *scan, u32 n, const struct random_state *random)
{
    struct expected e;
    u32 position = 0, next_rst = 0, n_bytes = 0, done = 0;

    expect(scan, n, &e);
    for (u32 s = 0; s < e.n_segments + (u32)e.is_bad; s++) {
        u32 room = n - position;
        u8 *out = guard_alloc(room);
        s32 status = dlop_unstuff_segment(scan, n, &position, &next_rst, out, &n_bytes);

        if (s == e.n_segments) {
            if (status != DLOP_ERR_BAD_DATA)
                RANDOM_FAIL(random, "damaged segment %u: status %d", s, status);
        } else {
            int is_last = s + 1 == e.n_segments && !e.is_bad;
            if (status != (is_last ? DLOP_END : DLOP_OK) || n_bytes != e.n_bytes[s] ||
                memcmp(out, e.bytes + done, n_bytes) != 0)
                RANDOM_FAIL(random, "segment %u: status %d, %u bytes, expected %u", s, status,
                            n_bytes, e.n_bytes[s]);
            done += n_bytes;
        }
        guard_free(out, room);
    }
}

/* Bytes that matter come often; markers mostly in order. */
static void random_scans_equal_the_reference(void **state)
{
    (void)state;
    int n_bad = 0;

    for (u32 test = 0; test < 3000; test++) {
        struct random_state random = random_start(random_seed() + test);
        u32 n = (u32)random_in(&random, 0, MAX_SCAN_BYTES), rst = 0;
        u8 *scan = guard_alloc(n);
        struct expected e;

        for (u32 i = 0; i < n; i++) {
            u32 kind = random_u32(&random) % 64;
            scan[i] = (u8)(kind < 8 ? 0xff : random_u32(&random) % 255);
            if (scan[i] == 0xff && i + 1 < n)
                scan[++i] = (u8)(kind < 4 ? 0 : 0xd0 | (rst++ & 7));
        }
        if (n && test % 3 == 0)
            scan[random_u32(&random) % n] = (u8)(random_u32(&random) % 2 ? 0xff : 0xd3);
        expect(scan, n, &e);
        n_bad += e.is_bad;
        compare(scan, n, &random);
        guard_free(scan, n);
    }
    assert_in_range(n_bad, 100, 2000);
}

/* All scans of up to six bytes over the bytes that have a meaning. */
static void short_scans_equal_the_reference(void **state)
{
    (void)state;
    static const u8 alphabet[] = {0xff, 0x00, 0xd0, 0xd1, 0xd9, 0x41};
    struct random_state unused = random_start(0);
    u8 *buffer = guard_alloc(6);

    for (u32 n = 0, n_words = 1; n <= 6; n++, n_words *= 6) {
        for (u32 word = 0; word < n_words; word += n == 6 ? 7 : 1) {
            u8 *scan = buffer + 6 - n;
            for (u32 i = 0, rest = word; i < n; i++, rest /= 6)
                scan[i] = alphabet[rest % 6];
            compare(scan, n, &unused);
        }
    }
    guard_free(buffer, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_scans_equal_the_reference),
        cmocka_unit_test(short_scans_equal_the_reference),
    };
    return cmocka_run_group_tests_name("kernel/unstuff", tests, NULL, NULL);
}
