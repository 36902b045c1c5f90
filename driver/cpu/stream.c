/* One job's rows: from its source to the tensor.
 *
 * Key idea: the region's rows pass through the job one at a time, so everything between the
 * decoder's planes and the tensor stays in the first-level cache. Output row o needs the rows of
 * its y span; they wait in a ring that is just long enough for the longest span. What waits in the
 * ring depends on the pass order:
 *
 *     x first:  source row -> x axis -> [ring] -> y axis -> grey, fill -> pack
 *     y first:  source row -> [ring] -> y axis -> x axis -> grey, fill -> pack
 *     bytes:    source row -> x axis -> pack -> [ring] -> y axis, to the tensor
 *
 * The last is for bytes that packing leaves as they are: the y axis has no fourth byte to resample
 * then, and nothing behind it. An axis that only copies commutes with the other one, so then x goes
 * first whatever the job says, and an axis that copies everything in order costs nothing.
 */
#include "driver/cpu/stream.h"

#include <stdlib.h>
#include <string.h>

#include "driver/cpu/jpeg.h"
#include "hw/core/job_check.h"

dlop_status dlop_cpu_memory_grow(struct dlop_cpu_memory *memory, size_t n_bytes)
{
    size_t capacity = (n_bytes + n_bytes / 4 + 63) & ~(size_t)63;

    if (n_bytes <= memory->capacity)
        return DLOP_OK;
    free(memory->bytes);
    memory->bytes = aligned_alloc(64, capacity);
    memory->capacity = memory->bytes ? capacity : 0;
    return memory->bytes ? DLOP_OK : DLOP_ERR_NO_MEMORY;
}

/* ---- before the first row ---- */

static dlop_status stream_plan_axes(struct dlop_cpu_stream *stream)
{
    struct dlop_cpu_tools *tools = stream->tools;
    const struct dlop_job *job = stream->job;
    const u8 *in = stream->buffers->in->host;
    dlop_status status;

    dlop_cpu_axis_read(&stream->x, in + job->x_axis_offset, job->fill);
    dlop_cpu_axis_read(&stream->y, in + job->y_axis_offset, job->fill);
    status = dlop_cpu_memory_grow(&tools->x_axis, dlop_cpu_axis_memory_bytes(&stream->x));
    if (status == DLOP_OK)
        status = dlop_cpu_memory_grow(&tools->y_axis, dlop_cpu_axis_memory_bytes(&stream->y));
    if (status != DLOP_OK)
        return status;
    dlop_cpu_axis_plan(&stream->x, tools->x_axis.bytes);
    dlop_cpu_axis_plan(&stream->y, tools->y_axis.bytes);
    if (!stream->x.is_gather)
        tools->steps->axis_x_plan(&stream->x);
    stream->is_x_first =
        job->pass_order == DLOP_PASS_X_FIRST || stream->x.is_gather || stream->y.is_gather;
    return DLOP_OK;
}

/* Lay out the ring and the single rows. */
static dlop_status stream_place_rows(struct dlop_cpu_stream *stream)
{
    struct dlop_cpu_tools *tools = stream->tools;
    const struct dlop_job *job = stream->job;
    size_t in_bytes = dlop_cpu_row_bytes(job->roi_width_px, stream->x.longest_span);
    size_t out_bytes = dlop_cpu_row_bytes(job->out_width_px, 0);
    size_t n_slots = 1, n_span = stream->y.longest_span;
    dlop_status status;

    while (n_slots < n_span)
        n_slots *= 2;
    stream->row_bytes = in_bytes > out_bytes ? in_bytes : out_bytes;
    status = dlop_cpu_memory_grow(&tools->rows, (n_slots + 4) * stream->row_bytes);
    if (status == DLOP_OK)
        status = dlop_cpu_memory_grow(&tools->ring_index, n_slots * (sizeof(u8 *) + sizeof(u32)));
    if (status != DLOP_OK)
        return status;
    stream->ring.rows = tools->rows.bytes;
    stream->ring.mask = (u32)n_slots - 1;
    stream->ring.span_rows = (const u8 **)(void *)tools->ring_index.bytes;
    stream->ring.held = (u32 *)(void *)(tools->ring_index.bytes + n_slots * sizeof(u8 *));
    memset(stream->ring.held, 0xff, n_slots * sizeof(u32)); /* no row */
    stream->source_row = stream->ring.rows + n_slots * stream->row_bytes;
    stream->middle_row = stream->source_row + stream->row_bytes;
    stream->out_row = stream->middle_row + stream->row_bytes;
    stream->fill_row = stream->out_row + stream->row_bytes;
    for (u32 x = 0; x < job->out_width_px; x++)
        memcpy(stream->fill_row + 4 * (size_t)x, stream->x.fill, 4);
    return DLOP_OK;
}

