/* Settings of the ocl driver: see settings.h. */
#include "driver/ocl/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TIMEOUT_MS 120000
#define MAX_ITEMS          65536

/* Work-items for each compute unit: enough to even out jobs of different lengths on a processor,
 * and to hide the wait for memory on a GPU. */
#define ITEMS_PER_CPU_UNIT 2
#define ITEMS_PER_UNIT     8

static const char *const memory_names[DLOP_OCL_MEMORY_COUNT] = {"share", "copy"};

static bool read_number(const char *text, uint32_t low, uint32_t high, uint32_t *number_out)
{
    unsigned long number;
    char *end;

    errno = 0;
    number = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || number < low || number > high)
        return false;
    *number_out = (uint32_t)number;
    return true;
}

static bool read_word(const char *key, const char *value, struct dlop_ocl_settings *settings)
{
    if (!strcmp(key, "items"))
        return read_number(value, 1, MAX_ITEMS, &settings->n_items);
    if (!strcmp(key, "timeout_ms"))
        return read_number(value, 1, UINT32_MAX, &settings->timeout_ms);
    for (uint32_t i = 0; i < DLOP_OCL_MEMORY_COUNT; i++) {
        if (strcmp(key, "memory") != 0 || strcmp(value, memory_names[i]) != 0)
            continue;
        settings->memory = i;
        return true;
    }
    return false;
}

dlop_status dlop_ocl_settings_read(const char *text, const struct dlop_ocl_found *found,
                                   struct dlop_ocl_settings *settings_out, char *reason_out,
                                   size_t size)
{
    uint32_t per_unit = found->is_cpu ? ITEMS_PER_CPU_UNIT : ITEMS_PER_UNIT;
    uint64_t n_items = (uint64_t)per_unit * (found->n_units ? found->n_units : 1);
    char copy[256], *rest = copy, *word;

    *settings_out = (struct dlop_ocl_settings){
        .memory = found->is_unified ? DLOP_OCL_MEMORY_SHARE : DLOP_OCL_MEMORY_COPY,
        .n_items = (uint32_t)(n_items < MAX_ITEMS ? n_items : MAX_ITEMS),
        .timeout_ms = DEFAULT_TIMEOUT_MS};
    if (snprintf(copy, sizeof copy, "%s", text ? text : "") >= (int)sizeof copy) {
        snprintf(reason_out, size, "settings are longer than 255 characters");
        return DLOP_ERR_ARGUMENT;
    }
    while ((word = strtok_r(rest, ",", &rest))) {
        char *equals = strchr(word, '=');

        if (equals)
            *equals = '\0';
        if (equals && read_word(word, equals + 1, settings_out))
            continue;
        snprintf(reason_out, size, "no setting %.60s=%.60s", word, equals ? equals + 1 : "");
        return DLOP_ERR_ARGUMENT;
    }
    return DLOP_OK;
}
