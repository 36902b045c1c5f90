/* Driver suite: what becomes of launches, good and bad. See suite.c. */
#include "tests/driver/suite.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

/* The same launches on 1, 2 and 7 threads: each equals the reference, so all are equal. */
static void results_equal_the_reference(void **state)
{
    (void)state;
    static const u32 n_threads[] = {1, 2, 7};

    for (u32 round = 0; round < 12; round++) {
        struct random_state random = random_start(random_seed() + round);
        struct dlop_device *device = suite_open(n_threads[round % 3]);
        struct kit kit;

        kit_open(&kit, suite_driver, device);
        suite_fill(&kit, &random, KIT_MAX_JOBS);
        for (u32 repeat = 0; repeat < 2; repeat++) {
            kit_submit(&kit);
            kit_wait(&kit);
            kit_check(&kit, &random);
        }
        kit_close(&kit);
        suite_driver->close(&device);
    }
}

struct counted_launch {
    struct dlop_launch launch;
    struct dlop_job jobs[5];
    struct dlop_completion completions[5];
    atomic_uint n_done;
    atomic_uint *n_done_of_all;
    _Atomic dlop_status status;
};

static void count_done(struct dlop_launch *launch, dlop_status status)
{
    struct counted_launch *counted = launch->cookie;
    atomic_uint *n_done_of_all = counted->n_done_of_all;

    atomic_store(&counted->status, status);
    atomic_fetch_add(&counted->n_done, 1);
    atomic_fetch_add(n_done_of_all, 1);
}

/* n launches of 0 to 5 of the kit's jobs; the jobs of all launches write to the same places. */
static struct counted_launch *counted_launches(struct kit *kit, u32 n, atomic_uint *n_done_of_all)
{
    struct counted_launch *launches = calloc(n, sizeof *launches);

    for (u32 i = 0; i < n; i++) {
        struct counted_launch *counted = &launches[i];

        counted->launch = kit->launch;
        counted->launch.jobs = counted->jobs;
        counted->launch.completions = counted->completions;
        counted->launch.n_jobs = i % 6;
        counted->launch.done = count_done;
        counted->launch.cookie = counted;
        counted->n_done_of_all = n_done_of_all;
        for (u32 j = 0; j < i % 6; j++) {
            counted->jobs[j] = kit->jobs[j];
            counted->jobs[j].record = 6 * i + j;
        }
    }
    return launches;
}

static void wait_for_count(atomic_uint *count, u32 n)
{
    struct timespec pause = {0, 1000000};

    for (u32 ms = 0; ms < 60000 && atomic_load(count) < n; ms++)
        nanosleep(&pause, NULL);
    nanosleep(&pause, NULL);
    assert_int_equal(atomic_load(count), n);
}

/* More launches than any queue holds: some are refused with DLOP_AGAIN, none is lost, none runs
 * twice. */
static void many_launches_complete_once_under_back_pressure(void **state)
{
    (void)state;
    enum { N_LAUNCHES = 3000 };
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = suite_open(1);
    atomic_uint n_done = 0;
    u32 n_refused = 0;
    struct counted_launch *launches;
    struct kit kit;

    kit_open_for(&kit, suite_driver, device, 5);
    suite_fill(&kit, &random, 5);
    kit_sync(&kit);
    launches = counted_launches(&kit, N_LAUNCHES, &n_done);
    for (u32 i = 0; i < N_LAUNCHES; i++) {
        dlop_status status;

        while ((status = suite_driver->submit(device, &launches[i].launch)) == DLOP_AGAIN) {
            struct timespec pause = {0, 100000};

            n_refused++;
            nanosleep(&pause, NULL);
        }
        assert_int_equal(status, DLOP_OK);
    }
    wait_for_count(&n_done, N_LAUNCHES);
    assert_true(n_refused > 0);
    for (u32 i = 0; i < N_LAUNCHES; i++) {
        assert_int_equal(atomic_load(&launches[i].n_done), 1);
        assert_int_equal(atomic_load(&launches[i].status), DLOP_OK);
        for (u32 j = 0; j < i % 6; j++) {
            assert_int_equal(launches[i].completions[j].record, 6 * i + j);
            assert_int_equal(launches[i].completions[j].status, kit.expected[j].status);
        }
    }
    kit_close(&kit);
    suite_driver->close(&device);
    free(launches);
}

struct submitter {
    struct dlop_device *device;
    struct counted_launch *launches;
    u32 n;
};

static void *submit_all(void *argument)
{
    struct submitter *submitter = argument;

    for (u32 i = 0; i < submitter->n; i++)
        while (suite_driver->submit(submitter->device, &submitter->launches[i].launch) ==
               DLOP_AGAIN)
            usleep(100);
    return NULL;
}

