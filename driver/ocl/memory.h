/* Buffers of an OpenCL device. */
#ifndef DLOP_DRIVER_OCL_MEMORY_H
#define DLOP_DRIVER_OCL_MEMORY_H

#include "driver/ocl/device.h"

/* The slots of the driver's memory table: see struct dlop_memory_ops. */
dlop_status dlop_ocl_alloc(struct dlop_device *device, size_t size_bytes,
                           struct dlop_buffer *buffer_out);
dlop_status dlop_ocl_wrap(struct dlop_device *device, void *host, size_t size_bytes,
                          struct dlop_buffer *buffer_out);
void dlop_ocl_free(struct dlop_device *closed_or_null, struct dlop_buffer *buffer);
dlop_status dlop_ocl_to_device(struct dlop_device *device, struct dlop_buffer *buffer,
                               size_t offset, size_t n_bytes);
dlop_status dlop_ocl_from_device(struct dlop_device *device, struct dlop_buffer *buffer,
                                 size_t offset, size_t n_bytes);

/* Give a launch's buffers to the device, and give them back to the host once no launch uses them;
 * every acquire that succeeded needs its release. May block. DLOP_OK, DLOP_ERR_NO_MEMORY,
 * DLOP_ERR_DEVICE_LOST. */
DLOP_MUST_USE dlop_status dlop_ocl_memory_acquire(struct dlop_device *device,
                                                  const struct dlop_launch *launch);
DLOP_MUST_USE dlop_status dlop_ocl_memory_release(struct dlop_device *device,
                                                  const struct dlop_launch *launch);

/* The memory object of a buffer; null for a buffer that was never allocated. */
cl_mem dlop_ocl_memory_of(const struct dlop_buffer *buffer);

#endif
