/* Driver test: OpenCL that breaks or hangs, through a table of functions of which some are
 * replaced; everything else is the machine's real OpenCL. */
#include "tests/driver/ocl_kit.h"

#include <unistd.h>

static const struct dlop_ocl_api *real;
static struct photo photos[1];
static u32 n_photos;

/* ---- programs ---- */

static void a_broken_source_is_reported_with_its_place(void **state)
{
    (void)state;
    struct ocl_heard heard = OCL_HEARD_INIT;
    struct dlop_device *device = NULL;

    assert_int_equal(ocl_open_with(real, "#line 7 \"hw/core/broken.h\"\nint f( { return 1; }\n",
                                   NULL, NULL, &heard, &device),
                     DLOP_ERR_DEVICE_FAULT);
    assert_null(device);
    assert_int_equal(heard.n_lost, 0);
    assert_in_range(heard.n_notes, 2, 7);
    /* One vendor's compiler ignores #line and counts the text's own lines. */
    if (!strstr(heard.text, "does not build the kernels: CL_BUILD_PROGRAM_FAILURE") ||
        (!strstr(heard.text, "hw/core/broken.h:7") && !strstr(heard.text, "<kernel>:2")))
        fail_msg("reported: %s", heard.text);
}

static void a_missing_kernel_is_named(void **state)
{
    (void)state;
    struct ocl_heard heard = OCL_HEARD_INIT;
    struct dlop_device *device = NULL;

    assert_int_equal(ocl_open_with(real, "__kernel void dlop_image(__global uchar *a) {}\n", NULL,
                                   NULL, &heard, &device),
                     DLOP_ERR_DEVICE_FAULT);
    assert_null(device);
    assert_non_null(strstr(heard.text, "kernel dlop_tensor: clCreateKernel"));
}

/* ---- calls that fail ---- */

/* How often the failing call works before it fails for good. */
static atomic_int n_good_calls;
static cl_int call_error;

static bool fails_now(void)
{
    return atomic_fetch_sub(&n_good_calls, 1) <= 0;
}

static cl_int CL_API_CALL fail_kernel(cl_command_queue queue, cl_kernel kernel, cl_uint n_dims,
                                      const size_t *offset, const size_t *global,
                                      const size_t *local, cl_uint n_wait, const cl_event *wait,
                                      cl_event *event_out)
{
    if (fails_now())
        return call_error;
    return real->EnqueueNDRangeKernel(queue, kernel, n_dims, offset, global, local, n_wait, wait,
                                      event_out);
}

static cl_int CL_API_CALL fail_read(cl_command_queue queue, cl_mem memory, cl_bool is_blocking,
                                    size_t offset, size_t n_bytes, void *host, cl_uint n_wait,
                                    const cl_event *wait, cl_event *event_out)
{
    if (fails_now())
        return call_error;
    return real->EnqueueReadBuffer(queue, memory, is_blocking, offset, n_bytes, host, n_wait, wait,
                                   event_out);
}

static cl_int CL_API_CALL fail_unmap(cl_command_queue queue, cl_mem memory, void *host,
                                     cl_uint n_wait, const cl_event *wait, cl_event *event_out)
{
    if (fails_now())
        return call_error;
    return real->EnqueueUnmapMemObject(queue, memory, host, n_wait, wait, event_out);
}

static cl_int CL_API_CALL fail_callback(cl_event event, cl_int status,
                                        void(CL_CALLBACK *notify)(cl_event, cl_int, void *),
                                        void *cookie)
{
    if (fails_now())
        return call_error;
    return real->SetEventCallback(event, status, notify, cookie);
}

/* A kernel that died on the device. */
static cl_int CL_API_CALL fail_event(cl_event event, cl_event_info what, size_t size, void *value,
                                     size_t *size_out)
{
    cl_int error = real->GetEventInfo(event, what, size, value, size_out);

    if (what == CL_EVENT_COMMAND_EXECUTION_STATUS && fails_now())
        memcpy(value, &call_error, sizeof call_error);
    return error;
}

