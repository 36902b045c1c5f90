/* How long a batch waits for one large photograph: 64 small ones and one of 24.6 megapixels in one
 * launch, with threads sharing the large one and without, in turns.
 *
 *     split_bench [--threads N] [--rounds N] [--small N] [--restart MCUS]
 *
 * "share" is the CPU time of the launch divided by the threads: what it would take if nothing
 * waited. "busiest" is the CPU time of the thread that had most, so what the launch takes at least
 * where each thread has a processor, however busy this machine is. The results of both are
 * compared. Photographs: build/photos/imagenet, build/photos/large.
 */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driver/cpu/pool.h"
#include "tests/driver/large.h"

#define MAX_ROUNDS  99
#define MAX_THREADS 64

struct contestant {
    const char *name;
    u64 split_cost;
    struct dlop_cpu_pool *pool;
    struct large_launch large;
    int tasks[MAX_THREADS]; /* the pool's threads, as the kernel numbers them */
    u32 n_tasks;
    double wall_ms[MAX_ROUNDS], cpu_ms[MAX_ROUNDS], busiest_ms[MAX_ROUNDS];
};

static struct contestant contestants[] = {
    {.name = "alone", .split_cost = UINT64_MAX},
    {.name = "shared", .split_cost = DLOP_CPU_SPLIT_COST},
};
#define N_CONTESTANTS (sizeof contestants / sizeof *contestants)

static u32 n_threads = 2, n_rounds = 9, n_small = 64;
static struct coding coding = {.h = 1, .v = 1, .quality = 90};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int is_done;

static void fail(const char *what)
{
    fprintf(stderr, "split_bench: %s\n", what);
    exit(1);
}

static double now_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static void done(struct dlop_launch *launch, dlop_status status)
{
    (void)launch;
    pthread_mutex_lock(&lock);
    is_done = status == DLOP_OK ? 1 : -1;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, u32 n)
{
    qsort(values, n, sizeof *values, by_value);
    return values[n / 2];
}

/* The number in the name of a pool's thread, or -1: not a pool's. */
static int pool_number(const char *task)
{
    char path[300];
    int number = -1;
    FILE *name;

    snprintf(path, sizeof path, "/proc/self/task/%s/comm", task);
    name = fopen(path, "r");
    if (name && fscanf(name, "dlop-cpu-%d", &number) != 1)
        number = -1;
    if (name)
        fclose(name);
    return number;
}

static void pin(int task, u32 number)
{
    cpu_set_t all, one;
    size_t cpu = 0;

    sched_getaffinity(0, sizeof all, &all);
    number %= (u32)CPU_COUNT(&all);
    while (!CPU_ISSET(cpu, &all) || number-- > 0)
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(task, sizeof one, &one);
}

/* Note the threads that a pool has started, and give each a processor: on a busy machine both
 * threads of such short bursts are often left on one. */
static void find_threads(struct contestant *contestant, const struct contestant *other)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;

    while (tasks && (entry = readdir(tasks)) && contestant->n_tasks < MAX_THREADS) {
        int task = atoi(entry->d_name), number = pool_number(entry->d_name);

        for (u32 i = 0; i < other->n_tasks; i++)
            number = other->tasks[i] == task ? -1 : number;
        if (number < 0)
            continue;
        contestant->tasks[contestant->n_tasks++] = task;
        pin(task, (u32)number);
    }
    if (tasks)
        closedir(tasks);
}

/* CPU time of each of a pool's threads so far. */
static void read_tasks(const struct contestant *contestant, double ms_out[MAX_THREADS])
{
    for (u32 i = 0; i < contestant->n_tasks; i++) {
        char path[300];
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", contestant->tasks[i]);
        file = fopen(path, "r");
        if (!file || fscanf(file, "%lf", &ms_out[i]) != 1)
            fail("no /proc/self/task/*/schedstat");
        fclose(file);
        ms_out[i] *= 1e-6;
    }
}

static void run(struct contestant *contestant, u32 round)
{
    struct dlop_launch *launch = &contestant->large.launch;
    double before[MAX_THREADS], after[MAX_THREADS], busiest = 0;
    double wall = now_ms(CLOCK_MONOTONIC), cpu = now_ms(CLOCK_PROCESS_CPUTIME_ID);

    read_tasks(contestant, before);
    is_done = 0;
    launch->done = done;
    if (dlop_cpu_pool_submit(contestant->pool, launch) != DLOP_OK)
        fail("submit failed");
    pthread_mutex_lock(&lock);
    while (!is_done)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    contestant->wall_ms[round] = now_ms(CLOCK_MONOTONIC) - wall;
    contestant->cpu_ms[round] = now_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    read_tasks(contestant, after);
    for (u32 i = 0; i < contestant->n_tasks; i++)
        busiest = after[i] - before[i] > busiest ? after[i] - before[i] : busiest;
    contestant->busiest_ms[round] = busiest;
    for (u32 i = 0; i < launch->n_jobs; i++)
        if (launch->completions[i].status != DLOP_OK)
            fail("a job failed");
}

