/* Kernel test: blocks written by an encoder of this file come back, and what may not be decoded is
 * refused. Segments end at a closed page. */
#include "tests/kernel/kernel.h"

#include "hw/core/entropy.h"

#define MAX_BITS (64 * 64 * 27)

/* Bit string, most significant first; the rest of the last byte is ones, as in a file. */
struct writer {
    u8 bytes[MAX_BITS / 8];
    u32 n_bits;
};

static void put(struct writer *w, u32 value, u32 n_bits)
{
    for (u32 i = n_bits; i-- > 0; w->n_bits++) {
        u8 mask = (u8)(0x80 >> (w->n_bits & 7));
        if ((w->n_bits & 7) == 0)
            w->bytes[w->n_bits / 8] = 0xff;
        if ((value >> i & 1) == 0)
            w->bytes[w->n_bits / 8] &= (u8)~mask;
    }
}

static u32 n_bytes_of(const struct writer *w)
{
    return (w->n_bits + 7) / 8;
}

/* Code word of each symbol. */
struct encoder {
    struct dlop_jpeg_huff dht;
    u32 code[256], bits[256];
};

/* Every legal symbol, lengths shuffled: some symbols have long codes, some short ones. */
static void make_encoder(struct random_state *random, u32 huff_class, struct encoder *e)
{
    u32 n_symbols = 0, code = 0, k = 0;

    memset(e, 0, sizeof *e);
    for (u32 s = 0; s < 256; s++) {
        u32 is_legal = huff_class == DLOP_HUFF_DC
                           ? s <= 11
                           : (s & 15) <= 10 && ((s & 15) || s == 0 || s == 0xf0);
        if (is_legal)
            e->dht.symbols[n_symbols++] = (u8)s;
    }
    for (u32 i = n_symbols - 1; i > 0; i--) {
        u32 j = random_u32(random) % (i + 1);
        u8 swapped = e->dht.symbols[i];
        e->dht.symbols[i] = e->dht.symbols[j];
        e->dht.symbols[j] = swapped;
    }
    for (u32 bits = 1, left = n_symbols, n_free = 1; bits <= 16; bits++) {
        n_free *= 2;
        u32 most = n_free - 1;
        u32 n = bits == 16 ? left
                : bits < 2 ? 0
                           : random_u32(random) % (most > 1 ? most / 2 + 1 : 1);
        n = n < left ? n : left;
        e->dht.n_codes[bits - 1] = (u8)n;
        left -= n;
        n_free -= n;
    }
    for (u32 bits = 1; bits <= 16; bits++, code <<= 1)
        for (u32 i = 0; i < e->dht.n_codes[bits - 1]; i++, code++, k++) {
            e->code[e->dht.symbols[k]] = code;
            e->bits[e->dht.symbols[k]] = bits;
        }
}

static void put_symbol(struct writer *w, const struct encoder *e, u32 symbol)
{
    assert_int_not_equal(e->bits[symbol], 0);
    put(w, e->code[symbol], e->bits[symbol]);
}

static u32 size_of(s32 value)
{
    u32 size = 0;
    for (u32 magnitude = (u32)abs(value); magnitude; magnitude >>= 1)
        size++;
    return size;
}

static void put_value(struct writer *w, s32 value)
{
    u32 size = size_of(value);
    put(w, (u32)(value < 0 ? value + (1 << size) - 1 : value), size);
}

/* One block, DC as difference. */
static void put_block(struct writer *w, const struct encoder *dc, const struct encoder *ac,
                      const s32 coef[64])
{
    u32 run = 0;

    put_symbol(w, dc, size_of(coef[0]));
    put_value(w, coef[0]);
    for (u32 k = 1; k < 64; k++) {
        if (coef[k] == 0) {
            run++;
            continue;
        }
        for (; run > 15; run -= 16)
            put_symbol(w, ac, 0xf0);
        put_symbol(w, ac, run << 4 | size_of(coef[k]));
        put_value(w, coef[k]);
        run = 0;
    }
    if (run)
        put_symbol(w, ac, 0);
}

static struct encoder dc_code, ac_code;
static struct dlop_huff_table dc_table, ac_table;

static void make_tables(struct random_state *random)
{
    make_encoder(random, DLOP_HUFF_DC, &dc_code);
    make_encoder(random, DLOP_HUFF_AC, &ac_code);
    assert_int_equal(dlop_huff_build(&dc_code.dht, DLOP_HUFF_DC, &dc_table), DLOP_OK);
    assert_int_equal(dlop_huff_build(&ac_code.dht, DLOP_HUFF_AC, &ac_table), DLOP_OK);
}

