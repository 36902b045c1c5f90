/* The kernels' program: see program.h.
 *
 * The key of a cache entry is everything that the binary depends on: platform, device, driver
 * versions, options, and the whole source. A binary that the driver refuses is built anew and
 * replaced.
 */
#include "driver/ocl/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driver/ocl/cache.h"

#define BUILD_OPTIONS "-cl-std=CL1.2"

/* Lines of a build log that are reported. */
#define LOG_LINES 6

const char *const dlop_ocl_kernel_names[DLOP_OCL_KERNEL_COUNT] = {
#define KERNEL_NAME(name, kinds) #name,
    DLOP_TOP_KERNELS(KERNEL_NAME)
#undef KERNEL_NAME
};

/* ---- build ---- */

static void report_log_lines(const struct dlop_device *device, char *log)
{
    char *rest = log, *line;

    for (uint32_t i = 0; i < LOG_LINES && (line = strtok_r(rest, "\r\n", &rest)); i++)
        dlop_ocl_report(&device->cfg, DLOP_DEVICE_NOTE, DLOP_ERR_DEVICE_FAULT, 0, "build log: %s",
                        line);
}

static void report_build_error(const struct dlop_device *device, cl_program program, cl_int error)
{
    const struct dlop_ocl_api *api = device->api;
    size_t n_bytes = 0;
    char *log;

    dlop_ocl_report(&device->cfg, DLOP_DEVICE_NOTE, DLOP_ERR_DEVICE_FAULT, 0,
                    "%s does not build the kernels: %s (%d)", device->found.name,
                    dlop_ocl_error_name(error), error);
    if (api->GetProgramBuildInfo(program, device->found.device, CL_PROGRAM_BUILD_LOG, 0, NULL,
                                 &n_bytes) != CL_SUCCESS)
        return;
    log = calloc(1, n_bytes + 1);
    if (log && api->GetProgramBuildInfo(program, device->found.device, CL_PROGRAM_BUILD_LOG,
                                        n_bytes, log, NULL) == CL_SUCCESS)
        report_log_lines(device, log);
    free(log);
}

static dlop_status build_from_source(struct dlop_device *device, const struct dlop_ocl_parts *parts)
{
    const struct dlop_ocl_api *api = device->api;
    cl_program program;
    cl_int error;

    program = api->CreateProgramWithSource(device->context, 1, (const char *[]){parts->source},
                                           &parts->source_bytes, &error);
    if (!program)
        return dlop_ocl_fail(device, "kernels", "clCreateProgramWithSource", error);
    error = api->BuildProgram(program, 1, &device->found.device, BUILD_OPTIONS, NULL, NULL);
    if (error != CL_SUCCESS) {
        report_build_error(device, program, error);
        api->ReleaseProgram(program);
        return error == CL_OUT_OF_HOST_MEMORY ? DLOP_ERR_NO_MEMORY : DLOP_ERR_DEVICE_FAULT;
    }
    device->program = program;
    return DLOP_OK;
}

/* Whether the driver takes the binary. */
static bool build_from_binary(struct dlop_device *device, const struct dlop_ocl_bytes *binary)
{
    const struct dlop_ocl_api *api = device->api;
    const unsigned char *bytes = (const unsigned char *)binary->bytes;
    cl_int error, binary_error;
    cl_program program;

    program = api->CreateProgramWithBinary(device->context, 1, &device->found.device,
                                           &binary->n_bytes, &bytes, &binary_error, &error);
    if (!program)
        return false;
    if (binary_error != CL_SUCCESS || api->BuildProgram(program, 1, &device->found.device,
                                                        BUILD_OPTIONS, NULL, NULL) != CL_SUCCESS) {
        api->ReleaseProgram(program);
        return false;
    }
    device->program = program;
    return true;
}

/* ---- cache ---- */

