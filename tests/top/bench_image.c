/* Test bench of the kernel dlop_image: see bench.h. */
#include "tests/top/bench.h"

static const struct bench_picture pictures[] = {
    {40, 33, 3, 2, 2, 0, 0},  {17, 9, 3, 1, 1, 3, 0},  {24, 40, 1, 1, 1, 0, 0},
    {31, 31, 3, 2, 1, 2, 0},  {33, 20, 3, 2, 2, 4, 1}, {16, 50, 3, 1, 2, 0, 1},
    {600, 24, 3, 2, 2, 9, 0},
};

static void add_axes(struct dlop_job *job)
{
    job->pass_order = (u8)(bench_u32() % DLOP_PASS_ORDER_COUNT);
    job->grey = (u8)(bench_u32() % DLOP_GREY_COUNT);
    for (u32 c = 0; c < 3; c++)
        job->fill[c] = (u8)bench_u32();
    job->roi_x_px = bench_u32() % job->src_width_px;
    job->roi_y_px = bench_u32() % job->src_height_px;
    job->roi_width_px = bench_between(1, job->src_width_px - job->roi_x_px);
    job->roi_height_px = bench_between(1, job->src_height_px - job->roi_y_px);
    job->out_width_px = bench_u32() % 4 ? bench_between(1, 30) : bench_between(250, 600);
    job->out_height_px = bench_between(1, job->out_width_px > 30 ? 3 : 30);
    job->x_axis_offset = bench_axis(job->roi_width_px, job->out_width_px);
    job->y_axis_offset = bench_axis(job->roi_height_px, job->out_height_px);
}

static void add_jpeg(u32 is_spoiled)
{
    const struct bench_picture *picture =
        &pictures[bench_u32() % (sizeof pictures / sizeof pictures[0])];
    struct dlop_job job =
        bench_job(DLOP_JOB_JPEG, picture->width, picture->height, picture->n_components);
    u32 at = bench_jpeg(picture), n_bytes = bench_n_in - at;

    job.in_offset = at;
    job.in_bytes = n_bytes;
    if (is_spoiled) {
        u32 first = DLOP_FRAME_BYTES, last = n_bytes - DLOP_JPEG_PADDING_BYTES - 1;

        bench_in[at + bench_between(first, last)] ^= (u8)(1u << bench_u32() % 8);
    }
    add_axes(&job);
    bench_add(&job);
}

static void add_pixels(void)
{
    u32 n_channels = bench_u32() % 2 ? 3 : 1;
    struct dlop_job job =
        bench_job(DLOP_JOB_PIXELS, bench_between(1, 40), bench_between(1, 40), n_channels);

    job.in_offset = bench_n_in;
    job.in_bytes = job.src_width_px * job.src_height_px * n_channels;
    for (u32 i = 0; i < job.in_bytes; i++)
        bench_in[bench_n_in++] = (u8)bench_u32();
    add_axes(&job);
    bench_add(&job);
}

int main(void)
{
    u32 n_wrong = 0, n_done = 0;

    for (u32 round = 0; round < 12; round++) {
        bench_start();
        for (u32 i = 0; i < 1 + round % BENCH_MAX_JOBS; i++) {
            if (bench_u32() % 4)
                add_jpeg(round > 5 && bench_u32() % 3 == 0);
            else
                add_pixels();
        }
        memset(bench_out, BENCH_CANARY, sizeof bench_out);
        memset(bench_completions, 0xff, sizeof bench_completions);
        dlop_image(bench_in, bench_constants, bench_out, bench_scratch, bench_jobs,
                   bench_completions, BENCH_IN_BYTES, sizeof bench_constants, BENCH_OUT_BYTES,
                   BENCH_SCRATCH_BYTES, bench_n_jobs);
        n_wrong += bench_compare(round, &n_done);
    }
    printf("dlop_image: %u jobs done, %u differences\n", n_done, n_wrong);
    return n_wrong != 0 || n_done < 60;
}