/* The written bytes at the end of a page. */
static u8 *guarded_copy(const struct writer *w, u32 n_bytes)
{
    u8 *bytes = guard_alloc(n_bytes);
    memcpy(bytes, w->bytes, n_bytes);
    return bytes;
}

static void random_coefs(struct random_state *random, s32 coef[64])
{
    u32 density = random_u32(random) % 4;

    for (u32 k = 0; k < 64; k++) {
        s32 max = 1023 >> random_in(random, 0, 10);
        s32 is_zero = density == 0 || (density < 3 && random_u32(random) % (density == 1 ? 20 : 3));
        coef[k] = k && is_zero ? 0 : random_in(random, -max, max);
    }
    if (random_u32(random) % 4 == 0)
        coef[63] = random_u32(random) % 2 ? 1023 : -1023;
}

static void written_blocks_come_back(void **state)
{
    (void)state;
    static struct writer w;
    static s32 coef[64][64];

    for (u32 test = 0; test < 400; test++) {
        struct random_state random = random_start(random_seed() + test);
        struct dlop_entropy entropy;
        struct dlop_coef_block block;
        s32 prediction[3] = {0, 0, 0};
        u32 n_blocks = (u32)random_in(&random, 1, 64);

        make_tables(&random);
        memset(&w, 0, sizeof w);
        for (u32 b = 0; b < n_blocks; b++) {
            random_coefs(&random, coef[b]);
            put_block(&w, &dc_code, &ac_code, coef[b]);
        }
        u8 *bytes = guarded_copy(&w, n_bytes_of(&w));
        dlop_entropy_init(&entropy, n_bytes_of(&w));
        for (u32 b = 0; b < n_blocks; b++) {
            s32 status = dlop_entropy_block(bytes, &dc_table, &ac_table, b % 3, &entropy, &block);
            if (status != DLOP_OK)
                RANDOM_FAIL(&random, "block %u: status %d", b, status);
            prediction[b % 3] += coef[b][0];
            for (u32 k = 0; k < 64; k++) {
                s32 expected = k ? coef[b][k] : prediction[b % 3];
                s32 got = block.valid >> k & 1 ? block.coef[k] : 0;
                if (got != expected)
                    RANDOM_FAIL(&random, "block %u coefficient %u: got %d, expected %d", b, k, got,
                                expected);
            }
        }
        assert_int_equal(dlop_entropy_bits_left(&entropy), n_bytes_of(&w) * 8 - w.n_bits);
        guard_free(bytes, n_bytes_of(&w));
    }
}

/* Status of the first block of what w holds, cut to n_bytes. */
static s32 decode_first(const struct writer *w, u32 n_bytes)
{
    struct dlop_entropy entropy;
    struct dlop_coef_block block;
    u8 *bytes = guarded_copy(w, n_bytes);
    s32 status;

    dlop_entropy_init(&entropy, n_bytes);
    status = dlop_entropy_block(bytes, &dc_table, &ac_table, 0, &entropy, &block);
    guard_free(bytes, n_bytes);
    return status;
}

static void a_block_cut_anywhere_is_refused(void **state)
{
    (void)state;
    static struct writer w;

    for (u32 test = 0; test < 200; test++) {
        struct random_state random = random_start(random_seed() + test);
        s32 coef[64];

        make_tables(&random);
        memset(&w, 0, sizeof w);
        random_coefs(&random, coef);
        put_block(&w, &dc_code, &ac_code, coef);
        assert_int_equal(decode_first(&w, n_bytes_of(&w)), DLOP_OK);
        for (u32 n = 0; n < n_bytes_of(&w); n++)
            if (decode_first(&w, n) >= 0)
                RANDOM_FAIL(&random, "%u of %u bytes were accepted", n, n_bytes_of(&w));
    }
}

/* symbols: AC symbols after a DC of size 0, each followed by ones for its value. */
static s32 decode_symbols(const u32 *symbols, u32 n_symbols)
{
    static struct writer w;

    memset(&w, 0, sizeof w);
    put_symbol(&w, &dc_code, 0);
    for (u32 i = 0; i < n_symbols; i++) {
        put_symbol(&w, &ac_code, symbols[i]);
        put(&w, 0xffff, symbols[i] & 15);
    }
    put(&w, 0xffff, 16);
    return decode_first(&w, n_bytes_of(&w));
}

