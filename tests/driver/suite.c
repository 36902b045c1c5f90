/* Driver test: one suite that every driver of this build must pass.
 *
 * It runs once per driver of the table that is present here, and over a group of devices (members
 * as in GROUP_MEMBERS, those that are present); DLOP_TEST_DRIVER=name picks one. What
 * a device must produce is what hw/core/image.h produces, byte for byte, statuses and block counts
 * included; what lies between and behind the outputs must stay as it was.
 */
#include "driver/group/group.h"
#include "tests/driver/kit.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define N_PHOTOS 12

/* Sanitizers end the program at a huge allocation unless told to refuse it as the heap does. */
#define EXPORTED __attribute__((visibility("default")))
EXPORTED const char *__asan_default_options(void);
EXPORTED const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static const struct dlop_driver *driver; /* under test */
static struct photo photos[N_PHOTOS];
static u32 n_photos;

static struct dlop_device *open_device(u32 n_threads)
{
    struct dlop_device_cfg cfg = {.n_threads = n_threads, .vector_level = UINT32_MAX};
    struct dlop_device *device = NULL;

    assert_int_equal(driver->open(&cfg, &device), DLOP_OK);
    assert_non_null(device);
    return device;
}

static const struct photo *any_photo(struct random_state *random)
{
    return &photos[random_u32(random) % n_photos];
}

static void fill_kit(struct kit *kit, struct random_state *random, u32 n_jobs)
{
    for (u32 i = 0; i < n_jobs; i++)
        kit_add(kit, random, any_photo(random), i % DLOP_JOB_KIND_COUNT);
    kit_expect(kit);
}

/* ---- life of a device ---- */

static void probe_names_the_device(void **state)
{
    (void)state;
    struct dlop_device_info info;

    memset(&info, 0xff, sizeof info);
    assert_int_equal(driver->probe(&info), DLOP_OK);
    assert_true(info.is_present);
    assert_string_equal(info.name, driver->name);
    assert_true(strlen(info.description) > 0);
    assert_string_equal(info.missing, "");
    assert_true(info.n_units >= 1);
}

static void open_and_close_leave_nothing(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = NULL;
    u32 n_threads_before, n_fds_before;
    struct kit kit;

    driver->close(&device);
    device = open_device(3); /* what a first use starts or loads may stay */
    kit_open(&kit, driver, device);
    fill_kit(&kit, &random, 6);
    kit_submit(&kit);
    kit_wait(&kit);
    kit_close(&kit);
    driver->close(&device);
    assert_null(device);
    n_threads_before = kit_count_proc("task");
    n_fds_before = kit_count_proc("fd");
    for (u32 i = 0; i < 20; i++) {
        device = open_device(i % 5);
        assert_true(driver->n_units(device) >= 1);
        if (i % 2) {
            kit_open(&kit, driver, device);
            fill_kit(&kit, &random, 6);
            kit_submit(&kit);
            kit_wait(&kit);
            kit_close(&kit);
        }
        driver->close(&device);
        assert_null(device);
    }
    assert_int_equal(kit_count_proc("task"), n_threads_before);
    assert_int_equal(kit_count_proc("fd"), n_fds_before);
}

static void close_finishes_what_was_submitted(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = open_device(2);
    struct kit kits[3];

    for (u32 i = 0; i < 3; i++) {
        kit_open(&kits[i], driver, device);
        fill_kit(&kits[i], &random, 16);
        kit_submit(&kits[i]);
    }
    driver->close(&device);
    for (u32 i = 0; i < 3; i++) {
        assert_int_equal(atomic_load(&kits[i].n_done), 1);
        kit_check(&kits[i], &random);
        kit_close(&kits[i]);
    }
}

/* ---- memory ---- */

