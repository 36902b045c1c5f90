/* Driver test: one suite that every driver of this build must pass.
 *
 * It runs once per driver of the table that is present here, and over a group of devices (members
 * as in GROUP_MEMBERS, those that are present); DLOP_TEST_DRIVER=name picks one. What a device must
 * produce is what hw/core/image.h produces, byte for byte, statuses and block counts included; what
 * lies between and behind the outputs must stay as it was.
 * Here: the life of a device and its memory. What becomes of launches: suite_launches.c.
 */
#include "driver/group/group.h"
#include "tests/driver/suite.h"

#include <sys/wait.h>
#include <unistd.h>

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

const struct dlop_driver *suite_driver;
struct photo suite_photos[SUITE_MAX_PHOTOS];
u32 suite_n_photos;

struct dlop_device *suite_open(u32 n_threads)
{
    struct dlop_device_cfg cfg = {.n_threads = n_threads, .vector_level = UINT32_MAX};
    struct dlop_device *device = NULL;

    assert_int_equal(suite_driver->open(&cfg, &device), DLOP_OK);
    assert_non_null(device);
    return device;
}

const struct photo *suite_any_photo(struct random_state *random)
{
    return &suite_photos[random_u32(random) % suite_n_photos];
}

void suite_fill(struct kit *kit, struct random_state *random, u32 n_jobs)
{
    for (u32 i = 0; i < n_jobs; i++)
        kit_add(kit, random, suite_any_photo(random), i % DLOP_JOB_KIND_COUNT);
    kit_expect(kit);
}

/* ---- life of a device ---- */

static void probe_names_the_device(void **state)
{
    (void)state;
    struct dlop_device_info info;

    memset(&info, 0xff, sizeof info);
    assert_int_equal(suite_driver->probe(&info), DLOP_OK);
    assert_true(info.is_present);
    assert_string_equal(info.name, suite_driver->name);
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

    suite_driver->close(&device);
    device = suite_open(3); /* what a first use starts or loads may stay */
    kit_open_for(&kit, suite_driver, device, 6);
    suite_fill(&kit, &random, 6);
    kit_submit(&kit);
    kit_wait(&kit);
    kit_close(&kit);
    suite_driver->close(&device);
    assert_null(device);
    n_threads_before = kit_count_proc("task");
    n_fds_before = kit_count_proc("fd");
    for (u32 i = 0; i < 20; i++) {
        device = suite_open(i % 5);
        assert_true(suite_driver->n_units(device) >= 1);
        if (i % 2) {
            kit_open_for(&kit, suite_driver, device, 6);
            suite_fill(&kit, &random, 6);
            kit_submit(&kit);
            kit_wait(&kit);
            kit_close(&kit);
        }
        suite_driver->close(&device);
        assert_null(device);
    }
    /* Not more; fewer where a vendor's library ended what its first use had started. */
    assert_in_range(kit_count_proc("task"), 1, n_threads_before);
    assert_in_range(kit_count_proc("fd"), 1, n_fds_before);
}

static void close_finishes_what_was_submitted(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = suite_open(2);
    struct kit kits[3];

    for (u32 i = 0; i < 3; i++) {
        kit_open_for(&kits[i], suite_driver, device, 16);
        suite_fill(&kits[i], &random, 16);
        kit_sync(&kits[i]);
    }
    for (u32 i = 0; i < 3; i++)
        assert_int_equal(suite_driver->submit(device, &kits[i].launch), DLOP_OK);
    suite_driver->close(&device);
    for (u32 i = 0; i < 3; i++) {
        assert_int_equal(atomic_load(&kits[i].n_done), 1);
        kit_check_completions(&kits[i], &random);
        kits[i].device = NULL; /* buffers may outlive their device, what is in them does not */
        kit_close(&kits[i]);
    }
}

/* ---- memory ---- */

static void memory_is_zeroed_aligned_and_bounded(void **state)
{
    (void)state;
    struct dlop_device *device = suite_open(1);
    const struct dlop_memory_ops *memory = &suite_driver->memory;

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
    suite_driver->close(&device);
}

static void too_much_memory_is_refused(void **state)
{
    (void)state;
    struct dlop_device *device = suite_open(1);
    struct dlop_buffer buffer = {0};

    assert_int_equal(suite_driver->memory.alloc(device, SIZE_MAX, &buffer), DLOP_ERR_NO_MEMORY);
    assert_int_equal(suite_driver->memory.alloc(device, SIZE_MAX / 2, &buffer), DLOP_ERR_NO_MEMORY);
    assert_null(buffer.host);
    suite_driver->close(&device);
}

