/* Unit test: batches of the loader on the CPU against the same records made one after the other. */
#include "run_fixture.h"

#include <dirent.h>
#include <sys/wait.h>
#include <time.h>

#include "host/run/loader.h"

#define N           6
#define N_BATCHES   20
#define MAX_STREAMS 3
#define MAX_SIDE_PX 48

/* Batch b holds records 5 b, 5 b + 7, ... of the source. */
static void indices_of_batch(uint64_t b, uint64_t indices[N])
{
    for (uint64_t i = 0; i < N; i++)
        indices[i] = (5 * b + 7 * i) % N_FILES;
}

static void expect_batches(struct fixture *fixture, uint32_t n_streams, float *out)
{
    struct dlop_rng_state state[MAX_STREAMS];
    dlop_decoder *decoder = NULL;

    assert_int_equal(dlop_decoder_open(0, &decoder), DLOP_OK);
    for (uint32_t i = 0; i < n_streams; i++)
        dlop_rng_seed(&state[i], 1000 + i);
    for (uint64_t b = 0; b < N_BATCHES; b++) {
        uint64_t indices[N];
        indices_of_batch(b, indices);
        for (uint64_t i = 0; i < N; i++)
            expect_record(fixture, decoder, indices[i], &state[b % n_streams],
                          out + (b * N + i) * RECORD_FLOATS);
    }
    dlop_decoder_close(&decoder);
}

/* Keep max_batches in flight, receive in order. */
static void run_batches(struct fixture *fixture, uint32_t n_streams, uint32_t max_batches,
                        float *out)
{
    dlop_batch *batches[N_BATCHES] = {0};
    uint64_t n_submitted = 0;

    for (uint64_t b = 0; b < N_BATCHES; b++) {
        struct dlop_need need;
        for (; n_submitted < N_BATCHES && n_submitted < b + max_batches; n_submitted++) {
            uint64_t indices[N];
            indices_of_batch(n_submitted, indices);
            assert_int_equal(dlop_loader_submit(fixture->loader,
                                                (uint32_t)(n_submitted % n_streams), indices, N,
                                                out + n_submitted * N * RECORD_FLOATS,
                                                N * RECORD_BYTES, &batches[n_submitted]),
                             DLOP_OK);
        }
        assert_int_equal(wait_long(fixture->loader, batches[b], &need), DLOP_OK);
        dlop_batch_release(fixture->loader, &batches[b]);
        assert_null(batches[b]);
    }
}

static void batches_equal_single_records(void **state)
{
    static const uint32_t n_threads[] = {1, 2, 7}, n_streams[] = {1, 3}, max_batches[] = {1, 5};
    struct fixture *fixture = *state;
    size_t n_bytes = N_BATCHES * N * RECORD_BYTES;
    float *expected = malloc(n_bytes), *got = malloc(n_bytes);

    assert_true(expected && got);
    for (int t = 0; t < 3; t++)
        for (int s = 0; s < 2; s++) {
            open_all(fixture, n_threads[t], n_streams[s], max_batches[s], N);
            expect_batches(fixture, n_streams[s], expected);
            memset(got, 0xff, n_bytes);
            run_batches(fixture, n_streams[s], max_batches[s], got);
            assert_memory_equal(got, expected, n_bytes);
            close_all(fixture);
        }
    free(expected);
    free(got);
}

