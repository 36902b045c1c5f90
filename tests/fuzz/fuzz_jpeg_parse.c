/* Fuzz target: the JPEG parser on any bytes. It must not read outside them, and what it accepts
 * must keep the rules that devices rely on. */
#include <string.h>

#include "host/format/jpeg.h"
#include "host/include/dlop.h"
#include "tests/fuzz/frame_check.h"
#include "tests/fuzz/fuzz.h"

const struct fuzz_target fuzz_target = {.name = "fuzz_jpeg_parse", .takes_jpeg = 1};
FUZZ_COUNTS;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dlop_jpeg_frame frame;
    char reason[DLOP_REASON_BYTES] = "";
    dlop_status status = dlop_jpeg_parse(data, size, 4096, &frame, reason);

    if (status == DLOP_OK) {
        const char *broken = frame_check(&frame, 4096, size);
        fuzz_require(broken == NULL, "%s", broken);
        fuzz_counts[FUZZ_ACCEPTED]++;
    } else {
        fuzz_require(status <= -1 && status >= -29, "status %d", status);
        fuzz_require(reason[0] != 0 && memchr(reason, 0, sizeof(reason)) != NULL, "reason");
    }
    return 0;
}
