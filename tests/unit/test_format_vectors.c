/* Unit tests of host/format on files: the vectors (tests/vectors) and their manifest, then the same
 * files cut and changed at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/include/dlop.h"
#include "tests/unit/parse_exact.h"
#include "tests/vectors/vectors.h"

static void check_vector(const struct vector *vector)
{
    struct dlop_jpeg_frame frame;
    char reason[DLOP_REASON_BYTES];
    dlop_status status = parse_exact(vector->bytes, vector->n_bytes, 0, &frame, reason);
    const char *name = dlop_status_name(status);

    if (strcmp(vector->status, "-") != 0 && strcmp(vector->status, name) != 0)
        fail_msg("%s: %s \"%s\", expected %s", vector->path, name, reason, vector->status);
    if (strstr(reason, vector->reason) == NULL)
        fail_msg("%s: reason \"%s\", expected \"%s\"", vector->path, reason, vector->reason);
    if (status == DLOP_OK &&
        (frame.width_px != vector->width_px || frame.height_px != vector->height_px))
        fail_msg("%s: %u x %u pixels", vector->path, frame.width_px, frame.height_px);
    if (status == DLOP_OK && vector->width_px == 0)
        fail_msg("%s: accepted, but Pillow raises", vector->path);
}

static void vectors_have_the_status_of_the_manifest(void **state)
{
    (void)state;
    for_each_vector("", check_vector);
}

static void cut_everywhere(const struct vector *vector)
{
    struct dlop_jpeg_frame frame;
    char reason[DLOP_REASON_BYTES];
    size_t end = vector->n_bytes;

    /* What follows the end of image may be cut off. */
    if (strstr(vector->path, "bytes-after-end") != NULL)
        return;
    for (size_t n = 0; n < end; n += n < 1000 || n + 50 > end ? 1 : 13)
        if (parse_exact(vector->bytes, n, 0, &frame, reason) == DLOP_OK)
            fail_msg("%s: accepted with only %zu of %zu bytes", vector->path, n, end);
}

static void no_part_of_a_file_is_a_file(void **state)
{
    (void)state;
    for_each_vector("valid/", cut_everywhere);
}

/* parse_exact checks each frame that is accepted. */
static void change_everywhere(const struct vector *vector)
{
    static const uint8_t values[] = {0x00, 0x01, 0x10, 0x7F, 0xD9, 0xFF};
    static uint8_t bytes[sizeof(vector->bytes)];
    struct dlop_jpeg_frame frame;
    char reason[DLOP_REASON_BYTES];

    memcpy(bytes, vector->bytes, vector->n_bytes);
    for (size_t at = 0; at < vector->n_bytes && at < 700; at++) {
        for (size_t i = 0; i < sizeof(values); i++) {
            bytes[at] = values[i];
            dlop_status status = parse_exact(bytes, vector->n_bytes, 5, &frame, reason);
            assert_in_range(-status, 0, 29);
        }
        bytes[at] = vector->bytes[at];
    }
}

static void changed_files_are_refused_or_keep_the_rules(void **state)
{
    (void)state;
    for_each_vector("valid/s", change_everywhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_have_the_status_of_the_manifest),
        cmocka_unit_test(no_part_of_a_file_is_a_file),
        cmocka_unit_test(changed_files_are_refused_or_keep_the_rules),
    };
    return cmocka_run_group_tests_name("unit/format_vectors", tests, NULL, NULL);
}