static void memory_is_zeroed_aligned_and_bounded(void **state)
{
    (void)state;
    struct dlop_device *device = open_device(1);
    const struct dlop_memory_ops *memory = &driver->memory;

    for (size_t n_bytes = 1; n_bytes < 100000; n_bytes = 3 * n_bytes + 1) {
        struct dlop_buffer buffer = {0};

        assert_int_equal(memory->alloc(device, n_bytes, &buffer), DLOP_OK);
        assert_int_equal(buffer.size_bytes, n_bytes);
        assert_int_equal((uintptr_t)buffer.host % 64, 0);
        for (size_t i = 0; i < n_bytes; i++)
            assert_int_equal(((u8 *)buffer.host)[i], 0);
        assert_int_equal(memory->to_device(device, &buffer, 0, n_bytes), DLOP_OK);
        assert_int_equal(memory->from_device(device, &buffer, n_bytes, 0), DLOP_OK);
        assert_int_equal(memory->to_device(device, &buffer, 1, n_bytes), DLOP_ERR_ARGUMENT);
        assert_int_equal(memory->from_device(device, &buffer, SIZE_MAX, 2), DLOP_ERR_ARGUMENT);
        memory->free(device, &buffer);
        assert_null(buffer.host);
        memory->free(device, &buffer);
    }
    memory->free(device, NULL);
    driver->close(&device);
}

static void too_much_memory_is_refused(void **state)
{
    (void)state;
    struct dlop_device *device = open_device(1);
    struct dlop_buffer buffer = {0};

    assert_int_equal(driver->memory.alloc(device, SIZE_MAX, &buffer), DLOP_ERR_NO_MEMORY);
    assert_int_equal(driver->memory.alloc(device, SIZE_MAX / 2, &buffer), DLOP_ERR_NO_MEMORY);
    assert_null(buffer.host);
    driver->close(&device);
}

/* The tensor's storage is the caller's: results land there without a copy. */
static void wrapped_memory_takes_the_output(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = open_device(2);
    struct dlop_buffer own;
    dlop_status status;
    struct kit kit;
    u8 *memory;

    kit_open(&kit, driver, device);
    memory = malloc(kit.out.size_bytes + 8);
    own = kit.out;
    status = driver->memory.wrap(device, memory + 8, own.size_bytes, &kit.out);
    if (status != DLOP_ERR_UNSUPPORTED) {
        assert_int_equal(status, DLOP_OK);
        fill_kit(&kit, &random, 16);
        kit_submit(&kit);
        kit_wait(&kit);
        kit_check(&kit, &random);
        driver->memory.free(device, &kit.out);
    }
    kit.out = own;
    kit_close(&kit);
    free(memory);
    driver->close(&device);
}

/* ---- launches ---- */

