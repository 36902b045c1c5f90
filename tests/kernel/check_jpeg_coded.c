/* Kernel test: the CPU's JPEG steps for coded bytes (unstuffing, Huffman tables, runs of MCUs)
 * against hw/core, each level of replacements.
 *
 * Streams are made here from random Huffman tables: symbols are drawn until each block is full, so
 * every legal run, size and end occurs, long codes too. Damaged ones follow by flipped bits and cut
 * ends.
 */
#include "tests/kernel/kernel.h"

#include "hw/core/unstuff.h"
#include "tests/kernel/jpeg_levels.h"
#include "tests/kernel/jpeg_streams.h"

#define SLACK 64 /* behind unstuffed bytes */

/* ---- unstuffing ---- */

static void check_unstuff(struct random_state *random, const struct dlop_cpu_steps *steps,
                          const char *name, const u8 *scan, u32 n_bytes)
{
    u8 *expected = malloc((size_t)n_bytes + 1), *got = guard_alloc((size_t)n_bytes + SLACK);
    u32 position[2] = {0, 0}, next_rst[2] = {0, 0}, n_out[2] = {0, 0};
    s32 status[2];

    do {
        status[0] =
            dlop_unstuff_segment(scan, n_bytes, &position[0], &next_rst[0], expected, &n_out[0]);
        status[1] = steps->unstuff(scan, n_bytes, &position[1], &next_rst[1], got, &n_out[1]);
        if (status[0] != status[1])
            RANDOM_FAIL(random, "%s: status %d, expected %d", name, status[1], status[0]);
        if (status[0] < 0)
            break;
        if (position[0] != position[1] || next_rst[0] != next_rst[1] || n_out[0] != n_out[1] ||
            memcmp(expected, got, n_out[0]) != 0)
            RANDOM_FAIL(random, "%s: %u bytes to position %u, expected %u to %u", name, n_out[1],
                        position[1], n_out[0], position[0]);
    } while (status[0] == DLOP_OK);
    free(expected);
    guard_free(got, (size_t)n_bytes + SLACK);
}

/* Bytes with many 0xFF, most of them stuffed, some before a marker in its turn, few before
 * another. */
static u32 make_scan(struct random_state *random, u32 n_bytes, u8 *scan)
{
    u32 n = 0, next_rst = 0;
    s32 rarity = random_in(random, 1, 100);

    while (n + 2 <= n_bytes) {
        if (random_in(random, 0, rarity) != 0) {
            scan[n++] = (u8)random_in(random, 0, 254);
            continue;
        }
        scan[n++] = 0xff;
        switch (random_in(random, 0, 40)) {
        case 0:
            scan[n++] = (u8)random_u32(random);
            break;
        case 1:
        case 2:
            scan[n++] = (u8)(DLOP_RST0 + next_rst);
            next_rst = (next_rst + 1) & 7;
            break;
        default:
            scan[n++] = 0;
        }
    }
    return n;
}

static void check_unstuffing(struct random_state *random, const struct dlop_cpu_steps *steps,
                             const char *level)
{
    for (u32 i = 0; i < 4000; i++) {
        u32 room = (u32)random_in(random, 0, i % 10 ? 150 : 3000), n;
        u8 *scan = guard_alloc(room + DLOP_JPEG_PADDING_BYTES);

        random_bytes(random, scan, room + DLOP_JPEG_PADDING_BYTES);
        n = make_scan(random, room, scan);
        check_unstuff(random, steps, level, scan, n);
        if (n > 0) { /* and where it ends in 0xFF */
            scan[n - 1] = 0xff;
            check_unstuff(random, steps, level, scan, n);
        }
        guard_free(scan, room + DLOP_JPEG_PADDING_BYTES);
    }
}

static void unstuffing_equals_the_reference(void **state)
{
    (void)state;
    jpeg_check_levels(check_unstuffing);
}

/* ---- runs of MCUs ---- */

#define MAX_MCUS     24
#define N_CODE_PAIRS 3
#define PLANE_STRIDE (8 * MAX_MCUS)
#define PLANE_BYTES  ((size_t)PLANE_STRIDE * 8)

