/* The test benches of the kernels, as make test runs them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* main of the benches, renamed (module.mk). */
int bench_image(void);
int bench_tensor(void);

static void image_equals_the_reference(void **state)
{
    (void)state;
    assert_int_equal(bench_image(), 0);
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
        cmocka_unit_test(tensor_equals_the_reference),
    };
    return cmocka_run_group_tests_name("top/benches", tests, NULL, NULL);
}
