/* One device with its driver, shared by plans, sources and loaders opened from it. */
#ifndef DLOP_HOST_RUN_CTX_H
#define DLOP_HOST_RUN_CTX_H

#include "driver/driver.h"
#include "host/include/dlop.h"

struct dlop_ctx {
    const struct dlop_driver *driver;
    struct dlop_device *device;
    struct dlop_ctx_cfg cfg;
};

#endif
