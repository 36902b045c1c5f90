/* Driver test: how a group divides a launch, and how it learns rates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "driver/group/divide.h"

static void jobs_go_where_they_are_done_first(void **state)
{
    (void)state;
    struct dlop_group_load loads[3] = {{.rate_hz = 300.0}, {.rate_hz = 100.0}, {.rate_hz = 0.0}};

    dlop_group_divide(70, loads, 3);
    assert_int_equal(loads[0].n_jobs_out, 30);
    assert_int_equal(loads[1].n_jobs_out, 10);
    assert_int_equal(loads[2].n_jobs_out, 30); /* not known: as fast as the fastest */
    loads[0].n_open = 90;
    dlop_group_divide(20, loads, 2);
    assert_int_equal(loads[0].n_jobs_out + loads[1].n_jobs_out, 20);
    assert_true(loads[1].n_jobs_out >= 19); /* the other is behind already */
    loads[0] = (struct dlop_group_load){.rate_hz = 10000.0};
    loads[1] = (struct dlop_group_load){.rate_hz = 1.0};
    dlop_group_divide(20, loads, 2);
    assert_int_equal(loads[1].n_jobs_out, 0);
    loads[1].n_idle = 1000; /* its rate must not get stale */
    dlop_group_divide(20, loads, 2);
    assert_int_equal(loads[1].n_jobs_out, 1);
    assert_int_equal(loads[0].n_jobs_out, 19);
    dlop_group_divide(0, loads, 2);
    assert_int_equal(loads[0].n_jobs_out + loads[1].n_jobs_out, 0);
}

static void rates_follow_what_is_measured(void **state)
{
    (void)state;
    double rate_hz = dlop_group_rate(0.0, 50, 1000000000u);

    assert_true(rate_hz == 50.0);
    for (uint32_t i = 0; i < 40; i++)
        rate_hz = dlop_group_rate(rate_hz, 10, 100000000u);
    assert_true(rate_hz > 99.9 && rate_hz < 100.0);
    assert_true(dlop_group_rate(100.0, 1, 0) > 100.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_go_where_they_are_done_first),
        cmocka_unit_test(rates_follow_what_is_measured),
    };

    return cmocka_run_group_tests_name("driver/divide", tests, NULL, NULL);
}
