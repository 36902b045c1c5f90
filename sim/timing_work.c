/* Counts the work of a real job: see timing_work.h. */
#include "sim/timing_work.h"

const char *dlop_timing_mode_name(u32 mode)
{
    static const char *const names[] = {"cold", "indexed", "coefficients"};

    return mode < DLOP_TIMING_MODE_COUNT ? names[mode] : "?";
}

/* ---- one block ---- */

/* What the block just decoded took. */
struct block_count {
    u8 bits[64]; /* [symbol] */
    u32 symbols, wide_symbols;
    u32 by_code_bits[DLOP_TIMING_CODE_BITS];
};

static u64 consumed_bits(const struct dlop_timing_walk *walk, const struct dlop_entropy *state)
{
    return (u64)((s64)walk->segment_bytes * 8 - dlop_entropy_bits_left(state));
}

/* Go through the symbols of a block that is known to be valid. state: as it was before it. */
static void count_symbols(const u8 *segment, const struct dlop_huff_table *dc,
                          const struct dlop_huff_table *ac, struct dlop_entropy state,
                          struct block_count *count_out)
{
    *count_out = (struct block_count){0};
    for (u32 k = 0; k <= 63;) {
        u32 entry;

        dlop_entropy_refill(segment, &state);
        entry = dlop_huff_find(k == 0 ? dc : ac, (u32)(state.window >> 48));
        state.window <<= DLOP_HUFF_TOTAL_BITS(entry);
        state.n_bits -= DLOP_HUFF_TOTAL_BITS(entry);
        k += DLOP_HUFF_ADVANCE(entry);
        count_out->bits[count_out->symbols] = (u8)DLOP_HUFF_TOTAL_BITS(entry);
        count_out->symbols++;
        count_out->wide_symbols += DLOP_HUFF_TOTAL_BITS(entry) > 15;
        count_out->by_code_bits[DLOP_HUFF_CODE_BITS(entry)]++;
    }
}

static void add_symbols(struct dlop_timing_work *work, const struct block_count *count,
                        const struct dlop_coef_block *block, s32 is_needed)
{
    struct dlop_top_counts *counts = &work->counts;

    counts->symbols += count->symbols;
    work->wide_symbols += count->wide_symbols;
    for (u32 bits = 0; bits < DLOP_TIMING_CODE_BITS; bits++) {
        work->symbols_by_code_bits[bits] += count->by_code_bits[bits];
        counts->long_symbols += bits > DLOP_HUFF_LOOKUP_BITS ? count->by_code_bits[bits] : 0;
    }
    counts->blocks_parsed++;
    if (!is_needed)
        return;
    work->blocks_by_symbols[count->symbols]++;
    counts->blocks_transformed++;
    for (u32 i = 0; i < 64; i++)
        counts->coefficients += block->valid >> i & 1;
}

/* Put the block's symbols into the steps of its stream. A symbol is taken as long as more than 32
 * bits are there, so it belongs to the step that its first bit plus 32 falls into. (Restart
 * segments, each of which begins a step of its own, are taken as one.) */
static void add_steps(struct dlop_timing_walk *walk, u32 mode, const struct block_count *count)
{
    struct dlop_timing_stream *stream = &walk->streams[mode];

    for (u32 i = 0; i < count->symbols && stream->symbols; i++) {
        u64 step = (walk->step_bits[mode] + 32) / ((u64)8 * DLOP_TOP_CHUNK_BYTES);

        if (step >= walk->capacity)
            step = walk->capacity - 1;
        while (stream->n_steps <= step)
            stream->symbols[stream->n_steps++] = 0;
        stream->symbols[step]++;
        walk->step_bits[mode] += count->bits[i];
    }
}

/* Packed form of a block: last position and width class, DC, mask of the AC positions, the AC
 * values as half bytes, bytes or pairs. */
static u64 packed_bytes(const struct dlop_coef_block *block)
{
    u64 n_values = 0, last = 0;
    s32 largest = 0;

    for (u32 i = 1; i < 64; i++) {
        if (block->valid >> i & 1) {
            s32 value = block->coef[i], magnitude = value < 0 ? -value - 1 : value;

            n_values++;
            last = i;
            largest = magnitude > largest ? magnitude : largest;
        }
    }
    return 3 + (last + 7) / 8 +
           (largest < 8     ? (n_values + 1) / 2
            : largest < 128 ? n_values
                            : 2u * n_values);
}