static void runs_past_the_block_are_refused(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    make_tables(&random);

    const u32 exactly_full[] = {0xf0, 0xf0, 0xf0, 0xe1}; /* 48 zeros, 14 zeros, position 63 */
    assert_int_equal(decode_symbols(exactly_full, 4), DLOP_OK);
    const u32 one_too_far[] = {0xf0, 0xf0, 0xf0, 0xf1};
    assert_int_equal(decode_symbols(one_too_far, 4), DLOP_ERR_BAD_DATA);
    const u32 zeros_exactly_full[] = {0xe1, 0xf0, 0xf0, 0xf0}; /* 15 + 48 */
    assert_int_equal(decode_symbols(zeros_exactly_full, 4), DLOP_OK);
    const u32 zeros_too_far[] = {0xf0, 0xf0, 0xf0, 0xf0};
    assert_int_equal(decode_symbols(zeros_too_far, 4), DLOP_ERR_BAD_DATA);
}

/* Each of the 256 symbols in turn as the only AC code, once with the short code 0 and once with
 * sixteen bits, after a DC of size 0. A legal one fills the block or ends it. */
static void illegal_symbols_are_refused(void **state)
{
    (void)state;
    static struct writer w;
    struct random_state random = random_start(random_seed());

    make_tables(&random);
    for (u32 test = 0; test < 512; test++) {
        u32 symbol = test / 2, n_code_bits = test % 2 ? 16 : 1, size = symbol & 15;
        struct dlop_jpeg_huff dht = {{0}, {(u8)symbol}};
        /* A run that does not divide the 63 positions leaves the block. */
        int is_legal = symbol == 0 || (size != 0 && size <= 10 && 63 % ((symbol >> 4) + 1) == 0);

        dht.n_codes[n_code_bits - 1] = 1;
        assert_int_equal(dlop_huff_build(&dht, DLOP_HUFF_AC, &ac_table), DLOP_OK);
        memset(&w, 0, sizeof w);
        put_symbol(&w, &dc_code, 0);
        for (u32 i = 0; i < (symbol ? 63 : 1); i++) {
            put(&w, 0, n_code_bits);
            put(&w, 0xffff, size);
        }
        if ((decode_first(&w, n_bytes_of(&w)) == DLOP_OK) != is_legal)
            fail_msg("symbol %02x with a code of %u bits: legal is %d", symbol, n_code_bits,
                     is_legal);
    }
}

static void large_dc_is_refused(void **state)
{
    (void)state;
    static struct writer w;
    struct random_state random = random_start(random_seed());
    struct dlop_entropy entropy;
    struct dlop_coef_block block;
    s32 coef[64] = {0};

    make_tables(&random);
    for (s32 sign = -1; sign <= 1; sign += 2) {
        memset(&w, 0, sizeof w);
        coef[0] = sign * 2047;
        for (u32 b = 0; b < 9; b++)
            put_block(&w, &dc_code, &ac_code, coef);
        dlop_entropy_init(&entropy, n_bytes_of(&w));
        for (u32 b = 0; b < 8; b++)
            assert_int_equal(dlop_entropy_block(w.bytes, &dc_table, &ac_table, 0, &entropy, &block),
                             DLOP_OK);
        assert_int_equal(block.coef[0], sign * 16376);
        assert_int_equal(dlop_entropy_block(w.bytes, &dc_table, &ac_table, 0, &entropy, &block),
                         DLOP_ERR_INEXACT);
    }
}

/* Anything at all: no access out of bounds, and a status. */
static void random_bytes_are_safe(void **state)
{
    (void)state;
    u32 n_ok = 0;

    for (u32 test = 0; test < 3000; test++) {
        struct random_state random = random_start(random_seed() + test);
        u32 n = (u32)random_in(&random, 0, 300);
        u8 *bytes = guard_alloc(n);
        struct dlop_entropy entropy;
        struct dlop_coef_block block;

        if (test % 50 == 0)
            make_tables(&random);
        random_bytes(&random, bytes, n);
        dlop_entropy_init(&entropy, n);
        for (u32 b = 0; b < 100; b++) {
            if (dlop_entropy_block(bytes, &dc_table, &ac_table, b % 3, &entropy, &block) < 0)
                break;
            n_ok++;
        }
        assert_true(dlop_entropy_bits_left(&entropy) > -64 * 27 - 64);
        guard_free(bytes, n);
    }
    assert_in_range(n_ok, 100, 300000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_blocks_come_back),
        cmocka_unit_test(a_block_cut_anywhere_is_refused),
        cmocka_unit_test(runs_past_the_block_are_refused),
        cmocka_unit_test(illegal_symbols_are_refused),
        cmocka_unit_test(large_dc_is_refused),
        cmocka_unit_test(random_bytes_are_safe),
    };
    return cmocka_run_group_tests_name("kernel/entropy", tests, NULL, NULL);
}
