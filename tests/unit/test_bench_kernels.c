/* Unit test: the timings of single steps run every case at every level of this processor, on real
 * photographs, and tell a slow level from a fast one. Needs the photographs that make photos
 * cuts. */
#include "tests/kernel/kernel.h"

#include <ftw.h>
#include <sys/stat.h>

#include "driver/cpu/cpu.h"
#include "host/bench/kernels.h"

#define MAX_FILE_BYTES (1 << 17)
#define SHORT_NS       20000
/* The thread sanitizer makes each access a call: passes take long, and vectors gain nothing. */
#ifdef __SANITIZE_THREAD__
#define MAX_PHOTOS     1
#define DO_TIMES_SPEAK 0
#else
#define MAX_PHOTOS     12
#define DO_TIMES_SPEAK 1
#endif

static struct dlop_bench_kernels *kernels;
static u8 first_bytes[MAX_FILE_BYTES];
static size_t n_first_bytes, n_photos;

static int add_jpeg(const char *path, const struct stat *facts, int kind, struct FTW *where)
{
    static u8 bytes[MAX_FILE_BYTES];
    size_t length = strlen(path);
    FILE *file;

    (void)where;
    if (kind != FTW_F || n_photos == MAX_PHOTOS || facts->st_size > MAX_FILE_BYTES || length < 5 ||
        strcmp(path + length - 4, ".jpg") != 0)
        return 0;
    file = fopen(path, "rb");
    if (!file)
        return 0;
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    if (dlop_bench_kernels_add(kernels, bytes, n) != DLOP_OK)
        return 0;
    if (n_photos++ == 0) {
        memcpy(first_bytes, bytes, n);
        n_first_bytes = n;
    }
    return 0;
}

static double run(u32 i, u32 mask, u64 least_ns)
{
    double ns = -1;

    assert_int_equal(dlop_bench_kernels_run(kernels, i, mask, least_ns, &ns), DLOP_OK);
    assert_true(ns > 0 && ns < 1e7);
    return ns;
}

/* A step that refuses its input anywhere gives no time but an error. */
static void every_case_runs_at_every_level(void **state)
{
    const char *input, *unit, *level;
    u32 mask, is_usable, n_cases = 0, n_levels = 0;

    (void)state;
    while (dlop_bench_kernels_case(kernels, n_cases, &input, &unit)) {
        assert_true(input && unit && *unit);
        for (n_levels = 0; (level = dlop_bench_kernels_level(n_levels, &mask, &is_usable));
             n_levels++) {
            if (n_levels == 0)
                assert_string_equal(level, "reference");
            if (is_usable)
                run(n_cases, mask, SHORT_NS);
        }
        n_cases++;
    }
    assert_true(n_cases > 40 && n_levels >= 2);
    double ns = 7;
    assert_int_equal(dlop_bench_kernels_run(kernels, n_cases, 0, SHORT_NS, &ns), DLOP_ERR_ARGUMENT);
    assert_true(ns == 7);
}

static u32 find_case(const char *name)
{
    const char *input, *unit, *step;

    for (u32 i = 0; (step = dlop_bench_kernels_case(kernels, i, &input, &unit)); i++)
        if (!strcmp(step, name))
            return i;
    fail_msg("no step %s", name);
    return 0;
}

/* Decoding a block and transforming it takes longer than passing over it, at each level, and the
 * levels are those that were asked for: plain C is several times as fast as the reference. */
static void times_make_sense(void **state)
{
    u32 decode = find_case("decode_mcus"), skip = find_case("skip_mcus");
    u32 pack = find_case("pack");

    (void)state;
    if (!DO_TIMES_SPEAK)
        return;
    for (u32 mask = 0; mask <= DLOP_CPU_PLAIN_C; mask++)
        assert_true(run(decode, mask, 1000000) > 1.5 * run(skip, mask, 1000000));
    assert_true(run(decode, 0, 1000000) > 1.3 * run(decode, DLOP_CPU_PLAIN_C, 1000000));
    assert_true(run(pack, 0, 1000000) > 2 * run(pack, DLOP_CPU_PLAIN_C, 1000000));
}

static void files_that_cannot_be_taken_apart_are_refused(void **state)
{
    struct dlop_bench_kernels *empty = NULL;
    double ns = 7;

    (void)state;
    assert_int_equal(dlop_bench_kernels_open(&empty), DLOP_OK);
    assert_int_equal(dlop_bench_kernels_run(empty, 0, 0, SHORT_NS, &ns), DLOP_ERR_ARGUMENT);
    assert_true(dlop_bench_kernels_add(empty, first_bytes, 0) < 0);
    assert_true(dlop_bench_kernels_add(empty, first_bytes, n_first_bytes / 2) < 0);
    assert_int_equal(dlop_bench_kernels_run(empty, 0, 0, SHORT_NS, &ns), DLOP_ERR_ARGUMENT);
    for (u32 i = 0; i < 64; i++)
        assert_int_equal(dlop_bench_kernels_add(empty, first_bytes, n_first_bytes), DLOP_OK);
    assert_int_equal(dlop_bench_kernels_add(empty, first_bytes, n_first_bytes), DLOP_ERR_LIMIT);
    dlop_bench_kernels_close(&empty);
    assert_null(empty);
    dlop_bench_kernels_close(&empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_runs_at_every_level),
        cmocka_unit_test(times_make_sense),
        cmocka_unit_test(files_that_cannot_be_taken_apart_are_refused),
    };

    if (dlop_bench_kernels_open(&kernels) != DLOP_OK)
        return 1;
    nftw("build/photos/tiny", add_jpeg, 8, FTW_PHYS);
    int status = 77;
    if (n_photos == MAX_PHOTOS)
        status = cmocka_run_group_tests_name("unit/bench_kernels", tests, NULL, NULL);
    else
        printf("SKIP photos: no photographs; run make photos\n");
    dlop_bench_kernels_close(&kernels);
    return status;
}
