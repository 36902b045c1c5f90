/* Driver test: jobs that threads of the CPU share give what one thread gives, bit for bit and
 * status for status: photographs in every sampling, with and without restart markers, whole and
 * cropped, sound and damaged, and whatever scouts may find.
 */
#include "tests/driver/kit.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "driver/cpu/jpeg_internal.h"
#include "driver/cpu/order.h"
#include "driver/cpu/pool.h"
#include "driver/cpu/worker.h"
#include "tests/driver/large.h"

#define MAX_PATHS  6
#define N_CROPS    6
#define N_DAMAGED  32  /* of each coding */
#define MAX_LINKED 600 /* MCUs, of 2000 and more: 15 links */

static char *paths[MAX_PATHS];
static u32 n_paths;

static const struct coding codings[] = {
    {.name = "4:4:4", .h = 1, .v = 1, .quality = 92},
    {.name = "4:2:0", .h = 2, .v = 2, .quality = 88},
    {.name = "4:2:2", .h = 2, .v = 1, .quality = 95},
    {.name = "4:4:0", .h = 1, .v = 2, .quality = 80},
    {.name = "grey", .h = 1, .v = 1, .is_grey = 1, .quality = 90},
    {.name = "4:2:0, a restart marker per row",
     .h = 2,
     .v = 2,
     .restart_interval = 50,
     .quality = 90},
    {.name = "4:4:4, many restart markers", .h = 1, .v = 1, .restart_interval = 3, .quality = 60},
    {.name = "4:4:4, few restart markers", .h = 1, .v = 1, .restart_interval = 4000, .quality = 90},
    {.name = "a scan for each component", .h = 2, .v = 1, .is_multi_scan = 1, .quality = 90},
};
#define N_CODINGS (sizeof codings / sizeof *codings)

/* ---- launches ---- */

static void note_done(struct dlop_launch *launch, dlop_status status)
{
    assert_int_equal(status, DLOP_OK);
    atomic_fetch_add((atomic_int *)launch->cookie, 1);
}

/* Run a launch in a pool of its own; threads share jobs from split_cost on. */
static void run(struct dlop_launch *launch, u32 n_threads, u64 split_cost, u32 min_part_bytes)
{
    struct dlop_cpu_pool *pool;
    atomic_int n_done = 0;

    launch->done = note_done;
    launch->cookie = &n_done;
    assert_int_equal(dlop_cpu_pool_open(n_threads, UINT32_MAX, &pool), DLOP_OK);
    dlop_cpu_pool_split_at(pool, split_cost, min_part_bytes);
    assert_int_equal(dlop_cpu_pool_submit(pool, launch), DLOP_OK);
    dlop_cpu_pool_close(&pool); /* while it runs: what was submitted is done first */
    assert_int_equal(atomic_load(&n_done), 1);
}

/* What one thread makes of a launch, and what several do. */
struct twice {
    struct large_launch large;
    u8 *alone;
    struct dlop_completion completions[LARGE_MAX_JOBS];
};

static void run_alone(struct twice *twice)
{
    size_t n_bytes = twice->large.out.size_bytes;

    twice->alone = malloc(n_bytes);
    assert_non_null(twice->alone);
    run(&twice->large.launch, 1, UINT64_MAX, 1);
    memcpy(twice->alone, twice->large.out.host, n_bytes);
    memcpy(twice->completions, twice->large.completions, sizeof twice->completions);
}

