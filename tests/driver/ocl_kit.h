/* What the tests of driver/ocl share: the machine's OpenCL, a listener, a scratch folder. */
#ifndef DLOP_TESTS_DRIVER_OCL_KIT_H
#define DLOP_TESTS_DRIVER_OCL_KIT_H

#include "driver/ocl/device.h"
#include "driver/ocl/ocl.h"
#include "driver/ocl/program.h"
#include "tests/driver/kit.h"

/* The real table of functions, with a device behind it; null: there is none, and "SKIP ocl: why"
 * was printed. */
const struct dlop_ocl_api *ocl_api(void);

/* GetDeviceInfo of the real table, but one question of a number of 64 bits has another answer. */
struct ocl_answer {
    const struct dlop_ocl_api *real;
    cl_device_info what;
    cl_ulong value;
};
extern struct ocl_answer ocl_answer;
cl_int CL_API_CALL ocl_device_info(cl_device_id device, cl_device_info what, size_t size,
                                   void *value, size_t *size_out);

/* Events of a device. */
struct ocl_heard {
    pthread_mutex_t lock;
    uint32_t n_lost, n_notes;
    dlop_status lost_status;
    char text[8192]; /* all of them, a line each */
};
#define OCL_HEARD_INIT                                                                             \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER                                                          \
    }
void ocl_hear(void *cookie, const struct dlop_device_event *event);

/* A source whose kernels do nothing: built in a fraction of a second. */
extern const char ocl_tiny_source[];

/* Open with this table and source; heard and settings may be null. */
dlop_status ocl_open_with(const struct dlop_ocl_api *api, const char *source,
                          const char *cache_folder, const char *settings, struct ocl_heard *heard,
                          struct dlop_device **device_out);

/* A new empty folder below the temporary folder, and its end with all that is in it. */
void ocl_scratch_make(char path_out[64]);
void ocl_scratch_remove(const char *path);

#endif