/* What a scan is made of, and what came out of it. */
struct coded_case {
    struct dlop_jpeg_huff dc[N_CODE_PAIRS], ac[N_CODE_PAIRS];
    u16 quant[64];
    u32 n_blocks, n_mcus;
    u32 component[DLOP_JPEG_MAX_BLOCKS_PER_MCU];
    u32 run_mcus[MAX_MCUS]; /* lengths of runs, kept and skipped in turn */
    struct writer stream;
    u32 n_bytes;
};

struct coded_result {
    int is_refused;
    u64 position_bits;
    s32 dc_pred[DLOP_JPEG_MAX_COMPONENTS];
    u8 plane[DLOP_JPEG_MAX_BLOCKS_PER_MCU][PLANE_BYTES];
};

static struct dlop_cpu_huff dc_tables[N_CODE_PAIRS], ac_tables[N_CODE_PAIRS];

static void build_tables(const struct dlop_cpu_steps *steps, const struct coded_case *c)
{
    for (u32 i = 0; i < N_CODE_PAIRS; i++) {
        assert_int_equal(steps->huff_build(&c->dc[i], DLOP_HUFF_DC, &dc_tables[i]), DLOP_OK);
        assert_int_equal(steps->huff_build(&c->ac[i], DLOP_HUFF_AC, &ac_tables[i]), DLOP_OK);
    }
}

/* Run over the case's MCUs with the tables that stand. */
static void run_case(const struct dlop_cpu_steps *steps, const struct coded_case *c,
                     struct coded_result *result)
{
    struct dlop_cpu_quant quant;
    struct dlop_cpu_scan scan = {.segment = c->stream.bytes,
                                 .n_segment_bytes = c->n_bytes,
                                 .limit = c->stream.bytes + c->n_bytes + 8,
                                 .n_blocks = c->n_blocks,
                                 .status = DLOP_OK};

    dlop_cpu_quant_init(steps, c->quant, &quant);
    dlop_cpu_bits_seek(&scan, 0);
    result->is_refused = 0;
    for (u32 mcu = 0, run = 0; mcu < c->n_mcus && !result->is_refused; run++) {
        int is_kept = run % 2 == 0;
        u32 n = c->run_mcus[run % MAX_MCUS], n_done;

        n = n < c->n_mcus - mcu ? n : c->n_mcus - mcu;
        for (u32 b = 0; b < c->n_blocks; b++)
            scan.block[b] = (struct dlop_cpu_block){.dc = &dc_tables[c->component[b]],
                                                    .ac = &ac_tables[c->component[b]],
                                                    .quant = &quant,
                                                    .samples = result->plane[b] + 8 * (size_t)mcu,
                                                    .stride_bytes = PLANE_STRIDE,
                                                    .step_bytes = 8,
                                                    .component = c->component[b]};
        n_done = (is_kept ? steps->decode_mcus : steps->skip_mcus)(&scan, n);
        result->position_bits = dlop_cpu_bits_position(&scan);
        result->is_refused =
            scan.status != DLOP_OK || n_done < n || result->position_bits > 8 * (u64)c->n_bytes;
        mcu += n;
    }
    memcpy(result->dc_pred, scan.dc_pred, sizeof result->dc_pred);
}

static void decode_case(const struct dlop_cpu_steps *steps, const struct coded_case *c,
                        struct coded_result *result)
{
    memset(result, 0, sizeof *result);
    build_tables(steps, c);
    run_case(steps, c, result);
}

