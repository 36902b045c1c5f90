/* The calls that a host can make: what the messages mean.
 *
 * A message that is well formed but asks for what cannot be is answered with "no", and the reason
 * logged; one that is not well formed means that the two sides do not understand each other, and
 * the device process must end (see device.c).
 */
#ifndef DLOP_SIM_SWEMU_CALLS_H
#define DLOP_SIM_SWEMU_CALLS_H

#include "sim/swemu/memory.h"
#include "sim/swemu/program.h"
#include "sim/swemu/wire.h"

#define DLOP_SWEMU_CALL_CLOSE 1u

struct dlop_swemu_device {
    bool is_hw_emu;
    bool is_tracing;
    uint32_t poll_wait_us;
    struct dlop_swemu_memory memory;
    struct dlop_swemu_program program;
};

/* Fields 1..DLOP_SWEMU_MAX_FIELDS of a message; type NONE where a field is not there. */
#define DLOP_SWEMU_MAX_FIELDS 8u
struct dlop_swemu_message {
    struct dlop_swemu_field fields[DLOP_SWEMU_MAX_FIELDS + 1];
};

enum dlop_swemu_verdict {
    DLOP_SWEMU_ANSWER, /* go on */
    DLOP_SWEMU_CLOSE,  /* send the answer, then end */
    DLOP_SWEMU_FATAL,  /* no answer; logged */
};

/* One call: its number, the fields that must be there, and what it does. */
struct dlop_swemu_call {
    uint32_t number;
    const char *name;
    enum dlop_swemu_field_type needed[DLOP_SWEMU_MAX_FIELDS + 1];
    enum dlop_swemu_verdict (*serve)(struct dlop_swemu_device *device,
                                     const struct dlop_swemu_message *message,
                                     struct dlop_swemu_answer *answer_out);
};

/* Serve one request. Memory that the answer points to is the device's, until the next call. */
enum dlop_swemu_verdict dlop_swemu_serve(struct dlop_swemu_device *device,
                                         const struct dlop_swemu_request *request,
                                         struct dlop_swemu_answer *answer_out);

#endif
