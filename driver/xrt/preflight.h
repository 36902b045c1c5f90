/* What must be there before XRT is called, and where it is.
 *
 * XRT aborts, exits or hangs where these are missing (see the README); each is looked for here,
 * with the file system and the environment only.
 */
#ifndef DLOP_DRIVER_XRT_PREFLIGHT_H
#define DLOP_DRIVER_XRT_PREFLIGHT_H

#include "driver/xrt/protocol.h"
#include "driver/xrt/settings.h"

#define DLOP_XRT_COUNT_KERNEL(name, kinds) +1
#define DLOP_XRT_N_KERNELS                 (0 DLOP_TOP_KERNELS(DLOP_XRT_COUNT_KERNEL))

struct dlop_xrt_unit_name {
    char name[136];  /* "kernel:{unit}", as XRT wants it */
    uint32_t kernel; /* index into DLOP_TOP_KERNELS */
};

struct dlop_xrt_plan {
    char program[PATH_MAX];
    char xclbin[PATH_MAX];
    char mode[8]; /* "hw", "sw_emu", "hw_emu" */
    uint32_t n_devices;
    uint32_t n_units;
    struct dlop_xrt_unit_name units[DLOP_XRT_MAX_UNITS];
    char platform[68];
    char missing[128]; /* what to install or set, where something is missing */
};

/* Look for everything. DLOP_OK; DLOP_ERR_NO_LIBRARY (XRT or a part of DLOP is not installed),
 * DLOP_ERR_NO_DEVICE (no card, or its image or environment is missing or wrong),
 * DLOP_ERR_NO_MEMORY; plan_out->missing then says what. Any thread; runs a program for a moment to
 * see whether XRT's library loads; never calls XRT. */
dlop_status dlop_xrt_preflight(const struct dlop_xrt_settings *settings,
                               struct dlop_xrt_plan *plan_out) DLOP_MUST_USE;

#endif
