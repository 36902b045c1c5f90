/* What card.c and run.c share. */
#ifndef DLOP_DRIVER_XRT_PROGRAM_CARD_INTERNAL_H
#define DLOP_DRIVER_XRT_PROGRAM_CARD_INTERNAL_H

#include <pthread.h>

#include "driver/xrt/program/api.h"
#include "driver/xrt/program/card.h"

/* Bank groups in which one buffer may be used. */
#define DLOP_XRT_MAX_GROUPS 8

/* Numbers of the kernels' arguments. */
#define DLOP_XRT_NUMBER(type, name, is_buffer) DLOP_XRT_NUMBER_##name,
enum dlop_xrt_number { DLOP_TOP_ARGUMENTS(DLOP_XRT_NUMBER) };
#undef DLOP_XRT_NUMBER
#define DLOP_XRT_COUNT_BUFFER(type, name, is_buffer) +(is_buffer)
#define DLOP_XRT_N_BUFFERS                           (0 DLOP_TOP_ARGUMENTS(DLOP_XRT_COUNT_BUFFER))
_Static_assert((int)DLOP_XRT_NUMBER_out == DLOP_XRT_OUT &&
                   (int)DLOP_XRT_NUMBER_constants == DLOP_XRT_CONSTANTS &&
                   (int)DLOP_XRT_NUMBER_out_bytes == (int)DLOP_XRT_NUMBER_in_bytes + DLOP_XRT_OUT,
               "data buffers and their sizes come in this order");

struct dlop_xrt_range {
    size_t offset, n_bytes;
};

/* A buffer object of XRT. map: its own mapping where it does not use the shared memory, or null. */
struct dlop_xrt_object {
    xrtBufferHandle handle;
    uint8_t *map;
    int group;
};

struct dlop_xrt_card_buffer {
    uint8_t *shared;
    size_t mapped_bytes;
    bool is_filled; /* copied to the device at least once */
    uint32_t n_objects;
    struct dlop_xrt_object objects[DLOP_XRT_MAX_GROUPS];
};

struct dlop_xrt_card_unit {
    xrtKernelHandle kernel;
    xrtRunHandle run;
    int groups[DLOP_XRT_N_BUFFERS];
    uint8_t *memory; /* jobs and completions, shared; null before dlop_xrt_card_add_unit */
    struct dlop_xrt_object jobs, completions, scratch;
    uint64_t scratch_bytes;
};

struct dlop_xrt_card {
    struct dlop_xrt_api api;
    xrtDeviceHandle device;
    xrtBufferFlags flags;
    bool is_synced, is_polled;
    int common_group;     /* of all data buffers, or -1 */
    pthread_mutex_t lock; /* of buffers and of their lists of objects */
    uint32_t n_units;
    struct dlop_xrt_card_unit units[DLOP_XRT_MAX_UNITS];
    struct dlop_xrt_card_buffer *buffers[DLOP_XRT_MAX_BUFFERS];
};

struct dlop_xrt_use {
    struct dlop_xrt_card_buffer *buffer;
    struct dlop_xrt_object *object;
};

void dlop_xrt_say(struct dlop_xrt_reply *reply_out, dlop_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* shared: memory that the object may use instead of its own, or null. DLOP_OK, DLOP_ERR_NO_MEMORY.
 */
dlop_status dlop_xrt_object_open(struct dlop_xrt_card *card, uint8_t *shared, size_t n_bytes,
                                 int group, struct dlop_xrt_object *object_out) DLOP_MUST_USE;
void dlop_xrt_object_close(struct dlop_xrt_card *card, struct dlop_xrt_object *object);
/* Copy a range between the shared memory and the device. DLOP_OK, DLOP_ERR_DEVICE_LOST. */
dlop_status dlop_xrt_object_sync(struct dlop_xrt_card *card, struct dlop_xrt_object *object,
                                 uint8_t *shared, bool is_to_device,
                                 const struct dlop_xrt_range *range) DLOP_MUST_USE;

/* The buffer and its object in a group. DLOP_OK, DLOP_ERR_ARGUMENT (no such buffer),
 * DLOP_ERR_NO_MEMORY, DLOP_ERR_DEVICE_LOST. */
dlop_status dlop_xrt_buffer_use(struct dlop_xrt_card *card, uint32_t index, int group,
                                struct dlop_xrt_use *use_out) DLOP_MUST_USE;

/* What dlop_xrt_card_add_unit made. */
void dlop_xrt_unit_close(struct dlop_xrt_card *card, struct dlop_xrt_card_unit *unit);

#endif
