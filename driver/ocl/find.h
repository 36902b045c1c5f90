/* Which OpenCL devices there are, and whether the kernels can run on them. */
#ifndef DLOP_DRIVER_OCL_FIND_H
#define DLOP_DRIVER_OCL_FIND_H

#include "driver/ocl/api.h"

#define DLOP_OCL_TEXT_BYTES 128

struct dlop_ocl_found {
    cl_platform_id platform;
    cl_device_id device;
    bool is_cpu; /* the host's processor */
    bool is_gpu;
    bool is_unified; /* shares memory with the host */
    uint32_t n_units;
    uint64_t max_buffer_bytes, memory_bytes;
    char name[DLOP_OCL_TEXT_BYTES], driver_version[DLOP_OCL_TEXT_BYTES];
    char platform_name[DLOP_OCL_TEXT_BYTES], platform_version[DLOP_OCL_TEXT_BYTES];
};

/* Count the devices that can run the kernels over all platforms but Xilinx's, and describe number
 * index of them: those that are no processors first, else in the loader's order.
 *
 * n_devices_out: 0 where there is none; reason_out (size bytes) then says what is missing.
 * DLOP_OK; DLOP_ERR_NO_DEVICE: index is beyond the last, *found_out is untouched. Any thread. */
DLOP_MUST_USE dlop_status dlop_ocl_find(const struct dlop_ocl_api *api, uint32_t index,
                                        struct dlop_ocl_found *found_out, uint32_t *n_devices_out,
                                        char *reason_out, size_t size);

#endif
