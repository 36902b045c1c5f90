/* Threads that run the jobs of launches.
 *
 * Launches wait in a queue; the threads attach to the oldest one that has jobs left and take job
 * after job with an atomic counter, so all threads share a batch and the next batch starts while
 * the last jobs of the previous one still run. Locks and system calls happen per launch and thread,
 * never per job, except for jobs so large that threads share them: see `Threads` in README.md.
 *
 * A pool belongs to the process that opened it: threads do not survive fork. In a child every
 * submit is refused and close frees without waiting.
 */
#ifndef DLOP_DRIVER_CPU_POOL_H
#define DLOP_DRIVER_CPU_POOL_H

#include "driver/driver.h"

/* Launches that may wait or run at once; one more is answered with DLOP_AGAIN. */
#define DLOP_CPU_MAX_LAUNCHES 64

struct dlop_cpu_pool;

/* Memory of n_threads workers; the threads themselves start at the first submit. n_threads: at
 * least 1. DLOP_OK, DLOP_ERR_ARGUMENT, DLOP_ERR_NO_MEMORY, DLOP_ERR_THREAD. */
dlop_status dlop_cpu_pool_open(uint32_t n_threads, uint32_t vector_mask,
                               struct dlop_cpu_pool **pool_out) DLOP_MUST_USE;

/* From which cost on threads share a job (driver/cpu/order.h; UINT64_MAX: none), and how many bytes
 * of a scan are worth a task. For tests and benchmarks; before the first submit. */
#define DLOP_CPU_SPLIT_COST       4000000
#define DLOP_CPU_SPLIT_PART_BYTES 16384
void dlop_cpu_pool_split_at(struct dlop_cpu_pool *pool, u64 cost, u32 min_part_bytes);

/* Runs what was submitted, joins the threads, frees. Accepts null; sets *pool to null. Not from a
 * launch's `done`. */
void dlop_cpu_pool_close(struct dlop_cpu_pool **pool);

/* Slot `submit` of the driver table. Besides its statuses: DLOP_ERR_THREAD when a thread cannot be
 * started; nothing was taken, the next submit tries again. */
dlop_status dlop_cpu_pool_submit(struct dlop_cpu_pool *pool,
                                 struct dlop_launch *launch) DLOP_MUST_USE;

uint32_t dlop_cpu_pool_n_threads(const struct dlop_cpu_pool *pool);

#endif
