/* Times the CPU's steps one by one: see kernels.h. The cases are a table; what they need besides
 * photographs (axis and pack tables) is made once, by the code that makes it for a training. */
#include "host/bench/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/cpu/timing.h"
#include "host/format/jpeg.h"
#include "host/plan/axis.h"
#include "host/plan/fold.h"

#define MAX_PHOTOS      64
#define INPUT_BYTES     48
#define PACK_MAX_BYTES  ((size_t)3 * 256 * 8)
#define OUT_PX          DLOP_CPU_TIMING_OUT_PX
#define PHOTO_MAX_BYTES ((size_t)1 << 30)

/* What a pack table does. */
enum pack_kind { PACK_NONE, PACK_NORMALISE, PACK_ANY, PACK_IDENTITY };

struct kernel_case {
    u32 step;
    u32 in_px; /* axis steps: to OUT_PX */
    int32_t filter;
    u32 resampler;
    u32 layout, element_bytes; /* packing */
    enum pack_kind pack;
};

/* One axis configuration as cases of both passes. */
#define AXES(in_px, filter, resampler)                                                             \
    {DLOP_CPU_TIMED_AXIS_X, in_px, filter, resampler, 0, 0, PACK_NONE},                            \
    {                                                                                              \
        DLOP_CPU_TIMED_AXIS_Y, in_px, filter, resampler, 0, 0, PACK_NONE                           \
    }
#define PACK(layout, bytes, kind)                                                                  \
    {                                                                                              \
        DLOP_CPU_TIMED_PACK, 0, 0, 0, layout, bytes, kind                                          \
    }
#define PACKS(layout)                                                                              \
    PACK(layout, 1, PACK_IDENTITY), PACK(layout, 1, PACK_ANY), PACK(layout, 2, PACK_ANY),          \
        PACK(layout, 4, PACK_NORMALISE), PACK(layout, 4, PACK_ANY), PACK(layout, 8, PACK_ANY)

static const struct kernel_case cases[] = {
    {.step = DLOP_CPU_TIMED_UNSTUFF},
    {.step = DLOP_CPU_TIMED_HUFF_DC},
    {.step = DLOP_CPU_TIMED_HUFF_AC},
    {.step = DLOP_CPU_TIMED_DECODE_MCUS},
    {.step = DLOP_CPU_TIMED_SKIP_MCUS},
    {.step = DLOP_CPU_TIMED_IDCT},
    {.step = DLOP_CPU_TIMED_H2V1},
    {.step = DLOP_CPU_TIMED_H2V2},
    {.step = DLOP_CPU_TIMED_H1V2},
    {.step = DLOP_CPU_TIMED_YCC},
    {.step = DLOP_CPU_TIMED_RGB},
    {.step = DLOP_CPU_TIMED_GREY},
    {.step = DLOP_CPU_TIMED_TO_GREY},
    {.step = DLOP_CPU_TIMED_PIXELS},
    {DLOP_CPU_TIMED_AXIS_PLAN, 272, DLOP_FILTER_BILINEAR, DLOP_RESAMPLER_PILLOW, 0, 0, PACK_NONE},
    AXES(160, DLOP_FILTER_BILINEAR, DLOP_RESAMPLER_PILLOW),
    AXES(272, DLOP_FILTER_BILINEAR, DLOP_RESAMPLER_PILLOW),
    AXES(400, DLOP_FILTER_BILINEAR, DLOP_RESAMPLER_PILLOW),
    AXES(500, DLOP_FILTER_BILINEAR, DLOP_RESAMPLER_PILLOW),
    AXES(672, DLOP_FILTER_BILINEAR, DLOP_RESAMPLER_PILLOW),
    AXES(1000, DLOP_FILTER_BILINEAR, DLOP_RESAMPLER_PILLOW),
    AXES(2560, DLOP_FILTER_BILINEAR, DLOP_RESAMPLER_PILLOW),
    AXES(7680, DLOP_FILTER_BILINEAR, DLOP_RESAMPLER_PILLOW),
    AXES(272, DLOP_FILTER_BICUBIC, DLOP_RESAMPLER_PILLOW),
    AXES(272, DLOP_FILTER_LANCZOS, DLOP_RESAMPLER_PILLOW),
    AXES(272, DLOP_FILTER_BILINEAR, DLOP_RESAMPLER_TENSOR),
    AXES(500, DLOP_FILTER_BILINEAR, DLOP_RESAMPLER_TENSOR),
    {DLOP_CPU_TIMED_PACK_PLAN, 0, 0, 0, DLOP_LAYOUT_CHW, 4, PACK_NORMALISE},
    PACKS(DLOP_LAYOUT_CHW),
    PACKS(DLOP_LAYOUT_HWC),
};
#define N_CASES (sizeof cases / sizeof cases[0])