/* One launch: half of the small photographs, the large one, the other half. */
static void fill(struct contestant *contestant, const struct coded *large, char **paths,
                 u32 n_paths)
{
    u32 n = 0;

    large_open(&contestant->large, large->n_bytes + ((size_t)(n_small + 1) << 20), n_small + 1);
    for (u32 i = 0; n < n_small && i < n_paths; i++) {
        struct coded small = large_read(paths[i]);

        if (n == n_small / 2 && contestant->large.launch.n_jobs == n)
            large_add(&contestant->large, large, NULL);
        if (small.memory) {
            large_add(&contestant->large, &small, NULL);
            n++;
        }
        free(small.memory);
    }
    if (n_small == 0)
        large_add(&contestant->large, large, NULL);
}

static void read_options(int argc, char **argv)
{
    const struct {
        const char *name;
        u32 *value;
        u32 most;
    } options[] = {{"--threads", &n_threads, MAX_THREADS},
                   {"--rounds", &n_rounds, MAX_ROUNDS},
                   {"--small", &n_small, LARGE_MAX_JOBS - 1},
                   {"--restart", &coding.restart_interval, 65535}};

    for (int at = 1; at < argc; at += 2) {
        size_t i = 0;

        while (i < sizeof options / sizeof *options && strcmp(argv[at], options[i].name) != 0)
            i++;
        if (i == sizeof options / sizeof *options || at + 1 == argc)
            fail("usage: split_bench [--threads N] [--rounds N] [--small N] [--restart MCUS]");
        *options[i].value = (u32)atoi(argv[at + 1]);
        if (*options[i].value > options[i].most)
            fail("at most 64 threads, 99 rounds, 127 small ones, markers every 65535");
    }
    if (n_threads < 1 || n_rounds < 1)
        fail("at least a thread and a round");
}

int main(int argc, char **argv)
{
    u32 n_paths, n_large;
    char *paths[200], *large_paths[6];
    struct picture picture;
    struct coded large;

    read_options(argc, argv);
    n_paths = large_find("build/photos/imagenet/train", paths, 200);
    n_large = large_find("build/photos/large/train", large_paths, 6);
    if (!n_paths || !n_large)
        fail("no photographs (make photos)");
    picture = large_mosaic(large_paths, n_large, 3, 2, 2560, 1600);
    large = large_encode(&picture, &coding);
    free(picture.rgb);
    printf("%u small photographs and one of %u x %u (%zu bytes), %u threads\n", n_small,
           picture.width, picture.height, large.n_bytes, n_threads);
    for (size_t c = 0; c < N_CONTESTANTS; c++) {
        fill(&contestants[c], &large, paths, n_paths);
        if (dlop_cpu_pool_open(n_threads, UINT32_MAX, &contestants[c].pool) != DLOP_OK)
            fail("no threads");
        dlop_cpu_pool_split_at(contestants[c].pool, contestants[c].split_cost,
                               DLOP_CPU_SPLIT_PART_BYTES);
        /* Memory of both threads grows, whoever leads. */
        for (u32 i = 0; i < 4; i++)
            run(&contestants[c], 0);
        find_threads(&contestants[c], &contestants[0]);
    }
    for (u32 round = 0; round < n_rounds; round++)
        for (size_t c = 0; c < N_CONTESTANTS; c++)
            run(&contestants[c], round);
    if (memcmp(contestants[0].large.out.host, contestants[1].large.out.host,
               contestants[0].large.out.size_bytes) != 0)
        fail("results differ");
    for (size_t c = 0; c < N_CONTESTANTS; c++) {
        double wall = median(contestants[c].wall_ms, n_rounds);
        double cpu = median(contestants[c].cpu_ms, n_rounds);
        double busiest = median(contestants[c].busiest_ms, n_rounds);

        printf("%-7s %7.1f ms (least %.1f), CPU %7.1f ms, share %7.1f ms, busiest %7.1f ms\n",
               contestants[c].name, wall, contestants[c].wall_ms[0], cpu, cpu / n_threads, busiest);
        dlop_cpu_pool_close(&contestants[c].pool);
        large_close(&contestants[c].large);
    }
    free(large.memory);
    return 0;
}