/* Decode one block of entry `entry` of the scan and count it. */
static s32 count_block(struct dlop_timing_walk *walk, u32 entry, s32 is_needed, s32 is_indexed)
{
    struct dlop_decode *decode = &walk->image.decode;
    struct dlop_timing_work *packed = &walk->work[DLOP_TIMING_COEFFICIENTS];
    struct dlop_entropy before = decode->entropy;
    struct block_count count;
    s32 status = dlop_entropy_block(walk->segment, &decode->dc[entry], &decode->ac[entry], entry,
                                    &decode->entropy, &decode->block);

    if (status != DLOP_OK)
        return status;
    count_symbols(walk->segment, &decode->dc[entry], &decode->ac[entry], before, &count);
    add_symbols(&walk->work[DLOP_TIMING_COLD], &count, &decode->block, is_needed);
    add_steps(walk, DLOP_TIMING_COLD, &count);
    if (is_indexed) {
        add_symbols(&walk->work[DLOP_TIMING_INDEXED], &count, &decode->block, is_needed);
        add_steps(walk, DLOP_TIMING_INDEXED, &count);
    }
    if (is_needed) {
        packed->counts.blocks_transformed++;
        packed->read_bytes += packed_bytes(&decode->block);
    }
    return DLOP_OK;
}

/* ---- one MCU ---- */

/* Where an MCU stands in its scan, and what is wanted of the scan: columns [x_begin, x_end) of rows
 * [y_begin, y_end). */
struct scan_shape {
    const struct dlop_jpeg_scan *scan;
    u32 mcus_x, n_mcus, n_rows;
    u32 x_begin, x_end, y_begin, y_end;
};

static void shape_of_scan(const struct dlop_decode *decode, const struct dlop_jpeg_scan *scan,
                          struct scan_shape *shape_out)
{
    const struct dlop_mcu_range *range = &decode->range;
    const struct dlop_component_geometry *c = &decode->geometry.component[scan->component[0]];
    s32 is_interleaved = scan->n_components > 1;
    u32 blocks_x = is_interleaved ? 1 : c->blocks_x, blocks_y = is_interleaved ? 1 : c->blocks_y;
    u32 height = is_interleaved ? decode->geometry.mcus_y : c->height_blocks;

    shape_out->scan = scan;
    shape_out->mcus_x = is_interleaved ? decode->geometry.mcus_x : c->width_blocks;
    shape_out->n_mcus = dlop_decode_n_mcus(&decode->geometry, range, scan);
    shape_out->x_begin = range->x_begin * blocks_x;
    shape_out->x_end = dlop_min_u32(range->x_end * blocks_x, shape_out->mcus_x);
    shape_out->y_begin = range->y_begin * blocks_y;
    shape_out->y_end = dlop_min_u32(range->y_end * blocks_y, height);
    shape_out->n_rows = shape_out->n_mcus == 0 ? 0 : shape_out->y_end - shape_out->y_begin;
}

/* The indexed reading that goes on ends here: count the stuffed bytes that hold it. */
static void end_piece(struct dlop_timing_walk *walk)
{
    struct dlop_top_counts *counts = &walk->work[DLOP_TIMING_INDEXED].counts;
    u64 begin = walk->piece_begin_bit / 8;
    u64 end = (consumed_bits(walk, &walk->image.decode.entropy) + 7) / 8;

    if (!walk->is_in_piece)
        return;
    walk->is_in_piece = 0;
    counts->unstuffed_bytes += end - begin;
    for (u64 i = begin; i < end; i++)
        counts->fetched_bytes += walk->segment[i] == 0xff ? 2 : 1;
}

static s32 count_mcu(struct dlop_timing_walk *walk, const struct scan_shape *shape, u32 mcu)
{
    struct dlop_decode *decode = &walk->image.decode;
    u32 x = mcu % shape->mcus_x, y = mcu / shape->mcus_x;
    s32 is_row = y >= shape->y_begin && y < shape->y_end && x < shape->x_end;
    s32 is_needed = is_row && x >= shape->x_begin;
    s32 is_indexed =
        is_row && x >= shape->x_begin / DLOP_TIMING_INDEX_MCUS * DLOP_TIMING_INDEX_MCUS;

    if (!is_indexed || x == 0)
        end_piece(walk);
    if (is_indexed && !walk->is_in_piece) {
        walk->is_in_piece = 1;
        walk->piece_begin_bit = consumed_bits(walk, &decode->entropy);
        walk->work[DLOP_TIMING_INDEXED].read_bytes += DLOP_TIMING_INDEX_BYTES;
    }
    for (u32 i = 0; i < shape->scan->n_components; i++) {
        const struct dlop_component_geometry *c =
            &decode->geometry.component[shape->scan->component[i]];
        u32 n_blocks = shape->scan->n_components > 1 ? c->blocks_x * c->blocks_y : 1;

        for (u32 b = 0; b < n_blocks; b++) {
            s32 status = count_block(walk, i, is_needed, is_indexed);
            if (status != DLOP_OK)
                return status;
        }
    }
    return DLOP_OK;
}