dlop_status dlop_cpu_stream_open_source(struct dlop_cpu_stream *stream, u32 *n_blocks_out)
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
    return dlop_cpu_jpeg_decode(stream->tools->jpeg, stream->tools->steps, frame, job->in_bytes,
                                &rect, n_blocks_out);
}

/* ---- rows ---- */

static void stream_read_source(struct dlop_cpu_stream *stream, u32 y, u8 *row_out)
{
    const struct dlop_cpu_steps *steps = stream->tools->steps;
    const struct dlop_job *job = stream->job;
    size_t pitch_bytes = (size_t)job->src_width_px * job->src_channels;

    if (job->kind == DLOP_JOB_JPEG)
        dlop_cpu_jpeg_row(stream->tools->jpeg, steps, y, row_out);
    else
        steps->pixels_to_rgbx(stream->pixels + y * pitch_bytes, job->src_channels,
                              job->roi_width_px, row_out);
    if (job->grey == DLOP_GREY_BEFORE_AXES)
        steps->rgbx_to_grey(row_out, job->roi_width_px);
}

/* A row through the x axis: in place of a shift, else in row_out. */
static const u8 *stream_apply_x(struct dlop_cpu_stream *stream, const u8 *row, u8 *row_out)
{
    const struct dlop_cpu_axis *x = &stream->x;

    if (x->is_shift)
        return row + 4 * (size_t)x->span[0].start;
    if (x->is_gather) {
        dlop_cpu_axis_gather(x, row, row_out);
    } else {
        stream->tools->steps->axis_x(x, row, row_out);
        dlop_cpu_axis_fill(x, row_out);
    }
    return row_out;
}

/* Source row r through the x axis and packed. */
static void stream_make_packed(struct dlop_cpu_stream *stream, u32 r, u8 *row_out)
{
    const struct dlop_cpu_steps *steps = stream->tools->steps;
    const u8 *row;

    stream_read_source(stream, r, stream->source_row);
    if (steps->axis_x_rgb && !stream->x.is_gather && stream->job->out_channels == 3) {
        steps->axis_x_rgb(&stream->x, stream->source_row, row_out);
        return;
    }
    row = stream_apply_x(stream, stream->source_row, stream->middle_row);
    steps->pack(&stream->pack, row, 0, row_out);
}

/* Row r as it waits for the y axis. */
static void stream_make_row(struct dlop_cpu_stream *stream, u32 r, u8 *row_out)
{
    if (stream->is_packed_first) {
        stream_make_packed(stream, r, row_out);
    } else if (!stream->is_x_first || stream->x.is_shift) {
        stream_read_source(stream, r, row_out);
    } else {
        stream_read_source(stream, r, stream->source_row);
        stream_apply_x(stream, stream->source_row, row_out);
    }
}

static const u8 *stream_ring_row(struct dlop_cpu_stream *stream, u32 r)
{
    struct dlop_cpu_ring *ring = &stream->ring;
    u32 slot = r & ring->mask;
    u8 *row = ring->rows + slot * stream->row_bytes;

    if (ring->held[slot] != r) {
        ring->held[slot] = r;
        stream_make_row(stream, r, row);
    }
    return stream->is_x_first && stream->x.is_shift && !stream->is_packed_first
               ? stream_apply_x(stream, row, NULL)
               : row;
}

/* The rows of output row o's span. */
static const u8 **stream_span(struct dlop_cpu_stream *stream, u32 o)
{
    const struct dlop_span *span = &stream->y.span[o];

    for (u32 t = 0; t < span->n; t++)
        stream->ring.span_rows[t] = stream_ring_row(stream, (u32)span->start + t);
    return stream->ring.span_rows;
}

/* Output row o after both axes; not to be written to. */
static const u8 *stream_resample(struct dlop_cpu_stream *stream, u32 o)
{
    const struct dlop_job *job = stream->job;
    const u8 **rows = stream_span(stream, o), *row = rows[0];
    size_t n_px = stream->is_x_first ? job->out_width_px : job->roi_width_px;

    if (!stream->y.is_gather) {
        stream->tools->steps->axis_y(&stream->y, o, rows, 4 * n_px, stream->middle_row);
        row = stream->middle_row;
        if (stream->is_x_first)
            dlop_cpu_axis_fill(&stream->x, stream->middle_row);
    }
    return stream->is_x_first ? row : stream_apply_x(stream, row, stream->out_row);
}

