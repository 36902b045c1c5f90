/* Driver test: one worker of the CPU, with each level of replacements, and whole pictures. */
#include "tests/driver/kit.h"

#include "driver/cpu/cpu.h"
#include "tests/kernel/guard.h"

#define N_PHOTOS 24

static struct photo photos[N_PHOTOS];
static u32 n_photos;

static const u32 masks[] = {0, DLOP_CPU_PLAIN_C, DLOP_CPU_AVX2, UINT32_MAX};
#define N_MASKS (sizeof masks / sizeof masks[0])

static void every_level_equals_the_reference(void **state)
{
    (void)state;
    const struct dlop_driver *cpu = dlop_driver_get("cpu");

    for (size_t m = 0; m < N_MASKS; m++) {
        struct random_state random = random_start(random_seed());
        struct dlop_cpu_worker *worker;
        struct kit kit;

        kit_open(&kit, cpu, NULL);
        for (u32 i = 0; i < KIT_MAX_JOBS; i++)
            kit_add(&kit, &random, &photos[random_u32(&random) % n_photos], i % 2);
        kit_expect(&kit);
        assert_int_equal(dlop_cpu_worker_open(masks[m], &worker), DLOP_OK);
        memset(kit.out.host, KIT_CANARY, kit.out.size_bytes);
        for (u32 i = 0; i < KIT_MAX_JOBS; i++) {
            dlop_cpu_run_job(worker, &kit.jobs[i], &kit.launch, &kit.completions[i]);
            assert_true(kit.completions[i].busy_ticks > 0);
        }
        kit_check(&kit, &random);
        dlop_cpu_worker_close(&worker);
        assert_null(worker);
        kit_close(&kit);
    }
}

static const struct dlop_jpeg_frame *frame_of(const struct photo *photo)
{
    return (const struct dlop_jpeg_frame *)(const void *)photo->jpeg;
}

/* The picture of one photograph with `channels` channels, at a closed page. */
static void check_picture(struct dlop_cpu_worker *worker, const struct photo *photo, u32 channels)
{
    size_t n_px = (size_t)photo->width * photo->height, n_bytes = n_px * channels;
    u8 *pixels = guard_alloc(n_bytes);

    assert_int_equal(
        dlop_cpu_decode_jpeg(worker, frame_of(photo), photo->jpeg_bytes, channels, pixels, n_bytes),
        DLOP_OK);
    for (size_t i = 0; i < n_px; i++)
        for (u32 c = 0; c < channels; c++) {
            u8 wanted = c == 3 ? 255 : photo->pixels[i * photo->channels + c % photo->channels];

            if (photo->channels == 1 && c < 3)
                wanted = photo->pixels[i];
            if (pixels[i * channels + c] != wanted)
                fail_msg("pixel %zu channel %u of %u: %d instead of %d", i, c, channels,
                         pixels[i * channels + c], wanted);
        }
    guard_free(pixels, n_bytes);
}

static void whole_pictures(void **state)
{
    (void)state;
    for (size_t m = 0; m < N_MASKS; m++) {
        struct dlop_cpu_worker *worker;

        assert_int_equal(dlop_cpu_worker_open(masks[m], &worker), DLOP_OK);
        for (u32 i = 0; i < n_photos; i++) {
            check_picture(worker, &photos[i], 1);
            check_picture(worker, &photos[i], 3);
            check_picture(worker, &photos[i], 4);
        }
        dlop_cpu_worker_close(&worker);
    }
}

static void whole_pictures_refuse_bad_calls(void **state)
{
    (void)state;
    const struct photo *photo = &photos[0];
    size_t n_bytes = (size_t)photo->width * photo->height * 3;
    u8 *pixels = malloc(n_bytes), *damaged = malloc(photo->jpeg_bytes);
    struct dlop_cpu_worker *worker;
    dlop_status status;

    assert_int_equal(dlop_cpu_worker_open(UINT32_MAX, &worker), DLOP_OK);
    assert_int_equal(
        dlop_cpu_decode_jpeg(worker, frame_of(photo), photo->jpeg_bytes, 3, pixels, n_bytes - 1),
        DLOP_ERR_TOO_SMALL);
    assert_int_equal(
        dlop_cpu_decode_jpeg(worker, frame_of(photo), photo->jpeg_bytes, 2, pixels, n_bytes),
        DLOP_ERR_ARGUMENT);
    assert_int_equal(dlop_cpu_decode_jpeg(worker, frame_of(photo), 100, 3, pixels, n_bytes),
                     DLOP_ERR_TRUNCATED);
    memcpy(damaged, photo->jpeg, photo->jpeg_bytes);
    ((struct dlop_jpeg_frame *)(void *)damaged)->height_px = 0;
    status = dlop_cpu_decode_jpeg(worker, (struct dlop_jpeg_frame *)(void *)damaged,
                                  photo->jpeg_bytes, 3, pixels, n_bytes);
    assert_in_range(-status, 1, 29);
    dlop_cpu_worker_close(&worker);
    free(pixels);
    free(damaged);
}

/* Buffers whose addresses break the alignment that jobs rely on. */
static void an_unaligned_input_buffer_is_refused(void **state)
{
    (void)state;
    const struct dlop_driver *cpu = dlop_driver_get("cpu");
    struct random_state random = random_start(random_seed());
    struct dlop_cpu_worker *worker;
    struct dlop_buffer moved;
    struct kit kit;

    kit_open(&kit, cpu, NULL);
    kit_add(&kit, &random, &photos[0], DLOP_JOB_PIXELS);
    moved = (struct dlop_buffer){(u8 *)kit.in.host + 2, kit.in.size_bytes - 2, NULL};
    kit.launch.in = &moved;
    assert_int_equal(dlop_cpu_worker_open(UINT32_MAX, &worker), DLOP_OK);
    dlop_cpu_run_job(worker, &kit.jobs[0], &kit.launch, &kit.completions[0]);
    assert_int_equal(kit.completions[0].status, DLOP_ERR_ARGUMENT);
    assert_int_equal(kit.completions[0].bytes_written, 0);
    dlop_cpu_worker_close(&worker);
    kit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_equals_the_reference),
        cmocka_unit_test(whole_pictures),
        cmocka_unit_test(whole_pictures_refuse_bad_calls),
        cmocka_unit_test(an_unaligned_input_buffer_is_refused),
    };
    int n_failed;

    n_photos = kit_load_photos(photos, N_PHOTOS);
    if (!n_photos) {
        printf("SKIP photos: no photographs; run make photos\n");
        return 77;
    }
    n_failed = cmocka_run_group_tests_name("driver/worker", tests, NULL, NULL);
    kit_free_photos(photos, n_photos);
    return n_failed;
}
