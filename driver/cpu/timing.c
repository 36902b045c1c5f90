/* Times single steps: the material, the clock and the table of passes. See timing.h. */
#include "driver/cpu/timing.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driver/cpu/timing_internal.h"

#define ALIGN_BYTES   64
#define MIN_STRETCHES 3
#define STRETCH_NS    50000.0
#define OUT_BYTES     ((size_t)DLOP_CPU_TIMING_OUT_PX * DLOP_CPU_TIMING_OUT_PX * 3 * 8)

static const struct {
    const char *name, *unit;
    timed_pass *pass;
} passes[DLOP_CPU_TIMED_COUNT] = {
    [DLOP_CPU_TIMED_UNSTUFF] = {"unstuff", "byte", dlop_timed_unstuff},
    [DLOP_CPU_TIMED_HUFF_DC] = {"huff_build DC", "table", dlop_timed_huff_dc},
    [DLOP_CPU_TIMED_HUFF_AC] = {"huff_build AC", "table", dlop_timed_huff_ac},
    [DLOP_CPU_TIMED_DECODE_MCUS] = {"decode_mcus", "block", dlop_timed_decode_mcus},
    [DLOP_CPU_TIMED_SKIP_MCUS] = {"skip_mcus", "block", dlop_timed_skip_mcus},
    [DLOP_CPU_TIMED_IDCT] = {"idct", "block", dlop_timed_idct},
    [DLOP_CPU_TIMED_H2V1] = {"upsample_h2v1", "sample", dlop_timed_h2v1},
    [DLOP_CPU_TIMED_H2V2] = {"upsample_h2v2", "sample", dlop_timed_h2v2},
    [DLOP_CPU_TIMED_H1V2] = {"upsample_h1v2", "sample", dlop_timed_h1v2},
    [DLOP_CPU_TIMED_YCC] = {"ycc_to_rgbx", "pixel", dlop_timed_ycc},
    [DLOP_CPU_TIMED_RGB] = {"rgb_to_rgbx", "pixel", dlop_timed_rgb},
    [DLOP_CPU_TIMED_GREY] = {"grey_to_rgbx", "pixel", dlop_timed_grey},
    [DLOP_CPU_TIMED_TO_GREY] = {"rgbx_to_grey", "pixel", dlop_timed_to_grey},
    [DLOP_CPU_TIMED_PIXELS] = {"pixels_to_rgbx", "pixel", dlop_timed_pixels},
    [DLOP_CPU_TIMED_AXIS_PLAN] = {"axis plan", "output", dlop_timed_axis_plan},
    [DLOP_CPU_TIMED_AXIS_X] = {"axis_x", "output", dlop_timed_axis_x},
    [DLOP_CPU_TIMED_AXIS_Y] = {"axis_y", "output", dlop_timed_axis_y},
    [DLOP_CPU_TIMED_PACK_PLAN] = {"pack_plan", "table", dlop_timed_pack_plan},
    [DLOP_CPU_TIMED_PACK] = {"pack", "pixel", dlop_timed_pack},
};

const char *dlop_cpu_timed_name(u32 step)
{
    return step < DLOP_CPU_TIMED_COUNT ? passes[step].name : "";
}

const char *dlop_cpu_timed_unit(u32 step)
{
    return step < DLOP_CPU_TIMED_COUNT ? passes[step].unit : "";
}

const char *dlop_cpu_timing_level(u32 i, u32 *vector_mask_out, u32 *is_usable_out)
{
    const char *name = "reference";
    u32 mask = 0;

    if (i > 0)
        name = dlop_cpu_steps_level(i - 1, &mask);
    if (!name)
        return NULL;
    *vector_mask_out = mask;
    *is_usable_out = (mask & ~dlop_cpu_steps_usable()) == 0;
    return name;
}

/* ---- the material ---- */

