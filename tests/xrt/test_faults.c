/* Driver test: what an XRT that fails, lies, hangs or ends its process does to the caller. Nothing
 * but a status and an event, in bounded time; see fake_xrt.c for the faults.
 */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/driver/kit.h"
#include "tests/xrt/site.h"

#define N_PHOTOS   8
#define N_JOBS     12
#define TIMEOUT_MS 400
#define SETTINGS   "timeout_ms=400"
#define MAX_EVENTS 16
#define MOST_MS    8000 /* for what is bounded by TIMEOUT_MS, on a busy machine */

static const struct dlop_driver *driver;
static struct site site;
static struct photo photos[N_PHOTOS];
static u32 n_photos;

static struct {
    pthread_mutex_t lock;
    u32 n;
    struct dlop_device_event event[MAX_EVENTS];
    char text[MAX_EVENTS][256];
} events = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void keep_event(void *cookie, const struct dlop_device_event *event)
{
    (void)cookie;
    pthread_mutex_lock(&events.lock);
    if (events.n < MAX_EVENTS) {
        events.event[events.n] = *event;
        snprintf(events.text[events.n], sizeof events.text[0], "%s", event->text);
        events.n++;
    }
    pthread_mutex_unlock(&events.lock);
}

static u32 count_events(u32 kind)
{
    u32 n = 0;

    pthread_mutex_lock(&events.lock);
    for (u32 i = 0; i < events.n; i++)
        n += events.event[i].kind == kind && events.text[i][0];
    pthread_mutex_unlock(&events.lock);
    return n;
}

static dlop_status open_with(const char *faults, const char *settings,
                             struct dlop_device **device_out)
{
    struct dlop_device_cfg cfg = {.settings = settings, .on_event = keep_event};

    events.n = 0;
    setenv("FAKE_XRT", faults, 1);
    return driver->open(&cfg, device_out);
}

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static void fill(struct kit *kit, struct random_state *random)
{
    for (u32 i = 0; i < N_JOBS; i++)
        kit_add(kit, random, &photos[random_u32(random) % n_photos], i % DLOP_JOB_KIND_COUNT);
    kit_expect(kit);
}

static dlop_status wait_done(struct kit *kit)
{
    double end_ms = now_ms() + MOST_MS;

    while (!atomic_load(&kit->n_done) && now_ms() < end_ms)
        usleep(1000);
    assert_int_equal(atomic_load(&kit->n_done), 1);
    return atomic_load(&kit->status);
}

static void assert_no_children(void)
{
    int status;

    assert_int_equal(waitpid(-1, &status, WNOHANG), -1);
}

/* ---- open ---- */

static void what_fails_at_open_is_a_status(void **state)
{
    (void)state;
    static const struct {
        const char *faults, *settings;
        dlop_status status;
    } cases[] = {
        {"open=1", SETTINGS, DLOP_ERR_NO_DEVICE},
        {"load=1", SETTINGS, DLOP_ERR_NO_DEVICE},
        {"kernel=1", SETTINGS, DLOP_ERR_NO_DEVICE},
        {"kernel=3", SETTINGS, DLOP_ERR_NO_DEVICE},
        {"alloc=1", SETTINGS, DLOP_ERR_NO_MEMORY},
        {"alloc=4", SETTINGS, DLOP_ERR_NO_MEMORY},
        {"no_flags=1", "memory=host", DLOP_ERR_UNSUPPORTED},
        {"no_flags=1", "memory=p2p", DLOP_ERR_UNSUPPORTED},
        {"", "memory=tape", DLOP_ERR_ARGUMENT},
        {"", "speed=11", DLOP_ERR_ARGUMENT},
        {"", "timeout_ms=0", DLOP_ERR_ARGUMENT},
        {"", "timeout_ms=1x", DLOP_ERR_ARGUMENT},
        {"", "library=libnothing.so", DLOP_ERR_NO_LIBRARY},
        {"", "program=/bin/false", DLOP_ERR_NO_LIBRARY},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dlop_device *device = NULL;

        if (open_with(cases[i].faults, cases[i].settings, &device) != cases[i].status)
            fail_msg("case %zu: %s", i, events.n ? events.text[0] : "no event");
        assert_null(device);
        assert_int_equal(count_events(DLOP_DEVICE_NOTE), 1);
        assert_no_children();
    }
}