/* ---- one scan ---- */

/* Unstuff the next restart segment. *end: what ended the last one, DLOP_OK or DLOP_END. */
static s32 next_segment(struct dlop_timing_walk *walk, const struct dlop_jpeg_scan *scan,
                        const u8 *bytes, u32 state[2], u8 *segment, s32 *end)
{
    u32 begin = state[0];

    if (begin != 0 && dlop_entropy_bits_left(&walk->image.decode.entropy) > 7)
        return DLOP_ERR_BAD_DATA;
    if (*end != DLOP_OK)
        return DLOP_ERR_TRUNCATED;
    end_piece(walk);
    *end = dlop_unstuff_segment(bytes + scan->begin_bytes, scan->end_bytes - scan->begin_bytes,
                                &state[0], &state[1], segment, &walk->segment_bytes);
    if (*end < 0)
        return *end;
    walk->work[DLOP_TIMING_COLD].counts.fetched_bytes += state[0] - begin;
    walk->work[DLOP_TIMING_COLD].counts.unstuffed_bytes += walk->segment_bytes;
    dlop_entropy_init(&walk->image.decode.entropy, walk->segment_bytes);
    return DLOP_OK;
}

static s32 count_scan(struct dlop_timing_walk *walk, const struct dlop_jpeg_scan *scan,
                      const u8 *bytes, u8 *segment)
{
    struct scan_shape shape;
    u32 state[2] = {0, 0}; /* position, number of the next RSTn */
    s32 end = DLOP_OK,
        status = dlop_decode_build_tables(&walk->image.frame, scan, &walk->image.decode);
    u32 n_left = 0;

    shape_of_scan(&walk->image.decode, scan, &shape);
    walk->segment = segment;
    walk->is_in_piece = 0;
    for (u32 mode = 0; mode < DLOP_TIMING_MODE_COUNT; mode++) {
        walk->work[mode].n_mcu_rows += shape.n_rows;
        if (mode != DLOP_TIMING_COEFFICIENTS)
            walk->work[mode].counts.table_entries +=
                (u64)2 * scan->n_components * DLOP_HUFF_LOOKUP_ENTRIES;
    }
    for (u32 mcu = 0; mcu < shape.n_mcus && status == DLOP_OK; mcu++) {
        if (n_left == 0) {
            status = next_segment(walk, scan, bytes, state, segment, &end);
            n_left = scan->restart_interval ? scan->restart_interval : 0xffffffffu;
        }
        if (status == DLOP_OK)
            status = count_mcu(walk, &shape, mcu);
        n_left--;
    }
    if (status == DLOP_OK)
        end_piece(walk);
    return status;
}

/* All scans; then the bytes that each mode takes in. */
static s32 count_jpeg(const struct dlop_job *job, const struct dlop_image_memory *memory,
                      struct dlop_timing_walk *walk)
{
    const struct dlop_jpeg_frame *frame = &walk->image.frame;
    const u32 rect[4] = {job->roi_x_px, job->roi_y_px, job->roi_width_px, job->roi_height_px};
    s32 status = DLOP_OK;

    for (u32 i = 0; i < frame->n_scans; i++) {
        if (memory->scratch_bytes < frame->scan[i].end_bytes - frame->scan[i].begin_bytes)
            return DLOP_ERR_TOO_SMALL;
    }
    dlop_region_mcus(&walk->image.decode.geometry, rect, &walk->image.decode.range);
    for (u32 i = 0; i < frame->n_scans && status == DLOP_OK; i++)
        status = count_scan(walk, &frame->scan[i], memory->in + job->in_offset, memory->scratch);
    for (u32 mode = 0; mode < DLOP_TIMING_MODE_COUNT; mode++) {
        struct dlop_timing_work *work = &walk->work[mode];

        work->scratch_bytes += 64 * work->counts.blocks_transformed;
        work->counts.upsampled_samples = work->counts.source_px * frame->n_components;
        work->read_bytes += DLOP_FRAME_BYTES + work->counts.fetched_bytes;
        /* Today's host sends the whole file; the other modes need no more than is read. */
        work->host_in_bytes =
            mode == DLOP_TIMING_COLD ? work->host_in_bytes + job->in_bytes : work->read_bytes;
    }
    return status;
}

