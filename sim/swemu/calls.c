/* The calls of software emulation. */
#include "sim/swemu/calls.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "sim/swemu/hwemu.h"
#include "sim/swemu/log.h"

#define NUMBER DLOP_SWEMU_NUMBER
#define BYTES  DLOP_SWEMU_BYTES

typedef enum dlop_swemu_verdict verdict;

static uint64_t number(const struct dlop_swemu_message *message, uint32_t field)
{
    return message->fields[field].value;
}

/* A path or name of a message, ended by zero. False, and logged, when it is too long or holds a
 * zero itself. */
static bool get_path(const struct dlop_swemu_message *message, uint32_t field, char *path_out,
                     size_t size)
{
    const struct dlop_swemu_field *bytes = &message->fields[field];

    if (bytes->n_bytes >= size ||
        (bytes->n_bytes > 0 && memchr(bytes->bytes, 0, bytes->n_bytes) != NULL)) {
        dlop_swemu_log("not a path: %zu bytes", bytes->n_bytes);
        return false;
    }
    if (bytes->n_bytes > 0)
        memcpy(path_out, bytes->bytes, bytes->n_bytes);
    path_out[bytes->n_bytes] = 0;
    return true;
}

static verdict yes_or_no(struct dlop_swemu_answer *answer, bool is_yes)
{
    dlop_swemu_answer_number(answer, 1, is_yes);
    return DLOP_SWEMU_ANSWER;
}

/* ---- program ---- */

/* 1: 3 close all. Comes before every load, too. */
static verdict close_device(struct dlop_swemu_device *device,
                            const struct dlop_swemu_message *message,
                            struct dlop_swemu_answer *answer_out)
{
    dlop_swemu_program_unload(&device->program);
    dlop_swemu_memory_free_all(&device->memory);
    dlop_swemu_answer_number(answer_out, 1, 1);
    return number(message, 3) != 0 || device->is_hw_emu ? DLOP_SWEMU_CLOSE : DLOP_SWEMU_ANSWER;
}

/* 3: 1 path of the metadata, 2 of the program; empty for a device of memory only. */
static verdict load(struct dlop_swemu_device *device, const struct dlop_swemu_message *message,
                    struct dlop_swemu_answer *answer_out)
{
    char metadata[PATH_MAX];
    char library[PATH_MAX];

    if (!get_path(message, 1, metadata, sizeof(metadata)) ||
        !get_path(message, 2, library, sizeof(library)))
        return yes_or_no(answer_out, false);
    dlop_swemu_program_unload(&device->program);
    /* A name without a slash would be looked for in the system's folders. */
    const bool is_loaded =
        metadata[0] == 0 ||
        (library[0] == '/' && dlop_swemu_program_load(&device->program, metadata, library));
    if (!is_loaded)
        dlop_swemu_log("program %s is not loaded", library);
    return yes_or_no(answer_out, is_loaded);
}

/* 28: which streams go where; there are none. */
static verdict set_up(struct dlop_swemu_device *device, const struct dlop_swemu_message *message,
                      struct dlop_swemu_answer *answer_out)
{
    (void)device;
    (void)message;
    return yes_or_no(answer_out, true);
}

/* ---- buffers ---- */

/* 4: 1 address, 2 size; answer 1 yes, 2 name of the file to map. The name goes with every buffer:
 * without one the shim takes memory of its own, and gives it back in a wrong way. */
static verdict alloc(struct dlop_swemu_device *device, const struct dlop_swemu_message *message,
                     struct dlop_swemu_answer *answer_out)
{
    char *name = (char *)answer_out->room;
    const bool is_made =
        dlop_swemu_memory_alloc(&device->memory, number(message, 1), number(message, 2), name);

    yes_or_no(answer_out, is_made);
    if (is_made)
        dlop_swemu_answer_bytes(answer_out, 2, name, strlen(name));
    return DLOP_SWEMU_ANSWER;
}