/* The same launches on 1, 2 and 7 threads: each equals the reference, so all are equal. */
static void results_equal_the_reference(void **state)
{
    (void)state;
    static const u32 n_threads[] = {1, 2, 7};

    for (u32 round = 0; round < 12; round++) {
        struct random_state random = random_start(random_seed() + round);
        struct dlop_device *device = open_device(n_threads[round % 3]);
        struct kit kit;

        kit_open(&kit, driver, device);
        fill_kit(&kit, &random, KIT_MAX_JOBS);
        for (u32 repeat = 0; repeat < 2; repeat++) {
            kit_submit(&kit);
            kit_wait(&kit);
            kit_check(&kit, &random);
        }
        kit_close(&kit);
        driver->close(&device);
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
    struct dlop_device *device = open_device(1);
    atomic_uint n_done = 0;
    u32 n_refused = 0;
    struct counted_launch *launches;
    struct kit kit;

    kit_open(&kit, driver, device);
    fill_kit(&kit, &random, 5);
    launches = counted_launches(&kit, N_LAUNCHES, &n_done);
    for (u32 i = 0; i < N_LAUNCHES; i++) {
        dlop_status status;

        while ((status = driver->submit(device, &launches[i].launch)) == DLOP_AGAIN) {
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
    driver->close(&device);
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
        while (driver->submit(submitter->device, &submitter->launches[i].launch) == DLOP_AGAIN)
            usleep(100);
    return NULL;
}

static void any_thread_may_submit(void **state)
{
    (void)state;
    enum { N_SUBMITTERS = 4, N_EACH = 200 };
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = open_device(3);
    struct submitter submitters[N_SUBMITTERS];
    struct counted_launch *launches;
    pthread_t threads[N_SUBMITTERS];
    atomic_uint n_done = 0;
    struct kit kit;

    kit_open(&kit, driver, device);
    fill_kit(&kit, &random, 5);
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
    driver->close(&device);
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
    struct dlop_device *device = open_device(2);

    for (size_t i = 0; i < N_SPOILS; i++) {
        struct kit kit;

        kit_open(&kit, driver, device);
        for (u32 j = 0; j < 4; j++) {
            struct dlop_job *job =
                kit_add(&kit, &random, any_photo(&random), j % 2 ? DLOP_JOB_PIXELS : DLOP_JOB_JPEG);

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
    driver->close(&device);
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
    struct dlop_device *device = open_device(2);
    struct kit kit;

    kit_open(&kit, driver, device);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        *((u8 *)kit_add(&kit, &random, any_photo(&random), DLOP_JOB_TENSOR) + fields[i].offset) ^=
            1;
    kit_expect(&kit);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (kit.expected[i].status == DLOP_OK)
            fail_msg("%s is not refused by the reference", fields[i].name);
    kit_submit(&kit);
    kit_wait(&kit);
    kit_check(&kit, &random);
    kit_close(&kit);
    driver->close(&device);
}

/* Words of axis tables overwritten: the same answer as the reference's, whatever it is. */
static void bad_axis_tables_are_refused(void **state)
{
    (void)state;
    static const s32 values[] = {-1, 1, 2, 65535, 1 << 23, INT32_MIN, INT32_MAX};
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = open_device(2);
    u32 n_refused = 0;

    for (u32 i = 0; i < 20; i++) {
        struct kit kit;

        kit_open(&kit, driver, device);
        for (u32 j = 0; j < KIT_MAX_JOBS; j++) {
            struct dlop_job *job = kit_add(&kit, &random, any_photo(&random), DLOP_JOB_PIXELS);
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
    driver->close(&device);
}

/* Bytes of frames and scans flipped: a device refuses the record, or gives the reference's
 * bytes. */
static void damaged_jpegs_are_refused_or_equal(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = open_device(2);
    u32 n_refused = 0;

    for (u32 i = 0; i < 20; i++) {
        struct kit kit;

        kit_open(&kit, driver, device);
        for (u32 j = 0; j < KIT_MAX_JOBS; j++) {
            struct dlop_job *job = kit_add(&kit, &random, any_photo(&random), DLOP_JOB_JPEG);
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
    driver->close(&device);
}

static void accepts_gives_a_reason(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = open_device(1);
    struct dlop_job job;
    char reason[80];
    struct kit kit;

    kit_open(&kit, driver, device);
    job = *kit_add(&kit, &random, &photos[0], DLOP_JOB_JPEG);
    assert_int_equal(driver->accepts(device, &job, reason, sizeof reason), DLOP_OK);
    assert_int_equal(driver->accepts(device, &job, NULL, 0), DLOP_OK);
    job.element_bytes = 3;
    assert_int_not_equal(driver->accepts(device, &job, reason, sizeof reason), DLOP_OK);
    assert_true(strlen(reason) > 0);
    assert_int_not_equal(driver->accepts(device, &job, NULL, 0), DLOP_OK);
    memset(reason, 'x', sizeof reason);
    assert_int_not_equal(driver->accepts(device, &job, reason, 5), DLOP_OK);
    assert_true(strlen(reason) < 5);
    assert_int_equal(reason[5], 'x');
    kit_close(&kit);
    driver->close(&device);
}

/* ---- fork ---- */

/* Run in a child with a device of the parent's: 0 when submit refused and close returned. */
static int use_in_child(struct dlop_device *device, struct kit *kit)
{
    dlop_status status;

    alarm(20);
    status = driver->submit(device, &kit->launch);
    driver->close(&device);
    return status == DLOP_ERR_STATE && !device ? 0 : 1;
}

static void a_forked_child_cannot_submit_and_can_close(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = open_device(3);
    struct kit kit, idle;

    kit_open(&kit, driver, device);
    kit_open(&idle, driver, device);
    fill_kit(&kit, &random, KIT_MAX_JOBS);
    for (u32 i = 0; i < 12; i++) {
        int wait_status;
        pid_t child;

        if (i)
            kit_submit(&kit); /* first before any thread runs, then in mid-launch */
        child = fork();
        if (child == 0)
            _exit(use_in_child(device, &idle));
        assert_true(child > 0);
        assert_int_equal(waitpid(child, &wait_status, 0), child);
        assert_true(WIFEXITED(wait_status));
        assert_int_equal(WEXITSTATUS(wait_status), 0);
        if (i) {
            kit_wait(&kit);
            kit_check(&kit, &random);
        }
    }
    kit_close(&kit);
    kit_close(&idle);
    driver->close(&device);
}

static int run_suite(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probe_names_the_device),
        cmocka_unit_test(open_and_close_leave_nothing),
        cmocka_unit_test(close_finishes_what_was_submitted),
        cmocka_unit_test(memory_is_zeroed_aligned_and_bounded),
        cmocka_unit_test(too_much_memory_is_refused),
        cmocka_unit_test(wrapped_memory_takes_the_output),
        cmocka_unit_test(results_equal_the_reference),
        cmocka_unit_test(many_launches_complete_once_under_back_pressure),
        cmocka_unit_test(any_thread_may_submit),
        cmocka_unit_test(bad_jobs_are_refused),
        cmocka_unit_test(tensors_with_geometry_are_refused),
        cmocka_unit_test(bad_axis_tables_are_refused),
        cmocka_unit_test(damaged_jpegs_are_refused_or_equal),
        cmocka_unit_test(accepts_gives_a_reason),
        cmocka_unit_test(a_forked_child_cannot_submit_and_can_close),
    };
    char name[64];

    snprintf(name, sizeof name, "driver/%s", driver->name);
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

/* ---- several devices as one ---- */

static const char *const GROUP_MEMBERS[] = {"cpu", "sim"};
#define N_GROUP_MEMBERS (sizeof GROUP_MEMBERS / sizeof GROUP_MEMBERS[0])

static dlop_status open_group(const struct dlop_device_cfg *cfg, struct dlop_device **device_out)
{
    struct dlop_group_member members[N_GROUP_MEMBERS];
    struct dlop_group_cfg group = {
        .members = members,
        .n_members = N_GROUP_MEMBERS,
        .resort = {.driver = dlop_driver_get("cpu"), .cfg = *cfg},
        .resort_shares = true,
    };

    for (size_t i = 0; i < N_GROUP_MEMBERS; i++)
        members[i] = (struct dlop_group_member){
            .driver = dlop_driver_get(GROUP_MEMBERS[i]), .cfg = *cfg, .may_be_absent = true};
    return dlop_group_open(&group, device_out, NULL);
}

static int run_group_suite(void)
{
    static struct dlop_driver group;

    group = dlop_group_driver;
    group.open = open_group;
    driver = &group;
    return run_suite();
}

int main(void)
{
    const char *wanted = getenv("DLOP_TEST_DRIVER");
    int n_failed = 0;

    n_photos = kit_load_photos(photos, N_PHOTOS);
    if (!n_photos) {
        printf("SKIP photos: no photographs; run make photos\n");
        return 77;
    }
    for (u32 i = 0; (driver = dlop_driver_at(i)); i++) {
        struct dlop_device_info info = {0};

        if (wanted && strcmp(wanted, driver->name))
            continue;
        if (driver->probe(&info) == DLOP_OK && info.is_present)
            n_failed += run_suite();
        else
            printf("SKIP %s: %s\n", driver->name, info.missing);
    }
    if (!wanted || !strcmp(wanted, "group"))
        n_failed += run_group_suite();
    kit_free_photos(photos, n_photos);
    return n_failed;
}
