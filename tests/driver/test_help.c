/* Driver test: which threads of the CPU help with a large job, and when they rather go on with what
 * waits. What a thread does with a job goes through wrappers (-Wl,--wrap) that note it and hold
 * threads up, so that one thread at a time has something to decide.
 */
#include "tests/driver/kit.h"

#include <pthread.h>
#include <unistd.h>

#include "driver/cpu/order.h"
#include "driver/cpu/pool.h"
#include "driver/cpu/worker.h"

#define LARGE_COST   40000 /* threads share such jobs; others cost less */
#define MAX_LAUNCHES 8
#define MAX_JOBS     4
#define HELD_RECORD  1 /* a job that takes until it is released */

static struct scene {
    struct dlop_cpu_pool *pool;
    struct dlop_launch launches[MAX_LAUNCHES];
    struct dlop_job jobs[MAX_LAUNCHES][MAX_JOBS];
    struct dlop_completion completions[MAX_LAUNCHES][MAX_JOBS];
    u32 n_launches;
    u64 base_cost; /* of a job without pixels */
    atomic_bool may_call, is_released, is_over;
    bool helpers_stay; /* until all is over, else a helper finds nothing to do */
    atomic_uint n_held, n_leaders, n_calls, n_done;
    pthread_mutex_t lock; /* of what was seen: j for a job, h for an answered call */
    char seen[64];
    const struct dlop_cpu_team *teams[64];
    atomic_uint n_seen;
} scene;

static void note(char what, const struct dlop_cpu_team *team)
{
    pthread_mutex_lock(&scene.lock);
    if (atomic_load(&scene.n_seen) + 1 < sizeof scene.seen) {
        scene.seen[scene.n_seen] = what;
        scene.teams[scene.n_seen] = team;
        atomic_fetch_add(&scene.n_seen, 1);
    }
    pthread_mutex_unlock(&scene.lock);
}

/* Threads of the pool; whoever waits in vain goes on, and the test sees it by what was noted. */
static void stay_until(const atomic_bool *flag)
{
    for (u32 ms = 0; ms < 20000 && !atomic_load(flag); ms++)
        usleep(1000);
}

static void wait_for_count(const atomic_uint *count, u32 n)
{
    for (u32 ms = 0; ms < 10000 && atomic_load(count) < n; ms++)
        usleep(1000);
}

void __wrap_dlop_cpu_run_job(struct dlop_cpu_worker *worker, const struct dlop_job *job,
                             const struct dlop_launch *buffers,
                             struct dlop_completion *completion_out);
void __wrap_dlop_cpu_lead_job(struct dlop_cpu_worker *worker, const struct dlop_job *job,
                              const struct dlop_launch *buffers, struct dlop_cpu_crew *crew,
                              struct dlop_completion *completion_out);
void __wrap_dlop_cpu_team_help(struct dlop_cpu_team *team, struct dlop_cpu_worker *worker);

void __wrap_dlop_cpu_run_job(struct dlop_cpu_worker *worker, const struct dlop_job *job,
                             const struct dlop_launch *buffers,
                             struct dlop_completion *completion_out)
{
    (void)worker, (void)buffers, (void)completion_out;
    if (job->record != HELD_RECORD) {
        note('j', NULL);
        return;
    }
    atomic_fetch_add(&scene.n_held, 1);
    stay_until(&scene.is_released);
}

void __wrap_dlop_cpu_lead_job(struct dlop_cpu_worker *worker, const struct dlop_job *job,
                              const struct dlop_launch *buffers, struct dlop_cpu_crew *crew,
                              struct dlop_completion *completion_out)
{
    (void)worker, (void)job, (void)buffers, (void)completion_out;
    atomic_fetch_add(&scene.n_leaders, 1);
    stay_until(&scene.may_call);
    crew->call(crew);
    atomic_fetch_add(&scene.n_calls, 1);
    stay_until(&scene.is_over);
}

void __wrap_dlop_cpu_team_help(struct dlop_cpu_team *team, struct dlop_cpu_worker *worker)
{
    (void)worker;
    note('h', team);
    if (scene.helpers_stay)
        stay_until(&scene.is_over);
}

static void note_done(struct dlop_launch *launch, dlop_status status)
{
    (void)launch, (void)status;
    atomic_fetch_add(&scene.n_done, 1);
}

/* ---- scenes ---- */

static void scene_open(u32 n_threads)
{
    scene = (struct scene){.lock = PTHREAD_MUTEX_INITIALIZER};
    scene.base_cost = dlop_cpu_job_cost(&(struct dlop_job){.kind = DLOP_JOB_PIXELS});
    assert_int_equal(dlop_cpu_pool_open(n_threads, UINT32_MAX, &scene.pool), DLOP_OK);
    dlop_cpu_pool_split_at(scene.pool, LARGE_COST, 1);
}

