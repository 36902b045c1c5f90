/* The OpenCL library: see api.h. The only file that opens it or knows where its drivers are. */
#include "driver/ocl/api.h"

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OCL_VENDOR_FOLDER "/etc/OpenCL/vendors"
#define OCL_INSTALL       "install ocl-icd-libopencl1"

dlop_status dlop_ocl_api_open(const char *library, struct dlop_ocl_api *api_out, char *reason_out,
                              size_t size)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);

    if (!handle) {
        snprintf(reason_out, size, "no %s: %s", library, OCL_INSTALL);
        return DLOP_ERR_NO_LIBRARY;
    }
#define OCL_FIND(name)                                                                             \
    *(void **)&api_out->name = dlsym(handle, "cl" #name);                                          \
    if (!api_out->name) {                                                                          \
        snprintf(reason_out, size, "%s has no cl" #name ": %s", library, OCL_INSTALL);             \
        dlclose(handle);                                                                           \
        return DLOP_ERR_NO_LIBRARY;                                                                \
    }
    DLOP_OCL_FUNCTIONS(OCL_FIND)
#undef OCL_FIND
    return DLOP_OK;
}

/* ---- what is registered: names of libraries, which nobody opens here ---- */

typedef bool icd_test(const char *library);

static const char *vendors_place(void)
{
    const char *vendors = getenv("OCL_ICD_VENDORS");

    return vendors && *vendors ? vendors : OCL_VENDOR_FOLDER;
}

/* An ICD file names a library in its first line; "" where it cannot be read. */
static bool icd_file_passes(const char *path, icd_test *test)
{
    char line[512] = "";
    FILE *file = fopen(path, "re");

    if (file && !fgets(line, sizeof line, file))
        line[0] = '\0';
    if (file)
        fclose(file);
    return test(line);
}

/* How many libraries of a folder pass the test; -1 where there is no such folder. */
static int count_icds(const char *folder, icd_test *test)
{
    DIR *entries = opendir(folder);
    struct dirent *entry;
    int n = 0;

    if (!entries)
        return -1;
    while ((entry = readdir(entries))) {
        size_t length = strlen(entry->d_name);
        char path[4096];

        if (length < 5 || strcmp(entry->d_name + length - 4, ".icd") != 0)
            continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path)
            path[0] = '\0';
        n += icd_file_passes(path, test);
    }
    closedir(entries);
    return n;
}

static bool is_xilinx(const char *library)
{
    return strcasestr(library, "xilinx") != NULL;
}

dlop_status dlop_ocl_icd_check(char *reason_out, size_t size)
{
    const char *vendors = vendors_place(), *files = getenv("OCL_ICD_FILENAMES");
    const char *xrt = getenv("XILINX_XRT");
    bool has_xilinx;

    if (xrt && *xrt)
        return DLOP_OK;
    has_xilinx = count_icds(vendors, is_xilinx) > 0 || icd_file_passes(vendors, is_xilinx) ||
                 is_xilinx(vendors) || (files && is_xilinx(files));
    if (!has_xilinx)
        return DLOP_OK;
    snprintf(reason_out, size,
             "Xilinx's OpenCL is registered but XILINX_XRT is not set, it would "
             "end the process: source XRT's setup.sh");
    return DLOP_ERR_NO_LIBRARY;
}

/* Not a library of which it is known that it has none. PoCL's: with its settings left alone. */
static bool may_have_card(const char *library)
{
    static const char *const without[] = {
        "libpocl.so",                                /* the processor, GPUs */
        "libintelocl.so",                            /* the processor */
        "libnvidia-opencl.so",                       /* GPUs, as the next four */
        "libamdocl64.so",                            /* AMD */
        "libigdrcl.so",                              /* Intel */
        "libMesaOpenCL.so",                          /* Mesa, as the next */
        "libRusticlOpenCL.so", "libxilinxopencl.so", /* cards that driver/xrt runs */
    };
    const char *slash = strrchr(library, '/'), *name = slash ? slash + 1 : library;

    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++)
        if (!strncmp(name, without[i], strlen(without[i])))
            return false;
    return true;
}

bool dlop_ocl_may_have_card(void)
{
    /* With these set, others may be loaded than those in the folder, or they may have more. */
    static const char *const changing[] = {"OPENCL_VENDOR_PATH", "OCL_ICD_FILENAMES",
                                           "POCL_DEVICES"};

    for (size_t i = 0; i < sizeof changing / sizeof changing[0]; i++)
        if (getenv(changing[i]))
            return true;
    return count_icds(vendors_place(), may_have_card) != 0;
}

/* ---- the process's table ---- */

static pthread_mutex_t process_lock = PTHREAD_MUTEX_INITIALIZER;
static struct dlop_ocl_api process_api;
static pid_t process_owner; /* who opened it; 0: nobody yet */

dlop_status dlop_ocl_api_get(const struct dlop_ocl_api **api_out, char *reason_out, size_t size)
{
    dlop_status status = DLOP_OK;
    pid_t self = getpid();

    pthread_mutex_lock(&process_lock);
    if (process_owner && process_owner != self) {
        snprintf(reason_out, size,
                 "OpenCL was in use before this process was forked: open the "
                 "device in one process only");
        status = DLOP_ERR_STATE;
    }
    if (status == DLOP_OK)
        status = dlop_ocl_icd_check(reason_out, size);
    if (status == DLOP_OK && !process_owner) {
        status = dlop_ocl_api_open(DLOP_OCL_LIBRARY, &process_api, reason_out, size);
        if (status == DLOP_OK)
            process_owner = self;
    }
    pthread_mutex_unlock(&process_lock);
    if (status == DLOP_OK)
        *api_out = &process_api;
    return status;
}

/* ---- names of errors ---- */

/* X(error) */
#define OCL_ERRORS(X)                                                                              \
    X(CL_DEVICE_NOT_FOUND)                                                                         \
    X(CL_DEVICE_NOT_AVAILABLE)                                                                     \
    X(CL_COMPILER_NOT_AVAILABLE)                                                                   \
    X(CL_MEM_OBJECT_ALLOCATION_FAILURE)                                                            \
    X(CL_OUT_OF_RESOURCES)                                                                         \
    X(CL_OUT_OF_HOST_MEMORY)                                                                       \
    X(CL_BUILD_PROGRAM_FAILURE)                                                                    \
    X(CL_MAP_FAILURE)                                                                              \
    X(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)                                                \
    X(CL_INVALID_VALUE)                                                                            \
    X(CL_INVALID_CONTEXT)                                                                          \
    X(CL_INVALID_COMMAND_QUEUE)                                                                    \
    X(CL_INVALID_MEM_OBJECT)                                                                       \
    X(CL_INVALID_BINARY)                                                                           \
    X(CL_INVALID_BUILD_OPTIONS)                                                                    \
    X(CL_INVALID_PROGRAM_EXECUTABLE)                                                               \
    X(CL_INVALID_KERNEL_NAME)                                                                      \
    X(CL_INVALID_KERNEL_ARGS)                                                                      \
    X(CL_INVALID_WORK_GROUP_SIZE)                                                                  \
    X(CL_INVALID_BUFFER_SIZE)

const char *dlop_ocl_error_name(cl_int error)
{
    static const struct {
        cl_int error;
        const char *name;
    } names[] = {
#define OCL_NAME(error) {error, #error},
        OCL_ERRORS(OCL_NAME)
#undef OCL_NAME
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].error == error)
            return names[i].name;
    return "error";
}
