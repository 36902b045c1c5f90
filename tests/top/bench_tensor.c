/* Test bench of the kernel dlop_tensor: see bench.h. */
#include "tests/top/bench.h"

static void add_tensor(u32 is_spoiled)
{
    u32 n_channels = bench_u32() % 2 ? 3 : 1;
    struct dlop_job job =
        bench_job(DLOP_JOB_TENSOR, bench_between(1, 40), bench_between(1, 40), n_channels);

    job.in_offset = bench_n_in;
    job.in_bytes = job.src_width_px * job.src_height_px * n_channels;
    for (u32 i = 0; i < job.in_bytes; i++)
        bench_in[bench_n_in++] = (u8)bench_u32();
    if (is_spoiled)
        job.grey = DLOP_GREY_AFTER_AXES;
    bench_add(&job);
}

int main(void)
{
    u32 n_wrong = 0, n_done = 0;

    for (u32 round = 0; round < 12; round++) {
        bench_start();
        for (u32 i = 0; i < 1 + round % BENCH_MAX_JOBS; i++)
            add_tensor(bench_u32() % 5 == 0);
        memset(bench_out, BENCH_CANARY, sizeof bench_out);
        memset(bench_completions, 0xff, sizeof bench_completions);
        dlop_tensor(bench_in, bench_constants, bench_out, bench_scratch, bench_jobs,
                    bench_completions, BENCH_IN_BYTES, sizeof bench_constants, BENCH_OUT_BYTES,
                    BENCH_SCRATCH_BYTES, bench_n_jobs);
        n_wrong += bench_compare(round, &n_done);
    }
    printf("dlop_tensor: %u jobs done, %u differences\n", n_done, n_wrong);
    return n_wrong != 0 || n_done < 60;
}
