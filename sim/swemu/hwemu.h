/* What hardware emulation needs beside the calls of software emulation. */
#ifndef DLOP_SIM_SWEMU_HWEMU_H
#define DLOP_SIM_SWEMU_HWEMU_H

#include "sim/swemu/calls.h"

/* More calls: raw access to memory, counters, time. */
extern const struct dlop_swemu_call dlop_swemu_hwemu_calls[];
extern const uint32_t dlop_swemu_n_hwemu_calls;

/* Tell the host's listener at the end of a second socket to stop; it would spin otherwise. */
void dlop_swemu_hwemu_stop_listener(int socket);

#endif
