/* The XRT behind the driver table. */
#include "driver/xrt/xrt.h"

static dlop_status xrt_probe(struct dlop_device_info *info_out)
{
    *info_out = (struct dlop_device_info){
        .name = "xrt", .missing = "not part of this build", .is_emulation = true};
    return DLOP_OK;
}

const struct dlop_driver dlop_xrt_driver = {.name = "xrt", .probe = xrt_probe};
