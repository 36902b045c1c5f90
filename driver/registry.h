/* How a driver's table becomes complete; for registry.c and its test. */
#ifndef DLOP_DRIVER_REGISTRY_H
#define DLOP_DRIVER_REGISTRY_H

#include "driver/driver.h"

/* Put functions that return DLOP_ERR_UNSUPPORTED (close and free: that do nothing but clear) into
 * the empty slots of *driver. Setup only. */
void dlop_driver_fill_empty_slots(struct dlop_driver *driver);

#endif
