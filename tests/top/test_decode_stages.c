/* Stages of the image kernel up to the planes, each one alone with random data, against the steps
 * of hw/core that they are made of and against plain loops. */
#include "tests/kernel/kernel.h"

#include "hw/top/decode.h"
#include "tests/top/bench.h"

#define N_STREAMS DLOP_TOP_CONTEXTS

/* ---- fetch ---- */

#define SCAN_BYTES 3300

static u32 stuff_segment(struct random_state *random, u8 *bytes, u32 n_data)
{
    u32 n = 0, one_in = random_u32(random) % 4 ? 4 : 1; /* bytes to be stuffed */

    while (n_data--) {
        u8 byte = random_u32(random) % one_in ? (u8)random_u32(random) : 0xff;

        bytes[n++] = byte;
        if (byte == 0xff)
            bytes[n++] = 0;
    }
    return n;
}

/* A scan of segments, the last RST of which may be wrong and the last byte of which may be missing.
 */
static u32 random_scan(struct random_state *random, u8 *bytes, u32 n_segments)
{
    u32 n = 0, fault = random_u32(random) % 8;

    for (u32 i = 0; i < n_segments; i++) {
        n += stuff_segment(random, bytes + n, (u32)random_in(random, 0, 400));
        if (i + 1 == n_segments)
            break;
        bytes[n++] = 0xff;
        bytes[n++] = (u8)(0xd0 + (i + (fault == 1 && i + 2 == n_segments)) % 8);
    }
    if (fault == 0)
        bytes[n++] = 0xff;
    return n;
}

/* One stream's segments by the reference. */
struct expected_stream {
    u8 bytes[SCAN_BYTES];
    u32 n_bytes, n_ends;
    s32 status;
};

static void expect_stream(const u8 *scan, u32 n_scan, u32 n_segments, struct expected_stream *out)
{
    u32 position = 0, next_rst = 0, n;
    s32 end = DLOP_OK;

    memset(out, 0, sizeof *out);
    for (u32 i = 0; i < n_segments && out->status == DLOP_OK; i++) {
        if (end == DLOP_END) {
            out->status = DLOP_ERR_TRUNCATED;
            return;
        }
        end =
            dlop_unstuff_segment(scan, n_scan, &position, &next_rst, out->bytes + out->n_bytes, &n);
        if (end < 0) {
            out->status = end;
            return;
        }
        out->n_bytes += n;
        out->n_ends++;
    }
}

static void chunks_are_the_unstuffed_segments(void **state)
{
    (void)state;
    static u8 in[N_STREAMS][SCAN_BYTES], got[N_STREAMS][SCAN_BYTES];
    static struct expected_stream expected[N_STREAMS];

    for (u32 n = 0; n < 2000; n++) {
        struct random_state random = random_start(random_seed() + n);
        struct dlop_top_fetch fetches[N_STREAMS];
        struct dlop_top_chunk chunk[N_STREAMS];
        u8 lines[N_STREAMS * DLOP_TOP_LINE_BYTES], chunks[N_STREAMS * DLOP_TOP_CHUNK_BYTES];
        u32 n_got[N_STREAMS] = {0}, n_ends[N_STREAMS] = {0}, n_seen[N_STREAMS] = {0};
        u32 n_steps = 0;

        for (u32 i = 0; i < N_STREAMS; i++) {
            u32 n_segments = (u32)random_in(&random, 0, 4);
            u32 n_bytes = random_scan(&random, in[i], n_segments ? n_segments : 1);
            u64 at = (u64)i * SCAN_BYTES;

            n_segments += n_segments && random_u32(&random) % 8 == 0;
            expect_stream(in[i], n_bytes, n_segments, &expected[i]);
            dlop_top_fetch_init(&fetches[i], at, at + n_bytes, n_segments);
            n_steps = dlop_max_u32(n_steps, dlop_top_fetch_max_steps(&fetches[i]));
        }
        for (u32 step = 0; step < n_steps; step++) {
            dlop_top_fetch_step(&in[0][0], fetches, lines, chunks, chunk);
            for (u32 i = 0; i < N_STREAMS; i++) {
                /* Full, or a segment's last one, or nothing. */
                if (!chunk[i].is_last && chunk[i].n_bytes)
                    assert_int_equal(chunk[i].n_bytes, DLOP_TOP_CHUNK_BYTES);
                memcpy(got[i] + n_got[i], chunks + i * DLOP_TOP_CHUNK_BYTES, chunk[i].n_bytes);
                n_got[i] += chunk[i].n_bytes;
                n_ends[i] += chunk[i].is_last;
                if (chunk[i].is_last)
                    n_seen[i] = n_got[i];
            }
        }
        for (u32 i = 0; i < N_STREAMS; i++)
            if (fetches[i].status != expected[i].status || n_ends[i] != expected[i].n_ends ||
                n_seen[i] != expected[i].n_bytes || memcmp(got[i], expected[i].bytes, n_seen[i]))
                RANDOM_FAIL(&random, "stream %u: status %d, %u segments, %u bytes; not %d, %u, %u",
                            i, fetches[i].status, n_ends[i], n_seen[i], expected[i].status,
                            expected[i].n_ends, expected[i].n_bytes);
    }
}