struct photo {
    u8 *bytes; /* frame, file, padding */
    struct dlop_cpu_material *material;
};

struct dlop_bench_kernels {
    struct photo photos[MAX_PHOTOS];
    u32 n_photos;
    u8 *axis_table[N_CASES];
    u8 *pack_table[N_CASES];
    char input[N_CASES][INPUT_BYTES];
};

/* ---- tables ---- */

static dlop_status make_axis(const struct kernel_case *one, u8 **table_out)
{
    const struct dlop_drawn drawn = {
        .n_steps = 1,
        .width_px = OUT_PX,
        .height_px = OUT_PX,
        .steps = {{DLOP_STEP_RESIZE, {OUT_PX, OUT_PX, one->filter}}},
    };
    struct dlop_fold fold;
    u32 first, n;

    dlop_status status = dlop_fold_steps(&drawn, one->in_px, one->in_px, 3, &fold);
    if (status != DLOP_OK)
        return status;
    u8 *table = calloc(1, dlop_axis_bound_bytes(&fold.x, fold.filter));
    if (!table)
        return DLOP_ERR_NO_MEMORY;
    if (!dlop_axis_build(&fold.x, fold.filter, one->resampler, table, &first, &n)) {
        free(table);
        return DLOP_ERR_INTERNAL;
    }
    *table_out = table;
    return DLOP_OK;
}

static void fill_pack(const struct kernel_case *one, u8 *table)
{
    u32 random = 1;

    for (u32 i = 0; i < 3 * 256; i++) {
        float normal = ((float)(i % 256) / 255.0f - 0.485f) / 0.229f;

        for (u32 b = 0; b < one->element_bytes; b++) {
            random = random * 1664525u + 1013904223u;
            table[i * one->element_bytes + b] = (u8)(random >> 24);
        }
        if (one->pack == PACK_IDENTITY)
            table[i] = (u8)i;
        if (one->pack == PACK_NORMALISE)
            memcpy(table + i * sizeof normal, &normal, sizeof normal);
    }
}

static void describe(const struct kernel_case *one, const u8 *axis_table, char *text)
{
    static const char *const filters[DLOP_FILTER_COUNT] = {
        [DLOP_FILTER_BILINEAR] = "bilinear",
        [DLOP_FILTER_BICUBIC] = "bicubic",
        [DLOP_FILTER_LANCZOS] = "lanczos",
    };
    static const char *const packs[] = {"", "floats by formula", "any table", "as they are"};
    struct dlop_axis header;

    if (axis_table) {
        memcpy(&header, axis_table, sizeof header);
        snprintf(text, INPUT_BYTES, "%u to %u %s, %u taps%s", one->in_px, OUT_PX,
                 filters[one->filter], header.n_taps,
                 one->resampler == DLOP_RESAMPLER_TENSOR ? ", 16 bits" : "");
    } else if (one->pack != PACK_NONE) {
        snprintf(text, INPUT_BYTES, "%s, %u bytes, %s",
                 one->layout == DLOP_LAYOUT_CHW ? "CHW" : "HWC", one->element_bytes,
                 packs[one->pack]);
    }
}

static dlop_status make_tables(struct dlop_bench_kernels *kernels)
{
    for (u32 i = 0; i < N_CASES; i++) {
        const struct kernel_case *one = &cases[i];

        if (one->in_px) {
            dlop_status status = make_axis(one, &kernels->axis_table[i]);

            if (status != DLOP_OK)
                return status;
        }
        if (one->pack != PACK_NONE) {
            kernels->pack_table[i] = malloc(PACK_MAX_BYTES);
            if (!kernels->pack_table[i])
                return DLOP_ERR_NO_MEMORY;
            fill_pack(one, kernels->pack_table[i]);
        }
        describe(one, kernels->axis_table[i], kernels->input[i]);
    }
    return DLOP_OK;
}

