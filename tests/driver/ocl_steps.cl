/* The cases of ocl_steps.h as one kernel: work-item i runs case i. */
#include "tests/driver/ocl_steps.h"

__kernel void run_steps(u32 step, __global const u8 *in, __global u8 *out)
{
    size_t i = get_global_id(0);

    step_run(step, in + i * STEP_IN_BYTES, out + i * STEP_OUT_BYTES);
}
