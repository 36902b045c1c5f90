/* Card entry points over every kind of JPEG that the vectors have, samplings, sizes, restart
 * intervals, scans of one component, tables: equal to the reference, whole and damaged. */
#include "tests/top/launch.h"

#include "driver/registry.h"
#include "host/format/jpeg.h"
#include "tests/vectors/vectors.h"

#define MAX_KINDS 256

static struct photo kinds[MAX_KINDS];
static u32 n_kinds;
static const struct dlop_driver *cpu;
static struct dlop_device *device;
static struct dlop_top_counts counts[KIT_MAX_JOBS];

static void keep(const struct vector *vector)
{
    struct photo *kind = &kinds[n_kinds];
    struct dlop_jpeg_frame frame;
    char reason[DLOP_REASON_BYTES];

    if (dlop_jpeg_parse(vector->bytes, vector->n_bytes, sizeof frame, &frame, reason) != DLOP_OK)
        return;
    kind->jpeg_bytes = sizeof frame + vector->n_bytes + DLOP_JPEG_PADDING_BYTES;
    kind->jpeg = calloc(1, kind->jpeg_bytes);
    memcpy(kind->jpeg, &frame, sizeof frame);
    memcpy(kind->jpeg + sizeof frame, vector->bytes, vector->n_bytes);
    kind->width = frame.width_px;
    kind->height = frame.height_px;
    kind->channels = frame.n_components;
    n_kinds++;
    assert_true(n_kinds < MAX_KINDS);
}

/* Jobs until the kit is full, kind after kind from *next on. */
static void fill(struct kit *kit, struct random_state *random, u32 *next)
{
    while (kit->launch.n_jobs < KIT_MAX_JOBS)
        kit_add(kit, random, &kinds[(*next)++ % n_kinds], DLOP_JOB_JPEG);
}

static void every_kind_equals_the_reference(void **state)
{
    (void)state;
    u32 next = 0;

    for (u32 n = 0; n < 12; n++) {
        struct random_state random = random_start(random_seed() + n);
        struct kit kit;

        kit_open(&kit, cpu, device);
        fill(&kit, &random, &next);
        kit_expect(&kit);
        launch_run(&kit, counts);
        kit_check(&kit, &random);
        for (u32 i = 0; i < KIT_MAX_JOBS; i++)
            assert_int_equal(kit.expected[i].status, DLOP_OK);
        kit_close(&kit);
    }
    assert_true(next > 2 * n_kinds);
}

/* The status, too, is the reference's: the first of several faults. */
static void damaged_kinds_are_refused_or_equal(void **state)
{
    (void)state;
    u32 next = 0, n_of_status[100] = {0};

    for (u32 n = 0; n < 100; n++) {
        struct random_state random = random_start(random_seed() + n);
        struct kit kit;

        kit_open(&kit, cpu, device);
        fill(&kit, &random, &next);
        for (u32 i = 0; i < KIT_MAX_JOBS; i++)
            for (u32 faults = 1 + random_u32(&random) % 3; faults; faults--)
                launch_spoil(&kit, &random, &kit.jobs[i]);
        kit_expect(&kit);
        launch_run(&kit, counts);
        kit_check(&kit, &random);
        for (u32 i = 0; i < KIT_MAX_JOBS; i++)
            n_of_status[-kit.expected[i].status]++;
        kit_close(&kit);
    }
    assert_true(n_of_status[-DLOP_OK] > 500);
    assert_true(n_of_status[-DLOP_ERR_BAD_DATA] > 300);
    assert_true(n_of_status[-DLOP_ERR_TRUNCATED] > 50);
    assert_true(n_of_status[-DLOP_ERR_INEXACT] > 5);
    assert_true(n_of_status[-DLOP_ERR_ARGUMENT] > 100);
}

static int open_all(void **state)
{
    (void)state;
    const struct dlop_device_cfg cfg = {.n_threads = 1, .vector_level = UINT32_MAX};

    for_each_vector("valid/", keep);
    cpu = dlop_driver_get("cpu");
    return cpu && cpu->open(&cfg, &device) == DLOP_OK ? 0 : -1;
}

static int close_all(void **state)
{
    (void)state;
    for (u32 i = 0; i < n_kinds; i++)
        free(kinds[i].jpeg);
    cpu->close(&device);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_equals_the_reference),
        cmocka_unit_test(damaged_kinds_are_refused_or_equal),
    };
    return cmocka_run_group_tests_name("top/kinds", tests, open_all, close_all);
}
