/* OpenCL devices: see find.h. What a device must have is one table (needs). */
#include "driver/ocl/find.h"

#include <stdio.h>
#include <string.h>

#define MAX_PLATFORMS 16
#define MAX_DEVICES   64

/* Xilinx's devices are driver/xrt's business. */
#define XILINX_PLATFORM "Xilinx"

/* ---- what a device says ---- */

static cl_ulong ask_number(const struct dlop_ocl_api *api, cl_device_id device, cl_device_info what)
{
    cl_ulong value = 0; /* little-endian, so that a shorter answer fills the low bytes */

    return api->GetDeviceInfo(device, what, sizeof value, &value, NULL) == CL_SUCCESS ? value : 0;
}

static void ask_text(const struct dlop_ocl_api *api, cl_device_id device, cl_device_info what,
                     char text[DLOP_OCL_TEXT_BYTES])
{
    char whole[2048] = "";

    if (api->GetDeviceInfo(device, what, sizeof whole - 1, whole, NULL) != CL_SUCCESS)
        whole[0] = '\0';
    snprintf(text, DLOP_OCL_TEXT_BYTES, "%.*s", DLOP_OCL_TEXT_BYTES - 1, whole);
}

static void ask_platform(const struct dlop_ocl_api *api, cl_platform_id platform,
                         cl_platform_info what, char text[DLOP_OCL_TEXT_BYTES])
{
    char whole[2048] = "";

    if (api->GetPlatformInfo(platform, what, sizeof whole - 1, whole, NULL) != CL_SUCCESS)
        whole[0] = '\0';
    snprintf(text, DLOP_OCL_TEXT_BYTES, "%.*s", DLOP_OCL_TEXT_BYTES - 1, whole);
}

/* ---- what it must have ---- */

static bool has_version(const struct dlop_ocl_api *api, cl_device_id device)
{
    char version[DLOP_OCL_TEXT_BYTES];
    unsigned major = 0, minor = 0;

    ask_text(api, device, CL_DEVICE_VERSION, version);
    return sscanf(version, "OpenCL %u.%u", &major, &minor) == 2 && 10 * major + minor >= 12;
}

/* The embedded profile may lack 64-bit integers. */
static bool has_full_profile(const struct dlop_ocl_api *api, cl_device_id device)
{
    char profile[DLOP_OCL_TEXT_BYTES];

    ask_text(api, device, CL_DEVICE_PROFILE, profile);
    return !strcmp(profile, "FULL_PROFILE");
}

static bool is_available(const struct dlop_ocl_api *api, cl_device_id device)
{
    return ask_number(api, device, CL_DEVICE_AVAILABLE) != 0;
}

static bool has_compiler(const struct dlop_ocl_api *api, cl_device_id device)
{
    return ask_number(api, device, CL_DEVICE_COMPILER_AVAILABLE) != 0;
}

/* Records are little-endian, and read as such; what the host copies is not converted. */
static bool is_little_endian(const struct dlop_ocl_api *api, cl_device_id device)
{
    return ask_number(api, device, CL_DEVICE_ENDIAN_LITTLE) != 0;
}

static const struct {
    bool (*is_met)(const struct dlop_ocl_api *api, cl_device_id device);
    const char *text;
} needs[] = {
    {is_available, "is not available"},
    {has_version, "has no OpenCL 1.2"},
    {has_full_profile, "has only the embedded profile"},
    {has_compiler, "has no compiler"},
    {is_little_endian, "is big-endian"},
};

/* Whether the kernels can run there; else why not, in reason_out. */
static bool is_usable(const struct dlop_ocl_api *api, cl_device_id device, char *reason_out,
                      size_t size)
{
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        char name[DLOP_OCL_TEXT_BYTES];

        if (needs[i].is_met(api, device))
            continue;
        ask_text(api, device, CL_DEVICE_NAME, name);
        snprintf(reason_out, size, "OpenCL device %.60s %s", name, needs[i].text);
        return false;
    }
    return true;
}

