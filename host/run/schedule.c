/* From read records to finished batches: draw, bind, launch, completion, and the order of batches
 * in a stream.
 *
 * Key idea: a stream's state is copied into the batch when its drawing begins and given back when
 * it is complete, so an abandoned batch leaves no trace, and a fail can recompute the state at any
 * record from the copy. Not here: threads (readers.c), what the caller answers (batch.c), the
 * drawing rules themselves (host/draw).
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/base/log.h"
#include "host/base/metrics.h"
#include "host/run/loader.h"
#include "host/run/pixels.h"

/* ---- one record ---- */

void dlop_batch_replay(const struct dlop_batch *batch, uint32_t n, struct dlop_rng_state *state_out)
{
    const struct dlop_plan *plan = batch->loader->plan;

    *state_out = batch->before;
    for (uint32_t i = 0; i < n; i++) {
        const struct dlop_run_record *record = &batch->records[i];
        struct dlop_drawn ignored;
        /* The same call succeeded before, or drew nothing and is not repeated. */
        if (record->has_drawn &&
            dlop_draw_record(plan->ops, plan->cfg.n_ops, &plan->rules, state_out, record->width_px,
                             record->height_px, &ignored) != DLOP_OK)
            return;
    }
}

/* Axis tables of the drawn steps into the arena. */
static dlop_status bind_tables(struct dlop_batch *batch, const struct dlop_run_record *record,
                               struct dlop_job *job)
{
    size_t offset = dlop_arena_align(batch->used_bytes);
    size_t tables_bytes = 0;
    dlop_status status = DLOP_ERR_TOO_SMALL;

    /* The second try has the room that the first one asked for. */
    for (int i_try = 0; i_try < 2 && status == DLOP_ERR_TOO_SMALL; i_try++) {
        status = dlop_arena_grow(batch, offset + tables_bytes);
        if (status != DLOP_OK)
            return status;
        size_t capacity_bytes =
            batch->arena.size_bytes > offset ? batch->arena.size_bytes - offset : 0;
        uint8_t *tables = capacity_bytes > 0 ? (uint8_t *)batch->arena.host + offset : NULL;
        status =
            dlop_plan_bind(batch->loader->plan, &batch->drawn, record->width_px, record->height_px,
                           tables, capacity_bytes, offset, &tables_bytes, job);
    }
    if (status == DLOP_OK)
        batch->used_bytes = offset + tables_bytes;
    return status == DLOP_ERR_TOO_SMALL ? DLOP_ERR_INTERNAL : status;
}

/* Make a job read decoded pixels. */
static dlop_status set_pixels(struct dlop_batch *batch, struct dlop_job *job, const uint8_t *pixels,
                              uint32_t width_px)
{
    size_t channels = batch->loader->plan->cfg.src_channels;
    size_t offset = dlop_arena_align(batch->used_bytes);
    size_t end = offset + dlop_pixels_bytes(job, channels) + DLOP_JPEG_PADDING_BYTES;

    dlop_status status = dlop_arena_grow(batch, end);
    if (status != DLOP_OK)
        return status;
    dlop_pixels_take(job, pixels, width_px, channels, (uint8_t *)batch->arena.host + offset,
                     offset);
    batch->used_bytes = end;
    return DLOP_OK;
}

static void set_jpeg(const struct dlop_batch *batch, const struct dlop_run_record *record,
                     struct dlop_job *job)
{
    job->kind = DLOP_JOB_JPEG;
    job->src_channels = (u8)record->n_components;
    job->in_offset = record->in_offset;
    job->in_bytes = record->in_bytes;
    /* Pillow makes grey of a colour file from its RGB, not from its Y plane. */
    if (batch->loader->plan->cfg.src_channels == 1 && record->n_components == 3)
        job->grey = DLOP_GREY_BEFORE_AXES;
}

/* Where the result goes. A plan whose size depends on the record has batches of one. */
static dlop_status set_out(struct dlop_batch *batch, uint32_t position, struct dlop_job *job)
{
    size_t record_bytes = batch->loader->record_bytes;

    batch->out_width_px = job->out_width_px;
    batch->out_height_px = job->out_height_px;
    job->out_offset = (u64)position * record_bytes;
    if (record_bytes == 0)
        return job->out_bytes <= batch->out.size_bytes ? DLOP_OK : DLOP_ERR_TOO_SMALL;
    return job->out_bytes == record_bytes ? DLOP_OK : DLOP_ERR_INTERNAL;
}

/* Draw and bind one record. pixels: the caller's, or null: the source's. On failure nothing has
 * changed. */
