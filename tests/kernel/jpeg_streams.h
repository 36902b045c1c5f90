/* Random Huffman tables and entropy-coded streams made of them. */
#ifndef DLOP_TESTS_KERNEL_JPEG_STREAMS_H
#define DLOP_TESTS_KERNEL_JPEG_STREAMS_H

#include <string.h>

#include "driver/cpu/entropy.h"
#include "tests/kernel/random.h"

/* A prefix-free code for n_symbols symbols: leaves of a tree that grows by splitting one leaf after
 * the other; one leaf more than symbols, so that no code is all ones. */
static inline void make_code(struct random_state *random, u32 n_symbols, u8 n_codes[16])
{
    u32 n_leaves[17] = {1}, n = 1, bits;

    while (n < n_symbols + 1) {
        bits = (u32)random_in(random, 0, random_in(random, 0, 1) ? 7 : 15);
        if (n_leaves[bits] == 0)
            continue;
        n_leaves[bits]--;
        n_leaves[bits + 1] += 2;
        n++;
    }
    for (bits = 16; n_leaves[bits] == 0; bits--)
        ;
    n_leaves[bits]--; /* the code of all ones is the last of the longest */
    for (u32 i = 0; i < 16; i++)
        n_codes[i] = (u8)n_leaves[i + 1];
}

/* What the symbols of a table may be. */
struct symbol_limits {
    u32 max_size; /* value bits */
    u32 min_size; /* AC, where there are any */
    u32 min_run;  /* AC; ends of block are always allowed */
    int has_bad;  /* illegal ones, too */
};

static inline int is_allowed(u32 symbol, u32 huff_class, const struct symbol_limits *limits)
{
    u32 size = huff_class == DLOP_HUFF_DC ? symbol : symbol & 15, run = symbol >> 4;

    if (limits->has_bad)
        return 1;
    if (huff_class == DLOP_HUFF_DC)
        return size <= limits->max_size;
    if (size == 0)
        return run == 0 || run == 15;
    return size <= limits->max_size && size >= limits->min_size && run >= limits->min_run;
}

/* Random distinct symbols. Some tables have few, so that many fit into a lookup. Most have an end
 * of block, often with the longest code. */
static inline void make_table(struct random_state *random, u32 huff_class,
                              const struct symbol_limits *limits, struct dlop_jpeg_huff *dht)
{
    u8 pool[256];
    u32 n_pool = 0, n_symbols;

    memset(dht, 0, sizeof *dht);
    for (u32 s = 0; s < (huff_class == DLOP_HUFF_DC ? 12u : 256u); s++)
        if (is_allowed(s, huff_class, limits))
            pool[n_pool++] = (u8)s;
    n_symbols = (u32)random_in(random, 1, (s32)n_pool);
    if (n_symbols > 4 && random_in(random, 0, 2) == 0)
        n_symbols = (u32)random_in(random, 1, 4);
    for (u32 i = 0; i < n_symbols; i++) {
        u32 j = (u32)random_in(random, (s32)i, (s32)n_pool - 1);

        dht->symbols[i] = pool[j];
        pool[j] = pool[i];
    }
    if (huff_class == DLOP_HUFF_AC && !limits->has_bad && random_in(random, 0, 4)) {
        u32 end = random_in(random, 0, 1) ? n_symbols - 1 : random_u32(random) % n_symbols;

        for (u32 i = 0; i < n_symbols; i++)
            end = dht->symbols[i] == 0 ? i : end;
        dht->symbols[end] = 0;
    }
    make_code(random, n_symbols, dht->n_codes);
}

#define MAX_STREAM_BYTES 60000

struct writer {
    u8 bytes[MAX_STREAM_BYTES + DLOP_CPU_SEGMENT_SLACK_BYTES];
    u32 n_bits;
};

static inline void put_bits(struct writer *writer, u32 value, u32 n)
{
    for (u32 i = n; i-- > 0; writer->n_bits++)
        writer->bytes[writer->n_bits / 8] |= (u8)((value >> i & 1) << (7 - writer->n_bits % 8));
}

/* The chosen symbol of the table with random value bits. */
static inline void put_chosen(struct random_state *random, const struct dlop_jpeg_huff *dht,
                              u32 chosen, struct writer *writer)
{
    u32 code = 0, at = 0;

    for (u32 bits = 1; bits <= 16; bits++) {
        u32 n = dht->n_codes[bits - 1];

        if (chosen < at + n) {
            u32 size = dht->symbols[chosen] & 15;

            put_bits(writer, code + chosen - at, bits);
            put_bits(writer, random_u32(random) & ((1u << size) - 1), size);
            return;
        }
        at += n;
        code = (code + n) * 2;
    }
}

static inline u32 count_symbols(const struct dlop_jpeg_huff *dht)
{
    u32 n_symbols = 0;

    for (u32 i = 0; i < 16; i++)
        n_symbols += dht->n_codes[i];
    return n_symbols;
}

/* One symbol of the table; returns it. prefers_short: of the codes that come first. max_run: tried
 * for some time. */
static inline u32 put_symbol(struct random_state *random, const struct dlop_jpeg_huff *dht,
                             struct writer *writer, int prefers_short, u32 max_run)
{
    u32 n_symbols = count_symbols(dht), chosen, n_tries = 0;

    do {
        chosen = (u32)random_in(random, 0, (s32)n_symbols - 1);
        if (prefers_short)
            chosen = chosen * (u32)random_in(random, 0, 100) / 100;
    } while (dht->symbols[chosen] >> 4 > max_run && n_tries++ < 50);
    for (u32 i = 0; i < n_symbols && dht->symbols[chosen] >> 4 > max_run; i++)
        chosen = dht->symbols[i] == 0 ? i : chosen;
    put_chosen(random, dht, chosen, writer);
    return dht->symbols[chosen];
}

/* A block of random symbols that ends where the 64th coefficient stands or an end of block comes.
 * Runs across the end are rare; the reference says what they mean. */
static inline void put_block(struct random_state *random, const struct dlop_jpeg_huff *dc,
                             const struct dlop_jpeg_huff *ac, struct writer *writer)
{
    int prefers_short = random_in(random, 0, 3) != 0;
    int leaves_block = random_in(random, 0, 500) == 0;

    put_symbol(random, dc, writer, prefers_short, 15);
    for (u32 k = 1; k < 64;) {
        u32 symbol = put_symbol(random, ac, writer, prefers_short, leaves_block ? 15 : 63 - k);

        if (symbol == 0)
            break;
        k += (symbol >> 4) + 1;
    }
}

#endif
