/* The wire between XRT's emulation shim and the device process.
 *
 * A request is a header of 14 bytes (length, call number) and a message; an answer a header of 9
 * bytes (length) and a message. Messages are flat lists of fields in the encoding of protocol
 * buffers, so a few functions over bytes do; nothing here knows what a call means.
 */
#ifndef DLOP_SIM_SWEMU_WIRE_H
#define DLOP_SIM_SWEMU_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DLOP_SWEMU_REQUEST_HEADER_BYTES 14u
#define DLOP_SWEMU_ANSWER_HEADER_BYTES  9u
/* A message carries at most one packet of a copy (SW_EMU_PACKET_SIZE, 8 MiB unless set). */
#define DLOP_SWEMU_MAX_MESSAGE_BYTES (64u << 20)

struct dlop_swemu_request {
    uint32_t call;
    size_t n_bytes;
    const uint8_t *bytes; /* the wire's, until the next read */
};

enum dlop_swemu_read { DLOP_SWEMU_READ, DLOP_SWEMU_GONE, DLOP_SWEMU_BROKEN };

struct dlop_swemu_wire {
    int socket;
    uint8_t *buffer; /* grows with the longest message */
    size_t size_bytes;
};

/* Call number and length of a request; false when this is no header or the length is over the
 * limit. */
bool dlop_swemu_header_parse(const uint8_t header[DLOP_SWEMU_REQUEST_HEADER_BYTES],
                             struct dlop_swemu_request *request_out);

/* Wait for a request. GONE: the other side closed between two requests. BROKEN: it closed within
 * one, the header is none, no memory; logged. */
enum dlop_swemu_read dlop_swemu_wire_read(struct dlop_swemu_wire *wire,
                                          struct dlop_swemu_request *request_out);
void dlop_swemu_wire_close(struct dlop_swemu_wire *wire);

/* ---- fields of a message ---- */

enum dlop_swemu_field_type { DLOP_SWEMU_NONE, DLOP_SWEMU_NUMBER, DLOP_SWEMU_BYTES };

struct dlop_swemu_field {
    enum dlop_swemu_field_type type;
    uint32_t number;      /* which field, from 1 */
    uint64_t value;       /* of NUMBER */
    const uint8_t *bytes; /* of BYTES, not ended by zero */
    size_t n_bytes;
};

struct dlop_swemu_fields {
    const uint8_t *at;
    const uint8_t *end;
    bool is_broken;
};

/* The next field; false at the end, or with is_broken where a field does not fit. */
bool dlop_swemu_field_next(struct dlop_swemu_fields *fields, struct dlop_swemu_field *field_out);

/* ---- answers ---- */

#define DLOP_SWEMU_ANSWER_HEAD_BYTES 64
struct dlop_swemu_answer {
    uint8_t head[DLOP_SWEMU_ANSWER_HEAD_BYTES]; /* fields; small ones only */
    size_t n_head;
    const void *bytes; /* of the last field, or null */
    size_t n_bytes;
    uint8_t room[64]; /* for bytes that live nowhere else */
};

/* Add a number. */
void dlop_swemu_answer_number(struct dlop_swemu_answer *answer, uint32_t field, uint64_t value);
/* Add bytes, as the last field. They must live until the answer is written. */
void dlop_swemu_answer_bytes(struct dlop_swemu_answer *answer, uint32_t field, const void *bytes,
                             size_t n_bytes);
/* False when the host is gone. */
bool dlop_swemu_wire_write(struct dlop_swemu_wire *wire, const struct dlop_swemu_answer *answer);

#endif
