/* The emulated card behind the driver table. */
#include "driver/sim/sim.h"

static dlop_status sim_probe(struct dlop_device_info *info_out)
{
    *info_out = (struct dlop_device_info){
        .name = "sim", .missing = "not part of this build", .is_emulation = true};
    return DLOP_OK;
}

const struct dlop_driver dlop_sim_driver = {.name = "sim", .probe = sim_probe};
