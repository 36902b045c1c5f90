/* What must be there before XRT is called: see preflight.h. The card image is image.c's. */
#include "driver/xrt/preflight.h"

#include <dirent.h>
#include <dlfcn.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/xrt/host.h"
#include "driver/xrt/image.h"

/* The program is built where XRT's headers are. */
#if DLOP_HAVE_XRT
#define HAS_PROGRAM true
#else
#define HAS_PROGRAM false
#endif

#define CHECK_TIMEOUT_MS 10000
#define DEVICE_PROGRAM   "data/emulation/unified/cpu_em/generic_pcie/model/genericpciemodel"

static dlop_status missing(struct dlop_xrt_plan *plan, dlop_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static dlop_status missing(struct dlop_xrt_plan *plan, dlop_status status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(plan->missing, sizeof plan->missing, format, arguments);
    va_end(arguments);
    return status;
}

/* ---- files beside the library ---- */

/* The folder of the file that holds this function: libdlop.so, or a program with libdlop.a. */
static bool own_folder(char folder[PATH_MAX])
{
    struct link_map *map = NULL;
    Dl_info info;
    char *slash;

    if (!dladdr1((const void *)own_folder, &info, (void **)&map, RTLD_DL_LINKMAP))
        return false;
    if (!realpath(map && map->l_name[0] ? map->l_name : "/proc/self/exe", folder))
        return false;
    slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    return slash != NULL;
}

/* Where make and make install put things, seen from the library, the command and the tests. */
static bool find_beside(const char *name, int access_mode, char path_out[PATH_MAX])
{
    static const char *const places[] = {"",       "xclbin/",       "dlop/",
                                         "../../", "../../xclbin/", "../lib/dlop/"};
    char folder[PATH_MAX];

    if (!own_folder(folder))
        return false;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        int length = snprintf(path_out, PATH_MAX, "%s/%s%s", folder, places[i], name);

        if (length < PATH_MAX && !access(path_out, access_mode))
            return true;
    }
    return false;
}

static dlop_status find_program(const struct dlop_xrt_settings *settings,
                                struct dlop_xrt_plan *plan)
{
    if (!HAS_PROGRAM)
        return missing(plan, DLOP_ERR_NO_LIBRARY,
                       "built without XRT's headers; install libxrt-dev and build again");
    snprintf(plan->program, sizeof plan->program, "%s", settings->program);
    if (!plan->program[0] && !find_beside("dlop-xrt-host", X_OK, plan->program))
        return missing(
            plan, DLOP_ERR_NO_LIBRARY,
            "the program dlop-xrt-host is not beside the library; build or install again");
    if (access(plan->program, X_OK))
        return missing(plan, DLOP_ERR_NO_LIBRARY, "%.80s is no program", plan->program);
    return DLOP_OK;
}

/* In a process of its own: the library's constructors are not the caller's. */
static dlop_status find_library(const struct dlop_xrt_settings *settings,
                                struct dlop_xrt_plan *plan)
{
    const char *const argv[] = {plan->program, "check", settings->library, NULL};
    char line[sizeof plan->missing];

    if (!dlop_xrt_host_try(argv, CHECK_TIMEOUT_MS, line, sizeof line))
        return DLOP_OK;
    return missing(plan, DLOP_ERR_NO_LIBRARY, "install libxrt1 (%.100s)", line);
}

/* ---- environment ---- */

static dlop_status find_mode(struct dlop_xrt_plan *plan)
{
    const char *mode = getenv("XCL_EMULATION_MODE");

    if (mode && strcmp(mode, "sw_emu") != 0 && strcmp(mode, "hw_emu") != 0)
        return missing(plan, DLOP_ERR_NO_DEVICE,
                       "XCL_EMULATION_MODE=%.20s computes nothing; set sw_emu, hw_emu or none",
                       mode);
    snprintf(plan->mode, sizeof plan->mode, "%s", mode ? mode : "hw");
    return DLOP_OK;
}

static bool is_emulated(const struct dlop_xrt_plan *plan)
{
    return strcmp(plan->mode, "hw") != 0;
}

/* Without it XRT aborts, for cards as well. */
static dlop_status check_xilinx_xrt(struct dlop_xrt_plan *plan)
{
    const char *root = getenv("XILINX_XRT");
    const char *shim = !strcmp(plan->mode, "sw_emu")   ? "swemu"
                       : !strcmp(plan->mode, "hw_emu") ? "hwemu"
                                                       : "core";
    char path[PATH_MAX];

    if (!root || !root[0])
        return missing(plan, DLOP_ERR_NO_DEVICE,
                       "set XILINX_XRT to the folder of XRT, which has lib/libxrt_%s.so.2", shim);
    snprintf(path, sizeof path, "%s/lib/libxrt_%s.so.2", root, shim);
    if (access(path, R_OK))
        return missing(plan, DLOP_ERR_NO_DEVICE,
                       "XILINX_XRT=%.60s has no lib/libxrt_%s.so.2; link it there", root, shim);
    return DLOP_OK;
}

/* "NumDevices": "2" of emconfig.json; 1 where it does not say. */
static uint32_t count_emulated(const char *path)
{
    char text[8192];
    FILE *file = fopen(path, "r");
    const char *key;
    unsigned long n = 0;

    if (!file)
        return 0;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    key = strstr(text, "\"NumDevices\"");
    if (key) {
        key += strlen("\"NumDevices\"");
        n = strtoul(key + strspn(key, " :\""), NULL, 10);
    }
    return n >= 1 && n <= 64 ? (uint32_t)n : 1;
}