static void an_index_past_the_last_card_is_refused(void **state)
{
    (void)state;
    struct dlop_device_cfg cfg = {.index = 1, .on_event = keep_event};
    struct dlop_device *device = NULL;

    events.n = 0;
    assert_int_equal(driver->open(&cfg, &device), DLOP_ERR_NO_DEVICE);
    assert_int_equal(count_events(DLOP_DEVICE_NOTE), 1);
}

/* ---- runs ---- */

/* A device that fails in its 5th run, of the second launch: the launch ends, and so does everything
 * that is asked afterwards. */
static void expect_loss(const char *faults, dlop_status status)
{
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = NULL;
    struct dlop_buffer buffer = {0};
    double start_ms;
    struct kit kit;

    assert_int_equal(open_with(faults, SETTINGS, &device), DLOP_OK);
    kit_open(&kit, driver, device);
    fill(&kit, &random);
    kit_submit(&kit);
    kit_wait(&kit);
    kit_check(&kit, &random);
    start_ms = now_ms();
    kit_submit(&kit);
    assert_int_equal(wait_done(&kit), status);
    assert_int_equal(driver->submit(device, &kit.launch), DLOP_ERR_DEVICE_LOST);
    assert_int_equal(driver->memory.alloc(device, 100, &buffer), DLOP_ERR_DEVICE_LOST);
    assert_int_equal(driver->memory.to_device(device, &kit.in, 0, 1), DLOP_ERR_DEVICE_LOST);
    assert_int_equal(driver->memory.from_device(device, &kit.out, 0, 1), DLOP_ERR_DEVICE_LOST);
    assert_int_equal(count_events(DLOP_DEVICE_LOST), 1);
    kit_close(&kit);
    driver->close(&device);
    assert_true(now_ms() - start_ms < MOST_MS);
    assert_no_children();
}

static void a_run_that_fails_loses_the_device(void **state)
{
    (void)state;
    expect_loss("start=5", DLOP_ERR_DEVICE_LOST);
    expect_loss("error=5", DLOP_ERR_DEVICE_LOST);
}

static void a_run_without_end_is_timed_out(void **state)
{
    (void)state;
    expect_loss("hang=5", DLOP_ERR_TIMEOUT);
}

static void an_xrt_that_ends_its_process_ends_nothing_else(void **state)
{
    (void)state;
    expect_loss("abort=5", DLOP_ERR_DEVICE_LOST);
    expect_loss("exit=5", DLOP_ERR_DEVICE_LOST);
}

/* The run would be timed out only after 20 s. */
static void a_device_process_that_ends_is_noticed(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = NULL;
    struct kit kit;

    assert_int_equal(open_with("child=2", "timeout_ms=20000", &device), DLOP_OK);
    kit_open(&kit, driver, device);
    fill(&kit, &random);
    kit_submit(&kit);
    assert_int_equal(wait_done(&kit), DLOP_ERR_DEVICE_LOST);
    kit_close(&kit);
    driver->close(&device);
    assert_no_children();
}