static cl_mem CL_API_CALL fail_create(cl_context context, cl_mem_flags flags, size_t n_bytes,
                                      void *host, cl_int *error_out)
{
    if (!host && fails_now()) {
        *error_out = call_error;
        return NULL;
    }
    return real->CreateBuffer(context, flags, n_bytes, host, error_out);
}

static const struct fault {
    const char *name;
    cl_int error;
    dlop_status status; /* of the launch */
    const char *text;   /* said on the way */
} faults[] = {
    {"kernel", CL_OUT_OF_RESOURCES, DLOP_ERR_DEVICE_LOST,
     "dlop_image: clEnqueueNDRangeKernel: CL_OUT_OF_RESOURCES (-5)"},
    {"kernel", CL_MEM_OBJECT_ALLOCATION_FAILURE, DLOP_ERR_NO_MEMORY,
     "dlop_image: clEnqueueNDRangeKernel: CL_MEM_OBJECT_ALLOCATION_FAILURE (-4)"},
    {"kernel", -9999, DLOP_ERR_DEVICE_LOST, "dlop_image: clEnqueueNDRangeKernel: error (-9999)"},
    {"read", CL_OUT_OF_RESOURCES, DLOP_ERR_DEVICE_LOST, "dlop_image: clEnqueueReadBuffer"},
    {"unmap", CL_INVALID_CONTEXT, DLOP_ERR_DEVICE_LOST, "buffer: clEnqueueUnmapMemObject"},
    {"callback", CL_INVALID_CONTEXT, DLOP_ERR_DEVICE_LOST, "launch: clSetEventCallback"},
    {"event", CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, DLOP_ERR_DEVICE_LOST,
     "dlop_image: execution: CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST"},
    {"create", CL_MEM_OBJECT_ALLOCATION_FAILURE, DLOP_ERR_NO_MEMORY, ""},
};

static void put_fault(struct dlop_ocl_api *api, const struct fault *fault)
{
    call_error = fault->error;
    if (!strcmp(fault->name, "kernel"))
        api->EnqueueNDRangeKernel = fail_kernel;
    else if (!strcmp(fault->name, "read"))
        api->EnqueueReadBuffer = fail_read;
    else if (!strcmp(fault->name, "unmap"))
        api->EnqueueUnmapMemObject = fail_unmap;
    else if (!strcmp(fault->name, "callback"))
        api->SetEventCallback = fail_callback;
    else if (!strcmp(fault->name, "event"))
        api->GetEventInfo = fail_event;
    else
        api->CreateBuffer = fail_create;
}

/* Wait for `done`, whatever its status. */
static dlop_status wait_done(struct kit *kit)
{
    for (u32 ms = 0; ms < 60000 && !atomic_load(&kit->n_done); ms++)
        usleep(1000);
    assert_int_equal(atomic_load(&kit->n_done), 1);
    return atomic_load(&kit->status);
}

/* The launch ends once, with the status; a lost device takes no other, one that lacked memory
 * does. */
static void failing_calls_end_the_launch(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());

    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct ocl_heard heard = OCL_HEARD_INIT;
        struct dlop_ocl_api api = *real;
        struct dlop_device *device = NULL;
        struct kit kit;

        atomic_store(&n_good_calls, INT32_MAX);
        put_fault(&api, &faults[i]);
        assert_int_equal(
            ocl_open_with(&api, ocl_tiny_source, NULL, "memory=share", &heard, &device), DLOP_OK);
        kit_open(&kit, &dlop_ocl_driver, device);
        kit_add(&kit, &random, &photos[0], DLOP_JOB_PIXELS);
        atomic_store(&n_good_calls, 0);
        kit_submit(&kit);
        assert_int_equal(wait_done(&kit), faults[i].status);
        if (!strstr(heard.text, faults[i].text))
            fail_msg("%s: expected \"%s\" in \"%s\"", faults[i].name, faults[i].text, heard.text);
        atomic_store(&n_good_calls, INT32_MAX);
        if (faults[i].status == DLOP_ERR_DEVICE_LOST) {
            assert_int_equal(heard.n_lost, 1);
            assert_int_equal(dlop_ocl_driver.submit(device, &kit.launch), DLOP_ERR_DEVICE_LOST);
        } else {
            assert_int_equal(heard.n_lost, 0);
            kit_submit(&kit);
            assert_int_equal(wait_done(&kit), DLOP_OK);
            /* No kernel wrote anything here: that must not look like a result. */
            assert_int_equal(kit.completions[0].status, DLOP_ERR_DEVICE_FAULT);
        }
        kit_close(&kit);
        dlop_ocl_driver.close(&device);
    }
}