/* The caller frees key_out->bytes. */
static dlop_status make_key(const struct dlop_device *device, const struct dlop_ocl_parts *parts,
                            struct dlop_ocl_bytes *key_out)
{
    const struct dlop_ocl_found *found = &device->found;
    char head[5 * DLOP_OCL_TEXT_BYTES];
    int n_head =
        snprintf(head, sizeof head, "%s\n%s\n%s\n%s\n%s\n", found->platform_name,
                 found->platform_version, found->name, found->driver_version, BUILD_OPTIONS);
    size_t n_bytes = (size_t)n_head + parts->source_bytes;

    *key_out = (struct dlop_ocl_bytes){malloc(n_bytes), n_bytes};
    if (!key_out->bytes)
        return DLOP_ERR_NO_MEMORY;
    memcpy(key_out->bytes, head, (size_t)n_head);
    memcpy(key_out->bytes + n_head, parts->source, parts->source_bytes);
    return DLOP_OK;
}

/* Keep the built program. A failure costs the next process a build, no more. */
static void store_binary(const struct dlop_device *device, const char *folder,
                         const struct dlop_ocl_bytes *key)
{
    const struct dlop_ocl_api *api = device->api;
    struct dlop_ocl_bytes binary = {0};
    unsigned char *bytes;

    if (api->GetProgramInfo(device->program, CL_PROGRAM_BINARY_SIZES, sizeof binary.n_bytes,
                            &binary.n_bytes, NULL) != CL_SUCCESS ||
        !binary.n_bytes)
        return;
    bytes = malloc(binary.n_bytes);
    binary.bytes = (char *)bytes;
    if (bytes &&
        api->GetProgramInfo(device->program, CL_PROGRAM_BINARIES, sizeof bytes, &bytes, NULL) ==
            CL_SUCCESS &&
        dlop_ocl_cache_write(folder, key, &binary) != DLOP_OK)
        dlop_ocl_report(&device->cfg, DLOP_DEVICE_NOTE, DLOP_OK, 0,
                        "compiled kernels cannot be kept in %s", folder);
    free(bytes);
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Build, tell how long it took, and keep what was made (key->bytes is null: do not). */
static dlop_status build_and_keep(struct dlop_device *device, const struct dlop_ocl_parts *parts,
                                  const struct dlop_ocl_bytes *key)
{
    double begin = seconds();
    dlop_status status = build_from_source(device, parts);

    if (status != DLOP_OK)
        return status;
    if (key->bytes)
        store_binary(device, parts->cache_folder, key);
    dlop_ocl_report(&device->cfg, DLOP_DEVICE_NOTE, DLOP_OK, 0,
                    "compiled the kernels for %s in %.1f s%s", device->found.name,
                    seconds() - begin, key->bytes ? "" : ", without a cache");
    return DLOP_OK;
}

dlop_status dlop_ocl_program_build(struct dlop_device *device, const struct dlop_ocl_parts *parts)
{
    struct dlop_ocl_bytes key = {0}, binary = {0};
    dlop_status status = DLOP_OK;
    bool is_built = false;

    if (parts->cache_folder)
        status = make_key(device, parts, &key);
    if (key.bytes && dlop_ocl_cache_read(parts->cache_folder, &key, &binary) == DLOP_OK)
        is_built = build_from_binary(device, &binary);
    if (status == DLOP_OK && !is_built)
        status = build_and_keep(device, parts, &key);
    free(binary.bytes);
    free(key.bytes);
    return status;
}

dlop_status dlop_ocl_kernel_create(struct dlop_device *device, uint32_t kernel,
                                   cl_kernel *kernel_out)
{
    cl_int error;

    *kernel_out = device->api->CreateKernel(device->program, dlop_ocl_kernel_names[kernel], &error);
    if (*kernel_out)
        return DLOP_OK;
    dlop_ocl_report(&device->cfg, DLOP_DEVICE_NOTE, DLOP_ERR_DEVICE_FAULT, 0,
                    "kernel %s: clCreateKernel: %s (%d)", dlop_ocl_kernel_names[kernel],
                    dlop_ocl_error_name(error), error);
    return DLOP_ERR_DEVICE_FAULT;
}