static void *alloc_zeroed(size_t n_bytes)
{
    size_t size_bytes = (n_bytes + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1);
    u8 *bytes = aligned_alloc(ALIGN_BYTES, size_bytes);

    if (bytes)
        memset(bytes, 0, size_bytes);
    return bytes;
}

static dlop_status unstuff_scan(struct dlop_cpu_material *material,
                                const struct dlop_cpu_steps *steps)
{
    const struct dlop_jpeg_scan *scan = &material->frame->scan[0];
    u32 position = 0, next_rst = 0;

    material->scan = (const u8 *)material->frame + scan->begin_bytes;
    material->n_scan_bytes = scan->end_bytes - scan->begin_bytes;
    material->segment =
        alloc_zeroed((size_t)material->n_scan_bytes + DLOP_CPU_SEGMENT_SLACK_BYTES + ALIGN_BYTES);
    if (!material->segment)
        return DLOP_ERR_NO_MEMORY;
    dlop_status status = steps->unstuff(material->scan, material->n_scan_bytes, &position,
                                        &next_rst, material->segment, &material->n_segment_bytes);
    if (status < 0)
        return status;
    memset(material->segment + material->n_segment_bytes, 0, DLOP_CPU_SEGMENT_SLACK_BYTES);
    return DLOP_OK;
}

static dlop_status make_wide_planes(struct dlop_cpu_material *material)
{
    const struct dlop_geometry *geometry = &material->jpeg->geometry;

    material->n_mcus = geometry->mcus_x * geometry->mcus_y;
    for (u32 c = 0; c < geometry->n_components; c++) {
        const struct dlop_component_geometry *component = &geometry->component[c];
        size_t width = (size_t)material->n_mcus * component->blocks_x * DLOP_BLOCK_SIDE;

        material->n_blocks += material->n_mcus * component->blocks_x * component->blocks_y;
        material->wide_stride_bytes[c] = width + ALIGN_BYTES;
        material->wide[c] =
            alloc_zeroed(material->wide_stride_bytes[c] * component->blocks_y * DLOP_BLOCK_SIDE);
        if (!material->wide[c])
            return DLOP_ERR_NO_MEMORY;
    }
    return DLOP_OK;
}

/* Rows of the picture, each repeated until it is as long as an axis may want it. */
static dlop_status make_rows(struct dlop_cpu_material *material, const struct dlop_cpu_steps *steps)
{
    u32 width_px = material->frame->width_px, height_px = material->frame->height_px;
    u8 *line = alloc_zeroed(4 * (size_t)width_px + DLOP_CPU_ROW_SLACK_BYTES);

    material->rows = alloc_zeroed((size_t)TIMING_ROWS * TIMING_ROW_BYTES);
    material->out = alloc_zeroed(OUT_BYTES + ALIGN_BYTES);
    if (!line || !material->rows || !material->out) {
        free(line);
        return DLOP_ERR_NO_MEMORY;
    }
    for (u32 y = 0; y < TIMING_ROWS; y++) {
        u8 *row = material->rows + (size_t)y * TIMING_ROW_BYTES;

        dlop_cpu_jpeg_row(material->jpeg, steps, y % height_px, line);
        for (size_t at = 0; at < TIMING_ROW_BYTES; at += 4 * (size_t)width_px) {
            size_t left = TIMING_ROW_BYTES - at, n = 4 * (size_t)width_px;

            memcpy(row + at, line, n < left ? n : left);
        }
    }
    free(line);
    return DLOP_OK;
}

dlop_status dlop_cpu_material_open(const struct dlop_jpeg_frame *frame, size_t n_bytes,
                                   struct dlop_cpu_material **material_out)
{
    const struct dlop_rect whole = {0, 0, frame->width_px, frame->height_px};
    struct dlop_cpu_steps steps;
    u32 n_blocks;

