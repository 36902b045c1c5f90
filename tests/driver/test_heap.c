/* Driver test: once a worker has seen its largest record, no job touches the heap. */
#include "tests/driver/kit.h"

#include "driver/cpu/cpu.h"
#include "tests/driver/heap.h"

#define N_PHOTOS 12

static struct photo photos[N_PHOTOS];
static u32 n_photos;

static void fill_kit(struct kit *kit, struct random_state *random)
{
    for (u32 i = 0; i < KIT_MAX_JOBS; i++)
        kit_add(kit, random, &photos[random_u32(random) % n_photos],
                i % 2 ? DLOP_JOB_PIXELS : DLOP_JOB_JPEG);
    kit_expect(kit);
}

/* Jobs of every kind, by the reference steps, in plain C and with all that the processor has. */
static void a_worker_in_steady_state(void **state)
{
    (void)state;
    static const u32 masks[] = {0, DLOP_CPU_PLAIN_C, UINT32_MAX};
    const struct dlop_driver *cpu = dlop_driver_get("cpu");

    for (u32 m = 0; m < 3; m++) {
        struct random_state random = random_start(random_seed() + m);
        struct dlop_cpu_worker *worker;
        u32 n_before = 0;
        struct kit kit;

        kit_open(&kit, cpu, NULL);
        fill_kit(&kit, &random);
        assert_int_equal(dlop_cpu_worker_open(masks[m], &worker), DLOP_OK);
        for (u32 round = 0; round < 3; round++) {
            if (round == 1)
                n_before = atomic_load(&n_heap_calls);
            for (u32 i = 0; i < KIT_MAX_JOBS; i++)
                dlop_cpu_run_job(worker, &kit.jobs[i], &kit.launch, &kit.completions[i]);
        }
        assert_int_equal(atomic_load(&n_heap_calls), n_before);
        assert_true(n_before > 0); /* the counters do count */
        dlop_cpu_worker_close(&worker);
        kit_close(&kit);
    }
}

static void a_device_in_steady_state(void **state)
{
    (void)state;
    struct dlop_device_cfg cfg = {.n_threads = 1, .vector_level = UINT32_MAX};
    const struct dlop_driver *cpu = dlop_driver_get("cpu");
    struct random_state random = random_start(random_seed());
    struct dlop_device *device = NULL;
    u32 n_before = 0;
    struct kit kit;

    assert_int_equal(cpu->open(&cfg, &device), DLOP_OK);
    kit_open(&kit, cpu, device);
    fill_kit(&kit, &random);
    for (u32 round = 0; round < 10; round++) {
        if (round == 1)
            n_before = atomic_load(&n_heap_calls);
        kit_submit(&kit);
        kit_wait(&kit);
    }
    assert_int_equal(atomic_load(&n_heap_calls), n_before);
    kit_check(&kit, &random);
    kit_close(&kit);
    cpu->close(&device);
}

/* A record larger than any before may grow the memory, once. */
static void a_larger_record_grows_once(void **state)
{
    (void)state;
    const struct dlop_driver *cpu = dlop_driver_get("cpu");
    struct random_state random = random_start(random_seed());
    struct dlop_cpu_worker *worker;
    struct photo large = photos[0];
    u32 n_small, n_large;
    struct kit kit;

    large.width = 2000;
    large.height = 300;
    large.channels = 3;
    large.pixels = calloc(1, 2000 * 300 * 3);
    kit_open_for(&kit, cpu, NULL, 200); /* room for the large ones, too */
    kit_add(&kit, &random, &photos[0], DLOP_JOB_PIXELS);
    while (kit_add(&kit, &random, &large, DLOP_JOB_PIXELS)->roi_width_px < 1000)
        kit.launch.n_jobs--;
    kit_expect(&kit);
    assert_int_equal(dlop_cpu_worker_open(UINT32_MAX, &worker), DLOP_OK);
    dlop_cpu_run_job(worker, &kit.jobs[0], &kit.launch, &kit.completions[0]);
    n_small = atomic_load(&n_heap_calls);
    dlop_cpu_run_job(worker, &kit.jobs[1], &kit.launch, &kit.completions[1]);
    n_large = atomic_load(&n_heap_calls);
    assert_true(n_large > n_small);
    for (u32 i = 0; i < 10; i++)
        dlop_cpu_run_job(worker, &kit.jobs[i % 2], &kit.launch, &kit.completions[i % 2]);
    assert_int_equal(atomic_load(&n_heap_calls), n_large);
    dlop_cpu_worker_close(&worker);
    kit_close(&kit);
    free(large.pixels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_in_steady_state),
        cmocka_unit_test(a_device_in_steady_state),
        cmocka_unit_test(a_larger_record_grows_once),
    };
    int n_failed;

    n_photos = kit_load_photos(photos, N_PHOTOS);
    if (!n_photos) {
        printf("SKIP photos: no photographs; run make photos\n");
        return 77;
    }
    n_failed = cmocka_run_group_tests_name("driver/heap", tests, NULL, NULL);
    kit_free_photos(photos, n_photos);
    return n_failed;
}
