/* Cycle model: every formula by hand, monotony, the figures that others published. */
#include "tests/sim/timing_unit.h"

#include "tests/kernel/random.h"

static u64 stage_of(const struct dlop_timing_work *work, const struct dlop_timing_engine *engine,
                    u32 stage)
{
    return predict(work, engine).stage[stage];
}

/* ---- stages by hand ---- */

static void memory_ports(void **state)
{
    (void)state;
    struct dlop_timing_engine engine = unit;
    struct dlop_timing_work work = {.read_bytes = 129, .write_bytes = 128};

    engine.bus_bytes = 64;
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_FETCH), 3);
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_STORE), 2);
}

static void tables_and_unstuffing(void **state)
{
    (void)state;
    struct dlop_timing_engine engine = unit;
    struct dlop_timing_work work = {.counts = {.table_entries = 4096, .fetched_bytes = 1001}};

    engine.table_clocks = 1296;
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_TABLES), 5184);
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_UNSTUFF), 1001);
    engine.unstuff_bytes = 2;
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_UNSTUFF), 501);
}

/* 1,000 symbols, of them 30 over 9 bits and 4 over 10, 50 wide ones; 7 codes of 9 bits. */
static void entropy(void **state)
{
    (void)state;
    struct dlop_timing_engine engine = unit;
    struct dlop_timing_work work = {
        .counts = {.symbols = 1000, .long_symbols = 4, .blocks_parsed = 20},
        .wide_symbols = 50,
        .symbols_by_code_bits = {[5] = 963, [9] = 7, [10] = 26, [11] = 3, [16] = 1}};

    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_ENTROPY), 1000);
    engine.long_turns = 1;
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_ENTROPY), 1004);
    engine.lookup_bits = 9;
    engine.long_turns = 4;
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_ENTROPY), 1120);
    engine.wide_turns = 1;
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_ENTROPY), 1170);
    engine.block_clocks = 2;
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_ENTROPY), 1210);
    /* core_jpeg: three clocks per symbol, two per block. */
    engine = unit;
    engine.symbol_clocks = 3;
    engine.block_clocks = 2;
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_ENTROPY), 3040);
}

/* A loop of four clocks: alone 4 each, three contexts hide three of them, four or more all. */
static void contexts_hide_the_loop(void **state)
{
    (void)state;
    struct dlop_timing_engine engine = unit;
    struct dlop_timing_work work = {.counts = {.symbols = 1000}};
    static const u32 want[6] = {4000, 2000, 1334, 1000, 1000, 1000};

    engine.symbol_clocks = 4;
    for (u32 k = 1; k <= 6; k++) {
        engine.contexts = k;
        assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_ENTROPY), want[k - 1]);
    }
}

/* Blocks of 2, 8 and 20 symbols, 10 of each: only the short ones wait, 6 clocks each. */
static void hand_over_waits_for_short_blocks(void **state)
{
    (void)state;
    struct dlop_timing_engine engine = unit;
    struct dlop_timing_work work = {
        .counts = {.symbols = 300, .blocks_parsed = 30, .blocks_transformed = 30},
        .blocks_by_symbols = {[2] = 10, [8] = 10, [20] = 10}};

    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_HAND_OVER), 360);
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_IDCT), 240);
    assert_int_equal(predict(&work, &engine).binding, DLOP_TIMING_ENTROPY);
    assert_int_equal(predict(&work, &engine).total, 360);
    /* Two clocks per symbol: 4, 16 and 40 clocks; the short ones wait for 4 of 8. */
    engine.symbol_clocks = 2;
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_HAND_OVER), 640);
    /* A slow transform: 66 - 2, 66 - 8, 66 - 20 clocks of waiting. */
    engine = unit;
    engine.idct_clocks = 66;
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_HAND_OVER), 300 + 640 + 580 + 460);
    assert_int_equal(predict(&work, &engine).binding, DLOP_TIMING_IDCT);
}

/* 10 rows of 100 pixels to 30 outputs of 5 taps. */
static void axes(void **state)
{
    (void)state;
    struct dlop_timing_engine engine = unit;
    struct dlop_timing_work work = {.x = {10, 1000, {1500, 900, 600, 300, 300}},
                                    .y = {10, 300, {1200, 600, 301, 300, 300}}};

    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_X_AXIS), 1500);
    engine.x_taps_log2 = 2;
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_X_AXIS), 1000); /* reading binds */
    engine.x_px = 4;
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_X_AXIS), 600);
    engine.x_outputs = 2;
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_X_AXIS), 300);
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_Y_AXIS), 1200);
    engine.y_taps_log2 = 2;
    engine.y_px = 2;
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_Y_AXIS), 151);
}

