/* Seeded damage. */
#ifndef DLOP_TESTS_FUZZ_MUTATE_H
#define DLOP_TESTS_FUZZ_MUTATE_H

#include "tests/fuzz/fuzz.h"

/* Change bytes[0..n) in place, at most to FUZZ_MAX_BYTES; returns the new size. Depends on its
 * arguments only. */
size_t fuzz_mutate(enum fuzz_kind kind, struct fuzz_random *random, uint8_t *bytes, size_t n);

#endif
