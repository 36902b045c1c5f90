/* A machine with one card in a scratch folder: see site.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/xrt/site.h"

/* Offsets of the xclbin format. */
#define MODE_AT         0x14c
#define UUID_VERSION_AT (0x1a0 + 6)

static void below(const struct site *site, const char *name, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s", site->folder, name);
}

static void make_folder(const struct site *site, const char *name)
{
    char path[PATH_MAX];

    below(site, name, path);
    assert_int_equal(mkdir(path, 0700), 0);
}

void site_write(const struct site *site, const char *name, const void *bytes, size_t n_bytes)
{
    char path[PATH_MAX];
    FILE *file;

    below(site, name, path);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n_bytes, file), n_bytes);
    fclose(file);
}

void site_write_image(const struct site *site, const char *name, unsigned char mode,
                      const char *from, const char *to)
{
    char path[PATH_MAX];
    unsigned char *bytes, *found;
    size_t n_bytes;
    FILE *file;

    snprintf(path, sizeof path, "%s/xclbin/dlop.sw_emu.xclbin", site->build);
    file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    n_bytes = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(n_bytes);
    assert_int_equal(fread(bytes, 1, n_bytes, file), n_bytes);
    fclose(file);
    bytes[MODE_AT] = mode;
    bytes[UUID_VERSION_AT] = 0x40;
    while (from && (found = memmem(bytes, n_bytes, from, strlen(from))))
        memcpy(found, to, strlen(to));
    site_write(site, name, bytes, n_bytes);
    free(bytes);
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info, (void)type, (void)place;
    return remove(path);
}

void site_close(struct site *site)
{
    nftw(site->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void set(const char *name, const struct site *site, const char *format)
{
    char text[2 * PATH_MAX];

    snprintf(text, sizeof text, format, site->folder, site->build);
    setenv(name, text, 1);
}

int site_open(struct site *site)
{
    char path[PATH_MAX], *slash;
    ssize_t length = readlink("/proc/self/exe", site->build, sizeof site->build - 1);

    assert_true(length > 0);
    site->build[length] = '\0';
    for (int i = 0; i < 3; i++) { /* tests/xrt/program */
        slash = strrchr(site->build, '/');
        assert_non_null(slash);
        *slash = '\0';
    }
    snprintf(path, sizeof path, "%s/xclbin/dlop.sw_emu.xclbin", site->build);
    if (access(path, R_OK))
        return 0;
    snprintf(site->folder, sizeof site->folder, "/tmp/dlop-site-XXXXXX");
    assert_non_null(mkdtemp(site->folder));
    make_folder(site, "pci");
    make_folder(site, "pci/0000:03:00.0");
    make_folder(site, "pci/0000:03:00.1");
    make_folder(site, "pci/0000:00:02.0");
    make_folder(site, "root");
    make_folder(site, "root/lib");
    site_write(site, "pci/0000:03:00.0/vendor", "0x10ee\n", 7);
    site_write(site, "pci/0000:03:00.1/vendor", "0x10ee\n", 7);
    site_write(site, "pci/0000:00:02.0/vendor", "0x8086\n", 7);
    below(site, "pci/0000:03:00.1/driver", path);
    assert_int_equal(symlink("../../../bus/pci/drivers/xocl", path), 0);
    site_write(site, "root/lib/libxrt_core.so.2", "", 0);
    site_write_image(site, "dlop.hw.xclbin", 1, NULL, NULL);
    unsetenv("XCL_EMULATION_MODE");
    set("XILINX_XRT", site, "%s/root");
    set("DLOP_XCLBIN", site, "%s/dlop.hw.xclbin");
    set("DLOP_XRT", site, "pci=%s/pci,timeout_ms=20000,library=%s/tests/xrt/fake_xrt.so");
    return 1;
}