static void make_case(struct random_state *random, int has_bad, struct coded_case *c)
{
    /* Large values are mostly refused, and say little about the rest. */
    int is_large = random_in(random, 0, 3) == 0;

    memset(c, 0, sizeof *c);
    for (u32 i = 0; i < N_CODE_PAIRS; i++) {
        struct symbol_limits dc = {.max_size = (u32)random_in(random, 0, is_large ? 11 : 6)};
        struct symbol_limits ac = {.max_size = (u32)random_in(random, 0, is_large ? 10 : 5),
                                   .min_run = random_in(random, 0, 3) ? 0 : 13,
                                   .has_bad = has_bad};

        make_table(random, DLOP_HUFF_DC, &dc, &c->dc[i]);
        make_table(random, DLOP_HUFF_AC, &ac, &c->ac[i]);
    }
    for (u32 i = 0; i < 64; i++)
        c->quant[i] = (u16)random_in(random, 1, i > 9 && is_large ? 40 : 3);
    c->n_blocks = (u32)random_in(random, 1, DLOP_JPEG_MAX_BLOCKS_PER_MCU);
    c->n_mcus = (u32)random_in(random, 1, MAX_MCUS);
    for (u32 i = 0; i < c->n_blocks; i++)
        c->component[i] = (u32)random_in(random, 0, N_CODE_PAIRS - 1);
    for (u32 i = 0; i < MAX_MCUS; i++)
        c->run_mcus[i] = (u32)random_in(random, 0, 9);
    c->run_mcus[0] = c->run_mcus[0] ? c->run_mcus[0] : 1;
    c->run_mcus[1] = c->run_mcus[1] ? c->run_mcus[1] : 1;
    for (u32 mcu = 0; mcu < c->n_mcus; mcu++)
        for (u32 b = 0; b < c->n_blocks; b++)
            put_block(random, &c->dc[c->component[b]], &c->ac[c->component[b]], &c->stream);
    c->n_bytes = (c->stream.n_bits + 7) / 8;
}

/* Blocks of few coefficients, each of which takes 20 bits or little less, and an end: what is read
 * between two refills is as much as it can be, and the values are not refused. */
static void make_heavy_case(struct random_state *random, struct coded_case *c)
{
    struct symbol_limits dc = {.max_size = 4}, ac = {.max_size = 10, .min_size = 9};

    memset(c, 0, sizeof *c);
    c->n_blocks = 1;
    c->n_mcus = MAX_MCUS;
    c->run_mcus[0] = c->run_mcus[1] = (u32)random_in(random, 1, MAX_MCUS);
    for (u32 i = 0; i < 64; i++)
        c->quant[i] = 1;
    for (u32 i = 0; i < N_CODE_PAIRS; i++) {
        make_table(random, DLOP_HUFF_DC, &dc, &c->dc[i]);
        make_table(random, DLOP_HUFF_AC, &ac, &c->ac[i]);
        c->ac[i].symbols[count_symbols(&c->ac[i]) - 1] = 0;
    }
    for (u32 mcu = 0; mcu < c->n_mcus; mcu++) {
        u32 k = 1, n_symbols = count_symbols(&c->ac[0]);

        put_symbol(random, &c->dc[0], &c->stream, 0, 15);
        for (s32 n = random_in(random, 0, 6); n > 0 && k < 48; n--) {
            u32 symbol = put_symbol(random, &c->ac[0], &c->stream, 0, 15);

            k = symbol == 0 ? 64 : k + (symbol >> 4) + 1;
        }
        if (k < 64)
            put_chosen(random, &c->ac[0], n_symbols - 1, &c->stream);
    }
    c->n_bytes = (c->stream.n_bits + 7) / 8;
}

static void damage(struct random_state *random, struct coded_case *c)
{
    s32 n_flips = random_in(random, 0, 1);

    for (s32 i = 0; i < n_flips; i++)
        c->stream.bytes[random_in(random, 0, (s32)c->n_bytes - 1)] ^=
            (u8)(1 << random_in(random, 0, 7));
    if (n_flips == 0 || random_in(random, 0, 3) == 0) {
        u32 n_bytes = (u32)random_in(random, 0, (s32)c->n_bytes);

        /* What follows a segment in memory is not defined to be zero. */
        random_bytes(random, c->stream.bytes + n_bytes, random_u32(random) % 100);
        c->n_bytes = n_bytes;
    }
}

/* A level refuses what the reference refuses, and else gives the same. */
static void compare_case(struct random_state *random, const struct dlop_cpu_steps *steps,
                         const char *name, const struct coded_case *c,
                         const struct coded_result *expected)
{
    static struct coded_result got;

    decode_case(steps, c, &got);
    if (got.is_refused != expected->is_refused)
        RANDOM_FAIL(random, "%s: refused %d, expected %d", name, got.is_refused,
                    expected->is_refused);
    if (got.is_refused)
        return;
    if (got.position_bits != expected->position_bits ||
        memcmp(got.dc_pred, expected->dc_pred, sizeof got.dc_pred) != 0)
        RANDOM_FAIL(random, "%s: ends at bit %llu, expected %llu", name,
                    (unsigned long long)got.position_bits,
                    (unsigned long long)expected->position_bits);
    for (u32 b = 0; b < c->n_blocks; b++)
        if (memcmp(got.plane[b], expected->plane[b], PLANE_BYTES) != 0)
            RANDOM_FAIL(random, "%s: samples of block %u differ", name, b);
}

