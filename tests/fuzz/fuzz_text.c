/* Fuzz target: what reads text from users (options, log levels) and what writes JSON (strings,
 * metrics). The first byte chooses, the rest is the text. */
#include <string.h>

#include "host/base/config.h"
#include "host/base/log.h"
#include "host/base/metrics.h"
#include "host/base/text.h"
#include "host/format/magic.h"
#include "tests/fuzz/fuzz.h"

static size_t make_seed(uint32_t index, uint8_t *bytes_out);

const struct fuzz_target fuzz_target = {.name = "fuzz_text", .make_seed = make_seed};
FUZZ_COUNTS;

static const char *const texts[] = {
    "warn,run=debug,plan=trace",
    "0x1F",
    "4294967295",
    "raise|skip",
    "skip",
    "all",
    "/tmp/a b/report.json",
    "cpu",
    "17",
    "none",
    "auto",
    "info",
    "caf\xC3\xA9 \"quoted\"\\\n",
    "\xE2\x82\xAC\xF0\x9F\x98\x80\xED\xA0\x80\xFF",
};
#define N_TEXTS   (sizeof(texts) / sizeof(texts[0]))
#define N_CHOICES (DLOP_OPTION_COUNT + 3)

static size_t make_seed(uint32_t index, uint8_t *bytes_out)
{
    if (index >= N_TEXTS * N_CHOICES)
        return 0;
    bytes_out[0] = (uint8_t)(index / N_TEXTS);
    strcpy((char *)bytes_out + 1, texts[index % N_TEXTS]);
    return 1 + strlen(texts[index % N_TEXTS]);
}

static void check_option(const struct dlop_option *option, const char *text)
{
    char reason[64]; /* smaller than the longest message */
    uint64_t number = 99;

    memset(reason, '#', sizeof(reason));
    dlop_status status = dlop_option_parse(option, text, &number, reason, sizeof(reason));
    if (status == DLOP_OK) {
        fuzz_counts[FUZZ_ACCEPTED]++;
        fuzz_require(option->type != DLOP_TYPE_COUNT || number <= option->max, "over the maximum");
    } else {
        fuzz_require(status == DLOP_ERR_ARGUMENT && number == 99, "status %d", status);
        fuzz_require(memchr(reason, 0, sizeof(reason)) != NULL, "reason does not end");
    }
}

static void check_levels(const char *text)
{
    struct dlop_log_levels levels;
    if (dlop_log_levels_parse(text, &levels, NULL, 0) != DLOP_OK)
        return;
    fuzz_counts[FUZZ_ACCEPTED]++;
    fuzz_require(levels.general >= 0 && levels.general < DLOP_LOG_LEVEL_COUNT, "level");
    fuzz_require(levels.n_components <= DLOP_LOG_MAX_COMPONENTS, "components");
    for (uint32_t i = 0; i < levels.n_components; i++)
        fuzz_require(memchr(levels.component[i].component, 0, DLOP_LOG_COMPONENT_BYTES) != NULL,
                     "component does not end");
}

/* A JSON string has no control characters, and quotes only at its ends or after a backslash. */
static void check_json_string(const char *json, size_t n)
{
    fuzz_require(n >= 2 && json[0] == '"' && json[n - 1] == '"', "quotes");
    for (size_t i = 1; i + 1 < n; i++) {
        fuzz_require((unsigned char)json[i] >= 0x20 && json[i] != '"', "byte %zu", i);
        if (json[i] == '\\')
            i++;
        fuzz_require(i + 1 < n, "escape at the end");
    }
}

static void check_json(const char *text)
{
    struct dlop_text counted = {0};
    dlop_text_add_json_string(&counted, text);
    char *json = malloc(counted.n_bytes + 1);
    fuzz_require(json != NULL, "memory");
    struct dlop_text written = {.bytes = json, .size_bytes = counted.n_bytes + 1};
    dlop_text_add_json_string(&written, text);
    fuzz_require(written.n_bytes == counted.n_bytes && strlen(json) == counted.n_bytes, "length");
    check_json_string(json, counted.n_bytes);
    /* Too small a buffer: cut, never overrun. */
    struct dlop_text cut = {.bytes = json, .size_bytes = counted.n_bytes / 2};
    dlop_text_add_json_string(&cut, text);
    fuzz_require(cut.n_bytes == counted.n_bytes, "length of what was cut");
    free(json);
}

static void check_metrics(const uint8_t *data, size_t size)
{
    char *json;
    for (size_t i = 0; i + 3 < size; i += 3)
        dlop_metric_add(data[i] % DLOP_STAGE_COUNT, data[i + 1] % DLOP_METRIC_COUNT,
                        (uint64_t)data[i + 2] << data[i] % 57);
    size_t needed = dlop_metrics_json(NULL, 0);
    size_t room = size > 0 && data[0] % 2 ? needed : needed * (size % 16) / 16 + 1;
    json = malloc(room);
    fuzz_require(json != NULL, "memory");
    fuzz_require(dlop_metrics_json(json, room) == needed, "size");
    fuzz_require(memchr(json, 0, room) != NULL, "end");
    free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = malloc(size);
    fuzz_require(text != NULL, "memory");
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;

    unsigned choice = data[0] % N_CHOICES;
    if (choice < DLOP_OPTION_COUNT)
        check_option(dlop_option_at(choice), text);
    else if (choice == DLOP_OPTION_COUNT)
        check_levels(text);
    else if (choice == DLOP_OPTION_COUNT + 1)
        check_json(text);
    else
        check_metrics(data + 1, size - 1);
    dlop_magic_name(data, size);
    free(text);
    return 0;
}
