/* The words after --device: which devices a run may use. */
#ifndef DLOP_HOST_BASE_DEVICES_H
#define DLOP_HOST_BASE_DEVICES_H

#include "driver/driver.h"

#define DLOP_DEVICES_MAX       15
#define DLOP_DEVICES_MAX_INDEX 255

struct dlop_device_choice {
    const struct dlop_driver *driver;
    uint32_t index;
};

struct dlop_device_choices {
    uint32_t n; /* 0: auto */
    struct dlop_device_choice choice[DLOP_DEVICES_MAX];
};

/* Read "auto" or "name[:index],..." with names of drivers of this build, none twice. DLOP_OK;
 * DLOP_ERR_ARGUMENT with one line in reason_out (size bytes). Any thread. */
dlop_status dlop_device_choices_parse(const char *text, struct dlop_device_choices *choices_out,
                                      char *reason_out, size_t size) DLOP_MUST_USE;

#endif
