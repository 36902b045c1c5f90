/* Unit test: random submits, answers, fails and releases against a plain model of the streams.
 *
 * Some files are progressive (the caller must decode them), some are missing, and one is damaged so
 * that only its kernel finds out. The model knows the state of each stream; every batch that is
 * done must begin where the model is and hold what its records give one after the other.
 */
#include "run_fixture.h"

#define N             5
#define N_STREAMS     3
#define MAX_IN_FLIGHT 7
#define N_BATCHES     250
#define DAMAGED       3
#define N_SEEDS       3

static const uint64_t progressive_files[] = {4, 11}, missing_files[] = {7, 20};

enum hole { NO_HOLE, HOLE_BEFORE_DRAWS, HOLE_AFTER_EXECUTION };

struct flight {
    dlop_batch *batch; /* null: it failed; its draws are still part of its stream */
    uint32_t stream;
    uint32_t n; /* records that draw: N, or those before the one that failed */
    uint64_t indices[N];
    enum hole hole[N];
    float out[N * RECORD_FLOATS];
};

struct world {
    struct fixture *fixture;
    dlop_decoder *decoder;
    struct dlop_rng_state model[N_STREAMS]; /* before the oldest flight of the stream */
    struct flight *flights[MAX_IN_FLIGHT];  /* in the order of their submits */
    uint32_t n_flights;
    unsigned seed;
    uint32_t n_done, n_supplied, n_skipped, n_failed, n_abandoned;
};

static uint32_t random_below(struct world *world, uint32_t n)
{
    return (uint32_t)rand_r(&world->seed) % n;
}

/* ---- files ---- */

static int is_missing(uint64_t i)
{
    return i == missing_files[0] || i == missing_files[1];
}

/* Change a byte of the scan so that the header is ours and the kernel refuses. */
static void damage_file(struct fixture *fixture)
{
    static uint8_t bytes[65536], pixels[128 * 128 * 3];
    struct dlop_image_info info;
    dlop_decoder *decoder = NULL;
    char path[128], reason[120];

    file_path(fixture, DAMAGED, path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n_bytes = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_int_equal(dlop_decoder_open(0, &decoder), DLOP_OK);
    for (size_t at = n_bytes / 2; at < n_bytes - 2; at++) {
        uint8_t before = bytes[at];
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[at] = (uint8_t)(before ^ (1u << bit));
            if (dlop_jpeg_info(bytes, n_bytes, &info, reason, sizeof reason) == DLOP_OK &&
                dlop_decoder_jpeg(decoder, bytes, n_bytes, 3, pixels, sizeof pixels) < 0) {
                file = fopen(path, "wb");
                assert_non_null(file);
                assert_int_equal(fwrite(bytes, 1, n_bytes, file), n_bytes);
                fclose(file);
                dlop_decoder_close(&decoder);
                return;
            }
        }
        bytes[at] = before;
    }
    fail_msg("no byte of the file makes its kernel refuse it");
}

static int setup_files(void **state)
{
    char path[128];

    setup_folder(state);
    for (int i = 0; i < 2; i++) {
        write_file(*state, progressive_files[i], 1);
        file_path(*state, missing_files[i], path);
        assert_int_equal(unlink(path), 0);
    }
    damage_file(*state);
    return 0;
}

/* ---- flights ---- */

static void remove_flight(struct world *world, uint32_t f)
{
    dlop_batch_release(world->fixture->loader, &world->flights[f]->batch);
    free(world->flights[f]);
    world->n_flights--;
    memmove(&world->flights[f], &world->flights[f + 1],
            (world->n_flights - f) * sizeof world->flights[0]);
}

static uint32_t flight_of(struct world *world, const dlop_batch *batch)
{
    for (uint32_t f = 0; f < world->n_flights; f++)
        if (world->flights[f]->batch == batch)
            return f;
    fail_msg("a need of a batch that is not in flight");
    return 0;
}

static void submit_flight(struct world *world, struct flight *flight)
{
    flight->n = N;
    memset(flight->hole, 0, sizeof flight->hole);
    memset(flight->out, 0xff, sizeof flight->out);
    assert_int_equal(dlop_loader_submit(world->fixture->loader, flight->stream, flight->indices, N,
                                        flight->out, sizeof flight->out, &flight->batch),
                     DLOP_OK);
}

static void submit_new(struct world *world)
{
    struct flight *flight = calloc(1, sizeof *flight);

    assert_non_null(flight);
    flight->stream = random_below(world, N_STREAMS);
    for (int i = 0; i < N; i++)
        flight->indices[i] = random_below(world, N_FILES);
    submit_flight(world, flight);
    world->flights[world->n_flights++] = flight;
}

/* Make the flight's first n records one by one. */
static void expect_flight(struct world *world, const struct flight *flight, uint32_t n,
                          struct dlop_rng_state *rng, float *out)
{
    for (uint32_t i = 0; i < n; i++) {
        float *record = out + i * RECORD_FLOATS;
        if (flight->hole[i] != HOLE_BEFORE_DRAWS)
            expect_record(world->fixture, world->decoder, flight->indices[i], rng, record);
        if (flight->hole[i] != NO_HOLE)
            memset(record, 0, RECORD_BYTES);
    }
}

/* ---- what may happen ---- */

/* The library's stream after a fail: all flights of it up to this one, from the model on. */
static void check_stream_after(struct world *world, uint32_t failed)
{
    uint32_t stream = world->flights[failed]->stream;
    struct dlop_rng_state rng = world->model[stream], got;
    float ignored[N * RECORD_FLOATS];

    for (uint32_t f = 0; f <= failed; f++)
        if (world->flights[f]->stream == stream)
            expect_flight(world, world->flights[f], world->flights[f]->n, &rng, ignored);
    assert_int_equal(dlop_loader_get_stream(world->fixture->loader, stream, &got), DLOP_OK);
    assert_memory_equal(&got, &rng, sizeof got);
}

