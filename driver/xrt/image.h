/* Whether a card image is one of ours, and its compute units. */
#ifndef DLOP_DRIVER_XRT_IMAGE_H
#define DLOP_DRIVER_XRT_IMAGE_H

#include "driver/xrt/preflight.h"

/* Read plan->xclbin and fill the plan's units and platform: our kernels with the arguments of
 * hw/top/top.h, made for plan->mode. DLOP_OK; DLOP_ERR_NO_DEVICE with plan->missing;
 * DLOP_ERR_NO_MEMORY. */
dlop_status dlop_xrt_image_read(struct dlop_xrt_plan *plan) DLOP_MUST_USE;

#endif