/* ---- all of them ---- */

static bool is_of_type(const struct dlop_ocl_api *api, cl_device_id device, cl_device_type type)
{
    return (ask_number(api, device, CL_DEVICE_TYPE) & type) != 0;
}

static void describe(const struct dlop_ocl_api *api, cl_platform_id platform, cl_device_id device,
                     struct dlop_ocl_found *found_out)
{
    *found_out = (struct dlop_ocl_found){
        .platform = platform,
        .device = device,
        .is_cpu = is_of_type(api, device, CL_DEVICE_TYPE_CPU),
        .is_gpu = is_of_type(api, device, CL_DEVICE_TYPE_GPU),
        .is_unified = ask_number(api, device, CL_DEVICE_HOST_UNIFIED_MEMORY) != 0,
        .n_units = (uint32_t)ask_number(api, device, CL_DEVICE_MAX_COMPUTE_UNITS),
        .max_buffer_bytes = ask_number(api, device, CL_DEVICE_MAX_MEM_ALLOC_SIZE),
        .memory_bytes = ask_number(api, device, CL_DEVICE_GLOBAL_MEM_SIZE)};
    ask_text(api, device, CL_DEVICE_NAME, found_out->name);
    ask_text(api, device, CL_DRIVER_VERSION, found_out->driver_version);
    ask_platform(api, platform, CL_PLATFORM_NAME, found_out->platform_name);
    ask_platform(api, platform, CL_PLATFORM_VERSION, found_out->platform_version);
}

/* A search over all platforms: what is wanted, and what was found so far. */
struct search {
    const struct dlop_ocl_api *api;
    uint32_t index;
    uint32_t n_devices;
    bool is_for_cpus; /* this turn counts processors, or all others */
    bool is_found;
    struct dlop_ocl_found *found_out;
    char *reason_out;
    size_t size;
};

static void search_platform(struct search *search, cl_platform_id platform)
{
    const struct dlop_ocl_api *api = search->api;
    cl_device_id devices[MAX_DEVICES];
    char name[DLOP_OCL_TEXT_BYTES];
    cl_uint n_here = 0;

    ask_platform(api, platform, CL_PLATFORM_NAME, name);
    if (strstr(name, XILINX_PLATFORM) ||
        api->GetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, MAX_DEVICES, devices, &n_here) !=
            CL_SUCCESS)
        return;
    for (cl_uint i = 0; i < n_here && i < MAX_DEVICES; i++) {
        if (is_of_type(api, devices[i], CL_DEVICE_TYPE_CPU) != search->is_for_cpus ||
            !is_usable(api, devices[i], search->reason_out, search->size))
            continue;
        if (search->n_devices == search->index) {
            describe(api, platform, devices[i], search->found_out);
            search->is_found = true;
        }
        search->n_devices++;
    }
}

dlop_status dlop_ocl_find(const struct dlop_ocl_api *api, uint32_t index,
                          struct dlop_ocl_found *found_out, uint32_t *n_devices_out,
                          char *reason_out, size_t size)
{
    struct search search = {
        .api = api, .index = index, .found_out = found_out, .reason_out = reason_out, .size = size};
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint n_platforms = 0;

    snprintf(reason_out, size,
             "no OpenCL platform with a device: install pocl-opencl-icd, or the "
             "OpenCL driver of your device");
    if (api->GetPlatformIDs(MAX_PLATFORMS, platforms, &n_platforms) != CL_SUCCESS)
        n_platforms = 0;
    for (uint32_t turn = 0; turn < 2; turn++) {
        search.is_for_cpus = turn == 1;
        for (cl_uint i = 0; i < n_platforms && i < MAX_PLATFORMS; i++)
            search_platform(&search, platforms[i]);
    }
    *n_devices_out = search.n_devices;
    if (search.is_found)
        return DLOP_OK;
    if (search.n_devices)
        snprintf(reason_out, size, "there are %u OpenCL devices, counted from 0", search.n_devices);
    return DLOP_ERR_NO_DEVICE;
}
