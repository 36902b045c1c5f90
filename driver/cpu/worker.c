/* One thread's work: a job from its check to its completion, row by row.
 *
 * Key idea: the region's rows pass through the job one at a time, so everything between the
 * decoder's planes and the tensor stays in the first-level cache. Output row o needs the rows of
 * its y span; they wait in a ring that is just long enough for the longest span. What waits in the
 * ring depends on the pass order:
 *
 *     x first:  source row -> x axis -> [ring] -> y axis -> grey, fill -> pack
 *     y first:  source row -> [ring] -> y axis -> x axis -> grey, fill -> pack
 *
 * An axis that only copies commutes with the other one, so then x goes first whatever the job says,
 * and an axis that copies everything in order costs nothing.
 *
 * Invariants: all sizes come from a checked job; memory grows before the first row and never while
 * rows run; the output is written only after the source is complete.
 * Not here: decoding (jpeg.h), filters and table look-ups (axis.h, pack.h), threads (pool.h).
 */
#include "driver/cpu/cpu.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driver/cpu/axis.h"
#include "driver/cpu/jpeg_internal.h"
#include "driver/cpu/pack.h"
#include "driver/cpu/steps.h"
#include "driver/cpu/worker.h"
#include "hw/core/job_check.h"

struct worker_memory {
    u8 *bytes; /* aligned to 64 */
    size_t capacity;
};

/* The last rows that were made; slot r & mask holds row r where held says so. */
struct ring {
    u8 *rows;
    const u8 **span_rows; /* [longest span]: the rows of one span, for the y step */
    u32 *held;            /* [mask + 1] */
    u32 mask;
};

/* One job while its rows run. */
struct stream {
    struct dlop_cpu_worker *worker;
    const struct dlop_job *job;
    const struct dlop_launch *buffers;
    const u8 *pixels; /* PIXELS: first sample of the region; null for JPEG */
    struct dlop_cpu_axis x, y;
    struct dlop_cpu_pack pack;
    bool is_x_first;
    size_t row_bytes; /* of every row here */
    struct ring ring;
    u8 *source_row, *middle_row, *out_row, *fill_row;
    u8 *out;
};

struct dlop_cpu_worker {
    struct dlop_cpu_steps steps;
    struct dlop_cpu_jpeg *jpeg;
    struct worker_memory x_axis, y_axis; /* arrays of the axes */
    struct worker_memory rows;           /* the ring, then the rows of struct stream */
    struct worker_memory ring_index;     /* struct ring: rows of a span, then what the ring holds */
    struct dlop_cpu_pack_memo pack_memo;
    struct stream stream;      /* of the job in progress, or of the one that it helps with */
    struct dlop_cpu_team team; /* who helps with this worker's jobs */
};

/* Content is lost. Nothing happens where the memory is large enough, which is the steady state. */
static dlop_status memory_grow(struct worker_memory *memory, size_t n_bytes)
{
    size_t capacity = (n_bytes + n_bytes / 4 + 63) & ~(size_t)63;

    if (n_bytes <= memory->capacity)
        return DLOP_OK;
    free(memory->bytes);
    memory->bytes = aligned_alloc(64, capacity);
    memory->capacity = memory->bytes ? capacity : 0;
    return memory->bytes ? DLOP_OK : DLOP_ERR_NO_MEMORY;
}

