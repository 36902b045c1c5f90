/* The driver's own settings: "key=value,..." of dlop_device_cfg and of variable DLOP_XRT. */
#ifndef DLOP_DRIVER_XRT_SETTINGS_H
#define DLOP_DRIVER_XRT_SETTINGS_H

#include <limits.h>

#include "driver/driver.h"

struct dlop_xrt_settings {
    char xclbin[PATH_MAX];  /* card image; empty: variable DLOP_XCLBIN, then the usual places */
    char library[PATH_MAX]; /* of XRT */
    char program[PATH_MAX]; /* dlop-xrt-host; empty: the usual places */
    char pci[PATH_MAX];     /* folder of the system's PCI devices */
    char memory[8];         /* "card", "host", "p2p" */
    uint32_t timeout_ms;    /* of one run */
};

/* First those of variable DLOP_XRT, then text, which may be null. DLOP_OK; DLOP_ERR_ARGUMENT with
 * the reason (size bytes). */
dlop_status dlop_xrt_settings_read(const char *text, struct dlop_xrt_settings *settings_out,
                                   char *reason_out, size_t size) DLOP_MUST_USE;

#endif
