/* Settings of the xrt driver: see settings.h. One table is the only list of keys. */
#include "driver/xrt/settings.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TIMEOUT_MS 30000
#define MAX_TIMEOUT_MS     3600000

static const struct {
    const char *key;
    size_t offset, size;
} texts[] = {
#define TEXT(name)                                                                                 \
    {                                                                                              \
#name, offsetof(struct dlop_xrt_settings, name),                                           \
            sizeof((struct dlop_xrt_settings *)0)->name                                            \
    }
    TEXT(xclbin), TEXT(library), TEXT(program), TEXT(pci), TEXT(memory),
#undef TEXT
};

static bool is_memory(const char *memory)
{
    return !strcmp(memory, "card") || !strcmp(memory, "host") || !strcmp(memory, "p2p");
}

/* One "key=value" of length bytes; null, or what is wrong with it. */
static const char *read_one(const char *text, size_t length, struct dlop_xrt_settings *settings)
{
    const char *equals = memchr(text, '=', length);
    const char *value = equals ? equals + 1 : text;
    size_t key_length = equals ? (size_t)(equals - text) : 0;
    size_t value_length = length - (size_t)(value - text);
    char *end;

    if (key_length == strlen("timeout_ms") && !strncmp(text, "timeout_ms", key_length)) {
        unsigned long ms = strtoul(value, &end, 10);

        settings->timeout_ms = (uint32_t)ms;
        return value_length && end == value + value_length && ms && ms <= MAX_TIMEOUT_MS
                   ? NULL
                   : "must be 1 to 3600000";
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char *place = (char *)settings + texts[i].offset;

        if (key_length != strlen(texts[i].key) || memcmp(text, texts[i].key, key_length) != 0)
            continue;
        if (value_length >= texts[i].size)
            return "is too long";
        memcpy(place, value, value_length);
        place[value_length] = '\0';
        return is_memory(settings->memory) ? NULL : "must be card, host or p2p";
    }
    return "is no setting of xrt";
}

static dlop_status read_all(const char *text, struct dlop_xrt_settings *settings, char *reason_out,
                            size_t size)
{
    while (text && *text) {
        size_t length = strcspn(text, ",");
        const char *wrong = length ? read_one(text, length, settings) : NULL;

        if (wrong) {
            snprintf(reason_out, size, "%.*s %s", (int)(length < 60 ? length : 60), text, wrong);
            return DLOP_ERR_ARGUMENT;
        }
        text += length + (text[length] == ',');
    }
    return DLOP_OK;
}

dlop_status dlop_xrt_settings_read(const char *text, struct dlop_xrt_settings *settings_out,
                                   char *reason_out, size_t size)
{
    dlop_status status;

    memset(settings_out, 0, sizeof *settings_out);
    settings_out->timeout_ms = DEFAULT_TIMEOUT_MS;
    snprintf(settings_out->library, sizeof settings_out->library, "libxrt_coreutil.so.2");
    snprintf(settings_out->pci, sizeof settings_out->pci, "/sys/bus/pci/devices");
    snprintf(settings_out->memory, sizeof settings_out->memory, "card");
    status = read_all(getenv("DLOP_XRT"), settings_out, reason_out, size);
    return status == DLOP_OK ? read_all(text, settings_out, reason_out, size) : status;
}
