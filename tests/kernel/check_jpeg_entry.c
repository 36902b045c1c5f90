/* Kernel test: a scan decoded from places inside it (struct dlop_cpu_entry). From true places comes
 * what one pass over the whole scan gives; from wrong ones nothing is certain but that no byte
 * outside the scan and no sample outside the planes is touched.
 */
#include "tests/kernel/kernel.h"

#include "tests/kernel/guard.h"
#include "tests/kernel/jpeg_levels.h"
#include "tests/kernel/jpeg_oracle.h"

#define SIDE_PX 160

static const struct jpeg_case cases[] = {
    {.n_components = 3, .h = {1, 1, 1}, .v = {1, 1, 1}, .quality = 90},
    {.n_components = 3, .h = {2, 1, 1}, .v = {2, 1, 1}, .quality = 95, .is_optimised = 1},
    {.n_components = 3, .h = {2, 1, 1}, .v = {1, 1, 1}, .quality = 60, .restart_interval = 7},
    {.n_components = 1, .h = {1, 1, 1}, .v = {1, 1, 1}, .quality = 99},
    {.n_components = 3, .h = {1, 1, 1}, .v = {2, 1, 1}, .quality = 90, .is_multi_scan = 1},
};

/* A file behind its frame, closed pages around; and a decoder that has planned its first scan for
 * the whole picture. */
struct opened {
    u8 *memory;
    size_t n_bytes;
    struct dlop_cpu_jpeg *jpeg;
};

static void open_case(const struct jpeg_case *how, const struct dlop_cpu_steps *steps,
                      struct opened *opened)
{
    struct dlop_jpeg_frame frame;
    struct jpeg_case sized = *how;
    unsigned long file_bytes;
    u8 *file;
    const struct dlop_rect all = {0, 0, SIDE_PX, SIDE_PX - 3};
    u32 n_blocks;

    sized.width_px = all.width;
    sized.height_px = all.height;
    assert_int_equal(oracle_encode(&sized, &file, &file_bytes), 0);
    assert_int_equal(oracle_describe(file, (u32)file_bytes, sizeof frame, &frame), 0);
    opened->n_bytes = (sizeof frame + file_bytes + DLOP_JPEG_PADDING_BYTES + 3) / 4 * 4;
    opened->memory = guard_alloc(opened->n_bytes);
    memset(opened->memory, 0, opened->n_bytes);
    memcpy(opened->memory, &frame, sizeof frame);
    memcpy(opened->memory + sizeof frame, file, file_bytes);
    free(file);
    assert_int_equal(dlop_cpu_jpeg_open(&opened->jpeg), DLOP_OK);
    /* Plans the frame; then the first scan once more. */
    assert_int_equal(dlop_cpu_jpeg_decode(opened->jpeg, steps, (const void *)opened->memory,
                                          opened->n_bytes, &all, &n_blocks),
                     DLOP_OK);
    assert_int_equal(dlop_cpu_scan_plan(opened->jpeg, steps, (const void *)opened->memory,
                                        &((struct dlop_jpeg_frame *)opened->memory)->scan[0]),
                     DLOP_OK);
}

static void close_case(struct opened *opened)
{
    dlop_cpu_jpeg_close(&opened->jpeg);
    guard_free(opened->memory, opened->n_bytes);
}

static u64 sum_of_planes(const struct dlop_cpu_jpeg *jpeg, u8 clear)
{
    u64 sum = 0;

    for (u32 c = 0; c < jpeg->geometry.n_components; c++) {
        const struct dlop_cpu_plane *plane = &jpeg->plane[c];

        for (u32 y = 0; y < plane->height; y++)
            for (u32 x = 0; x < plane->width; x++) {
                u8 *sample = plane->samples + y * plane->stride_bytes + x;

                sum = (sum ^ *sample) * 0x9e3779b97f4a7c15u;
                if (clear)
                    *sample = 0;
            }
    }
    return sum;
}