static void colour_and_pack(void **state)
{
    (void)state;
    struct dlop_timing_engine engine = unit;
    struct dlop_timing_work work = {.counts = {.source_px = 1001}, .out_px = 50};

    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_COLOUR), 1001);
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_PACK), 50);
    engine.colour_px = 4;
    engine.pack_px = 3;
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_COLOUR), 251);
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_PACK), 17);
}

/* 4 rows of MCUs in 400 clocks, 10 rows of 30 clocks in the horizontal pass, three of them before
 * the first output; 1,000 clocks of launch for 10 jobs. */
static void fill_and_launch(void **state)
{
    (void)state;
    struct dlop_timing_engine engine = unit;
    struct dlop_timing_work work = {
        .counts = {.symbols = 400}, .n_mcu_rows = 4, .x = {10, 300, {300, 300, 300, 300, 300}}};

    engine.fill_rows = 3;
    engine.launch_clocks = 1001;
    engine.jobs_per_launch = 10;
    engine.drains = 1;
    assert_int_equal(predict(&work, &engine).fill, 190);
    assert_int_equal(predict(&work, &engine).launch, 101);
    assert_int_equal(predict(&work, &engine).total, 400 + 190 + 101);
    engine.drains = 0;
    assert_int_equal(predict(&work, &engine).total, 400 + 19 + 101);
}

static void nothing_to_do_takes_no_time(void **state)
{
    (void)state;
    struct dlop_timing_work work = {0};

    assert_int_equal(predict(&work, &unit).total, 0);
}

/* 10 bytes of scan and 100 of records; a table; 50 symbols; 10 blocks; 128 source pixels; 30
 * outputs of 91 taps in all in the first pass, 20 of 2 in the second; 20 pixels, 240 bytes out. */
static void loops_as_written(void **state)
{
    (void)state;
    struct dlop_timing_engine engine = unit;
    struct dlop_timing_work work = {.counts = {.fetched_bytes = 10,
                                               .table_entries = 1024,
                                               .symbols = 50,
                                               .blocks_transformed = 10,
                                               .upsampled_samples = 384,
                                               .source_px = 128,
                                               .x_multiply_adds = 91,
                                               .x_outputs = 30,
                                               .y_multiply_adds = 40,
                                               .y_outputs = 20,
                                               .packed_elements = 60},
                                    .read_bytes = 110,
                                    .write_bytes = 240,
                                    .out_px = 20};
    static const u64 want[DLOP_TIMING_STAGE_COUNT] = {100, 70,  20,  50, 50, 640,
                                                      768, 121, 240, 80, 240};
    struct dlop_timing_cycles cycles;

    engine.is_as_written = 1;
    engine.table_clocks = 70;
    cycles = predict(&work, &engine);
    for (u32 i = 0; i < DLOP_TIMING_STAGE_COUNT; i++)
        assert_int_equal(cycles.stage[i], want[i]);
    assert_int_equal(cycles.total, 768); /* paint */
    work.counts.source_px = 10;
    assert_int_equal(predict(&work, &engine).total, 710); /* tables, then blocks */
    work.counts.blocks_transformed = 0;
    assert_int_equal(predict(&work, &engine).total, 480); /* y pass, then writing */
    work.write_bytes = 0;
    assert_int_equal(predict(&work, &engine).total, 320); /* y pass, then fill and pack */
    work.counts.x_outputs = 100;
    assert_int_equal(predict(&work, &engine).total, 400); /* writing the first pass */
    work.counts.fetched_bytes = 1000;
    work.read_bytes = 1110;
    assert_int_equal(predict(&work, &engine).total, 2070);
    work.read_bytes = 6110;
    assert_int_equal(predict(&work, &engine).total, 5110);
}

/* Each process at the pace of its slowest stage, one after the other. */
static void processes_in_series(void **state)
{
    (void)state;
    struct dlop_timing_engine engine = unit;
    struct dlop_timing_work work = {
        .counts = {.table_entries = 2048, .fetched_bytes = 500, .symbols = 700, .source_px = 90},
        .read_bytes = 1000,
        .write_bytes = 40,
        .x = {1, 80, {70, 0, 0, 0, 0}},
        .y = {1, 1, {30, 0, 0, 0, 0}}};

    assert_int_equal(predict(&work, &engine).total, 1000);
    engine.is_serial = 1;
    assert_int_equal(predict(&work, &engine).total, 1000 + 2 + 700 + 90 + 40);
    work.y.steps[0] = 60;
    work.x.steps[0] = 100;
    work.counts.fetched_bytes = 800;
    assert_int_equal(predict(&work, &engine).total, 1000 + 2 + 800 + 100 + 60);
}

