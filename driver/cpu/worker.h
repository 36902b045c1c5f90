/* Inside of the CPU device: what pool.c and jpeg_split.c may know of a worker besides cpu.h. */
#ifndef DLOP_DRIVER_CPU_WORKER_H
#define DLOP_DRIVER_CPU_WORKER_H

#include "driver/cpu/cpu.h"
#include "driver/cpu/team.h"

struct dlop_cpu_jpeg;
struct dlop_cpu_steps;

struct dlop_cpu_jpeg *dlop_cpu_worker_jpeg(struct dlop_cpu_worker *worker);
const struct dlop_cpu_steps *dlop_cpu_worker_steps(const struct dlop_cpu_worker *worker);

/* Run one job as dlop_cpu_run_job does, with the help of a crew: it is called as soon as there is
 * something to do, and helps by dlop_cpu_team_help of this worker's team. When this returns nobody
 * may begin to help, but helpers may still be on their way out: their last look is at the team. */
void dlop_cpu_lead_job(struct dlop_cpu_worker *worker, const struct dlop_job *job,
                       const struct dlop_launch *buffers, struct dlop_cpu_crew *crew,
                       struct dlop_completion *completion_out);
struct dlop_cpu_team *dlop_cpu_worker_team(struct dlop_cpu_worker *worker);

#endif
