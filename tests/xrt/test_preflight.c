/* Driver test: everything that XRT would abort, exit or hang on is found before it is called, and
 * named; the environment of the machine never matters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/driver.h"
#include "tests/xrt/site.h"

#define HW     1
#define SW_EMU 5

static const struct dlop_driver *driver;
static struct site site;

/* Set a variable, or unset it where the value is null; see struct variable. */
static void set(const char *name, const char *value)
{
    char text[2 * PATH_MAX];

    if (!value) {
        unsetenv(name);
        return;
    }
    snprintf(text, sizeof text, "%s%s",
             value[0] == '~'   ? site.folder
             : value[0] == '@' ? site.build
                               : "",
             value[0] == '~' || value[0] == '@' ? value + 1 : value);
    setenv(name, text, 1);
}

struct variable {
    const char *name, *value; /* "~/x" below the site, "@/x" below the build folder */
};

static const struct variable card[] = {
    {"XILINX_XRT", "~/root"},     {"DLOP_XCLBIN", "~/dlop.hw.xclbin"},
    {"XCL_EMULATION_MODE", NULL}, {"XILINX_VITIS", NULL},
    {"EMCONFIG_PATH", NULL},
};
static const struct variable emulation[] = {
    {"XILINX_XRT", "@/xrt-root"},        {"DLOP_XCLBIN", "@/xclbin/dlop.sw_emu.xclbin"},
    {"XCL_EMULATION_MODE", "sw_emu"},    {"XILINX_VITIS", "@/xrt-root"},
    {"EMCONFIG_PATH", "@/xrt-root/ddr"},
};
#define N_VARIABLES (sizeof card / sizeof card[0])

/* What probe says, and that open refuses for the same reason. */
static void expect(const char *missing)
{
    struct dlop_device_cfg cfg = {0};
    struct dlop_device *device = NULL;
    struct dlop_device_info info;

    memset(&info, 0xff, sizeof info);
    assert_int_equal(driver->probe(&info), DLOP_OK);
    if (!missing[0]) {
        if (!info.is_present)
            fail_msg("missing: %s", info.missing);
        assert_string_equal(info.missing, "");
        return;
    }
    if (info.is_present || !strstr(info.missing, missing))
        fail_msg("expected \"%s\", got \"%s\"", missing, info.missing);
    assert_int_equal(driver->open(&cfg, &device) < 0, 1);
    assert_null(device);
}

struct lack {
    struct variable variable;
    const char *missing;
};

static void check(const struct variable *all, const struct lack *lacks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < N_VARIABLES; j++)
            set(all[j].name, all[j].value);
        expect("");
        set(lacks[i].variable.name, lacks[i].variable.value);
        expect(lacks[i].missing);
    }
}

static void what_a_card_needs(void **state)
{
    (void)state;
    static const struct lack lacks[] = {
        {{"XILINX_XRT", NULL}, "set XILINX_XRT"},
        {{"XILINX_XRT", ""}, "set XILINX_XRT"},
        {{"XILINX_XRT", "~"}, "has no lib/libxrt_core.so.2"},
        {{"XCL_EMULATION_MODE", "noop"}, "computes nothing"},
        {{"XCL_EMULATION_MODE", "thing"}, "computes nothing"},
        {{"DLOP_XCLBIN", "~/nothing"}, "cannot be read"},
        {{"DLOP_XCLBIN", "~"}, "cannot be read"},
        {{"DLOP_XCLBIN", "~/empty"}, "cannot be read"},
        {{"DLOP_XCLBIN", "~/text"}, "card image text: "},
        {{"DLOP_XCLBIN", "~/strange"}, "holds no kernel of DLOP"},
        {{"DLOP_XCLBIN", "~/other"}, "has other arguments"},
        {{"DLOP_XCLBIN", "~/emulated"}, "was not built for hw"},
        {{"DLOP_XCLBIN", "@/xclbin/dlop.sw_emu.xclbin"}, "was not built for hw"},
        {{"DLOP_XCLBIN", NULL}, "no card image dlop.hw.xclbin"},
    };

    site_write(&site, "empty", "", 0);
    site_write(&site, "text", "not an image, but long enough to look at", 40);
    site_write_image(&site, "strange", HW, "dlop_", "plod_");
    site_write_image(&site, "other", HW, "\"completions\"", "\"completionz\"");
    site_write_image(&site, "emulated", SW_EMU, NULL, NULL);
    check(card, lacks, sizeof lacks / sizeof lacks[0]);
}