/* The caller gives a batch up; those behind it that were cancelled are submitted again. */
static void fail_flight(struct world *world, uint32_t f, uint32_t position)
{
    dlop_loader *loader = world->fixture->loader;
    struct flight *flight = world->flights[f];

    /* Nobody behind it may draw before its state was looked at. */
    for (uint32_t other = f + 1; other < world->n_flights; other++)
        if (world->flights[other]->stream == flight->stream)
            dlop_batch_release(loader, &world->flights[other]->batch);
    assert_int_equal(dlop_batch_fail(loader, flight->batch, position), DLOP_OK);
    dlop_batch_release(loader, &flight->batch);
    flight->n = position;
    check_stream_after(world, f);
    for (uint32_t other = f + 1; other < world->n_flights; other++)
        if (world->flights[other]->stream == flight->stream)
            submit_flight(world, world->flights[other]);
    world->n_failed++;
}

static void answer(struct world *world, const struct dlop_need *need)
{
    uint32_t f = flight_of(world, need->batch), choice = random_below(world, 10);
    struct flight *flight = world->flights[f];
    uint8_t pixels[128 * 128 * 3];
    dlop_loader *loader = world->fixture->loader;

    assert_int_equal(flight->indices[need->position], need->index);
    if (choice < 2) {
        fail_flight(world, f, random_below(world, need->position + 1));
    } else if (choice < 5 || is_missing(need->index)) {
        assert_int_equal(dlop_batch_skip(loader, need->batch, need->position), DLOP_OK);
        flight->hole[need->position] =
            need->index == DAMAGED ? HOLE_AFTER_EXECUTION : HOLE_BEFORE_DRAWS;
        world->n_skipped++;
    } else {
        decode_file(world->fixture, need->index, pixels);
        assert_int_equal(dlop_batch_supply(loader, need->batch, need->position, pixels,
                                           file_height_px(need->index), file_width_px(need->index)),
                         DLOP_OK);
        world->n_supplied++;
    }
}

/* The oldest flight is done: compare, and move the model on. */
static void take_oldest(struct world *world)
{
    struct flight *flight = world->flights[0];
    struct dlop_rng_state *model = &world->model[flight->stream], before, after;
    float expected[N * RECORD_FLOATS];

    assert_int_equal(dlop_batch_get_stream(world->fixture->loader, flight->batch, &before, &after),
                     DLOP_OK);
    assert_memory_equal(&before, model, sizeof before);
    expect_flight(world, flight, N, model, expected);
    assert_memory_equal(flight->out, expected, sizeof expected);
    assert_memory_equal(&after, model, sizeof after);
    remove_flight(world, 0);
    world->n_done++;
}

/* Give a whole stream up and begin it anew. */
static void abandon_stream(struct world *world, uint32_t stream)
{
    for (uint32_t f = world->n_flights; f-- > 0;)
        if (world->flights[f]->stream == stream)
            remove_flight(world, f);
    dlop_rng_seed(&world->model[stream], random_below(world, 1000000));
    assert_int_equal(dlop_loader_set_stream(world->fixture->loader, stream, &world->model[stream]),
                     DLOP_OK);
    world->n_abandoned++;
}

/* A failed flight that is the oldest only moves the model. */
static void drop_failed(struct world *world)
{
    float ignored[N * RECORD_FLOATS];

    while (world->n_flights > 0 && !world->flights[0]->batch) {
        struct flight *flight = world->flights[0];
        expect_flight(world, flight, flight->n, &world->model[flight->stream], ignored);
        remove_flight(world, 0);
    }
}

static void step(struct world *world)
{
    struct dlop_need need;

    drop_failed(world);
    if (world->n_flights == 0 || (world->n_flights < MAX_IN_FLIGHT && random_below(world, 3) > 0)) {
        submit_new(world);
        return;
    }
    if (random_below(world, 60) == 0) {
        abandon_stream(world, random_below(world, N_STREAMS));
        return;
    }
    dlop_status status = dlop_batch_wait(world->fixture->loader, world->flights[0]->batch,
                                         random_below(world, 2) * 100, &need);
    if (status == DLOP_OK)
        take_oldest(world);
    else if (status == DLOP_NEED_PIXELS)
        answer(world, &need);
    else
        assert_int_equal(status, DLOP_AGAIN);
}

static void random_use_equals_the_model(void **state)
{
    for (unsigned seed = 1; seed <= N_SEEDS; seed++) {
        struct world world = {.fixture = *state, .seed = seed};
        open_all(world.fixture, 1 + seed % 3, N_STREAMS, MAX_IN_FLIGHT, N);
        assert_int_equal(dlop_decoder_open(0, &world.decoder), DLOP_OK);
        for (uint32_t i = 0; i < N_STREAMS; i++)
            dlop_rng_seed(&world.model[i], 1000 + i);
        while (world.n_done < N_BATCHES)
            step(&world);
        print_message("seed %u: %u batches, %u supplied, %u skipped, %u failed, %u abandoned\n",
                      seed, world.n_done, world.n_supplied, world.n_skipped, world.n_failed,
                      world.n_abandoned);
        assert_true(world.n_supplied > 0 && world.n_skipped > 0 && world.n_failed > 0);
        while (world.n_flights > 0)
            remove_flight(&world, world.n_flights - 1);
        dlop_decoder_close(&world.decoder);
        close_all(world.fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_use_equals_the_model),
    };
    return cmocka_run_group_tests_name("unit/run_random", tests, setup_files, teardown_folder);
}
