/* A fuzz target: one input in, abort at a finding.
 *
 * A target is one file with LLVMFuzzerTestOneInput and fuzz_target. Linked with libFuzzer it is
 * guided by coverage; linked with driver.c it replays files and runs seeded mutants, each of which
 * is a pure function of (seed, number), so a finding can be made again.
 */
#ifndef DLOP_TESTS_FUZZ_FUZZ_H
#define DLOP_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FUZZ_MAX_BYTES (1u << 17)

/* How mutants are made: JPEG files whose headers stay sane (bytes of scans, values of tables,
 * restart markers, cuts), JPEG files with any damage, plain bytes. */
enum fuzz_kind { FUZZ_SANE, FUZZ_ANY, FUZZ_BYTES, FUZZ_KIND_COUNT };

struct fuzz_target {
    const char *name;
    int takes_jpeg; /* seeds are files of a folder; otherwise make_seed makes them */
    /* Seed number index, at most FUZZ_MAX_BYTES; its size, or 0 past the last. */
    size_t (*make_seed)(uint32_t index, uint8_t *bytes_out);
};
extern const struct fuzz_target fuzz_target;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a target did with its inputs, for the driver's last line. */
enum fuzz_count { FUZZ_ACCEPTED, FUZZ_DECODED, FUZZ_COUNT_COUNT };
extern uint64_t fuzz_counts[FUZZ_COUNT_COUNT];
#define FUZZ_COUNTS uint64_t fuzz_counts[FUZZ_COUNT_COUNT]

#define fuzz_require(condition, ...)                                                               \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "finding: %s: ", #condition);                                          \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\n");                                                                 \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* ---- seeded random numbers ---- */

struct fuzz_random {
    uint64_t state;
};

static inline uint64_t fuzz_next(struct fuzz_random *random)
{
    uint64_t z = random->state += 0x9E3779B97F4A7C15u; /* splitmix64 */
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* 0..n-1; n at least 1. */
static inline size_t fuzz_below(struct fuzz_random *random, size_t n)
{
    return (size_t)(fuzz_next(random) % n);
}

static inline int fuzz_one_in(struct fuzz_random *random, size_t n)
{
    return fuzz_below(random, n) == 0;
}

#endif