/* A launch of jobs with these costs; 0: no more jobs. */
static void submit(const u32 costs[MAX_JOBS], u32 record)
{
    u32 l = scene.n_launches++, n_jobs = 0;
    struct dlop_launch *launch = &scene.launches[l];

    assert_true(l < MAX_LAUNCHES);
    for (; n_jobs < MAX_JOBS && costs[n_jobs]; n_jobs++) {
        struct dlop_job *job = &scene.jobs[l][n_jobs];

        assert_true(costs[n_jobs] >= scene.base_cost);
        *job = (struct dlop_job){.kind = DLOP_JOB_PIXELS,
                                 .record = record,
                                 .roi_width_px = (u32)(costs[n_jobs] - scene.base_cost),
                                 .roi_height_px = 1};
        assert_int_equal(dlop_cpu_job_cost(job), costs[n_jobs]);
    }
    *launch = (struct dlop_launch){.jobs = scene.jobs[l],
                                   .completions = scene.completions[l],
                                   .n_jobs = n_jobs,
                                   .done = note_done};
    assert_int_equal(dlop_cpu_pool_submit(scene.pool, launch), DLOP_OK);
}

static void submit_one(u32 cost)
{
    submit((const u32[MAX_JOBS]){cost}, 0);
}

/* Let everything end. */
static void scene_close(void)
{
    atomic_store(&scene.is_over, true);
    dlop_cpu_pool_close(&scene.pool);
    assert_int_equal(atomic_load(&scene.n_done), scene.n_launches);
}

/* ---- tests ---- */

/* One of two threads leads a large job, and the other one is held until all that waits is there. */
static void a_thread_helps_when_it_would_wait_soon(void **state)
{
    (void)state;
    static const struct {
        const char *want;
        u32 own[MAX_JOBS];           /* jobs of the large one's launch */
        u32 later[MAX_LAUNCHES - 2]; /* launches of one job each */
    } cases[] = {
        {.want = "h", .own = {LARGE_COST}},
        {.want = "jjh", .own = {LARGE_COST, 10000, 10000}}, /* its batch waits for both */
        /* Both threads are busy with what waits for as long as the large job takes one: to the
         * last unit of cost, and as what waits becomes less. */
        {.want = "jhjjj", .own = {LARGE_COST}, .later = {20000, 20000, 20000, 20000}},
        {.want = "hjjjj", .own = {LARGE_COST}, .later = {20000, 20000, 20000, 19999}},
        {.want = "jjjhjjj",
         .own = {LARGE_COST},
         .later = {20000, 20000, 20000, 20000, 20000, 20000}},
        {.want = "jjhjj", .own = {LARGE_COST, 10000, 10000}, .later = {30000, 30000}},
    };

    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        scene_open(2);
        atomic_store(&scene.may_call, true);
        submit((const u32[MAX_JOBS]){10000}, HELD_RECORD);
        wait_for_count(&scene.n_held, 1);
        submit(cases[c].own, 0);
        wait_for_count(&scene.n_calls, 1);
        for (u32 i = 0; i < MAX_LAUNCHES - 2 && cases[c].later[i]; i++)
            submit_one(cases[c].later[i]);
        atomic_store(&scene.is_released, true);
        wait_for_count(&scene.n_seen, (u32)strlen(cases[c].want));
        scene_close();
        assert_string_equal(scene.seen, cases[c].want);
    }
}

/* Of two large jobs the one with fewer helpers gets the next. */
static void helpers_spread_over_jobs(void **state)
{
    (void)state;
    scene_open(4);
    scene.helpers_stay = true;
    submit((const u32[MAX_JOBS]){10000, 10000}, HELD_RECORD);
    wait_for_count(&scene.n_held, 2);
    submit((const u32[MAX_JOBS]){LARGE_COST, LARGE_COST}, 0);
    wait_for_count(&scene.n_leaders, 2);
    atomic_store(&scene.may_call, true);
    wait_for_count(&scene.n_calls, 2);
    atomic_store(&scene.is_released, true);
    wait_for_count(&scene.n_seen, 2);
    scene_close();
    assert_memory_equal(scene.seen, "hh", 2); /* one may help again when all is over */
    assert_ptr_not_equal(scene.teams[0], scene.teams[1]);
}

static void only_large_jobs_are_led(void **state)
{
    (void)state;
    static const struct {
        u32 n_threads, cost, n_leaders;
    } cases[] = {{2, LARGE_COST, 1}, {2, LARGE_COST - 1, 0}, {1, LARGE_COST, 0}};

    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        scene_open(cases[c].n_threads);
        atomic_store(&scene.may_call, true);
        submit_one(cases[c].cost);
        scene_close();
        assert_int_equal(atomic_load(&scene.n_leaders), cases[c].n_leaders);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_helps_when_it_would_wait_soon),
        cmocka_unit_test(helpers_spread_over_jobs),
        cmocka_unit_test(only_large_jobs_are_led),
    };

    return cmocka_run_group_tests_name("driver/help", tests, NULL, NULL);
}
