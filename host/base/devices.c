/* Parser of device names: see devices.h. */
#include "host/base/devices.h"

#include <stdio.h>
#include <string.h>

/* Names of all drivers, for messages. */
static void list_drivers(char *text_out, size_t size)
{
    const struct dlop_driver *driver;
    size_t at = 0;

    text_out[0] = '\0';
    for (uint32_t i = 0; (driver = dlop_driver_at(i)) && at < size; i++)
        at += (size_t)snprintf(text_out + at, size - at, "%s%s", i > 0 ? ", " : "", driver->name);
}

/* One word of n characters. Null, or what is wrong with it. */
static const char *parse_word(const char *word, size_t n, struct dlop_device_choice *choice_out)
{
    const char *colon = memchr(word, ':', n);
    size_t n_name = colon ? (size_t)(colon - word) : n;
    char name[32];

    if (n_name == 0 || n_name >= sizeof name)
        return "is not a device";
    memcpy(name, word, n_name);
    name[n_name] = '\0';
    choice_out->driver = dlop_driver_get(name);
    choice_out->index = 0;
    if (!choice_out->driver)
        return "is not a device";
    if (colon && n_name + 1 == n)
        return "has no number after the colon";
    for (size_t i = n_name + 1; i < n; i++) {
        if (word[i] < '0' || word[i] > '9')
            return "has no number after the colon";
        choice_out->index = choice_out->index * 10 + (uint32_t)(word[i] - '0');
        if (choice_out->index > DLOP_DEVICES_MAX_INDEX)
            return "has too large a number";
    }
    return NULL;
}

static const char *add_word(const char *word, size_t n, struct dlop_device_choices *choices)
{
    struct dlop_device_choice choice;
    const char *wrong = parse_word(word, n, &choice);

    if (wrong)
        return wrong;
    if (choices->n == DLOP_DEVICES_MAX)
        return "is one device too many";
    for (uint32_t i = 0; i < choices->n; i++)
        if (choices->choice[i].driver == choice.driver && choices->choice[i].index == choice.index)
            return "is named twice";
    choices->choice[choices->n++] = choice;
    return NULL;
}

dlop_status dlop_device_choices_parse(const char *text, struct dlop_device_choices *choices_out,
                                      char *reason_out, size_t size)
{
    struct dlop_device_choices choices = {0};
    char known[100];

    for (const char *word = text; strcmp(text, "auto") != 0;) {
        size_t n = strcspn(word, ",");
        const char *wrong = add_word(word, n, &choices);

        if (wrong) {
            list_drivers(known, sizeof known);
            snprintf(reason_out, size, "\"%.*s\" %s (auto, or some of %s, as name or name:number)",
                     (int)(n < 40 ? n : 40), word, wrong, known);
            return DLOP_ERR_ARGUMENT;
        }
        if (word[n] == '\0')
            break;
        word += n + 1;
    }
    *choices_out = choices;
    return DLOP_OK;
}