static verdict free_buffer(struct dlop_swemu_device *device,
                           const struct dlop_swemu_message *message,
                           struct dlop_swemu_answer *answer_out)
{
    const bool is_freed = dlop_swemu_memory_free(&device->memory, number(message, 1));

    if (!is_freed)
        dlop_swemu_log("free: no buffer begins at 0x%" PRIx64, number(message, 1));
    return yes_or_no(answer_out, is_freed);
}

/* Where in a buffer a copy starts. In software emulation XRT has added it to the address already;
 * in hardware emulation the address is the buffer's. */
static uint64_t offset_in_buffer(const struct dlop_swemu_device *device,
                                 const struct dlop_swemu_message *message)
{
    return device->is_hw_emu ? number(message, 6) : 0;
}

/* 6: 3 address, 4 data, 5 size, 6 offset; answer 1 size. */
static verdict copy_to_device(struct dlop_swemu_device *device,
                              const struct dlop_swemu_message *message,
                              struct dlop_swemu_answer *answer_out)
{
    const struct dlop_swemu_field *data = &message->fields[4];
    const uint64_t address = number(message, 3) + offset_in_buffer(device, message);
    uint8_t *bytes = data->n_bytes == number(message, 5)
                         ? dlop_swemu_memory_at(&device->memory, address, data->n_bytes)
                         : NULL;

    if (bytes != NULL)
        memcpy(bytes, data->bytes, data->n_bytes);
    else
        dlop_swemu_log("copy of %zu bytes to 0x%" PRIx64 ": no buffer holds them", data->n_bytes,
                       address);
    dlop_swemu_answer_number(answer_out, 1, bytes == NULL ? 0 : data->n_bytes);
    return DLOP_SWEMU_ANSWER;
}

/* 7: 4 address, 5 size, 6 offset; answer 1 size, 2 data. The request's own data are of no use. */
static verdict copy_from_device(struct dlop_swemu_device *device,
                                const struct dlop_swemu_message *message,
                                struct dlop_swemu_answer *answer_out)
{
    const uint64_t address = number(message, 4) + offset_in_buffer(device, message);
    uint64_t n_bytes = number(message, 5);
    const uint8_t *bytes = n_bytes > DLOP_SWEMU_MAX_MESSAGE_BYTES
                               ? NULL
                               : dlop_swemu_memory_at(&device->memory, address, n_bytes);

    if (bytes == NULL) {
        dlop_swemu_log("copy of %" PRIu64 " bytes from 0x%" PRIx64 ": no buffer holds them",
                       n_bytes, address);
        n_bytes = 0;
    }
    dlop_swemu_answer_number(answer_out, 1, n_bytes);
    dlop_swemu_answer_bytes(answer_out, 2, bytes, (size_t)n_bytes);
    return DLOP_SWEMU_ANSWER;
}

/* 27: 1 name, 2 address, 3 size. */
static verdict import(struct dlop_swemu_device *device, const struct dlop_swemu_message *message,
                      struct dlop_swemu_answer *answer_out)
{
    char name[DLOP_SWEMU_NAME_BYTES];

    return yes_or_no(answer_out,
                     get_path(message, 1, name, sizeof(name)) &&
                         dlop_swemu_memory_import(&device->memory, name, number(message, 2),
                                                  number(message, 3)));
}

/* 22: 1 address, 2 name, 3 size, 4 offset in the buffer, 5 offset in the file. */
static verdict copy_to_file(struct dlop_swemu_device *device,
                            const struct dlop_swemu_message *message,
                            struct dlop_swemu_answer *answer_out)
{
    char name[DLOP_SWEMU_NAME_BYTES];
    const struct dlop_swemu_copy copy = {.name = name,
                                         .to_file = true,
                                         .address = number(message, 1) + number(message, 4),
                                         .file_offset = number(message, 5),
                                         .n_bytes = number(message, 3)};

