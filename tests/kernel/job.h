/* A whole job in memory for the kernel tests: buffers of exactly the needed sizes that end at
 * closed pages, and the reference run over them. */
#ifndef DLOP_TESTS_KERNEL_JOB_H
#define DLOP_TESTS_KERNEL_JOB_H

#include "hw/core/image.h"
#include "tests/kernel/table.h"

struct test_job {
    struct dlop_job job;
    struct dlop_image_memory memory;
    struct dlop_completion completion;
    u8 *in, *constants, *scratch;
    size_t constants_bytes;
};

/* What a test chooses of a job; the source's bytes come first in `in`, then the tables. */
struct test_job_cfg {
    u8 kind, pass_order, grey, layout, src_channels, out_channels, element_bytes, fill[3];
    u32 src_width_px, src_height_px, rect[4];
    const u8 *source;
    size_t source_bytes;
    const struct test_table *x, *y;
    const u8 *pack; /* null: element i is i, little-endian */
};

static inline void test_job_pack(const struct test_job_cfg *cfg, u8 *table)
{
    size_t n = (size_t)cfg->out_channels * 256 * cfg->element_bytes;

    if (cfg->pack) {
        memcpy(table, cfg->pack, n);
        return;
    }
    memset(table, 0, n);
    for (size_t i = 0; i < (size_t)cfg->out_channels * 256; i++)
        table[i * cfg->element_bytes] = (u8)i;
}

static inline void test_job_open(struct test_job *test, const struct test_job_cfg *cfg)
{
    size_t x_at = (cfg->source_bytes + 3) / 4 * 4, y_at = x_at + cfg->x->n_bytes;
    size_t in_bytes = y_at + cfg->y->n_bytes;
    struct dlop_job *job = &test->job;

    memset(test, 0, sizeof *test);
    *job = (struct dlop_job){.abi_version = DLOP_ABI_VERSION,
                             .kind = cfg->kind,
                             .pass_order = cfg->pass_order,
                             .grey = cfg->grey,
                             .layout = cfg->layout,
                             .src_channels = cfg->src_channels,
                             .out_channels = cfg->out_channels,
                             .element_bytes = cfg->element_bytes,
                             .fill = {cfg->fill[0], cfg->fill[1], cfg->fill[2]},
                             .record = 4711,
                             .in_bytes = cfg->source_bytes,
                             .x_axis_offset = x_at,
                             .y_axis_offset = y_at,
                             .src_width_px = cfg->src_width_px,
                             .src_height_px = cfg->src_height_px,
                             .roi_x_px = cfg->rect[0],
                             .roi_y_px = cfg->rect[1],
                             .roi_width_px = cfg->rect[2],
                             .roi_height_px = cfg->rect[3],
                             .out_width_px = cfg->x->axis.n_out,
                             .out_height_px = cfg->y->axis.n_out};
    job->out_bytes =
        job->out_width_px * job->out_height_px * job->out_channels * job->element_bytes;
    test->constants_bytes = (size_t)cfg->out_channels * 256 * cfg->element_bytes;
    test->in = guard_alloc(in_bytes);
    test->constants = guard_alloc(test->constants_bytes);
    memcpy(test->in, cfg->source, cfg->source_bytes);
    memcpy(test->in + x_at, cfg->x->bytes, cfg->x->n_bytes);
    memcpy(test->in + y_at, cfg->y->bytes, cfg->y->n_bytes);
    test_job_pack(cfg, test->constants);
    test->memory = (struct dlop_image_memory){
        .in = test->in,
        .constants = test->constants,
        .out = guard_alloc(job->out_bytes),
        .bounds = {in_bytes, test->constants_bytes, job->out_bytes},
    };
}

static inline void test_job_close(struct test_job *test)
{
    guard_free(test->in, test->memory.bounds.in_bytes);
    guard_free(test->constants, test->constants_bytes);
    guard_free(test->memory.out, test->memory.bounds.out_bytes);
}

/* Run with scratch memory of exactly the size that the reference asks for, of any content. */
static inline s32 test_job_run(struct test_job *test)
{
    static struct dlop_image_work work;
    s32 status;

    memset(&test->completion, 0xaa, sizeof test->completion);
    memset(test->memory.out, 0xee, test->memory.bounds.out_bytes);
    status = dlop_image_prepare(&test->job, &test->memory, &work);
    test->memory.scratch_bytes = status == DLOP_OK ? work.scratch_bytes : 0;
    test->memory.scratch = guard_alloc(test->memory.scratch_bytes);
    memset(test->memory.scratch, 0xcd, test->memory.scratch_bytes);
    memset(&work, 0xab, sizeof work);
    status = dlop_image_run(&test->job, &test->memory, &work, &test->completion);
    guard_free(test->memory.scratch, test->memory.scratch_bytes);
    return status;
}

/* The frame, the file's bytes and the padding, as they stand in `in`; malloc's. */
static inline u8 *test_job_jpeg_source(const struct dlop_jpeg_frame *frame, const u8 *file,
                                       size_t n_bytes, size_t *source_bytes_out)
{
    u8 *source;

    *source_bytes_out = sizeof *frame + n_bytes + DLOP_JPEG_PADDING_BYTES;
    source = calloc(1, *source_bytes_out);
    memcpy(source, frame, sizeof *frame);
    memcpy(source + sizeof *frame, file, n_bytes);
    return source;
}

#endif