/* ---- order of blocks ---- */

static const struct bench_picture pictures[] = {
    {70, 50, 3, 2, 2, 0, 0}, {40, 90, 3, 1, 1, 0, 0}, {24, 40, 1, 2, 2, 0, 0},
    {61, 31, 3, 2, 1, 0, 1}, {33, 70, 3, 2, 2, 0, 1}, {16, 50, 3, 1, 2, 0, 0},
};
#define N_PICTURES (sizeof pictures / sizeof pictures[0])

/* A checked job over a random region of a picture whose file is in bench_in. */
static void open_slot(struct random_state *random, const struct bench_picture *picture,
                      struct dlop_top_job *slot)
{
    struct dlop_job *job = &slot->job;

    *job = bench_job(DLOP_JOB_JPEG, picture->width, picture->height, picture->n_components);
    job->in_offset = bench_jpeg(picture);
    job->roi_x_px = (u32)random_in(random, 0, (s32)picture->width - 1);
    job->roi_y_px = (u32)random_in(random, 0, (s32)picture->height - 1);
    job->roi_width_px = (u32)random_in(random, 1, (s32)(picture->width - job->roi_x_px));
    job->roi_height_px = (u32)random_in(random, 1, (s32)(picture->height - job->roi_y_px));
    job->out_width_px = job->out_height_px = 1;
    dlop_top_read_frame(bench_in, job->in_offset, &slot->frame);
    assert_int_equal(dlop_frame_check(&slot->frame, BENCH_IN_BYTES - job->in_offset), DLOP_OK);
    dlop_top_place(slot, 0);
    slot->status = DLOP_OK;
}

/* Each needed block is named once, at the place of its samples; MCUs end where they should. */
static void walk_names_every_needed_block(const struct dlop_top_job *slot,
                                          const struct dlop_jpeg_scan *scan)
{
    struct dlop_top_walk walk;
    u32 n_mcus = dlop_decode_n_mcus(&slot->geometry, &slot->range, scan);
    u32 is_single = scan->n_components == 1;

    dlop_top_walk_init(slot, scan, &walk);
    for (u32 mcu = 0; mcu < n_mcus; mcu++) {
        assert_int_equal(walk.n_mcus_left, n_mcus - mcu);
        for (u32 i = 0; i < scan->n_components; i++) {
            u32 component = scan->component[i];
            const struct dlop_component_geometry *c = &slot->geometry.component[component];
            u32 h = is_single ? 1 : c->blocks_x, v = is_single ? 1 : c->blocks_y;
            u32 across = is_single ? c->width_blocks : slot->geometry.mcus_x;

            for (u32 b = 0; b < h * v; b++) {
                u32 x = mcu % across * h + b % h, y = mcu / across * v + b / h;
                const struct dlop_mcu_range *range = &slot->range;
                s32 is_needed = x / c->blocks_x >= range->x_begin &&
                                x / c->blocks_x < range->x_end &&
                                y / c->blocks_y >= range->y_begin && y / c->blocks_y < range->y_end;
                const struct dlop_top_plane *plane = &slot->plane[component];

                assert_int_equal(walk.entry, i);
                assert_int_equal(dlop_top_walk_is_needed(&walk), is_needed);
                if (is_needed)
                    assert_int_equal(dlop_top_walk_at(&walk),
                                     plane->at + (8 * y - plane->first_y) * plane->pitch_samples +
                                         8 * x - plane->first_x);
                assert_int_equal(dlop_top_walk_step(&walk),
                                 b + 1 == h * v && i + 1 == scan->n_components);
            }
        }
    }
    assert_int_equal(walk.n_mcus_left, 0);
}

