/* Opening and closing a loader, its streams, and the submit of batches.
 *
 * All memory of the data path is allocated here, once. Not here: what happens to a submitted batch
 * (readers.c, schedule.c), what its receiver does with it (batch.c).
 */
#include "host/run/loader.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/log.h"

/* First size of an arena per record; files that do not fit make it grow in the first batches. */
#define FIRST_BYTES_PER_RECORD ((size_t)4 << 10)

void dlop_loader_cfg_init(struct dlop_loader_cfg *cfg)
{
    *cfg = (struct dlop_loader_cfg){
        .size_bytes = sizeof *cfg,
        .n_streams = 1,
        .max_batches = 2,
        .max_batch_records = 1,
    };
}

int dlop_loader_is_foreign(const struct dlop_loader *loader)
{
    return loader->pid != 0 && loader->pid != getpid();
}

int dlop_loader_owns(const struct dlop_loader *loader, const struct dlop_batch *batch)
{
    return batch && batch->loader == loader && batch->is_in_use;
}

/* ---- open and close ---- */

static dlop_status open_slot(struct dlop_loader *loader, struct dlop_batch *batch)
{
    size_t n = loader->cfg.max_batch_records;

    batch->loader = loader;
    batch->records = calloc(n, sizeof *batch->records);
    batch->jobs = calloc(n, sizeof *batch->jobs);
    batch->completions = calloc(n, sizeof *batch->completions);
    if (!batch->records || !batch->jobs || !batch->completions)
        return DLOP_ERR_NO_MEMORY;
    return DLOP_OK;
}

/* Frees what open_slot made, also half of it. */
static void close_slot(struct dlop_batch *batch)
{
    struct dlop_ctx *ctx = batch->loader->ctx;

    ctx->driver->memory.free(ctx->device, &batch->out);
    free(batch->completions);
    free(batch->jobs);
    free(batch->records);
}

static void free_loader(struct dlop_loader *loader)
{
    for (uint32_t i = 0; loader->slots && i < loader->cfg.max_batches; i++)
        if (loader->slots[i].loader)
            close_slot(&loader->slots[i]);
    dlop_arenas_close(loader);
    free(loader->slots);
    free(loader->streams);
    free(loader);
}

static dlop_status open_slots(struct dlop_loader *loader)
{
    loader->streams = calloc(loader->cfg.n_streams, sizeof *loader->streams);
    loader->slots = calloc(loader->cfg.max_batches, sizeof *loader->slots);
    if (!loader->streams || !loader->slots)
        return DLOP_ERR_NO_MEMORY;
    for (uint32_t i = 0; i < loader->cfg.n_streams; i++)
        dlop_rng_seed(&loader->streams[i], i);
    for (uint32_t i = 0; i < loader->cfg.max_batches; i++) {
        dlop_status status = open_slot(loader, &loader->slots[i]);
        if (status != DLOP_OK)
            return status;
    }
    return dlop_arenas_open(loader);
}

/* Condition variables on the clock that nobody sets. On failure nothing is left. */
static dlop_status open_locks(struct dlop_loader *loader)
{
    pthread_condattr_t attributes;

    if (pthread_condattr_init(&attributes))
        return DLOP_ERR_NO_MEMORY;
    if (pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) ||
        pthread_mutex_init(&loader->lock, NULL))
        goto destroy_attributes;
    if (pthread_cond_init(&loader->work, &attributes))
        goto destroy_lock;
    if (pthread_cond_init(&loader->change, &attributes))
        goto destroy_work;
    pthread_condattr_destroy(&attributes);
    return DLOP_OK;

destroy_work:
    pthread_cond_destroy(&loader->work);
destroy_lock:
    pthread_mutex_destroy(&loader->lock);
destroy_attributes:
    pthread_condattr_destroy(&attributes);
    return DLOP_ERR_NO_MEMORY;
}

static void close_locks(struct dlop_loader *loader)
{
    pthread_cond_destroy(&loader->change);
    pthread_cond_destroy(&loader->work);
    pthread_mutex_destroy(&loader->lock);
}

static int is_valid_cfg(const struct dlop_plan *plan, const struct dlop_source *source,
                        const struct dlop_loader_cfg *cfg)
{
    return plan && source && cfg && cfg->size_bytes == sizeof *cfg && cfg->n_streams > 0 &&
           cfg->max_batches > 0 && cfg->max_batch_records > 0 &&
           cfg->n_streams <= DLOP_RUN_MAX_STREAMS && cfg->max_batches <= DLOP_RUN_MAX_BATCHES &&
           cfg->max_batch_records <= DLOP_RUN_MAX_BATCH_RECORDS;
}