static void run_shared(struct twice *twice, const struct random_state *random, const char *what,
                       u32 n_threads, u32 min_part_bytes)
{
    struct large_launch *large = &twice->large;

    memset(large->out.host, 0, large->out.size_bytes);
    memset(large->completions, 0xff, sizeof large->completions);
    run(&large->launch, n_threads, 0, min_part_bytes);
    for (u32 i = 0; i < large->launch.n_jobs; i++) {
        const struct dlop_completion *got = &large->completions[i], *want = &twice->completions[i];

        if (got->record != want->record || got->status != want->status ||
            got->bytes_written != want->bytes_written ||
            got->blocks_decoded != want->blocks_decoded)
            RANDOM_FAIL(random, "%s, %u threads, job %u: status %d, %u blocks instead of %d, %u",
                        what, n_threads, i, got->status, got->blocks_decoded, want->status,
                        want->blocks_decoded);
        if (got->status == DLOP_OK &&
            memcmp((u8 *)large->out.host + large->jobs[i].out_offset,
                   twice->alone + large->jobs[i].out_offset, LARGE_OUT_BYTES) != 0)
            RANDOM_FAIL(random, "%s, %u threads, job %u: other pixels", what, n_threads, i);
    }
}

static void twice_close(struct twice *twice)
{
    large_close(&twice->large);
    free(twice->alone);
}

static void add_crop(struct twice *twice, struct random_state *random, const struct coded *coded,
                     const struct picture *picture)
{
    u32 rectangle[4];

    rectangle[0] = (u32)random_in(random, 0, (s32)picture->width - 1);
    rectangle[1] = (u32)random_in(random, 0, (s32)picture->height - 1);
    rectangle[2] = (u32)random_in(random, 1, (s32)(picture->width - rectangle[0]));
    rectangle[3] = (u32)random_in(random, 1, (s32)(picture->height - rectangle[1]));
    large_add(&twice->large, coded, rectangle);
}

/* ---- sound photographs ---- */

static void photographs_are_the_same_by_any_number_of_threads(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct picture picture = large_mosaic(paths, n_paths, 2, 1, 400, 600);
    static struct twice twice;

    for (size_t c = 0; c < N_CODINGS; c++) {
        struct coded coded = large_encode(&picture, &codings[c]);

        large_open(&twice.large, (N_CROPS + 1) * (coded.n_bytes + 200000), N_CROPS + 1);
        large_add(&twice.large, &coded, NULL);
        for (u32 i = 0; i < N_CROPS; i++)
            add_crop(&twice, &random, &coded, &picture);
        run_alone(&twice);
        /* Of 2 to 8 threads four for each coding, all for some. */
        for (u32 i = 0; i < 4; i++)
            run_shared(&twice, &random, codings[c].name, 2 + (u32)(c + 2 * i) % 7,
                       i % 2 ? 1000 : 7000);
        twice_close(&twice);
        free(coded.memory);
    }
    free(picture.rgb);
}

/* Parts of a few bytes: many MCUs are longer than a part. */
static void parts_may_be_shorter_than_an_mcu(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct picture picture = large_mosaic(paths, n_paths, 1, 1, 90, 70);
    static struct twice twice;

    for (size_t c = 0; c < N_CODINGS; c++) {
        struct coded coded = large_encode(&picture, &codings[c]);

        large_open(&twice.large, 1000000, 10);
        for (u32 i = 0; i < 10; i++)
            add_crop(&twice, &random, &coded, &picture);
        run_alone(&twice);
        for (u32 i = 1; i < 40; i += 6)
            run_shared(&twice, &random, codings[c].name, 4, i);
        twice_close(&twice);
        free(coded.memory);
    }
    free(picture.rgb);
}

/* The sizes that it is made for, with the thresholds of everyday. */
static void a_photograph_of_24_megapixels(void **state)
{
    (void)state;
    struct picture picture = large_mosaic(paths, n_paths, 3, 2, 2560, 1600);
    struct coded coded = large_encode(&picture, &codings[0]);
    static struct twice twice;

    large_open(&twice.large, coded.n_bytes + 1000000, 1);
    assert_true(dlop_cpu_job_cost(large_add(&twice.large, &coded, NULL)) > DLOP_CPU_SPLIT_COST);
    run_alone(&twice);
    memset(twice.large.out.host, 0, twice.large.out.size_bytes);
    run(&twice.large.launch, 4, DLOP_CPU_SPLIT_COST, DLOP_CPU_SPLIT_PART_BYTES);
    assert_int_equal(twice.large.completions[0].status, DLOP_OK);
    assert_int_equal(twice.large.completions[0].blocks_decoded, 3 * 960 * 400);
    assert_memory_equal(twice.large.out.host, twice.alone, LARGE_OUT_BYTES);
    twice_close(&twice);
    free(coded.memory);
    free(picture.rgb);
}

