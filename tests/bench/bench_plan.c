/* Time of drawing and of binding one record, for the pipelines that people train with: ns of
 * processor time per record, the best of several rounds. Sizes are those of ordinary
 * photographs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "host/plan/plan.h"

#define N_RECORDS   2000
#define N_ROUNDS    15
#define TABLE_BYTES (1 << 20)

struct pipeline {
    const char *name;
    uint32_t resampler;
    uint32_t n_ops;
    struct dlop_op ops[3];
};

#define RANDOM_BOX                                                                                 \
    {                                                                                              \
        0.08, 1.0, 3.0 / 4.0, 4.0 / 3.0, (double)-0x1.26962p-2f, (double)0x1.269624p-2f            \
    }
#define FLIP                                                                                       \
    {                                                                                              \
        .kind = DLOP_OP_FLIP_X, .f = { 0.5 }                                                       \
    }

static const struct pipeline PIPELINES[] = {
    {"RandomResizedCrop(224) bilinear, flip",
     DLOP_RESAMPLER_PILLOW,
     2,
     {{.kind = DLOP_OP_RESIZED_CROP, .i = {224, 224, DLOP_FILTER_BILINEAR}, .f = RANDOM_BOX},
      FLIP}},
    {"RandomResizedCrop(224) bicubic, flip",
     DLOP_RESAMPLER_PILLOW,
     2,
     {{.kind = DLOP_OP_RESIZED_CROP, .i = {224, 224, DLOP_FILTER_BICUBIC}, .f = RANDOM_BOX}, FLIP}},
    {"RandomResizedCrop(224) bilinear, flip, tensors",
     DLOP_RESAMPLER_TENSOR,
     2,
     {{.kind = DLOP_OP_RESIZED_CROP, .i = {224, 224, DLOP_FILTER_BILINEAR}, .f = RANDOM_BOX},
      FLIP}},
    {"Resize(256), CenterCrop(224)",
     DLOP_RESAMPLER_PILLOW,
     2,
     {{.kind = DLOP_OP_RESIZE_SHORT, .i = {256, 0, DLOP_FILTER_BILINEAR}},
      {.kind = DLOP_OP_CENTER_CROP, .i = {224, 224}}}},
    {"RandomCrop(32, padding 4), flip of 32 x 32",
     DLOP_RESAMPLER_PILLOW,
     3,
     {{.kind = DLOP_OP_CENTER_CROP, .i = {32, 32}},
      {.kind = DLOP_OP_RANDOM_CROP, .i = {32, 32, 4, 4, 4, 4}},
      FLIP}},
};

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static uint32_t width_of(uint32_t record)
{
    return 375 + record * 7919 % 126;
}

static uint32_t height_of(uint32_t record)
{
    return 375 + record * 104729 % 126;
}

static double draw_all(const struct pipeline *pipeline, const struct dlop_draw_rules *rules,
                       struct dlop_drawn *drawn_out)
{
    struct dlop_rng_state rng;

    dlop_rng_seed(&rng, 1);
    double begin_ns = now_ns();
    for (uint32_t r = 0; r < N_RECORDS; r++)
        if (dlop_draw_record(pipeline->ops, pipeline->n_ops, rules, &rng, width_of(r), height_of(r),
                             &drawn_out[r]) != DLOP_OK)
            return NAN;
    return (now_ns() - begin_ns) / N_RECORDS;
}

static double bind_all(const struct dlop_plan *plan, const struct dlop_drawn *drawn,
                       uint8_t *tables)
{
    double begin_ns = now_ns();

    for (uint32_t r = 0; r < N_RECORDS; r++) {
        struct dlop_job job = {0};
        size_t n_bytes;
        if (dlop_plan_bind(plan, &drawn[r], width_of(r), height_of(r), tables, TABLE_BYTES, 0,
                           &n_bytes, &job) != DLOP_OK)
            return NAN;
    }
    return (now_ns() - begin_ns) / N_RECORDS;
}

int main(void)
{
    struct dlop_drawn *drawn = malloc(N_RECORDS * sizeof *drawn);
    uint8_t *tables = malloc(TABLE_BYTES);
    struct dlop_draw_rules rules;

    if (!drawn || !tables)
        return 1;
    dlop_draw_rules_init(&rules);
    printf("%-48s %10s %10s\n", "pipeline", "draw ns", "bind ns");
    for (size_t p = 0; p < sizeof PIPELINES / sizeof PIPELINES[0]; p++) {
        struct dlop_plan plan = {0};
        double draw_ns = INFINITY, bind_ns = INFINITY;
        dlop_plan_cfg_init(&plan.cfg);
        plan.cfg.resampler = PIPELINES[p].resampler;
        for (int round = 0; round < N_ROUNDS; round++) {
            draw_ns = fmin(draw_ns, draw_all(&PIPELINES[p], &rules, drawn));
            bind_ns = fmin(bind_ns, bind_all(&plan, drawn, tables));
        }
        printf("%-48s %10.0f %10.0f\n", PIPELINES[p].name, draw_ns, bind_ns);
    }
    free(drawn);
    free(tables);
    return 0;
}
