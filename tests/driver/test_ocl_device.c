/* Driver test: what an OpenCL device does beyond the suite: both kinds of memory, any number of
 * work-items, little scratch memory, no allocation in steady state. The kernels are the real ones,
 * and everything is compared with the plain reference. */
#include "tests/driver/ocl_kit.h"

#include "driver/ocl/cache.h"
#include "hw/core/image.h"
#include "tests/driver/heap.h"

#define N_PHOTOS 8

static const struct dlop_ocl_api *real;
static struct photo photos[N_PHOTOS];
static u32 n_photos;

static struct dlop_device *open_real(const struct dlop_ocl_api *api, const char *settings,
                                     struct ocl_heard *heard)
{
    struct dlop_device *device = NULL;
    char folder[4096];
    bool has_folder = dlop_ocl_cache_folder(folder, sizeof folder);

    assert_int_equal(
        ocl_open_with(api, dlop_ocl_kernels, has_folder ? folder : NULL, settings, heard, &device),
        DLOP_OK);
    return device;
}

static void fill(struct kit *kit, struct random_state *random, u32 n_jobs)
{
    for (u32 i = 0; i < n_jobs; i++)
        kit_add(kit, random, &photos[random_u32(random) % n_photos], i % DLOP_JOB_KIND_COUNT);
    kit_expect(kit);
}

/* ---- memory and work-items ---- */

static void results_do_not_depend_on_settings(void **state)
{
    (void)state;
    static const char *const settings[] = {"memory=share,items=1", "memory=share,items=3",
                                           "memory=copy,items=1", "memory=copy,items=64",
                                           "memory=copy"};

    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        struct random_state random = random_start(random_seed() + i);
        struct dlop_device *device = open_real(real, settings[i], NULL);
        struct kit kit;

        kit_open(&kit, &dlop_ocl_driver, device);
        for (u32 n_jobs = 2; n_jobs <= KIT_MAX_JOBS / 2; n_jobs *= 4) {
            fill(&kit, &random, n_jobs - kit.launch.n_jobs); /* grows what the slot keeps */
            kit_submit(&kit);
            kit_wait(&kit);
            kit_check(&kit, &random);
        }
        kit_close(&kit);
        dlop_ocl_driver.close(&device);
    }
}

/* Memory of the device's own: only transfers move bytes. */
static void copied_memory_is_apart_from_the_host(void **state)
{
    (void)state;
    const struct dlop_memory_ops *memory = &dlop_ocl_driver.memory;
    struct dlop_device *device = open_real(real, "memory=copy", NULL);
    struct dlop_buffer buffer = {0};
    uint8_t *host, wrapped[100];

    assert_int_equal(memory->alloc(device, 100, &buffer), DLOP_OK);
    host = buffer.host;
    memset(host, 1, 100);
    assert_int_equal(memory->to_device(device, &buffer, 10, 20), DLOP_OK);
    memset(host, 2, 100);
    assert_int_equal(memory->from_device(device, &buffer, 0, 100), DLOP_OK);
    for (u32 i = 0; i < 100; i++)
        assert_int_equal(host[i], i >= 10 && i < 30);
    memory->free(device, &buffer);
    memset(wrapped, 3, sizeof wrapped);
    assert_int_equal(memory->wrap(device, wrapped, sizeof wrapped, &buffer), DLOP_OK);
    assert_ptr_equal(buffer.host, wrapped);
    memset(wrapped, 4, sizeof wrapped);
    assert_int_equal(memory->from_device(device, &buffer, 50, 50), DLOP_OK);
    assert_int_equal(wrapped[49], 4);
    assert_int_equal(wrapped[50], 3);
    memory->free(device, &buffer);
    dlop_ocl_driver.close(&device);
}

