/* Driver test: which OpenCL there is: libraries, platforms or features that are missing, drivers
 * that would end the process, forks, signals, settings. Some functions of the table are replaced;
 * all others are the machine's real OpenCL. */
#include "tests/driver/ocl_kit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/ocl/find.h"
#include "driver/ocl/settings.h"
#include "host/include/dlop.h"

static const struct dlop_ocl_api *real;
static struct photo photos[1];
static u32 n_photos;

/* ---- missing library, missing devices ---- */

static void a_missing_library_is_named(void **state)
{
    (void)state;
    struct dlop_ocl_api api;
    char reason[128] = "";

    assert_int_equal(dlop_ocl_api_open("libNoSuchOpenCL.so.1", &api, reason, sizeof reason),
                     DLOP_ERR_NO_LIBRARY);
    assert_string_equal(reason, "no libNoSuchOpenCL.so.1: install ocl-icd-libopencl1");
    assert_int_equal(dlop_ocl_api_open("libm.so.6", &api, reason, sizeof reason),
                     DLOP_ERR_NO_LIBRARY);
    assert_non_null(strstr(reason, "has no clGetPlatformIDs"));
    assert_int_equal(dlop_ocl_api_open(DLOP_OCL_LIBRARY, &api, reason, sizeof reason), DLOP_OK);
}

static cl_int CL_API_CALL no_platforms(cl_uint n, cl_platform_id *platforms, cl_uint *n_out)
{
    (void)n, (void)platforms, (void)n_out;
    return -1001; /* CL_PLATFORM_NOT_FOUND_KHR */
}

/* The real platform, three times. */
static cl_int CL_API_CALL three_platforms(cl_uint n, cl_platform_id *platforms, cl_uint *n_out)
{
    assert_true(n >= 3);
    assert_int_equal(real->GetPlatformIDs(1, platforms, NULL), CL_SUCCESS);
    platforms[1] = platforms[2] = platforms[0];
    *n_out = 3;
    return CL_SUCCESS;
}

static cl_int CL_API_CALL one_platform(cl_uint n, cl_platform_id *platforms, cl_uint *n_out)
{
    (void)n;
    *n_out = 1;
    return real->GetPlatformIDs(1, platforms, NULL);
}

static cl_int CL_API_CALL named_xilinx(cl_platform_id platform, cl_platform_info what, size_t size,
                                       void *value, size_t *size_out)
{
    if (what != CL_PLATFORM_NAME)
        return real->GetPlatformInfo(platform, what, size, value, size_out);
    snprintf(value, size, "Xilinx");
    return CL_SUCCESS;
}

static cl_device_info lacking; /* question that is answered with 0 or "" */

static cl_int CL_API_CALL lacks_one(cl_device_id device, cl_device_info what, size_t size,
                                    void *value, size_t *size_out)
{
    if (what != lacking)
        return real->GetDeviceInfo(device, what, size, value, size_out);
    memset(value, 0, size);
    return CL_SUCCESS;
}

static dlop_status find(const struct dlop_ocl_api *api, uint32_t index, uint32_t *n_out,
                        char reason[128])
{
    struct dlop_ocl_found found;

    reason[0] = '\0';
    return dlop_ocl_find(api, index, &found, n_out, reason, 128);
}

static void devices_are_counted_over_platforms(void **state)
{
    (void)state;
    struct dlop_ocl_api api = *real;
    uint32_t n_one, n;
    char reason[128];

    api.GetPlatformIDs = one_platform;
    assert_int_equal(find(&api, 0, &n_one, reason), DLOP_OK);
    api.GetPlatformIDs = three_platforms;
    for (uint32_t i = 0; i < 3 * n_one; i++) {
        assert_int_equal(find(&api, i, &n, reason), DLOP_OK);
        assert_int_equal(n, 3 * n_one);
    }
    assert_int_equal(find(&api, 3 * n_one, &n, reason), DLOP_ERR_NO_DEVICE);
    assert_non_null(strstr(reason, "counted from 0"));
    api.GetPlatformInfo = named_xilinx;
    assert_int_equal(find(&api, 0, &n, reason), DLOP_ERR_NO_DEVICE);
    assert_int_equal(n, 0);
    api.GetPlatformIDs = no_platforms;
    assert_int_equal(find(&api, 0, &n, reason), DLOP_ERR_NO_DEVICE);
    assert_int_equal(n, 0);
    assert_non_null(strstr(reason, "pocl-opencl-icd"));
}