/* Output row o of packed rows, of which n_left bytes of this thread's are still to be written: the
 * y step writes whole blocks, and what is too much is overwritten by the rows that follow. */
static void stream_finish_packed(struct dlop_cpu_stream *stream, u32 o, size_t n_left)
{
    size_t n_bytes = stream->packed_bytes;
    u8 *out = stream->out + o * n_bytes;
    bool is_room = n_left >= n_bytes + DLOP_CPU_STEP_SLACK_BYTES;

    stream->tools->steps->axis_y(&stream->y, o, stream_span(stream, o), n_bytes,
                                 is_room ? out : stream->out_row);
    if (!is_room)
        memcpy(out, stream->out_row, n_bytes);
}

/* Grey in a copy, since the row may serve again; fills keep their colour. */
static const u8 *stream_grey(struct dlop_cpu_stream *stream, const u8 *row)
{
    u32 n_px = stream->job->out_width_px;

    if (row != stream->out_row)
        memcpy(stream->out_row, row, 4 * (size_t)n_px);
    stream->tools->steps->rgbx_to_grey(stream->out_row, n_px);
    dlop_cpu_axis_fill(&stream->x, stream->out_row);
    return stream->out_row;
}

/* Output row o where packing is last. */
static void stream_finish(struct dlop_cpu_stream *stream, u32 o)
{
    const u8 *row = stream->fill_row;

    if (stream->y.span[o].n) {
        row = stream_resample(stream, o);
        if (stream->job->grey == DLOP_GREY_AFTER_AXES)
            row = stream_grey(stream, row);
    }
    stream->tools->steps->pack(&stream->pack, row, o, stream->out);
}

/* Output rows first..end - 1. */
static void stream_run(struct dlop_cpu_stream *stream, u32 first, u32 end)
{
    for (u32 o = first; o < end; o++)
        if (stream->is_packed_first && stream->y.span[o].n)
            stream_finish_packed(stream, o, (end - o) * stream->packed_bytes);
        else
            stream_finish(stream, o);
}

/* TENSOR: no axes, so each row goes straight to the pack table. */
static void stream_convert(struct dlop_cpu_stream *stream, u32 first, u32 end)
{
    struct dlop_cpu_tools *tools = stream->tools;

    for (u32 y = first; y < end; y++) {
        stream_read_source(stream, y, tools->rows.bytes);
        tools->steps->pack(&stream->pack, tools->rows.bytes, y, stream->out);
    }
}

/* Bytes that packing leaves as they are may be packed before the y axis, if a row of them is one
 * piece of the tensor and nothing has to be done to pixels after that axis. */
static bool may_pack_first(const struct dlop_cpu_stream *stream)
{
    const struct dlop_job *job = stream->job;
    bool is_one_piece = job->layout == DLOP_LAYOUT_HWC || job->out_channels == 1;

    return stream->pack.is_identity && is_one_piece && stream->is_x_first && !stream->y.is_gather &&
           !dlop_cpu_axis_has_fill(&stream->x) && job->grey != DLOP_GREY_AFTER_AXES;
}

static dlop_status stream_open_axes(struct dlop_cpu_stream *stream)
{
    dlop_status status = stream_plan_axes(stream);

    return status == DLOP_OK ? stream_place_rows(stream) : status;
}

dlop_status dlop_cpu_stream_open(struct dlop_cpu_stream *stream, struct dlop_cpu_tools *tools,
                                 const struct dlop_job *job, const struct dlop_launch *buffers)
{
    const u8 *constants = buffers->constants->host;
    bool is_tensor = job->kind == DLOP_JOB_TENSOR;
    dlop_status status;

    *stream = (struct dlop_cpu_stream){.tools = tools, .job = job, .buffers = buffers};
    stream->out = (u8 *)buffers->out->host + job->out_offset;
    status = is_tensor
                 ? dlop_cpu_memory_grow(&tools->rows, dlop_cpu_row_bytes(job->src_width_px, 0))
                 : stream_open_axes(stream);
    if (status != DLOP_OK)
        return status;
    dlop_cpu_pack_init(&stream->pack, job, constants + job->pack_offset);
    tools->steps->pack_plan(&stream->pack, &tools->pack_memo);
    stream->is_packed_first = !is_tensor && may_pack_first(stream);
    if (stream->is_packed_first)
        stream->packed_bytes = (size_t)job->out_width_px * job->out_channels;
    return DLOP_OK;
}

void dlop_cpu_stream_rows(struct dlop_cpu_stream *stream, u32 first, u32 end)
{
    if (stream->job->kind == DLOP_JOB_TENSOR)
        stream_convert(stream, first, end);
    else
        stream_run(stream, first, end);
}