static void streams_end_where_single_records_end(void **state)
{
    struct fixture *fixture = *state;
    float *out = malloc(N_BATCHES * N * RECORD_BYTES), single[RECORD_FLOATS];
    struct dlop_rng_state expected, got, before, after;
    dlop_decoder *decoder = NULL;
    struct dlop_need need;
    dlop_batch *batch = NULL;
    uint64_t indices[N];

    open_all(fixture, 2, 1, 4, N);
    assert_int_equal(dlop_decoder_open(0, &decoder), DLOP_OK);
    dlop_rng_seed(&expected, 1000);
    indices_of_batch(3, indices);
    for (int i = 0; i < N; i++)
        expect_record(fixture, decoder, indices[i], &expected, single);
    assert_int_equal(
        dlop_loader_submit(fixture->loader, 0, indices, N, out, N * RECORD_BYTES, &batch), DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
    assert_int_equal(dlop_loader_get_stream(fixture->loader, 0, &got), DLOP_OK);
    assert_memory_equal(&got, &expected, sizeof got);
    assert_int_equal(dlop_batch_get_stream(fixture->loader, batch, &before, &after), DLOP_OK);
    assert_memory_equal(&after, &expected, sizeof got);
    dlop_rng_seed(&expected, 1000);
    assert_memory_equal(&before, &expected, sizeof got);
    dlop_decoder_close(&decoder);
    close_all(fixture);
    free(out);
}

static void wrong_calls_are_refused(void **state)
{
    struct fixture *fixture = *state;
    uint64_t indices[N + 1] = {0}, outside[1] = {N_FILES};
    float *out = malloc((N + 1) * RECORD_BYTES);
    dlop_batch *batch = NULL, *second = NULL, *third = NULL;
    struct dlop_need need;
    struct dlop_rng_state rng = {.next = 625};

    open_all(fixture, 1, 2, 2, N);
    dlop_loader *loader = fixture->loader;
    assert_int_equal(dlop_loader_submit(loader, 2, indices, 1, out, RECORD_BYTES, &batch),
                     DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_loader_submit(loader, 0, indices, 0, out, RECORD_BYTES, &batch),
                     DLOP_ERR_ARGUMENT);
    assert_int_equal(
        dlop_loader_submit(loader, 0, indices, N + 1, out, (N + 1) * RECORD_BYTES, &batch),
        DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_loader_submit(loader, 0, outside, 1, out, RECORD_BYTES, &batch),
                     DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_loader_submit(loader, 0, indices, 2, out, 2 * RECORD_BYTES - 1, &batch),
                     DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_loader_submit(loader, 0, indices, 1, NULL, RECORD_BYTES, &batch),
                     DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_loader_set_stream(loader, 0, &rng), DLOP_ERR_ARGUMENT);
    assert_null(batch);

    assert_int_equal(dlop_loader_submit(loader, 0, indices, 1, out, RECORD_BYTES, &batch), DLOP_OK);
    assert_int_equal(
        dlop_loader_submit(loader, 1, indices, 1, out + RECORD_FLOATS, RECORD_BYTES, &second),
        DLOP_OK);
    assert_int_equal(dlop_loader_submit(loader, 0, indices, 1, out, RECORD_BYTES, &third),
                     DLOP_AGAIN);
    assert_int_equal(wait_long(loader, batch, &need), DLOP_OK);
    assert_int_equal(dlop_batch_supply(loader, batch, 0, (uint8_t *)out, 8, 8), DLOP_ERR_STATE);
    assert_int_equal(dlop_batch_fail(loader, batch, 0), DLOP_ERR_STATE);
    assert_int_equal(dlop_batch_skip(loader, batch, 5), DLOP_ERR_ARGUMENT);
    third = batch;
    dlop_batch_release(loader, &batch);
    assert_int_equal(dlop_batch_wait(loader, third, 0, &need), DLOP_ERR_ARGUMENT);
    close_all(fixture); /* with the second still in flight */
    free(out);
}

static void size_of_result_may_depend_on_the_record(void **state)
{
    static const struct dlop_op resize = {.kind = DLOP_OP_RESIZE_SHORT,
                                          .i = {20, 0, DLOP_FILTER_BILINEAR}};
    struct fixture *fixture = *state;
    uint64_t index = 5;
    uint32_t width_px = 20, height_px = 20;
    float out[CHANNELS * 20 * 60];
    dlop_batch *batch = NULL, *later = NULL;
    struct dlop_need need;

    if (file_width_px(index) > file_height_px(index))
        width_px = 20 * file_width_px(index) / file_height_px(index);
    else
        height_px = 20 * file_height_px(index) / file_width_px(index);
    open_cpu(fixture, 1);
    open_source(fixture);
    open_plan(fixture, &resize, 1, 0);
    open_loader(fixture, 1, 3, N);
    assert_int_equal(dlop_loader_submit(fixture->loader, 0, &index, 1, out, 64, &batch), DLOP_OK);
    assert_int_equal(dlop_loader_submit(fixture->loader, 0, &index, 1, out, sizeof out, &later),
                     DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_ERR_TOO_SMALL);
    assert_int_equal(wait_long(fixture->loader, later, &need), DLOP_ERR_STATE);
    dlop_batch_release(fixture->loader, &later);
    /* A batch that comes after the failure must not draw before its repetition either. */
    assert_int_equal(dlop_loader_submit(fixture->loader, 0, &index, 1, out, sizeof out, &later),
                     DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, later, &need), DLOP_ERR_STATE);
    dlop_batch_release(fixture->loader, &batch);
    dlop_batch_release(fixture->loader, &later);
    assert_int_equal(dlop_loader_submit(fixture->loader, 0, &index, 1, out, sizeof out, &batch),
                     DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
    uint32_t got_height_px, got_width_px;
    dlop_batch_out_size(batch, &got_height_px, &got_width_px);
    assert_int_equal(got_width_px, width_px);
    assert_int_equal(got_height_px, height_px);
    close_all(fixture);
}

static dlop_status accept_no_tensor(struct dlop_device *device, const struct dlop_job *job,
                                    char *reason_out, size_t size)
{
    (void)device, (void)reason_out, (void)size;
    return job->kind == DLOP_JOB_TENSOR ? DLOP_ERR_UNSUPPORTED : DLOP_OK;
}

/* A loader of N pictures of side_px x side_px: its batch against single pictures, and the kind of
 * its jobs. */
static enum dlop_job_kind kind_of_pixels(struct fixture *fixture, uint32_t side_px,
                                         const struct dlop_op ops[2])
{
    static uint8_t pixels[N][MAX_SIDE_PX * MAX_SIDE_PX * CHANNELS];
    static float expected[N][RECORD_FLOATS], got[N][RECORD_FLOATS];
    size_t picture_bytes = (size_t)side_px * side_px * CHANNELS;
    uint8_t *flat = &pixels[0][0];
    uint64_t indices[N];
    struct dlop_rng_state rng;
    dlop_decoder *decoder = NULL;
    dlop_batch *batch = NULL;
    struct dlop_need need;
    uint32_t height_px, width_px;

    for (uint64_t i = 0; i < N; i++)
        draw_scene(i, side_px, side_px, flat + i * picture_bytes);
    assert_int_equal(dlop_source_open_pixels(fixture->ctx, flat, N, side_px, side_px, CHANNELS,
                                             &fixture->source),
                     DLOP_OK);
    open_plan(fixture, ops, 2, 0);
    open_loader(fixture, 1, 1, N);
    assert_int_equal(dlop_decoder_open(0, &decoder), DLOP_OK);
    dlop_rng_seed(&rng, 1000);
    for (uint64_t i = 0; i < N; i++) {
        indices[i] = N - 1 - i;
        assert_int_equal(dlop_plan_run_pixels(fixture->plan, decoder, &rng,
                                              flat + indices[i] * picture_bytes, side_px, side_px,
                                              expected[i], RECORD_BYTES, &height_px, &width_px),
                         DLOP_OK);
    }
    memset(got, 0xff, sizeof got);
    assert_int_equal(dlop_loader_submit(fixture->loader, 0, indices, N, got, sizeof got, &batch),
                     DLOP_OK);
    assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
    assert_memory_equal(got, expected, sizeof got);
    enum dlop_job_kind kind = batch->jobs[0].kind;
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(batch->jobs[i].kind, kind);
    dlop_decoder_close(&decoder);
    dlop_loader_close(&fixture->loader);
    dlop_plan_close(&fixture->plan);
    dlop_source_close(&fixture->source);
    return kind;
}

static void pixels_in_memory_are_records_too(void **state)
{
    struct fixture *fixture = *state;

    open_cpu(fixture, 2);
    assert_int_equal(kind_of_pixels(fixture, MAX_SIDE_PX, crop_and_flip), DLOP_JOB_PIXELS);
    dlop_ctx_close(&fixture->ctx);
}

/* Without geometry and grey, decoded pixels become TENSOR jobs; with either, PIXELS jobs. */
static void plain_pixels_need_no_tables(void **state)
{
#define MIDDLE                                                                                     \
    {                                                                                              \
        .kind = DLOP_OP_CENTER_CROP, .i = { OUT_PX, OUT_PX }                                       \
    }
    static const struct {
        const char *name;
        enum dlop_job_kind kind;
        struct dlop_op ops[2];
    } cases[] = {
        {"whole", DLOP_JOB_TENSOR, {MIDDLE, MIDDLE}},
        {"resize to the same size",
         DLOP_JOB_TENSOR,
         {MIDDLE, {.kind = DLOP_OP_RESIZE, .i = {OUT_PX, OUT_PX, DLOP_FILTER_BILINEAR}}}},
        {"no margins", DLOP_JOB_TENSOR, {MIDDLE, {.kind = DLOP_OP_PAD}}},
        {"padded and cut back",
         DLOP_JOB_TENSOR,
         {{.kind = DLOP_OP_PAD, .i = {1, 1, 1, 1}}, MIDDLE}},
        {"flip", DLOP_JOB_PIXELS, {MIDDLE, {.kind = DLOP_OP_FLIP_X, .f = {0.5}}}},
        {"a flip that never comes", DLOP_JOB_PIXELS, {MIDDLE, {.kind = DLOP_OP_FLIP_Y}}},
        {"grey", DLOP_JOB_PIXELS, {MIDDLE, {.kind = DLOP_OP_GREY, .i = {3}}}},
        {"some grey", DLOP_JOB_PIXELS, {MIDDLE, {.kind = DLOP_OP_RANDOM_GREY, .f = {0.3}}}},
        {"resized",
         DLOP_JOB_PIXELS,
         {{.kind = DLOP_OP_CENTER_CROP, .i = {20, 20}},
          {.kind = DLOP_OP_RESIZE, .i = {OUT_PX, OUT_PX, DLOP_FILTER_BICUBIC}}}},
        {"resized and cut",
         DLOP_JOB_PIXELS,
         {{.kind = DLOP_OP_RESIZE, .i = {40, 40, DLOP_FILTER_BILINEAR}}, MIDDLE}},
        {"cut and padded",
         DLOP_JOB_PIXELS,
         {{.kind = DLOP_OP_CENTER_CROP, .i = {OUT_PX - 2, OUT_PX - 2}}, MIDDLE}},
        {"random crop",
         DLOP_JOB_PIXELS,
         {MIDDLE, {.kind = DLOP_OP_RANDOM_CROP, .i = {OUT_PX, OUT_PX, 2, 2, 2, 2}}}},
    };
    struct fixture *fixture = *state;

    open_cpu(fixture, 2);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum dlop_job_kind kind = kind_of_pixels(fixture, OUT_PX, cases[i].ops);
        if (kind != cases[i].kind)
            fail_msg("%s: jobs of kind %d", cases[i].name, (int)kind);
    }
    struct dlop_driver driver = *fixture->ctx->driver;
    driver.accepts = accept_no_tensor;
    const struct dlop_driver *before = fixture->ctx->driver;
    fixture->ctx->driver = &driver;
    assert_int_equal(kind_of_pixels(fixture, OUT_PX, cases[0].ops), DLOP_JOB_PIXELS);
    fixture->ctx->driver = before;
    dlop_ctx_close(&fixture->ctx);
}

