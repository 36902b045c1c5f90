/* Driver test: the table of drivers, and the functions that stand in for empty slots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "driver/registry.h"

static void drivers_are_found_by_name_and_index(void **state)
{
    (void)state;
    uint32_t n = 0;

    for (const struct dlop_driver *driver; (driver = dlop_driver_at(n)); n++) {
        assert_ptr_equal(dlop_driver_get(driver->name), driver);
        assert_ptr_equal(dlop_driver_at(n), driver);
    }
    assert_true(n >= 1);
    assert_null(dlop_driver_at(UINT32_MAX));
    assert_non_null(dlop_driver_get("cpu"));
    assert_null(dlop_driver_get("cp"));
    assert_null(dlop_driver_get("cpu "));
    assert_null(dlop_driver_get(""));
    assert_null(dlop_driver_get(NULL));
}

/* Slots are pointers of one size; none may be left empty. */
static void assert_no_empty_slot(const struct dlop_driver *driver)
{
    assert_non_null(driver->memory.alloc);
    assert_non_null(driver->memory.wrap);
    assert_non_null(driver->memory.free);
    assert_non_null(driver->memory.to_device);
    assert_non_null(driver->memory.from_device);
    assert_non_null(driver->may_be_automatic);
    assert_non_null(driver->probe);
    assert_non_null(driver->open);
    assert_non_null(driver->close);
    assert_non_null(driver->accepts);
    assert_non_null(driver->submit);
    assert_non_null(driver->n_units);
}

static void no_driver_has_an_empty_slot(void **state)
{
    (void)state;
    const struct dlop_driver *driver;

    for (uint32_t i = 0; (driver = dlop_driver_at(i)); i++)
        assert_no_empty_slot(driver);
}

static void empty_slots_say_unsupported(void **state)
{
    (void)state;
    struct dlop_driver driver = {.name = "empty"};
    struct dlop_device_cfg cfg = {0};
    struct dlop_device *device = NULL;
    struct dlop_buffer buffer = {&driver, 5, NULL};
    struct dlop_device_info info;
    struct dlop_launch launch = {0};
    struct dlop_job job = {0};
    char reason[16] = "";

    dlop_driver_fill_empty_slots(&driver);
    assert_no_empty_slot(&driver);
    assert_true(driver.may_be_automatic());
    assert_int_equal(driver.probe(&info), DLOP_ERR_UNSUPPORTED);
    assert_int_equal(driver.open(&cfg, &device), DLOP_ERR_UNSUPPORTED);
    assert_null(device);
    assert_int_equal(driver.memory.alloc(device, 1, &buffer), DLOP_ERR_UNSUPPORTED);
    assert_int_equal(driver.memory.wrap(device, NULL, 0, &buffer), DLOP_ERR_UNSUPPORTED);
    assert_int_equal(driver.memory.to_device(device, &buffer, 0, 0), DLOP_ERR_UNSUPPORTED);
    assert_int_equal(driver.memory.from_device(device, &buffer, 0, 0), DLOP_ERR_UNSUPPORTED);
    assert_ptr_equal(buffer.host, &driver);
    driver.memory.free(device, &buffer);
    assert_null(buffer.host);
    driver.memory.free(device, NULL);
    assert_int_equal(driver.accepts(device, &job, reason, sizeof reason), DLOP_ERR_UNSUPPORTED);
    assert_true(strlen(reason) > 0 && strlen(reason) < sizeof reason);
    assert_int_equal(driver.accepts(device, &job, NULL, 0), DLOP_ERR_UNSUPPORTED);
    assert_int_equal(driver.submit(device, &launch), DLOP_ERR_UNSUPPORTED);
    assert_int_equal(driver.n_units(device), 0);
    device = (struct dlop_device *)(void *)&driver;
    driver.close(&device);
    assert_null(device);
    driver.close(&device);
}

static uint32_t four_units(const struct dlop_device *device)
{
    (void)device;
    return 4;
}

static void slots_that_are_set_stay(void **state)
{
    (void)state;
    struct dlop_driver driver = {.name = "partial", .n_units = four_units};

    dlop_driver_fill_empty_slots(&driver);
    assert_no_empty_slot(&driver);
    assert_int_equal(driver.n_units(NULL), 4);
}

/* A GPU has the training to do, and an emulation is slower than the CPU itself. */
static void only_cards_are_chosen_by_themselves(void **state)
{
    (void)state;
    const struct dlop_device_info absent = {0}, card = {.is_present = true},
                                  gpu = {.is_present = true, .is_gpu = true},
                                  emulation = {.is_present = true, .is_emulation = true};

    assert_true(dlop_device_is_automatic(&card));
    assert_false(dlop_device_is_automatic(&absent));
    assert_false(dlop_device_is_automatic(&gpu));
    assert_false(dlop_device_is_automatic(&emulation));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drivers_are_found_by_name_and_index),
        cmocka_unit_test(no_driver_has_an_empty_slot),
        cmocka_unit_test(empty_slots_say_unsupported),
        cmocka_unit_test(slots_that_are_set_stay),
        cmocka_unit_test(only_cards_are_chosen_by_themselves),
    };
    return cmocka_run_group_tests_name("driver/registry", tests, NULL, NULL);
}
