/* In which order the jobs of a launch are handed out: the large ones first, so that the launch does
 * not wait for one that began last; and which are so large that threads should share them.
 *
 * Costs are estimates in pixels' worth of work (about 1.7 ns), from sizes that nobody has checked
 * yet: only the order rests on them. One pass over the jobs per launch, nothing per job.
 */
#ifndef DLOP_DRIVER_CPU_ORDER_H
#define DLOP_DRIVER_CPU_ORDER_H

#include "driver/driver.h"

/* Jobs that come before the others, at most. */
#define DLOP_CPU_MAX_FIRST 32

struct dlop_cpu_order {
    u64 cost; /* of all jobs */
    u32 n_first;
    struct dlop_cpu_costly {
        u32 job;
        u64 cost;
    } first[DLOP_CPU_MAX_FIRST];       /* by cost, the largest first */
    u32 first_job[DLOP_CPU_MAX_FIRST]; /* the same by index, ascending */
};

u64 dlop_cpu_job_cost(const struct dlop_job *job);

/* Jobs of more than a quarter of each thread's share come first. */
void dlop_cpu_order_init(const struct dlop_launch *launch, u32 n_threads,
                         struct dlop_cpu_order *order_out);

/* The n-th job to hand out, n below n_jobs: an index into the launch's jobs. */
static inline u32 dlop_cpu_order_job(const struct dlop_cpu_order *order, u32 n)
{
    if (n < order->n_first)
        return order->first[n].job;
    n -= order->n_first;
    for (u32 i = 0; i < order->n_first && order->first_job[i] <= n; i++)
        n++;
    return n;
}

#endif