/* Three loaders of one context, fed and emptied in turn: the device's queue holds all of them. */
static void loaders_share_a_device(void **state)
{
    enum { N_LOADERS = 3, MAX_BATCHES = 4 };
    struct fixture *fixture = *state;
    size_t batch_bytes = N * RECORD_BYTES;
    float *expected = malloc(N_BATCHES * batch_bytes);
    float *got = malloc(N_LOADERS * N_BATCHES * batch_bytes);
    dlop_loader *loaders[N_LOADERS];
    dlop_batch *batches[N_LOADERS][N_BATCHES] = {0};
    struct dlop_need need;

    open_all(fixture, 2, 1, MAX_BATCHES, N);
    expect_batches(fixture, 1, expected);
    loaders[0] = fixture->loader;
    for (int i = 1; i < N_LOADERS; i++) {
        open_loader(fixture, 1, MAX_BATCHES, N);
        loaders[i] = fixture->loader;
    }
    for (uint64_t b = 0; b < N_BATCHES + MAX_BATCHES; b++)
        for (uint64_t i = 0; i < N_LOADERS; i++) {
            uint64_t indices[N];
            if (b >= MAX_BATCHES) {
                dlop_batch **oldest = &batches[i][b - MAX_BATCHES];
                assert_int_equal(wait_long(loaders[i], *oldest, &need), DLOP_OK);
                dlop_batch_release(loaders[i], oldest);
            }
            indices_of_batch(b, indices);
            if (b < N_BATCHES)
                assert_int_equal(dlop_loader_submit(loaders[i], 0, indices, N,
                                                    got + (i * N_BATCHES + b) * N * RECORD_FLOATS,
                                                    batch_bytes, &batches[i][b]),
                                 DLOP_OK);
        }
    for (int i = 0; i < N_LOADERS; i++)
        assert_memory_equal(got + (size_t)i * N_BATCHES * N * RECORD_FLOATS, expected,
                            N_BATCHES * batch_bytes);
    for (int i = 0; i < N_LOADERS - 1; i++)
        dlop_loader_close(&loaders[i]);
    close_all(fixture);
    free(expected);
    free(got);
}