static dlop_status bind_record(struct dlop_batch *batch, uint32_t position, const uint8_t *pixels)
{
    struct dlop_loader *loader = batch->loader;
    const struct dlop_plan *plan = loader->plan;
    struct dlop_run_record *record = &batch->records[position];
    struct dlop_job *job = &batch->jobs[batch->n_jobs];
    size_t used_bytes = batch->used_bytes;
    uint64_t begin_ns = dlop_clock_ns();

    dlop_status status = dlop_draw_record(plan->ops, plan->cfg.n_ops, &plan->rules, &batch->rng,
                                          record->width_px, record->height_px, &batch->drawn);
    if (status != DLOP_OK)
        return status;
    uint64_t drawn_ns = dlop_clock_ns();
    batch->draw_ns += drawn_ns - begin_ns;
    memset(job, 0, sizeof *job);
    job->abi_version = DLOP_ABI_VERSION;
    job->record = position;
    if (loader->is_plain)
        dlop_plan_bind_plain(plan, record->width_px, record->height_px, job);
    else
        status = bind_tables(batch, record, job);
    if (status == DLOP_OK)
        status = set_out(batch, position, job);
    if (status == DLOP_OK) {
        if (!pixels && dlop_source_kind_of(loader->source) == DLOP_SOURCE_PIXELS) {
            uint32_t height_px, width_px, channels;
            pixels =
                dlop_source_pixels(loader->source, record->index, &height_px, &width_px, &channels);
        }
        if (pixels)
            status = set_pixels(batch, job, pixels, record->width_px);
        else
            set_jpeg(batch, record, job);
    }
    batch->bind_ns += dlop_clock_ns() - drawn_ns;
    if (status != DLOP_OK) {
        batch->used_bytes = used_bytes;
        dlop_batch_replay(batch, position, &batch->rng);
        return status;
    }
    record->has_drawn = 1;
    record->state = DLOP_RECORD_BOUND;
    record->job = batch->n_jobs++;
    return DLOP_OK;
}

dlop_status dlop_batch_bind_pixels(struct dlop_batch *batch, uint32_t position,
                                   const uint8_t *pixels, uint32_t height_px, uint32_t width_px)
{
    struct dlop_run_record *record = &batch->records[position];

    if (!record->has_drawn) {
        record->width_px = width_px;
        record->height_px = height_px;
        return bind_record(batch, position, pixels);
    }
    /* It was drawn for the size in the file's header. */
    if (record->width_px != width_px || record->height_px != height_px)
        return DLOP_ERR_ARGUMENT;
    dlop_status status = set_pixels(batch, &batch->jobs[record->job], pixels, width_px);
    if (status == DLOP_OK)
        record->state = DLOP_RECORD_BOUND;
    return status;
}

/* ---- one batch ---- */

/* Statuses with which the framework would raise, or with which only this record cannot go on. */
static int is_need(dlop_status status)
{
    return status == DLOP_ERR_ARGUMENT || status == DLOP_ERR_NO_PLAN || status == DLOP_ERR_LIMIT;
}

void dlop_record_need(struct dlop_run_record *record, enum dlop_stage stage, dlop_status status,
                      const char *format, ...)
{
    va_list arguments;

    record->state = DLOP_RECORD_NEED;
    record->status = status;
    if (format) {
        va_start(arguments, format);
        vsnprintf(record->reason, sizeof record->reason, format, arguments);
        va_end(arguments);
    }
    dlop_metric_status(stage, status);
    dlop_metric_add(DLOP_STAGE_CALLER, DLOP_METRIC_FALLBACKS, 1);
}

dlop_status dlop_batch_draw(struct dlop_batch *batch)
{
    dlop_status status = DLOP_OK;
    uint32_t first = batch->n_drawn;

    batch->draw_ns = batch->bind_ns = 0;
    for (; status == DLOP_OK && batch->n_drawn < batch->n; batch->n_drawn += status == DLOP_OK) {
        struct dlop_run_record *record = &batch->records[batch->n_drawn];
        if (record->state == DLOP_RECORD_READ)
            status = bind_record(batch, batch->n_drawn, NULL);
        else if (record->state == DLOP_RECORD_NEED)
            status = DLOP_NEED_PIXELS;
        if (is_need(status)) {
            dlop_record_need(record, DLOP_STAGE_DRAW, status,
                             "transforms refuse %u x %u pixels: %s", record->width_px,
                             record->height_px, dlop_status_text(status));
            status = DLOP_NEED_PIXELS;
        }
    }
    dlop_metric_add(DLOP_STAGE_DRAW, DLOP_METRIC_RECORDS, batch->n_drawn - first);
    dlop_metric_add(DLOP_STAGE_DRAW, DLOP_METRIC_BUSY_NS, batch->draw_ns);
    dlop_metric_add(DLOP_STAGE_BIND, DLOP_METRIC_RECORDS, batch->n_drawn - first);
    dlop_metric_add(DLOP_STAGE_BIND, DLOP_METRIC_BUSY_NS, batch->bind_ns);
    return status;
}

