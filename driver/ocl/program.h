/* The kernels' program, from the cache or from source. */
#ifndef DLOP_DRIVER_OCL_PROGRAM_H
#define DLOP_DRIVER_OCL_PROGRAM_H

#include "driver/ocl/device.h"

/* The OpenCL source of this library: hw/top/kernels.cl with all that it includes. */
extern const char dlop_ocl_kernels[];
extern const size_t dlop_ocl_kernels_bytes;

/* Build the program of parts for the device, whose context is open. A cache entry is used where it
 * fits, and written where it did not. device->program is set on success.
 *
 * DLOP_OK; DLOP_ERR_DEVICE_FAULT: the source does not compile or lacks a kernel, which was reported
 * with the first lines of the build log; DLOP_ERR_NO_MEMORY. */
DLOP_MUST_USE dlop_status dlop_ocl_program_build(struct dlop_device *device,
                                                 const struct dlop_ocl_parts *parts);

/* A kernel of the built program; released by the caller. DLOP_OK, DLOP_ERR_DEVICE_FAULT. */
DLOP_MUST_USE dlop_status dlop_ocl_kernel_create(struct dlop_device *device, uint32_t kernel,
                                                 cl_kernel *kernel_out);

#endif