static void wrong_completions_are_a_fault_of_the_launch(void **state)
{
    (void)state;
    static const struct {
        const char *faults;
        u32 least_wrong, most_wrong;
    } cases[] = {{"wrong_record=2", 1, 1},
                 {"wrong_status=2", 1, 1},
                 {"wrong_bytes=2", 1, 1},
                 {"unwritten=2", 4, 4}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct random_state random = random_start(random_seed());
        struct dlop_device *device = NULL;
        u32 n_wrong = 0;
        struct kit kit;

        assert_int_equal(open_with(cases[i].faults, SETTINGS, &device), DLOP_OK);
        kit_open(&kit, driver, device);
        fill(&kit, &random);
        kit_submit(&kit);
        assert_int_equal(wait_done(&kit), DLOP_ERR_DEVICE_FAULT);
        assert_int_equal(count_events(DLOP_DEVICE_WRONG), 1);
        for (u32 j = 0; j < N_JOBS; j++)
            n_wrong += kit.completions[j].status == DLOP_ERR_DEVICE_FAULT;
        assert_int_equal(n_wrong, events.event[0].n_jobs);
        assert_in_range(n_wrong, cases[i].least_wrong, cases[i].most_wrong);
        kit_submit(&kit); /* it goes on */
        kit_wait(&kit);
        kit_check(&kit, &random);
        kit_close(&kit);
        driver->close(&device);
    }
}

static void memory_that_is_refused_loses_nothing(void **state)
{
    (void)state;
    dlop_status status = DLOP_OK;
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = NULL;
    struct dlop_buffer buffer = {0};
    struct kit kit;

    /* Two objects per unit, three buffers of the kit, scratch memory of the units that ran. */
    assert_int_equal(open_with("alloc=13", SETTINGS, &device), DLOP_OK);
    kit_open(&kit, driver, device);
    fill(&kit, &random);
    kit_submit(&kit);
    kit_wait(&kit);
    kit_check(&kit, &random);
    for (u32 i = 0; i < 20; i++)
        status = driver->memory.alloc(device, 100, &buffer);
    assert_int_equal(status, DLOP_ERR_NO_MEMORY);
    kit_submit(&kit);
    status = wait_done(&kit); /* a unit that did not run before may need scratch memory */
    if (status == DLOP_OK)
        kit_check(&kit, &random);
    else
        assert_int_equal(status, DLOP_ERR_NO_MEMORY);
    assert_int_equal(count_events(DLOP_DEVICE_LOST), 0);
    driver->memory.free(device, &buffer);
    kit_close(&kit);
    driver->close(&device);
}

/* A loader wraps and frees a tensor per batch: after the first, XRT is asked for nothing. */
static void a_freed_buffer_serves_the_next(void **state)
{
    (void)state;
    struct dlop_device *device = NULL;
    struct dlop_buffer buffer = {0};
    static u8 memory[100000];

    /* Two objects per unit, two buffers. */
    assert_int_equal(open_with("alloc=9", SETTINGS, &device), DLOP_OK);
    for (u32 i = 0; i < 100; i++) {
        size_t n_bytes = i % 2 ? sizeof memory : sizeof memory - 5000;

        assert_int_equal(driver->memory.wrap(device, memory, n_bytes, &buffer), DLOP_OK);
        driver->memory.free(device, &buffer);
    }
    assert_int_equal(driver->memory.wrap(device, memory, 60000, &buffer), DLOP_OK);
    driver->memory.free(device, &buffer);
    assert_int_equal(driver->memory.alloc(device, 2 * sizeof memory, &buffer), DLOP_ERR_NO_MEMORY);
    /* What is handed out again as new is zero. */
    assert_int_equal(driver->memory.alloc(device, sizeof memory, &buffer), DLOP_OK);
    memset(buffer.host, 7, sizeof memory);
    driver->memory.free(device, &buffer);
    assert_int_equal(driver->memory.alloc(device, sizeof memory, &buffer), DLOP_OK);
    for (size_t i = 0; i < sizeof memory; i++)
        assert_int_equal(((u8 *)buffer.host)[i], 0);
    driver->memory.free(device, &buffer);
    driver->close(&device);
}