static void walks_name_every_needed_block(void **state)
{
    (void)state;
    static struct dlop_top_job slot;

    for (u32 n = 0; n < 300; n++) {
        struct random_state random = random_start(random_seed() + n);

        bench_start();
        open_slot(&random, &pictures[n % N_PICTURES], &slot);
        for (u32 s = 0; s < slot.frame.n_scans; s++)
            walk_names_every_needed_block(&slot, &slot.frame.scan[s]);
    }
}

/* ---- entropy, hand-over ---- */

struct stream {
    u8 bytes[1u << 16];
    u32 n_bytes, at; /* at: fed so far */
    struct dlop_entropy entropy;
    struct dlop_top_walk walk;
};

static struct dlop_top_job wave[N_STREAMS];
static struct stream streams[N_STREAMS];
static struct dlop_top_context contexts[N_STREAMS];
static struct dlop_top_tables tables;

/* The first scan of four pictures, unstuffed by the reference. */
static void open_streams(struct random_state *random, u32 n)
{
    bench_start();
    for (u32 i = 0; i < N_STREAMS; i++) {
        struct dlop_top_counts counts = {0};
        const struct dlop_jpeg_scan *scan = &wave[i].frame.scan[0];
        u32 position = 0, next_rst = 0;

        open_slot(random, &pictures[(n + i) % N_PICTURES], &wave[i]);
        assert_int_equal(dlop_unstuff_segment(bench_in + wave[i].job.in_offset + scan->begin_bytes,
                                              scan->end_bytes - scan->begin_bytes, &position,
                                              &next_rst, streams[i].bytes, &streams[i].n_bytes),
                         DLOP_END);
        if (random_u32(random) % 4 == 0)
            streams[i].n_bytes = random_u32(random) % streams[i].n_bytes;
        streams[i].at = 0;
        assert_int_equal(dlop_top_build_tables(&wave[i].frame, scan, i, &tables, &counts), DLOP_OK);
        dlop_top_walk_init(&wave[i], scan, &streams[i].walk);
        contexts[i].walk = streams[i].walk;
        dlop_top_context_init(&contexts[i], 0);
        dlop_entropy_init(&streams[i].entropy, streams[i].n_bytes);
    }
}

/* The stream's next needed block by the reference, or why there is none. */
static s32 next_needed(u32 i, struct dlop_coef_block *block_out)
{
    struct stream *stream = &streams[i];

    while (stream->walk.n_mcus_left) {
        u32 entry = stream->walk.entry, table = i * DLOP_TOP_TABLES + 2 * entry;
        s32 is_needed = dlop_top_walk_is_needed(&stream->walk);
        s32 status = dlop_entropy_block(stream->bytes, &tables.huff[table], &tables.huff[table + 1],
                                        entry, &stream->entropy, block_out);

        if (status != DLOP_OK)
            return status;
        dlop_top_walk_step(&stream->walk);
        if (is_needed)
            return DLOP_OK;
    }
    return DLOP_END;
}

static void feed(u8 *chunks, struct dlop_top_chunk *chunk)
{
    for (u32 i = 0; i < N_STREAMS; i++) {
        u32 n_left = streams[i].n_bytes - streams[i].at;

        chunk[i].n_bytes = dlop_min_u32(n_left, DLOP_TOP_CHUNK_BYTES);
        chunk[i].is_last = n_left < DLOP_TOP_CHUNK_BYTES;
        memcpy(chunks + i * DLOP_TOP_CHUNK_BYTES, streams[i].bytes + streams[i].at,
               chunk[i].n_bytes);
        streams[i].at += chunk[i].n_bytes;
    }
}

static struct dlop_top_handed handed;
static u32 events[N_STREAMS * DLOP_TOP_STEP_EVENTS], kept[DLOP_TOP_KEPT_EVENTS];

static void check_block(struct random_state *random, u32 b)
{
    const struct dlop_top_block *block = &handed.blocks[b];
    struct dlop_coef_block expected, got;
    struct dlop_top_passed passed;
    s32 status = next_needed(block->context, &expected);

    memset(&got, 0x5a, sizeof got);
    dlop_top_collect(&handed, b, events, kept, &passed, &got);
    if (status != DLOP_OK || got.valid != expected.valid)
        RANDOM_FAIL(random, "stream %u: block of status %d", block->context, status);
    for (u32 k = 0; k < 64; k++)
        if (expected.valid >> k & 1 && got.coef[k] != expected.coef[k])
            RANDOM_FAIL(random, "stream %u: coefficient %u is %d, not %d", block->context, k,
                        got.coef[k], expected.coef[k]);
}

