/* Repair of XRT's emulation shims: done where it is needed, nothing changed where it is not.
 *
 * Each case is a process of its own, this program again, which loads the library that XRT would
 * load. LD_LIBRARY_PATH decides which shim lies behind it: one of the three of fake_shim.c, or the
 * real one. DLOP_BUILD is the build folder (build/release).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sim/swemu/shim_repair.h"

#define GROWN_BYTES ((size_t)1 << 20)
#define PATH_BYTES  512
/* Exit statuses of a case besides the state of the repair: the buffer has not the size that it must
 * have, or something is missing. */
#define STATUS_TOO_SMALL  100
#define STATUS_NOT_LOADED 101

/* ---- in the process of a case ---- */

static int load_shim(const char *path, int grows)
{
    enum dlop_swemu_repair (*state)(void) = NULL;
    void *(*grow)(size_t) = NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);

    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return STATUS_NOT_LOADED;
    }
    *(void **)&state = dlsym(library, "dlop_swemu_repair_state");
    *(void **)&grow = dlsym(library, "fake_shim_grow");
    if (state == NULL || (grows && grow == NULL))
        return STATUS_NOT_LOADED;
    if (grows) {
        uint8_t *buffer = grow(GROWN_BYTES);
        if (malloc_usable_size(buffer) < GROWN_BYTES)
            return STATUS_TOO_SMALL;
        memset(buffer, 1, GROWN_BYTES);
        /* Room for the largest message only where that is the repair. */
        const int is_roomy = malloc_usable_size(buffer) > 8 * GROWN_BYTES;
        if (is_roomy != (state() == DLOP_SWEMU_REPAIR_DONE))
            return STATUS_TOO_SMALL;
    }
    return (int)state();
}

/* ---- cases ---- */

static const char *build_folder(void)
{
    const char *build = getenv("DLOP_BUILD");
    return build != NULL ? build : "build/release";
}

/* Load xrt-root/lib/NAME in a new process. fake: which shim lies behind it, null for the real. */
static int run_case(const char *name, const char *fake, int grows)
{
    char path[PATH_BYTES], folder[PATH_BYTES];
    int status;

    snprintf(path, sizeof(path), "%s/xrt-root/lib/%s", build_folder(), name);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (fake != NULL) {
            snprintf(folder, sizeof(folder), "%s/tests/swemu/fake/%s", build_folder(), fake);
            setenv("LD_LIBRARY_PATH", folder, 1);
        }
        execl("/proc/self/exe", "test_repair", path, grows ? "grow" : "look", (char *)NULL);
        _exit(STATUS_NOT_LOADED);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void wrong_shim_is_repaired(void **state)
{
    (void)state;
    assert_int_equal(run_case("libxrt_swemu.so.2", "wrong", 1), DLOP_SWEMU_REPAIR_DONE);
}

static void right_shim_is_left_alone(void **state)
{
    (void)state;
    assert_int_equal(run_case("libxrt_swemu.so.2", "right", 1), DLOP_SWEMU_REPAIR_NOT_NEEDED);
}

static void odd_shim_is_left_alone(void **state)
{
    (void)state;
    assert_int_equal(run_case("libxrt_swemu.so.2", "odd", 0), DLOP_SWEMU_REPAIR_UNKNOWN);
}

/* Right or wrong, but known. */
static void real_shims_are_known(void **state)
{
    static const char *const names[] = {"libxrt_swemu.so.2", "libxrt_hwemu.so.2"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const int found = run_case(names[i], NULL, 0);
        if (found != DLOP_SWEMU_REPAIR_DONE && found != DLOP_SWEMU_REPAIR_NOT_NEEDED)
            fail_msg("%s: %d", names[i], found);
        print_message("%s: %s\n", names[i],
                      found == DLOP_SWEMU_REPAIR_DONE ? "repaired" : "needs no repair");
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_shim_is_repaired),
        cmocka_unit_test(right_shim_is_left_alone),
        cmocka_unit_test(odd_shim_is_left_alone),
        cmocka_unit_test(real_shims_are_known),
    };

    if (argc == 3)
        return load_shim(argv[1], strcmp(argv[2], "grow") == 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
