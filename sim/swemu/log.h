/* What the device process says: one line each on standard error, which is the host program's. */
#ifndef DLOP_SIM_SWEMU_LOG_H
#define DLOP_SIM_SWEMU_LOG_H

/* Any thread. */
__attribute__((format(printf, 1, 2))) void dlop_swemu_log(const char *format, ...);

#endif
