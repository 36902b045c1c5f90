/* One thread's work: a job from its check to its completion.
 *
 * Key idea: a job is a source and then rows (stream.h). Alone a thread makes all rows; the leader
 * of a large job shares them with those who help.
 *
 * Not here: what happens to a row (stream.h), decoding (jpeg.h), which job is whose (pool.h).
 */
#include "driver/cpu/cpu.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driver/cpu/jpeg_internal.h"
#include "driver/cpu/stream.h"
#include "driver/cpu/worker.h"
#include "hw/core/job_check.h"

struct dlop_cpu_worker {
    struct dlop_cpu_steps steps;
    struct dlop_cpu_tools tools;
    struct dlop_cpu_stream stream; /* of the job in progress, or of the one that it helps with */
    struct dlop_cpu_team team;     /* who helps with this worker's jobs */
};

dlop_status dlop_cpu_worker_open(uint32_t vector_mask, struct dlop_cpu_worker **worker_out)
{
    struct dlop_cpu_worker *worker = calloc(1, sizeof *worker);
    dlop_status status;

    if (!worker)
        return DLOP_ERR_NO_MEMORY;
    dlop_cpu_steps_init(vector_mask, &worker->steps);
    worker->tools.steps = &worker->steps;
    status = dlop_cpu_jpeg_open(&worker->tools.jpeg);
    if (status == DLOP_OK)
        status = dlop_cpu_team_open(&worker->team);
    if (status != DLOP_OK) {
        dlop_cpu_jpeg_close(&worker->tools.jpeg);
        free(worker);
        return status;
    }
    *worker_out = worker;
    return DLOP_OK;
}

void dlop_cpu_worker_close(struct dlop_cpu_worker **worker_in_out)
{
    struct dlop_cpu_worker *worker = *worker_in_out;

    if (!worker)
        return;
    dlop_cpu_team_close(&worker->team);
    dlop_cpu_jpeg_close(&worker->tools.jpeg);
    free(worker->tools.x_axis.bytes);
    free(worker->tools.y_axis.bytes);
    free(worker->tools.rows.bytes);
    free(worker->tools.ring_index.bytes);
    free(worker);
    *worker_in_out = NULL;
}

struct dlop_cpu_jpeg *dlop_cpu_worker_jpeg(struct dlop_cpu_worker *worker)
{
    return worker->tools.jpeg;
}

const struct dlop_cpu_steps *dlop_cpu_worker_steps(const struct dlop_cpu_worker *worker)
{
    return &worker->steps;
}

struct dlop_cpu_team *dlop_cpu_worker_team(struct dlop_cpu_worker *worker)
{
    return &worker->team;
}

/* ---- rows by several threads ---- */

/* Tasks of at least as many output rows: neighbours make some source rows twice. */
#define MIN_TASK_ROWS 7

static u32 rows_per_task(const struct dlop_job *job, const struct dlop_cpu_crew *crew)
{
    u32 n = job->out_height_px / (3 * crew->n_threads) + 1;

    return n > MIN_TASK_ROWS ? n : MIN_TASK_ROWS;
}

static dlop_status do_rows(struct dlop_cpu_worker *worker, void *cookie, u32 task)
{
    struct dlop_cpu_worker *leader = cookie;
    const struct dlop_job *job = worker->stream.job;
    u32 n = rows_per_task(job, leader->team.crew), first = task * n,
        left = job->out_height_px - first;

    dlop_cpu_stream_rows(&worker->stream, first, first + (left < n ? left : n));
    return DLOP_OK;
}

static dlop_status prepare_rows(struct dlop_cpu_worker *worker, void *cookie)
{
    struct dlop_cpu_worker *leader = cookie;
    struct dlop_cpu_stream *stream = &worker->stream;
    dlop_status status;

    status =
        dlop_cpu_stream_open(stream, &worker->tools, leader->stream.job, leader->stream.buffers);
    stream->pixels = leader->stream.pixels;
    if (status == DLOP_OK && stream->job->kind == DLOP_JOB_JPEG)
        status = dlop_cpu_jpeg_share(worker->tools.jpeg, leader->tools.jpeg);
    return status;
}

static dlop_status share_rows(struct dlop_cpu_worker *leader)
{
    const struct dlop_job *job = leader->stream.job;
    u32 n = rows_per_task(job, leader->team.crew);
    struct dlop_cpu_stage stage = {.lead = do_rows,
                                   .help = do_rows,
                                   .prepare = prepare_rows,
                                   .cookie = leader,
                                   .back = (job->out_height_px + n - 1) / n,
                                   .is_last = true};

    return dlop_cpu_team_run(&leader->team, &stage, NULL);
}

/* ---- jobs ---- */

static u64 now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
}

static dlop_status check_job(const struct dlop_job *job, const struct dlop_launch *buffers)
{
    const struct dlop_buffer *in = buffers->in;
    struct dlop_job_bounds bounds = {.in_bytes = in->size_bytes,
                                     .constants_bytes = buffers->constants->size_bytes,
                                     .out_bytes = buffers->out->size_bytes};

    /* Offsets of axis tables and frames are multiples of 4; so must be the buffer's address. */
    if ((uintptr_t)in->host % 4 != 0)
        return DLOP_ERR_ARGUMENT;
    return dlop_job_check(job, in->host, &bounds);
}

