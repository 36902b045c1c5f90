/* Kinds and sizes of jobs, with a reason for people where they are refused. */
#include "driver/accepts.h"

#include <stdio.h>

#include "hw/core/job_check.h"

dlop_status dlop_accepts_check(const struct dlop_job *job, const char **reason_out)
{
    dlop_status status = dlop_job_check_kinds(job);

    if (status == DLOP_ERR_ABI)
        *reason_out = "another version of the job record";
    else if (status != DLOP_OK)
        *reason_out = "a kind, order, layout or element size that the kernels do not know";
    if (status != DLOP_OK)
        return status;
    status = dlop_job_check_sizes(job);
    if (status != DLOP_OK)
        *reason_out = "empty, larger than 65500 pixels on a side, or a region outside the source";
    return status;
}

dlop_status dlop_accepts_answer(dlop_status status, const char *reason, char *reason_out,
                                size_t size)
{
    if (reason_out && size)
        snprintf(reason_out, size, "%s", status == DLOP_OK ? "" : reason);
    return status;
}
