/* Calls that only the shim of hardware emulation makes. */
#include "sim/swemu/hwemu.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim/swemu/log.h"

#define NUMBER DLOP_SWEMU_NUMBER
#define BYTES  DLOP_SWEMU_BYTES

/* 8: 2 address, 4 data. */
static enum dlop_swemu_verdict write_memory(struct dlop_swemu_device *device,
                                            const struct dlop_swemu_message *message,
                                            struct dlop_swemu_answer *answer_out)
{
    const struct dlop_swemu_field *data = &message->fields[4];
    const uint64_t address = message->fields[2].value;
    uint8_t *bytes = dlop_swemu_memory_at(&device->memory, address, data->n_bytes);

    if (bytes != NULL)
        memcpy(bytes, data->bytes, data->n_bytes);
    else
        dlop_swemu_log("write of %zu bytes at 0x%" PRIx64 ": no buffer holds them", data->n_bytes,
                       address);
    dlop_swemu_answer_number(answer_out, 1, bytes != NULL);
    return DLOP_SWEMU_ANSWER;
}

/* 10: 2 address, 3 size; answer 1 yes, 2 data. */
static enum dlop_swemu_verdict read_memory(struct dlop_swemu_device *device,
                                           const struct dlop_swemu_message *message,
                                           struct dlop_swemu_answer *answer_out)
{
    const uint64_t address = message->fields[2].value;
    const uint64_t n_bytes = message->fields[3].value;
    const uint8_t *bytes = n_bytes > DLOP_SWEMU_MAX_MESSAGE_BYTES
                               ? NULL
                               : dlop_swemu_memory_at(&device->memory, address, n_bytes);

    if (bytes == NULL)
        dlop_swemu_log("read of %" PRIu64 " bytes at 0x%" PRIx64 ": no buffer holds them", n_bytes,
                       address);
    dlop_swemu_answer_number(answer_out, 1, bytes != NULL);
    dlop_swemu_answer_bytes(answer_out, 2, bytes, bytes == NULL ? 0 : (size_t)n_bytes);
    return DLOP_SWEMU_ANSWER;
}

/* Counters, traces, messages of a simulator: there are none. */
static enum dlop_swemu_verdict answer_nothing(struct dlop_swemu_device *device,
                                              const struct dlop_swemu_message *message,
                                              struct dlop_swemu_answer *answer_out)
{
    (void)device;
    (void)message;
    (void)answer_out;
    return DLOP_SWEMU_ANSWER;
}

static enum dlop_swemu_verdict answer_time(struct dlop_swemu_device *device,
                                           const struct dlop_swemu_message *message,
                                           struct dlop_swemu_answer *answer_out)
{
    struct timespec now;

    (void)device;
    (void)message;
    clock_gettime(CLOCK_MONOTONIC, &now);
    dlop_swemu_answer_number(answer_out, 1,
                             (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
    return DLOP_SWEMU_ANSWER;
}

static enum dlop_swemu_verdict answer_yes(struct dlop_swemu_device *device,
                                          const struct dlop_swemu_message *message,
                                          struct dlop_swemu_answer *answer_out)
{
    (void)device;
    (void)message;
    dlop_swemu_answer_number(answer_out, 1, 1);
    return DLOP_SWEMU_ANSWER;
}

const struct dlop_swemu_call dlop_swemu_hwemu_calls[] = {
    {8, "write memory", {[2] = NUMBER, [4] = BYTES}, write_memory},
    {10, "read memory", {[2] = NUMBER, [3] = NUMBER}, read_memory},
    {14, "read counters", {0}, answer_nothing},
    {15, "count traces", {0}, answer_nothing},
    {16, "read traces", {0}, answer_nothing},
    {17, "read time", {0}, answer_time},
    {18, "read bus", {0}, answer_nothing},
    {19, "read messages", {0}, answer_nothing},
    {20, "set environment", {0}, answer_yes},
};
const uint32_t dlop_swemu_n_hwemu_calls =
    sizeof(dlop_swemu_hwemu_calls) / sizeof(dlop_swemu_hwemu_calls[0]);

void dlop_swemu_hwemu_stop_listener(int socket)
{
    /* A request header of the same form as the host's own: an empty close. */
    const uint8_t header[DLOP_SWEMU_REQUEST_HEADER_BYTES] = {
        0x09, [9] = 0x15, [10] = DLOP_SWEMU_CALL_CLOSE};

    if (write(socket, header, sizeof(header)) != (ssize_t)sizeof(header))
        dlop_swemu_log("the host's listener is gone");
    close(socket);
}
