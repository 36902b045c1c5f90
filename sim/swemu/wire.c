/* Framing and fields. */
#include "sim/swemu/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sim/swemu/log.h"

/* Wire types of protocol buffers, the low three bits of a key. */
enum { TYPE_VARINT = 0, TYPE_64 = 1, TYPE_BYTES = 2, TYPE_32 = 5 };

#define KEY_LENGTH 0x09 /* field 1, 64 bits */
#define KEY_CALL   0x15 /* field 2, 32 bits */

static uint64_t little_endian(const uint8_t *bytes, uint32_t n)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < n; i++)
        value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

/* ---- requests ---- */

bool dlop_swemu_header_parse(const uint8_t header[DLOP_SWEMU_REQUEST_HEADER_BYTES],
                             struct dlop_swemu_request *request_out)
{
    const uint64_t length = little_endian(header + 1, 8);

    if (header[0] != KEY_LENGTH || header[9] != KEY_CALL || length > DLOP_SWEMU_MAX_MESSAGE_BYTES)
        return false;
    request_out->call = (uint32_t)little_endian(header + 10, 4);
    request_out->n_bytes = (size_t)length;
    request_out->bytes = NULL;
    return true;
}

/* How many of the n bytes came before the other side closed. */
static size_t read_bytes(int socket, uint8_t *bytes_out, size_t n)
{
    size_t done = 0;

    while (done < n) {
        const ssize_t got = read(socket, bytes_out + done, n - done);
        if (got > 0)
            done += (size_t)got;
        else if (got == 0 || errno != EINTR)
            break;
    }
    return done;
}

static bool make_room(struct dlop_swemu_wire *wire, size_t n_bytes)
{
    if (n_bytes <= wire->size_bytes)
        return true;
    /* The content is of no use: do not copy it. */
    free(wire->buffer);
    wire->buffer = malloc(n_bytes);
    wire->size_bytes = wire->buffer == NULL ? 0 : n_bytes;
    return wire->buffer != NULL;
}

enum dlop_swemu_read dlop_swemu_wire_read(struct dlop_swemu_wire *wire,
                                          struct dlop_swemu_request *request_out)
{
    uint8_t header[DLOP_SWEMU_REQUEST_HEADER_BYTES];
    const size_t n = read_bytes(wire->socket, header, sizeof(header));

    if (n == 0)
        return DLOP_SWEMU_GONE;
    if (n < sizeof(header)) {
        dlop_swemu_log("the host closed within a request header");
        return DLOP_SWEMU_BROKEN;
    }
    if (!dlop_swemu_header_parse(header, request_out)) {
        dlop_swemu_log("not a request header, or a message of more than %u bytes",
                       DLOP_SWEMU_MAX_MESSAGE_BYTES);
        return DLOP_SWEMU_BROKEN;
    }
    if (!make_room(wire, request_out->n_bytes)) {
        dlop_swemu_log("no memory for a message of %zu bytes", request_out->n_bytes);
        return DLOP_SWEMU_BROKEN;
    }
    if (read_bytes(wire->socket, wire->buffer, request_out->n_bytes) < request_out->n_bytes) {
        dlop_swemu_log("the host closed within a message");
        return DLOP_SWEMU_BROKEN;
    }
    request_out->bytes = wire->buffer;
    return DLOP_SWEMU_READ;
}

void dlop_swemu_wire_close(struct dlop_swemu_wire *wire)
{
    if (wire->socket >= 0)
        close(wire->socket);
    free(wire->buffer);
    *wire = (struct dlop_swemu_wire){.socket = -1};
}

/* ---- fields ---- */

static bool read_varint(struct dlop_swemu_fields *fields, uint64_t *value_out)
{
    uint64_t value = 0;

    for (uint32_t shift = 0; fields->at < fields->end && shift < 64; shift += 7) {
        const uint8_t byte = *fields->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value_out = value;
            return true;
        }
    }
    return false;
}

