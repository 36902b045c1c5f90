/* Unit tests of host/base: status, log, metrics, options, text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/base/config.h"
#include "host/base/log.h"
#include "host/base/metrics.h"
#include "host/base/text.h"
#include "host/include/dlop.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* ---- status ---- */

static void every_status_has_its_own_name_and_text(void **state)
{
    (void)state;
#define STATUS_VALUE(name, value, text) value,
    static const dlop_status values[] = {DLOP_STATUS_TABLE(STATUS_VALUE)};
#undef STATUS_VALUE
    for (size_t i = 0; i < N_ELEMENTS(values); i++) {
        assert_true(strncmp(dlop_status_name(values[i]), "DLOP_", 5) == 0);
        assert_string_not_equal(dlop_status_text(values[i]), dlop_status_text(-12345));
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(values[i], values[k]);
            assert_string_not_equal(dlop_status_name(values[i]), dlop_status_name(values[k]));
        }
    }
    assert_string_equal(dlop_status_name(-1), "DLOP_ERR_BAD_DATA");
    assert_string_equal(dlop_status_text(-1), "damaged data");
    assert_string_equal(dlop_status_name(4711), "DLOP_STATUS_UNKNOWN");
}

static void version_and_build_are_told(void **state)
{
    (void)state;
    assert_string_equal(dlop_version(), DLOP_VERSION);
    assert_non_null(strstr(dlop_build_info(), "commit "));
}

/* ---- log ---- */

struct heard {
    unsigned n;
    int32_t level;
    char component[32];
    char message[DLOP_LOG_LINE_BYTES];
};

static void listen_to_log(void *cookie, int32_t level, const char *component, const char *message)
{
    struct heard *heard = cookie;
    heard->n++;
    heard->level = level;
    snprintf(heard->component, sizeof(heard->component), "%s", component);
    snprintf(heard->message, sizeof(heard->message), "%s", message);
}

static void callback_hears_level_component_and_message(void **state)
{
    (void)state;
    struct heard heard = {0};

    dlop_log_set_callback(listen_to_log, &heard);
    dlop_log_info("source", "not heard");
    assert_int_equal(heard.n, 0);
    assert_false(dlop_log_is_on(DLOP_LOG_INFO, "source"));
    assert_true(dlop_log_is_on(DLOP_LOG_WARN, "source"));
    dlop_log_warn("source", "%d files", 3);
    assert_int_equal(heard.n, 1);
    assert_int_equal(heard.level, DLOP_LOG_WARN);
    assert_string_equal(heard.component, "source");
    assert_string_equal(heard.message, "3 files");
    dlop_log_error("plan", "heard");
    assert_int_equal(heard.n, 2);
    dlop_log_set_callback(NULL, NULL);
}

static void bad_levels_are_refused_with_the_word(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "loud",           "warn,run=",  "=debug",
        "run=debug=info", "warn, info", "averyverylongcomponent=warn"};
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        struct dlop_log_levels levels = {.general = 77};
        char reason[100] = "";
        assert_int_equal(dlop_log_levels_parse(bad[i], &levels, reason, sizeof(reason)),
                         DLOP_ERR_ARGUMENT);
        assert_int_equal(levels.general, 77);
        assert_non_null(strchr(reason, '"'));
    }
    char many[1000] = "";
    for (int i = 0; i <= DLOP_LOG_MAX_COMPONENTS; i++)
        sprintf(many + strlen(many), "c%d=info,", i);
    struct dlop_log_levels levels;
    assert_int_equal(dlop_log_levels_parse(many, &levels, NULL, 0), DLOP_ERR_ARGUMENT);
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    struct heard heard = {0};
    char text[3 * DLOP_LOG_LINE_BYTES];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    dlop_log_set_callback(listen_to_log, &heard);
    dlop_log_error("run", "%s", text);
    dlop_log_set_callback(NULL, NULL);
    assert_int_equal(strlen(heard.message), DLOP_LOG_LINE_BYTES - 1);
}

/* Standard error of what write_lines says, in text_out. */
static void capture_stderr(void (*write_lines)(void), char *text_out, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(stderr);
    int kept = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    write_lines();
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(ends[1]);
    ssize_t n = read(ends[0], text_out, size - 1);
    close(ends[0]);
    assert_true(n >= 0);
    text_out[n] = 0;
}

static void write_a_warning(void)
{
    dlop_log_warn("run", "batch %d is late", 5);
}

