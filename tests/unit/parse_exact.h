/* The parser on a block of exactly the file's size, with a check of what it accepts. Include after
 * cmocka.h. */
#ifndef DLOP_TESTS_UNIT_PARSE_EXACT_H
#define DLOP_TESTS_UNIT_PARSE_EXACT_H

#include <stdlib.h>
#include <string.h>

#include "host/format/jpeg.h"
#include "tests/fuzz/frame_check.h"

/* Parse from a heap block of exactly this size, so that a sanitizer sees reads past the end. */
static inline dlop_status parse_exact(const uint8_t *bytes, size_t n, uint32_t offset,
                                      struct dlop_jpeg_frame *frame, char reason[DLOP_REASON_BYTES])
{
    uint8_t *copy = malloc(n + 1);
    assert_non_null(copy);
    uint8_t *at_end = copy + 1; /* an odd address, too */
    memcpy(at_end, bytes, n);
    memset(frame, 0xA5, sizeof(*frame));
    memset(reason, 0, DLOP_REASON_BYTES);
    dlop_status status = dlop_jpeg_parse(at_end, n, offset, frame, reason);
    free(copy);
    if (status == DLOP_OK) {
        const char *broken = frame_check(frame, offset, n);
        if (broken != NULL)
            fail_msg("accepted frame breaks the rule on: %s", broken);
    } else {
        assert_int_not_equal(reason[0], 0);
    }
    return status;
}

#endif
