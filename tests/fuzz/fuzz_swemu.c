/* Fuzz target: frames from a host to the device process. The input is what comes over the socket:
 * headers and messages one behind the other. Whatever it says, the device stays within its memory
 * and its answers are well formed. */
#include <stdarg.h>
#include <string.h>

#include "sim/swemu/calls.h"
#include "sim/swemu/log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/swemu/messages.h"
#include "tests/swemu/test_kernels.h"

static size_t make_seed(uint32_t index, uint8_t *bytes_out);

const struct fuzz_target fuzz_target = {.name = "fuzz_swemu", .make_seed = make_seed};
FUZZ_COUNTS;

#define PAGE 4096u
/* No process has this number: a mutant must not get at a buffer of somebody else's. */
#define NAME "/proc/999999999/fd/1"

/* In place of the device process's log: each mutant has refusals. */
void dlop_swemu_log(const char *format, ...)
{
    char line[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    fuzz_counts[FUZZ_DECODED]++;
}

/* ---- seeds: what a host says in a session ---- */

struct session {
    uint8_t *bytes;
    size_t n_bytes;
};

/* A call with fields 1 to 5: bytes where there is a text, otherwise numbers. */
static void add(struct session *session, uint32_t call, const uint64_t numbers[5],
                const char *const texts[5])
{
    struct message message;

    message_begin(&message, call);
    for (uint32_t i = 0; i < 5; i++) {
        if (texts[i] != NULL)
            message_put_bytes(&message, i + 1, texts[i], strlen(texts[i]));
        else
            message_put_number(&message, i + 1, numbers[i]);
    }
    memcpy(session->bytes + session->n_bytes, message.bytes, message.n_bytes);
    session->n_bytes += message.n_bytes;
}

static void add_start(struct session *session)
{
    static const uint64_t from = PAGE, to = 2 * PAGE;
    uint8_t registers[48] = {1};
    struct message message;

    memcpy(registers + TEST_FROM_OFFSET, &from, 8);
    memcpy(registers + TEST_TO_OFFSET, &to, 8);
    message_begin(&message, 9);
    message_put_number(&message, 2, TEST_ADD_BASE);
    message_put_bytes(&message, 4, registers, sizeof(registers));
    memcpy(session->bytes + session->n_bytes, message.bytes, message.n_bytes);
    session->n_bytes += message.n_bytes;
}

static size_t make_seed(uint32_t index, uint8_t *bytes_out)
{
    struct session session = {bytes_out, 1};

    if (index >= 2)
        return 0;
    bytes_out[0] = (uint8_t)index;
    add(&session, 4, (const uint64_t[]){PAGE, PAGE, 1, 0, 0}, (const char *const[5]){NULL});
    add(&session, 4, (const uint64_t[]){2 * PAGE, 100, 1, 0, 0}, (const char *const[5]){NULL});
    add(&session, 6, (const uint64_t[]){0, 0, PAGE, 0, 4},
        (const char *const[5]){[1] = "h", [3] = "data"});
    add(&session, 51, (const uint64_t[]){TEST_ADD_BASE, 16, 0, 0, 0},
        (const char *const[5]){[2] = "1234"});
    add_start(&session);
    add(&session, 11, (const uint64_t[]){0, TEST_ADD_BASE, 4, 0, 0}, (const char *const[5]){NULL});
    add(&session, 52, (const uint64_t[]){TEST_ADD_BASE, 8, 8, 0, 0}, (const char *const[5]){NULL});
    add(&session, 7, (const uint64_t[]){0, 0, 0, PAGE, 64}, (const char *const[5]){[1] = "h"});
    add(&session, 22, (const uint64_t[]){PAGE, 0, 8, 0, 0}, (const char *const[5]){[1] = NAME});
    add(&session, 27, (const uint64_t[]){0, PAGE, PAGE, 0, 0}, (const char *const[5]){[0] = NAME});
    add(&session, 5, (const uint64_t[]){PAGE, 0, 0, 0, 0}, (const char *const[5]){NULL});
    if (index == 1) {
        add(&session, 8, (const uint64_t[]){0, 2 * PAGE, 0, 0, 0},
            (const char *const[5]){[3] = "raw"});
        add(&session, 10, (const uint64_t[]){0, 2 * PAGE, 3, 0, 0}, (const char *const[5]){NULL});
    }
    add(&session, 1, (const uint64_t[]){0, 0, 1, 0, 0}, (const char *const[5]){[1] = "h"});
    return session.n_bytes;
}

/* ---- the device ---- */

static void do_nothing(void *const argv[])
{
    (void)argv;
}

static void open_device(struct dlop_swemu_device *device, int is_strict, int is_hw_emu)
{
    static const char text[] = TEST_KERNEL("add", "0x10000");
    const dlop_swemu_entry entries[] = {do_nothing};

    *device = (struct dlop_swemu_device){.is_hw_emu = is_hw_emu != 0};
    fuzz_require(dlop_swemu_memory_open(&device->memory, is_strict != 0), "memory");
    fuzz_require(dlop_metadata_read(text, sizeof(text), &device->program.metadata, NULL, 0) == 0,
                 "metadata");
    fuzz_require(dlop_swemu_program_start(&device->program, entries), "program");
}

static void check_answer(const struct dlop_swemu_answer *answer)
{
    static uint8_t bytes[PAGE];
    struct dlop_swemu_fields fields = {bytes, bytes + answer->n_head, false};
    struct dlop_swemu_field field;

    fuzz_require(answer->n_head <= sizeof(answer->head), "head");
    /* Long answers are buffers: their ends count. */
    if (answer->n_head + answer->n_bytes <= sizeof(bytes)) {
        memcpy(bytes, answer->head, answer->n_head);
        if (answer->n_bytes > 0)
            memcpy(bytes + answer->n_head, answer->bytes, answer->n_bytes);
        fields.end = bytes + answer->n_head + answer->n_bytes;
        while (dlop_swemu_field_next(&fields, &field))
            ;
        fuzz_require(!fields.is_broken, "answer");
    } else {
        const volatile uint8_t *sent = answer->bytes;
        (void)sent[0];
        (void)sent[answer->n_bytes - 1];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dlop_swemu_device device;
    static struct dlop_swemu_answer answer;
    size_t at = 1;

    if (size == 0)
        return 0;
    open_device(&device, data[0] & 2, data[0] & 1);
    while (size - at >= DLOP_SWEMU_REQUEST_HEADER_BYTES) {
        struct dlop_swemu_request request;

        if (!dlop_swemu_header_parse(data + at, &request))
            break;
        at += DLOP_SWEMU_REQUEST_HEADER_BYTES;
        if (request.n_bytes > size - at)
            break;
        /* A copy of its own size, so that a read past the message is caught. */
        uint8_t *copy = malloc(request.n_bytes > 0 ? request.n_bytes : 1);
        fuzz_require(copy != NULL, "memory");
        memcpy(copy, data + at, request.n_bytes);
        request.bytes = copy;
        at += request.n_bytes;
        const enum dlop_swemu_verdict verdict = dlop_swemu_serve(&device, &request, &answer);
        if (verdict != DLOP_SWEMU_FATAL)
            check_answer(&answer);
        free(copy);
        if (verdict != DLOP_SWEMU_ANSWER)
            break;
        fuzz_counts[FUZZ_ACCEPTED]++;
    }
    dlop_swemu_program_unload(&device.program);
    dlop_swemu_memory_close(&device.memory);
    return 0;
}