    return yes_or_no(answer_out, get_path(message, 2, name, sizeof(name)) &&
                                     dlop_swemu_memory_copy(&device->memory, &copy));
}

/* 50: 1 address, 2 name, 3 size, 4 offset in the file, 5 offset in the buffer. */
static verdict copy_from_file(struct dlop_swemu_device *device,
                              const struct dlop_swemu_message *message,
                              struct dlop_swemu_answer *answer_out)
{
    char name[DLOP_SWEMU_NAME_BYTES];
    const struct dlop_swemu_copy copy = {.name = name,
                                         .to_file = false,
                                         .address = number(message, 1) + number(message, 5),
                                         .file_offset = number(message, 4),
                                         .n_bytes = number(message, 3)};

    return yes_or_no(answer_out, get_path(message, 2, name, sizeof(name)) &&
                                     dlop_swemu_memory_copy(&device->memory, &copy));
}

/* ---- registers ---- */

static verdict write_registers(struct dlop_swemu_device *device, uint64_t address,
                               const struct dlop_swemu_field *data,
                               struct dlop_swemu_answer *answer_out)
{
    const enum dlop_swemu_access access = dlop_swemu_program_write(
        &device->program, &device->memory, address, data->bytes, data->n_bytes);

    if (access == DLOP_SWEMU_ACCESS_FATAL)
        return DLOP_SWEMU_FATAL;
    return yes_or_no(answer_out, access == DLOP_SWEMU_ACCESS_OK);
}

static verdict read_registers(struct dlop_swemu_device *device, uint64_t address, uint64_t n_bytes,
                              struct dlop_swemu_answer *answer_out)
{
    uint8_t *bytes = answer_out->room;
    bool is_read = n_bytes <= sizeof(answer_out->room);

    if (is_read)
        is_read = dlop_swemu_program_read(&device->program, device->poll_wait_us, address, bytes,
                                          (size_t)n_bytes) == DLOP_SWEMU_ACCESS_OK;
    else
        dlop_swemu_log("read of %" PRIu64 " bytes of registers", n_bytes);
    dlop_swemu_answer_number(answer_out, 1, is_read);
    dlop_swemu_answer_bytes(answer_out, 2, bytes, is_read ? (size_t)n_bytes : 0);
    return DLOP_SWEMU_ANSWER;
}

/* 9: 2 address, 4 data. */
static verdict write_control(struct dlop_swemu_device *device,
                             const struct dlop_swemu_message *message,
                             struct dlop_swemu_answer *answer_out)
{
    return write_registers(device, number(message, 2), &message->fields[4], answer_out);
}

/* 11: 2 address, 3 size. */
static verdict read_control(struct dlop_swemu_device *device,
                            const struct dlop_swemu_message *message,
                            struct dlop_swemu_answer *answer_out)
{
    return read_registers(device, number(message, 2), number(message, 3), answer_out);
}

/* 51: 1 base, 2 offset, 3 data. */
static verdict write_register(struct dlop_swemu_device *device,
                              const struct dlop_swemu_message *message,
                              struct dlop_swemu_answer *answer_out)
{
    return write_registers(device, number(message, 1) + number(message, 2), &message->fields[3],
                           answer_out);
}

/* 52: 1 base, 2 offset, 3 size. */
static verdict read_register(struct dlop_swemu_device *device,
                             const struct dlop_swemu_message *message,
                             struct dlop_swemu_answer *answer_out)
{
    return read_registers(device, number(message, 1) + number(message, 2), number(message, 3),
                          answer_out);
}

/* ---- one table ---- */

