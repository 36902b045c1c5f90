/* The drivers of this build, completed so that callers never test a slot for null.
 *
 * One array is the only list; its order is the order of preference. The completed copies are made
 * once, at the first question, and never change afterwards.
 * Not here: opening devices (each driver), choosing one (host/plan).
 */
#include "driver/registry.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "driver/cpu/cpu.h"
#include "driver/ocl/ocl.h"
#include "driver/sim/sim.h"
#include "driver/xrt/xrt.h"

static const struct dlop_driver *const known_drivers[] = {
    &dlop_xrt_driver,
    &dlop_cpu_driver,
    &dlop_ocl_driver,
    &dlop_sim_driver,
};
#define N_DRIVERS (sizeof known_drivers / sizeof known_drivers[0])

static struct dlop_driver drivers[N_DRIVERS];
static pthread_once_t drivers_once = PTHREAD_ONCE_INIT;

static dlop_status no_alloc(struct dlop_device *device, size_t size_bytes,
                            struct dlop_buffer *buffer_out)
{
    (void)device, (void)size_bytes, (void)buffer_out;
    return DLOP_ERR_UNSUPPORTED;
}

static dlop_status no_wrap(struct dlop_device *device, void *host, size_t size_bytes,
                           struct dlop_buffer *buffer_out)
{
    (void)device, (void)host, (void)size_bytes, (void)buffer_out;
    return DLOP_ERR_UNSUPPORTED;
}

static void no_free(struct dlop_device *device, struct dlop_buffer *buffer)
{
    (void)device;
    if (buffer)
        *buffer = (struct dlop_buffer){0};
}

static dlop_status no_transfer(struct dlop_device *device, struct dlop_buffer *buffer,
                               size_t offset, size_t n_bytes)
{
    (void)device, (void)buffer, (void)offset, (void)n_bytes;
    return DLOP_ERR_UNSUPPORTED;
}

static bool always_may(void)
{
    return true;
}

static dlop_status no_probe(struct dlop_device_info *info_out)
{
    (void)info_out;
    return DLOP_ERR_UNSUPPORTED;
}

static dlop_status no_open(const struct dlop_device_cfg *cfg, struct dlop_device **device_out)
{
    (void)cfg, (void)device_out;
    return DLOP_ERR_UNSUPPORTED;
}

static void no_close(struct dlop_device **device)
{
    if (device)
        *device = NULL;
}

static dlop_status no_accepts(struct dlop_device *device, const struct dlop_job *job,
                              char *reason_out, size_t size)
{
    (void)device, (void)job;
    if (reason_out && size)
        snprintf(reason_out, size, "this driver cannot say which jobs it runs");
    return DLOP_ERR_UNSUPPORTED;
}

static dlop_status no_submit(struct dlop_device *device, struct dlop_launch *launch)
{
    (void)device, (void)launch;
    return DLOP_ERR_UNSUPPORTED;
}

static uint32_t no_units(const struct dlop_device *device)
{
    (void)device;
    return 0;
}

void dlop_driver_fill_empty_slots(struct dlop_driver *driver)
{
#define FILL(slot, function)                                                                       \
    if (!driver->slot)                                                                             \
    driver->slot = function
    FILL(memory.alloc, no_alloc);
    FILL(memory.wrap, no_wrap);
    FILL(memory.free, no_free);
    FILL(memory.to_device, no_transfer);
    FILL(memory.from_device, no_transfer);
    FILL(may_be_automatic, always_may);
    FILL(probe, no_probe);
    FILL(open, no_open);
    FILL(close, no_close);
    FILL(accepts, no_accepts);
    FILL(submit, no_submit);
    FILL(n_units, no_units);
#undef FILL
}

static void complete_drivers(void)
{
    for (size_t i = 0; i < N_DRIVERS; i++) {
        drivers[i] = *known_drivers[i];
        dlop_driver_fill_empty_slots(&drivers[i]);
    }
}

const struct dlop_driver *dlop_driver_at(uint32_t index)
{
    pthread_once(&drivers_once, complete_drivers);
    return index < N_DRIVERS ? &drivers[index] : NULL;
}

const struct dlop_driver *dlop_driver_get(const char *name)
{
    const struct dlop_driver *driver;

    for (uint32_t i = 0; name && (driver = dlop_driver_at(i)); i++)
        if (!strcmp(driver->name, name))
            return driver;
    return NULL;
}
