/* Kernel test: Huffman tables against a table filled code by code, as the standard's annex C draws
 * the codes up. All 65536 windows are compared for each table. */
#include "tests/kernel/kernel.h"

#include "hw/core/huff_table.h"

/* A random complete or incomplete prefix code without the code of all ones. */
static void random_dht(struct random_state *random, u32 huff_class, struct dlop_jpeg_huff *dht)
{
    u32 n_free = 2, n_symbols = 0, wish = (u32)random_in(random, 1, 4);

    memset(dht, 0, sizeof *dht);
    for (u32 bits = 1; bits <= 16; bits++, n_free = n_free > 400 ? 800 : n_free * 2) {
        u32 most = n_free - 1 < 256 - n_symbols ? n_free - 1 : 256 - n_symbols;
        u32 n = bits == 16 ? most : random_u32(random) % (most / wish + 1);
        dht->n_codes[bits - 1] = (u8)(n > 255 ? 255 : n);
        n_free -= dht->n_codes[bits - 1];
        n_symbols += dht->n_codes[bits - 1];
    }
    for (u32 i = 0; i < 256; i++)
        dht->symbols[i] = (u8)(huff_class == DLOP_HUFF_DC ? random_u32(random) % 12 : i);
    for (u32 i = 255; i > 0 && huff_class == DLOP_HUFF_AC; i--) {
        u32 j = random_u32(random) % (i + 1);
        u8 swapped = dht->symbols[i];
        dht->symbols[i] = dht->symbols[j];
        dht->symbols[j] = swapped;
    }
}

struct slow_code {
    int bits; /* 0: no code begins like this */
    int symbol;
};

/* Fill [65536] windows. */
static void slow_codes(const struct dlop_jpeg_huff *dht, struct slow_code *codes)
{
    u32 code = 0, k = 0;

    memset(codes, 0, 65536 * sizeof *codes);
    for (int bits = 1; bits <= 16; bits++, code <<= 1)
        for (u32 i = 0; i < dht->n_codes[bits - 1]; i++, code++, k++)
            for (u32 tail = 0; tail < 1u << (16 - bits); tail++)
                codes[(code << (16 - bits)) + tail] = (struct slow_code){bits, dht->symbols[k]};
}

/* What an entry must say of a symbol, in the words of the standard. */
static void check_entry(u32 entry, struct slow_code code, u32 huff_class, u32 window)
{
    int run = code.symbol >> 4, size = code.symbol & 15;
    int is_bad = code.bits == 0;

    if (huff_class == DLOP_HUFF_AC)
        is_bad |= size > 10 || (size == 0 && run != 0 && run != 15);
    if (((entry & DLOP_HUFF_BAD) != 0) != is_bad)
        fail_msg("window %04x: entry %08x, symbol %02x of %d bits", window, entry, code.symbol,
                 code.bits);
    if (is_bad)
        return;
    assert_int_equal(DLOP_HUFF_CODE_BITS(entry), code.bits);
    if (huff_class == DLOP_HUFF_DC) {
        assert_int_equal(DLOP_HUFF_SIZE(entry), code.symbol);
        assert_int_equal(DLOP_HUFF_ADVANCE(entry), 1);
    } else {
        assert_int_equal(DLOP_HUFF_SIZE(entry), size);
        assert_int_equal(DLOP_HUFF_ADVANCE(entry), code.symbol == 0 ? 64 : run + 1);
    }
    assert_int_equal(DLOP_HUFF_TOTAL_BITS(entry), code.bits + (int)DLOP_HUFF_SIZE(entry));
}

/* Returns the windows that begin with a code. */
static u32 compare_table(const struct dlop_jpeg_huff *dht, u32 huff_class)
{
    u32 n_coded = 0;
    static struct dlop_huff_table table;
    static struct slow_code codes[65536];

    memset(&table, 0x5a, sizeof table);
    assert_int_equal(dlop_huff_build(dht, huff_class, &table), DLOP_OK);
    slow_codes(dht, codes);
    for (u32 window = 0; window < 65536; window++) {
        check_entry(dlop_huff_find(&table, window), codes[window], huff_class, window);
        n_coded += codes[window].bits != 0;
    }
    return n_coded;
}

