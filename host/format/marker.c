/* Search for markers in a scan, a block of bytes at a time.
 *
 * A scan holds a 0xFF for every 200 bytes or so, nearly all of them stuffed (0 follows). A search
 * from one to the next ends at a place that no branch predictor knows, so whole blocks are asked
 * whether they hold a marker at all, without a branch that depends on the data.
 */
#include "host/format/marker.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define BLOCK_BYTES  128
#define VECTOR_BYTES 16

/* Vectors of the compiler, since not all of them make vectors of such a loop over bytes. */
typedef uint8_t byte_vector __attribute__((vector_size(VECTOR_BYTES)));
typedef uint64_t word_vector __attribute__((vector_size(VECTOR_BYTES)));

static inline byte_vector load(const uint8_t *p)
{
    byte_vector bytes;

    memcpy(&bytes, p, sizeof bytes);
    return bytes;
}

/* Whether a marker begins within the block. Reads one byte more, the marker's second. */
static inline bool has_marker(const uint8_t *block)
{
    byte_vector found = {0};

    for (size_t i = 0; i < BLOCK_BYTES; i += VECTOR_BYTES)
        found |= (byte_vector)(load(block + i) == 0xFF) & load(block + i + 1);
    word_vector words = (word_vector)found;
    return (words[0] | words[1]) != 0;
}

const uint8_t *dlop_find_marker(const uint8_t *p, const uint8_t *end)
{
    if (end - p > BLOCK_BYTES && !has_marker(p)) {
        /* Some bytes twice, and from then on whole vectors of the cache's lines. */
        p += BLOCK_BYTES - (uintptr_t)p % VECTOR_BYTES;
        while (end - p > BLOCK_BYTES && !has_marker(p))
            p += BLOCK_BYTES;
    }
    for (;;) {
        p = memchr(p, 0xFF, (size_t)(end - p));
        if (p == NULL || end - p < 2)
            return end;
        if (p[1] != 0)
            return p;
        p += 2;
    }
}