static void what_emulation_needs(void **state)
{
    (void)state;
    static const struct lack lacks[] = {
        {{"XILINX_XRT", NULL}, "set XILINX_XRT"},
        {{"XILINX_XRT", "~/root"}, "has no lib/libxrt_swemu.so.2"},
        {{"XILINX_VITIS", NULL}, "set XILINX_VITIS"},
        {{"XILINX_VITIS", "~"}, "has no program"},
        {{"EMCONFIG_PATH", NULL}, "set EMCONFIG_PATH"},
        {{"EMCONFIG_PATH", "~"}, "has no emconfig.json"},
        {{"XCL_EMULATION_MODE", "hw_emu"}, "was not built for hw_emu"},
        {{"DLOP_XCLBIN", "~/dlop.hw.xclbin"}, "was not built for sw_emu"},
        {{"DLOP_XCLBIN", "~/emulated"}, "card image emulated: "},
        {{"XCL_EMULATION_MODE", NULL}, "was not built for hw"},
    };

    /* Its uuid is not that of its content. */
    site_write_image(&site, "emulated", SW_EMU, NULL, NULL);
    check(emulation, lacks, sizeof lacks / sizeof lacks[0]);
}

static void cards_are_counted(void **state)
{
    (void)state;
    char path[PATH_MAX], other[PATH_MAX];
    struct dlop_device_info info;

    for (size_t j = 0; j < N_VARIABLES; j++)
        set(card[j].name, card[j].value);
    assert_int_equal(driver->probe(&info), DLOP_OK);
    assert_int_equal(info.n_devices, 1);
    assert_int_equal(info.is_emulation, 0);
    snprintf(path, sizeof path, "%s/pci/0000:03:00.0/driver", site.folder);
    assert_int_equal(symlink("../../../bus/pci/drivers/xclmgmt", path), 0);
    assert_int_equal(driver->probe(&info), DLOP_OK);
    assert_int_equal(info.n_devices, 1);
    snprintf(path, sizeof path, "%s/pci/0000:03:00.1/driver", site.folder);
    snprintf(other, sizeof other, "%s/driver", site.folder);
    assert_int_equal(rename(path, other), 0);
    expect("without its driver xocl");
    assert_int_equal(rename(other, path), 0);
    expect("");
    snprintf(path, sizeof path, "%s/pci/0000:03:00.0/vendor", site.folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/pci/0000:03:00.1/vendor", site.folder);
    unlink(path);
    expect("no card in this machine");
    site_write(&site, "pci/0000:03:00.1/vendor", "0x10ee\n", 7);
    expect("");
    for (size_t j = 0; j < N_VARIABLES; j++)
        set(emulation[j].name, emulation[j].value);
    assert_int_equal(driver->probe(&info), DLOP_OK);
    assert_int_equal(info.n_devices, 2);
    assert_int_equal(info.is_emulation, 1);
}

/* A later setting counts. */
static void add_setting(const char *setting)
{
    static char before[3 * PATH_MAX];
    char text[4 * PATH_MAX];

    if (!before[0])
        snprintf(before, sizeof before, "%s", getenv("DLOP_XRT"));
    snprintf(text, sizeof text, "%s,%s", before, setting);
    setenv("DLOP_XRT", text, 1);
}

static void a_part_that_is_not_installed_is_named(void **state)
{
    (void)state;
    for (size_t j = 0; j < N_VARIABLES; j++)
        set(card[j].name, card[j].value);
    add_setting("library=libnothing.so.2");
    expect("install libxrt1");
    add_setting("library=libc.so.6");
    expect("the library lacks xrtDeviceOpen");
    add_setting("program=/nothing");
    expect("/nothing is no program");
    add_setting("memory");
    expect("memory is no setting");
    add_setting("");
    expect("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_card_needs),
        cmocka_unit_test(what_emulation_needs),
        cmocka_unit_test(cards_are_counted),
        cmocka_unit_test(a_part_that_is_not_installed_is_named),
    };
    int n_failed;

    driver = dlop_driver_get("xrt");
    if (!site_open(&site)) {
        printf("SKIP xrt: no card image; run make xclbin\n");
        return 77;
    }
    n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    site_close(&site);
    return n_failed;
}
