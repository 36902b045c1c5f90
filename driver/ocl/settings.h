/* What cfg.settings of the ocl driver may say. */
#ifndef DLOP_DRIVER_OCL_SETTINGS_H
#define DLOP_DRIVER_OCL_SETTINGS_H

#include "driver/ocl/device.h"

/* Fill in the defaults for a device and what the text changes: "memory=share|copy", "items=N",
 * "timeout_ms=N", separated by commas; null or "" changes nothing. DLOP_OK; DLOP_ERR_ARGUMENT: a
 * word that is none of these, reason_out (size bytes) names it. */
DLOP_MUST_USE dlop_status dlop_ocl_settings_read(const char *text,
                                                 const struct dlop_ocl_found *found,
                                                 struct dlop_ocl_settings *settings_out,
                                                 char *reason_out, size_t size);

#endif