    if (frame->n_scans != 1 || frame->scan[0].restart_interval ||
        frame->scan[0].n_components != frame->n_components)
        return DLOP_ERR_UNSUPPORTED;
    struct dlop_cpu_material *material = alloc_zeroed(sizeof *material);
    if (!material)
        return DLOP_ERR_NO_MEMORY;
    material->frame = frame;
    dlop_cpu_steps_init(UINT32_MAX, &steps);
    dlop_status status = dlop_cpu_jpeg_open(&material->jpeg);
    if (status == DLOP_OK)
        status = dlop_cpu_jpeg_decode(material->jpeg, &steps, frame, n_bytes, &whole, &n_blocks);
    if (status == DLOP_OK)
        status = unstuff_scan(material, &steps);
    if (status == DLOP_OK)
        status = make_wide_planes(material);
    if (status == DLOP_OK)
        status = dlop_material_read_coefs(material);
    if (status == DLOP_OK)
        status = make_rows(material, &steps);
    if (status != DLOP_OK) {
        dlop_cpu_material_close(&material);
        return status;
    }
    *material_out = material;
    return DLOP_OK;
}

void dlop_cpu_material_close(struct dlop_cpu_material **material)
{
    if (!*material)
        return;
    for (u32 c = 0; c < DLOP_JPEG_MAX_COMPONENTS; c++)
        free((*material)->wide[c]);
    dlop_cpu_jpeg_close(&(*material)->jpeg);
    free((*material)->segment);
    free((*material)->rows);
    free((*material)->out);
    free(*material);
    *material = NULL;
}

/* ---- the clock ---- */

/* Processor time of this thread: others may use the machine, too. */
static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* So many passes in a row that looking at the clock is nothing beside them. */
static dlop_status run_passes(struct timed *timed, timed_pass *pass, u64 least_ns, double *ns_out,
                              double *n_units_out)
{
    double begin = now_ns(), n_units = pass(timed), to = now_ns(), best = 0, from;
    u32 n_in_a_row = 1 + (u32)(STRETCH_NS / (to - begin + 1));

    for (u32 n = 0; n < MIN_STRETCHES || to - begin < (double)least_ns; n++) {
        from = to;
        for (u32 i = 0; i < n_in_a_row; i++)
            n_units = n_units > 0 ? pass(timed) : 0;
        to = now_ns();
        if (n_units <= 0)
            return DLOP_ERR_INTERNAL;
        best = n == 0 || to - from < best ? to - from : best;
    }
    *ns_out = best / n_in_a_row;
    *n_units_out = n_units;
    return DLOP_OK;
}

static bool is_axis(u32 step)
{
    return step == DLOP_CPU_TIMED_AXIS_PLAN || step == DLOP_CPU_TIMED_AXIS_X ||
           step == DLOP_CPU_TIMED_AXIS_Y;
}

static bool is_pack(u32 step)
{
    return step == DLOP_CPU_TIMED_PACK_PLAN || step == DLOP_CPU_TIMED_PACK;
}

dlop_status dlop_cpu_timing_run(struct dlop_cpu_material *material,
                                const struct dlop_cpu_timing *timing, u32 vector_mask, u64 least_ns,
                                double *ns_out, double *n_units_out)
{
    if (timing->step >= DLOP_CPU_TIMED_COUNT || (is_axis(timing->step) && !timing->axis_table) ||
        (is_pack(timing->step) && !timing->pack_table))
        return DLOP_ERR_ARGUMENT;
    struct timed *timed = alloc_zeroed(sizeof *timed);
    if (!timed)
        return DLOP_ERR_NO_MEMORY;
    timed->material = material;
    timed->timing = timing;
    dlop_cpu_steps_init(vector_mask, &timed->steps);
    dlop_status status = DLOP_OK;
    if (!dlop_timed_prepare_jpeg(timed))
        status = DLOP_ERR_INTERNAL;
    else if (!dlop_timed_prepare_rows(timed))
        status = DLOP_ERR_NO_MEMORY;
    if (status == DLOP_OK)
        status = run_passes(timed, passes[timing->step].pass, least_ns, ns_out, n_units_out);
    free(timed->axis_memory);
    free(timed);
    return status;
}
