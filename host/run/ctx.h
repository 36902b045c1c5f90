/* One device with its driver, shared by plans, sources and loaders opened from it. Several devices
 * are one through driver/group. */
#ifndef DLOP_HOST_RUN_CTX_H
#define DLOP_HOST_RUN_CTX_H

#include <pthread.h>

#include "driver/driver.h"
#include "host/include/dlop.h"

#define DLOP_CTX_MAX_EVENTS 64 /* kinds of events that are told apart */

/* Events of one device, one kind and one status. */
struct dlop_ctx_event {
    char device[40];
    char text[128]; /* of the first */
    dlop_status status;
    uint32_t kind; /* enum dlop_device_event_kind */
    uint64_t count, n_records;
};

struct dlop_ctx {
    const struct dlop_driver *driver;
    struct dlop_device *device;
    struct dlop_ctx_cfg cfg;
    char name[256]; /* "cpu", "sim,cpu" */
    bool is_group;
    char *settings[15]; /* of members, copied: a script may change its environment */
    uint32_t n_settings;
    pthread_mutex_t lock; /* of the events */
    uint32_t n_events;
    struct dlop_ctx_event events[DLOP_CTX_MAX_EVENTS];
};

/* "lost", "replayed", ...: enum dlop_device_event_kind. Any thread. */
const char *dlop_device_event_name(uint32_t kind);

#endif
