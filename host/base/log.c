/* Levels, limits and the way out of log lines.
 *
 * Lines are formatted on the caller's stack and leave in one call: to the callback, or to standard
 * error in one write, so lines of several threads never mix. Levels are read without a lock, which
 * is why they may change during setup only. Not here: what is worth a line.
 */
#include "host/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_LEVEL DLOP_LOG_WARN

static const char *const level_names[DLOP_LOG_LEVEL_COUNT] = {
    [DLOP_LOG_ERROR] = "error", [DLOP_LOG_WARN] = "warn",   [DLOP_LOG_INFO] = "info",
    [DLOP_LOG_DEBUG] = "debug", [DLOP_LOG_TRACE] = "trace",
};

static struct dlop_log_levels levels_in_use = {.general = DEFAULT_LEVEL};
static pthread_once_t levels_once = PTHREAD_ONCE_INIT;
static char environment_complaint[120];
static atomic_bool has_complaint;
static _Atomic(dlop_log_fn) callback;
static _Atomic(void *) callback_cookie;

/* ---- levels ---- */

/* Level of text[0..n), or -1. */
static int32_t level_of(const char *text, size_t n)
{
    for (int32_t level = 0; level < DLOP_LOG_LEVEL_COUNT; level++)
        if (strlen(level_names[level]) == n && memcmp(level_names[level], text, n) == 0)
            return level;
    return -1;
}

/* Take one word, "debug" or "run=debug", into *levels; why not in reason, or null. */
static const char *levels_add_word(struct dlop_log_levels *levels, const char *word, size_t n)
{
    const char *equals = memchr(word, '=', n);
    if (equals == NULL) {
        int32_t level = level_of(word, n);
        if (level < 0)
            return "no such level (error, warn, info, debug, trace)";
        levels->general = level;
        return NULL;
    }

    size_t n_name = (size_t)(equals - word);
    int32_t level = level_of(equals + 1, n - n_name - 1);
    if (level < 0)
        return "no such level (error, warn, info, debug, trace)";
    if (n_name == 0 || n_name >= DLOP_LOG_COMPONENT_BYTES)
        return "bad component name";
    if (levels->n_components == DLOP_LOG_MAX_COMPONENTS)
        return "too many components";
    struct dlop_log_component_level *row = &levels->component[levels->n_components++];
    memcpy(row->component, word, n_name);
    row->component[n_name] = 0;
    row->level = level;
    return NULL;
}

dlop_status dlop_log_levels_parse(const char *text, struct dlop_log_levels *levels_out,
                                  char *reason_out, size_t size)
{
    struct dlop_log_levels levels = {.general = DEFAULT_LEVEL};

    for (const char *word = text; *word != 0;) {
        size_t n = strcspn(word, ",");
        const char *reason = n == 0 ? NULL : levels_add_word(&levels, word, n);
        if (reason != NULL) {
            if (size > 0)
                snprintf(reason_out, size, "%s: \"%.*s\"", reason, n > 40 ? 40 : (int)n, word);
            return DLOP_ERR_ARGUMENT;
        }
        word += n + (word[n] == ',');
    }
    *levels_out = levels;
    return DLOP_OK;
}

static void levels_from_environment(void)
{
    const char *text = getenv("DLOP_LOG");
    if (text != NULL && dlop_log_levels_parse(text, &levels_in_use, environment_complaint,
                                              sizeof(environment_complaint)) != DLOP_OK)
        atomic_store(&has_complaint, true);
}

/* The complaint leaves after the once, so that a callback may log in its turn. */
static void read_levels_once(void)
{
    pthread_once(&levels_once, levels_from_environment);
    if (atomic_load(&has_complaint) && atomic_exchange(&has_complaint, false))
        dlop_log_warn("log", "DLOP_LOG is not used: %s", environment_complaint);
}

static bool is_within_levels(int32_t level, const char *component)
{
    for (uint32_t i = 0; i < levels_in_use.n_components; i++)
        if (strcmp(levels_in_use.component[i].component, component) == 0)
            return level <= levels_in_use.component[i].level;
    return level <= levels_in_use.general;
}

bool dlop_log_is_on(int32_t level, const char *component)
{
    read_levels_once();
    return is_within_levels(level, component);
}

/* ---- way out ---- */

void dlop_log_set_callback(dlop_log_fn fn, void *cookie)
{
    atomic_store(&callback_cookie, cookie);
    atomic_store(&callback, fn);
}

static void write_to_stderr(int32_t level, const char *component, const char *message)
{
    char line[DLOP_LOG_LINE_BYTES + 64];
    int n =
        snprintf(line, sizeof(line), "dlop %s %s: %s\n", level_names[level], component, message);
    size_t n_bytes = n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1;

    for (size_t done = 0; done < n_bytes;) {
        ssize_t written = write(STDERR_FILENO, line + done, n_bytes - done);
        if (written <= 0)
            return; /* nobody is left to be told */
        done += (size_t)written;
    }
}

static void deliver(int32_t level, const char *component, const char *message)
{
    dlop_log_fn fn = atomic_load(&callback);
    if (fn != NULL)
        fn(atomic_load(&callback_cookie), level, component, message);
    else
        write_to_stderr(level, component, message);
}

void dlop_log_write(int32_t level, const char *component, const char *format, ...)
{
    char message[DLOP_LOG_LINE_BYTES];
    va_list arguments;

    if (!dlop_log_is_on(level, component))
        return;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    deliver(level, component, message);
}

/* ---- limits ---- */

bool dlop_log_limit_pass(struct dlop_log_limit *limit, uint64_t now_ns, uint32_t *n_dropped_out)
{
    uint64_t second = now_ns / 1000000000u + 1; /* 0 is a limit that was never used */
    uint64_t known = atomic_load(&limit->second);

    if (known != second && atomic_compare_exchange_strong(&limit->second, &known, second))
        atomic_store(&limit->n_in_second, 0);
    if (atomic_fetch_add(&limit->n_in_second, 1) >= DLOP_LOG_LIMIT_PER_SECOND) {
        atomic_fetch_add(&limit->n_dropped, 1);
        return false;
    }
    *n_dropped_out = atomic_exchange(&limit->n_dropped, 0);
    return true;
}

void dlop_log_limited(struct dlop_log_limit *limit, int32_t level, const char *component,
                      const char *format, ...)
{
    char message[DLOP_LOG_LINE_BYTES];
    struct timespec now;
    uint32_t n_dropped;
    va_list arguments;

    if (!dlop_log_is_on(level, component))
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    if (!dlop_log_limit_pass(limit, now_ns, &n_dropped))
        return;

    va_start(arguments, format);
    int n = vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    if (n_dropped > 0 && n >= 0 && n < (int)sizeof(message))
        snprintf(message + n, sizeof(message) - (size_t)n, " (and %u like it not shown)",
                 n_dropped);
    deliver(level, component, message);
}
