/* A slot runs one launch at a time: its command queue, kernels, records on the device, scratch
 * memory. One thread per slot. */
#ifndef DLOP_DRIVER_OCL_SLOT_H
#define DLOP_DRIVER_OCL_SLOT_H

#include "driver/ocl/device.h"

/* Most bytes of scratch memory that a launch may take on a device. */
uint64_t dlop_ocl_scratch_limit(const struct dlop_ocl_found *found);

/* Needs the device's program. DLOP_OK, DLOP_ERR_NO_MEMORY, DLOP_ERR_THREAD, DLOP_ERR_DEVICE_FAULT.
 */
DLOP_MUST_USE dlop_status dlop_ocl_slot_open(struct dlop_device *device,
                                             struct dlop_ocl_slot **slot_out);

/* Free everything; is_forked: but what belongs to OpenCL. Accepts null. */
void dlop_ocl_slot_close(struct dlop_ocl_slot *slot, bool is_forked);

/* Run a launch to its end and fill its completions; blocks. Does not call `done`. DLOP_OK,
 * DLOP_ERR_NO_MEMORY, DLOP_ERR_DEVICE_LOST, DLOP_ERR_TIMEOUT (the last two: the device is lost and
 * was reported so). */
DLOP_MUST_USE dlop_status dlop_ocl_slot_run(struct dlop_ocl_slot *slot, struct dlop_launch *launch);

#endif
