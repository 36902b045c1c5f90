/* The order of a launch's jobs: see order.h. */
#include "driver/cpu/order.h"

/* Of a scan's byte, an output pixel and a job, in pixels that are decoded or resampled. Fitted to
 * sets of photographs of 0.2 and 4 Mpx, 2 to 4.4 bits each: within 10 %. */
#define BYTE_COST      3
#define OUT_DIVISOR    2
#define JOB_COST       10000
#define MAX_SIDE_COUNT 65536u /* keeps products of unchecked sizes small */

static u64 area(u32 width, u32 height)
{
    return (u64)(width < MAX_SIDE_COUNT ? width : MAX_SIDE_COUNT) *
           (height < MAX_SIDE_COUNT ? height : MAX_SIDE_COUNT);
}

u64 dlop_cpu_job_cost(const struct dlop_job *job)
{
    u64 cost = JOB_COST + area(job->roi_width_px, job->roi_height_px) +
               area(job->out_width_px, job->out_height_px) / OUT_DIVISOR;
    u64 n_bytes = job->in_bytes < UINT32_MAX ? job->in_bytes : UINT32_MAX;
    u64 end_y = (u64)job->roi_y_px + job->roi_height_px;

    /* A scan is read as far as the region's last row. */
    if (job->kind == DLOP_JOB_JPEG && end_y < job->src_height_px)
        n_bytes = n_bytes * end_y / job->src_height_px;
    return job->kind == DLOP_JOB_JPEG ? cost + BYTE_COST * n_bytes : cost;
}

/* Put a job where it belongs among the first; where there are too many, the smallest falls out. */
static void order_insert(struct dlop_cpu_order *order, u32 job, u64 cost)
{
    u32 at = order->n_first;

    if (at == DLOP_CPU_MAX_FIRST && cost <= order->first[at - 1].cost)
        return;
    at -= at == DLOP_CPU_MAX_FIRST;
    for (; at > 0 && order->first[at - 1].cost < cost; at--)
        order->first[at] = order->first[at - 1];
    order->first[at] = (struct dlop_cpu_costly){job, cost};
    order->n_first += order->n_first < DLOP_CPU_MAX_FIRST;
}

void dlop_cpu_order_init(const struct dlop_launch *launch, u32 n_threads,
                         struct dlop_cpu_order *order_out)
{
    u64 limit;

    order_out->cost = 0;
    order_out->n_first = 0;
    for (u32 i = 0; i < launch->n_jobs; i++)
        order_out->cost += dlop_cpu_job_cost(&launch->jobs[i]);
    limit = order_out->cost / (4 * (u64)n_threads);
    for (u32 i = 0; i < launch->n_jobs; i++) {
        u64 cost = dlop_cpu_job_cost(&launch->jobs[i]);

        if (cost > limit)
            order_insert(order_out, i, cost);
    }
    for (u32 i = 0; i < order_out->n_first; i++) {
        u32 job = order_out->first[i].job, at = i;

        for (; at > 0 && order_out->first_job[at - 1] > job; at--)
            order_out->first_job[at] = order_out->first_job[at - 1];
        order_out->first_job[at] = job;
    }
}