/* Time that is counted for a job of two threads is more than passes meanwhile. The first run is for
 * memory to grow. */
static void idle_threads_help(void **state)
{
    (void)state;
    struct picture picture = large_mosaic(paths, n_paths, 1, 1, 1600, 1200);
    struct coded coded = large_encode(&picture, &codings[1]);
    static struct large_launch large;
    struct dlop_cpu_pool *pool;
    double most = 0;

    large_open(&large, coded.n_bytes + 200000, 1);
    large_add(&large, &coded, NULL);
    large.launch.done = note_done;
    assert_int_equal(dlop_cpu_pool_open(2, UINT32_MAX, &pool), DLOP_OK);
    dlop_cpu_pool_split_at(pool, 0, 4000);
    for (u32 i = 0; i < 200 && most < 1.2; i++) {
        struct timespec begin, end;
        atomic_int n_done = 0;
        double ns;

        large.launch.cookie = &n_done;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        assert_int_equal(dlop_cpu_pool_submit(pool, &large.launch), DLOP_OK);
        while (!atomic_load(&n_done))
            usleep(100);
        clock_gettime(CLOCK_MONOTONIC, &end);
        ns = 1e9 * (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec);
        if (i > 0 && (double)large.completions[0].busy_ticks / ns > most)
            most = (double)large.completions[0].busy_ticks / ns;
    }
    assert_true(most >= 1.2);
    dlop_cpu_pool_close(&pool);
    large_close(&large);
    free(coded.memory);
    free(picture.rgb);
}

/* Random axes, greys, layouts and kinds of jobs, against the plain reference. */
static void rows_of_any_job_can_be_shared(void **state)
{
    (void)state;
    const struct dlop_driver *cpu = dlop_driver_get("cpu");
    struct photo photos[8];
    u32 n_photos = kit_load_photos(photos, 8);
    static struct kit kit;

    for (u32 round = 0; n_photos && round < 8; round++) {
        struct random_state random = random_start(random_seed() + round);
        struct dlop_cpu_pool *pool;

        kit_open(&kit, cpu, NULL);
        for (u32 i = 0; i < KIT_MAX_JOBS; i++)
            kit_add(&kit, &random, &photos[random_u32(&random) % n_photos],
                    i % DLOP_JOB_KIND_COUNT);
        kit_expect(&kit);
        kit_sync(&kit);
        assert_int_equal(dlop_cpu_pool_open(2 + round % 4, UINT32_MAX, &pool), DLOP_OK);
        dlop_cpu_pool_split_at(pool, 0, 200);
        assert_int_equal(dlop_cpu_pool_submit(pool, &kit.launch), DLOP_OK);
        kit_wait(&kit);
        kit_check(&kit, &random);
        dlop_cpu_pool_close(&pool);
        kit_close(&kit);
    }
    kit_free_photos(photos, n_photos);
}

/* ---- damaged files ---- */

/* Change bytes of the scan, cut it, or announce other restart markers. */
static void damage(struct random_state *random, struct coded *coded)
{
    struct dlop_jpeg_frame *frame = (void *)coded->memory;
    struct dlop_jpeg_scan *scan = &frame->scan[0];
    u32 n_bytes = scan->end_bytes - scan->begin_bytes;
    s32 kind = random_in(random, 0, 9);

    if (kind == 0)
        scan->end_bytes -= random_u32(random) % n_bytes;
    else if (kind == 1)
        scan->restart_interval = (u32)random_in(random, 0, 300);
    else
        for (s32 n = random_in(random, 1, 4); n > 0; n--)
            coded->memory[scan->begin_bytes + random_u32(random) % n_bytes] ^=
                (u8)(1 << random_in(random, 0, 7));
}