/* ---- what all modes share ---- */

/* A pass along one axis over `lines` rows (x) or columns (y). */
static void count_pass(const u8 *table, u64 lines, struct dlop_timing_pass *pass,
                       u64 *multiply_adds_out, u64 *outputs_out)
{
    u32 n_out = dlop_axis_n_out(table);
    u64 n_taps = 0;

    for (u32 o = 0; o < n_out; o++) {
        u32 n = dlop_u32_at(table, dlop_axis_span_at(o) + 4);

        n_taps += n;
        for (u32 i = 0; i < DLOP_TIMING_TAP_WIDTHS; i++)
            pass->steps[i] += lines * dlop_max_u32(1, dlop_ceil_div(n, 1u << i));
    }
    *multiply_adds_out = lines * n_taps;
    *outputs_out = lines * n_out;
}

static void count_axes(const struct dlop_job *job, const u8 *in, struct dlop_timing_work *work)
{
    s32 is_x_first = job->pass_order == DLOP_PASS_X_FIRST;
    u32 n_rows = is_x_first ? job->roi_height_px : job->out_height_px;
    u32 n_columns = is_x_first ? job->out_width_px : job->roi_width_px;
    const u8 *x_table = in + job->x_axis_offset, *y_table = in + job->y_axis_offset;
    struct dlop_top_counts *counts = &work->counts;

    count_pass(x_table, n_rows, &work->x, &counts->x_multiply_adds, &counts->x_outputs);
    count_pass(y_table, n_columns, &work->y, &counts->y_multiply_adds, &counts->y_outputs);
    work->x.rows = n_rows;
    work->x.inputs = (u64)n_rows * job->roi_width_px;
    work->y.rows = job->roi_height_px;
    work->y.inputs = (u64)job->roi_height_px * n_columns;
    /* The picture between the passes; y first, the region itself waits there. */
    work->scratch_bytes = work->y.inputs * DLOP_RGBX_BYTES;
    work->read_bytes = DLOP_AXIS_BYTES(job->out_width_px, dlop_axis_n_taps(x_table)) +
                       DLOP_AXIS_BYTES(job->out_height_px, dlop_axis_n_taps(y_table));
}

static void count_common(const struct dlop_job *job, const u8 *in, struct dlop_timing_work *work)
{
    *work = (struct dlop_timing_work){0};
    if (job->kind != DLOP_JOB_TENSOR)
        count_axes(job, in, work);
    work->read_bytes += DLOP_TOP_JOB_BYTES;
    work->host_in_bytes = work->read_bytes;
    work->counts.source_px = (u64)job->roi_width_px * job->roi_height_px;
    if (job->kind != DLOP_JOB_JPEG) {
        work->source_bytes = work->counts.source_px * job->src_channels;
        work->read_bytes += work->source_bytes;
        work->host_in_bytes += job->in_bytes;
    }
    work->out_px = (u64)job->out_width_px * job->out_height_px;
    work->counts.packed_elements = work->out_px * job->out_channels;
    work->counts.written_bytes = job->out_bytes;
    work->write_bytes = job->out_bytes + DLOP_TOP_COMPLETION_BYTES;
    work->host_out_bytes = work->write_bytes;
}

s32 dlop_timing_count(const struct dlop_job *job, const struct dlop_image_memory *memory,
                      struct dlop_timing_walk *walk,
                      struct dlop_timing_work work_out[DLOP_TIMING_MODE_COUNT])
{
    s32 status = dlop_image_prepare(job, memory, &walk->image);

    if (status != DLOP_OK)
        return status;
    count_common(job, memory->in, &work_out[0]);
    for (u32 mode = 1; mode < DLOP_TIMING_MODE_COUNT; mode++)
        work_out[mode] = work_out[0];
    walk->work = work_out;
    for (u32 i = 0; i < 2; i++) {
        walk->streams[i].n_steps = 0;
        walk->step_bits[i] = 0;
    }
    return job->kind == DLOP_JOB_JPEG ? count_jpeg(job, memory, walk) : DLOP_OK;
}