/* ---- interface ---- */

dlop_status dlop_bench_kernels_open(struct dlop_bench_kernels **kernels_out)
{
    struct dlop_bench_kernels *kernels = calloc(1, sizeof *kernels);

    if (!kernels)
        return DLOP_ERR_NO_MEMORY;
    dlop_status status = make_tables(kernels);
    if (status != DLOP_OK) {
        dlop_bench_kernels_close(&kernels);
        return status;
    }
    *kernels_out = kernels;
    return DLOP_OK;
}

void dlop_bench_kernels_close(struct dlop_bench_kernels **kernels)
{
    if (!kernels || !*kernels)
        return;
    for (u32 i = 0; i < (*kernels)->n_photos; i++) {
        dlop_cpu_material_close(&(*kernels)->photos[i].material);
        free((*kernels)->photos[i].bytes);
    }
    for (u32 i = 0; i < N_CASES; i++) {
        free((*kernels)->axis_table[i]);
        free((*kernels)->pack_table[i]);
    }
    free(*kernels);
    *kernels = NULL;
}

dlop_status dlop_bench_kernels_add(struct dlop_bench_kernels *kernels, const uint8_t *bytes,
                                   size_t n_bytes)
{
    char reason[DLOP_REASON_BYTES];

    if (kernels->n_photos == MAX_PHOTOS || n_bytes > PHOTO_MAX_BYTES)
        return DLOP_ERR_LIMIT;
    struct photo *photo = &kernels->photos[kernels->n_photos];
    struct dlop_jpeg_frame *frame;
    size_t used_bytes = sizeof *frame + n_bytes + DLOP_JPEG_PADDING_BYTES;
    photo->bytes = calloc(1, used_bytes);
    if (!photo->bytes)
        return DLOP_ERR_NO_MEMORY;
    frame = (struct dlop_jpeg_frame *)(void *)photo->bytes;
    memcpy(photo->bytes + sizeof *frame, bytes, n_bytes);
    dlop_status status = dlop_jpeg_parse(bytes, n_bytes, sizeof *frame, frame, reason);
    if (status == DLOP_OK)
        status = dlop_cpu_material_open(frame, used_bytes, &photo->material);
    if (status != DLOP_OK) {
        free(photo->bytes);
        return status;
    }
    kernels->n_photos++;
    return DLOP_OK;
}

const char *dlop_bench_kernels_case(const struct dlop_bench_kernels *kernels, uint32_t i,
                                    const char **input_out, const char **unit_out)
{
    if (i >= N_CASES)
        return NULL;
    *input_out = kernels->input[i];
    *unit_out = dlop_cpu_timed_unit(cases[i].step);
    return dlop_cpu_timed_name(cases[i].step);
}

const char *dlop_bench_kernels_level(uint32_t i, uint32_t *vector_mask_out, uint32_t *is_usable_out)
{
    return dlop_cpu_timing_level(i, vector_mask_out, is_usable_out);
}

dlop_status dlop_bench_kernels_run(struct dlop_bench_kernels *kernels, uint32_t i,
                                   uint32_t vector_mask, uint64_t least_ns, double *ns_per_unit_out)
{
    double ns_all = 0, n_all = 0, ns, n;

    if (i >= N_CASES || !kernels->n_photos)
        return DLOP_ERR_ARGUMENT;
    const struct dlop_cpu_timing timing = {.step = cases[i].step,
                                           .axis_table = kernels->axis_table[i],
                                           .layout = cases[i].layout,
                                           .element_bytes = cases[i].element_bytes,
                                           .pack_table = kernels->pack_table[i]};
    for (u32 p = 0; p < kernels->n_photos; p++) {
        dlop_status status = dlop_cpu_timing_run(kernels->photos[p].material, &timing, vector_mask,
                                                 least_ns / kernels->n_photos, &ns, &n);

        if (status != DLOP_OK)
            return status;
        ns_all += ns;
        n_all += n;
    }
    *ns_per_unit_out = ns_all / n_all;
    return DLOP_OK;
}
