/* The C entry points of XRT as one table: the only place that includes XRT's headers. */
#ifndef DLOP_DRIVER_XRT_PROGRAM_API_H
#define DLOP_DRIVER_XRT_PROGRAM_API_H

#include <ert.h>
#include <xrt/xrt_bo.h>
#include <xrt/xrt_device.h>
#include <xrt/xrt_kernel.h>

#define DLOP_XRT_API(X)                                                                            \
    X(xrtDeviceOpen)                                                                               \
    X(xrtDeviceClose)                                                                              \
    X(xrtDeviceLoadXclbinFile)                                                                     \
    X(xrtDeviceGetXclbinUUID)                                                                      \
    X(xrtPLKernelOpen)                                                                             \
    X(xrtKernelClose)                                                                              \
    X(xrtKernelArgGroupId)                                                                         \
    X(xrtBOAlloc)                                                                                  \
    X(xrtBOAllocUserPtr)                                                                           \
    X(xrtBOFree)                                                                                   \
    X(xrtBOMap)                                                                                    \
    X(xrtBOSync)                                                                                   \
    X(xrtRunOpen)                                                                                  \
    X(xrtRunSetArg)                                                                                \
    X(xrtRunStart)                                                                                 \
    X(xrtRunState)                                                                                 \
    X(xrtRunWait)                                                                                  \
    X(xrtRunClose)

struct dlop_xrt_api {
#define DLOP_XRT_MEMBER(name) __typeof__(name) *name;
    DLOP_XRT_API(DLOP_XRT_MEMBER)
#undef DLOP_XRT_MEMBER
};

/* Load the library and fill the table; it stays loaded. Null, or why not: text valid until the next
 * call. Calls nothing of the library. */
const char *dlop_xrt_api_load(const char *library, struct dlop_xrt_api *api_out);

#endif
