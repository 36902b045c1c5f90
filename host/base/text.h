/* Text that grows in the caller's buffer: what does not fit is counted but not written, as with
 * snprintf. For the functions that return "bytes needed". */
#ifndef DLOP_HOST_BASE_TEXT_H
#define DLOP_HOST_BASE_TEXT_H

#include <stddef.h>

/* bytes and size_bytes are the caller's (bytes may be null when the size is 0); n_bytes is the
 * length of the whole text without the final zero. */
struct dlop_text {
    char *bytes;
    size_t size_bytes;
    size_t n_bytes;
};

/* Append; what is written always ends in a zero. One thread per text. */
void dlop_text_add(struct dlop_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Append as a JSON string with its quotes: control characters, quotes and backslashes escaped, and
 * bytes that are not valid UTF-8 written as U+FFFD. */
void dlop_text_add_json_string(struct dlop_text *text, const char *string);

#endif