/* What waits behind a launch that loses the device ends with it. */
static void waiting_launches_end_with_the_device(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct ocl_heard heard = OCL_HEARD_INIT;
    struct dlop_ocl_api api = *real;
    struct dlop_device *device = NULL;
    struct kit kits[6];

    call_error = CL_OUT_OF_RESOURCES;
    api.EnqueueNDRangeKernel = fail_kernel;
    atomic_store(&n_good_calls, 1);
    assert_int_equal(ocl_open_with(&api, ocl_tiny_source, NULL, NULL, &heard, &device), DLOP_OK);
    for (u32 i = 0; i < 6; i++) {
        kit_open(&kits[i], &dlop_ocl_driver, device);
        kit_add(&kits[i], &random, &photos[0], DLOP_JOB_TENSOR);
    }
    for (u32 i = 0; i < 6; i++) {
        dlop_status status = dlop_ocl_driver.submit(device, &kits[i].launch);

        if (status != DLOP_OK) {
            assert_int_equal(status, DLOP_ERR_DEVICE_LOST);
            atomic_store(&kits[i].n_done, 1);
        }
    }
    dlop_ocl_driver.close(&device);
    for (u32 i = 0; i < 6; i++) {
        assert_int_equal(atomic_load(&kits[i].n_done), 1);
        kit_close(&kits[i]);
    }
    assert_int_equal(heard.n_lost, 1);
    assert_non_null(strstr(heard.text, "dlop_tensor"));
}

/* ---- a device that never answers ---- */

static cl_int CL_API_CALL no_callback(cl_event event, cl_int status,
                                      void(CL_CALLBACK *notify)(cl_event, cl_int, void *),
                                      void *cookie)
{
    (void)event, (void)status, (void)notify, (void)cookie;
    return CL_SUCCESS;
}

static void a_hung_device_times_out(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct ocl_heard heard = OCL_HEARD_INIT;
    static struct dlop_ocl_api api; /* used by the device that is kept */
    struct dlop_device *device = NULL;
    struct kit kit;

    api = *real;
    api.SetEventCallback = no_callback;
    assert_int_equal(ocl_open_with(&api, ocl_tiny_source, NULL, "timeout_ms=50", &heard, &device),
                     DLOP_OK);
    kit_open(&kit, &dlop_ocl_driver, device);
    kit_add(&kit, &random, &photos[0], DLOP_JOB_PIXELS);
    kit_submit(&kit);
    assert_int_equal(wait_done(&kit), DLOP_ERR_TIMEOUT);
    assert_int_equal(heard.n_lost, 1);
    assert_int_equal(heard.lost_status, DLOP_ERR_TIMEOUT);
    assert_int_equal(dlop_ocl_driver.submit(device, &kit.launch), DLOP_ERR_DEVICE_LOST);
    kit_close(&kit);
    dlop_ocl_driver.close(&device);
    assert_null(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_source_is_reported_with_its_place),
        cmocka_unit_test(a_missing_kernel_is_named),
        cmocka_unit_test(failing_calls_end_the_launch),
        cmocka_unit_test(waiting_launches_end_with_the_device),
        cmocka_unit_test(a_hung_device_times_out),
    };

    real = ocl_api();
    if (!real)
        return 77;
    n_photos = kit_load_photos(photos, 1);
    if (!n_photos) {
        printf("SKIP photos: no photographs; run make photos\n");
        return 77;
    }
    return cmocka_run_group_tests_name("driver/ocl faults", tests, NULL, NULL);
}
