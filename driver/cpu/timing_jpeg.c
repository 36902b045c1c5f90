/* Timings of the steps from bytes to rows of pixels: see timing.h. */
#include <string.h>

#include "driver/cpu/timing_internal.h"
#include "hw/core/entropy.h"

/* ---- before the passes ---- */

dlop_status dlop_material_read_coefs(struct dlop_cpu_material *material)
{
    const struct dlop_jpeg_frame *frame = material->frame;
    const struct dlop_jpeg_scan *scan = &frame->scan[0];
    struct dlop_huff_table table[DLOP_JPEG_MAX_COMPONENTS][2];
    struct dlop_entropy state;
    struct dlop_coef_block block;
    dlop_status status = DLOP_OK;

    for (u32 i = 0; i < scan->n_components && status == DLOP_OK; i++) {
        status = dlop_huff_build(&frame->huff[scan->dc_table[i]], DLOP_HUFF_DC, &table[i][0]);
        if (status == DLOP_OK)
            status = dlop_huff_build(&frame->huff[scan->ac_table[i]], DLOP_HUFF_AC, &table[i][1]);
    }
    dlop_entropy_init(&state, material->n_segment_bytes);
    for (u32 mcu = 0; mcu < material->n_mcus; mcu++) {
        for (u32 i = 0; i < scan->n_components; i++) {
            const struct dlop_component_geometry *c =
                &material->jpeg->geometry.component[scan->component[i]];

            for (u32 b = 0; b < c->blocks_x * c->blocks_y && status == DLOP_OK; b++) {
                status = dlop_entropy_block(material->segment, &table[i][0], &table[i][1], i,
                                            &state, &block);
                if (status != DLOP_OK || i > 0)
                    continue;
                if (material->n_coefs == TIMING_MAX_BLOCKS)
                    return DLOP_OK;
                for (u32 k = 0; k < 64; k++)
                    material->coef[material->n_coefs][k] =
                        (s16)(block.valid >> k & 1 ? block.coef[k] : 0);
                material->n_coefs++;
            }
        }
    }
    return status;
}

bool dlop_timed_prepare_jpeg(struct timed *timed)
{
    const struct dlop_cpu_material *material = timed->material;
    const struct dlop_jpeg_frame *frame = material->frame;
    const struct dlop_jpeg_scan *scan = &frame->scan[0];

    for (u32 i = 0; i < scan->n_components; i++) {
        const struct dlop_jpeg_component *component = &frame->component[scan->component[i]];

        if (timed->steps.huff_build(&frame->huff[scan->dc_table[i]], DLOP_HUFF_DC,
                                    &timed->huff[i][0]) != DLOP_OK ||
            timed->steps.huff_build(&frame->huff[scan->ac_table[i]], DLOP_HUFF_AC,
                                    &timed->huff[i][1]) != DLOP_OK)
            return false;
        dlop_cpu_quant_init(&timed->steps, frame->quant[component->quant], &timed->quant[i]);
    }
    for (u32 b = 0; b < material->n_coefs; b++)
        for (u32 k = 0; k < 64; k++)
            timed->coef[b][timed->steps.coef_position[k]] = material->coef[b][k];
    return true;
}

/* ---- coded ---- */

double dlop_timed_unstuff(struct timed *timed)
{
    struct dlop_cpu_material *material = timed->material;
    u32 position = 0, next_rst = 0, n_bytes;
    s32 status = timed->steps.unstuff(material->scan, material->n_scan_bytes, &position, &next_rst,
                                      material->segment, &n_bytes);

    memset(material->segment + n_bytes, 0, DLOP_CPU_SEGMENT_SLACK_BYTES);
    return status < 0 || n_bytes != material->n_segment_bytes ? 0 : material->n_scan_bytes;
}

static double build_tables(struct timed *timed, u32 huff_class)
{
    const struct dlop_jpeg_frame *frame = timed->material->frame;
    const struct dlop_jpeg_scan *scan = &frame->scan[0];
    const u8 *table = huff_class == DLOP_HUFF_DC ? scan->dc_table : scan->ac_table;

    for (u32 i = 0; i < scan->n_components; i++)
        if (timed->steps.huff_build(&frame->huff[table[i]], huff_class,
                                    &timed->huff[i][huff_class == DLOP_HUFF_AC]) != DLOP_OK)
            return 0;
    return scan->n_components;
}

double dlop_timed_huff_dc(struct timed *timed)
{
    return build_tables(timed, DLOP_HUFF_DC);
}

double dlop_timed_huff_ac(struct timed *timed)
{
    return build_tables(timed, DLOP_HUFF_AC);
}

