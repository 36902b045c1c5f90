/* The ports of a kernel for synthesis: one register for each scalar, one memory port for each
 * buffer, whose address is a register, too. All made from the argument table of top.h, so that none
 * can be forgotten.
 *
 * Buffers that are used little share one memory interface (bundle): shells have about 32 for all
 * units together. Ports are bytes in the source; a tool widens sequential accesses up to
 * max_widen_bitwidth. The host aligns buffers to 4096 bytes. depth: what a co-simulation of the
 * benches in tests/top needs of the largest buffer.
 */
#ifndef DLOP_HW_TOP_PORTS_H
#define DLOP_HW_TOP_PORTS_H

#include "hw/top/top.h"

#define DLOP_TOP_COSIM_BYTES 2097152

#define DLOP_TOP_BUNDLE_in          bytes_in
#define DLOP_TOP_BUNDLE_out         bytes_out
#define DLOP_TOP_BUNDLE_scratch     bytes_between
#define DLOP_TOP_BUNDLE_constants   records
#define DLOP_TOP_BUNDLE_jobs        records
#define DLOP_TOP_BUNDLE_completions records

#define DLOP_TOP_REGISTER(name) DLOP_HLS(INTERFACE s_axilite port = name bundle = control)
#define DLOP_TOP_MEMORY(name)                                                                      \
    DLOP_HLS(INTERFACE m_axi port = name bundle = DLOP_TOP_BUNDLE_##name offset =                  \
                 slave max_widen_bitwidth = 512 num_read_outstanding = 32 depth =                  \
                     DLOP_TOP_COSIM_BYTES)

#define DLOP_TOP_PORT_0(name) DLOP_TOP_REGISTER(name)
#define DLOP_TOP_PORT_1(name)                                                                      \
    DLOP_TOP_MEMORY(name)                                                                          \
    DLOP_TOP_REGISTER(name)
#define DLOP_TOP_PORT(type, name, is_buffer) DLOP_TOP_PORT_##is_buffer(name)

/* First thing in a kernel's body. */
#define DLOP_TOP_PORTS                                                                             \
    DLOP_TOP_ARGUMENTS(DLOP_TOP_PORT)                                                              \
    DLOP_TOP_REGISTER(return )

#endif