/* 100 pixels of 3 channels to f32: 300 bytes in, 1,200 out. */
static void tensor_jobs(void **state)
{
    (void)state;
    struct dlop_timing_engine engine = unit;
    struct dlop_timing_work work = {
        .counts = {.source_px = 100, .packed_elements = 300, .written_bytes = 1200},
        .source_bytes = 300,
        .read_bytes = 428,
        .write_bytes = 1200,
        .out_px = 100};

    assert_int_equal(predict(&work, &engine).total, 1200);
    assert_int_equal(predict(&work, &engine).binding, DLOP_TIMING_STORE);
    engine.bus_bytes = 64;
    assert_int_equal(predict(&work, &engine).total, 100);
    engine.is_as_written = 1;
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_FETCH), 128);
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_COLOUR), 400);
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_PACK), 300);
    assert_int_equal(predict(&work, &engine).total, 1200);
    work.counts.x_outputs = 100; /* PIXELS: to the row on chip, too; fill before pack */
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_COLOUR), 800);
    assert_int_equal(stage_of(&work, &engine, DLOP_TIMING_PACK), 400);
}

/* ---- waves ---- */

/* Streams of 5, 9 and 4 symbols in the first step, of 7 and 2 in the second. */
static void a_wave_goes_at_the_pace_of_its_busiest_stream(void **state)
{
    (void)state;
    u16 a[] = {5, 7, 1}, b[] = {9, 2}, c[] = {4};
    struct dlop_timing_stream streams[] = {{a, 3}, {b, 2}, {c, 1}};
    struct dlop_timing_engine engine = unit;
    struct dlop_timing_work work[3] = {{.counts = {.symbols = 13, .fetched_bytes = 10}},
                                       {.counts = {.symbols = 11, .fetched_bytes = 7}},
                                       {.counts = {.symbols = 4, .long_symbols = 1}}};
    struct dlop_timing_cycles cycles;

    assert_int_equal(dlop_timing_rounds(streams, 3), 9 + 7 + 1);
    assert_int_equal(dlop_timing_rounds(streams, 0), 0);
    engine.contexts = 3;
    engine.long_turns = 2;
    dlop_timing_predict_wave(work, 3, 17, &engine, &cycles);
    assert_int_equal(cycles.stage[DLOP_TIMING_ENTROPY], 3 * 17 + 2);
    assert_int_equal(cycles.stage[DLOP_TIMING_HAND_OVER], 3 * 17 + 2);
    assert_int_equal(cycles.stage[DLOP_TIMING_UNSTUFF], 17);
    assert_int_equal(cycles.total, 53);
    engine.symbol_clocks = 5;
    dlop_timing_predict_wave(work, 3, 17, &engine, &cycles);
    assert_in_range(cycles.stage[DLOP_TIMING_ENTROPY], 5 * 17 + 2, 5 * 17 + 4);
}

/* Equal streams lose nothing. */
static void a_balanced_wave_equals_its_jobs(void **state)
{
    (void)state;
    u16 symbols[] = {90, 80, 70};
    struct dlop_timing_stream streams[4];
    struct dlop_timing_engine engine = unit;
    struct dlop_timing_work work[4];
    struct dlop_timing_cycles wave;

    engine.contexts = 4;
    engine.symbol_clocks = 4;
    for (u32 i = 0; i < 4; i++) {
        streams[i] = (struct dlop_timing_stream){symbols, 3};
        work[i] = (struct dlop_timing_work){
            .counts = {.symbols = 240, .blocks_parsed = 30, .blocks_transformed = 30},
            .blocks_by_symbols = {[4] = 15, [12] = 15}};
    }
    dlop_timing_predict_wave(work, 4, dlop_timing_rounds(streams, 4), &engine, &wave);
    for (u32 i = 0; i < DLOP_TIMING_STAGE_COUNT; i++)
        assert_int_equal(wave.stage[i], 4 * stage_of(&work[0], &engine, i));
    assert_int_equal(wave.total, 4 * predict(&work[0], &engine).total);
}

/* ---- monotony ---- */