/* All MCUs of the picture, as if they stood in one row. */
static double run_mcus(struct timed *timed, u32 (*run)(struct dlop_cpu_scan *scan, u32 n_mcus))
{
    const struct dlop_cpu_material *material = timed->material;
    const struct dlop_jpeg_scan *file_scan = &material->frame->scan[0];
    struct dlop_cpu_scan scan = {.segment = material->segment,
                                 .n_segment_bytes = material->n_segment_bytes,
                                 .limit = material->segment + material->n_segment_bytes + 8,
                                 .status = DLOP_OK};

    for (u32 i = 0; i < file_scan->n_components; i++) {
        u32 c = file_scan->component[i];
        const struct dlop_component_geometry *geometry = &material->jpeg->geometry.component[c];

        for (u32 b = 0; b < geometry->blocks_x * geometry->blocks_y; b++) {
            size_t y = b / geometry->blocks_x, x = b % geometry->blocks_x;

            scan.block[scan.n_blocks++] = (struct dlop_cpu_block){
                .dc = &timed->huff[i][0],
                .ac = &timed->huff[i][1],
                .quant = &timed->quant[i],
                .samples =
                    material->wide[c] + DLOP_BLOCK_SIDE * (y * material->wide_stride_bytes[c] + x),
                .stride_bytes = material->wide_stride_bytes[c],
                .step_bytes = DLOP_BLOCK_SIDE * geometry->blocks_x,
                .component = i};
        }
    }
    dlop_cpu_bits_seek(&scan, 0);
    if (run(&scan, material->n_mcus) != material->n_mcus || scan.status != DLOP_OK)
        return 0;
    return material->n_blocks;
}

double dlop_timed_decode_mcus(struct timed *timed)
{
    return run_mcus(timed, timed->steps.decode_mcus);
}

double dlop_timed_skip_mcus(struct timed *timed)
{
    return run_mcus(timed, timed->steps.skip_mcus);
}

/* ---- samples ---- */

double dlop_timed_idct(struct timed *timed)
{
    u32 n = timed->material->n_coefs;

    for (u32 i = 0; i < n; i++)
        if (timed->steps.idct(timed->coef[i], &timed->quant[0], timed->row + (size_t)8 * (i % 32),
                              256))
            return 0;
    return n;
}

/* Row y of the first component. */
static const u8 *samples(const struct timed *timed, u32 y)
{
    const struct dlop_cpu_plane *plane = &timed->material->jpeg->plane[0];

    return plane->samples + y * plane->stride_bytes;
}

/* Columns and rows that are there to be used. */
static u32 n_columns(const struct timed *timed)
{
    u32 width = timed->material->jpeg->plane[0].width;

    return width < DLOP_CPU_TIMING_MAX_IN_PX ? width : DLOP_CPU_TIMING_MAX_IN_PX;
}

static u32 n_rows(const struct timed *timed)
{
    return timed->material->jpeg->plane[0].height - 2;
}

double dlop_timed_h2v1(struct timed *timed)
{
    u32 n = n_columns(timed) / 2, height = n_rows(timed);

    for (u32 y = 0; y < height; y++)
        timed->steps.upsample_h2v1(samples(timed, y), n, timed->row);
    return 2.0 * n * height;
}

double dlop_timed_h2v2(struct timed *timed)
{
    u32 n = n_columns(timed) / 2, height = n_rows(timed);

    for (u32 y = 0; y < height; y++)
        timed->steps.upsample_h2v2(samples(timed, y), samples(timed, y + 1), n, timed->row);
    return 2.0 * n * height;
}

double dlop_timed_h1v2(struct timed *timed)
{
    u32 n = n_columns(timed), height = n_rows(timed);

    for (u32 y = 0; y < height; y++)
        timed->steps.upsample_h1v2(samples(timed, y), samples(timed, y + 1), y & 1, n, timed->row);
    return (double)n * height;
}

/* ---- colour: three rows of samples stand for three components ---- */

static double time_colour(struct timed *timed,
                          void (*step)(const u8 *first, const u8 *second, const u8 *third, u32 n_px,
                                       u8 *rgbx_out))
{
    u32 n = n_columns(timed), height = n_rows(timed);

    for (u32 y = 0; y < height; y++)
        step(samples(timed, y), samples(timed, y + 1), samples(timed, y + 2), n, timed->row);
    return (double)n * height;
}

double dlop_timed_ycc(struct timed *timed)
{
    return time_colour(timed, timed->steps.ycc_to_rgbx);
}

double dlop_timed_rgb(struct timed *timed)
{
    return time_colour(timed, timed->steps.rgb_to_rgbx);
}

double dlop_timed_grey(struct timed *timed)
{
    u32 n = n_columns(timed), height = n_rows(timed);

    for (u32 y = 0; y < height; y++)
        timed->steps.grey_to_rgbx(samples(timed, y), n, timed->row);
    return (double)n * height;
}

double dlop_timed_to_grey(struct timed *timed)
{
    u32 n = n_columns(timed), height = n_rows(timed);

    for (u32 y = 0; y < height; y++)
        timed->steps.rgbx_to_grey(timed->row, n);
    return (double)n * height;
}
