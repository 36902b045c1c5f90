/* The table of options and the parsers of their values. */
#include "host/base/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/devices.h"
#include "host/base/log.h"
#include "host/base/text.h"
#include "host/include/dlop.h"

#define OPTION_ROW(id, name, environment, value_name, type, default_text, choices, max, help)      \
    [id] = {name, environment, value_name, default_text, choices, help, type, max},
static const struct dlop_option options[DLOP_OPTION_COUNT] = {DLOP_OPTION_TABLE(OPTION_ROW)};
#undef OPTION_ROW

const struct dlop_option *dlop_option_at(uint32_t index)
{
    return index < DLOP_OPTION_COUNT ? &options[index] : NULL;
}

/* ---- parsers: null when the text is right, else what is expected ---- */

typedef const char *(*parse_fn)(const struct dlop_option *option, const char *text,
                                uint64_t *number_out, char *detail, size_t size);

static const char *parse_text(const struct dlop_option *option, const char *text,
                              uint64_t *number_out, char *detail, size_t size)
{
    (void)option, (void)detail, (void)size;
    *number_out = 0;
    for (const unsigned char *s = (const unsigned char *)text; *s != 0; s++)
        if (*s < 0x20 || *s == 0x7F)
            return "text without control characters";
    return NULL;
}

/* Digits of a base up to max, nothing else: no sign, no blank, no overflow. */
static bool read_number(const char *digits, uint32_t base, uint64_t max, uint64_t *number_out)
{
    static const char all_digits[] = "0123456789abcdef";
    uint64_t number = 0;

    if (*digits == 0)
        return false;
    for (; *digits != 0; digits++) {
        char lower = *digits >= 'A' && *digits <= 'F' ? (char)(*digits - 'A' + 'a') : *digits;
        const char *found = memchr(all_digits, lower, base);
        if (found == NULL)
            return false;
        number = number * base + (uint64_t)(found - all_digits);
        if (number > max)
            return false;
    }
    *number_out = number;
    return true;
}

static const char *parse_count(const struct dlop_option *option, const char *text,
                               uint64_t *number_out, char *detail, size_t size)
{
    if (read_number(text, 10, option->max, number_out))
        return NULL;
    snprintf(detail, size, "a number from 0 to %llu", (unsigned long long)option->max);
    return detail;
}

static const char *parse_mask(const struct dlop_option *option, const char *text,
                              uint64_t *number_out, char *detail, size_t size)
{
    (void)option, (void)detail, (void)size;
    if (strcmp(text, "all") == 0)
        *number_out = UINT32_MAX;
    else if (strcmp(text, "none") == 0)
        *number_out = 0;
    else if (strncmp(text, "0x", 2) == 0 ? !read_number(text + 2, 16, UINT32_MAX, number_out)
                                         : !read_number(text, 10, UINT32_MAX, number_out))
        return "all, none or a number of 32 bits";
    return NULL;
}

static const char *parse_choice(const struct dlop_option *option, const char *text,
                                uint64_t *number_out, char *detail, size_t size)
{
    size_t n_text = strlen(text);
    uint64_t index = 0;

    for (const char *word = option->choices; *word != 0; index++) {
        size_t n = strcspn(word, "|");
        if (n == n_text && memcmp(word, text, n) == 0) {
            *number_out = index;
            return NULL;
        }
        word += n + (word[n] == '|');
    }
    snprintf(detail, size, "one of %s", option->choices);
    return detail;
}

static const char *parse_devices(const struct dlop_option *option, const char *text,
                                 uint64_t *number_out, char *detail, size_t size)
{
    struct dlop_device_choices choices;
    (void)option;
    *number_out = 0;
    return dlop_device_choices_parse(text, &choices, detail, size) == DLOP_OK ? NULL : detail;
}

static const char *parse_levels(const struct dlop_option *option, const char *text,
                                uint64_t *number_out, char *detail, size_t size)
{
    struct dlop_log_levels levels;
    (void)option;
    *number_out = 0;
    return dlop_log_levels_parse(text, &levels, detail, size) == DLOP_OK ? NULL : detail;
}

static const parse_fn parsers[DLOP_TYPE_COUNT_OF_TYPES] = {
    [DLOP_TYPE_TEXT] = parse_text,       [DLOP_TYPE_COUNT] = parse_count,
    [DLOP_TYPE_MASK] = parse_mask,       [DLOP_TYPE_CHOICE] = parse_choice,
    [DLOP_TYPE_DEVICES] = parse_devices, [DLOP_TYPE_LEVELS] = parse_levels,
};

dlop_status dlop_option_parse(const struct dlop_option *option, const char *text,
                              uint64_t *number_out, char *reason_out, size_t size)
{
    char detail[100] = "";
    uint64_t number = 0;
    const char *expected =
        strlen(text) < DLOP_CONFIG_TEXT_BYTES
            ? parsers[option->type](option, text, &number, detail, sizeof(detail))
            : "a shorter text";
    if (expected != NULL) {
        snprintf(reason_out, size, "\"%.40s\" is not a value of %s: expected %s", text,
                 option->name, expected);
        return DLOP_ERR_ARGUMENT;
    }
    *number_out = number;
    return DLOP_OK;
}

/* ---- environment ---- */

dlop_status dlop_config_load(struct dlop_config *config_out, char *reason_out, size_t size)
{
    dlop_status first = DLOP_OK;

    for (uint32_t i = 0; i < DLOP_OPTION_COUNT; i++) {
        const struct dlop_option *option = &options[i];
        const char *text = getenv(option->environment);
        char reason[200];

        if (text == NULL || *text == 0)
            text = option->default_text;
        if (dlop_option_parse(option, text, &config_out->number[i], reason, sizeof(reason)) !=
            DLOP_OK) {
            if (first == DLOP_OK)
                snprintf(reason_out, size, "%s: %s", option->environment, reason);
            first = DLOP_ERR_ARGUMENT;
            text = option->default_text;
            if (dlop_option_parse(option, text, &config_out->number[i], reason, sizeof(reason)) !=
                DLOP_OK)
                return DLOP_ERR_INTERNAL;
        }
        memcpy(config_out->text[i], text, strlen(text) + 1);
    }
    return first;
}

dlop_status dlop_config_json(char *text_out, size_t size, char *reason_out, size_t reason_size)
{
    struct dlop_config config;
    struct dlop_text text = {.bytes = text_out, .size_bytes = size};
    dlop_status status = dlop_config_load(&config, reason_out, reason_size);

    if (status != DLOP_OK && status != DLOP_ERR_ARGUMENT)
        return status;
    for (uint32_t i = 0; i < DLOP_OPTION_COUNT; i++) {
        dlop_text_add(&text, "%s\"%s\": ", i == 0 ? "{" : ", ", options[i].name);
        if (options[i].type == DLOP_TYPE_COUNT || options[i].type == DLOP_TYPE_MASK)
            dlop_text_add(&text, "%llu", (unsigned long long)config.number[i]);
        else
            dlop_text_add_json_string(&text, config.text[i]);
    }
    dlop_text_add(&text, "}");
    if (text.n_bytes < size)
        return status;
    snprintf(reason_out, reason_size, "options need %zu bytes", text.n_bytes + 1);
    return DLOP_ERR_LIMIT;
}