/* A value of n bytes, or false where they are not there. */
static bool read_fixed(struct dlop_swemu_fields *fields, uint32_t n, uint64_t *value_out)
{
    if ((size_t)(fields->end - fields->at) < n)
        return false;
    *value_out = little_endian(fields->at, n);
    fields->at += n;
    return true;
}

static bool read_bytes_field(struct dlop_swemu_fields *fields, struct dlop_swemu_field *field_out)
{
    uint64_t n;

    if (!read_varint(fields, &n) || n > (uint64_t)(fields->end - fields->at))
        return false;
    field_out->type = DLOP_SWEMU_BYTES;
    field_out->bytes = fields->at;
    field_out->n_bytes = (size_t)n;
    fields->at += n;
    return true;
}

bool dlop_swemu_field_next(struct dlop_swemu_fields *fields, struct dlop_swemu_field *field_out)
{
    uint64_t key;
    bool is_read = false;

    if (fields->is_broken || fields->at == fields->end)
        return false;
    *field_out = (struct dlop_swemu_field){.type = DLOP_SWEMU_NUMBER};
    if (read_varint(fields, &key) && key >> 3 != 0 && key >> 3 <= UINT32_MAX) {
        const uint32_t type = key & 7;
        field_out->number = (uint32_t)(key >> 3);
        if (type == TYPE_VARINT)
            is_read = read_varint(fields, &field_out->value);
        else if (type == TYPE_64 || type == TYPE_32)
            is_read = read_fixed(fields, type == TYPE_64 ? 8 : 4, &field_out->value);
        else if (type == TYPE_BYTES)
            is_read = read_bytes_field(fields, field_out);
    }
    fields->is_broken = !is_read;
    return is_read;
}

/* ---- answers ---- */

static void put_varint(struct dlop_swemu_answer *answer, uint64_t value)
{
    while (value >= 0x80) {
        answer->head[answer->n_head++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    answer->head[answer->n_head++] = (uint8_t)value;
}

void dlop_swemu_answer_number(struct dlop_swemu_answer *answer, uint32_t field, uint64_t value)
{
    put_varint(answer, (uint64_t)field << 3 | TYPE_VARINT);
    put_varint(answer, value);
}

void dlop_swemu_answer_bytes(struct dlop_swemu_answer *answer, uint32_t field, const void *bytes,
                             size_t n_bytes)
{
    put_varint(answer, (uint64_t)field << 3 | TYPE_BYTES);
    put_varint(answer, n_bytes);
    answer->bytes = bytes;
    answer->n_bytes = n_bytes;
}

bool dlop_swemu_wire_write(struct dlop_swemu_wire *wire, const struct dlop_swemu_answer *answer)
{
    const uint64_t length = answer->n_head + answer->n_bytes;
    uint8_t header[DLOP_SWEMU_ANSWER_HEADER_BYTES] = {KEY_LENGTH};
    struct iovec parts[3] = {
        {header, sizeof(header)},
        {(void *)(uintptr_t)answer->head, answer->n_head},
        {(void *)(uintptr_t)answer->bytes, answer->n_bytes},
    };
    uint32_t first = 0;

    for (uint32_t i = 0; i < 8; i++)
        header[1 + i] = (uint8_t)(length >> 8 * i);
    while (first < 3) {
        ssize_t sent = writev(wire->socket, parts + first, (int)(3 - first));
        if (sent < 0 && errno != EINTR) {
            dlop_swemu_log("the host is gone: %s", strerror(errno));
            return false;
        }
        for (; first < 3 && sent >= 0 && (size_t)sent >= parts[first].iov_len; first++)
            sent -= (ssize_t)parts[first].iov_len;
        if (first < 3 && sent > 0) {
            parts[first].iov_base = (uint8_t *)parts[first].iov_base + sent;
            parts[first].iov_len -= (size_t)sent;
        }
    }
    return true;
}