/* The real devices, and behind them one that says that it is a GPU. */
static int gpu_handle;
#define GPU ((cl_device_id)(void *)&gpu_handle)

static cl_int CL_API_CALL with_gpu(cl_platform_id platform, cl_device_type type, cl_uint n,
                                   cl_device_id *devices, cl_uint *n_out)
{
    cl_int error = real->GetDeviceIDs(platform, type, n, devices, n_out);

    if (error == CL_SUCCESS && *n_out < n)
        devices[(*n_out)++] = GPU;
    return error;
}

static cl_int CL_API_CALL gpu_info(cl_device_id device, cl_device_info what, size_t size,
                                   void *value, size_t *size_out)
{
    static const cl_device_type type = CL_DEVICE_TYPE_GPU;
    struct dlop_ocl_found cpu;
    uint32_t n;
    char reason[128];

    if (device == GPU && what == CL_DEVICE_TYPE) {
        memcpy(value, &type, sizeof type);
        return CL_SUCCESS;
    }
    if (device == GPU) {
        assert_int_equal(dlop_ocl_find(real, 0, &cpu, &n, reason, sizeof reason), DLOP_OK);
        device = cpu.device;
    }
    return real->GetDeviceInfo(device, what, size, value, size_out);
}

static void processors_come_last(void **state)
{
    (void)state;
    struct dlop_ocl_api api = *real;
    struct dlop_ocl_found found;
    uint32_t n;
    char reason[128];

    api.GetPlatformIDs = one_platform;
    api.GetDeviceIDs = with_gpu;
    api.GetDeviceInfo = gpu_info;
    assert_int_equal(dlop_ocl_find(&api, 0, &found, &n, reason, sizeof reason), DLOP_OK);
    assert_true(n >= 2);
    assert_false(found.is_cpu);
    assert_true(found.is_gpu);
}

/* The process's table, or where one is set another (-Wl,--wrap). */
static const struct dlop_ocl_api *probed_api;

dlop_status __real_dlop_ocl_api_get(const struct dlop_ocl_api **api_out, char *reason_out,
                                    size_t size);
dlop_status __wrap_dlop_ocl_api_get(const struct dlop_ocl_api **api_out, char *reason_out,
                                    size_t size);

dlop_status __wrap_dlop_ocl_api_get(const struct dlop_ocl_api **api_out, char *reason_out,
                                    size_t size)
{
    if (!probed_api)
        return __real_dlop_ocl_api_get(api_out, reason_out, size);
    *api_out = probed_api;
    return DLOP_OK;
}

/* Where none is named: no processor, since it is an emulation, and no GPU. */
static void what_a_device_is_says_whether_it_is_chosen(void **state)
{
    (void)state;
    static struct dlop_ocl_api api;
    static const struct {
        cl_device_type type;
        bool is_emulation, is_gpu, is_automatic;
    } cases[] = {
        {CL_DEVICE_TYPE_CPU, true, false, false},
        {CL_DEVICE_TYPE_GPU, false, true, false},
        {CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_DEFAULT, false, true, false},
        {CL_DEVICE_TYPE_ACCELERATOR, false, false, true},
    };

    api = *real;
    api.GetDeviceInfo = ocl_device_info;
    probed_api = &api;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dlop_device_info info;

        ocl_answer = (struct ocl_answer){real, CL_DEVICE_TYPE, cases[i].type};
        assert_int_equal(dlop_ocl_driver.probe(&info), DLOP_OK);
        assert_true(info.is_present);
        assert_int_equal(info.is_emulation, cases[i].is_emulation);
        assert_int_equal(info.is_gpu, cases[i].is_gpu);
        assert_int_equal(dlop_device_is_automatic(&info), cases[i].is_automatic);
    }
}

