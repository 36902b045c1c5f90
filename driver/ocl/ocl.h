/* The ocl driver: OpenCL. */
#ifndef DLOP_DRIVER_OCL_OCL_H
#define DLOP_DRIVER_OCL_OCL_H

#include "driver/driver.h"

extern const struct dlop_driver dlop_ocl_driver;

#endif