enum coded_kind { CODED_SOUND, CODED_HEAVY, CODED_DAMAGED, CODED_ILLEGAL };

/* n_refused_out: cases that the reference refuses. */
static void run_cases(u32 n_cases, enum coded_kind kind, u32 *n_refused_out)
{
    static struct coded_case c;
    static struct coded_result expected;
    struct random_state random = random_start(random_seed());
    struct dlop_cpu_steps reference, steps;

    jpeg_level_steps(0, &reference);
    *n_refused_out = 0;
    for (u32 i = 0; i < n_cases; i++) {
        if (kind == CODED_HEAVY)
            make_heavy_case(&random, &c);
        else
            make_case(&random, kind == CODED_ILLEGAL, &c);
        if (kind == CODED_DAMAGED)
            damage(&random, &c);
        decode_case(&reference, &c, &expected);
        *n_refused_out += (u32)expected.is_refused;
        for (size_t level = 1; level < N_JPEG_LEVELS; level++)
            if (jpeg_level_steps(level, &steps))
                compare_case(&random, &steps, jpeg_levels[level].name, &c, &expected);
    }
}

static void sound_streams_equal_the_reference(void **state)
{
    u32 n_refused;
    (void)state;

    run_cases(1500, CODED_SOUND, &n_refused);
    /* Runs across a block's end are part of them. */
    assert_in_range(n_refused, 0, 1400);
}

static void streams_of_long_symbols_equal_the_reference(void **state)
{
    u32 n_refused;
    (void)state;

    run_cases(1500, CODED_HEAVY, &n_refused);
    assert_in_range(n_refused, 0, 750);
}

static void damaged_streams_equal_the_reference(void **state)
{
    u32 n_refused;
    (void)state;

    run_cases(3000, CODED_DAMAGED, &n_refused);
    assert_in_range(n_refused, 100, 2900);
}

static void tables_with_illegal_symbols_equal_the_reference(void **state)
{
    u32 n_refused;
    (void)state;

    run_cases(1000, CODED_ILLEGAL, &n_refused);
    assert_in_range(n_refused, 100, 1000);
}

/* Code lengths that are no prefix-free code. */
static void bad_tables_are_refused_alike(void **state)
{
    static struct dlop_cpu_huff huff;
    static struct dlop_huff_table core;
    struct random_state random = random_start(random_seed());
    u32 n_refused = 0;
    (void)state;

    for (u32 i = 0; i < 3000; i++) {
        struct dlop_jpeg_huff dht;
        u32 huff_class = i % 2 ? DLOP_HUFF_AC : DLOP_HUFF_DC;
        struct symbol_limits limits = {.has_bad = 1};
        s32 expected;

        make_table(&random, huff_class, &limits, &dht);
        if (random_in(&random, 0, 1))
            dht.n_codes[random_in(&random, 0, 15)] = (u8)random_u32(&random);
        if (random_in(&random, 0, 3) == 0)
            dht.symbols[0] = (u8)random_u32(&random);
        expected = dlop_huff_build(&dht, huff_class, &core);
        n_refused += expected != DLOP_OK;
        for (size_t level = 0; level < N_JPEG_LEVELS; level++) {
            struct dlop_cpu_steps steps;

            if (jpeg_level_steps(level, &steps) &&
                steps.huff_build(&dht, huff_class, &huff) != expected)
                RANDOM_FAIL(&random, "%s: table %u is not judged alike", jpeg_levels[level].name,
                            i);
        }
    }
    assert_in_range(n_refused, 500, 2500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unstuffing_equals_the_reference),
        cmocka_unit_test(sound_streams_equal_the_reference),
        cmocka_unit_test(streams_of_long_symbols_equal_the_reference),
        cmocka_unit_test(damaged_streams_equal_the_reference),
        cmocka_unit_test(tables_with_illegal_symbols_equal_the_reference),
        cmocka_unit_test(bad_tables_are_refused_alike),
    };

    return cmocka_run_group_tests_name("kernel/check_jpeg_coded", tests, NULL, NULL);
}
