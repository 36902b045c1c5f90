/* Plans: a checked recipe with its pack table in device memory, and the binding of one record.
 *
 * Key idea: everything that can be refused is refused when the plan is opened; binding a record is
 * arithmetic only (fold.c, axis.c) and touches nothing but the caller's memory. Not here: drawing,
 * running jobs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/plan/axis.h"
#include "host/plan/fold.h"
#include "host/plan/plan.h"
#include "host/plan/recipe.h"
#include "host/run/ctx.h"

#define TABLE_ALIGN_BYTES 16u

/* ---- open and close ---- */

void dlop_plan_cfg_init(struct dlop_plan_cfg *cfg)
{
    *cfg = (struct dlop_plan_cfg){
        .size_bytes = sizeof *cfg,
        .src_channels = 3,
        .out_channels = 3,
        .element_bytes = 4,
        .resampler = DLOP_RESAMPLER_PILLOW,
        .pass_rule = DLOP_PASS_RULE_SHRINK,
    };
}

static bool is_channels(uint32_t n)
{
    return n == 1 || n == 3;
}

/* Null, or what is wrong with the configuration as such. */
static const char *check_cfg(const struct dlop_plan_cfg *cfg)
{
    uint32_t element = cfg->element_bytes;

    if (cfg->size_bytes != sizeof *cfg || !cfg->rules ||
        cfg->rules->size_bytes != sizeof *cfg->rules)
        return "configuration of another version of the library";
    if (cfg->n_ops > DLOP_MAX_OPS)
        return "too many operations";
    if ((cfg->n_ops && !cfg->ops) || !cfg->pack_table)
        return "operations or pack table are missing";
    if (!is_channels(cfg->src_channels) || !is_channels(cfg->out_channels))
        return "channels must be 1 or 3";
    if (element != 1 && element != 2 && element != 4 && element != 8)
        return "elements must have 1, 2, 4 or 8 bytes";
    if (cfg->is_hwc > 1 || cfg->resampler >= DLOP_RESAMPLER_COUNT ||
        cfg->pass_rule >= DLOP_PASS_RULE_COUNT)
        return "unknown layout, resampler or pass rule";
    return NULL;
}

static dlop_status give_reason(dlop_status status, const char *reason, char *reason_out,
                               size_t size)
{
    if (reason_out && size)
        snprintf(reason_out, size, "%s", reason);
    return status;
}

static dlop_status upload_pack_table(struct dlop_plan *plan, const void *pack_table)
{
    const struct dlop_memory_ops *memory = &plan->ctx->driver->memory;
    struct dlop_device *device = plan->ctx->device;
    size_t n_bytes = (size_t)plan->cfg.out_channels * 256 * plan->cfg.element_bytes;

    dlop_status status = memory->alloc(device, n_bytes, &plan->constants);
    if (status != DLOP_OK)
        return status;
    memcpy(plan->constants.host, pack_table, n_bytes);
    status = memory->to_device(device, &plan->constants, 0, n_bytes);
    if (status != DLOP_OK)
        memory->free(device, &plan->constants);
    return status;
}

/* Ask the device before anything is given to it: whole or decoded pictures, sizes as far as they
 * are known. TENSOR jobs are asked for where the records' size is known (dlop_loader_open). */
static dlop_status ask_device(const struct dlop_plan *plan, char *reason_out, size_t size)
{
    const struct dlop_driver *driver = plan->ctx->driver;
    const struct dlop_plan_cfg *cfg = &plan->cfg;
    struct dlop_job job = {
        .abi_version = DLOP_ABI_VERSION,
        .pass_order =
            cfg->pass_rule == DLOP_PASS_RULE_ALWAYS_X ? DLOP_PASS_X_FIRST : DLOP_PASS_Y_FIRST,
        .layout = cfg->is_hwc ? DLOP_LAYOUT_HWC : DLOP_LAYOUT_CHW,
        .src_channels = (u8)cfg->src_channels,
        .out_channels = (u8)cfg->out_channels,
        .element_bytes = (u8)cfg->element_bytes,
        .src_width_px = 1,
        .src_height_px = 1,
        .roi_width_px = 1,
        .roi_height_px = 1,
        .out_width_px = plan->out_width_px ? plan->out_width_px : 1,
        .out_height_px = plan->out_height_px ? plan->out_height_px : 1,
    };

    for (job.kind = 0; job.kind <= DLOP_JOB_PIXELS; job.kind++) {
        char reason[128] = "";

        if (driver->accepts(plan->ctx->device, &job, reason, sizeof reason) == DLOP_OK)
            continue;
        if (reason_out && size)
            snprintf(reason_out, size, "device \"%s\" refuses: %s", driver->name, reason);
        return DLOP_ERR_NO_PLAN;
    }
    return DLOP_OK;
}