static void any_thread_may_submit(void **state)
{
    (void)state;
    enum { N_SUBMITTERS = 4, N_EACH = 200 };
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = suite_open(3);
    struct submitter submitters[N_SUBMITTERS];
    struct counted_launch *launches;
    pthread_t threads[N_SUBMITTERS];
    atomic_uint n_done = 0;
    struct kit kit;

    kit_open_for(&kit, suite_driver, device, 5);
    suite_fill(&kit, &random, 5);
    kit_sync(&kit);
    /* Several launches run at once here and must not write to the same places: all are refused. */
    launches = counted_launches(&kit, N_SUBMITTERS * N_EACH, &n_done);
    for (u32 i = 0; i < N_SUBMITTERS * N_EACH; i++)
        for (u32 j = 0; j < 5; j++)
            launches[i].jobs[j].abi_version = 0xffff;
    for (u32 i = 0; i < N_SUBMITTERS; i++) {
        submitters[i] = (struct submitter){device, launches + i * N_EACH, N_EACH};
        assert_int_equal(pthread_create(&threads[i], NULL, submit_all, &submitters[i]), 0);
    }
    for (u32 i = 0; i < N_SUBMITTERS; i++)
        pthread_join(threads[i], NULL);
    wait_for_count(&n_done, N_SUBMITTERS * N_EACH);
    for (u32 i = 0; i < N_SUBMITTERS * N_EACH; i++) {
        assert_int_equal(atomic_load(&launches[i].n_done), 1);
        for (u32 j = 0; j < launches[i].launch.n_jobs; j++)
            assert_int_equal(launches[i].completions[j].status, DLOP_ERR_ABI);
    }
    kit_close(&kit);
    suite_driver->close(&device);
    free(launches);
}

/* ---- bad jobs ---- */

#define SPOIL(field, value)                                                                        \
    {                                                                                              \
#field, offsetof(struct dlop_job, field), sizeof((struct dlop_job *)0)->field, value       \
    }

static const struct spoil {
    const char *name;
    size_t offset, n_bytes;
    u64 value;
} spoils[] = {
    SPOIL(abi_version, 2),
    SPOIL(kind, DLOP_JOB_KIND_COUNT),
    SPOIL(kind, 255),
    SPOIL(pass_order, DLOP_PASS_ORDER_COUNT),
    SPOIL(grey, DLOP_GREY_COUNT),
    SPOIL(layout, DLOP_LAYOUT_COUNT),
    SPOIL(src_channels, 0),
    SPOIL(src_channels, 2),
    SPOIL(src_channels, 4),
    SPOIL(out_channels, 0),
    SPOIL(out_channels, 2),
    SPOIL(element_bytes, 0),
    SPOIL(element_bytes, 3),
    SPOIL(element_bytes, 16),
    SPOIL(in_offset, UINT64_MAX),
    SPOIL(in_offset, UINT64_MAX - 3),
    SPOIL(in_offset, (u64)1 << 40),
    SPOIL(in_bytes, 0),
    SPOIL(in_bytes, 1),
    SPOIL(in_bytes, UINT64_MAX),
    SPOIL(x_axis_offset, UINT64_MAX - 3),
    SPOIL(x_axis_offset, (u64)1 << 33),
    SPOIL(x_axis_offset, 2),
    SPOIL(y_axis_offset, UINT64_MAX - 15),
    SPOIL(y_axis_offset, 1),
    SPOIL(pack_offset, UINT64_MAX),
    SPOIL(pack_offset, (u64)1 << 31),
    SPOIL(out_offset, UINT64_MAX - 7),
    SPOIL(out_offset, (u64)1 << 35),
    SPOIL(out_bytes, 0),
    SPOIL(out_bytes, 1),
    SPOIL(out_bytes, UINT32_MAX),
    SPOIL(src_width_px, 0),
    SPOIL(src_width_px, 65501),
    SPOIL(src_width_px, UINT32_MAX),
    SPOIL(src_height_px, 0),
    SPOIL(src_height_px, UINT32_MAX),
    SPOIL(roi_x_px, UINT32_MAX),
    SPOIL(roi_y_px, UINT32_MAX - 1),
    SPOIL(roi_width_px, UINT32_MAX),
    SPOIL(roi_height_px, 65500),
    SPOIL(out_width_px, 0),
    SPOIL(out_width_px, 65501),
    SPOIL(out_height_px, 0),
    SPOIL(out_height_px, UINT32_MAX),
    SPOIL(reserved[0], 1),
    SPOIL(reserved[6], 0x80000000u),
};
#define N_SPOILS (sizeof spoils / sizeof spoils[0])

/* Each field of a good job set to each bad value: refused with the reference's status, nothing
 * written, and the good jobs beside it unharmed. */
static void bad_jobs_are_refused(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = suite_open(2);

    for (size_t i = 0; i < N_SPOILS; i++) {
        struct kit kit;

        kit_open_for(&kit, suite_driver, device, 4);
        for (u32 j = 0; j < 4; j++) {
            struct dlop_job *job = kit_add(&kit, &random, suite_any_photo(&random),
                                           j % 2 ? DLOP_JOB_PIXELS : DLOP_JOB_JPEG);

            if (j < 2)
                memcpy((u8 *)job + spoils[i].offset, &spoils[i].value, spoils[i].n_bytes);
        }
        kit_expect(&kit);
        for (u32 j = 0; j < 2; j++)
            if (kit.expected[j].status == DLOP_OK)
                fail_msg("%s is not refused by the reference", spoils[i].name);
        kit_submit(&kit);
        kit_wait(&kit);
        kit_check(&kit, &random);
        kit_close(&kit);
    }
    suite_driver->close(&device);
}