/* The tensor's storage is the caller's: results land there without a copy. */
static void wrapped_memory_takes_the_output(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = suite_open(2);
    struct dlop_buffer own;
    dlop_status status;
    struct kit kit;
    u8 *memory;

    kit_open_for(&kit, suite_driver, device, 16);
    memory = malloc(kit.out.size_bytes + 8);
    own = kit.out;
    status = suite_driver->memory.wrap(device, memory + 8, own.size_bytes, &kit.out);
    if (status != DLOP_ERR_UNSUPPORTED) {
        assert_int_equal(status, DLOP_OK);
        suite_fill(&kit, &random, 16);
        kit_submit(&kit);
        kit_wait(&kit);
        kit_check(&kit, &random);
        suite_driver->memory.free(device, &kit.out);
    }
    kit.out = own;
    kit_close(&kit);
    free(memory);
    suite_driver->close(&device);
}

static void accepts_gives_a_reason(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = suite_open(1);
    struct dlop_job job;
    char reason[80];
    struct kit kit;

    kit_open_for(&kit, suite_driver, device, 1);
    job = *kit_add(&kit, &random, &suite_photos[0], DLOP_JOB_JPEG);
    assert_int_equal(suite_driver->accepts(device, &job, reason, sizeof reason), DLOP_OK);
    assert_int_equal(suite_driver->accepts(device, &job, NULL, 0), DLOP_OK);
    job.element_bytes = 3;
    assert_int_not_equal(suite_driver->accepts(device, &job, reason, sizeof reason), DLOP_OK);
    assert_true(strlen(reason) > 0);
    assert_int_not_equal(suite_driver->accepts(device, &job, NULL, 0), DLOP_OK);
    memset(reason, 'x', sizeof reason);
    assert_int_not_equal(suite_driver->accepts(device, &job, reason, 5), DLOP_OK);
    assert_true(strlen(reason) < 5);
    assert_int_equal(reason[5], 'x');
    kit_close(&kit);
    suite_driver->close(&device);
}

/* ---- fork ---- */

/* Run in a child with a device of the parent's: 0 when submit refused and close returned. */
static int use_in_child(struct dlop_device *device, struct kit *kit)
{
    dlop_status status;

    alarm(20);
    status = suite_driver->submit(device, &kit->launch);
    suite_driver->close(&device);
    return status == DLOP_ERR_STATE && !device ? 0 : 1;
}

static void a_forked_child_cannot_submit_and_can_close(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = suite_open(3);
    struct kit kit, idle;

    kit_open(&kit, suite_driver, device);
    kit_open(&idle, suite_driver, device);
    suite_fill(&kit, &random, KIT_MAX_JOBS);
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
    suite_driver->close(&device);
}

static int run_life(const char *group)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probe_names_the_device),
        cmocka_unit_test(open_and_close_leave_nothing),
        cmocka_unit_test(close_finishes_what_was_submitted),
        cmocka_unit_test(memory_is_zeroed_aligned_and_bounded),
        cmocka_unit_test(too_much_memory_is_refused),
        cmocka_unit_test(wrapped_memory_takes_the_output),
        cmocka_unit_test(accepts_gives_a_reason),
        cmocka_unit_test(a_forked_child_cannot_submit_and_can_close),
    };

    return cmocka_run_group_tests_name(group, tests, NULL, NULL);
}

static int run_suite(void)
{
    char life[64], launches[64];

    snprintf(life, sizeof life, "driver/%s life", suite_driver->name);
    snprintf(launches, sizeof launches, "driver/%s launches", suite_driver->name);
    return run_life(life) + suite_run_launches(launches);
}

/* ---- several devices as one ---- */

static const char *const GROUP_MEMBERS[] = {"cpu", "sim"};
#define N_GROUP_MEMBERS (sizeof GROUP_MEMBERS / sizeof GROUP_MEMBERS[0])

/* With one thread one member alone writes, one launch after the other: a test that asks for that
 * lets all its launches write to the same places. */
static dlop_status open_group(const struct dlop_device_cfg *cfg, struct dlop_device **device_out)
{
    struct dlop_group_member members[N_GROUP_MEMBERS];
    struct dlop_group_cfg group = {
        .members = members,
        .n_members = cfg->n_threads == 1 ? 1 : N_GROUP_MEMBERS,
        .resort = {.driver = dlop_driver_get("cpu"), .cfg = *cfg},
        .resort_shares = cfg->n_threads != 1,
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
    suite_driver = &group;
    return run_suite();
}

int main(void)
{
    const char *wanted = getenv("DLOP_TEST_DRIVER");
    int n_failed = 0;

    suite_n_photos = kit_load_photos(suite_photos, SUITE_MAX_PHOTOS);
    if (!suite_n_photos) {
        printf("SKIP photos: no photographs; run make photos\n");
        return 77;
    }
    for (u32 i = 0; (suite_driver = dlop_driver_at(i)); i++) {
        struct dlop_device_info info = {0};

        if (wanted && strcmp(wanted, suite_driver->name))
            continue;
        if (suite_driver->probe(&info) != DLOP_OK || !info.is_present) {
            printf("SKIP %s: %s\n", suite_driver->name, info.missing);
            continue;
        }
        n_failed += run_suite();
    }
    if (!wanted || !strcmp(wanted, "group"))
        n_failed += run_group_suite();
    kit_free_photos(suite_photos, suite_n_photos);
    return n_failed;
}