dlop_status dlop_plan_open(dlop_ctx *ctx, const struct dlop_plan_cfg *cfg, dlop_plan **plan_out,
                           char *reason_out, size_t size)
{
    uint32_t width_px = 0, height_px = 0;

    if (!ctx || !cfg || !plan_out)
        return give_reason(DLOP_ERR_ARGUMENT, "a pointer is null", reason_out, size);
    const char *reason = check_cfg(cfg);
    if (reason)
        return give_reason(DLOP_ERR_ARGUMENT, reason, reason_out, size);
    reason = dlop_recipe_check(cfg, &width_px, &height_px);
    if (reason)
        return give_reason(DLOP_ERR_NO_PLAN, reason, reason_out, size);
    struct dlop_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return give_reason(DLOP_ERR_NO_MEMORY, "no memory for the plan", reason_out, size);

    plan->ctx = ctx;
    plan->cfg = *cfg;
    plan->cfg.pack_table = NULL;
    if (cfg->n_ops)
        memcpy(plan->ops, cfg->ops, cfg->n_ops * sizeof cfg->ops[0]);
    plan->rules = *cfg->rules;
    plan->cfg.ops = plan->ops;
    plan->cfg.rules = &plan->rules;
    plan->out_width_px = width_px;
    plan->out_height_px = height_px;
    dlop_status status = ask_device(plan, reason_out, size);
    if (status != DLOP_OK)
        goto free_plan;
    status = upload_pack_table(plan, cfg->pack_table);
    if (status != DLOP_OK) {
        give_reason(status, "no device memory for the pack table", reason_out, size);
        goto free_plan;
    }
    *plan_out = plan;
    return DLOP_OK;

free_plan:
    free(plan);
    return status;
}

void dlop_plan_close(dlop_plan **plan)
{
    if (!plan || !*plan)
        return;
    (*plan)->ctx->driver->memory.free((*plan)->ctx->device, &(*plan)->constants);
    free(*plan);
    *plan = NULL;
}

void dlop_plan_out_size(const dlop_plan *plan, uint32_t *height_out, uint32_t *width_out)
{
    *height_out = plan->out_height_px;
    *width_out = plan->out_width_px;
}

/* ---- binding ---- */

/* Pillow's choice, by the sizes of its resize call, whatever of the result is wanted. */
static enum dlop_pass_order pass_order(const struct dlop_plan_cfg *cfg,
                                       const struct dlop_fold *fold)
{
    int64_t w = fold->x.before.n_positions, h = fold->y.before.n_positions;
    int64_t ow = fold->x.resize_px, oh = fold->y.resize_px;
    bool is_y_first = false;

    if (cfg->resampler == DLOP_RESAMPLER_PILLOW && cfg->pass_rule == DLOP_PASS_RULE_TALL_100)
        is_y_first = h > 100 * w && oh < h;
    if (cfg->resampler == DLOP_RESAMPLER_PILLOW && cfg->pass_rule == DLOP_PASS_RULE_SHRINK)
        is_y_first = h > oh && h - oh > 2 * (w - ow);
    return is_y_first ? DLOP_PASS_Y_FIRST : DLOP_PASS_X_FIRST;
}

static uint64_t align_up(uint64_t n_bytes)
{
    return (n_bytes + TABLE_ALIGN_BYTES - 1) & ~(uint64_t)(TABLE_ALIGN_BYTES - 1);
}

/* What every job says of its output and of the pack table. */
static void fill_out(const struct dlop_plan_cfg *cfg, uint32_t width_px, uint32_t height_px,
                     struct dlop_job *job)
{
    job->layout = cfg->is_hwc ? DLOP_LAYOUT_HWC : DLOP_LAYOUT_CHW;
    job->out_channels = (u8)cfg->out_channels;
    job->element_bytes = (u8)cfg->element_bytes;
    job->pack_offset = 0;
    job->out_width_px = width_px;
    job->out_height_px = height_px;
    job->out_bytes = width_px * height_px * cfg->out_channels * cfg->element_bytes;
}