static void empty_buffers_are_buffers(void **state)
{
    (void)state;
    static const char *const settings[] = {"memory=share", "memory=copy"};
    const struct dlop_memory_ops *memory = &dlop_ocl_driver.memory;

    for (u32 i = 0; i < 2; i++) {
        struct dlop_device *device = open_real(real, settings[i], NULL);
        struct dlop_buffer buffer = {0};

        assert_int_equal(memory->alloc(device, 0, &buffer), DLOP_OK);
        assert_int_equal(buffer.size_bytes, 0);
        assert_int_equal(memory->to_device(device, &buffer, 0, 0), DLOP_OK);
        assert_int_equal(memory->to_device(device, &buffer, 0, 1), DLOP_ERR_ARGUMENT);
        memory->free(device, &buffer);
        assert_int_equal(memory->wrap(device, NULL, 0, &buffer), DLOP_OK);
        assert_int_equal(memory->from_device(device, &buffer, 0, 0), DLOP_OK);
        memory->free(device, &buffer);
        assert_int_equal(memory->wrap(device, NULL, 1, &buffer), DLOP_ERR_ARGUMENT);
        dlop_ocl_driver.close(&device);
    }
}

/* ---- little memory ---- */

static size_t most_bytes; /* larger memory objects are refused */

static cl_mem CL_API_CALL create_small(cl_context context, cl_mem_flags flags, size_t n_bytes,
                                       void *host, cl_int *error_out)
{
    if (!host && n_bytes > most_bytes) {
        *error_out = CL_MEM_OBJECT_ALLOCATION_FAILURE;
        return NULL;
    }
    return real->CreateBuffer(context, flags, n_bytes, host, error_out);
}

/* The largest need of one job, by the reference. */
static size_t largest_scratch(const struct kit *kit)
{
    static struct dlop_image_work work;
    const struct dlop_image_memory memory = {
        .in = kit->in.host,
        .bounds = {kit->in.size_bytes, kit->constants.size_bytes, kit->out.size_bytes}};
    size_t largest = 0;

    for (u32 i = 0; i < kit->launch.n_jobs; i++)
        if (dlop_image_prepare(&kit->jobs[i], &memory, &work) == DLOP_OK &&
            work.scratch_bytes > largest)
            largest = work.scratch_bytes;
    return largest;
}

static void with_little_memory_fewer_items_run(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_ocl_api api = *real;
    struct dlop_device *device;
    struct kit kit;

    api.CreateBuffer = create_small;
    most_bytes = SIZE_MAX;
    device = open_real(&api, "memory=share,items=16", NULL);
    kit_open(&kit, &dlop_ocl_driver, device);
    fill(&kit, &random, 32);
    most_bytes = 3 * largest_scratch(&kit);
    kit_submit(&kit);
    kit_wait(&kit);
    kit_check(&kit, &random);
    kit_close(&kit);
    dlop_ocl_driver.close(&device);
}

/* A job that no share can hold is refused, by accepts already, and harms no other. */
static void jobs_beyond_the_memory_are_refused(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_ocl_api api = *real;
    struct dlop_device *device;
    u32 n_refused = 0;
    struct kit kit;

    device = open_real(&api, NULL, NULL);
    kit_open(&kit, &dlop_ocl_driver, device);
    fill(&kit, &random, KIT_MAX_JOBS);
    ocl_answer = (struct ocl_answer){real, CL_DEVICE_GLOBAL_MEM_SIZE,
                                     4 * (cl_ulong)largest_scratch(&kit) / 2};
    kit_close(&kit);
    dlop_ocl_driver.close(&device);

    random = random_start(random_seed());
    api.GetDeviceInfo = ocl_device_info;
    device = open_real(&api, "memory=share", NULL);
    kit_open(&kit, &dlop_ocl_driver, device);
    fill(&kit, &random, KIT_MAX_JOBS);
    kit_submit(&kit);
    kit_wait(&kit);
    for (u32 i = 0; i < KIT_MAX_JOBS; i++) {
        const struct dlop_job *job = &kit.jobs[i];

        if (kit.completions[i].status != DLOP_ERR_TOO_SMALL)
            continue;
        n_refused++;
        assert_int_equal(dlop_ocl_driver.accepts(device, job, NULL, 0), DLOP_ERR_LIMIT);
        assert_int_equal(kit.completions[i].bytes_written, 0);
        memset(kit.expected_out + job->out_offset, KIT_CANARY, job->out_bytes);
        kit.expected[i] = kit.completions[i];
    }
    assert_in_range(n_refused, 1, KIT_MAX_JOBS - 1);
    kit_check(&kit, &random);
    kit_close(&kit);
    dlop_ocl_driver.close(&device);
}

/* ---- steady state ---- */