static void a_copy_that_fails_loses_the_device(void **state)
{
    (void)state;
    struct dlop_device *device = NULL;
    struct dlop_buffer buffer = {0};

    assert_int_equal(open_with("sync=1", SETTINGS, &device), DLOP_OK);
    assert_int_equal(driver->memory.alloc(device, 5000, &buffer), DLOP_OK);
    assert_int_equal(driver->memory.to_device(device, &buffer, 0, 5000), DLOP_ERR_DEVICE_LOST);
    assert_int_equal(count_events(DLOP_DEVICE_LOST), 1);
    driver->memory.free(device, &buffer);
    driver->close(&device);
}

/* A close that had to be cut short would take 20 s. */
static void close_leaves_nothing_open_in_xrt(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = NULL;
    double start_ms;
    struct kit kit;

    assert_int_equal(open_with("split=1", "timeout_ms=20000", &device), DLOP_OK);
    kit_open(&kit, driver, device);
    fill(&kit, &random);
    kit_submit(&kit);
    start_ms = now_ms();
    driver->close(&device); /* in mid-run, with buffers alive */
    assert_true(now_ms() - start_ms < MOST_MS);
    assert_int_equal(wait_done(&kit), DLOP_OK);
    kit_check(&kit, &random);
    kit_close(&kit);
    assert_no_children();
}

static void a_close_without_end_is_cut_short(void **state)
{
    (void)state;
    struct dlop_device *device = NULL;
    double start_ms;

    assert_int_equal(open_with("close_hangs=1", SETTINGS, &device), DLOP_OK);
    start_ms = now_ms();
    driver->close(&device);
    assert_true(now_ms() - start_ms >= TIMEOUT_MS - 1);
    assert_true(now_ms() - start_ms < MOST_MS);
    assert_no_children();
}

/* ---- the host program ---- */

/* Process of this name below this one, or 0. */
static pid_t find_host(pid_t parent)
{
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    pid_t found = 0;

    assert_non_null(folder);
    while ((entry = readdir(folder)) && !found) {
        char path[300], name[32] = "";
        int pid = 0, its_parent = 0;
        FILE *file;

        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        file = fopen(path, "r");
        if (!file)
            continue;
        if (fscanf(file, "%d (%31[^)]) %*c %d", &pid, name, &its_parent) == 3 &&
            its_parent == parent && !strcmp(name, "dlop-xrt-host"))
            found = pid;
        fclose(file);
    }
    closedir(folder);
    return found;
}

/* Runs take 10 s: it is in mid-run whenever that is. */
static void send_in_mid_run(int signal_number, const char *settings, dlop_status status)
{
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = NULL;
    struct kit kit;

    assert_int_equal(open_with("slow_ms=10000", settings, &device), DLOP_OK);
    kit_open(&kit, driver, device);
    fill(&kit, &random);
    kit_submit(&kit);
    usleep(50000);
    assert_int_equal(kill(find_host(getpid()), signal_number), 0);
    assert_int_equal(wait_done(&kit), status);
    kit_close(&kit);
    driver->close(&device);
    assert_no_children();
}

static void a_host_program_that_is_killed_or_stopped_loses_the_device(void **state)
{
    (void)state;
    send_in_mid_run(SIGKILL, "timeout_ms=20000", DLOP_ERR_DEVICE_LOST);
    send_in_mid_run(SIGSTOP, SETTINGS, DLOP_ERR_TIMEOUT);
}

struct family {
    pid_t host, child;
};

/* Open a device, fork, tell who there is, wait. */
static void be_a_caller(int told)
{
    struct dlop_device *device = NULL;
    struct family family = {0};

    if (open_with("", SETTINGS, &device) == DLOP_OK)
        family.host = find_host(getpid());
    family.child = fork();
    if (family.child && write(told, &family, sizeof family) == sizeof family)
        pause();
    sleep(60);
    _exit(1);
}

