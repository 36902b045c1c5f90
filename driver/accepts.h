/* What every driver's `accepts` has in common. */
#ifndef DLOP_DRIVER_ACCEPTS_H
#define DLOP_DRIVER_ACCEPTS_H

#include "driver/driver.h"

/* Kinds and sizes of a job, for kernels that run whatever passes these checks. DLOP_OK, or the
 * status of hw/core/job_check.h; *reason_out is set then: a text that lives for ever. */
dlop_status dlop_accepts_check(const struct dlop_job *job, const char **reason_out) DLOP_MUST_USE;

/* End of `accepts`: the reason (none where status is DLOP_OK) into the caller's text. Returns
 * status. */
dlop_status dlop_accepts_answer(dlop_status status, const char *reason, char *reason_out,
                                size_t size);

#endif