/* ---- release and fork ---- */

static void release_is_safe_at_any_moment(void **state)
{
    struct fixture *fixture = *state;
    float *out = malloc(4 * N * RECORD_BYTES);
    unsigned seed = 7;

    open_all(fixture, 2, 2, 4, N);
    for (int round = 0; round < 300; round++) {
        dlop_batch *batches[4] = {0};
        for (uint64_t b = 0; b < 4; b++) {
            uint64_t indices[N];
            indices_of_batch(b, indices);
            assert_int_equal(dlop_loader_submit(fixture->loader, b & 1, indices, N,
                                                out + b * N * RECORD_FLOATS, N * RECORD_BYTES,
                                                &batches[b]),
                             DLOP_OK);
        }
        struct timespec pause = {.tv_nsec = rand_r(&seed) % 3000000};
        nanosleep(&pause, NULL);
        for (unsigned b = 0; b < 4; b++)
            dlop_batch_release(fixture->loader, &batches[(b + (unsigned)round) % 4]);
    }
    close_all(fixture);
    free(out);
}

static void close_cancels_what_is_in_flight(void **state)
{
    struct fixture *fixture = *state;
    float *out = malloc(4 * N * RECORD_BYTES);

    for (int round = 0; round < 50; round++) {
        open_all(fixture, 2, 1, 4, N);
        for (uint64_t b = 0; b < 4; b++) {
            uint64_t indices[N];
            dlop_batch *batch = NULL;
            indices_of_batch(b, indices);
            assert_int_equal(dlop_loader_submit(fixture->loader, 0, indices, N,
                                                out + b * N * RECORD_FLOATS, N * RECORD_BYTES,
                                                &batch),
                             DLOP_OK);
        }
        close_all(fixture);
    }
    free(out);
}