static void random_work(struct random_state *random, struct dlop_timing_work *work)
{
    *work = (struct dlop_timing_work){.n_mcu_rows = 1 + random_u32(random) % 60};
    for (u32 s = 2; s < DLOP_TIMING_BLOCK_SYMBOLS; s++) {
        u64 n = random_u32(random) % 100;
        work->blocks_by_symbols[s] = n;
        work->counts.blocks_transformed += n;
        work->counts.symbols += s * n;
    }
    work->counts.blocks_parsed = work->counts.blocks_transformed + random_u32(random) % 1000;
    work->counts.symbols += random_u32(random) % 20000;
    work->counts.long_symbols = random_u32(random) % 500;
    work->counts.table_entries = 1024 * (random_u32(random) % 7);
    work->counts.fetched_bytes = random_u32(random) % 200000;
    work->counts.source_px = random_u32(random) % 200000;
    work->read_bytes = work->counts.fetched_bytes + 4000;
    work->write_bytes = random_u32(random) % 700000;
    work->out_px = random_u32(random) % 60000;
    work->x = (struct dlop_timing_pass){.rows = 1 + random_u32(random) % 400,
                                        .inputs = random_u32(random) % 200000};
    work->y = work->x;
    for (u32 i = 0; i < DLOP_TIMING_TAP_WIDTHS; i++)
        work->x.steps[i] = work->y.steps[i] = (random_u32(random) % 200000) >> i;
}

/* More of any kind of work never takes less time. */
static void more_work_takes_no_less_time(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (u32 i = 0; i < 2000; i++) {
        const struct dlop_timing_engine *engine =
            dlop_timing_engine_at(i % DLOP_TIMING_ENGINE_COUNT);
        struct dlop_timing_work work, more;
        u64 *grown[] = {&more.counts.fetched_bytes,
                        &more.counts.table_entries,
                        &more.counts.long_symbols,
                        &more.counts.blocks_parsed,
                        &more.counts.source_px,
                        &more.read_bytes,
                        &more.write_bytes,
                        &more.out_px,
                        &more.x.inputs,
                        &more.x.steps[engine->x_taps_log2],
                        &more.y.steps[engine->y_taps_log2]};
        size_t which = random_u32(&random) % (sizeof grown / sizeof grown[0]);

        random_work(&random, &work);
        more = work;
        u32 growth = random_u32(&random) % 1000000;
        *grown[which] += growth;
        if (which == 0) /* bytes of a scan are read as well */
            more.read_bytes += growth;
        if (predict(&more, engine).total < predict(&work, engine).total)
            RANDOM_FAIL(&random, "case %u: field %zu", i, which);
    }
}

/* A wider engine never takes longer, but for the rounding of the fill. */
static void wider_engines_take_no_more_time(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (u32 i = 0; i < 2000; i++) {
        struct dlop_timing_engine narrow = *dlop_timing_engine_at(DLOP_TIMING_PLANNED), wide;
        u32 *widened[] = {&wide.bus_bytes, &wide.unstuff_bytes, &wide.contexts,
                          &wide.colour_px, &wide.x_px,          &wide.x_outputs,
                          &wide.y_px,      &wide.pack_px,       &wide.jobs_per_launch};
        struct dlop_timing_work work;

        random_work(&random, &work);
        narrow.contexts = 1;
        narrow.symbol_clocks = 4;
        wide = narrow;
        *widened[random_u32(&random) % (sizeof widened / sizeof widened[0])] *= 2;
        if (predict(&work, &wide).total > predict(&work, &narrow).total)
            RANDOM_FAIL(&random, "case %u", i);
        wide = narrow;
        wide.symbol_clocks--;
        if (predict(&work, &wide).total > predict(&work, &narrow).total)
            RANDOM_FAIL(&random, "case %u: a shorter loop", i);
    }
}

/* ---- what others published ---- */

/* Vitis codec L1: 2,288 images/s at 270 MHz are 118.0 k clocks for a file of 76.1 KB (1.55 clocks
 * per byte), L2: 1,148 images/s at 243 MHz, 211.7 k clocks. Our estimate from bytes alone must be
 * within the spread of photographs, 1.39 to 1.55 clocks per byte. */
static void bytes_alone_bracket_the_published_decoder(void **state)
{
    (void)state;
    u64 bytes = 118000 * 100 / 155;

    assert_in_range(dlop_timing_entropy_of_bytes(bytes), 118000 * 139 / 155, 118000);
    assert_int_equal(dlop_timing_entropy_of_bytes(0), 0);
    assert_int_equal(dlop_timing_entropy_of_bytes(100), 143);
}

