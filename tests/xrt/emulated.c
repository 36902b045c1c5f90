/* Faults of the real XRT over its emulation: run by tests/swemu/test_driver.py below sim/swemu/run.
 *
 * The device process is killed, ended as if all were well, stopped, in mid-stream and while it is
 * opened. XRT answers with SIGTERM to its process group, or spins; here that must be a status, and
 * the caller's other children, its group and its signal handlers stay as they were.
 */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/driver/kit.h"

#define N_PHOTOS   8
#define N_JOBS     24
#define N_KITS     4
#define TIMEOUT_MS 1500
#define MOST_MS    20000 /* from a fault to the status, on a busy machine */

static const struct dlop_driver *driver;
static struct photo photos[N_PHOTOS];
static u32 n_photos;
static atomic_uint n_lost_events;

static void count_event(void *cookie, const struct dlop_device_event *event)
{
    (void)cookie;
    if (event->kind == DLOP_DEVICE_LOST)
        atomic_fetch_add(&n_lost_events, 1);
}

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

/* ---- processes ---- */

struct process {
    int pid, parent;
    char name[32];
};

static int read_process(const char *entry, struct process *process)
{
    char path[300];
    int n_read;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%.30s/stat", entry);
    file = fopen(path, "r");
    if (!file)
        return 0;
    n_read = fscanf(file, "%d (%31[^)]) %*c %d", &process->pid, process->name, &process->parent);
    fclose(file);
    return n_read == 3;
}

static int is_below(int pid, int ancestor)
{
    struct process process = {.parent = pid};
    char entry[16];

    while (process.parent > 1 && process.parent != ancestor) {
        snprintf(entry, sizeof entry, "%d", process.parent);
        if (!read_process(entry, &process))
            return 0;
    }
    return process.parent == ancestor;
}

/* The device process below this one, or 0. */
static pid_t find_device_process(void)
{
    DIR *folder = opendir("/proc");
    struct process process;
    struct dirent *entry;
    pid_t found = 0;

    assert_non_null(folder);
    while (!found && (entry = readdir(folder)))
        if (read_process(entry->d_name, &process) && !strncmp(process.name, "genericpcie", 11) &&
            is_below(process.pid, getpid()))
            found = process.pid;
    closedir(folder);
    return found;
}

/* Let a process do exit_group(0), from wherever it is. */
static void make_exit(pid_t pid)
{
    struct user_regs_struct registers;
    int status;

    assert_int_equal(ptrace(PTRACE_ATTACH, pid, NULL, NULL), 0);
    assert_int_equal(waitpid(pid, &status, __WALL), pid);
    /* Its main thread waits in read: two bytes back is the syscall instruction. */
    assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &registers), 0);
    registers.rip -= 2;
    registers.rax = SYS_exit_group;
    registers.orig_rax = (unsigned long long)-1;
    registers.rdi = 0;
    assert_int_equal(ptrace(PTRACE_SETREGS, pid, NULL, &registers), 0);
    assert_int_equal(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
}

static void make_stop(pid_t pid)
{
    assert_int_equal(kill(pid, SIGSTOP), 0);
}

static void make_die(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
}

static void make_segfault(pid_t pid)
{
    assert_int_equal(kill(pid, SIGSEGV), 0);
}

/* ---- launches ---- */

static struct dlop_device *open_device(dlop_status *status_out)
{
    struct dlop_device_cfg cfg = {.settings = "timeout_ms=1500", .on_event = count_event};
    struct dlop_device *device = NULL;

    atomic_store(&n_lost_events, 0);
    *status_out = driver->open(&cfg, &device);
    return device;
}

static void open_kits(struct kit *kits, struct dlop_device *device, struct random_state *random)
{
    for (u32 i = 0; i < N_KITS; i++) {
        kit_open(&kits[i], driver, device);
        for (u32 j = 0; j < N_JOBS; j++)
            kit_add(&kits[i], random, &photos[random_u32(random) % n_photos],
                    j % DLOP_JOB_KIND_COUNT);
        kit_expect(&kits[i]);
        kit_sync(&kits[i]);
    }
}

/* Every launch that was taken ends, right or with a status of the device. */
static dlop_status wait_kits(struct kit *kits, const struct random_state *random, u32 n)
{
    double end_ms = now_ms() + MOST_MS;
    dlop_status worst = DLOP_OK;

    for (u32 i = 0; i < n; i++) {
        dlop_status status;

        while (!atomic_load(&kits[i].n_done) && now_ms() < end_ms)
            usleep(1000);
        assert_int_equal(atomic_load(&kits[i].n_done), 1);
        status = atomic_load(&kits[i].status);
        if (status == DLOP_OK)
            kit_check(&kits[i], random);
        else
            assert_in_range(-status, -DLOP_ERR_DEVICE_LOST, -DLOP_ERR_TIMEOUT);
        worst = status < worst ? status : worst;
    }
    return worst;
}

/* Submit again and again until the fault shows. Returns the status with which launches ended. */
static dlop_status stream_until_lost(struct kit *kits, struct random_state *random,
                                     void (*fault)(pid_t))
{
    u32 rounds_before = (u32)random_in(random, 0, 5), n_taken;
    double end_ms = now_ms() + MOST_MS;
    dlop_status status = DLOP_OK, worst;

    for (u32 round = 0; status == DLOP_OK && now_ms() < end_ms; round++) {
        for (n_taken = 0; n_taken < N_KITS && status == DLOP_OK; n_taken++) {
            atomic_store(&kits[n_taken].n_done, 0);
            status = driver->submit(kits[0].device, &kits[n_taken].launch);
            if (status != DLOP_OK)
                break;
        }
        if (round == rounds_before) {
            usleep(random_u32(random) % 2000);
            fault(find_device_process());
        }
        worst = wait_kits(kits, random, n_taken);
        status = status == DLOP_OK ? worst : status;
    }
    return status;
}

