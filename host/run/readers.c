/* The loader's threads: they read files ahead in the order of the submits, draw, and launch.
 *
 * Key idea: a thread that has nothing to do looks for the work nearest to the device first: launch
 * what is bound, draw what is read, read what was submitted. So one thread is enough for
 * everything, and more only add overlap of file reads. Work is taken and given back under the lock
 * and done without it.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "driver/cpu/cpu.h"
#include "host/base/log.h"
#include "host/base/metrics.h"
#include "host/run/loader.h"

#define READER_STACK_BYTES (512u << 10)
/* How soon a launch is tried again that the device had no room for, should none of ours end
 * meanwhile. */
#define LAUNCH_RETRY_NS 2000000

/* ---- one record ---- */

/* The bytes of a file into the arena: [frame][bytes][zeros]. */
static dlop_status read_file(struct dlop_batch *batch, struct dlop_run_record *record, int fd,
                             size_t n_bytes)
{
    struct dlop_loader *loader = batch->loader;
    uint64_t begin_ns = dlop_clock_ns();
    uint8_t *frame = (uint8_t *)batch->arena.host + record->in_offset;
    uint8_t *bytes = frame + sizeof(struct dlop_jpeg_frame);

    dlop_status status = dlop_source_read(loader->source, record->index, fd, bytes, n_bytes);
    uint64_t read_ns = dlop_clock_ns();
    dlop_metric_add(DLOP_STAGE_READ, DLOP_METRIC_BUSY_NS, read_ns - begin_ns);
    if (status != DLOP_OK) {
        dlop_record_need(record, DLOP_STAGE_READ, status, "file cannot be read");
        return status;
    }
    dlop_metric_add(DLOP_STAGE_READ, DLOP_METRIC_RECORDS, 1);
    dlop_metric_add(DLOP_STAGE_READ, DLOP_METRIC_BYTES_OUT, n_bytes);
    memset(bytes + n_bytes, 0, DLOP_JPEG_PADDING_BYTES);

    struct dlop_jpeg_frame *parsed = (struct dlop_jpeg_frame *)(void *)frame;
    status = dlop_jpeg_parse(bytes, n_bytes, sizeof *parsed, parsed, record->reason);
    dlop_metric_add(DLOP_STAGE_PARSE, DLOP_METRIC_BUSY_NS, dlop_clock_ns() - read_ns);
    if (status != DLOP_OK) {
        dlop_record_need(record, DLOP_STAGE_PARSE, status, NULL);
        return status;
    }
    dlop_metric_add(DLOP_STAGE_PARSE, DLOP_METRIC_RECORDS, 1);
    record->width_px = parsed->width_px;
    record->height_px = parsed->height_px;
    record->n_components = parsed->n_components;
    record->state = DLOP_RECORD_READ;
    return DLOP_OK;
}

static void check_max_pixels(const struct dlop_loader *loader, struct dlop_run_record *record)
{
    uint64_t n_pixels = (uint64_t)record->width_px * record->height_px;
    uint64_t max_pixels = loader->plan->cfg.max_pixels;

    if (max_pixels == 0 || n_pixels <= max_pixels)
        return;
    dlop_record_need(record, DLOP_STAGE_PARSE, DLOP_ERR_LIMIT,
                     "%u x %u pixels are over the limit of %llu", record->width_px,
                     record->height_px, (unsigned long long)max_pixels);
}

/* DLOP_OK where the record was read or became a need; DLOP_ERR_NO_MEMORY fails the batch. */
static dlop_status read_record(struct dlop_batch *batch, struct dlop_run_record *record)
{
    struct dlop_loader *loader = batch->loader;
    size_t n_bytes = 0;
    int fd = -1;

    dlop_status status = dlop_source_size(loader->source, record->index, &fd, &n_bytes);
    if (status != DLOP_OK) {
        dlop_record_need(record, DLOP_STAGE_READ, status, "file cannot be opened");
        return DLOP_OK;
    }
    if (n_bytes > DLOP_RUN_MAX_FILE_BYTES) {
        close(fd);
        dlop_record_need(record, DLOP_STAGE_READ, DLOP_ERR_LIMIT, "file over %zu MiB",
                         DLOP_RUN_MAX_FILE_BYTES >> 20);
        return DLOP_OK;
    }
    record->in_bytes = dlop_arena_file_bytes(n_bytes);
    status = dlop_arena_reserve_shared(batch, record->in_bytes, &record->in_offset);
    if (status != DLOP_OK) {
        close(fd);
        return status;
    }
    if (read_file(batch, record, fd, n_bytes) == DLOP_OK)
        check_max_pixels(loader, record);
    dlop_arena_written(batch);
    return DLOP_OK;
}