dlop_status dlop_cpu_worker_open(uint32_t vector_mask, struct dlop_cpu_worker **worker_out)
{
    struct dlop_cpu_worker *worker = calloc(1, sizeof *worker);
    dlop_status status;

    if (!worker)
        return DLOP_ERR_NO_MEMORY;
    dlop_cpu_steps_init(vector_mask, &worker->steps);
    status = dlop_cpu_jpeg_open(&worker->jpeg);
    if (status == DLOP_OK)
        status = dlop_cpu_team_open(&worker->team);
    if (status != DLOP_OK) {
        dlop_cpu_jpeg_close(&worker->jpeg);
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
    dlop_cpu_jpeg_close(&worker->jpeg);
    free(worker->x_axis.bytes);
    free(worker->y_axis.bytes);
    free(worker->rows.bytes);
    free(worker->ring_index.bytes);
    free(worker);
    *worker_in_out = NULL;
}

struct dlop_cpu_jpeg *dlop_cpu_worker_jpeg(struct dlop_cpu_worker *worker)
{
    return worker->jpeg;
}

const struct dlop_cpu_steps *dlop_cpu_worker_steps(const struct dlop_cpu_worker *worker)
{
    return &worker->steps;
}

struct dlop_cpu_team *dlop_cpu_worker_team(struct dlop_cpu_worker *worker)
{
    return &worker->team;
}

/* ---- before the first row ---- */

static dlop_status stream_check(const struct dlop_job *job, const struct dlop_launch *buffers)
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

static dlop_status stream_plan_axes(struct stream *stream)
{
    struct dlop_cpu_worker *worker = stream->worker;
    const struct dlop_job *job = stream->job;
    const u8 *in = stream->buffers->in->host;
    dlop_status status;

    dlop_cpu_axis_read(&stream->x, in + job->x_axis_offset, job->fill);
    dlop_cpu_axis_read(&stream->y, in + job->y_axis_offset, job->fill);
    status = memory_grow(&worker->x_axis, dlop_cpu_axis_memory_bytes(&stream->x));
    if (status == DLOP_OK)
        status = memory_grow(&worker->y_axis, dlop_cpu_axis_memory_bytes(&stream->y));
    if (status != DLOP_OK)
        return status;
    dlop_cpu_axis_plan(&stream->x, worker->x_axis.bytes);
    dlop_cpu_axis_plan(&stream->y, worker->y_axis.bytes);
    if (!stream->x.is_gather)
        worker->steps.axis_x_plan(&stream->x);
    stream->is_x_first =
        job->pass_order == DLOP_PASS_X_FIRST || stream->x.is_gather || stream->y.is_gather;
    return DLOP_OK;
}

/* Lay out the ring and the single rows. */
static dlop_status stream_place_rows(struct stream *stream)
{
    struct dlop_cpu_worker *worker = stream->worker;
    const struct dlop_job *job = stream->job;
    size_t in_bytes = dlop_cpu_row_bytes(job->roi_width_px, stream->x.longest_span);
    size_t out_bytes = dlop_cpu_row_bytes(job->out_width_px, 0);
    size_t n_slots = 1, n_span = stream->y.longest_span;
    dlop_status status;

    while (n_slots < n_span)
        n_slots *= 2;
    stream->row_bytes = in_bytes > out_bytes ? in_bytes : out_bytes;
    status = memory_grow(&worker->rows, (n_slots + 4) * stream->row_bytes);
    if (status == DLOP_OK)
        status = memory_grow(&worker->ring_index, n_slots * (sizeof(u8 *) + sizeof(u32)));
    if (status != DLOP_OK)
        return status;
    stream->ring.rows = worker->rows.bytes;
    stream->ring.mask = (u32)n_slots - 1;
    stream->ring.span_rows = (const u8 **)(void *)worker->ring_index.bytes;
    stream->ring.held = (u32 *)(void *)(worker->ring_index.bytes + n_slots * sizeof(u8 *));
    memset(stream->ring.held, 0xff, n_slots * sizeof(u32)); /* no row */
    stream->source_row = stream->ring.rows + n_slots * stream->row_bytes;
    stream->middle_row = stream->source_row + stream->row_bytes;
    stream->out_row = stream->middle_row + stream->row_bytes;
    stream->fill_row = stream->out_row + stream->row_bytes;
    for (u32 x = 0; x < job->out_width_px; x++)
        memcpy(stream->fill_row + 4 * (size_t)x, stream->x.fill, 4);
    return DLOP_OK;
}

/* Decode what the region needs; for pixels find its first sample. */
static dlop_status stream_open_source(struct stream *stream, u32 *n_blocks_out)
{
    const struct dlop_job *job = stream->job;
    const u8 *source = (const u8 *)stream->buffers->in->host + job->in_offset;
    const struct dlop_jpeg_frame *frame;
    const struct dlop_rect rect = {job->roi_x_px, job->roi_y_px, job->roi_width_px,
                                   job->roi_height_px};

    if (job->kind != DLOP_JOB_JPEG) {
        u64 first_px = (u64)job->roi_y_px * job->src_width_px + job->roi_x_px;

        stream->pixels = source + first_px * job->src_channels;
        return DLOP_OK;
    }
    frame = (const struct dlop_jpeg_frame *)(const void *)source;
    if (rect.width == 0 || rect.height == 0 || frame->width_px != job->src_width_px ||
        frame->height_px != job->src_height_px || frame->n_components != job->src_channels)
        return dlop_job_check_frame(job, frame); /* nothing to decode, or why not */
    return dlop_cpu_jpeg_decode(stream->worker->jpeg, &stream->worker->steps, frame, job->in_bytes,
                                &rect, n_blocks_out);
}

/* ---- rows ---- */

static void stream_read_source(struct stream *stream, u32 y, u8 *row_out)
{
    const struct dlop_cpu_steps *steps = &stream->worker->steps;
    const struct dlop_job *job = stream->job;
    size_t pitch_bytes = (size_t)job->src_width_px * job->src_channels;

    if (job->kind == DLOP_JOB_JPEG)
        dlop_cpu_jpeg_row(stream->worker->jpeg, steps, y, row_out);
    else
        steps->pixels_to_rgbx(stream->pixels + y * pitch_bytes, job->src_channels,
                              job->roi_width_px, row_out);
    if (job->grey == DLOP_GREY_BEFORE_AXES)
        steps->rgbx_to_grey(row_out, job->roi_width_px);
}

/* A row through the x axis: in place of a shift, else in row_out. */
static const u8 *stream_apply_x(struct stream *stream, const u8 *row, u8 *row_out)
{
    const struct dlop_cpu_axis *x = &stream->x;

    if (x->is_shift)
        return row + 4 * (size_t)x->span[0].start;
    if (x->is_gather) {
        dlop_cpu_axis_gather(x, row, row_out);
    } else {
        stream->worker->steps.axis_x(x, row, row_out);
        dlop_cpu_axis_fill(x, row_out);
    }
    return row_out;
}

/* Row r as it waits for the y axis. */
static const u8 *stream_ring_row(struct stream *stream, u32 r)
{
    struct ring *ring = &stream->ring;
    u32 slot = r & ring->mask;
    u8 *row = ring->rows + slot * stream->row_bytes;
    bool is_source = !stream->is_x_first || stream->x.is_shift;

    if (ring->held[slot] != r) {
        ring->held[slot] = r;
        stream_read_source(stream, r, is_source ? row : stream->source_row);
        if (!is_source)
            stream_apply_x(stream, stream->source_row, row);
    }
    return stream->is_x_first && stream->x.is_shift ? stream_apply_x(stream, row, NULL) : row;
}

/* Output row o after both axes; not to be written to. */
static const u8 *stream_resample(struct stream *stream, u32 o)
{
    const struct dlop_span *span = &stream->y.span[o];
    const struct dlop_job *job = stream->job;
    const u8 **rows = stream->ring.span_rows;
    const u8 *row;

    for (u32 t = 0; t < span->n; t++)
        rows[t] = stream_ring_row(stream, (u32)span->start + t);
    row = rows[0];
    if (!stream->y.is_gather) {
        stream->worker->steps.axis_y(
            &stream->y, o, rows,
            4 * (size_t)(stream->is_x_first ? job->out_width_px : job->roi_width_px),
            stream->middle_row);
        row = stream->middle_row;
        if (stream->is_x_first)
            dlop_cpu_axis_fill(&stream->x, stream->middle_row);
    }
    return stream->is_x_first ? row : stream_apply_x(stream, row, stream->out_row);
}

/* Grey in a copy, since the row may serve again; fills keep their colour. */
static const u8 *stream_grey(struct stream *stream, const u8 *row)
{
    u32 n_px = stream->job->out_width_px;

    if (row != stream->out_row)
        memcpy(stream->out_row, row, 4 * (size_t)n_px);
    stream->worker->steps.rgbx_to_grey(stream->out_row, n_px);
    dlop_cpu_axis_fill(&stream->x, stream->out_row);
    return stream->out_row;
}

/* Output rows first..end - 1. */
static void stream_run(struct stream *stream, u32 first, u32 end)
{
    const struct dlop_job *job = stream->job;

    for (u32 o = first; o < end; o++) {
        const u8 *row = stream->fill_row;

        if (stream->y.span[o].n) {
            row = stream_resample(stream, o);
            if (job->grey == DLOP_GREY_AFTER_AXES)
                row = stream_grey(stream, row);
        }
        stream->worker->steps.pack(&stream->pack, row, o, stream->out);
    }
}

/* TENSOR: no axes, so each row goes straight to the pack table. */
static void stream_convert(struct stream *stream, u32 first, u32 end)
{
    struct dlop_cpu_worker *worker = stream->worker;

    for (u32 y = first; y < end; y++) {
        stream_read_source(stream, y, worker->rows.bytes);
        worker->steps.pack(&stream->pack, worker->rows.bytes, y, stream->out);
    }
}

/* Everything that rows need besides their source. */
static dlop_status stream_open(struct stream *stream)
{
    struct dlop_cpu_worker *worker = stream->worker;
    const struct dlop_job *job = stream->job;
    const u8 *constants = stream->buffers->constants->host;
    dlop_status status;

    stream->out = (u8 *)stream->buffers->out->host + job->out_offset;
    if (job->kind == DLOP_JOB_TENSOR) {
        status = memory_grow(&worker->rows, dlop_cpu_row_bytes(job->src_width_px, 0));
    } else {
        status = stream_plan_axes(stream);
        if (status == DLOP_OK)
            status = stream_place_rows(stream);
    }
    if (status != DLOP_OK)
        return status;
    dlop_cpu_pack_init(&stream->pack, job, constants + job->pack_offset);
    worker->steps.pack_plan(&stream->pack, &worker->pack_memo);
    return DLOP_OK;
}

/* ---- rows by several threads ---- */

/* Tasks of at least as many output rows: neighbours make some source rows twice. */
#define MIN_TASK_ROWS 7

static u32 rows_per_task(const struct dlop_job *job, const struct dlop_cpu_crew *crew)
{
    u32 n = job->out_height_px / (3 * crew->n_threads) + 1;

    return n > MIN_TASK_ROWS ? n : MIN_TASK_ROWS;
}

static void run_rows(struct stream *stream, u32 first, u32 end)
{
    if (stream->job->kind == DLOP_JOB_TENSOR)
        stream_convert(stream, first, end);
    else
        stream_run(stream, first, end);
}

static dlop_status do_rows(struct dlop_cpu_worker *worker, void *cookie, u32 task)
{
    struct dlop_cpu_worker *leader = cookie;
    const struct dlop_job *job = worker->stream.job;
    u32 n = rows_per_task(job, leader->team.crew), first = task * n,
        left = job->out_height_px - first;

    run_rows(&worker->stream, first, first + (left < n ? left : n));
    return DLOP_OK;
}

static dlop_status prepare_rows(struct dlop_cpu_worker *worker, void *cookie)
{
    struct dlop_cpu_worker *leader = cookie;
    struct stream *stream = &worker->stream;
    dlop_status status;

    *stream = (struct stream){.worker = worker,
                              .job = leader->stream.job,
                              .buffers = leader->stream.buffers,
                              .pixels = leader->stream.pixels};
    status = stream_open(stream);
    if (status == DLOP_OK && stream->job->kind == DLOP_JOB_JPEG)
        status = dlop_cpu_jpeg_share(worker->jpeg, leader->jpeg);
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

static dlop_status worker_run(struct dlop_cpu_worker *worker, const struct dlop_job *job,
                              const struct dlop_launch *buffers, bool is_shared, u32 *n_blocks_out)
{
    struct stream *stream = &worker->stream;
    dlop_status status = stream_check(job, buffers);

    if (status != DLOP_OK)
        return status;
    *stream = (struct stream){.worker = worker, .job = job, .buffers = buffers};
    status = stream_open(stream);
    if (status == DLOP_OK)
        status = stream_open_source(stream, n_blocks_out);
    if (status != DLOP_OK || is_shared)
        return status != DLOP_OK ? status : share_rows(worker);
    run_rows(stream, 0, job->out_height_px);
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
    worker->jpeg->team = team;
    status = worker_run(worker, job, buffers, true, &n_blocks);
    worker->jpeg->team = NULL;
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
    status = dlop_cpu_jpeg_decode(worker->jpeg, &worker->steps, frame, n_bytes, &rect, &n_blocks);
    if (status != DLOP_OK)
        return status;
    if (pixels_bytes / channels / rect.width < rect.height)
        return DLOP_ERR_TOO_SMALL;
    status = memory_grow(&worker->rows, dlop_cpu_row_bytes(rect.width, 0));
    if (status != DLOP_OK)
        return status;
    job.out_width_px = rect.width;
    job.out_height_px = rect.height;
    job.out_channels = (u8)channels;
    if (channels < 4)
        dlop_cpu_pack_init(&pack, &job, identity_table(table));
    for (u32 y = 0; y < rect.height; y++) {
        dlop_cpu_jpeg_row(worker->jpeg, &worker->steps, y, worker->rows.bytes);
        if (channels < 4)
            worker->steps.pack(&pack, worker->rows.bytes, y, pixels_out);
        else
            memcpy(pixels_out + (size_t)y * rect.width * 4, worker->rows.bytes,
                   (size_t)rect.width * 4);
    }
    return DLOP_OK;
}
