/* Opening a device that is not the CPU: it must give the reference's bytes first. */
#ifndef DLOP_HOST_RUN_CHECK_H
#define DLOP_HOST_RUN_CHECK_H

#include "driver/driver.h"

/* Open a device, run a few jobs of every kind on it, and compare with what the CPU's reference
 * steps make of them. rate_hz_out: records per second, a first guess. timeout_ms: how long it may
 * take. DLOP_OK; what the device said; DLOP_ERR_DEVICE_FAULT: other bytes; DLOP_ERR_TIMEOUT. On
 * failure the device is closed again. Blocks. Any thread. */
dlop_status dlop_check_open(const struct dlop_driver *driver, const struct dlop_device_cfg *cfg,
                            uint32_t timeout_ms, struct dlop_device **device_out,
                            double *rate_hz_out) DLOP_MUST_USE;

#endif
