/* Each job goes where it would be done first: see divide.h. */
#include "driver/group/divide.h"

#define IDLE_LAUNCHES  32 /* then a device gets a job although others are faster */
#define NEW_RATE_SHARE 0.25

void dlop_group_divide(uint32_t n_jobs, struct dlop_group_load *loads, uint32_t n_loads)
{
    double fastest_hz = 0.0;
    uint32_t n_left = n_jobs;

    for (uint32_t i = 0; i < n_loads; i++) {
        loads[i].n_jobs_out = 0;
        if (loads[i].rate_hz > fastest_hz)
            fastest_hz = loads[i].rate_hz;
    }
    for (uint32_t i = 0; i < n_loads && n_left > 1; i++) {
        if (loads[i].n_idle < IDLE_LAUNCHES || loads[i].n_open > 0)
            continue;
        loads[i].n_jobs_out = 1;
        n_left--;
    }
    for (; n_left > 0; n_left--) {
        struct dlop_group_load *first = loads;
        double first_s = 0.0;

        for (uint32_t i = 0; i < n_loads; i++) {
            struct dlop_group_load *load = &loads[i];
            double rate_hz = load->rate_hz > 0.0 ? load->rate_hz : fastest_hz;
            double done_s =
                ((double)load->n_open + load->n_jobs_out + 1.0) / (rate_hz > 0.0 ? rate_hz : 1.0);

            if (i == 0 || done_s < first_s) {
                first = load;
                first_s = done_s;
            }
        }
        first->n_jobs_out++;
    }
}

double dlop_group_rate(double rate_hz, uint32_t n_records, uint64_t elapsed_ns)
{
    double now_hz = 1e9 * n_records / (double)(elapsed_ns ? elapsed_ns : 1);

    return rate_hz > 0.0 ? rate_hz + NEW_RATE_SHARE * (now_hz - rate_hz) : now_hz;
}
