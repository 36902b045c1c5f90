/* One job done by several threads: see team.h. Everything is under one lock, which is free while
 * tasks run. */
#include "driver/cpu/team.h"

#include <time.h>

static u64 now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
}

dlop_status dlop_cpu_team_open(struct dlop_cpu_team *team)
{
    *team = (struct dlop_cpu_team){.is_over = true};
    if (pthread_mutex_init(&team->lock, NULL))
        return DLOP_ERR_THREAD;
    if (pthread_cond_init(&team->changed, NULL)) {
        pthread_mutex_destroy(&team->lock);
        return DLOP_ERR_THREAD;
    }
    return DLOP_OK;
}

void dlop_cpu_team_close(struct dlop_cpu_team *team)
{
    pthread_cond_destroy(&team->changed);
    pthread_mutex_destroy(&team->lock);
}

void dlop_cpu_team_begin(struct dlop_cpu_team *team, struct dlop_cpu_worker *leader,
                         struct dlop_cpu_crew *crew)
{
    pthread_mutex_lock(&team->lock);
    team->leader = leader;
    team->crew = crew;
    team->stage = (struct dlop_cpu_stage){0};
    team->n_stages = 0;
    team->is_over = false;
    team->helped_ns = team->waited_ns = 0;
    pthread_mutex_unlock(&team->lock);
}

/* Note how a task ended; with the lock held. */
static void task_ended(struct dlop_cpu_team *team, dlop_status status)
{
    if (status == DLOP_OK || team->status != DLOP_OK)
        return;
    team->status = status;
    team->stage.back = team->stage.front;
}

dlop_status dlop_cpu_team_run(struct dlop_cpu_team *team, const struct dlop_cpu_stage *stage,
                              u32 *front_out)
{
    u64 begin_ns = 0;
    dlop_status status;

    if (!team->crew->is_called) {
        team->crew->is_called = true;
        team->crew->call(team->crew);
    }

    pthread_mutex_lock(&team->lock);
    team->stage = *stage;
    team->n_stages++;
    team->status = DLOP_OK;
    pthread_cond_broadcast(&team->changed);
    while (team->stage.front < team->stage.back) {
        u32 task = team->stage.front++;

        pthread_mutex_unlock(&team->lock);
        status = stage->lead(team->leader, stage->cookie, task);
        pthread_mutex_lock(&team->lock);
        task_ended(team, status);
    }
    if (team->n_running)
        begin_ns = now_ns();
    while (team->n_running)
        pthread_cond_wait(&team->changed, &team->lock);
    if (begin_ns)
        team->waited_ns += now_ns() - begin_ns;
    if (front_out)
        *front_out = team->stage.front;
    status = team->status;
    pthread_mutex_unlock(&team->lock);
    return status;
}

void dlop_cpu_team_end(struct dlop_cpu_team *team)
{
    pthread_mutex_lock(&team->lock);
    team->is_over = true;
    pthread_cond_broadcast(&team->changed);
    pthread_mutex_unlock(&team->lock);
}

/* Do one task, or make the worker ready for the stage it belongs to; with the lock held on entry
 * and on return. False: this helper cannot help. */
static bool help_once(struct dlop_cpu_team *team, struct dlop_cpu_worker *worker, u32 *n_prepared)
{
    const struct dlop_cpu_stage stage = team->stage;
    bool is_prepared = *n_prepared == team->n_stages;
    u32 task = is_prepared ? --team->stage.back : 0;
    dlop_status status;
    u64 begin_ns;

    *n_prepared = team->n_stages;
    if (team->stage.first_help) {
        team->stage.first_help(&team->stage);
        team->stage.first_help = NULL;
    }
    team->n_running++; /* what the stage's cookie points at stays while it is being prepared, too */
    pthread_mutex_unlock(&team->lock);
    begin_ns = now_ns();
    status =
        is_prepared ? stage.help(worker, stage.cookie, task) : stage.prepare(worker, stage.cookie);
    begin_ns = now_ns() - begin_ns;
    pthread_mutex_lock(&team->lock);
    team->helped_ns += begin_ns;
    if (is_prepared)
        task_ended(team, status);
    if (--team->n_running == 0)
        pthread_cond_broadcast(&team->changed);
    return is_prepared || status == DLOP_OK;
}

void dlop_cpu_team_help(struct dlop_cpu_team *team, struct dlop_cpu_worker *worker)
{
    bool can_help = true;
    u32 n_prepared = 0;

    pthread_mutex_lock(&team->lock);
    while (can_help && !team->is_over) {
        if (team->stage.front < team->stage.back)
            can_help = help_once(team, worker, &n_prepared);
        else if (team->stage.is_last)
            break;
        else
            pthread_cond_wait(&team->changed, &team->lock);
    }
    pthread_mutex_unlock(&team->lock);
}
