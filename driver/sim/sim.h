/* The sim driver: the emulated card of sim/card.h behind the driver table. */
#ifndef DLOP_DRIVER_SIM_SIM_H
#define DLOP_DRIVER_SIM_SIM_H

#include "driver/driver.h"

extern const struct dlop_driver dlop_sim_driver;

struct dlop_card;
struct dlop_card_counters;

/* For tests: the card of an open device of this driver. */
struct dlop_card *dlop_sim_card(struct dlop_device *device);
/* For tests: where close leaves the last state of the card's counters. Must outlive the device. */
void dlop_sim_watch(struct dlop_device *device, struct dlop_card_counters *counters_out);

#endif
