/* The host CPU as a device: what the runtime may use of it besides the driver table.
 *
 * A worker is one thread's memory: decode planes, row buffers, Huffman tables kept while
 * consecutive images use the same ones. It grows to the largest image seen and is not shared
 * between threads.
 */
#ifndef DLOP_DRIVER_CPU_CPU_H
#define DLOP_DRIVER_CPU_CPU_H

#include <pthread.h>

#include "driver/driver.h"
#include "hw/abi/jpeg_frame.h"

/* Bits of the mask that says which replacements of core steps may be used. 0 = only the reference.
 * AVX-512 adds to AVX2 and counts only together with it. */
enum dlop_cpu_vector {
    DLOP_CPU_PLAIN_C = 1,
    DLOP_CPU_AVX2 = 2,
    DLOP_CPU_AVX512 = 4,
    DLOP_CPU_NEON = 8
};

struct dlop_cpu_worker;

/* DLOP_OK, DLOP_ERR_NO_MEMORY. vector_mask: see above; what the processor lacks is ignored. */
dlop_status dlop_cpu_worker_open(uint32_t vector_mask,
                                 struct dlop_cpu_worker **worker_out) DLOP_MUST_USE;
void dlop_cpu_worker_close(struct dlop_cpu_worker **worker);

/* Run one job on the calling thread; never fails as a call: the completion has the record's status.
 * All offsets and sizes of the job are checked against the three buffers. */
void dlop_cpu_run_job(struct dlop_cpu_worker *worker, const struct dlop_job *job,
                      const struct dlop_launch *buffers, struct dlop_completion *completion_out);

/* Decode the whole frame (n_bytes readable from the frame on, padding included) to
 * [height][width][channels]; channels 1 (first of RGB), 3 or 4 (fourth byte 255). Statuses of this
 * record; of this call: DLOP_ERR_ARGUMENT (channels), DLOP_ERR_TOO_SMALL (pixels_bytes),
 * DLOP_ERR_NO_MEMORY. */
dlop_status dlop_cpu_decode_jpeg(struct dlop_cpu_worker *worker,
                                 const struct dlop_jpeg_frame *frame, size_t n_bytes,
                                 uint32_t channels, uint8_t *pixels_out,
                                 size_t pixels_bytes) DLOP_MUST_USE;

/* Threads that this rank may use: affinity mask, cgroup v1/v2 quota (rounded up), divided by
 * LOCAL_WORLD_SIZE; at least 1. */
uint32_t dlop_cpu_default_threads(void);

/* Let the program's own threads go first: this one keeps its share of the processors but does not
 * interrupt them when it gets work (SCHED_BATCH). Nothing happens to a thread whose policy is not
 * the default one. Without it, on a processor that both need, a program that asks for a batch waits
 * for up to a time slice of the threads that it has just woken. */
void dlop_cpu_thread_goes_second(pthread_t thread);

extern const struct dlop_driver dlop_cpu_driver;

#endif