static void a_launch_allocates_nothing_in_steady_state(void **state)
{
    (void)state;
    static const char *const settings[] = {"memory=share", "memory=copy"};

    for (u32 i = 0; i < 2; i++) {
        struct random_state random = random_start(random_seed());
        struct dlop_device *device = open_real(real, settings[i], NULL);
        u32 n_before = 0;
        struct kit kit;

        kit_open(&kit, &dlop_ocl_driver, device);
        fill(&kit, &random, KIT_MAX_JOBS);
        for (u32 round = 0; round < 8; round++) {
            if (round == 6) /* both slots have seen the launch */
                n_before = atomic_load(&n_heap_calls);
            kit_submit(&kit);
            kit_wait(&kit);
        }
        assert_int_equal(atomic_load(&n_heap_calls), n_before);
        assert_true(n_before > 0); /* the counters do count */
        kit_close(&kit);
        dlop_ocl_driver.close(&device);
    }
}

/* ---- objects of OpenCL ---- */

/* Made and not released. */
static atomic_int n_contexts, n_queues, n_programs, n_kernels, n_memories, n_events;

#define COUNTED_RELEASE(name, type, counter)                                                       \
    static cl_int CL_API_CALL count_release_##counter(type object)                                 \
    {                                                                                              \
        atomic_fetch_sub(&counter, 1);                                                             \
        return real->name(object);                                                                 \
    }
COUNTED_RELEASE(ReleaseContext, cl_context, n_contexts)
COUNTED_RELEASE(ReleaseCommandQueue, cl_command_queue, n_queues)
COUNTED_RELEASE(ReleaseProgram, cl_program, n_programs)
COUNTED_RELEASE(ReleaseKernel, cl_kernel, n_kernels)
COUNTED_RELEASE(ReleaseMemObject, cl_mem, n_memories)
COUNTED_RELEASE(ReleaseEvent, cl_event, n_events)

static cl_context CL_API_CALL count_context(const cl_context_properties *properties, cl_uint n,
                                            const cl_device_id *devices,
                                            void(CL_CALLBACK *notify)(const char *, const void *,
                                                                      size_t, void *),
                                            void *cookie, cl_int *error_out)
{
    atomic_fetch_add(&n_contexts, 1);
    return real->CreateContext(properties, n, devices, notify, cookie, error_out);
}

static cl_command_queue CL_API_CALL count_queue(cl_context context, cl_device_id device,
                                                cl_command_queue_properties properties,
                                                cl_int *error_out)
{
    atomic_fetch_add(&n_queues, 1);
    return real->CreateCommandQueue(context, device, properties, error_out);
}

static cl_program CL_API_CALL count_program(cl_context context, cl_uint n, const char **texts,
                                            const size_t *lengths, cl_int *error_out)
{
    atomic_fetch_add(&n_programs, 1);
    return real->CreateProgramWithSource(context, n, texts, lengths, error_out);
}

static cl_kernel CL_API_CALL count_kernel(cl_program program, const char *name, cl_int *error_out)
{
    cl_kernel kernel = real->CreateKernel(program, name, error_out);

    atomic_fetch_add(&n_kernels, kernel != NULL);
    return kernel;
}

static cl_mem CL_API_CALL count_memory(cl_context context, cl_mem_flags flags, size_t n_bytes,
                                       void *host, cl_int *error_out)
{
    atomic_fetch_add(&n_memories, 1);
    return real->CreateBuffer(context, flags, n_bytes, host, error_out);
}

static cl_int CL_API_CALL count_run(cl_command_queue queue, cl_kernel kernel, cl_uint n_dims,
                                    const size_t *offset, const size_t *global, const size_t *local,
                                    cl_uint n_wait, const cl_event *wait, cl_event *event_out)
{
    atomic_fetch_add(&n_events, event_out != NULL);
    return real->EnqueueNDRangeKernel(queue, kernel, n_dims, offset, global, local, n_wait, wait,
                                      event_out);
}

static cl_int CL_API_CALL count_read(cl_command_queue queue, cl_mem memory, cl_bool is_blocking,
                                     size_t offset, size_t n_bytes, void *host, cl_uint n_wait,
                                     const cl_event *wait, cl_event *event_out)
{
    atomic_fetch_add(&n_events, event_out != NULL);
    return real->EnqueueReadBuffer(queue, memory, is_blocking, offset, n_bytes, host, n_wait, wait,
                                   event_out);
}

