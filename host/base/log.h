/* Log of the library: level, component, one line of text.
 *
 * Levels and their volume: error - a call or a device failed, a few in a run; warn - something is
 * done in a worse way than asked for, once per object; info - one line per object opened or closed;
 * debug - a few lines per batch; trace - lines per record, compiled out unless DLOP_TRACE is
 * defined. Messages about single records go through dlop_log_limited, which lets a few per second
 * pass and says how many it dropped.
 *
 * DLOP_LOG=warn,run=debug sets the general level and the level of components. A component is the
 * folder that speaks: run, source, format, plan, driver.
 */
#ifndef DLOP_HOST_BASE_LOG_H
#define DLOP_HOST_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "driver/driver.h"
#include "host/include/dlop.h"

#define DLOP_LOG_MAX_COMPONENTS   16
#define DLOP_LOG_COMPONENT_BYTES  16
#define DLOP_LOG_LINE_BYTES       512
#define DLOP_LOG_LIMIT_PER_SECOND 5

struct dlop_log_component_level {
    char component[DLOP_LOG_COMPONENT_BYTES];
    int32_t level;
};

struct dlop_log_levels {
    int32_t general;
    uint32_t n_components;
    struct dlop_log_component_level component[DLOP_LOG_MAX_COMPONENTS];
};

/* Read "warn,run=debug". DLOP_OK; DLOP_ERR_ARGUMENT with one line in reason_out (size bytes, may be
 * null when size is 0), *levels_out unchanged. Any thread. */
dlop_status dlop_log_levels_parse(const char *text, struct dlop_log_levels *levels_out,
                                  char *reason_out, size_t size) DLOP_MUST_USE;

/* Whether a message would be written. The first call of a process reads DLOP_LOG. Any thread. */
bool dlop_log_is_on(int32_t level, const char *component);

/* Write one line; longer text is cut. Any thread, no lock is held while the callback runs. */
void dlop_log_write(int32_t level, const char *component, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* State of one place that reports single records: statically zeroed, one per place. */
struct dlop_log_limit {
    _Atomic uint64_t second;
    _Atomic uint32_t n_in_second;
    _Atomic uint32_t n_dropped;
};
/* Whether a message may pass now; *n_dropped_out is how many did not since the last that passed.
 * now_ns is a monotonic time. Any thread. */
bool dlop_log_limit_pass(struct dlop_log_limit *limit, uint64_t now_ns, uint32_t *n_dropped_out);
/* dlop_log_write through a limit; " (and N like it not shown)" is added after drops. Any thread. */
void dlop_log_limited(struct dlop_log_limit *limit, int32_t level, const char *component,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

#define dlop_log_error(component, ...) dlop_log_write(DLOP_LOG_ERROR, component, __VA_ARGS__)
#define dlop_log_warn(component, ...)  dlop_log_write(DLOP_LOG_WARN, component, __VA_ARGS__)
#define dlop_log_info(component, ...)  dlop_log_write(DLOP_LOG_INFO, component, __VA_ARGS__)
#define dlop_log_debug(component, ...) dlop_log_write(DLOP_LOG_DEBUG, component, __VA_ARGS__)

/* Arguments are still checked by the compiler where trace is off, but never evaluated. */
#ifdef DLOP_TRACE
#define DLOP_TRACE_IS_ON 1
#else
#define DLOP_TRACE_IS_ON 0
#endif
#define dlop_log_trace(component, ...)                                                             \
    do {                                                                                           \
        if (DLOP_TRACE_IS_ON)                                                                      \
            dlop_log_write(DLOP_LOG_TRACE, component, __VA_ARGS__);                                \
    } while (0)

/* One line about one record, at most DLOP_LOG_LIMIT_PER_SECOND per place and second. */
#define dlop_log_record(level, component, ...)                                                     \
    do {                                                                                           \
        static struct dlop_log_limit dlop_log_limit_here;                                          \
        if (dlop_log_is_on(level, component))                                                      \
            dlop_log_limited(&dlop_log_limit_here, level, component, __VA_ARGS__);                 \
    } while (0)

#endif
