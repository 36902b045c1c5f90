/* What a card makes of the cycle model: see timing_card.h. */
#include "sim/timing_card.h"

#include <stddef.h>

/* Of the memory's peak rate: bursts, refresh, turning round. */
#define MEMORY_PERCENT 70

const char *dlop_timing_trust_name(u32 trust)
{
    return trust == DLOP_TIMING_PUBLISHED ? "published" : "ASSUMED";
}

static u64 slowest_of(const u64 *values, u32 n, u32 *at_out)
{
    *at_out = 0;
    for (u32 i = 1; i < n; i++) {
        if (values[i] < values[*at_out])
            *at_out = i;
    }
    return values[*at_out];
}

/* ---- engines that fit ---- */

void dlop_timing_engine_cost(u32 resource_out[DLOP_TIMING_RESOURCE_COUNT])
{
    const struct dlop_timing_part *part;

    for (u32 r = 0; r < DLOP_TIMING_RESOURCE_COUNT; r++)
        resource_out[r] = 0;
    for (u32 i = 0; (part = dlop_timing_part_at(i)); i++) {
        for (u32 r = 0; r < DLOP_TIMING_RESOURCE_COUNT; r++)
            resource_out[r] += part->resource[r];
    }
}

u32 dlop_timing_engines_that_fit(const struct dlop_timing_card *card, u32 *scarce_out)
{
#define PERCENT(name, text, percent) percent,
    static const u32 percent[] = {DLOP_TIMING_RESOURCES(PERCENT)};
#undef PERCENT
    /* One soft DDR4 controller. */
    static const u32 controller[DLOP_TIMING_RESOURCE_COUNT] = {33000, 45000, 100, 0, 0};
    u32 cost[DLOP_TIMING_RESOURCE_COUNT], n_engines = 0, scarce;

    dlop_timing_engine_cost(cost);
    for (u32 i = 0; i < card->n_regions; i++) {
        u64 fit[DLOP_TIMING_RESOURCE_COUNT];

        for (u32 r = 0; r < DLOP_TIMING_RESOURCE_COUNT; r++) {
            u64 usable = (u64)card->region[i][r] * percent[r] / 100;
            u64 taken = i < card->n_controllers ? controller[r] : 0;

            fit[r] =
                cost[r] == 0 ? UINT64_MAX : (usable - (taken < usable ? taken : usable)) / cost[r];
        }
        n_engines +=
            (u32)slowest_of(fit, DLOP_TIMING_RESOURCE_COUNT, i == 0 ? scarce_out : &scarce);
    }
    return n_engines;
}

/* ---- rates ---- */

void dlop_timing_load_add(struct dlop_timing_load *load, const struct dlop_timing_work *work,
                          u32 n_jobs, const struct dlop_timing_cycles *cycles)
{
    load->n_jobs += n_jobs;
    load->cycles += cycles->total;
    for (u32 i = 0; i < DLOP_TIMING_STAGE_COUNT; i++)
        load->stage[i] += cycles->stage[i];
    for (u32 j = 0; j < n_jobs; j++) {
        load->host_in_bytes += work[j].host_in_bytes;
        load->host_out_bytes += work[j].host_out_bytes;
        load->memory_bytes += work[j].host_in_bytes + work[j].read_bytes + work[j].write_bytes +
                              work[j].host_out_bytes + 2 * work[j].scratch_bytes;
    }
}

/* Jobs per second of a path: no bytes, no limit. */
static u64 rate_of_path(u64 mbytes_per_s, u64 bytes, u64 n_jobs)
{
    return bytes == 0 ? UINT64_MAX : mbytes_per_s * 1000000 * n_jobs / bytes;
}

void dlop_timing_card_rate(const struct dlop_timing_card *card,
                           const struct dlop_timing_engine *engine,
                           const struct dlop_timing_load *load, struct dlop_timing_rate *rate_out)
{
    u64 *images = rate_out->images_per_s;
    u32 scarce;

    rate_out->n_engines = dlop_timing_engines_that_fit(card, &scarce);
    rate_out->engine_images_per_s =
        load->cycles == 0 ? UINT64_MAX : engine->clock_hz * load->n_jobs / load->cycles;
    rate_out->stage = dlop_timing_slowest_stage(load->stage);
    images[DLOP_TIMING_LIMIT_ENGINES] =
        load->cycles == 0 ? UINT64_MAX
                          : engine->clock_hz * load->n_jobs * rate_out->n_engines / load->cycles;
    images[DLOP_TIMING_LIMIT_PCIE_IN] =
        rate_of_path(card->pcie_in_mbytes_per_s, load->host_in_bytes, load->n_jobs);
    images[DLOP_TIMING_LIMIT_PCIE_OUT] =
        rate_of_path(card->pcie_out_mbytes_per_s, load->host_out_bytes, load->n_jobs);
    images[DLOP_TIMING_LIMIT_MEMORY] = rate_of_path(
        (u64)card->memory_mbytes_per_s * MEMORY_PERCENT / 100, load->memory_bytes, load->n_jobs);
    slowest_of(images, DLOP_TIMING_LIMIT_COUNT, &rate_out->limit);
}

const char *dlop_timing_limit_name(const struct dlop_timing_rate *rate)
{
    static const char *const names[] = {NULL, "PCIe in", "PCIe out", "memory"};

    return rate->limit == DLOP_TIMING_LIMIT_ENGINES ? dlop_timing_stage_name(rate->stage)
                                                    : names[rate->limit];
}