/* Whether the source's pixels, all of one size, need the pack table only and the device takes them
 * so. */
static int can_be_plain(const struct dlop_plan *plan, uint32_t width_px, uint32_t height_px)
{
    struct dlop_job job = {.abi_version = DLOP_ABI_VERSION};

    if (!dlop_plan_is_plain(plan, width_px, height_px))
        return 0;
    dlop_plan_bind_plain(plan, width_px, height_px, &job);
    return plan->ctx->driver->accepts(plan->ctx->device, &job, NULL, 0) == DLOP_OK;
}

dlop_status dlop_loader_open(dlop_plan *plan, dlop_source *source,
                             const struct dlop_loader_cfg *cfg, dlop_loader **loader_out)
{
    size_t bytes_per_record = FIRST_BYTES_PER_RECORD;
    int is_plain = 0;

    if (!is_valid_cfg(plan, source, cfg) || !loader_out)
        return DLOP_ERR_ARGUMENT;
    if (dlop_source_kind_of(source) == DLOP_SOURCE_PIXELS && dlop_source_n_records(source) > 0) {
        uint32_t height_px, width_px, channels;
        dlop_source_pixels(source, 0, &height_px, &width_px, &channels);
        if (channels != plan->cfg.src_channels)
            return DLOP_ERR_ARGUMENT;
        bytes_per_record += (size_t)height_px * width_px * channels;
        is_plain = can_be_plain(plan, width_px, height_px);
    }
    struct dlop_loader *loader = calloc(1, sizeof *loader);
    if (!loader)
        return DLOP_ERR_NO_MEMORY;
    loader->ctx = plan->ctx;
    loader->plan = plan;
    loader->source = source;
    loader->cfg = *cfg;
    loader->is_plain = (uint8_t)is_plain;
    loader->record_bytes = (size_t)plan->out_height_px * plan->out_width_px *
                           plan->cfg.out_channels * plan->cfg.element_bytes;
    loader->largest_arena_bytes = bytes_per_record * cfg->max_batch_records;
    dlop_status status = open_locks(loader);
    if (status != DLOP_OK)
        goto free_all;
    status = open_slots(loader);
    if (status != DLOP_OK)
        goto close_all;
    *loader_out = loader;
    return DLOP_OK;

close_all:
    close_locks(loader);
free_all:
    free_loader(loader);
    return status;
}

void dlop_loader_close(dlop_loader **loader)
{
    if (!loader || !*loader)
        return;
    struct dlop_loader *closing = *loader;
    *loader = NULL;
    if (!dlop_loader_is_foreign(closing)) {
        for (uint32_t i = 0; i < closing->cfg.max_batches; i++) {
            struct dlop_batch *batch = &closing->slots[i];
            dlop_batch_release(closing, &batch);
        }
        dlop_readers_stop(closing);
        close_locks(closing);
    }
    free_loader(closing);
}

/* ---- streams ---- */

dlop_status dlop_loader_set_stream(dlop_loader *loader, uint32_t stream,
                                   const struct dlop_rng_state *state)
{
    dlop_status status = DLOP_OK;

    if (!loader || !state || stream >= loader->cfg.n_streams || state->next > 624)
        return DLOP_ERR_ARGUMENT;
    if (dlop_loader_is_foreign(loader))
        return DLOP_ERR_STATE;
    pthread_mutex_lock(&loader->lock);
    for (uint32_t i = 0; i < loader->cfg.max_batches; i++) {
        const struct dlop_batch *batch = &loader->slots[i];
        if (batch->state != DLOP_BATCH_FREE && batch->stream == stream && !batch->is_drawn &&
            batch->end_status == DLOP_OK)
            status = DLOP_ERR_STATE;
    }
    if (status == DLOP_OK)
        loader->streams[stream] = *state;
    pthread_mutex_unlock(&loader->lock);
    return status;
}

dlop_status dlop_loader_get_stream(dlop_loader *loader, uint32_t stream,
                                   struct dlop_rng_state *state_out)
{
    if (!loader || !state_out || stream >= loader->cfg.n_streams)
        return DLOP_ERR_ARGUMENT;
    if (dlop_loader_is_foreign(loader))
        return DLOP_ERR_STATE;
    pthread_mutex_lock(&loader->lock);
    *state_out = loader->streams[stream];
    pthread_mutex_unlock(&loader->lock);
    return DLOP_OK;
}

