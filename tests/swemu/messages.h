/* Messages of a host, for the tests of the device process, and the answers to them. */
#ifndef DLOP_TESTS_SWEMU_MESSAGES_H
#define DLOP_TESTS_SWEMU_MESSAGES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sim/swemu/wire.h"

#define MESSAGE_MAX_BYTES 16384

/* A request as it goes over the wire, header included. */
struct message {
    uint8_t bytes[MESSAGE_MAX_BYTES];
    size_t n_bytes;
};

static inline void message_set_length(struct message *message)
{
    const uint64_t length = message->n_bytes - DLOP_SWEMU_REQUEST_HEADER_BYTES;

    for (uint32_t i = 0; i < 8; i++)
        message->bytes[1 + i] = (uint8_t)(length >> 8 * i);
}

static inline void message_begin(struct message *message, uint32_t call)
{
    memset(message, 0, DLOP_SWEMU_REQUEST_HEADER_BYTES);
    message->bytes[0] = 0x09;
    message->bytes[9] = 0x15;
    for (uint32_t i = 0; i < 4; i++)
        message->bytes[10 + i] = (uint8_t)(call >> 8 * i);
    message->n_bytes = DLOP_SWEMU_REQUEST_HEADER_BYTES;
}

static inline void message_put_varint(struct message *message, uint64_t value)
{
    do {
        message->bytes[message->n_bytes++] = (uint8_t)(value & 0x7f) | (value >= 0x80 ? 0x80 : 0);
        value >>= 7;
    } while (value != 0);
}

static inline void message_put_number(struct message *message, uint32_t field, uint64_t value)
{
    message_put_varint(message, (uint64_t)field << 3);
    message_put_varint(message, value);
    message_set_length(message);
}

static inline void message_put_bytes(struct message *message, uint32_t field, const void *bytes,
                                     size_t n_bytes)
{
    message_put_varint(message, (uint64_t)field << 3 | 2);
    message_put_varint(message, n_bytes);
    memcpy(message->bytes + message->n_bytes, bytes, n_bytes);
    message->n_bytes += n_bytes;
    message_set_length(message);
}

/* One field of an answer of n_bytes, header not included; type NONE where it is not there. */
static inline struct dlop_swemu_field answer_find(const uint8_t *bytes, size_t n_bytes,
                                                  uint32_t number)
{
    struct dlop_swemu_fields fields = {bytes, bytes + n_bytes, false};
    struct dlop_swemu_field field, found = {DLOP_SWEMU_NONE, 0, 0, NULL, 0};

    while (dlop_swemu_field_next(&fields, &field)) {
        if (field.number == number)
            found = field;
    }
    return found;
}

#endif
