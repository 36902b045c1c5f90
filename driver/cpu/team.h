/* One job done by several threads: the thread that took it leads, idle ones help.
 *
 * The work comes in stages of numbered tasks. The leader takes them from the front, helpers from
 * the back, and a stage is over when both meet and everything taken is done; so nothing is lost
 * where nobody comes, and helpers may come at any time. Leader and helpers may have to do different
 * things with a task. A task costs a lock, so it should take 50 us or more.
 *
 * Not here: who helps when (pool.c), what the tasks are (jpeg_split.c, worker.c).
 */
#ifndef DLOP_DRIVER_CPU_TEAM_H
#define DLOP_DRIVER_CPU_TEAM_H

#include <pthread.h>

#include "driver/driver.h"

struct dlop_cpu_worker;
struct dlop_cpu_team;

/* Do one task with the worker's memory. Other than DLOP_OK: no further task of the stage begins. */
typedef dlop_status dlop_cpu_task_fn(struct dlop_cpu_worker *worker, void *cookie, u32 task);

/* Tasks front..back - 1. */
struct dlop_cpu_stage {
    dlop_cpu_task_fn *lead, *help;
    /* Make a helper's worker ready for the stage; where it fails, the helper leaves. */
    dlop_status (*prepare)(struct dlop_cpu_worker *worker, void *cookie);
    /* Once, when the first helper comes, under the team's lock: may draw back in. Or null. */
    void (*first_help)(struct dlop_cpu_stage *stage);
    void *cookie;
    u32 front, back;
    bool is_last; /* helpers leave when all is taken, instead of waiting for another stage */
};

/* Who may help, and with what: filled by the pool. */
struct dlop_cpu_crew {
    void (*call)(struct dlop_cpu_crew *crew); /* from now on helpers may come */
    u32 n_threads;                            /* leader included */
    u32 min_part_bytes;                       /* of a scan: shorter parts are not worth a task */
    bool is_called;
};

struct dlop_cpu_team {
    struct dlop_cpu_worker *leader;
    struct dlop_cpu_crew *crew;
    pthread_mutex_t lock;   /* of everything below */
    pthread_cond_t changed; /* a stage began, a stage's last task ended, or all is over */
    struct dlop_cpu_stage stage;
    u32 n_stages;  /* begun so far */
    u32 n_running; /* tasks of helpers */
    bool is_over;
    dlop_status status; /* of the stage's tasks: the first that is not DLOP_OK */
    u64 helped_ns;      /* by helpers, and what the leader waited */
    u64 waited_ns;
};

/* DLOP_OK, DLOP_ERR_THREAD. */
dlop_status dlop_cpu_team_open(struct dlop_cpu_team *team) DLOP_MUST_USE;
void dlop_cpu_team_close(struct dlop_cpu_team *team);

/* Leader: begin a new job. No helper may be there; crew lives until dlop_cpu_team_end. */
void dlop_cpu_team_begin(struct dlop_cpu_team *team, struct dlop_cpu_worker *leader,
                         struct dlop_cpu_crew *crew);

/* Leader: do a stage's tasks, with whoever helps. Status of the first that failed; *front_out,
 * which may be null: first task that the leader did not take. Calls the crew, if nobody has. */
dlop_status dlop_cpu_team_run(struct dlop_cpu_team *team, const struct dlop_cpu_stage *stage,
                              u32 *front_out);

/* Leader: no more stages; helpers return soon. */
void dlop_cpu_team_end(struct dlop_cpu_team *team);

/* Helper: do tasks until the job needs no more help. */
void dlop_cpu_team_help(struct dlop_cpu_team *team, struct dlop_cpu_worker *worker);

#endif
