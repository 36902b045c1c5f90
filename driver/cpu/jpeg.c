/* The JPEG decoder of one thread: memory, planes, the order of work. See jpeg.h. */
#include "driver/cpu/jpeg.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "driver/cpu/jpeg_internal.h"
#include "hw/core/frame.h"
#include "hw/core/upsample.h"

#define ALIGNMENT 64

static size_t align_up(size_t n_bytes, size_t alignment)
{
    return (n_bytes + alignment - 1) / alignment * alignment;
}

/* From here on memory comes in pages of this size, where the system has them: it is made when a
 * sample is written, by the thread that writes it, 512 small pages at a time. */
#define HUGE_BYTES ((size_t)2 << 20)

/* n_bytes, a multiple of HUGE_BYTES, zeroed; or null. */
static u8 *map_pages(size_t n_bytes)
{
    u8 *mapped = mmap(NULL, n_bytes + HUGE_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t before;

    if (mapped == MAP_FAILED)
        return NULL;
    before = (HUGE_BYTES - (uintptr_t)mapped % HUGE_BYTES) % HUGE_BYTES;
    if (before > 0)
        munmap(mapped, before);
    munmap(mapped + before + n_bytes, HUGE_BYTES - before);
    madvise(mapped + before, n_bytes, MADV_HUGEPAGE);
    return mapped + before;
}

static void give_back(u8 *memory, size_t capacity_bytes)
{
    if (capacity_bytes < HUGE_BYTES)
        free(memory);
    else
        munmap(memory, capacity_bytes);
}

/* Make a buffer at least n_bytes large; its content is lost when it grows. New memory is zero:
 * margins and padding of planes are read, if only for samples that nobody uses. */
static dlop_status grow(u8 **memory, size_t *capacity_bytes, size_t n_bytes)
{
    u8 *larger;

    if (n_bytes <= *capacity_bytes)
        return DLOP_OK;
    if (n_bytes < HUGE_BYTES) {
        n_bytes = align_up(n_bytes, ALIGNMENT);
        larger = aligned_alloc(ALIGNMENT, n_bytes);
        if (larger != NULL)
            memset(larger, 0, n_bytes);
    } else {
        n_bytes = align_up(n_bytes, HUGE_BYTES);
        larger = map_pages(n_bytes);
    }
    if (larger == NULL)
        return DLOP_ERR_NO_MEMORY;
    give_back(*memory, *capacity_bytes);
    *memory = larger;
    *capacity_bytes = n_bytes;
    return DLOP_OK;
}

dlop_status dlop_cpu_jpeg_open(struct dlop_cpu_jpeg **out)
{
    struct dlop_cpu_jpeg *jpeg = aligned_alloc(ALIGNMENT, align_up(sizeof(*jpeg), ALIGNMENT));

    if (jpeg == NULL)
        return DLOP_ERR_NO_MEMORY;
    memset(jpeg, 0, sizeof(*jpeg));
    *out = jpeg;
    return DLOP_OK;
}

void dlop_cpu_jpeg_close(struct dlop_cpu_jpeg **jpeg)
{
    if (*jpeg == NULL)
        return;
    for (u32 i = 0; i < DLOP_JPEG_MAX_COMPONENTS; i++)
        give_back((*jpeg)->planes[i], (*jpeg)->planes_capacity_bytes[i]);
    free((*jpeg)->split);
    give_back((*jpeg)->rows, (*jpeg)->rows_capacity_bytes);
    free(*jpeg);
    *jpeg = NULL;
}

/* Lay out the plane of component c for the MCUs of the region. */
static dlop_status plan_plane(struct dlop_cpu_jpeg *jpeg, u32 c)
{
    const struct dlop_component_geometry *component = &jpeg->geometry.component[c];
    const struct dlop_mcu_range *range = &jpeg->range;
    struct dlop_cpu_plane *plane = &jpeg->plane[c];
    u32 mcu_width = DLOP_BLOCK_SIDE * component->blocks_x;
    u32 mcu_height = DLOP_BLOCK_SIDE * component->blocks_y;
    dlop_status status;

    plane->x_first = range->x_begin * mcu_width;
    plane->y_first = range->y_begin * mcu_height;
    plane->width = (range->x_end - range->x_begin) * mcu_width;
    plane->height = (range->y_end - range->y_begin) * mcu_height;
    plane->upsample_kind =
        dlop_upsample_kind_of(component->ratio_x, component->ratio_y, component->width_samples);
    plane->stride_bytes =
        align_up((size_t)plane->width + (size_t)2 * DLOP_CPU_PLANE_MARGIN, ALIGNMENT);
    /* The rows of a block shall not all fall into one set of the cache. */
    if (plane->stride_bytes % 1024 == 0)
        plane->stride_bytes += ALIGNMENT;
    status = grow(&jpeg->planes[c], &jpeg->planes_capacity_bytes[c],
                  plane->stride_bytes * plane->height);
    plane->samples = jpeg->planes[c] + DLOP_CPU_PLANE_MARGIN;
    return status;
}

static dlop_status plan_frame(struct dlop_cpu_jpeg *jpeg, const struct dlop_jpeg_frame *frame)
{
    const u32 bounds[4] = {jpeg->rect.x, jpeg->rect.y, jpeg->rect.width, jpeg->rect.height};
    dlop_status status = DLOP_OK;

    jpeg->colour = frame->colour;
    dlop_geometry_of_frame(frame, &jpeg->geometry);
    dlop_region_mcus(&jpeg->geometry, bounds, &jpeg->range);
    for (u32 i = 0; i < frame->n_components && status == DLOP_OK; i++)
        status = plan_plane(jpeg, i);
    if (status != DLOP_OK)
        return status;
    /* Twice the samples that lead to the row: one more on each side. */
    jpeg->row_bytes =
        align_up((size_t)jpeg->rect.width + 4 + (size_t)2 * DLOP_CPU_STEP_SLACK_BYTES, ALIGNMENT);
    return grow(&jpeg->rows, &jpeg->rows_capacity_bytes,
                jpeg->row_bytes * DLOP_JPEG_MAX_COMPONENTS);
}

dlop_status dlop_cpu_jpeg_share(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_jpeg *leader)
{
    jpeg->geometry = leader->geometry;
    jpeg->range = leader->range;
    jpeg->rect = leader->rect;
    jpeg->colour = leader->colour;
    memcpy(jpeg->plane, leader->plane, sizeof(jpeg->plane));
    jpeg->row_bytes = leader->row_bytes;
    return grow(&jpeg->rows, &jpeg->rows_capacity_bytes,
                jpeg->row_bytes * DLOP_JPEG_MAX_COMPONENTS);
}

/* Repeat the samples at the component's left and right edge once outside it, where the filters for
 * twice the width look for neighbours. */
static void repeat_edges(struct dlop_cpu_jpeg *jpeg, u32 c)
{
    struct dlop_cpu_plane *plane = &jpeg->plane[c];
    u32 n_samples = jpeg->geometry.component[c].width_samples - plane->x_first;

    if (plane->upsample_kind != DLOP_UPSAMPLE_H2V1 && plane->upsample_kind != DLOP_UPSAMPLE_H2V2)
        return;
    for (u32 y = 0; y < plane->height; y++) {
        u8 *row = plane->samples + (size_t)y * plane->stride_bytes;

        if (plane->x_first == 0)
            *(row - 1) = row[0];
        if (n_samples <= plane->width)
            row[n_samples] = row[n_samples - 1];
    }
}

/* The planned scan by this thread alone. */
static dlop_status decode_scan(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps)
{
    const struct dlop_cpu_entry start = {0};
    dlop_status status = dlop_cpu_scan_enter(jpeg, steps, &start);

    return status != DLOP_OK ? status : dlop_cpu_scan_run(jpeg, steps, jpeg->plan.end_mcu);
}

static dlop_status decode_scans(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                                const struct dlop_jpeg_frame *frame, bool is_split)
{
    dlop_status status = DLOP_OK;

    jpeg->n_blocks = 0;
    for (u32 i = 0; i < frame->n_components; i++)
        dlop_cpu_quant_init(steps, frame->quant[frame->component[i].quant], &jpeg->quant[i]);
    for (u32 i = 0; i < frame->n_scans && status == DLOP_OK; i++) {
        status = dlop_cpu_scan_plan(jpeg, steps, frame, &frame->scan[i]);
        if (status != DLOP_OK || jpeg->plan.end_mcu == 0)
            continue;
        status = is_split ? dlop_cpu_jpeg_split(jpeg, steps) : decode_scan(jpeg, steps);
    }
    return status;
}

static bool is_inside(const struct dlop_rect *rect, const struct dlop_jpeg_frame *frame)
{
    return rect->width > 0 && rect->height > 0 && rect->x < frame->width_px &&
           rect->y < frame->height_px && rect->width <= frame->width_px - rect->x &&
           rect->height <= frame->height_px - rect->y;
}

dlop_status dlop_cpu_jpeg_decode(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                                 const struct dlop_jpeg_frame *frame, size_t n_bytes,
                                 const struct dlop_rect *rect, u32 *n_blocks_out)
{
    dlop_status status;

    if (n_bytes < sizeof(*frame))
        return DLOP_ERR_BAD_DATA;
    status = dlop_frame_check(frame, n_bytes);
    if (status != DLOP_OK)
        return status;
    if (!is_inside(rect, frame))
        return DLOP_ERR_ARGUMENT;
    jpeg->rect = *rect;
    status = plan_frame(jpeg, frame);
    if (status != DLOP_OK)
        return status;
    status = jpeg->team ? decode_scans(jpeg, steps, frame, true) : DLOP_AGAIN;
    if (status != DLOP_OK)
        status = decode_scans(jpeg, steps, frame, false);
    if (status != DLOP_OK) {
        /* Replacements may refuse more than they must and say less: the reference decides. */
        struct dlop_cpu_steps reference;

        dlop_cpu_steps_init(0, &reference);
        status = decode_scans(jpeg, &reference, frame, false);
    }
    if (status != DLOP_OK)
        return status;
    for (u32 i = 0; i < frame->n_components; i++)
        repeat_edges(jpeg, i);
    *n_blocks_out = jpeg->n_blocks;
    return DLOP_OK;
}