static void random_tables_find_every_code(void **state)
{
    (void)state;
    u32 n_coded = 0;

    for (u32 test = 0; test < 60; test++) {
        struct random_state random = random_start(random_seed() + test);
        struct dlop_jpeg_huff dht;
        u32 huff_class = test % 2 ? DLOP_HUFF_AC : DLOP_HUFF_DC;

        random_dht(&random, huff_class, &dht);
        n_coded += compare_table(&dht, huff_class);
    }
    assert_in_range(n_coded, 40 * 65536, 60 * 65535);
}

static void empty_and_single_code_tables(void **state)
{
    (void)state;
    struct dlop_jpeg_huff dht = {{0}, {0}};

    compare_table(&dht, DLOP_HUFF_DC);
    compare_table(&dht, DLOP_HUFF_AC);
    for (int bits = 1; bits <= 16; bits++) {
        memset(&dht, 0, sizeof dht);
        dht.n_codes[bits - 1] = 1;
        compare_table(&dht, DLOP_HUFF_AC);
    }
}

static void impossible_tables_are_refused(void **state)
{
    (void)state;
    static struct dlop_huff_table table;
    struct dlop_jpeg_huff dht = {{0}, {0}};

    dht.n_codes[0] = 2; /* "1" would be all ones */
    assert_int_equal(dlop_huff_build(&dht, DLOP_HUFF_AC, &table), DLOP_ERR_BAD_DATA);
    dht.n_codes[0] = 1;
    dht.n_codes[1] = 1; /* 0, 10: fine */
    assert_int_equal(dlop_huff_build(&dht, DLOP_HUFF_AC, &table), DLOP_OK);
    dht.n_codes[2] = 2; /* 110, 111 */
    assert_int_equal(dlop_huff_build(&dht, DLOP_HUFF_AC, &table), DLOP_ERR_BAD_DATA);
    dht.n_codes[2] = 0;
    dht.n_codes[3] = 255; /* more than fit */
    assert_int_equal(dlop_huff_build(&dht, DLOP_HUFF_AC, &table), DLOP_ERR_BAD_DATA);
    memset(&dht, 0, sizeof dht);
    dht.n_codes[14] = 200; /* 257 symbols */
    dht.n_codes[15] = 57;
    assert_int_equal(dlop_huff_build(&dht, DLOP_HUFF_AC, &table), DLOP_ERR_BAD_DATA);
    dht.n_codes[15] = 56;
    assert_int_equal(dlop_huff_build(&dht, DLOP_HUFF_AC, &table), DLOP_OK);
    memset(&dht, 0, sizeof dht);
    dht.n_codes[3] = 1;
    dht.symbols[0] = 11;
    assert_int_equal(dlop_huff_build(&dht, DLOP_HUFF_DC, &table), DLOP_OK);
    dht.symbols[0] = 12;
    assert_int_equal(dlop_huff_build(&dht, DLOP_HUFF_DC, &table), DLOP_ERR_BAD_DATA);
}

/* Any bytes as a table: no read or write out of bounds (sanitizers watch), find gives something. */
static void random_bytes_are_safe(void **state)
{
    (void)state;
    static struct dlop_huff_table table;
    struct random_state random = random_start(random_seed());

    for (u32 test = 0; test < 2000; test++) {
        struct dlop_jpeg_huff dht;
        for (u32 i = 0; i < 16; i++)
            dht.n_codes[i] = (u8)(random_u32(&random) >> random_in(&random, 24, 31));
        random_bytes(&random, dht.symbols, sizeof dht.symbols);
        if (dlop_huff_build(&dht, test % 2, &table) != DLOP_OK)
            continue;
        for (u32 window = 0; window < 65536; window += 97)
            assert_in_range(DLOP_HUFF_TOTAL_BITS(dlop_huff_find(&table, window)), 1,
                            DLOP_HUFF_MAX_SYMBOL_BITS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_tables_find_every_code),
        cmocka_unit_test(empty_and_single_code_tables),
        cmocka_unit_test(impossible_tables_are_refused),
        cmocka_unit_test(random_bytes_are_safe),
    };
    return cmocka_run_group_tests_name("kernel/huff", tests, NULL, NULL);
}
