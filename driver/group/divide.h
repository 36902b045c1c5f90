/* How many jobs of a launch each device gets. */
#ifndef DLOP_DRIVER_GROUP_DIVIDE_H
#define DLOP_DRIVER_GROUP_DIVIDE_H

#include <stdint.h>

/* A device as the division sees it. */
struct dlop_group_load {
    double rate_hz;      /* records per second; 0 = not known: as fast as the fastest */
    uint32_t n_open;     /* jobs that it has already */
    uint32_t n_idle;     /* launches in a row of which it got nothing */
    uint32_t n_jobs_out; /* of this launch */
};

/* Divide n_jobs so that all loads [n_loads], at least one, are done at about the same time. A
 * device that is too slow for any share gets one job now and then, so that its rate stays known. */
void dlop_group_divide(uint32_t n_jobs, struct dlop_group_load *loads, uint32_t n_loads);

/* Rate after n_records more took elapsed_ns: an exponential average over about four measurements.
 * rate_hz 0: the first. */
double dlop_group_rate(double rate_hz, uint32_t n_records, uint64_t elapsed_ns);

#endif