static void damaged_photographs_have_the_same_status(void **state)
{
    (void)state;
    struct picture picture = large_mosaic(paths, n_paths, 1, 1, 200, 160);
    u32 n_refused = 0, n_jobs = 0;
    static struct twice twice;

    for (size_t c = 0; c < N_CODINGS; c++) {
        struct random_state random = random_start(random_seed() + c);
        struct coded coded = large_encode(&picture, &codings[c]);

        large_open(&twice.large, N_DAMAGED * (coded.n_bytes + 20000), N_DAMAGED);
        for (u32 i = 0; i < N_DAMAGED; i++) {
            struct coded damaged = {malloc(coded.n_bytes), coded.n_bytes};

            memcpy(damaged.memory, coded.memory, coded.n_bytes);
            damage(&random, &damaged);
            large_add(&twice.large, &damaged, NULL);
            free(damaged.memory);
        }
        run_alone(&twice);
        run_shared(&twice, &random, codings[c].name, 4, 300);
        n_jobs += twice.large.launch.n_jobs;
        for (u32 i = 0; i < twice.large.launch.n_jobs; i++)
            n_refused += twice.completions[i].status != DLOP_OK;
        twice_close(&twice);
        free(coded.memory);
    }
    assert_in_range(n_refused, n_jobs / 5, n_jobs - n_jobs / 10);
    free(picture.rgb);
}

/* ---- scouts ---- */

/* A leader whose first part is held up until helpers have scouted all that there is, so that what
 * scouts do does not depend on how threads are scheduled. */
static struct held {
    struct dlop_cpu_crew crew; /* first: call knows no more */
    struct dlop_cpu_worker *leader, *helper;
    u32 (*decode)(struct dlop_cpu_scan *scan, u32 n_mcus); /* steps that are wrapped */
    u32 (*pass_over)(struct dlop_cpu_scan *scan, u32 n_mcus);
    pthread_t thread;
    atomic_int is_held;
    atomic_uint n_scouted;
    atomic_uint n_blocks; /* decoded by both, whether they serve or not */
    u32 n_linked;         /* MCUs that the leader passed over */
    void (*pack)(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out);
    u32 liar; /* every so many runs of MCUs the scout goes wrong; 0: never */
} held;

static u32 counted_decode(struct dlop_cpu_scan *scan, u32 n_mcus)
{
    u32 n_done = held.decode(scan, n_mcus);

    atomic_fetch_add(&held.n_blocks, n_done * scan->n_blocks);
    return n_done;
}

static u32 counted_link(struct dlop_cpu_scan *scan, u32 n_mcus)
{
    u32 n_done = held.pass_over(scan, n_mcus);

    held.n_linked += n_done;
    return n_done;
}

/* Hold the leader up, once, until all that others can take is done. */
static void hold(void)
{
    struct dlop_cpu_team *team = dlop_cpu_worker_team(held.leader);
    int is_waiting = atomic_exchange(&held.is_held, 0);

    for (u32 ms = 0; is_waiting && ms < 10000; ms++) {
        pthread_mutex_lock(&team->lock);
        is_waiting = team->stage.front < team->stage.back || team->n_running;
        pthread_mutex_unlock(&team->lock);
        usleep(1000);
    }
    assert_false(is_waiting);
}

static u32 decode_when_scouted(struct dlop_cpu_scan *scan, u32 n_mcus)
{
    hold();
    return counted_decode(scan, n_mcus);
}

static void pack_when_shared(const struct dlop_cpu_pack *pack, const u8 *row, u32 y, u8 *out)
{
    hold();
    held.pack(pack, row, y, out);
}

static u32 scouted_skip(struct dlop_cpu_scan *scan, u32 n_mcus)
{
    u32 n = atomic_fetch_add(&held.n_scouted, 1), n_done = held.pass_over(scan, n_mcus);

    if (held.liar && n % held.liar == 0) {
        scan->dc_pred[n % 3] += 1;
        if (n % 2 && dlop_cpu_bits_position(scan) > 1)
            dlop_cpu_bits_seek(scan, dlop_cpu_bits_position(scan) - 1);
    }
    return n_done;
}