/* A TENSOR job that asks for geometry or grey: refused, nothing written. */
static void tensors_with_geometry_are_refused(void **state)
{
    (void)state;
#define FIELD(name)                                                                                \
    {                                                                                              \
#name, offsetof(struct dlop_job, name)                                                     \
    }
    static const struct {
        const char *name;
        size_t offset;
    } fields[] = {FIELD(pass_order),    FIELD(grey),          FIELD(x_axis_offset),
                  FIELD(y_axis_offset), FIELD(roi_x_px),      FIELD(roi_y_px),
                  FIELD(roi_width_px),  FIELD(roi_height_px), FIELD(out_width_px),
                  FIELD(out_height_px)};
#undef FIELD
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = suite_open(2);
    struct kit kit;

    kit_open_for(&kit, suite_driver, device, 10);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        *((u8 *)kit_add(&kit, &random, suite_any_photo(&random), DLOP_JOB_TENSOR) +
          fields[i].offset) ^= 1;
    kit_expect(&kit);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (kit.expected[i].status == DLOP_OK)
            fail_msg("%s is not refused by the reference", fields[i].name);
    kit_submit(&kit);
    kit_wait(&kit);
    kit_check(&kit, &random);
    kit_close(&kit);
    suite_driver->close(&device);
}

/* Words of axis tables overwritten: the same answer as the reference's, whatever it is. */
static void bad_axis_tables_are_refused(void **state)
{
    (void)state;
    static const s32 values[] = {-1, 1, 2, 65535, 1 << 23, INT32_MIN, INT32_MAX};
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = suite_open(2);
    u32 n_refused = 0;

    for (u32 i = 0; i < 20; i++) {
        struct kit kit;

        kit_open(&kit, suite_driver, device);
        for (u32 j = 0; j < KIT_MAX_JOBS; j++) {
            struct dlop_job *job =
                kit_add(&kit, &random, suite_any_photo(&random), DLOP_JOB_PIXELS);
            u64 table = random_in(&random, 0, 1) ? job->x_axis_offset : job->y_axis_offset;
            u32 word = (u32)random_in(&random, 0, random_in(&random, 0, 1) ? 3 : 40);
            s32 value = values[random_u32(&random) % (sizeof values / sizeof values[0])];

            memcpy((u8 *)kit.in.host + table + 4 * word, &value, 4);
        }
        kit_expect(&kit);
        for (u32 j = 0; j < KIT_MAX_JOBS; j++)
            n_refused += kit.expected[j].status != DLOP_OK;
        kit_submit(&kit);
        kit_wait(&kit);
        kit_check(&kit, &random);
        kit_close(&kit);
    }
    assert_true(n_refused > 100);
    suite_driver->close(&device);
}

/* Bytes of frames and scans flipped: a device refuses the record, or gives the reference's
 * bytes. */
static void damaged_jpegs_are_refused_or_equal(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = suite_open(2);
    u32 n_refused = 0;

    for (u32 i = 0; i < 20; i++) {
        struct kit kit;

        kit_open(&kit, suite_driver, device);
        for (u32 j = 0; j < KIT_MAX_JOBS; j++) {
            struct dlop_job *job = kit_add(&kit, &random, suite_any_photo(&random), DLOP_JOB_JPEG);
            u8 *source = (u8 *)kit.in.host + job->in_offset;
            s32 last = (s32)job->in_bytes - 1 - DLOP_JPEG_PADDING_BYTES;
            s32 first = j % 4 ? (s32)sizeof(struct dlop_jpeg_frame) : 0;

            source[random_in(&random, first, last)] ^= (u8)(1 << random_in(&random, 0, 7));
        }
        kit_expect(&kit);
        kit_submit(&kit);
        kit_wait(&kit);
        for (u32 j = 0; j < KIT_MAX_JOBS; j++) {
            struct dlop_completion *got = &kit.completions[j];
            s32 status = kit.expected[j].status;

            if (status == DLOP_OK || got->status == DLOP_OK)
                continue;
            n_refused++;
            assert_in_range(-got->status, 1, 39);
            got->status = status; /* which of several faults is found first is free */
        }
        kit_check(&kit, &random);
        kit_close(&kit);
    }
    assert_true(n_refused > 20);
    suite_driver->close(&device);
}

int suite_run_launches(const char *group)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_equal_the_reference),
        cmocka_unit_test(many_launches_complete_once_under_back_pressure),
        cmocka_unit_test(any_thread_may_submit),
        cmocka_unit_test(bad_jobs_are_refused),
        cmocka_unit_test(tensors_with_geometry_are_refused),
        cmocka_unit_test(bad_axis_tables_are_refused),
        cmocka_unit_test(damaged_jpegs_are_refused_or_equal),
    };

    return cmocka_run_group_tests_name(group, tests, NULL, NULL);
}