void dlop_batch_collect_jobs(struct dlop_batch *batch)
{
    uint32_t n_jobs = 0;

    /* jobs[] is in the order of positions, so a job only moves to the front. */
    for (uint32_t i = 0; i < batch->n; i++) {
        struct dlop_run_record *record = &batch->records[i];
        if (record->state != DLOP_RECORD_BOUND)
            continue;
        batch->jobs[n_jobs] = batch->jobs[record->job];
        record->job = n_jobs++;
    }
    batch->n_jobs = n_jobs;
}

/* ---- execution ---- */

/* Time at work: the CPU's is measured for each job; the ticks of cards are cycles of clocks that
 * may be emulated, so theirs is the time from launch to completion. */
static uint64_t device_busy_ns(const struct dlop_batch *batch)
{
    uint64_t busy_ns = 0;

    if (batch->loader->ctx->is_group)
        return dlop_clock_ns() - batch->launch_ns;
    for (uint32_t i = 0; i < batch->n_jobs; i++)
        busy_ns += batch->completions[i].busy_ticks;
    return busy_ns;
}

/* DLOP_OK, or why a job of pixels was refused: the caller's answer would be the same pixels. */
static dlop_status take_completions(struct dlop_batch *batch)
{
    uint64_t n_written_bytes = 0, n_read_bytes = 0;
    dlop_status status = DLOP_OK;

    batch->n_needs = 0;
    for (uint32_t i = 0; i < batch->n_jobs; i++) {
        const struct dlop_completion *completion = &batch->completions[i];
        struct dlop_run_record *record = &batch->records[batch->jobs[i].record];
        n_written_bytes += completion->bytes_written;
        n_read_bytes += batch->jobs[i].in_bytes;
        record->state = DLOP_RECORD_DONE;
        if (completion->status == DLOP_OK)
            continue;
        dlop_record_need(record, DLOP_STAGE_DEVICE, completion->status, "%s",
                         dlop_status_text(completion->status));
        batch->n_needs++;
        if (batch->jobs[i].kind != DLOP_JOB_JPEG)
            status = completion->status;
    }
    dlop_metric_add(DLOP_STAGE_DEVICE, DLOP_METRIC_RECORDS, batch->n_jobs - batch->n_needs);
    dlop_metric_add(DLOP_STAGE_DEVICE, DLOP_METRIC_BUSY_NS, device_busy_ns(batch));
    dlop_metric_add(DLOP_STAGE_DEVICE, DLOP_METRIC_BYTES_IN, n_read_bytes);
    dlop_metric_add(DLOP_STAGE_DEVICE, DLOP_METRIC_BYTES_OUT, n_written_bytes);
    return status;
}

/* On a thread of the device. After the unlock the batch may be gone. */
static void launch_done(struct dlop_launch *launch, dlop_status status)
{
    struct dlop_batch *batch = launch->cookie;
    struct dlop_loader *loader = batch->loader;

    if (status == DLOP_OK)
        status = take_completions(batch);
    if (status != DLOP_OK)
        dlop_log_error("run", "batch %llu failed on the device: %s",
                       (unsigned long long)batch->serial, dlop_status_text(status));
    else if (batch->n_needs == 0)
        dlop_batch_count(batch);
    pthread_mutex_lock(&loader->lock);
    if (status != DLOP_OK)
        dlop_batch_end(batch, status);
    dlop_batch_let_go(batch, batch->n_needs > 0 ? DLOP_BATCH_NEEDS : DLOP_BATCH_DONE);
    loader->may_launch = 1;
    if (dlop_loader_oldest(loader, DLOP_BATCH_READY))
        pthread_cond_signal(&loader->work);
    pthread_mutex_unlock(&loader->lock);
}

