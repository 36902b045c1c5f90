/* What the receiver of a batch does with it: wait, answer needs, release.
 *
 * A batch in state NEEDS belongs to the caller's thread, so answers work on it without the lock and
 * take it only to let go. Not here: where needs come from (readers.c: files, schedule.c: transforms
 * and kernels).
 */
#include <string.h>
#include <time.h>

#include "host/base/log.h"
#include "host/run/loader.h"

/* ---- wait ---- */

/* First record without an answer: before its draws only the one that holds up the batch. */
static uint32_t position_of_need(const struct dlop_batch *batch)
{
    uint32_t position = 0;

    if (!batch->is_drawn)
        return batch->n_drawn;
    while (batch->records[position].state != DLOP_RECORD_NEED)
        position++;
    return position;
}

static void tell_need(struct dlop_batch *batch, struct dlop_need *need_out)
{
    uint32_t position = position_of_need(batch);
    const struct dlop_run_record *record = &batch->records[position];

    need_out->position = position;
    need_out->status = record->status;
    need_out->index = record->index;
    need_out->batch = batch;
    memcpy(need_out->reason, record->reason, sizeof need_out->reason);
}

/* What can be said about a batch now; the lock is held. */
static dlop_status look(struct dlop_batch *batch, struct dlop_need *need_out)
{
    if (batch->end_status != DLOP_OK)
        return batch->end_status;
    if (batch->state == DLOP_BATCH_DONE)
        return DLOP_OK;
    struct dlop_batch *needy = dlop_loader_oldest(batch->loader, DLOP_BATCH_NEEDS);
    if (!needy)
        return DLOP_AGAIN;
    tell_need(needy, need_out);
    return DLOP_NEED_PIXELS;
}

/* Make the results visible to the host, once. */
static dlop_status fetch(struct dlop_batch *batch)
{
    struct dlop_ctx *ctx = batch->loader->ctx;

    if (batch->is_fetched)
        return DLOP_OK;
    dlop_status status =
        ctx->driver->memory.from_device(ctx->device, &batch->out, 0, batch->out.size_bytes);
    batch->is_fetched = status == DLOP_OK;
    return status;
}

dlop_status dlop_batch_wait(dlop_loader *loader, dlop_batch *batch, uint32_t timeout_ms,
                            struct dlop_need *need_out)
{
    if (!loader || !need_out)
        return DLOP_ERR_ARGUMENT;
    if (dlop_loader_is_foreign(loader))
        return DLOP_ERR_STATE;
    if (!dlop_loader_owns(loader, batch))
        return DLOP_ERR_ARGUMENT;
    uint64_t begin_ns = dlop_clock_ns(), until_ns = begin_ns + (uint64_t)timeout_ms * 1000000u;
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000u),
                             .tv_nsec = (long)(until_ns % 1000000000u)};
    int error = 0;

    pthread_mutex_lock(&loader->lock);
    dlop_status status = look(batch, need_out);
    while (status == DLOP_AGAIN && error == 0) {
        error = pthread_cond_timedwait(&loader->change, &loader->lock, &until);
        status = look(batch, need_out);
    }
    pthread_mutex_unlock(&loader->lock);
    dlop_metric_add(DLOP_STAGE_BATCH, DLOP_METRIC_STARVED_NS, dlop_clock_ns() - begin_ns);
    return status == DLOP_OK ? fetch(batch) : status;
}

dlop_status dlop_batch_get_stream(dlop_loader *loader, const dlop_batch *batch,
                                  struct dlop_rng_state *before_out,
                                  struct dlop_rng_state *after_out)
{
    if (!loader || !before_out || !after_out)
        return DLOP_ERR_ARGUMENT;
    if (dlop_loader_is_foreign(loader))
        return DLOP_ERR_STATE;
    if (!dlop_loader_owns(loader, batch))
        return DLOP_ERR_ARGUMENT;
    pthread_mutex_lock(&loader->lock);
    int is_drawn = batch->is_drawn && batch->end_status == DLOP_OK;
    pthread_mutex_unlock(&loader->lock);
    if (!is_drawn)
        return DLOP_ERR_STATE;
    /* Nobody writes them between the last draw and the release. */
    *before_out = batch->before;
    *after_out = batch->rng;
    return DLOP_OK;
}