static void streams_in_rotation_give_each_its_blocks(void **state)
{
    (void)state;

    for (u32 n = 0; n < 200; n++) {
        struct random_state random = random_start(random_seed() + n);
        u8 chunks[N_STREAMS * DLOP_TOP_CHUNK_BYTES];
        struct dlop_top_chunk chunk[N_STREAMS];
        struct dlop_coef_block rest;

        open_streams(&random, n);
        for (u32 step = 0; step < 2000; step++) {
            feed(chunks, chunk);
            dlop_top_symbols(chunks, chunk, tables.huff, contexts, events, &handed);
            for (u32 b = 0; b < handed.n_blocks; b++)
                check_block(&random, b);
            dlop_top_keep(handed.open, events, kept);
        }
        for (u32 i = 0; i < N_STREAMS; i++) {
            s32 status = next_needed(i, &rest);

            assert_int_equal(contexts[i].mode, DLOP_TOP_IDLE);
            if (contexts[i].status != (status == DLOP_END ? DLOP_OK : status))
                RANDOM_FAIL(&random, "stream %u: status %d, not %d", i, contexts[i].status, status);
        }
    }
}

/* Up to seven bits may be left over where a segment's MCUs are done before its bytes. */
static void segments_are_drained(void **state)
{
    (void)state;
    const struct dlop_top_chunk last = {0, 1}, byte = {1, 1}, none = {0, 0};
    struct dlop_top_context context = {.mode = DLOP_TOP_RUN, .n_left_bits = 7};

    dlop_top_context_drain(&context);
    assert_int_equal(context.mode, DLOP_TOP_DRAIN);
    dlop_top_context_feed(&context, 0, &none);
    assert_int_equal(context.mode, DLOP_TOP_DRAIN);
    dlop_top_context_feed(&context, 0, &last);
    assert_int_equal(context.mode, DLOP_TOP_SEGMENT);
    assert_int_equal(context.segment, 1);
    context.mode = DLOP_TOP_DRAIN;
    dlop_top_context_feed(&context, 0, &byte);
    assert_int_equal(context.mode, DLOP_TOP_IDLE);
    assert_int_equal(context.status, DLOP_ERR_BAD_DATA);
    assert_int_equal(context.segment, 1);
    context = (struct dlop_top_context){.mode = DLOP_TOP_RUN, .is_last = 1, .n_left_bits = 8};
    dlop_top_context_drain(&context);
    assert_int_equal(context.status, DLOP_ERR_BAD_DATA);
}

/* ---- waves ---- */

#define N_WAVES DLOP_TOP_SCRATCH_PARTS

static void waves_lie_apart_in_scratch(void **state)
{
    (void)state;
    static u8 jobs[(N_WAVES + 1) * N_STREAMS * DLOP_TOP_JOB_BYTES];
    static struct dlop_top_job waves[N_WAVES][N_STREAMS];
    struct dlop_top_launch launch = {
        {BENCH_IN_BYTES, sizeof bench_constants, BENCH_OUT_BYTES}, 0, N_WAVES * N_STREAMS - 1, 0};
    u64 part_bytes = 0, end = 0;

    bench_start();
    for (u32 i = 0; i < launch.n_jobs; i++) {
        struct dlop_job job = bench_job(DLOP_JOB_PIXELS, 3 + i, 5, 3);

        job.in_bytes = job.src_width_px * job.src_height_px * 3;
        job.x_axis_offset = bench_axis(job.src_width_px, job.out_width_px);
        job.y_axis_offset = bench_axis(job.src_height_px, job.out_height_px);
        bench_n_jobs = 0;
        bench_add(&job);
        memcpy(jobs + i * DLOP_TOP_JOB_BYTES, bench_jobs, DLOP_TOP_JOB_BYTES);
    }
    /* Rows of 3 + i pixels, rounded up, of the last wave, which is the largest. */
    for (u32 i = (N_WAVES - 1) * N_STREAMS; i < N_WAVES * N_STREAMS; i++)
        part_bytes += dlop_top_aligned((u64)(3 + i) * 5 * 4);
    launch.scratch_bytes = N_WAVES * part_bytes;
    for (u32 w = 0; w < N_WAVES; w++) {
        dlop_top_prepare(bench_in, jobs, &launch, w, waves[w]);
        for (u32 i = 0; i < N_STREAMS; i++) {
            assert_int_equal(waves[w][i].number, w * N_STREAMS + i);
            if (w * N_STREAMS + i == launch.n_jobs) {
                assert_int_equal(waves[w][i].status, DLOP_END);
                continue;
            }
            assert_int_equal(waves[w][i].status, DLOP_OK);
            assert_true(waves[w][i].picture_at >= (i ? end : w * part_bytes));
            end = waves[w][i].picture_at + (u64)waves[w][i].picture_width_px * 5 * 4;
            assert_true(end <= (w + 1) * part_bytes);
        }
    }
    /* The next one takes the place of the first one. */
    launch.first_wave = N_WAVES - 1;
    launch.n_jobs += N_STREAMS;
    memcpy(jobs + N_WAVES * N_STREAMS * DLOP_TOP_JOB_BYTES, jobs, DLOP_TOP_JOB_BYTES);
    dlop_top_prepare(bench_in, jobs, &launch, 1, waves[1]);
    assert_int_equal(waves[1][0].number, N_WAVES * N_STREAMS);
    assert_int_equal(waves[1][0].picture_at, waves[0][0].picture_at);
    launch.first_wave = 0;
    launch.scratch_bytes = N_WAVES * 64;
    dlop_top_prepare(bench_in, jobs, &launch, 0, waves[0]);
    assert_int_equal(waves[0][0].status, DLOP_OK);
    assert_int_equal(waves[0][1].status, DLOP_ERR_TOO_SMALL);
}