void dlop_batch_launch(struct dlop_batch *batch)
{
    struct dlop_loader *loader = batch->loader;
    const struct dlop_driver *driver = loader->ctx->driver;

    dlop_status status =
        driver->memory.to_device(loader->ctx->device, &batch->arena, 0, batch->used_bytes);
    if (status == DLOP_OK) {
        batch->launch_ns = dlop_clock_ns();
        batch->launch = (struct dlop_launch){
            .jobs = batch->jobs,
            .completions = batch->completions,
            .n_jobs = batch->n_jobs,
            .in = &batch->arena,
            .constants = &loader->plan->constants,
            .out = &batch->out,
            .done = launch_done,
            .cookie = batch,
        };
        status = driver->submit(loader->ctx->device, &batch->launch);
    }
    if (status == DLOP_OK)
        return; /* the device's now, perhaps already done and gone */
    if (status != DLOP_AGAIN)
        dlop_log_error("run", "the device takes no batch: %s", dlop_status_text(status));
    pthread_mutex_lock(&loader->lock);
    if (status != DLOP_AGAIN)
        dlop_batch_end(batch, status);
    dlop_batch_let_go(batch, DLOP_BATCH_READY);
    loader->may_launch = 0;
    pthread_mutex_unlock(&loader->lock);
}

void dlop_batch_count(struct dlop_batch *batch)
{
    uint64_t busy_ns = dlop_clock_ns() - batch->begin_ns;

    dlop_metric_add(DLOP_STAGE_BATCH, DLOP_METRIC_RECORDS, batch->n);
    dlop_metric_add(DLOP_STAGE_BATCH, DLOP_METRIC_BUSY_NS, busy_ns);
    dlop_metric_add(DLOP_STAGE_BATCH, DLOP_METRIC_RECORD_NS, busy_ns);
}

/* ---- states; all with the lock held ---- */

void dlop_batch_set_state(struct dlop_batch *batch, enum dlop_batch_state state)
{
    batch->state = state;
    if (state == DLOP_BATCH_DONE || state == DLOP_BATCH_ENDED)
        dlop_arena_give_back(batch);
}

/* Whether the state leaves nobody at work on the batch. */
static int is_at_rest(const struct dlop_batch *batch)
{
    static const uint8_t has_owner[DLOP_BATCH_STATE_COUNT] = {
        [DLOP_BATCH_DRAWING] = 1,
        [DLOP_BATCH_RUNNING] = 1,
    };
    return !has_owner[batch->state] && batch->n_taken == 0;
}

void dlop_batch_end(struct dlop_batch *batch, dlop_status status)
{
    struct dlop_loader *loader = batch->loader;

    if (batch->end_status == DLOP_OK)
        batch->end_status = status;
    if (is_at_rest(batch))
        dlop_batch_set_state(batch, DLOP_BATCH_ENDED);
    loader->may_draw = 1; /* the next of its stream may have its turn */
    pthread_cond_broadcast(&loader->work);
    pthread_cond_broadcast(&loader->change);
}

void dlop_batch_end_later(struct dlop_batch *batch)
{
    struct dlop_loader *loader = batch->loader;

    for (uint32_t i = 0; i < loader->cfg.max_batches; i++) {
        struct dlop_batch *other = &loader->slots[i];
        if (other->state != DLOP_BATCH_FREE && other->stream == batch->stream &&
            other->serial > batch->serial)
            dlop_batch_end(other, DLOP_ERR_STATE);
    }
}

void dlop_batch_let_go(struct dlop_batch *batch, enum dlop_batch_state state)
{
    dlop_batch_set_state(batch, batch->end_status == DLOP_OK ? state : DLOP_BATCH_ENDED);
    pthread_cond_broadcast(&batch->loader->change);
}

struct dlop_batch *dlop_loader_oldest(struct dlop_loader *loader, enum dlop_batch_state state)
{
    struct dlop_batch *oldest = NULL;

    for (uint32_t i = 0; i < loader->cfg.max_batches; i++) {
        struct dlop_batch *batch = &loader->slots[i];
        if (batch->state == state && (!oldest || batch->serial < oldest->serial))
            oldest = batch;
    }
    return oldest;
}

/* Whether a batch of the same stream must draw before this one. */
static int has_undrawn_before(const struct dlop_loader *loader, const struct dlop_batch *batch)
{
    for (uint32_t i = 0; i < loader->cfg.max_batches; i++) {
        const struct dlop_batch *other = &loader->slots[i];
        if (other->state != DLOP_BATCH_FREE && other->stream == batch->stream &&
            other->serial < batch->serial && !other->is_drawn && other->end_status == DLOP_OK)
            return 1;
    }
    return 0;
}

struct dlop_batch *dlop_loader_next_draw(struct dlop_loader *loader)
{
    struct dlop_batch *next = NULL;

    for (uint32_t i = 0; i < loader->cfg.max_batches; i++) {
        struct dlop_batch *batch = &loader->slots[i];
        if (batch->state == DLOP_BATCH_READ && (!next || batch->serial < next->serial) &&
            !has_undrawn_before(loader, batch))
            next = batch;
    }
    /* Files have one since they were read; pixels in memory get it now. */
    return next && dlop_arena_take(next) ? next : NULL;
}