dlop_status dlop_plan_bind(const struct dlop_plan *plan, const struct dlop_drawn *drawn,
                           uint32_t width_px, uint32_t height_px, uint8_t *tables,
                           size_t capacity_bytes, uint64_t tables_offset, size_t *tables_bytes_out,
                           struct dlop_job *job_out)
{
    const struct dlop_plan_cfg *cfg = &plan->cfg;
    struct dlop_fold fold;

    if (width_px < 1 || width_px > DLOP_MAX_SIDE_PX || height_px < 1 ||
        height_px > DLOP_MAX_SIDE_PX)
        return DLOP_ERR_LIMIT;
    dlop_status status = dlop_fold_steps(drawn, width_px, height_px, cfg->src_channels, &fold);
    if (status != DLOP_OK)
        return status;
    uint64_t n_elements =
        (uint64_t)fold.x.after.n_positions * (uint64_t)fold.y.after.n_positions * cfg->out_channels;
    if (n_elements * cfg->element_bytes > UINT32_MAX)
        return DLOP_ERR_LIMIT;
    uint64_t bound_bytes = align_up(dlop_axis_bound_bytes(&fold.x, fold.filter)) +
                           align_up(dlop_axis_bound_bytes(&fold.y, fold.filter));
    if (!tables || capacity_bytes < bound_bytes) {
        *tables_bytes_out = (size_t)bound_bytes;
        return DLOP_ERR_TOO_SMALL;
    }

    struct dlop_job job = *job_out;
    uint64_t x_bytes = align_up(dlop_axis_build(&fold.x, fold.filter, cfg->resampler, tables,
                                                &job.roi_x_px, &job.roi_width_px));
    uint64_t y_bytes = align_up(dlop_axis_build(
        &fold.y, fold.filter, cfg->resampler, tables + x_bytes, &job.roi_y_px, &job.roi_height_px));
    if (!x_bytes || !y_bytes)
        return DLOP_ERR_NO_PLAN;
    fill_out(cfg, (uint32_t)fold.x.after.n_positions, (uint32_t)fold.y.after.n_positions, &job);
    job.pass_order = (u8)pass_order(cfg, &fold);
    job.grey = fold.grey;
    memcpy(job.fill, fold.fill, sizeof job.fill);
    job.src_width_px = width_px;
    job.src_height_px = height_px;
    job.x_axis_offset = tables_offset;
    job.y_axis_offset = tables_offset + x_bytes;
    *tables_bytes_out = (size_t)(x_bytes + y_bytes);
    *job_out = job;
    return DLOP_OK;
}

bool dlop_plan_is_plain(const struct dlop_plan *plan, uint32_t width_px, uint32_t height_px)
{
    const struct dlop_plan_cfg *cfg = &plan->cfg;
    uint64_t n_bytes = (uint64_t)width_px * height_px * cfg->out_channels * cfg->element_bytes;
    struct dlop_rng_state before, state;
    struct dlop_drawn drawn;
    struct dlop_fold fold;

    if (width_px < 1 || width_px > DLOP_MAX_SIDE_PX || height_px < 1 ||
        height_px > DLOP_MAX_SIDE_PX || n_bytes > UINT32_MAX)
        return false;
    /* What draws nothing gives the same steps for every record of the size. */
    dlop_rng_seed(&before, 0);
    state = before;
    if (dlop_draw_record(plan->ops, cfg->n_ops, &plan->rules, &state, width_px, height_px,
                         &drawn) != DLOP_OK ||
        memcmp(&before, &state, sizeof state) != 0)
        return false;
    if (dlop_fold_steps(&drawn, width_px, height_px, cfg->src_channels, &fold) != DLOP_OK)
        return false;
    /* Grey of grey is the same. */
    return dlop_fold_is_identity(&fold) && (fold.grey == DLOP_GREY_NONE || cfg->src_channels == 1);
}

void dlop_plan_bind_plain(const struct dlop_plan *plan, uint32_t width_px, uint32_t height_px,
                          struct dlop_job *job_out)
{
    fill_out(&plan->cfg, width_px, height_px, job_out);
    job_out->kind = DLOP_JOB_TENSOR;
    job_out->src_channels = (u8)plan->cfg.src_channels;
    job_out->src_width_px = job_out->roi_width_px = width_px;
    job_out->src_height_px = job_out->roi_height_px = height_px;
}