static void *help(void *argument)
{
    (void)argument;
    dlop_cpu_team_help(dlop_cpu_worker_team(held.leader), held.helper);
    return NULL;
}

static void call(struct dlop_cpu_crew *crew)
{
    assert_ptr_equal(crew, &held.crew);
    assert_int_equal(pthread_create(&held.thread, NULL, help, NULL), 0);
}

static void run_held(struct twice *twice, const struct random_state *random, const char *what)
{
    struct dlop_cpu_steps *steps;

    held.crew = (struct dlop_cpu_crew){.call = call, .n_threads = 2, .min_part_bytes = 2000};
    assert_int_equal(dlop_cpu_worker_open(UINT32_MAX, &held.leader), DLOP_OK);
    assert_int_equal(dlop_cpu_worker_open(UINT32_MAX, &held.helper), DLOP_OK);
    steps = (struct dlop_cpu_steps *)dlop_cpu_worker_steps(held.leader);
    held.decode = steps->decode_mcus;
    held.pass_over = steps->skip_mcus;
    steps->decode_mcus = decode_when_scouted;
    steps->skip_mcus = counted_link;
    steps = (struct dlop_cpu_steps *)dlop_cpu_worker_steps(held.helper);
    steps->decode_mcus = counted_decode;
    steps->skip_mcus = scouted_skip;
    atomic_store(&held.n_scouted, 0);
    atomic_store(&held.n_blocks, 0);
    held.n_linked = 0;
    atomic_store(&held.is_held, 1);
    memset(twice->large.out.host, 0, twice->large.out.size_bytes);
    dlop_cpu_lead_job(held.leader, &twice->large.jobs[0], &twice->large.launch, &held.crew,
                      &twice->large.completions[0]);
    pthread_join(held.thread, NULL);
    if (twice->large.completions[0].status != DLOP_OK ||
        twice->large.completions[0].blocks_decoded != twice->completions[0].blocks_decoded ||
        memcmp(twice->large.out.host, twice->alone, LARGE_OUT_BYTES) != 0)
        RANDOM_FAIL(random, "%s, lies every %u: status %d, or other pixels", what, held.liar,
                    twice->large.completions[0].status);
    /* Without lies nothing is decoded twice: neither is a split given up nor a part left over. */
    if (!held.liar && (atomic_load(&held.n_blocks) != twice->completions[0].blocks_decoded ||
                       held.n_linked > MAX_LINKED))
        RANDOM_FAIL(random, "%s: %u blocks decoded for %u, %u MCUs passed over by the leader", what,
                    atomic_load(&held.n_blocks), twice->completions[0].blocks_decoded,
                    held.n_linked);
    dlop_cpu_worker_close(&held.leader);
    dlop_cpu_worker_close(&held.helper);
}

/* A helper makes all rows but the first task's, of every kind of job. */
static void rows_of_a_helper_are_the_same(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct photo photos[8];
    u32 n_photos = kit_load_photos(photos, 8);
    struct dlop_cpu_steps *steps;
    static struct kit kit;

    if (!n_photos)
        skip();
    kit_open(&kit, dlop_driver_get("cpu"), NULL);
    for (u32 i = 0; i < KIT_MAX_JOBS; i++)
        kit_add(&kit, &random, &photos[random_u32(&random) % n_photos], i % DLOP_JOB_KIND_COUNT);
    kit_expect(&kit);
    kit_sync(&kit);
    atomic_store(&kit.status, DLOP_OK);
    for (u32 i = 0; i < KIT_MAX_JOBS; i++) {
        held.crew = (struct dlop_cpu_crew){.call = call, .n_threads = 2, .min_part_bytes = 2000};
        assert_int_equal(dlop_cpu_worker_open(UINT32_MAX, &held.leader), DLOP_OK);
        assert_int_equal(dlop_cpu_worker_open(UINT32_MAX, &held.helper), DLOP_OK);
        steps = (struct dlop_cpu_steps *)dlop_cpu_worker_steps(held.leader);
        held.pack = steps->pack;
        steps->pack = pack_when_shared;
        atomic_store(&held.is_held, 1);
        dlop_cpu_lead_job(held.leader, &kit.jobs[i], &kit.launch, &held.crew, &kit.completions[i]);
        pthread_join(held.thread, NULL);
        dlop_cpu_worker_close(&held.leader);
        dlop_cpu_worker_close(&held.helper);
    }
    kit_check(&kit, &random);
    kit_close(&kit);
    kit_free_photos(photos, n_photos);
}

