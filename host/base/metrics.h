/* Counters of the pipeline's stages, for reports and for finding the stage that binds.
 *
 * Each thread writes a block of its own; a reader sums the blocks. Nothing here allocates, locks
 * or makes a system call, so stages count on the data path. Busy, starved and blocked together say
 * which stage is the bottleneck: busy - working, starved - waiting for the stage before, blocked -
 * waiting for the stage after. A child made by fork starts from zero.
 *
 * Names in JSON: dlop_metrics_json gives
 *   {"schema": "dlop.metrics/1",
 *    "stages": {"read": {"records": n, "bytes_in": n, ..., "record_ns": {"<2^k": n, ...}}, ...},
 *    "status": {"DLOP_ERR_BAD_DATA": n, ...}}
 * with one entry per row of the two tables below; statuses that never came are left out.
 */
#ifndef DLOP_HOST_BASE_METRICS_H
#define DLOP_HOST_BASE_METRICS_H

#include <stdint.h>

#include "driver/driver.h"
#include "host/include/dlop.h"

/* X(name, text name, help) */
#define DLOP_STAGE_TABLE(X)                                                                        \
    X(DLOP_STAGE_READ, "read", "bytes of records come from files")                                 \
    X(DLOP_STAGE_PARSE, "parse", "headers are checked")                                            \
    X(DLOP_STAGE_DRAW, "draw", "random parameters are drawn")                                      \
    X(DLOP_STAGE_BIND, "bind", "jobs and axis tables are made")                                    \
    X(DLOP_STAGE_DEVICE, "device", "kernels run")                                                  \
    X(DLOP_STAGE_CALLER, "caller", "records that the framework's own decoder makes")               \
    X(DLOP_STAGE_BATCH, "batch", "whole batches: busy from submit to done, starved in wait")

/* How values of several threads join. */
enum dlop_metric_kind { DLOP_METRIC_SUM, DLOP_METRIC_HISTOGRAM };

/* X(name, text name, unit, kind, help). A histogram has one bucket per power of two. */
#define DLOP_METRIC_TABLE(X)                                                                       \
    X(DLOP_METRIC_RECORDS, "records", "records", DLOP_METRIC_SUM, "records that left the stage")   \
    X(DLOP_METRIC_BYTES_IN, "bytes_in", "bytes", DLOP_METRIC_SUM, "bytes taken")                   \
    X(DLOP_METRIC_BYTES_OUT, "bytes_out", "bytes", DLOP_METRIC_SUM, "bytes made")                  \
    X(DLOP_METRIC_BUSY_NS, "busy_ns", "ns", DLOP_METRIC_SUM,                                       \
      "time at work, summed over threads; of devices but the CPU: from launch to completion")      \
    X(DLOP_METRIC_STARVED_NS, "starved_ns", "ns", DLOP_METRIC_SUM, "time waiting for input")       \
    X(DLOP_METRIC_BLOCKED_NS, "blocked_ns", "ns", DLOP_METRIC_SUM, "time waiting for room")        \
    X(DLOP_METRIC_FALLBACKS, "fallbacks", "records", DLOP_METRIC_SUM,                              \
      "records given to the caller")                                                               \
    X(DLOP_METRIC_RETRIES, "retries", "records", DLOP_METRIC_SUM, "records tried again")           \
    X(DLOP_METRIC_ERRORS, "errors", "records", DLOP_METRIC_SUM, "records that failed")             \
    X(DLOP_METRIC_RECORD_NS, "record_ns", "ns", DLOP_METRIC_HISTOGRAM, "time of one record")

#define DLOP_ENUMERATOR_1(name, ...) name,
enum dlop_stage { DLOP_STAGE_TABLE(DLOP_ENUMERATOR_1) DLOP_STAGE_COUNT };
enum dlop_metric { DLOP_METRIC_TABLE(DLOP_ENUMERATOR_1) DLOP_METRIC_COUNT };
#undef DLOP_ENUMERATOR_1

#define DLOP_METRIC_BUCKETS 40 /* the last one holds all that is larger */

/* Join value into the calling thread's counter: added, or counted in its
 * bucket. Any thread; never blocks. */
void dlop_metric_add(enum dlop_stage stage, enum dlop_metric metric, uint64_t value);
/* Count a record of this stage that ended with a status other than DLOP_OK: the stage's errors
 * where it is negative, and the status itself. Any thread; never blocks. */
void dlop_metric_status(enum dlop_stage stage, dlop_status status);

/* Value over all threads so far; a histogram gives the number of values. Any thread. */
uint64_t dlop_metric_get(enum dlop_stage stage, enum dlop_metric metric);
/* Start from zero. Setup only: counts of threads that run meanwhile may survive. */
void dlop_metrics_reset(void);

/* Monotonic time, for the ns of all metrics. */
uint64_t dlop_clock_ns(void);

#endif
