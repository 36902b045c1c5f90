/* The ocl driver of a build without OpenCL's headers. */
#include "driver/ocl/ocl.h"

static dlop_status ocl_probe(struct dlop_device_info *info_out)
{
    *info_out = (struct dlop_device_info){
        .name = "ocl",
        .missing = "built without OpenCL's headers: install opencl-c-headers and build again",
        .is_emulation = true};
    return DLOP_OK;
}

const struct dlop_driver dlop_ocl_driver = {.name = "ocl", .probe = ocl_probe};
