/* The OpenCL behind the driver table. */
#include "driver/ocl/ocl.h"

static dlop_status ocl_probe(struct dlop_device_info *info_out)
{
    *info_out = (struct dlop_device_info){
        .name = "ocl", .missing = "not part of this build", .is_emulation = true};
    return DLOP_OK;
}

const struct dlop_driver dlop_ocl_driver = {.name = "ocl", .probe = ocl_probe};