void dlop_batch_out_size(const dlop_batch *batch, uint32_t *height_out, uint32_t *width_out)
{
    *height_out = batch->out_height_px;
    *width_out = batch->out_width_px;
}

/* ---- answers ---- */

/* Whether `position` is a need that was told. */
static dlop_status check_answer(dlop_loader *loader, const dlop_batch *batch, uint32_t position)
{
    if (!loader)
        return DLOP_ERR_ARGUMENT;
    if (dlop_loader_is_foreign(loader))
        return DLOP_ERR_STATE;
    if (!dlop_loader_owns(loader, batch) || position >= batch->n)
        return DLOP_ERR_ARGUMENT;
    pthread_mutex_lock(&loader->lock);
    int is_callers = batch->state == DLOP_BATCH_NEEDS;
    pthread_mutex_unlock(&loader->lock);
    if (!is_callers || batch->records[position].state != DLOP_RECORD_NEED)
        return DLOP_ERR_STATE;
    return batch->is_drawn || position == batch->n_drawn ? DLOP_OK : DLOP_ERR_STATE;
}

/* After an answer: draw on; or, where the needs arose in execution, execute what is left of
 * them. */
static void go_on(struct dlop_batch *batch)
{
    struct dlop_loader *loader = batch->loader;
    enum dlop_batch_state next = DLOP_BATCH_NEEDS;

    if (!batch->is_drawn) {
        batch->n_drawn++;
        next = DLOP_BATCH_READ;
    } else if (--batch->n_needs == 0) {
        dlop_batch_collect_jobs(batch);
        next = batch->n_jobs > 0 ? DLOP_BATCH_READY : DLOP_BATCH_DONE;
        if (next == DLOP_BATCH_DONE)
            dlop_batch_count(batch);
    }
    pthread_mutex_lock(&loader->lock);
    dlop_batch_set_state(batch, next);
    loader->may_draw = loader->may_launch = 1;
    pthread_cond_signal(&loader->work);
    pthread_mutex_unlock(&loader->lock);
}

/* The stream is again as it was before the batch. */
static void end_with_followers(struct dlop_batch *batch, dlop_status status)
{
    struct dlop_loader *loader = batch->loader;

    pthread_mutex_lock(&loader->lock);
    if (batch->is_drawn)
        loader->streams[batch->stream] = batch->before;
    batch->is_drawn = 0;
    dlop_batch_end(batch, status);
    dlop_batch_end_later(batch);
    pthread_mutex_unlock(&loader->lock);
}

dlop_status dlop_batch_supply(dlop_loader *loader, dlop_batch *batch, uint32_t position,
                              const uint8_t *pixels, uint32_t height, uint32_t width)
{
    dlop_status status = check_answer(loader, batch, position);

    if (status != DLOP_OK)
        return status;
    if (!pixels || height == 0 || width == 0 || height > INT32_MAX || width > INT32_MAX)
        return DLOP_ERR_ARGUMENT;
    uint64_t begin_ns = dlop_clock_ns();
    status = dlop_batch_bind_pixels(batch, position, pixels, height, width);
    dlop_metric_add(DLOP_STAGE_CALLER, DLOP_METRIC_BUSY_NS, dlop_clock_ns() - begin_ns);
    if (status == DLOP_ERR_TOO_SMALL || status == DLOP_ERR_NO_MEMORY)
        end_with_followers(batch, status);
    if (status != DLOP_OK)
        return status;
    dlop_metric_add(DLOP_STAGE_CALLER, DLOP_METRIC_RECORDS, 1);
    dlop_metric_add(DLOP_STAGE_CALLER, DLOP_METRIC_RETRIES, batch->is_drawn);
    dlop_metric_add(DLOP_STAGE_CALLER, DLOP_METRIC_BYTES_IN,
                    (uint64_t)height * width * loader->plan->cfg.src_channels);
    go_on(batch);
    return DLOP_OK;
}

