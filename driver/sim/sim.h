/* The sim driver: emulated card. */
#ifndef DLOP_DRIVER_SIM_SIM_H
#define DLOP_DRIVER_SIM_SIM_H

#include "driver/driver.h"

extern const struct dlop_driver dlop_sim_driver;

#endif
