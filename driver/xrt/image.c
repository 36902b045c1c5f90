/* Card images: see image.h. The container and its metadata are read and checked by xclbin.c. */
#include "driver/xrt/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/xrt/xclbin.h"

static const char *const kernel_names[] = {
#define NAME(name, kinds) #name,
    DLOP_TOP_KERNELS(NAME)
#undef NAME
};

static const struct argument {
    const char *name;
    uint32_t is_buffer, size_bytes;
} arguments[] = {
#define ARGUMENT(type, name, is_buffer) {#name, is_buffer, (uint32_t)sizeof(type)},
    DLOP_TOP_ARGUMENTS(ARGUMENT)
#undef ARGUMENT
};
#define N_ARGUMENTS (sizeof arguments / sizeof arguments[0])

static dlop_status refuse(struct dlop_xrt_plan *plan, const char *why)
{
    const char *slash = strrchr(plan->xclbin, '/');

    snprintf(plan->missing, sizeof plan->missing, "card image %.36s: %.76s",
             slash ? slash + 1 : plan->xclbin, why);
    return DLOP_ERR_NO_DEVICE;
}

/* The whole file; null where it cannot be read. */
static uint8_t *read_file(const char *path, size_t *n_bytes_out)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long n_bytes;

    if (!file)
        return NULL;
    if (!fseek(file, 0, SEEK_END) && (n_bytes = ftell(file)) > 0 && n_bytes < INT32_MAX) {
        rewind(file);
        bytes = malloc((size_t)n_bytes);
        *n_bytes_out = bytes ? fread(bytes, 1, (size_t)n_bytes, file) : 0;
    }
    fclose(file);
    return bytes;
}

/* Index into DLOP_TOP_KERNELS, or DLOP_XRT_N_KERNELS for one that is not ours. */
static uint32_t kernel_index(const char *name)
{
    uint32_t i = 0;

    while (i < DLOP_XRT_N_KERNELS && strcmp(kernel_names[i], name) != 0)
        i++;
    return i;
}

static bool has_our_arguments(const struct dlop_metadata_kernel *kernel)
{
    if (kernel->n_arguments != N_ARGUMENTS)
        return false;
    for (uint32_t i = 0; i < N_ARGUMENTS; i++) {
        const struct dlop_metadata_argument *argument = &kernel->arguments[i];
        uint32_t qualifier = arguments[i].is_buffer ? DLOP_METADATA_BUFFER : DLOP_METADATA_SCALAR;

        if (strcmp(argument->name, arguments[i].name) != 0 || argument->qualifier != qualifier ||
            argument->size_bytes != arguments[i].size_bytes)
            return false;
    }
    return true;
}

static dlop_status add_units(const struct dlop_metadata *metadata, struct dlop_xrt_plan *plan)
{
    for (uint32_t i = 0; i < metadata->n_units; i++) {
        const struct dlop_metadata_unit *unit = &metadata->units[i];
        const struct dlop_metadata_kernel *kernel = &metadata->kernels[unit->kernel];
        uint32_t index = kernel_index(kernel->name);
        const char *colon = strchr(unit->name, ':');
        struct dlop_xrt_unit_name *place = &plan->units[plan->n_units];

        if (index == DLOP_XRT_N_KERNELS)
            continue;
        if (!has_our_arguments(kernel))
            return refuse(plan, "a kernel has other arguments; build it anew from this release");
        if (plan->n_units == DLOP_XRT_MAX_UNITS || !colon)
            return refuse(plan, "too many units, or one without a name");
        place->kernel = index;
        snprintf(place->name, sizeof place->name, "%s:{%s}", kernel->name, colon + 1);
        plan->n_units++;
    }
    return plan->n_units ? DLOP_OK : refuse(plan, "holds no kernel of DLOP");
}

/* XRT does not look: an image of another kind would hang or compute nothing. */
static bool is_for_mode(uint32_t mode, const char *wanted)
{
    if (!strcmp(wanted, "sw_emu"))
        return mode == DLOP_XCLBIN_SW_EMU;
    if (!strcmp(wanted, "hw_emu"))
        return mode == DLOP_XCLBIN_HW_EMU;
    return mode != DLOP_XCLBIN_SW_EMU && mode != DLOP_XCLBIN_HW_EMU;
}

static dlop_status use_image(const struct dlop_xclbin *xclbin, struct dlop_xrt_plan *plan)
{
    char reason[80];

    snprintf(plan->platform, sizeof plan->platform, "%s", xclbin->platform);
    if (!is_for_mode(xclbin->mode, plan->mode)) {
        snprintf(reason, sizeof reason, "was not built for %s", plan->mode);
        return refuse(plan, reason);
    }
    if (dlop_xclbin_verify(xclbin, reason, sizeof reason) == DLOP_ERR_BAD_DATA)
        return refuse(plan, reason);
    return add_units(&xclbin->metadata, plan);
}

dlop_status dlop_xrt_image_read(struct dlop_xrt_plan *plan)
{
    struct dlop_xclbin *xclbin;
    size_t n_bytes = 0;
    uint8_t *bytes = read_file(plan->xclbin, &n_bytes);
    char reason[80] = "";
    dlop_status status;

    if (!bytes)
        return refuse(plan, "cannot be read");
    status = dlop_xclbin_open(bytes, n_bytes, &xclbin, reason, sizeof reason);
    if (status == DLOP_OK) {
        status = use_image(xclbin, plan);
        dlop_xclbin_close(&xclbin);
    } else if (status != DLOP_ERR_NO_MEMORY) {
        status = refuse(plan, reason);
    }
    free(bytes);
    return status;
}