/* The same two figures from counts: a picture of 512 x 512 in 4:2:0 has 6,144 blocks; at 1.38
 * symbols per byte (photographs: 1.30 to 1.48) both decoders come out within 12 %. */
static void counts_bracket_the_published_decoders(void **state)
{
    (void)state;
    u64 symbols = 76129 * 138 / 100;
    struct dlop_timing_work work = {
        .counts = {.symbols = symbols, .blocks_parsed = 6144, .blocks_transformed = 6144},
        .wide_symbols = symbols * 2 / 1000,
        .symbols_by_code_bits = {[6] = symbols - symbols * 8 / 1000, [11] = symbols * 8 / 1000}};

    work.blocks_by_symbols[symbols / 6144] = 6144;
    assert_in_range(predict(&work, dlop_timing_engine_at(DLOP_TIMING_VITIS_L1)).total,
                    118000 * 88 / 100, 118000 * 112 / 100);
    assert_in_range(predict(&work, dlop_timing_engine_at(DLOP_TIMING_VITIS_L2)).total,
                    211700 * 88 / 100, 211700 * 112 / 100);
    /* core_jpeg: its transform of 66 clocks binds. */
    assert_in_range(predict(&work, dlop_timing_engine_at(DLOP_TIMING_CORE_JPEG)).total, 66 * 6144,
                    66 * 6144 * 11 / 10);
    assert_int_equal(predict(&work, dlop_timing_engine_at(DLOP_TIMING_CORE_JPEG)).binding,
                     DLOP_TIMING_IDCT);
}

/* ---- one job for a virtual clock ---- */

static void job_cycles_from_counts_alone(void **state)
{
    (void)state;
    struct dlop_job job = {.kind = DLOP_JOB_JPEG,
                           .out_channels = 3,
                           .roi_width_px = 40,
                           .roi_height_px = 30,
                           .out_width_px = 20,
                           .out_height_px = 10};
    struct dlop_top_counts counts = {.symbols = 100, .blocks_parsed = 10};

    assert_int_equal(dlop_timing_job_cycles(&job, &counts, &unit), 100);
    counts.written_bytes = 600;
    assert_int_equal(dlop_timing_job_cycles(&job, &counts, &unit), 600);
    counts.x_outputs = 600; /* 30 rows of 40 pixels are read */
    assert_int_equal(dlop_timing_job_cycles(&job, &counts, &unit), 1200);
    job.pass_order = DLOP_PASS_Y_FIRST; /* 10 rows of them */
    assert_int_equal(dlop_timing_job_cycles(&job, &counts, &unit), 600);
    counts.y_multiply_adds = 1900;
    assert_int_equal(dlop_timing_job_cycles(&job, &counts, &unit), 1900);
    counts.packed_elements = 6003;
    assert_int_equal(dlop_timing_job_cycles(&job, &counts, &unit), 2001);
    job.kind = DLOP_JOB_PIXELS;
    job.src_channels = 3;
    counts.source_px = 1000;
    assert_int_equal(dlop_timing_job_cycles(&job, &counts, &unit), 3000);
    /* A refused job took nothing. */
    memset(&counts, 0, sizeof counts);
    memset(&job, 0, sizeof job);
    assert_int_equal(dlop_timing_job_cycles(&job, &counts, &unit), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_ports),
        cmocka_unit_test(tables_and_unstuffing),
        cmocka_unit_test(entropy),
        cmocka_unit_test(contexts_hide_the_loop),
        cmocka_unit_test(hand_over_waits_for_short_blocks),
        cmocka_unit_test(axes),
        cmocka_unit_test(colour_and_pack),
        cmocka_unit_test(fill_and_launch),
        cmocka_unit_test(nothing_to_do_takes_no_time),
        cmocka_unit_test(loops_as_written),
        cmocka_unit_test(processes_in_series),
        cmocka_unit_test(tensor_jobs),
        cmocka_unit_test(a_wave_goes_at_the_pace_of_its_busiest_stream),
        cmocka_unit_test(a_balanced_wave_equals_its_jobs),
        cmocka_unit_test(more_work_takes_no_less_time),
        cmocka_unit_test(wider_engines_take_no_more_time),
        cmocka_unit_test(bytes_alone_bracket_the_published_decoder),
        cmocka_unit_test(counts_bracket_the_published_decoders),
        cmocka_unit_test(job_cycles_from_counts_alone),
    };

    return cmocka_run_group_tests_name("sim/timing", tests, NULL, NULL);
}