dlop_status dlop_batch_skip(dlop_loader *loader, dlop_batch *batch, uint32_t position)
{
    dlop_status status = check_answer(loader, batch, position);

    if (status != DLOP_OK)
        return status;
    size_t record_bytes = loader->record_bytes ? loader->record_bytes : batch->out.size_bytes;
    memset((uint8_t *)batch->out.host + position * record_bytes, 0, record_bytes);
    batch->records[position].state = DLOP_RECORD_DONE;
    dlop_metric_add(DLOP_STAGE_CALLER, DLOP_METRIC_ERRORS, 1);
    go_on(batch);
    return DLOP_OK;
}

/* Whether a batch of the stream submitted after this one took a state that is wrong now; the
 * lock is held. */
static int has_followers_that_drew(const struct dlop_batch *batch)
{
    const struct dlop_loader *loader = batch->loader;

    for (uint32_t i = 0; i < loader->cfg.max_batches; i++) {
        const struct dlop_batch *other = &loader->slots[i];
        if (other->state != DLOP_BATCH_FREE && other->stream == batch->stream &&
            other->serial > batch->serial && other->is_draw_begun && other->end_status == DLOP_OK)
            return 1;
    }
    return 0;
}

dlop_status dlop_batch_fail(dlop_loader *loader, dlop_batch *batch, uint32_t position)
{
    if (!loader)
        return DLOP_ERR_ARGUMENT;
    if (dlop_loader_is_foreign(loader))
        return DLOP_ERR_STATE;
    if (!dlop_loader_owns(loader, batch) || position >= batch->n)
        return DLOP_ERR_ARGUMENT;
    pthread_mutex_lock(&loader->lock);
    int is_callers = batch->state == DLOP_BATCH_NEEDS;
    pthread_mutex_unlock(&loader->lock);
    if (!is_callers || position > batch->n_drawn)
        return DLOP_ERR_STATE;
    dlop_batch_replay(batch, position, &batch->rng);
    dlop_metric_add(DLOP_STAGE_CALLER, DLOP_METRIC_ERRORS, 1);

    pthread_mutex_lock(&loader->lock);
    if (has_followers_that_drew(batch))
        dlop_batch_end_later(batch);
    loader->streams[batch->stream] = batch->rng;
    dlop_batch_end(batch, DLOP_ERR_STATE);
    pthread_mutex_unlock(&loader->lock);
    return DLOP_OK;
}

/* ---- release ---- */

void dlop_batch_release(dlop_loader *loader, dlop_batch **batch)
{
    if (!batch || !*batch)
        return;
    struct dlop_batch *leaving = *batch;
    *batch = NULL;
    if (!loader || dlop_loader_is_foreign(loader) || !dlop_loader_owns(loader, leaving))
        return;
    pthread_mutex_lock(&loader->lock);
    if (leaving->state != DLOP_BATCH_DONE)
        dlop_batch_end(leaving, DLOP_ERR_STATE);
    while (leaving->state != DLOP_BATCH_DONE && leaving->state != DLOP_BATCH_ENDED)
        pthread_cond_wait(&loader->change, &loader->lock);
    pthread_mutex_unlock(&loader->lock);
    loader->ctx->driver->memory.free(loader->ctx->device, &leaving->out);
    pthread_mutex_lock(&loader->lock);
    leaving->is_in_use = 0;
    dlop_batch_set_state(leaving, DLOP_BATCH_FREE);
    pthread_mutex_unlock(&loader->lock);
}
