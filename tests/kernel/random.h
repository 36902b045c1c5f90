/* Seeded random numbers for the kernel tests.
 *
 * Each test starts from random_seed(): DLOP_SEED of the environment, or 1. Cases count on from it,
 * and a failing case prints the seed that repeats it (RANDOM_FAIL).
 */
#ifndef DLOP_TESTS_KERNEL_RANDOM_H
#define DLOP_TESTS_KERNEL_RANDOM_H

#include <stdint.h>
#include <stdlib.h>

struct random_state {
    uint64_t seed; /* that started it */
    uint64_t at;
};

static inline uint64_t random_seed(void)
{
    const char *text = getenv("DLOP_SEED");

    return text ? strtoull(text, NULL, 10) : 1;
}

static inline struct random_state random_start(uint64_t seed)
{
    return (struct random_state){seed, seed * 0x9e3779b97f4a7c15u};
}

static inline uint32_t random_u32(struct random_state *random)
{
    uint64_t z = random->at += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) >> 16);
}

/* low..high, both included. */
static inline int32_t random_in(struct random_state *random, int32_t low, int32_t high)
{
    return (int32_t)(low + (int64_t)(random_u32(random) % (uint64_t)((int64_t)high - low + 1)));
}

static inline void random_bytes(struct random_state *random, uint8_t *bytes, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        bytes[i] = (uint8_t)random_u32(random);
}

#define RANDOM_FAIL(random, ...)                                                                   \
    do {                                                                                           \
        print_error("repeat with DLOP_SEED=%llu\n", (unsigned long long)(random)->seed);           \
        fail_msg(__VA_ARGS__);                                                                     \
    } while (0)

#endif