/* Without them XRT ends the process or emulates another card. */
static dlop_status check_emulation(struct dlop_xrt_plan *plan)
{
    const char *vitis = getenv("XILINX_VITIS"), *config = getenv("EMCONFIG_PATH");
    bool is_sw = !strcmp(plan->mode, "sw_emu");
    char path[PATH_MAX];

    if (is_sw && (!vitis || !vitis[0]))
        return missing(plan, DLOP_ERR_NO_DEVICE,
                       "set XILINX_VITIS to the folder of the emulation's device program");
    snprintf(path, sizeof path, "%s/" DEVICE_PROGRAM, vitis ? vitis : "");
    if (is_sw && access(path, X_OK))
        return missing(plan, DLOP_ERR_NO_DEVICE,
                       "XILINX_VITIS=%.40s has no program .../genericpciemodel", vitis);
    if (!is_sw && access("/usr/bin/unzip", X_OK))
        return missing(plan, DLOP_ERR_NO_DEVICE, "install unzip, which hw_emu runs");
    if (!config || !config[0])
        return missing(plan, DLOP_ERR_NO_DEVICE,
                       "set EMCONFIG_PATH to the folder of the emulation's emconfig.json");
    snprintf(path, sizeof path, "%s/emconfig.json", config);
    plan->n_devices = count_emulated(path);
    if (!plan->n_devices)
        return missing(plan, DLOP_ERR_NO_DEVICE, "EMCONFIG_PATH=%.60s has no emconfig.json",
                       config);
    return DLOP_OK;
}

/* ---- cards ---- */

static bool is_xilinx(const char *folder, const char *name)
{
    char path[PATH_MAX], text[16] = "";
    FILE *file;

    snprintf(path, sizeof path, "%.3000s/%.200s/vendor", folder, name);
    file = fopen(path, "r");
    if (!file)
        return false;
    if (!fgets(text, sizeof text, file))
        text[0] = '\0';
    fclose(file);
    return !strncmp(text, "0x10ee", 6);
}

/* xocl drives the user function of a card, xclmgmt the other. */
static bool has_driver(const char *folder, const char *name)
{
    char path[PATH_MAX], target[PATH_MAX];
    const char *slash;
    ssize_t length;

    snprintf(path, sizeof path, "%.3000s/%.200s/driver", folder, name);
    length = readlink(path, target, sizeof target - 1);
    if (length < 0)
        return false;
    target[length] = '\0';
    slash = strrchr(target, '/');
    return !strcmp(slash ? slash + 1 : target, "xocl");
}

static dlop_status find_cards(const struct dlop_xrt_settings *settings, struct dlop_xrt_plan *plan)
{
    DIR *folder = opendir(settings->pci);
    struct dirent *entry;
    uint32_t n_functions = 0;

    while (folder && (entry = readdir(folder))) {
        if (!is_xilinx(settings->pci, entry->d_name))
            continue;
        n_functions++;
        plan->n_devices += has_driver(settings->pci, entry->d_name);
    }
    if (folder)
        closedir(folder);
    if (plan->n_devices)
        return DLOP_OK;
    return n_functions ? missing(plan, DLOP_ERR_NO_DEVICE,
                                 "a card is there without its driver xocl; install XRT's driver")
                       : missing(plan, DLOP_ERR_NO_DEVICE,
                                 "no card in this machine, and XCL_EMULATION_MODE is not set");
}

/* ---- image ---- */

static dlop_status find_image(const struct dlop_xrt_settings *settings, struct dlop_xrt_plan *plan)
{
    const char *variable = getenv("DLOP_XCLBIN");
    char name[32];

    snprintf(name, sizeof name, "dlop.%s.xclbin", plan->mode);
    snprintf(plan->xclbin, sizeof plan->xclbin, "%s",
             settings->xclbin[0] ? settings->xclbin
             : variable          ? variable
                                 : "");
    if (!plan->xclbin[0] && !find_beside(name, R_OK, plan->xclbin))
        return missing(plan, DLOP_ERR_NO_DEVICE,
                       "no card image %s beside the library; make xclbin TARGET=%s, or DLOP_XCLBIN",
                       name, plan->mode);
    return dlop_xrt_image_read(plan);
}

dlop_status dlop_xrt_preflight(const struct dlop_xrt_settings *settings,
                               struct dlop_xrt_plan *plan_out)
{
    dlop_status status;

    memset(plan_out, 0, sizeof *plan_out);
    status = find_program(settings, plan_out);
    if (status == DLOP_OK)
        status = find_mode(plan_out);
    if (status == DLOP_OK && !is_emulated(plan_out))
        status = find_cards(settings, plan_out);
    /* Starts a program: not where there is no card anyway. */
    if (status == DLOP_OK)
        status = find_library(settings, plan_out);
    if (status == DLOP_OK)
        status = check_xilinx_xrt(plan_out);
    if (status == DLOP_OK && is_emulated(plan_out))
        status = check_emulation(plan_out);
    if (status == DLOP_OK)
        status = find_image(settings, plan_out);
    return status;
}
