/* See text.h. */
#include "host/base/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void dlop_text_add(struct dlop_text *text, const char *format, ...)
{
    size_t room = text->n_bytes < text->size_bytes ? text->size_bytes - text->n_bytes : 0;
    va_list arguments;

    va_start(arguments, format);
    int n = vsnprintf(room > 0 ? text->bytes + text->n_bytes : NULL, room, format, arguments);
    va_end(arguments);
    if (n > 0)
        text->n_bytes += (size_t)n;
}

/* Bytes of the UTF-8 sequence at s, or 0 where there is none: overlong forms, surrogates and values
 * above U+10FFFF are none. */
static size_t utf8_length(const unsigned char *s)
{
    size_t n = s[0] < 0x80   ? 1
               : s[0] < 0xC2 ? 0
               : s[0] < 0xE0 ? 2
               : s[0] < 0xF0 ? 3
               : s[0] < 0xF5 ? 4
                             : 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] >= 0xA0) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] >= 0x90))
        return 0;
    return n;
}

void dlop_text_add_json_string(struct dlop_text *text, const char *string)
{
    const unsigned char *s = (const unsigned char *)string;

    dlop_text_add(text, "\"");
    while (*s != 0) {
        size_t n = utf8_length(s);
        if (n == 0)
            dlop_text_add(text, "\\ufffd");
        else if (*s < 0x20 || *s == 0x7F)
            dlop_text_add(text, "\\u%04x", *s);
        else if (*s == '"' || *s == '\\')
            dlop_text_add(text, "\\%c", *s);
        else
            dlop_text_add(text, "%.*s", (int)n, (const char *)s);
        s += n == 0 ? 1 : n;
    }
    dlop_text_add(text, "\"");
}
