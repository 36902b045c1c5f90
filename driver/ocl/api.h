/* The OpenCL library as a table of function pointers.
 *
 * libOpenCL.so.1, the ICD loader, is opened when somebody first asks, and stays: its platforms have
 * threads of their own. Nothing else in this folder calls OpenCL but through a table, so a test may
 * hand in one of its own.
 */
#ifndef DLOP_DRIVER_OCL_API_H
#define DLOP_DRIVER_OCL_API_H

#include <stdbool.h>
#include <stddef.h>

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include "driver/driver.h"

#define DLOP_OCL_LIBRARY "libOpenCL.so.1"

/* X(function without its cl) */
#define DLOP_OCL_FUNCTIONS(X)                                                                      \
    X(GetPlatformIDs)                                                                              \
    X(GetPlatformInfo)                                                                             \
    X(GetDeviceIDs)                                                                                \
    X(GetDeviceInfo)                                                                               \
    X(CreateContext)                                                                               \
    X(ReleaseContext)                                                                              \
    X(CreateCommandQueue)                                                                          \
    X(ReleaseCommandQueue)                                                                         \
    X(CreateProgramWithSource)                                                                     \
    X(CreateProgramWithBinary)                                                                     \
    X(BuildProgram)                                                                                \
    X(GetProgramInfo)                                                                              \
    X(GetProgramBuildInfo)                                                                         \
    X(ReleaseProgram)                                                                              \
    X(CreateKernel)                                                                                \
    X(SetKernelArg)                                                                                \
    X(ReleaseKernel)                                                                               \
    X(CreateBuffer)                                                                                \
    X(ReleaseMemObject)                                                                            \
    X(EnqueueWriteBuffer)                                                                          \
    X(EnqueueReadBuffer)                                                                           \
    X(EnqueueMapBuffer)                                                                            \
    X(EnqueueUnmapMemObject)                                                                       \
    X(EnqueueNDRangeKernel)                                                                        \
    X(SetEventCallback)                                                                            \
    X(GetEventInfo)                                                                                \
    X(GetEventProfilingInfo)                                                                       \
    X(ReleaseEvent)                                                                                \
    X(Flush)                                                                                       \
    X(Finish)

struct dlop_ocl_api {
#define DLOP_OCL_MEMBER(name) __typeof__(&cl##name) name;
    DLOP_OCL_FUNCTIONS(DLOP_OCL_MEMBER)
#undef DLOP_OCL_MEMBER
};

/* Open a library and fill the table. DLOP_OK; DLOP_ERR_NO_LIBRARY: it or one of its functions is
 * not there, reason_out (size bytes) says what and what to install. */
DLOP_MUST_USE dlop_status dlop_ocl_api_open(const char *library, struct dlop_ocl_api *api_out,
                                            char *reason_out, size_t size);

/* The process's table of DLOP_OCL_LIBRARY. Besides the statuses of dlop_ocl_api_open:
 * DLOP_ERR_NO_LIBRARY where asking for platforms would end the process (see dlop_ocl_icd_check);
 * DLOP_ERR_STATE in a process that was forked from one which had opened the library already, since
 * the threads of its platforms are not here. Any thread. */
DLOP_MUST_USE dlop_status dlop_ocl_api_get(const struct dlop_ocl_api **api_out, char *reason_out,
                                           size_t size);

/* Xilinx's OpenCL aborts the process in clGetPlatformIDs where XILINX_XRT is not set. Whether no
 * such driver is registered, or the variable is set: DLOP_OK, else DLOP_ERR_NO_LIBRARY and why.
 * Looks where the ICD loader looks: OCL_ICD_VENDORS, OCL_ICD_FILENAMES, /etc/OpenCL/vendors. */
DLOP_MUST_USE dlop_status dlop_ocl_icd_check(char *reason_out, size_t size);

/* Whether one of the registered drivers might have a device that is neither a processor nor a GPU
 * nor Xilinx's, known by the names of their libraries; true where that is not known. */
bool dlop_ocl_may_have_card(void);

/* Name of an error of OpenCL, "CL_OUT_OF_RESOURCES"; "error" where it has none here. */
const char *dlop_ocl_error_name(cl_int error);

#endif
