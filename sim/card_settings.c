/* Settings of the card as text: "key=value,...", from one table. What is not understood is
 * refused with the reason. */
#include <stdio.h>
#include <string.h>

#include "sim/card_internal.h"

/* What a value is: a whole number, or a share of launches with up to six decimals. */
enum form { COUNT32, COUNT64, SHARE };

static const struct setting {
    const char *key;
    size_t offset;
    enum form form;
    u64 least, most;
} settings[] = {
#define FIELD(field) offsetof(struct dlop_card_cfg, field)
#define RATE(key, fault)                                                                           \
    {                                                                                              \
        key, FIELD(rate_ppm) + sizeof(u32) * (fault), SHARE, 0, 1000000                            \
    }
    {"units", FIELD(n_units) + sizeof(u32) * DLOP_CARD_IMAGE, COUNT32, 1, DLOP_CARD_MAX_UNITS},
    {"tensor_units", FIELD(n_units) + sizeof(u32) * DLOP_CARD_TENSOR, COUNT32, 1,
     DLOP_CARD_MAX_UNITS},
    {"queue", FIELD(n_launches), COUNT32, 1, DLOP_CARD_MAX_LAUNCHES},
    {"strict", FIELD(is_strict), COUNT32, 0, 1},
    {"seed", FIELD(seed), COUNT64, 0, UINT64_MAX},
    RATE("lost", DLOP_CARD_LOST),
    RATE("late", DLOP_CARD_LATE),
    RATE("duplicate", DLOP_CARD_DUPLICATE),
    RATE("corrupt", DLOP_CARD_CORRUPT),
    RATE("wrong_status", DLOP_CARD_WRONG_STATUS),
    RATE("bit_flip", DLOP_CARD_BIT_FLIP),
    RATE("double_flip", DLOP_CARD_DOUBLE_FLIP),
    RATE("slow", DLOP_CARD_SLOW),
    {"late_ms", FIELD(late_ms), COUNT32, 0, 60000},
    {"slow_ms", FIELD(slow_ms), COUNT32, 0, 60000},
    {"gone_after", FIELD(gone_after), COUNT64, 0, UINT64_MAX - 1},
    {"back_after", FIELD(back_after), COUNT64, 0, UINT64_MAX - 1},
#undef RATE
#undef FIELD
};
#define N_SETTINGS (sizeof settings / sizeof settings[0])

void dlop_card_cfg_init(struct dlop_card_cfg *cfg_out)
{
    *cfg_out = (struct dlop_card_cfg){.n_units = {[DLOP_CARD_IMAGE] = 2, [DLOP_CARD_TENSOR] = 1},
                                      .n_launches = DLOP_CARD_MAX_LAUNCHES,
                                      .is_strict = 1,
                                      .seed = 1,
                                      .late_ms = 20,
                                      .slow_ms = 5,
                                      .gone_after = UINT64_MAX,
                                      .back_after = UINT64_MAX};
}

/* Digits from *text on, at most `end`. 0 where there are none or too many. */
static u32 read_digits(const char **text, const char *end, u64 *value)
{
    const char *first = *text;

    for (; *text < end && **text >= '0' && **text <= '9'; ++*text) {
        u64 digit = (u64)(**text - '0');

        if (*value > (UINT64_MAX - digit) / 10)
            return 0;
        *value = 10 * *value + digit;
    }
    return *text > first;
}

/* A value of n characters; 0 where it is none of that form. Not by strtod, which asks the locale
 * for the decimal point. */
static u32 read_value(const char *text, size_t n, enum form form, u64 *value_out)
{
    const char *end = text + n, *point;
    u64 whole = 0, millionths = 0;

    if (!read_digits(&text, end, &whole))
        return 0;
    *value_out = whole;
    if (form != SHARE)
        return text == end;
    if (whole > 1000)
        return 0;
    if (text < end) {
        point = text++;
        if (*point != '.' || !read_digits(&text, end, &millionths) || text != end ||
            text - point > 7)
            return 0;
        for (size_t i = (size_t)(text - point); i <= 6; i++)
            millionths *= 10;
    }
    *value_out = whole * 1000000 + millionths;
    return 1;
}

static const struct setting *find_setting(const char *key, size_t n)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (strlen(settings[i].key) == n && !memcmp(settings[i].key, key, n))
            return &settings[i];
    return NULL;
}

static void store(const struct setting *setting, u64 value, struct dlop_card_cfg *cfg)
{
    u32 value32 = (u32)value;

    if (setting->form == COUNT64)
        memcpy((u8 *)cfg + setting->offset, &value, sizeof value);
    else
        memcpy((u8 *)cfg + setting->offset, &value32, sizeof value32);
}

/* One "key=value" of n characters. *seen: keys so far. */
static s32 read_setting(const char *text, size_t n, struct dlop_card_cfg *cfg, u64 *seen,
                        char *reason_out, size_t reason_bytes)
{
    const char *equals = memchr(text, '=', n);
    size_t key_length = equals ? (size_t)(equals - text) : n;
    const struct setting *setting = find_setting(text, key_length);
    u64 value = 0;
    int shown = n > 40 ? 40 : (int)n;

    if (!setting || !equals) {
        snprintf(reason_out, reason_bytes, "settings of sim: \"%.*s\" is %s", shown, text,
                 setting ? "no key=value" : "not known");
        return DLOP_ERR_ARGUMENT;
    }
    if (!read_value(equals + 1, n - key_length - 1, setting->form, &value) ||
        value < setting->least || value > setting->most) {
        snprintf(reason_out, reason_bytes,
                 setting->form == SHARE
                     ? "settings of sim: \"%.*s\": a share from 0 to 1, six decimals at most"
                     : "settings of sim: \"%.*s\": a whole number from %llu to %llu",
                 shown, text, (unsigned long long)setting->least,
                 (unsigned long long)setting->most);
        return DLOP_ERR_ARGUMENT;
    }
    if (*seen >> (setting - settings) & 1) {
        snprintf(reason_out, reason_bytes, "settings of sim: %s is given twice", setting->key);
        return DLOP_ERR_ARGUMENT;
    }
    *seen |= (u64)1 << (setting - settings);
    store(setting, value, cfg);
    return DLOP_OK;
}

s32 dlop_card_cfg_parse(const char *text, struct dlop_card_cfg *cfg, char *reason_out,
                        size_t reason_bytes)
{
    u64 seen = 0;
    s32 status = DLOP_OK;

    if (!text || !*text)
        return DLOP_OK;
    for (size_t n; status == DLOP_OK; text += n + 1) {
        n = strcspn(text, ",");
        status = read_setting(text, n, cfg, &seen, reason_out, reason_bytes);
        if (!text[n])
            break;
    }
    if (status == DLOP_OK && !cfg->is_strict &&
        (cfg->rate_ppm[DLOP_CARD_BIT_FLIP] || cfg->rate_ppm[DLOP_CARD_DOUBLE_FLIP])) {
        snprintf(reason_out, reason_bytes,
                 "settings of sim: bits flip in the card's own memory only: not with strict=0");
        status = DLOP_ERR_ARGUMENT;
    }
    return status;
}