static int child_of_fork(struct fixture *fixture, dlop_batch *batch, float *out)
{
    uint64_t index = 0;
    struct dlop_need need;
    struct dlop_rng_state rng;
    dlop_batch *own = NULL;

    alarm(20); /* a hang is a failure */
    if (dlop_loader_submit(fixture->loader, 0, &index, 1, out, RECORD_BYTES, &own) !=
        DLOP_ERR_STATE)
        return 1;
    if (dlop_batch_wait(fixture->loader, batch, 100, &need) != DLOP_ERR_STATE)
        return 2;
    if (dlop_loader_get_stream(fixture->loader, 0, &rng) != DLOP_ERR_STATE)
        return 3;
    dlop_batch_release(fixture->loader, &batch);
    close_all(fixture);
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    /* One sanitizer allows no threads in a child; a lock of the other's allocator that a thread of
     * the parent held when it forked is never free again here. */
    return 0;
#endif
    /* The child may have a loader of its own. */
    open_all(fixture, 2, 1, 2, N);
    if (dlop_loader_submit(fixture->loader, 0, &index, 1, out, RECORD_BYTES, &own) != DLOP_OK)
        return 4;
    if (wait_long(fixture->loader, own, &need) != DLOP_OK)
        return 5;
    close_all(fixture);
    return 0;
}