/* ---- transform, store ---- */

/* One more event of a block. */
static void put_event(struct dlop_top_block *block, u32 word)
{
    u32 e = block->n_events++;

    if (e < block->n_kept_events)
        kept[block->context * 64 + e] = word;
    else
        events[block->context * DLOP_TOP_STEP_EVENTS + block->first_event + e -
               block->n_kept_events] = word;
}

static void blocks_are_transformed_into_their_places(void **state)
{
    (void)state;
    static struct dlop_top_quant quant[DLOP_TOP_QUANT_TABLES];
    static u8 scratch[64 * 64], expected[64 * 64];

    for (u32 n = 0; n < 3000; n++) {
        struct random_state random = random_start(random_seed() + n);
        struct dlop_top_result results[N_STREAMS] = {{0}};
        u32 limit = n % 8 ? 200 : 3000, context = random_u32(&random) % N_STREAMS;
        struct dlop_coef_block block = {0};
        u8 samples[64];
        s16 natural[64];
        struct dlop_top_block *out = &handed.blocks[0];
        s32 status;

        /* Some of the events may be of the step before. */
        memset(&handed, 0, sizeof handed);
        handed.n_blocks = 1;
        *out = (struct dlop_top_block){.at = 8 * (random_u32(&random) % 8),
                                       .pitch_samples = 64,
                                       .context = context,
                                       .segment = 7,
                                       .quant = random_u32(&random) % DLOP_TOP_QUANT_TABLES,
                                       .n_kept_events = random_u32(&random) % 4,
                                       .first_event = random_u32(&random) % 500};
        for (u32 k = 0; k < 64; k++) {
            quant[out->quant].factor[k] = (u16)random_in(&random, 1, n % 3 ? 2 : 60);
            if (k && random_u32(&random) % 4)
                continue;
            block.coef[k] = (s16)random_in(&random, -(s32)limit, (s32)limit);
            block.valid |= (u64)1 << k;
            put_event(out, (u32)(u16)block.coef[k] << 16 | k);
        }
        out->n_kept_events = dlop_min_u32(out->n_kept_events, out->n_events);
        status = dlop_dequantise_block(&block, quant[out->quant].factor, natural);
        if (!dlop_idct_block(natural, samples))
            status = DLOP_ERR_INEXACT;
        memset(scratch, 0x77, sizeof scratch);
        memset(expected, 0x77, sizeof expected);
        for (u32 i = 0; i < 64 && status == DLOP_OK; i++)
            expected[out->at + i / 8 * 64 + i % 8] = samples[i];
        dlop_top_blocks(&handed, events, quant, kept, scratch, results);
        if (memcmp(scratch, expected, sizeof scratch) || results[context].status != status ||
            results[context].n_blocks != (status == DLOP_OK) ||
            results[context].segment != (status == DLOP_OK ? 0 : 7))
            RANDOM_FAIL(&random, "status %d, not %d, or other samples", results[context].status,
                        status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_the_unstuffed_segments),
        cmocka_unit_test(walks_name_every_needed_block),
        cmocka_unit_test(streams_in_rotation_give_each_its_blocks),
        cmocka_unit_test(segments_are_drained),
        cmocka_unit_test(waves_lie_apart_in_scratch),
        cmocka_unit_test(blocks_are_transformed_into_their_places),
    };
    return cmocka_run_group_tests_name("top/decode_stages", tests, NULL, NULL);
}