static void default_is_one_line_on_standard_error(void **state)
{
    (void)state;
    char text[200];
    capture_stderr(write_a_warning, text, sizeof(text));
    assert_string_equal(text, "dlop warn run: batch 5 is late\n");
}

static void limit_lets_a_few_pass_and_counts_the_rest(void **state)
{
    (void)state;
    static struct dlop_log_limit limit;
    uint32_t n_dropped = 99, n_passed = 0;

    for (int i = 0; i < 100; i++)
        n_passed += dlop_log_limit_pass(&limit, 5000000000u + (uint64_t)i, &n_dropped);
    assert_int_equal(n_passed, DLOP_LOG_LIMIT_PER_SECOND);
    assert_int_equal(n_dropped, 0);
    assert_true(dlop_log_limit_pass(&limit, 6000000000u, &n_dropped));
    assert_int_equal(n_dropped, 100 - DLOP_LOG_LIMIT_PER_SECOND);
    assert_true(dlop_log_limit_pass(&limit, 6000000001u, &n_dropped));
    assert_int_equal(n_dropped, 0);
}

static void record_messages_are_limited_per_place(void **state)
{
    (void)state;
    struct heard heard = {0};

    dlop_log_set_callback(listen_to_log, &heard);
    for (int i = 0; i < 1000; i++)
        dlop_log_record(DLOP_LOG_WARN, "run", "record %d", i);
    dlop_log_set_callback(NULL, NULL);
    assert_in_range(heard.n, DLOP_LOG_LIMIT_PER_SECOND, 3 * DLOP_LOG_LIMIT_PER_SECOND);
}

/* Levels come from the environment in a process that has not logged yet: a fresh one. */
static void run_with_environment(const char *levels, char *text_out, size_t size)
{
    char command[300], path[200];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    assert_true(n > 0);
    path[n] = 0;
    snprintf(command, sizeof(command), "DLOP_LOG='%s' %s --speak 2>&1", levels, path);
    FILE *pipe_in = popen(command, "r");
    assert_non_null(pipe_in);
    size_t n_read = fread(text_out, 1, size - 1, pipe_in);
    text_out[n_read] = 0;
    assert_int_equal(pclose(pipe_in), 0);
}

static int speak(void)
{
    dlop_log_info("run", "one");
    dlop_log_info("plan", "two");
    dlop_log_debug("run", "three");
    dlop_log_debug("source", "four");
    dlop_log_info("source", "five");
    dlop_log_error("plan", "six");
    return 0;
}

static void environment_sets_the_levels(void **state)
{
    (void)state;
    char text[500];

    run_with_environment("warn,run=info", text, sizeof(text));
    assert_string_equal(text, "dlop info run: one\ndlop error plan: six\n");
    run_with_environment("", text, sizeof(text));
    assert_string_equal(text, "dlop error plan: six\n");
    run_with_environment("info,run=debug,plan=error", text, sizeof(text));
    assert_string_equal(text, "dlop info run: one\ndlop debug run: three\ndlop info source: five\n"
                              "dlop error plan: six\n");
    run_with_environment("shout", text, sizeof(text));
    assert_non_null(strstr(text, "dlop warn log: DLOP_LOG is not used"));
    assert_non_null(strstr(text, "\"shout\""));
}

/* ---- metrics ---- */

enum { N_THREADS = 100 }; /* more than there are blocks of counters */
static pthread_barrier_t all_are_counting;

static void *count_on_a_thread(void *n)
{
    dlop_metric_add(DLOP_STAGE_DRAW, DLOP_METRIC_RECORDS, 1);
    pthread_barrier_wait(&all_are_counting);
    for (uintptr_t i = 0; i < (uintptr_t)n; i++)
        dlop_metric_add(DLOP_STAGE_READ, DLOP_METRIC_RECORDS, 1);
    return NULL;
}

static void counts_of_many_threads_are_summed(void **state)
{
    (void)state;
    enum { N_ROUNDS = 3 };
    pthread_t threads[N_THREADS];

    dlop_metrics_reset();
    pthread_barrier_init(&all_are_counting, NULL, N_THREADS);
    for (int round = 0; round < N_ROUNDS; round++) {
        for (uintptr_t i = 0; i < N_THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, count_on_a_thread, (void *)(i + 1)),
                             0);
        for (int i = 0; i < N_THREADS; i++)
            pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&all_are_counting);
    assert_int_equal(dlop_metric_get(DLOP_STAGE_DRAW, DLOP_METRIC_RECORDS), N_ROUNDS * N_THREADS);
    assert_int_equal(dlop_metric_get(DLOP_STAGE_READ, DLOP_METRIC_RECORDS),
                     N_ROUNDS * N_THREADS * (N_THREADS + 1) / 2);
    assert_int_equal(dlop_metric_get(DLOP_STAGE_PARSE, DLOP_METRIC_RECORDS), 0);
}