static void fork_leaves_both_processes_usable(void **state)
{
    struct fixture *fixture = *state;
    float *out = malloc(N * RECORD_BYTES);
    struct dlop_need need;
    uint64_t indices[N];

    open_all(fixture, 2, 1, 4, N);
    indices_of_batch(0, indices);
    for (int round = 0; round < 10; round++) {
        dlop_batch *batch = NULL;
        int wait_status = 0;
        assert_int_equal(
            dlop_loader_submit(fixture->loader, 0, indices, N, out, N * RECORD_BYTES, &batch),
            DLOP_OK);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(child_of_fork(fixture, batch, out));
        assert_int_equal(wait_long(fixture->loader, batch, &need), DLOP_OK);
        dlop_batch_release(fixture->loader, &batch);
        assert_int_equal(waitpid(child, &wait_status, 0), child);
        assert_int_equal(wait_status, 0);
    }
    close_all(fixture);
    free(out);
}

/* As if the fork had come while a thread gave a buffer back. */
static void a_child_frees_no_buffer_on_its_way(void **state)
{
    struct fixture *fixture = *state;
    float *out = malloc(N_BATCHES * N * RECORD_BYTES);
    int wait_status = 0;

    open_all(fixture, 2, 1, 4, N);
    run_batches(fixture, 1, 1, out);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fixture->loader->slots[0].arena = fixture->loader->spares[0];
        fixture->loader->slots[0].has_arena = 1;
        close_all(fixture);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &wait_status, 0), child);
    assert_int_equal(wait_status, 0);
    close_all(fixture);
    free(out);
}

/* ---- steadiness ---- */

static int n_open_files(void)
{
    int n = 0;
    DIR *folder = opendir("/proc/self/fd");

    assert_non_null(folder);
    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}

static long resident_kib(void)
{
    long n_pages = 0, ignored = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &ignored, &n_pages), 2);
    fclose(file);
    return n_pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Which thread decodes which image is chance: every one must have met the largest before memory is
 * flat, and the sanitizers' own records grow as long. */
static void a_thousand_batches_leave_files_and_memory_flat(void **state)
{
    enum { N_WARM_ROUNDS = 12, N_ROUNDS = N_WARM_ROUNDS + 50 };
    struct fixture *fixture = *state;
    float *out = malloc(N_BATCHES * N * RECORD_BYTES);
    int n_files = 0;
    long n_kib = 0;

    open_all(fixture, 2, 2, 4, N);
    for (int round = 0; round < N_ROUNDS; round++) {
        run_batches(fixture, 2, 4, out);
        if (round == N_WARM_ROUNDS - 1) {
            n_files = n_open_files();
            n_kib = resident_kib();
        }
    }
    assert_int_equal(n_open_files(), n_files);
    assert_in_range(resident_kib(), 0, n_kib + 1024);
    close_all(fixture);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_equal_single_records),
        cmocka_unit_test(streams_end_where_single_records_end),
        cmocka_unit_test(wrong_calls_are_refused),
        cmocka_unit_test(size_of_result_may_depend_on_the_record),
        cmocka_unit_test(pixels_in_memory_are_records_too),
        cmocka_unit_test(plain_pixels_need_no_tables),
        cmocka_unit_test(loaders_share_a_device),
        cmocka_unit_test(release_is_safe_at_any_moment),
        cmocka_unit_test(close_cancels_what_is_in_flight),
        cmocka_unit_test(fork_leaves_both_processes_usable),
        cmocka_unit_test(a_child_frees_no_buffer_on_its_way),
        cmocka_unit_test(a_thousand_batches_leave_files_and_memory_flat),
    };
    return cmocka_run_group_tests_name("unit/run_loader", tests, setup_folder, teardown_folder);
}