/* ---- submit ---- */

static int is_valid_submit(const struct dlop_loader *loader, uint32_t stream,
                           const uint64_t *indices, uint32_t n, const void *out, size_t out_bytes)
{
    uint64_t n_records = dlop_source_n_records(loader->source);

    if (!indices || !out || stream >= loader->cfg.n_streams || n == 0 ||
        n > loader->cfg.max_batch_records)
        return 0;
    if (loader->record_bytes == 0 ? n != 1 || out_bytes == 0 : out_bytes / loader->record_bytes < n)
        return 0;
    for (uint32_t i = 0; i < n; i++)
        if (indices[i] >= n_records)
            return 0;
    return 1;
}

/* The slot is free: nobody else looks into it. */
static void fill_slot(struct dlop_batch *batch, uint32_t stream, const uint64_t *indices,
                      uint32_t n)
{
    const struct dlop_loader *loader = batch->loader;
    int is_pixels = dlop_source_kind_of(loader->source) == DLOP_SOURCE_PIXELS;
    uint32_t height_px = 0, width_px = 0, channels = 0;

    if (is_pixels)
        dlop_source_pixels(loader->source, 0, &height_px, &width_px, &channels);
    for (uint32_t i = 0; i < n; i++) {
        struct dlop_run_record *record = &batch->records[i];
        record->index = indices[i];
        record->width_px = width_px;
        record->height_px = height_px;
        record->has_drawn = 0;
        record->state = is_pixels ? DLOP_RECORD_READ : DLOP_RECORD_WAITING;
    }
    batch->is_in_use = 1;
    batch->stream = stream;
    batch->n = n;
    batch->end_status = DLOP_OK;
    batch->next_read = is_pixels ? n : 0;
    batch->sized_bytes = batch->used_bytes = 0;
    batch->n_sized = batch->n_drawn = batch->n_needs = batch->n_jobs = 0;
    batch->is_draw_begun = batch->is_drawn = batch->is_fetched = 0;
    batch->out_width_px = loader->plan->out_width_px;
    batch->out_height_px = loader->plan->out_height_px;
    batch->begin_ns = dlop_clock_ns();
}

/* Whether a batch of the stream failed before it was drawn and still waits for its release: what
 * comes after it must not draw first. The lock is held. */
static int is_stream_broken(const struct dlop_loader *loader, uint32_t stream)
{
    for (uint32_t i = 0; i < loader->cfg.max_batches; i++) {
        const struct dlop_batch *batch = &loader->slots[i];
        if (batch->state != DLOP_BATCH_FREE && batch->stream == stream && !batch->is_drawn &&
            batch->end_status != DLOP_OK && batch->end_status != DLOP_ERR_STATE)
            return 1;
    }
    return 0;
}

static void queue_slot(struct dlop_batch *batch)
{
    struct dlop_loader *loader = batch->loader;

    pthread_mutex_lock(&loader->lock);
    int is_broken = is_stream_broken(loader, batch->stream);
    batch->serial = ++loader->n_submitted;
    batch->state = batch->next_read < batch->n ? DLOP_BATCH_READING : DLOP_BATCH_READ;
    if (is_broken)
        dlop_batch_end(batch, DLOP_ERR_STATE);
    loader->may_draw = 1;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->lock);
}

dlop_status dlop_loader_submit(dlop_loader *loader, uint32_t stream, const uint64_t *indices,
                               uint32_t n, void *out, size_t out_bytes, dlop_batch **batch_out)
{
    if (!loader || !batch_out || !is_valid_submit(loader, stream, indices, n, out, out_bytes))
        return DLOP_ERR_ARGUMENT;
    dlop_status status = dlop_readers_start(loader);
    if (status != DLOP_OK)
        return status;
    pthread_mutex_lock(&loader->lock);
    struct dlop_batch *batch = dlop_loader_oldest(loader, DLOP_BATCH_FREE);
    pthread_mutex_unlock(&loader->lock);
    if (!batch)
        return DLOP_AGAIN;
    status = loader->ctx->driver->memory.wrap(loader->ctx->device, out, out_bytes, &batch->out);
    if (status != DLOP_OK) {
        dlop_log_error("run", "output memory cannot be used by the device: %s",
                       dlop_status_text(status));
        return status;
    }
    fill_slot(batch, stream, indices, n);
    queue_slot(batch);
    *batch_out = batch;
    return DLOP_OK;
}