static void what_scouts_find_changes_nothing(void **state)
{
    (void)state;
    static const u32 liars[] = {0, 1, 7, 300, 1000};
    struct random_state random = random_start(random_seed());
    struct picture picture = large_mosaic(paths, n_paths, 2, 1, 400, 600);
    static struct twice twice;

    for (size_t c = 0; c < N_CODINGS; c++) {
        struct coded coded = large_encode(&picture, &codings[c]);

        large_open(&twice.large, coded.n_bytes + 200000, 1);
        large_add(&twice.large, &coded, NULL);
        run_alone(&twice);
        for (size_t i = 0; i < sizeof liars / sizeof *liars; i++) {
            held.liar = liars[i];
            run_held(&twice, &random, codings[c].name);
            /* Markers need no scouts. */
            assert_true(atomic_load(&held.n_scouted) > 1000 || codings[c].restart_interval);
        }
        twice_close(&twice);
        free(coded.memory);
    }
    free(picture.rgb);
}

/* ---- order ---- */

static void every_job_is_handed_out_once_and_large_ones_first(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    static struct dlop_job jobs[300];
    static struct dlop_cpu_order order;

    for (u32 round = 0; round < 300; round++) {
        struct dlop_launch launch = {.jobs = jobs, .n_jobs = (u32)random_in(&random, 0, 300)};
        u8 is_taken[300] = {0};
        u64 before = UINT64_MAX;

        for (u32 i = 0; i < launch.n_jobs; i++)
            jobs[i] = (struct dlop_job){.kind = DLOP_JOB_PIXELS,
                                        .roi_width_px = (u32)random_in(&random, 0, 3) ? 100 : 9000,
                                        .roi_height_px = (u32)random_in(&random, 1, 500)};
        dlop_cpu_order_init(&launch, (u32)random_in(&random, 1, 64), &order);
        for (u32 n = 0; n < launch.n_jobs; n++) {
            u32 i = dlop_cpu_order_job(&order, n);
            u64 cost = dlop_cpu_job_cost(&jobs[i]);

            assert_true(i < launch.n_jobs && !is_taken[i]);
            is_taken[i] = 1;
            if (n < order.n_first && (cost > before || cost != order.first[n].cost))
                RANDOM_FAIL(&random, "job %u of cost %llu at place %u", i, (unsigned long long)cost,
                            n);
            before = cost;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_is_handed_out_once_and_large_ones_first),
        cmocka_unit_test(what_scouts_find_changes_nothing),
        cmocka_unit_test(rows_of_a_helper_are_the_same),
        cmocka_unit_test(parts_may_be_shorter_than_an_mcu),
        cmocka_unit_test(photographs_are_the_same_by_any_number_of_threads),
        cmocka_unit_test(rows_of_any_job_can_be_shared),
        cmocka_unit_test(damaged_photographs_have_the_same_status),
        cmocka_unit_test(a_photograph_of_24_megapixels),
        cmocka_unit_test(idle_threads_help),
    };

    n_paths = large_find("build/photos/large/train", paths, MAX_PATHS);
    if (!n_paths) {
        printf("SKIP photos: no photographs; run make photos\n");
        return 77;
    }
    return cmocka_run_group_tests_name("driver/split", tests, NULL, NULL);
}
