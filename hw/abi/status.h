/* Status values: pinned forever, used by every function of the library and as completion status on
 * the card.
 *
 * The range says what is lost: 1..9 nothing, -1..-29 this record, -30..-49 this call, -50..-69 this
 * device, -70..-89 this system, -90 and below an invariant broke. DLOP_STATUS_TABLE is the only
 * list; host/base/status.c makes names and texts from it.
 */
#ifndef DLOP_HW_ABI_STATUS_H
#define DLOP_HW_ABI_STATUS_H

/* X(name, value, short text) */
#define DLOP_STATUS_TABLE(X)                                                                       \
    X(DLOP_OK, 0, "done")                                                                          \
    X(DLOP_AGAIN, 1, "not ready, try again")                                                       \
    X(DLOP_END, 2, "no more")                                                                      \
    X(DLOP_NEED_PIXELS, 3, "a record must be decoded by the caller")                               \
    X(DLOP_ERR_BAD_DATA, -1, "damaged data")                                                       \
    X(DLOP_ERR_TRUNCATED, -2, "data ends too early")                                               \
    X(DLOP_ERR_UNSUPPORTED, -3, "no kernel for this kind of record")                               \
    X(DLOP_ERR_LIMIT, -4, "over a limit")                                                          \
    X(DLOP_ERR_READ, -5, "record cannot be read")                                                  \
    X(DLOP_ERR_INEXACT, -6, "values beyond the range in which decoders agree")                     \
    X(DLOP_ERR_ARGUMENT, -30, "invalid argument")                                                  \
    X(DLOP_ERR_STATE, -31, "call not allowed in this state")                                       \
    X(DLOP_ERR_NO_MEMORY, -32, "out of memory")                                                    \
    X(DLOP_ERR_TOO_SMALL, -33, "buffer too small")                                                 \
    X(DLOP_ERR_NO_PLAN, -34, "no plan for this combination of transforms")                         \
    X(DLOP_ERR_DEVICE_LOST, -50, "device lost")                                                    \
    X(DLOP_ERR_TIMEOUT, -51, "device timed out")                                                   \
    X(DLOP_ERR_DEVICE_FAULT, -52, "device fault")                                                  \
    X(DLOP_ERR_ABI, -53, "device speaks another version of the protocol")                          \
    X(DLOP_ERR_NO_DEVICE, -54, "no such device")                                                   \
    X(DLOP_ERR_NO_LIBRARY, -70, "a system library is missing")                                     \
    X(DLOP_ERR_PERMISSION, -71, "permission denied")                                               \
    X(DLOP_ERR_IO, -72, "input or output error")                                                   \
    X(DLOP_ERR_THREAD, -73, "a thread cannot be started or died")                                  \
    X(DLOP_ERR_INTERNAL, -90, "internal error")

#define DLOP_STATUS_ENUMERATOR(name, value, text) name = value,
enum dlop_status_value { DLOP_STATUS_TABLE(DLOP_STATUS_ENUMERATOR) };
#undef DLOP_STATUS_ENUMERATOR

#endif
