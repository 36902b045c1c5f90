/* How long a batch waits for one large photograph: 64 small ones and one of 24.6 megapixels in one
 * launch, with threads sharing the large one and without, in turns.
 *
 *     split_bench [--threads N] [--rounds N] [--small N] [--restart MCUS]
 *
 * "share" is the CPU time of the launch divided by the threads: what it would take if nothing
 * waited. The results of both are compared. Photographs: build/photos/imagenet, build/photos/large.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driver/cpu/pool.h"
#include "tests/driver/large.h"

#define MAX_ROUNDS 99

struct contestant {
    const char *name;
    u64 split_cost;
    struct dlop_cpu_pool *pool;
    struct large_launch large;
    double wall_ms[MAX_ROUNDS], cpu_ms[MAX_ROUNDS];
};

static struct contestant contestants[] = {
    {.name = "alone", .split_cost = UINT64_MAX},
    {.name = "shared", .split_cost = DLOP_CPU_SPLIT_COST},
};
#define N_CONTESTANTS (sizeof contestants / sizeof *contestants)

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

static void run(struct contestant *contestant, u32 round)
{
    struct dlop_launch *launch = &contestant->large.launch;
    double wall = now_ms(CLOCK_MONOTONIC), cpu = now_ms(CLOCK_PROCESS_CPUTIME_ID);

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
    for (u32 i = 0; i < launch->n_jobs; i++)
        if (launch->completions[i].status != DLOP_OK)
            fail("a job failed");
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

/* One launch: half of the small photographs, the large one, the other half. */
static void fill(struct contestant *contestant, const struct coded *large, char **paths,
                 u32 n_paths, u32 n_small)
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

int main(int argc, char **argv)
{
    u32 n_threads = 2, n_rounds = 9, n_small = 64, n_paths, n_large;
    struct coding coding = {.name = "4:4:4", .h = 1, .v = 1, .quality = 90};
    char *paths[200], *large_paths[6];
    struct picture picture;
    struct coded large;

    for (int at = 1; at + 1 < argc; at += 2) {
        u32 value = (u32)atoi(argv[at + 1]);

        if (!strcmp(argv[at], "--threads"))
            n_threads = value;
        else if (!strcmp(argv[at], "--rounds"))
            n_rounds = value;
        else if (!strcmp(argv[at], "--small"))
            n_small = value;
        else if (!strcmp(argv[at], "--restart"))
            coding.restart_interval = value;
        else
            fail("usage: split_bench [--threads N] [--rounds N] [--small N] [--restart MCUS]");
    }
    n_paths = large_find("build/photos/imagenet/train", paths, 200);
    n_large = large_find("build/photos/large/train", large_paths, 6);
    if (!n_paths || !n_large || n_rounds > MAX_ROUNDS || n_rounds < 1 || n_small > 100)
        fail("no photographs (make photos), or not 1..99 rounds, 0..100 small ones");
    picture = large_mosaic(large_paths, n_large, 3, 2, 2560, 1600);
    large = large_encode(&picture, &coding);
    free(picture.rgb);
    printf("%u small photographs and one of %u x %u (%zu bytes), %u threads\n", n_small,
           picture.width, picture.height, large.n_bytes, n_threads);
    for (size_t c = 0; c < N_CONTESTANTS; c++) {
        fill(&contestants[c], &large, paths, n_paths, n_small);
        if (dlop_cpu_pool_open(n_threads, UINT32_MAX, &contestants[c].pool) != DLOP_OK)
            fail("no threads");
        dlop_cpu_pool_split_at(contestants[c].pool, contestants[c].split_cost,
                               DLOP_CPU_SPLIT_PART_BYTES);
        /* Memory of both threads grows, whoever leads. */
        for (u32 i = 0; i < 4; i++)
            run(&contestants[c], 0);
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

        printf("%-7s %7.1f ms (least %.1f), CPU %7.1f ms, share %7.1f ms: %.2f of it\n",
               contestants[c].name, wall, contestants[c].wall_ms[0], cpu, cpu / n_threads,
               wall * n_threads / cpu);
        dlop_cpu_pool_close(&contestants[c].pool);
        large_close(&contestants[c].large);
    }
    free(large.memory);
    return 0;
}