static void statuses_are_counted(void **state)
{
    (void)state;
    char text[16384];

    dlop_metrics_reset();
    dlop_metric_status(DLOP_STAGE_PARSE, DLOP_ERR_TRUNCATED);
    dlop_metric_status(DLOP_STAGE_PARSE, DLOP_ERR_TRUNCATED);
    dlop_metric_status(DLOP_STAGE_DEVICE, DLOP_NEED_PIXELS);
    assert_in_range(dlop_metrics_json(text, sizeof(text)), 1, sizeof(text));
    assert_non_null(strstr(text, "\"DLOP_ERR_TRUNCATED\": 2"));
    assert_non_null(strstr(text, "\"DLOP_NEED_PIXELS\": 1"));
    assert_int_equal(dlop_metric_get(DLOP_STAGE_PARSE, DLOP_METRIC_ERRORS), 2);
    assert_int_equal(dlop_metric_get(DLOP_STAGE_DEVICE, DLOP_METRIC_ERRORS), 0);
}

static void a_child_starts_from_zero(void **state)
{
    (void)state;
    int status = 0;

    dlop_metrics_reset();
    dlop_metric_add(DLOP_STAGE_BATCH, DLOP_METRIC_RECORDS, 7);
    pid_t child = fork();
    if (child == 0) {
        uint64_t before = dlop_metric_get(DLOP_STAGE_BATCH, DLOP_METRIC_RECORDS);
        dlop_metric_add(DLOP_STAGE_BATCH, DLOP_METRIC_RECORDS, 2);
        _exit(before == 0 && dlop_metric_get(DLOP_STAGE_BATCH, DLOP_METRIC_RECORDS) == 2 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(dlop_metric_get(DLOP_STAGE_BATCH, DLOP_METRIC_RECORDS), 7);
}

static void json_has_every_row_and_tells_its_size(void **state)
{
    (void)state;
#define QUOTED_NAME(name, text, ...) "\"" text "\": ",
    static const char *const row_names[] = {DLOP_STAGE_TABLE(QUOTED_NAME)
                                                DLOP_METRIC_TABLE(QUOTED_NAME)};
#undef QUOTED_NAME
    char text[16384], small[10];

    dlop_metrics_reset();
    dlop_metric_add(DLOP_STAGE_DEVICE, DLOP_METRIC_RECORD_NS, 0);
    dlop_metric_add(DLOP_STAGE_DEVICE, DLOP_METRIC_RECORD_NS, 1000);
    dlop_metric_add(DLOP_STAGE_DEVICE, DLOP_METRIC_RECORD_NS, 1023);
    dlop_metric_add(DLOP_STAGE_DEVICE, DLOP_METRIC_RECORD_NS, UINT64_MAX);
    dlop_metric_status(DLOP_STAGE_PARSE, DLOP_ERR_LIMIT);

    size_t needed = dlop_metrics_json(text, sizeof(text));
    assert_int_equal(needed, strlen(text) + 1);
    assert_int_equal(dlop_metrics_json(NULL, 0), needed);
    memset(small, '#', sizeof(small));
    assert_int_equal(dlop_metrics_json(small, 5), needed);
    assert_string_equal(small, "{\"sc");
    assert_int_equal(small[5], '#');

    for (size_t i = 0; i < N_ELEMENTS(row_names); i++)
        assert_non_null(strstr(text, row_names[i]));
    assert_non_null(strstr(text, "{\"<2^0\": 1, \"<2^10\": 2, \"<2^39\": 1}"));
    assert_non_null(strstr(text, "\"status\": {\"DLOP_ERR_LIMIT\": 1}}"));
}

/* ---- options ---- */

static void clear_environment(void)
{
    for (uint32_t i = 0; i < DLOP_OPTION_COUNT; i++)
        unsetenv(dlop_option_at(i)->environment);
}

static void options_have_valid_defaults_and_distinct_names(void **state)
{
    (void)state;
    char reason[200];
    uint64_t number;

    for (uint32_t i = 0; i < DLOP_OPTION_COUNT; i++) {
        const struct dlop_option *option = dlop_option_at(i);
        assert_int_equal(
            dlop_option_parse(option, option->default_text, &number, reason, sizeof(reason)),
            DLOP_OK);
        assert_true(strncmp(option->environment, "DLOP_", 5) == 0);
        for (uint32_t k = 0; k < i; k++)
            assert_string_not_equal(option->environment, dlop_option_at(k)->environment);
    }
    assert_null(dlop_option_at(DLOP_OPTION_COUNT));
}

struct option_case {
    enum dlop_option_id id;
    const char *text;
    dlop_status status;
    uint64_t number;
};

static void values_are_checked(void **state)
{
    (void)state;
    static const struct option_case cases[] = {
        {DLOP_OPTION_THREADS, "0", DLOP_OK, 0},
        {DLOP_OPTION_THREADS, "1024", DLOP_OK, 1024},
        {DLOP_OPTION_THREADS, "1025", DLOP_ERR_ARGUMENT, 0},
        {DLOP_OPTION_THREADS, "-1", DLOP_ERR_ARGUMENT, 0},
        {DLOP_OPTION_THREADS, "", DLOP_ERR_ARGUMENT, 0},
        {DLOP_OPTION_THREADS, " 2", DLOP_ERR_ARGUMENT, 0},
        {DLOP_OPTION_THREADS, "2x", DLOP_ERR_ARGUMENT, 0},
        {DLOP_OPTION_THREADS, "18446744073709551617", DLOP_ERR_ARGUMENT, 0},
        {DLOP_OPTION_VECTOR, "all", DLOP_OK, UINT32_MAX},
        {DLOP_OPTION_VECTOR, "none", DLOP_OK, 0},
        {DLOP_OPTION_VECTOR, "3", DLOP_OK, 3},
        {DLOP_OPTION_VECTOR, "0xfF", DLOP_OK, 255},
        {DLOP_OPTION_VECTOR, "0x", DLOP_ERR_ARGUMENT, 0},
        {DLOP_OPTION_VECTOR, "0x100000000", DLOP_ERR_ARGUMENT, 0},
        {DLOP_OPTION_ON_ERROR, "raise", DLOP_OK, 0},
        {DLOP_OPTION_ON_ERROR, "replace", DLOP_OK, 2},
        {DLOP_OPTION_ON_ERROR, "rep", DLOP_ERR_ARGUMENT, 0},
        {DLOP_OPTION_ON_ERROR, "raise|skip", DLOP_ERR_ARGUMENT, 0},
        {DLOP_OPTION_REPORT, "/tmp/a b.json", DLOP_OK, 0},
        {DLOP_OPTION_REPORT, "a\nb", DLOP_ERR_ARGUMENT, 0},
        {DLOP_OPTION_LOG, "warn,run=debug", DLOP_OK, 0},
        {DLOP_OPTION_LOG, "shout", DLOP_ERR_ARGUMENT, 0},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        char reason[200] = "";
        uint64_t number = 0;
        const struct dlop_option *option = dlop_option_at(cases[i].id);
        assert_int_equal(dlop_option_parse(option, cases[i].text, &number, reason, sizeof(reason)),
                         cases[i].status);
        assert_int_equal(number, cases[i].number);
        if (cases[i].status != DLOP_OK)
            assert_non_null(strstr(reason, option->name));
    }
}

static void environment_is_read_and_bad_values_are_named(void **state)
{
    (void)state;
    static struct dlop_config config;
    char reason[300] = "";

    clear_environment();
    assert_int_equal(dlop_config_load(&config, reason, sizeof(reason)), DLOP_OK);
    assert_string_equal(config.text[DLOP_OPTION_DEVICE], "auto");
    assert_int_equal(config.number[DLOP_OPTION_VECTOR], UINT32_MAX);

    setenv("DLOP_THREADS", "7", 1);
    setenv("DLOP_VERIFY", "", 1);
    setenv("DLOP_REPORT", "r.json", 1);
    assert_int_equal(dlop_config_load(&config, reason, sizeof(reason)), DLOP_OK);
    assert_int_equal(config.number[DLOP_OPTION_THREADS], 7);
    assert_int_equal(config.number[DLOP_OPTION_VERIFY], 0);
    assert_string_equal(config.text[DLOP_OPTION_REPORT], "r.json");

    setenv("DLOP_ON_ERROR", "explode", 1);
    assert_int_equal(dlop_config_load(&config, reason, sizeof(reason)), DLOP_ERR_ARGUMENT);
    assert_non_null(strstr(reason, "DLOP_ON_ERROR"));
    assert_non_null(strstr(reason, "raise|skip|replace"));
    assert_string_equal(config.text[DLOP_OPTION_ON_ERROR], "raise");
    assert_int_equal(config.number[DLOP_OPTION_THREADS], 7);

    static char endless[2 * DLOP_CONFIG_TEXT_BYTES];
    memset(endless, 'x', sizeof(endless) - 1);
    unsetenv("DLOP_ON_ERROR");
    setenv("DLOP_REPORT", endless, 1);
    assert_int_equal(dlop_config_load(&config, reason, sizeof(reason)), DLOP_ERR_ARGUMENT);
    assert_string_equal(config.text[DLOP_OPTION_REPORT], "");
    clear_environment();
}

static void options_are_given_as_json(void **state)
{
    (void)state;
    char text[1000], reason[300] = "";

    clear_environment();
    setenv("DLOP_THREADS", "7", 1);
    setenv("DLOP_REPORT", "a\"b", 1);
    assert_int_equal(dlop_config_json(text, sizeof(text), reason, sizeof(reason)), DLOP_OK);
    assert_string_equal(
        text, "{\"device\": \"auto\", \"device-timeout\": 10, \"threads\": 7, \"readers\": 0, "
              "\"verify\": 0, \"on-error\": \"raise\", \"report\": \"a\\\"b\", "
              "\"log\": \"warn\", \"vector\": 4294967295, \"sim\": \"\", \"ocl\": \"\", "
              "\"xrt\": \"\", \"xclbin\": \"\"}");
    size_t n = strlen(text);
    assert_int_equal(dlop_config_json(text, n, reason, sizeof(reason)), DLOP_ERR_LIMIT);
    assert_int_equal(dlop_config_json(text, n + 1, reason, sizeof(reason)), DLOP_OK);
    setenv("DLOP_THREADS", "abc", 1);
    assert_int_equal(dlop_config_json(text, sizeof(text), reason, sizeof(reason)),
                     DLOP_ERR_ARGUMENT);
    assert_non_null(strstr(reason, "DLOP_THREADS"));
    assert_non_null(strstr(text, "\"threads\": 0"));
    clear_environment();
}

/* ---- text ---- */

static void json_strings_are_escaped(void **state)
{
    (void)state;
    char bytes[200];
    struct dlop_text text = {.bytes = bytes, .size_bytes = sizeof(bytes)};

    dlop_text_add_json_string(&text, "a\"b\\c\n\x7F\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    assert_string_equal(bytes, "\"a\\\"b\\\\c\\u000a\\u007f\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"");
    text.n_bytes = 0;
    /* Not UTF-8: a lone byte, a cut sequence, an overlong form, a surrogate. */
    dlop_text_add_json_string(&text, "\xFF|\xE2\x82|\xC0\x80|\xED\xA0\x80");
    assert_string_equal(bytes, "\"\\ufffd|\\ufffd\\ufffd|\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd\"");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_own_name_and_text),
        cmocka_unit_test(version_and_build_are_told),
        cmocka_unit_test(callback_hears_level_component_and_message),
        cmocka_unit_test(bad_levels_are_refused_with_the_word),
        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(default_is_one_line_on_standard_error),
        cmocka_unit_test(limit_lets_a_few_pass_and_counts_the_rest),
        cmocka_unit_test(record_messages_are_limited_per_place),
        cmocka_unit_test(environment_sets_the_levels),
        cmocka_unit_test(counts_of_many_threads_are_summed),
        cmocka_unit_test(statuses_are_counted),
        cmocka_unit_test(a_child_starts_from_zero),
        cmocka_unit_test(json_has_every_row_and_tells_its_size),
        cmocka_unit_test(options_have_valid_defaults_and_distinct_names),
        cmocka_unit_test(values_are_checked),
        cmocka_unit_test(environment_is_read_and_bad_values_are_named),
        cmocka_unit_test(options_are_given_as_json),
        cmocka_unit_test(json_strings_are_escaped),
    };
    if (argc == 2 && strcmp(argv[1], "--speak") == 0)
        return speak();
    return cmocka_run_group_tests_name("unit/base", tests, NULL, NULL);
}