static const struct dlop_swemu_call calls[] = {
    {DLOP_SWEMU_CALL_CLOSE, "close", {[3] = NUMBER}, close_device},
    {3, "load", {[1] = BYTES, [2] = BYTES}, load},
    {4, "alloc", {[1] = NUMBER, [2] = NUMBER}, alloc},
    {5, "free", {[1] = NUMBER}, free_buffer},
    {6, "copy to device", {[3] = NUMBER, [4] = BYTES, [5] = NUMBER}, copy_to_device},
    {7, "copy from device", {[4] = NUMBER, [5] = NUMBER}, copy_from_device},
    {9, "write registers", {[2] = NUMBER, [4] = BYTES}, write_control},
    {11, "read registers", {[2] = NUMBER, [3] = NUMBER}, read_control},
    {22,
     "copy to file",
     {[1] = NUMBER, [2] = BYTES, [3] = NUMBER, [4] = NUMBER, [5] = NUMBER},
     copy_to_file},
    {27, "import", {[1] = BYTES, [2] = NUMBER, [3] = NUMBER}, import},
    {28, "set up", {0}, set_up},
    {50,
     "copy from file",
     {[1] = NUMBER, [2] = BYTES, [3] = NUMBER, [4] = NUMBER, [5] = NUMBER},
     copy_from_file},
    {51, "write register", {[1] = NUMBER, [2] = NUMBER, [3] = BYTES}, write_register},
    {52, "read register", {[1] = NUMBER, [2] = NUMBER, [3] = NUMBER}, read_register},
};

static const struct dlop_swemu_call *find_in(const struct dlop_swemu_call *table, size_t n,
                                             uint32_t call_number)
{
    for (size_t i = 0; i < n; i++) {
        if (table[i].number == call_number)
            return &table[i];
    }
    return NULL;
}

static const struct dlop_swemu_call *find_call(bool is_hw_emu, uint32_t call_number)
{
    const struct dlop_swemu_call *call =
        find_in(calls, sizeof(calls) / sizeof(calls[0]), call_number);

    if (call == NULL && is_hw_emu)
        call = find_in(dlop_swemu_hwemu_calls, dlop_swemu_n_hwemu_calls, call_number);
    return call;
}

/* The last of several fields of one number counts, as the encoding has it; those that no call needs
 * are left out. */
static bool read_message(const struct dlop_swemu_request *request,
                         struct dlop_swemu_message *message_out)
{
    struct dlop_swemu_fields fields = {request->bytes, request->bytes + request->n_bytes, false};
    struct dlop_swemu_field field;

    memset(message_out, 0, sizeof(*message_out));
    while (dlop_swemu_field_next(&fields, &field)) {
        if (field.number <= DLOP_SWEMU_MAX_FIELDS)
            message_out->fields[field.number] = field;
    }
    return !fields.is_broken;
}

enum dlop_swemu_verdict dlop_swemu_serve(struct dlop_swemu_device *device,
                                         const struct dlop_swemu_request *request,
                                         struct dlop_swemu_answer *answer_out)
{
    const struct dlop_swemu_call *call = find_call(device->is_hw_emu, request->call);
    struct dlop_swemu_message message;

    answer_out->n_head = 0;
    answer_out->bytes = NULL;
    answer_out->n_bytes = 0;
    if (call == NULL) {
        dlop_swemu_log("call %" PRIu32 " is not known", request->call);
        return DLOP_SWEMU_FATAL;
    }
    if (device->is_tracing)
        dlop_swemu_log("%s, %zu bytes", call->name, request->n_bytes);
    if (!read_message(request, &message)) {
        dlop_swemu_log("%s: broken message of %zu bytes", call->name, request->n_bytes);
        return DLOP_SWEMU_FATAL;
    }
    for (uint32_t i = 1; i <= DLOP_SWEMU_MAX_FIELDS; i++) {
        if (call->needed[i] != DLOP_SWEMU_NONE && message.fields[i].type != call->needed[i]) {
            dlop_swemu_log("%s: field %" PRIu32 " is missing", call->name, i);
            return DLOP_SWEMU_FATAL;
        }
    }
    return call->serve(device, &message, answer_out);
}
