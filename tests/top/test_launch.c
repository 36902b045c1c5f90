/* Card entry points over whole launches of random jobs on photographs: bytes of `out`, gaps
 * included, and completions equal the reference's; damaged files, tables and jobs are refused with
 * the reference's status and write nothing. */
#include "tests/top/launch.h"

#include "driver/registry.h"

#define N_PHOTOS 24

static struct photo photos[N_PHOTOS];
static u32 n_photos;
static const struct dlop_driver *cpu;
static struct dlop_device *device;

static const struct photo *any_photo(struct random_state *random)
{
    return &photos[random_u32(random) % n_photos];
}

static struct dlop_top_counts counts[KIT_MAX_JOBS];

static void random_launches_equal_the_reference(void **state)
{
    (void)state;
    for (u32 n = 0; n < 24; n++) {
        struct random_state random = random_start(random_seed() + n);
        u32 n_jobs = n < 9 ? n : KIT_MAX_JOBS;
        struct kit kit;

        kit_open(&kit, cpu, device);
        for (u32 i = 0; i < n_jobs; i++)
            kit_add(&kit, &random, any_photo(&random),
                    n % 3 ? DLOP_JOB_JPEG : random_u32(&random) % DLOP_JOB_KIND_COUNT);
        kit_expect(&kit);
        launch_run(&kit, counts);
        kit_check(&kit, &random);
        kit_close(&kit);
    }
}

static void damaged_sources_are_refused_or_equal(void **state)
{
    (void)state;
    u32 n_refused = 0;

    for (u32 n = 0; n < 30; n++) {
        struct random_state random = random_start(random_seed() + n);
        struct kit kit;

        kit_open(&kit, cpu, device);
        for (u32 i = 0; i < KIT_MAX_JOBS; i++)
            launch_spoil(&kit, &random,
                         kit_add(&kit, &random, any_photo(&random),
                                 i % 8 ? DLOP_JOB_JPEG : DLOP_JOB_PIXELS));
        kit_expect(&kit);
        launch_run(&kit, counts);
        kit_check(&kit, &random);
        for (u32 i = 0; i < KIT_MAX_JOBS; i++)
            n_refused += kit.expected[i].status != DLOP_OK;
        kit_close(&kit);
    }
    assert_in_range(n_refused, 300, 30 * KIT_MAX_JOBS - 300);
}

static void damaged_jobs_are_refused_or_equal(void **state)
{
    (void)state;
    u32 n_refused = 0;

    for (u32 n = 0; n < 30; n++) {
        struct random_state random = random_start(random_seed() + n);
        struct kit kit;

        kit_open(&kit, cpu, device);
        for (u32 i = 0; i < KIT_MAX_JOBS; i++) {
            struct dlop_job *job =
                kit_add(&kit, &random, any_photo(&random), random_u32(&random) % 2);
            u32 at = random_u32(&random) % sizeof *job;
            u8 kind = job->kind;

            ((u8 *)job)[at] ^= (u8)(1u << random_u32(&random) % 8);
            job->kind = kind;
        }
        kit_expect(&kit);
        launch_run(&kit, counts);
        kit_check(&kit, &random);
        for (u32 i = 0; i < KIT_MAX_JOBS; i++)
            n_refused += kit.expected[i].status != DLOP_OK;
        kit_close(&kit);
    }
    assert_in_range(n_refused, 300, 30 * KIT_MAX_JOBS - 100);
}

static int open_cpu(void **state)
{
    (void)state;
    const struct dlop_device_cfg cfg = {.n_threads = 1, .vector_level = UINT32_MAX};

    cpu = dlop_driver_get("cpu");
    return cpu && cpu->open(&cfg, &device) == DLOP_OK ? 0 : -1;
}

static int close_cpu(void **state)
{
    (void)state;
    cpu->close(&device);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_launches_equal_the_reference),
        cmocka_unit_test(damaged_sources_are_refused_or_equal),
        cmocka_unit_test(damaged_jobs_are_refused_or_equal),
    };
    int n_failed;

    n_photos = kit_load_photos(photos, N_PHOTOS);
    if (!n_photos) {
        printf("SKIP photos: no photographs; run make photos\n");
        return 77;
    }
    n_failed = cmocka_run_group_tests_name("top/launch", tests, open_cpu, close_cpu);
    kit_free_photos(photos, n_photos);
    return n_failed;
}