/* Pass over the scan and note where every MCU begins, but for those behind a restart marker. */
static u32 find_entries(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                        struct dlop_cpu_entry *entries)
{
    const struct dlop_cpu_entry start = {0};
    u32 n = 0;

    assert_int_equal(dlop_cpu_scan_enter(jpeg, steps, &start), DLOP_OK);
    do {
        if (jpeg->source.n_mcus_left > 0)
            dlop_cpu_scan_leave(jpeg, &entries[n++]);
        assert_int_equal(dlop_cpu_scan_pass(jpeg, steps, 1), DLOP_OK);
    } while (jpeg->source.mcu < jpeg->plan.end_mcu);
    return n;
}

/* The scan in pieces between true places, in any order. */
static void check_true_places(struct random_state *random, const struct dlop_cpu_steps *steps,
                              const char *level)
{
    static struct dlop_cpu_entry entries[SIDE_PX * SIDE_PX / 64];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct opened opened;
        u64 expected;
        u32 n, first;

        open_case(&cases[i], steps, &opened);
        n = find_entries(opened.jpeg, steps, entries);
        sum_of_planes(opened.jpeg, 1);
        assert_int_equal(dlop_cpu_scan_enter(opened.jpeg, steps, &entries[0]), DLOP_OK);
        assert_int_equal(dlop_cpu_scan_run(opened.jpeg, steps, opened.jpeg->plan.end_mcu), DLOP_OK);
        expected = sum_of_planes(opened.jpeg, 1);
        for (u32 end = n; end > 0; end = first) {
            first = end - 1 - random_u32(random) % end;
            assert_int_equal(dlop_cpu_scan_enter(opened.jpeg, steps, &entries[first]), DLOP_OK);
            assert_int_equal(
                dlop_cpu_scan_run(opened.jpeg, steps,
                                  end < n ? entries[end].mcu : opened.jpeg->plan.end_mcu),
                DLOP_OK);
        }
        if (sum_of_planes(opened.jpeg, 0) != expected)
            RANDOM_FAIL(random, "%s, case %zu: other samples", level, i);
        close_case(&opened);
    }
}

static void from_true_places_comes_the_whole_scan(void **state)
{
    (void)state;
    jpeg_check_levels(check_true_places);
}

static void check_wrong_places(struct random_state *random, const struct dlop_cpu_steps *steps,
                               const char *level)
{
    (void)level;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct opened opened;
        u32 n_bytes, n_mcus, n_ended = 0;

        open_case(&cases[i], steps, &opened);
        n_bytes = opened.jpeg->plan.scan.end_bytes - opened.jpeg->plan.scan.begin_bytes;
        n_mcus = opened.jpeg->plan.end_mcu;
        for (u32 n = 0; n < 400; n++) {
            struct dlop_cpu_entry entry = {
                .mcu = random_u32(random) % (n_mcus + n_mcus / 8),
                .byte = random_u32(random) % (n_bytes + n_bytes / 8),
                .bit = random_u32(random) % 9,
                .dc_pred = {random_in(random, -3000, 3000), random_in(random, -17000, 17000)}};
            dlop_status status = dlop_cpu_scan_enter(opened.jpeg, steps, &entry);

            if (status == DLOP_OK && n % 2)
                dlop_cpu_scan_mark(opened.jpeg, random_u32(random) % n_bytes);
            if (status == DLOP_OK)
                status = dlop_cpu_scan_run(opened.jpeg, steps, n_mcus);
            if (status == DLOP_OK)
                dlop_cpu_scan_leave(opened.jpeg, &entry);
            assert_true(status <= DLOP_OK);
            n_ended += status == DLOP_OK;
        }
        assert_in_range(n_ended, 1, 399); /* some are refused, some lead to the end or the mark */
        close_case(&opened);
    }
}

static void wrong_places_are_harmless(void **state)
{
    (void)state;
    jpeg_check_levels(check_wrong_places);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_true_places_comes_the_whole_scan),
        cmocka_unit_test(wrong_places_are_harmless),
    };
    return cmocka_run_group_tests_name("kernel/check_jpeg_entry", tests, NULL, NULL);
}