static int probe_the_process_table(void **state)
{
    (void)state;
    probed_api = NULL;
    return 0;
}

static void what_a_device_lacks_is_named(void **state)
{
    (void)state;
    static const struct {
        cl_device_info what;
        const char *text;
    } cases[] = {
        {CL_DEVICE_AVAILABLE, "is not available"},
        {CL_DEVICE_VERSION, "has no OpenCL 1.2"},
        {CL_DEVICE_PROFILE, "embedded profile"},
        {CL_DEVICE_COMPILER_AVAILABLE, "has no compiler"},
        {CL_DEVICE_ENDIAN_LITTLE, "big-endian"},
    };
    struct dlop_ocl_api api = *real;
    uint32_t n;
    char reason[128];

    api.GetDeviceInfo = lacks_one;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lacking = cases[i].what;
        assert_int_equal(find(&api, 0, &n, reason), DLOP_ERR_NO_DEVICE);
        assert_non_null(strstr(reason, cases[i].text));
    }
}

/* ---- drivers that would end the process ---- */

static void write_text(const char *folder, const char *name, const char *text)
{
    char path[160];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void xilinx_without_its_environment_is_not_asked(void **state)
{
    (void)state;
    char scratch[64], reason[128] = "", file[96];

    ocl_scratch_make(scratch);
    unsetenv("XILINX_XRT");
    setenv("OCL_ICD_VENDORS", scratch, 1);
    write_text(scratch, "pocl.icd", "libpocl.so.2\n");
    write_text(scratch, "notes.txt", "libxilinxopencl.so.2\n");
    assert_int_equal(dlop_ocl_icd_check(reason, sizeof reason), DLOP_OK);
    write_text(scratch, "other.icd", "/usr/lib/x86_64-linux-gnu/libxilinxopencl.so.2\n");
    assert_int_equal(dlop_ocl_icd_check(reason, sizeof reason), DLOP_ERR_NO_LIBRARY);
    assert_non_null(strstr(reason, "XILINX_XRT"));
    assert_true(strlen(reason) < sizeof reason - 1);
    snprintf(file, sizeof file, "%s/other.icd", scratch);
    setenv("OCL_ICD_VENDORS", file, 1);
    assert_int_equal(dlop_ocl_icd_check(reason, sizeof reason), DLOP_ERR_NO_LIBRARY);
    setenv("XILINX_XRT", "/usr", 1);
    assert_int_equal(dlop_ocl_icd_check(reason, sizeof reason), DLOP_OK);
    unsetenv("XILINX_XRT");
    unsetenv("OCL_ICD_VENDORS");
    setenv("OCL_ICD_FILENAMES", "libxilinxopencl.so.2", 1);
    assert_int_equal(dlop_ocl_icd_check(reason, sizeof reason), DLOP_ERR_NO_LIBRARY);
    unsetenv("OCL_ICD_FILENAMES");
    ocl_scratch_remove(scratch);
}

/* ---- drivers that auto does not start ---- */

/* Variables with which auto asks all. */
static const char *const changing[] = {"OPENCL_VENDOR_PATH", "OCL_ICD_FILENAMES", "POCL_DEVICES"};
#define N_CHANGING (sizeof changing / sizeof changing[0])

static void unset_changing(void)
{
    for (size_t i = 0; i < N_CHANGING; i++)
        unsetenv(changing[i]);
}

static void auto_asks_only_who_may_have_a_card(void **state)
{
    (void)state;
    static const struct {
        const char *library; /* registered after those before */
        bool may_have_card;
    } cases[] = {
        {"libpocl.so.2.10.0\n", false},
        {"/usr/lib/x86_64-linux-gnu/libpocl.so.2", false},
        {"libnvidia-opencl.so.1\n", false},
        {"/usr/lib/x86_64-linux-gnu/intel-opencl/libigdrcl.so\n", false},
        {"libintelocl.so\n", false},
        {"libxilinxopencl.so.2\n", false},
        {"libintelocl_emu.so\n", true},
        {"/opt/libpocl.so.2/libcard.so\n", true},
        {"", true},
    };
    char scratch[64], name[32], missing[96];

    unset_changing();
    ocl_scratch_make(scratch);
    snprintf(missing, sizeof missing, "%s/none", scratch);
    setenv("OCL_ICD_VENDORS", missing, 1);
    assert_true(dlop_ocl_driver.may_be_automatic());
    setenv("OCL_ICD_VENDORS", scratch, 1);
    assert_false(dlop_ocl_driver.may_be_automatic());
    write_text(scratch, "notes.txt", "libcard.so\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(name, sizeof name, "%zu.icd", i);
        write_text(scratch, name, cases[i].library);
        assert_int_equal(dlop_ocl_driver.may_be_automatic(), cases[i].may_have_card);
        for (size_t c = 0; c < N_CHANGING; c++) {
            setenv(changing[c], "cpu", 1);
            assert_true(dlop_ocl_driver.may_be_automatic());
            unsetenv(changing[c]);
        }
        if (cases[i].may_have_card)
            write_text(scratch, name, "libpocl.so");
    }
    unsetenv("OCL_ICD_VENDORS");
    ocl_scratch_remove(scratch);
}

static bool is_opencl_loaded(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    char line[512];
    bool is_loaded = false;

    while (file && fgets(line, sizeof line, file))
        is_loaded |= strstr(line, "libOpenCL") != NULL;
    if (file)
        fclose(file);
    return is_loaded;
}

/* In a program that has not used OpenCL yet: whether auto loads it; 2 where auto fails. */
static int auto_main(void)
{
    struct dlop_ctx_cfg cfg;
    dlop_ctx *ctx = NULL;

    dlop_ctx_cfg_init(&cfg);
    if (is_opencl_loaded() || dlop_ctx_open(&cfg, &ctx) != DLOP_OK)
        return 2;
    dlop_ctx_close(&ctx);
    return is_opencl_loaded();
}

/* This program again, in one of its other parts; its exit status. */
static int run_part(const char *part, const char *variable, const char *value)
{
    int wait_status;
    pid_t child = fork();

    if (child == 0) {
        setenv(variable, value, 1);
        execl("/proc/self/exe", "test_ocl_find", part, NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &wait_status, 0), child);
    assert_true(WIFEXITED(wait_status));
    return WEXITSTATUS(wait_status);
}

static void auto_does_not_load_what_it_would_not_take(void **state)
{
    (void)state;
    char scratch[64];

    unset_changing();
    ocl_scratch_make(scratch);
    write_text(scratch, "pocl.icd", "libpocl.so.2\n");
    assert_int_equal(run_part("auto", "OCL_ICD_VENDORS", scratch), 0);
    write_text(scratch, "card.icd", "libNoSuchCard.so\n");
    assert_int_equal(run_part("auto", "OCL_ICD_VENDORS", scratch), 1);
    ocl_scratch_remove(scratch);
}

/* The threads of a platform do not survive a fork: a child that asked it would wait for ever. */
static void a_forked_child_does_not_ask_opencl(void **state)
{
    (void)state;
    int wait_status;
    pid_t child = fork();

    if (child == 0) {
        struct dlop_device_cfg cfg = {0};
        struct dlop_device *device = NULL;
        struct dlop_device_info info;

        alarm(20);
        _exit(dlop_ocl_driver.open(&cfg, &device) == DLOP_ERR_STATE &&
                      dlop_ocl_driver.probe(&info) == DLOP_OK && !info.is_present &&
                      strstr(info.missing, "forked")
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(child, &wait_status, 0), child);
    assert_true(WIFEXITED(wait_status));
    assert_int_equal(WEXITSTATUS(wait_status), 0);
}

/* ---- signals ---- */

static void on_interrupt(int number)
{
    (void)number;
}

/* In a program that has not used OpenCL yet: 0, or the first signal whose handler is another one
 * after a device was asked for, opened, used and closed. */
static int signals_main(void)
{
    static struct sigaction before[NSIG], after[NSIG];
    const struct dlop_ocl_api *api = NULL;
    struct random_state random = random_start(1);
    struct dlop_device *device = NULL;
    struct dlop_device_info info;
    char reason[160];
    struct kit kit;

    signal(SIGINT, on_interrupt);
    for (int i = 1; i < NSIG; i++)
        sigaction(i, NULL, &before[i]);
    assert_int_equal(dlop_ocl_driver.probe(&info), DLOP_OK);
    assert_int_equal(dlop_ocl_api_get(&api, reason, sizeof reason), DLOP_OK);
    assert_int_equal(ocl_open_with(api, ocl_tiny_source, NULL, NULL, NULL, &device), DLOP_OK);
    kit_open(&kit, &dlop_ocl_driver, device);
    kit_add(&kit, &random, &photos[0], DLOP_JOB_PIXELS);
    kit_submit(&kit);
    kit_wait(&kit);
    kit_close(&kit);
    dlop_ocl_driver.close(&device);
    for (int i = 1; i < NSIG; i++)
        if (!sigaction(i, NULL, &after[i]) && after[i].sa_handler != before[i].sa_handler)
            return i;
    return 0;
}

static void signals_stay_the_programs(void **state)
{
    (void)state;
    char scratch[64];

    ocl_scratch_make(scratch); /* an empty cache, so that there is something to compile */
    assert_int_equal(run_part("signals", "XDG_CACHE_HOME", scratch), 0);
    ocl_scratch_remove(scratch);
}

/* ---- settings ---- */

static void settings_are_read_and_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {"memory",
                                      "memory=both",
                                      "items=0",
                                      "items=65537",
                                      "items=x",
                                      "items=-1",
                                      "timeout_ms=",
                                      "timeout_ms=4294967296",
                                      "memory=copy,speed=2"};
    const struct dlop_ocl_found found = {.is_cpu = true, .is_unified = true, .n_units = 3};
    struct dlop_ocl_settings settings;
    struct ocl_heard heard = OCL_HEARD_INIT;
    struct dlop_device *device = NULL;
    char reason[128];

    assert_int_equal(dlop_ocl_settings_read(NULL, &found, &settings, reason, sizeof reason),
                     DLOP_OK);
    assert_int_equal(settings.memory, DLOP_OCL_MEMORY_SHARE);
    assert_int_equal(settings.n_items, 6);
    assert_int_equal(dlop_ocl_settings_read("memory=copy,items=5,timeout_ms=7", &found, &settings,
                                            reason, sizeof reason),
                     DLOP_OK);
    assert_int_equal(settings.memory, DLOP_OCL_MEMORY_COPY);
    assert_int_equal(settings.n_items, 5);
    assert_int_equal(settings.timeout_ms, 7);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(dlop_ocl_settings_read(bad[i], &found, &settings, reason, sizeof reason),
                         DLOP_ERR_ARGUMENT);
    assert_int_equal(ocl_open_with(real, ocl_tiny_source, NULL, "speed=2", &heard, &device),
                     DLOP_ERR_ARGUMENT);
    assert_null(device);
    assert_string_equal(heard.text, "no setting speed=2\n");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_library_is_named),
        cmocka_unit_test(devices_are_counted_over_platforms),
        cmocka_unit_test(processors_come_last),
        cmocka_unit_test_teardown(what_a_device_is_says_whether_it_is_chosen,
                                  probe_the_process_table),
        cmocka_unit_test(what_a_device_lacks_is_named),
        cmocka_unit_test(xilinx_without_its_environment_is_not_asked),
        cmocka_unit_test(auto_asks_only_who_may_have_a_card),
        cmocka_unit_test(auto_does_not_load_what_it_would_not_take),
        cmocka_unit_test(a_forked_child_does_not_ask_opencl),
        cmocka_unit_test(signals_stay_the_programs),
        cmocka_unit_test(settings_are_read_and_checked),
    };

    n_photos = kit_load_photos(photos, 1);
    if (!n_photos) {
        printf("SKIP photos: no photographs; run make photos\n");
        return 77;
    }
    if (argc > 1)
        return strcmp(argv[1], "auto") ? signals_main() : auto_main();
    real = ocl_api();
    if (!real)
        return 77;
    return cmocka_run_group_tests_name("driver/ocl find", tests, NULL, NULL);
}