/* The caller is killed; a child of it lives on with copies of the sockets. */
static void the_host_program_ends_with_its_caller(void **state)
{
    (void)state;
    struct family family = {0};
    int pipe_ends[2], status;
    double end_ms;
    pid_t caller;

    assert_int_equal(pipe(pipe_ends), 0);
    caller = fork();
    if (!caller)
        be_a_caller(pipe_ends[1]);
    assert_int_equal(read(pipe_ends[0], &family, sizeof family), sizeof family);
    kill(caller, SIGKILL);
    assert_int_equal(waitpid(caller, &status, 0), caller);
    end_ms = now_ms() + MOST_MS;
    while (family.host && !kill(family.host, 0) && now_ms() < end_ms)
        usleep(10000);
    kill(family.child, SIGKILL);
    assert_true(family.host > 0);
    assert_int_equal(kill(family.host, 0), -1);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static u32 count_mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    u32 n = 0;
    int c;

    assert_non_null(file);
    while ((c = fgetc(file)) != EOF)
        n += c == '\n' ? 1 : 0;
    fclose(file);
    return n;
}

static void faults_leave_nothing(void **state)
{
    (void)state;
    static const char *const faults[] = {"error=2",        "abort=1", "alloc=9",
                                         "wrong_status=1", "",        "load=1"};
    u32 n_fds = 0, n_threads = 0, n_mappings = 0;

    for (u32 i = 0; i < 24; i++) {
        struct random_state random = random_start(random_seed() + i);
        struct dlop_device *device = NULL;
        struct dlop_buffer buffers[3] = {{0}};

        if (open_with(faults[i % 6], SETTINGS, &device) == DLOP_OK) {
            for (u32 b = 0; b < 3; b++)
                if (driver->memory.alloc(device, 1 + random_u32(&random) % 100000, &buffers[b]))
                    assert_int_equal(i % 6, 2);
            driver->memory.free(device, &buffers[0]);
            driver->close(&device);
            for (u32 b = 1; b < 3; b++)
                driver->memory.free(device, &buffers[b]);
        }
        if (i == 5) {
            n_fds = kit_count_proc("fd");
            n_threads = kit_count_proc("task");
            n_mappings = count_mappings();
        }
    }
    assert_int_equal(kit_count_proc("fd"), n_fds);
    assert_int_equal(kit_count_proc("task"), n_threads);
    assert_in_range(count_mappings(), n_mappings - 2, n_mappings + 2);
    assert_no_children();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fails_at_open_is_a_status),
        cmocka_unit_test(an_index_past_the_last_card_is_refused),
        cmocka_unit_test(a_run_that_fails_loses_the_device),
        cmocka_unit_test(a_run_without_end_is_timed_out),
        cmocka_unit_test(an_xrt_that_ends_its_process_ends_nothing_else),
        cmocka_unit_test(a_device_process_that_ends_is_noticed),
        cmocka_unit_test(wrong_completions_are_a_fault_of_the_launch),
        cmocka_unit_test(memory_that_is_refused_loses_nothing),
        cmocka_unit_test(a_freed_buffer_serves_the_next),
        cmocka_unit_test(a_copy_that_fails_loses_the_device),
        cmocka_unit_test(close_leaves_nothing_open_in_xrt),
        cmocka_unit_test(a_close_without_end_is_cut_short),
        cmocka_unit_test(a_host_program_that_is_killed_or_stopped_loses_the_device),
        cmocka_unit_test(the_host_program_ends_with_its_caller),
        cmocka_unit_test(faults_leave_nothing),
    };
    int n_failed;

    driver = dlop_driver_get("xrt");
    n_photos = kit_load_photos(photos, N_PHOTOS);
    if (!n_photos) {
        printf("SKIP photos: no photographs; run make photos\n");
        return 77;
    }
    if (!site_open(&site)) {
        printf("SKIP xrt: no card image; run make xclbin\n");
        return 77;
    }
    n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    site_close(&site);
    kit_free_photos(photos, n_photos);
    return n_failed;
}
