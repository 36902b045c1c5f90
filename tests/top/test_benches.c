/* The test benches of the kernels, as make test runs them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* main of the benches, renamed (module.mk). */
int bench_image(void);
int bench_tensor(void);
int bench_image_1(void);
int bench_image_7(void);

static void image_equals_the_reference(void **state)
{
    (void)state;
    assert_int_equal(bench_image(), 0);
}

/* How many streams are in rotation does not show. */
static void image_of_any_shape_equals_the_reference(void **state)
{
    (void)state;
    assert_int_equal(bench_image_1(), 0);
    assert_int_equal(bench_image_7(), 0);
}

static void tensor_equals_the_reference(void **state)
{
    (void)state;
    assert_int_equal(bench_tensor(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image_equals_the_reference),
        cmocka_unit_test(image_of_any_shape_equals_the_reference),
        cmocka_unit_test(tensor_equals_the_reference),
    };
    return cmocka_run_group_tests_name("top/benches", tests, NULL, NULL);
}
