/* The xrt driver: XRT. */
#ifndef DLOP_DRIVER_XRT_XRT_H
#define DLOP_DRIVER_XRT_XRT_H

#include "driver/driver.h"

extern const struct dlop_driver dlop_xrt_driver;

#endif