static void lose_once(void (*fault)(pid_t), u64 seed, int is_timeout)
{
    struct random_state random = random_start(seed);
    dlop_status status;
    struct dlop_device *device = open_device(&status);
    struct kit kits[N_KITS];

    assert_int_equal(status, DLOP_OK);
    open_kits(kits, device, &random);
    status = stream_until_lost(kits, &random, fault);
    if (is_timeout)
        assert_in_range(-status, -DLOP_ERR_DEVICE_LOST, -DLOP_ERR_TIMEOUT);
    else
        assert_int_equal(status, DLOP_ERR_DEVICE_LOST);
    assert_int_equal(driver->submit(device, &kits[0].launch), DLOP_ERR_DEVICE_LOST);
    assert_int_equal(atomic_load(&n_lost_events), 1);
    for (u32 i = 0; i < N_KITS; i++)
        kit_close(&kits[i]);
    driver->close(&device);
    assert_int_equal(find_device_process(), 0);
}

static void works(void)
{
    struct random_state random = random_start(random_seed());
    dlop_status status;
    struct dlop_device *device = open_device(&status);
    struct kit kit;

    assert_int_equal(status, DLOP_OK);
    kit_open(&kit, driver, device);
    for (u32 i = 0; i < N_JOBS; i++)
        kit_add(&kit, &random, &photos[i % n_photos], i % DLOP_JOB_KIND_COUNT);
    kit_expect(&kit);
    kit_submit(&kit);
    kit_wait(&kit);
    kit_check(&kit, &random);
    kit_close(&kit);
    driver->close(&device);
}

/* ---- tests ---- */

static void a_device_process_that_is_killed_is_a_status(void **state)
{
    (void)state;
    for (u32 i = 0; i < 4; i++)
        lose_once(i % 2 ? make_segfault : make_die, random_seed() + i, 0);
    works();
}

static void a_device_process_that_ends_is_a_status(void **state)
{
    (void)state;
    for (u32 i = 0; i < 2; i++)
        lose_once(make_exit, random_seed() + i, 0);
    works();
}

static void a_device_process_that_stops_is_timed_out(void **state)
{
    (void)state;
    lose_once(make_stop, random_seed(), 1);
    works();
}

static void *kill_when_it_appears(void *argument)
{
    atomic_bool *is_over = argument;

    while (!atomic_load(is_over)) {
        pid_t pid = find_device_process();

        if (pid) {
            kill(pid, SIGKILL);
            break;
        }
    }
    return NULL;
}

/* Killed at any moment of open: an error, or an open device that is soon lost. */
static void a_device_process_that_dies_in_open_is_a_status(void **state)
{
    (void)state;
    for (u32 i = 0; i < 3; i++) {
        double start_ms = now_ms();
        atomic_bool is_over = false;
        struct dlop_device *device;
        dlop_status status;
        pthread_t killer;

        assert_int_equal(pthread_create(&killer, NULL, kill_when_it_appears, &is_over), 0);
        device = open_device(&status);
        atomic_store(&is_over, true);
        pthread_join(killer, NULL);
        assert_int_equal(status == DLOP_OK, device != NULL);
        driver->close(&device);
        assert_true(now_ms() - start_ms < MOST_MS);
    }
    works();
}

static void on_signal(int number)
{
    (void)number;
}

/* A child of the caller in its process group, signal handlers, standard output. */
static void the_caller_stays_as_it_was(void **state)
{
    (void)state;
    static const int signals[] = {SIGSEGV, SIGFPE, SIGABRT, SIGUSR1, SIGCHLD, SIGTERM, SIGPIPE};
    struct sigaction before[7], after;
    int status;
    pid_t child = fork();

    if (!child) {
        pause();
        _exit(1);
    }
    for (u32 i = 0; i < 7; i++) {
        assert_int_equal(sigaction(signals[i], NULL, &before[i]), 0);
        signal(signals[i], on_signal);
    }
    works();
    lose_once(make_die, random_seed(), 0);
    for (u32 i = 0; i < 7; i++) {
        assert_int_equal(sigaction(signals[i], &before[i], &after), 0);
        assert_ptr_equal(after.sa_handler, on_signal);
    }
    assert_int_equal(waitpid(child, &status, WNOHANG), 0); /* it lives */
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(waitpid(-1, &status, WNOHANG), -1); /* nothing else was ours */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_process_that_is_killed_is_a_status),
        cmocka_unit_test(a_device_process_that_ends_is_a_status),
        cmocka_unit_test(a_device_process_that_stops_is_timed_out),
        cmocka_unit_test(a_device_process_that_dies_in_open_is_a_status),
        cmocka_unit_test(the_caller_stays_as_it_was),
    };
    struct dlop_device_info info;
    int n_failed;

    driver = dlop_driver_get("xrt");
    if (driver->probe(&info) != DLOP_OK || !info.is_present) {
        printf("SKIP xrt: %s\n", info.missing);
        return 77;
    }
    n_photos = kit_load_photos(photos, N_PHOTOS);
    if (!n_photos) {
        printf("SKIP photos: no photographs; run make photos\n");
        return 77;
    }
    n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    kit_free_photos(photos, n_photos);
    return n_failed;
}