static void assert_all_released(void)
{
    assert_int_equal(atomic_load(&n_contexts), 0);
    assert_int_equal(atomic_load(&n_queues), 0);
    assert_int_equal(atomic_load(&n_programs), 0);
    assert_int_equal(atomic_load(&n_kernels), 0);
    assert_int_equal(atomic_load(&n_memories), 0);
    assert_int_equal(atomic_load(&n_events), 0);
}

static const struct dlop_ocl_api *counting_api(void)
{
    static struct dlop_ocl_api api;

    api = *real;
    api.CreateContext = count_context;
    api.ReleaseContext = count_release_n_contexts;
    api.CreateCommandQueue = count_queue;
    api.ReleaseCommandQueue = count_release_n_queues;
    api.CreateProgramWithSource = count_program;
    api.ReleaseProgram = count_release_n_programs;
    api.CreateKernel = count_kernel;
    api.ReleaseKernel = count_release_n_kernels;
    api.CreateBuffer = count_memory;
    api.ReleaseMemObject = count_release_n_memories;
    api.EnqueueNDRangeKernel = count_run;
    api.EnqueueReadBuffer = count_read;
    api.ReleaseEvent = count_release_n_events;
    return &api;
}

/* Whether launches ran, or the device could not even be opened. */
static void every_object_is_released(void **state)
{
    (void)state;
    static const char *const settings[] = {"memory=share", "memory=copy"};
    const struct dlop_ocl_api *api = counting_api();
    struct dlop_device *device = NULL;

    for (u32 i = 0; i < 2; i++) {
        struct random_state random = random_start(random_seed());
        struct kit kit;

        assert_int_equal(ocl_open_with(api, ocl_tiny_source, NULL, settings[i], NULL, &device),
                         DLOP_OK);
        kit_open(&kit, &dlop_ocl_driver, device);
        for (u32 n_jobs = 3; n_jobs <= 24; n_jobs *= 2) {
            while (kit.launch.n_jobs < n_jobs)
                kit_add(&kit, &random, &photos[0], kit.launch.n_jobs % DLOP_JOB_KIND_COUNT);
            kit_submit(&kit);
            kit_wait(&kit);
        }
        assert_true(atomic_load(&n_memories) > 3);
        assert_int_equal(atomic_load(&n_events), 0);
        dlop_ocl_driver.close(&device);
        assert_int_equal(atomic_load(&n_contexts), 1); /* the buffers keep it */
        kit_close(&kit);
        assert_all_released();
    }
    assert_int_equal(ocl_open_with(api, "int f( {", NULL, NULL, NULL, &device),
                     DLOP_ERR_DEVICE_FAULT);
    assert_all_released();
    assert_int_equal(
        ocl_open_with(api, "__kernel void dlop_image(int a) {}", NULL, NULL, NULL, &device),
        DLOP_ERR_DEVICE_FAULT);
    assert_all_released();
}

/* Time is said for every job, and only where a kernel ran. */
static void completions_say_how_long_it_took(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = open_real(real, NULL, NULL);
    struct kit kit;

    kit_open(&kit, &dlop_ocl_driver, device);
    fill(&kit, &random, 12);
    kit_submit(&kit);
    kit_wait(&kit);
    for (u32 i = 0; i < 12; i++)
        assert_in_range(kit.completions[i].busy_ticks, 1, UINT64_C(60000000000));
    kit_close(&kit);
    dlop_ocl_driver.close(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_do_not_depend_on_settings),
        cmocka_unit_test(copied_memory_is_apart_from_the_host),
        cmocka_unit_test(empty_buffers_are_buffers),
        cmocka_unit_test(with_little_memory_fewer_items_run),
        cmocka_unit_test(jobs_beyond_the_memory_are_refused),
        cmocka_unit_test(a_launch_allocates_nothing_in_steady_state),
        cmocka_unit_test(every_object_is_released),
        cmocka_unit_test(completions_say_how_long_it_took),
    };
    int n_failed;

    real = ocl_api();
    if (!real)
        return 77;
    n_photos = kit_load_photos(photos, N_PHOTOS);
    if (!n_photos) {
        printf("SKIP photos: no photographs; run make photos\n");
        return 77;
    }
    n_failed = cmocka_run_group_tests_name("driver/ocl device", tests, NULL, NULL);
    kit_free_photos(photos, n_photos);
    return n_failed;
}