/* ---- work, taken with the lock held ---- */

static void do_read(struct dlop_batch *batch)
{
    struct dlop_loader *loader = batch->loader;
    struct dlop_run_record *record = &batch->records[batch->next_read++];

    batch->n_taken++;
    pthread_mutex_unlock(&loader->lock);
    dlop_status status = read_record(batch, record);
    if (status != DLOP_OK)
        dlop_log_error("run", "no memory for the files of batch %llu",
                       (unsigned long long)batch->serial);
    pthread_mutex_lock(&loader->lock);
    batch->n_taken--;
    if (status != DLOP_OK) {
        dlop_batch_end(batch, status);
        dlop_batch_end_later(batch);
    }
    if (batch->n_taken > 0)
        return;
    if (batch->end_status != DLOP_OK) {
        dlop_batch_let_go(batch, DLOP_BATCH_ENDED);
    } else if (batch->next_read == batch->n) {
        dlop_batch_set_state(batch, DLOP_BATCH_READ);
        loader->may_draw = 1;
    }
}

/* The stream goes on from this batch's draws; the next batch of it may have its turn. */
static void commit_draws(struct dlop_batch *batch)
{
    batch->loader->streams[batch->stream] = batch->rng;
    batch->is_drawn = 1;
    batch->loader->may_draw = 1;
}

static void do_draw(struct dlop_batch *batch)
{
    struct dlop_loader *loader = batch->loader;

    if (!batch->is_draw_begun) {
        batch->is_draw_begun = 1;
        batch->before = batch->rng = loader->streams[batch->stream];
    }
    dlop_batch_set_state(batch, DLOP_BATCH_DRAWING);
    pthread_mutex_unlock(&loader->lock);
    dlop_status status = dlop_batch_draw(batch);
    if (status < 0)
        dlop_log_write(status == DLOP_ERR_TOO_SMALL ? DLOP_LOG_DEBUG : DLOP_LOG_ERROR, "run",
                       "batch %llu cannot be drawn: %s", (unsigned long long)batch->serial,
                       dlop_status_text(status));
    pthread_mutex_lock(&loader->lock);
    if (status < 0) {
        dlop_batch_end(batch, status);
        dlop_batch_end_later(batch);
    }
    if (status == DLOP_OK && batch->end_status == DLOP_OK)
        commit_draws(batch);
    enum dlop_batch_state next = batch->n_jobs > 0 ? DLOP_BATCH_READY : DLOP_BATCH_DONE;
    dlop_batch_let_go(batch, status == DLOP_NEED_PIXELS ? DLOP_BATCH_NEEDS : next);
}

static void do_launch(struct dlop_batch *batch)
{
    struct dlop_loader *loader = batch->loader;

    dlop_batch_set_state(batch, DLOP_BATCH_RUNNING);
    pthread_mutex_unlock(&loader->lock);
    dlop_batch_launch(batch);
    pthread_mutex_lock(&loader->lock);
}

/* Oldest submitted batch that has records left to read, if it has or gets an arena. */
static struct dlop_batch *next_to_read(struct dlop_loader *loader)
{
    struct dlop_batch *next = NULL;

    for (uint32_t i = 0; i < loader->cfg.max_batches; i++) {
        struct dlop_batch *batch = &loader->slots[i];
        if (batch->state == DLOP_BATCH_READING && batch->end_status == DLOP_OK &&
            batch->next_read < batch->n && (!next || batch->serial < next->serial))
            next = batch;
    }
    return next && dlop_arena_take(next) ? next : NULL;
}