static dlop_status worker_run(struct dlop_cpu_worker *worker, const struct dlop_job *job,
                              const struct dlop_launch *buffers, bool is_shared, u32 *n_blocks_out)
{
    struct dlop_cpu_stream *stream = &worker->stream;
    dlop_status status = check_job(job, buffers);

    if (status == DLOP_OK)
        status = dlop_cpu_stream_open(stream, &worker->tools, job, buffers);
    if (status == DLOP_OK)
        status = dlop_cpu_stream_open_source(stream, n_blocks_out);
    if (status != DLOP_OK || is_shared)
        return status != DLOP_OK ? status : share_rows(worker);
    dlop_cpu_stream_rows(stream, 0, job->out_height_px);
    return DLOP_OK;
}

static void complete(const struct dlop_job *job, dlop_status status, u32 n_blocks, u64 busy_ns,
                     struct dlop_completion *completion_out)
{
    bool is_done = status == DLOP_OK;

    *completion_out = (struct dlop_completion){.record = job->record,
                                               .status = status,
                                               .bytes_written = is_done ? job->out_bytes : 0,
                                               .blocks_decoded = is_done ? n_blocks : 0,
                                               .busy_ticks = busy_ns};
}

void dlop_cpu_run_job(struct dlop_cpu_worker *worker, const struct dlop_job *job,
                      const struct dlop_launch *buffers, struct dlop_completion *completion_out)
{
    u64 start_ns = now_ns();
    u32 n_blocks = 0;
    dlop_status status = worker_run(worker, job, buffers, false, &n_blocks);

    complete(job, status, n_blocks, now_ns() - start_ns, completion_out);
}

void dlop_cpu_lead_job(struct dlop_cpu_worker *worker, const struct dlop_job *job,
                       const struct dlop_launch *buffers, struct dlop_cpu_crew *crew,
                       struct dlop_completion *completion_out)
{
    struct dlop_cpu_team *team = &worker->team;
    u64 start_ns = now_ns();
    u32 n_blocks = 0;
    dlop_status status;

    dlop_cpu_team_begin(team, worker, crew);
    worker->tools.jpeg->team = team;
    status = worker_run(worker, job, buffers, true, &n_blocks);
    worker->tools.jpeg->team = NULL;
    dlop_cpu_team_end(team);
    /* No task runs any more, so nobody adds to what helpers did. */
    complete(job, status, n_blocks, now_ns() - start_ns + team->helped_ns - team->waited_ns,
             completion_out);
}

/* A table that changes nothing, so that whole frames leave through the pack step too. */
static const u8 *identity_table(u8 table[3 * 256])
{
    for (u32 i = 0; i < 3 * 256; i++)
        table[i] = (u8)i;
    return table;
}

dlop_status dlop_cpu_decode_jpeg(struct dlop_cpu_worker *worker,
                                 const struct dlop_jpeg_frame *frame, size_t n_bytes,
                                 uint32_t channels, uint8_t *pixels_out, size_t pixels_bytes)
{
    struct dlop_job job = {.layout = DLOP_LAYOUT_HWC, .element_bytes = 1};
    struct dlop_rect rect = {0};
    struct dlop_cpu_pack pack;
    u8 table[3 * 256];
    u32 n_blocks;
    dlop_status status;

    if (n_bytes < sizeof *frame)
        return DLOP_ERR_TRUNCATED;
    if (channels != 1 && channels != 3 && channels != 4)
        return DLOP_ERR_ARGUMENT;
    rect.width = frame->width_px;
    rect.height = frame->height_px;
    status =
        dlop_cpu_jpeg_decode(worker->tools.jpeg, &worker->steps, frame, n_bytes, &rect, &n_blocks);
    if (status != DLOP_OK)
        return status;
    if (pixels_bytes / channels / rect.width < rect.height)
        return DLOP_ERR_TOO_SMALL;
    status = dlop_cpu_memory_grow(&worker->tools.rows, dlop_cpu_row_bytes(rect.width, 0));
    if (status != DLOP_OK)
        return status;
    job.out_width_px = rect.width;
    job.out_height_px = rect.height;
    job.out_channels = (u8)channels;
    if (channels < 4)
        dlop_cpu_pack_init(&pack, &job, identity_table(table));
    for (u32 y = 0; y < rect.height; y++) {
        dlop_cpu_jpeg_row(worker->tools.jpeg, &worker->steps, y, worker->tools.rows.bytes);
        if (channels < 4)
            worker->steps.pack(&pack, worker->tools.rows.bytes, y, pixels_out);
        else
            memcpy(pixels_out + (size_t)y * rect.width * 4, worker->tools.rows.bytes,
                   (size_t)rect.width * 4);
    }
    return DLOP_OK;
}
