/* Unit test: the words of --device, the self-test of a device, and a context over several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/base/devices.h"
#include "host/include/dlop.h"
#include "host/run/check.h"
#include "tests/driver/fake.h"

/* ---- words ---- */

static dlop_status parse(const char *text, struct dlop_device_choices *choices, char reason[200])
{
    reason[0] = '\0';
    return dlop_device_choices_parse(text, choices, reason, 200);
}

static void names_and_numbers_are_read(void **state)
{
    (void)state;
    struct dlop_device_choices choices;
    char reason[200];

    assert_int_equal(parse("auto", &choices, reason), DLOP_OK);
    assert_int_equal(choices.n, 0);
    assert_int_equal(parse("sim,ocl:12,cpu,ocl", &choices, reason), DLOP_OK);
    assert_int_equal(choices.n, 4);
    assert_string_equal(choices.choice[0].driver->name, "sim");
    assert_int_equal(choices.choice[0].index, 0);
    assert_string_equal(choices.choice[1].driver->name, "ocl");
    assert_int_equal(choices.choice[1].index, 12);
    assert_string_equal(choices.choice[3].driver->name, "ocl");
    assert_int_equal(choices.choice[3].index, 0);
    assert_int_equal(parse("cpu:255", &choices, reason), DLOP_OK);
}

static void other_words_are_refused_with_the_word(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } cases[] = {{"", "\"\" is not a device"},
                 {"toaster", "\"toaster\" is not a device"},
                 {"cpu,", "\"\" is not a device"},
                 {",cpu", "\"\" is not a device"},
                 {"cpu,auto", "\"auto\" is not a device"},
                 {"cpu:", "\"cpu:\" has no number"},
                 {"cpu:1x", "\"cpu:1x\" has no number"},
                 {"cpu:-1", "\"cpu:-1\" has no number"},
                 {"cpu:256", "\"cpu:256\" has too large a number"},
                 {"cpu:4294967296", "has too large a number"},
                 {"cpu,sim,cpu:0", "\"cpu:0\" is named twice"},
                 {"CPU", "\"CPU\" is not a device"},
                 {"cpu sim", "is not a device"}};
    struct dlop_device_choices choices = {.n = 77};
    char reason[200], many[400] = "ocl:0";

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(parse(cases[i].text, &choices, reason), DLOP_ERR_ARGUMENT);
        if (!strstr(reason, cases[i].reason))
            fail_msg("\"%s\": %s", cases[i].text, reason);
    }
    for (int i = 1; i <= DLOP_DEVICES_MAX; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), ",ocl:%d", i);
    assert_int_equal(parse(many, &choices, reason), DLOP_ERR_ARGUMENT);
    assert_non_null(strstr(reason, "one device too many"));
    assert_int_equal(choices.n, 77);
}

/* ---- self-test ---- */

static void a_right_device_passes_its_self_test(void **state)
{
    (void)state;
    const struct dlop_driver *cpu = dlop_driver_get("cpu");
    const struct dlop_device_cfg cfg = {.n_threads = 2, .vector_level = UINT32_MAX};
    struct dlop_device *device = NULL;
    double rate_hz = 0.0;

    assert_int_equal(dlop_check_open(cpu, &cfg, 20000, &device, &rate_hz), DLOP_OK);
    assert_non_null(device);
    assert_true(rate_hz > 0.0);
    cpu->close(&device);
}

static void other_devices_are_closed_again(void **state)
{
    (void)state;
    static const struct {
        enum fake_action action;
        uint32_t timeout_ms; /* long, but where it is waited for: busy machines are slow */
        dlop_status status;
    } cases[] = {{FAKE_RUN, 60000, DLOP_ERR_DEVICE_FAULT}, /* done, but not the right work */
                 {FAKE_FAIL, 60000, DLOP_ERR_DEVICE_LOST},
                 {FAKE_REFUSE, 60000, DLOP_ERR_DEVICE_LOST},
                 {FAKE_HOLD, 500, DLOP_ERR_TIMEOUT},
                 {FAKE_NOTHING, 60000, DLOP_ERR_DEVICE_FAULT}};
    const struct dlop_device_cfg cfg = {0};
    double rate_hz;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dlop_device *device = NULL;

        fake_reset();
        fake_push(&fakes[0], cases[i].action);
        assert_int_equal(
            dlop_check_open(&fake_driver, &cfg, cases[i].timeout_ms, &device, &rate_hz),
            cases[i].status);
        assert_null(device);
        assert_int_equal(fakes[0].n_opens, fakes[0].n_closes);
        assert_int_equal(atomic_load(&fake_n_buffers), 0);
    }
}

/* ---- context ---- */

static void a_context_tells_its_devices(void **state)
{
    (void)state;
    struct dlop_ctx_cfg cfg;
    dlop_ctx *ctx = NULL;
    char text[4000];

    dlop_ctx_cfg_init(&cfg);
    cfg.device = "cpu";
    assert_int_equal(dlop_ctx_open(&cfg, &ctx), DLOP_OK);
    assert_string_equal(dlop_ctx_device(ctx), "cpu");
    size_t size = dlop_ctx_json(ctx, text, sizeof text);
    assert_int_equal(size, strlen(text) + 1);
    assert_non_null(strstr(text, "\"schema\": \"dlop.ctx/1\", \"device\": \"cpu\""));
    assert_int_equal(dlop_ctx_json(ctx, NULL, 0), size);
    dlop_ctx_close(&ctx);
    cfg.device = "cpu,sim";
    assert_int_equal(dlop_ctx_open(&cfg, &ctx), DLOP_OK);
    assert_string_equal(dlop_ctx_device(ctx), "sim,cpu"); /* the CPU last: it ends what is left */
    dlop_ctx_json(ctx, text, sizeof text);
    assert_non_null(
        strstr(text, "{\"device\": \"sim\", \"state\": \"ready\", \"stands_by\": false"));
    assert_non_null(strstr(text, "\"events\": []"));
    dlop_ctx_close(&ctx);
    cfg.device = "sim";
    assert_int_equal(dlop_ctx_open(&cfg, &ctx), DLOP_OK);
    dlop_ctx_json(ctx, text, sizeof text);
    assert_non_null(
        strstr(text, "{\"device\": \"cpu\", \"state\": \"ready\", \"stands_by\": true"));
    dlop_ctx_close(&ctx);
}

static void what_cannot_be_opened_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"toaster", "", "sim:9", "cpu:1", "cpu,cpu", "sim,cpu:1"};
    struct dlop_ctx_cfg cfg;
    dlop_ctx *ctx = NULL;

    dlop_ctx_cfg_init(&cfg);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cfg.device = names[i];
        assert_int_equal(dlop_ctx_open(&cfg, &ctx), DLOP_ERR_NO_DEVICE);
    }
    cfg.device = "cpu";
    cfg.device_timeout_s = 0;
    assert_int_equal(dlop_ctx_open(&cfg, &ctx), DLOP_ERR_ARGUMENT);
    cfg.device_timeout_s = 86401;
    assert_int_equal(dlop_ctx_open(&cfg, &ctx), DLOP_ERR_ARGUMENT);
    assert_null(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers_are_read),
        cmocka_unit_test(other_words_are_refused_with_the_word),
        cmocka_unit_test(a_right_device_passes_its_self_test),
        cmocka_unit_test(other_devices_are_closed_again),
        cmocka_unit_test(a_context_tells_its_devices),
        cmocka_unit_test(what_cannot_be_opened_is_refused),
    };

    return cmocka_run_group_tests_name("unit/devices", tests, NULL, NULL);
}