/* Do one piece of work; 0 where there is none. */
static int work_once(struct dlop_loader *loader)
{
    struct dlop_batch *batch = NULL;

    if (loader->may_launch && (batch = dlop_loader_oldest(loader, DLOP_BATCH_READY))) {
        do_launch(batch);
        return 1;
    }
    if (loader->may_draw) {
        batch = dlop_loader_next_draw(loader);
        if (batch) {
            do_draw(batch);
            return 1;
        }
        loader->may_draw = 0;
    }
    batch = next_to_read(loader);
    if (batch)
        do_read(batch);
    return batch != NULL;
}

/* Wait for work: a while where a launch has to be tried again, else until somebody brings some. */
static void wait_for_work(struct dlop_loader *loader)
{
    uint64_t begin_ns = dlop_clock_ns();
    /* With a free slot the caller is behind, without one those after us are. */
    int is_starved = dlop_loader_oldest(loader, DLOP_BATCH_FREE) != NULL;

    if (dlop_loader_oldest(loader, DLOP_BATCH_READY)) {
        uint64_t until_ns = begin_ns + LAUNCH_RETRY_NS;
        struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000u),
                                 .tv_nsec = (long)(until_ns % 1000000000u)};
        pthread_cond_timedwait(&loader->work, &loader->lock, &until);
        loader->may_launch = 1;
    } else {
        pthread_cond_wait(&loader->work, &loader->lock);
    }
    dlop_metric_add(DLOP_STAGE_READ, is_starved ? DLOP_METRIC_STARVED_NS : DLOP_METRIC_BLOCKED_NS,
                    dlop_clock_ns() - begin_ns);
}

static void *reader_main(void *cookie)
{
    struct dlop_loader *loader = cookie;

    pthread_mutex_lock(&loader->lock);
    while (!loader->must_quit) {
        if (!work_once(loader))
            wait_for_work(loader);
    }
    pthread_mutex_unlock(&loader->lock);
    return NULL;
}

/* ---- threads ---- */

static dlop_status start_all(struct dlop_loader *loader, uint32_t n_wanted)
{
    pthread_attr_t attributes;

    if (pthread_attr_init(&attributes) != 0)
        return DLOP_ERR_THREAD;
    pthread_attr_setstacksize(&attributes, READER_STACK_BYTES);
    while (loader->n_readers < n_wanted) {
        pthread_t *thread = &loader->readers[loader->n_readers];
        char name[16];
        int error = pthread_create(thread, &attributes, reader_main, loader);
        if (error != 0) {
            dlop_log_warn("run", "%u of %u reader threads started: %s", loader->n_readers, n_wanted,
                          strerror(error));
            break;
        }
        snprintf(name, sizeof name, "dlop-read-%u", loader->n_readers);
        pthread_setname_np(*thread, name);
        dlop_cpu_thread_goes_second(*thread);
        loader->n_readers++;
    }
    pthread_attr_destroy(&attributes);
    return loader->n_readers > 0 ? DLOP_OK : DLOP_ERR_THREAD;
}

dlop_status dlop_readers_start(struct dlop_loader *loader)
{
    uint32_t n_wanted = loader->ctx->cfg.n_readers;
    sigset_t all, before;

    if (loader->n_readers > 0)
        return dlop_loader_is_foreign(loader) ? DLOP_ERR_STATE : DLOP_OK;
    if (n_wanted == 0)
        n_wanted = DLOP_RUN_DEFAULT_READERS;
    if (n_wanted > DLOP_RUN_MAX_READERS)
        n_wanted = DLOP_RUN_MAX_READERS;
    /* The threads inherit the mask: signals belong to the host program. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    dlop_status status = start_all(loader, n_wanted);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status == DLOP_OK)
        loader->pid = getpid();
    return status;
}

void dlop_readers_stop(struct dlop_loader *loader)
{
    pthread_mutex_lock(&loader->lock);
    loader->must_quit = 1;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->lock);
    for (uint32_t i = 0; i < loader->n_readers; i++)
        pthread_join(loader->readers[i], NULL);
    loader->n_readers = 0;
}
