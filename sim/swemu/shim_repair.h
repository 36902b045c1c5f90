/* What the repair of XRT's emulation shim found and did; for tests. */
#ifndef DLOP_SIM_SWEMU_SHIM_REPAIR_H
#define DLOP_SIM_SWEMU_SHIM_REPAIR_H

enum dlop_swemu_repair {
    DLOP_SWEMU_REPAIR_NO_SHIM,
    DLOP_SWEMU_REPAIR_NOT_NEEDED, /* the shim grows its buffer right: nothing was changed */
    DLOP_SWEMU_REPAIR_DONE,       /* it does not: its allocations are redirected */
    DLOP_SWEMU_REPAIR_UNKNOWN,    /* it could not be tried: nothing was changed */
    DLOP_SWEMU_REPAIR_COUNT
};

__attribute__((visibility("default"))) enum dlop_swemu_repair dlop_swemu_repair_state(void);

#endif
