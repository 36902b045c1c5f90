/* The calls of the device process in this process: a device, and what a host says to it. */
#ifndef DLOP_TESTS_SWEMU_SERVE_H
#define DLOP_TESTS_SWEMU_SERVE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/swemu/calls.h"
#include "tests/swemu/messages.h"

#define PAGE    ((uint64_t)4096)
#define ADDRESS (16 * PAGE)

static struct dlop_swemu_device device;
static struct message message;
static uint8_t answer[1 << 16];
static size_t n_answer;

/* Serve the message; the answer's fields lie one behind the other in `answer`. */
static inline enum dlop_swemu_verdict serve(void)
{
    static struct dlop_swemu_answer given;
    struct dlop_swemu_request request;

    assert_true(dlop_swemu_header_parse(message.bytes, &request));
    assert_int_equal(request.n_bytes, message.n_bytes - DLOP_SWEMU_REQUEST_HEADER_BYTES);
    request.bytes = message.bytes + DLOP_SWEMU_REQUEST_HEADER_BYTES;
    const enum dlop_swemu_verdict verdict = dlop_swemu_serve(&device, &request, &given);
    memcpy(answer, given.head, given.n_head);
    if (given.n_bytes > 0)
        memcpy(answer + given.n_head, given.bytes, given.n_bytes);
    n_answer = given.n_head + given.n_bytes;
    return verdict;
}

/* Field 1 of the answer. */
static inline uint64_t served(void)
{
    assert_int_equal(serve(), DLOP_SWEMU_ANSWER);
    const struct dlop_swemu_field field = answer_find(answer, n_answer, 1);
    assert_int_equal(field.type, DLOP_SWEMU_NUMBER);
    return field.value;
}

static inline struct dlop_swemu_field answered_bytes(void)
{
    const struct dlop_swemu_field field = answer_find(answer, n_answer, 2);
    assert_int_equal(field.type, DLOP_SWEMU_BYTES);
    return field;
}

static inline uint64_t alloc(uint64_t address, uint64_t n_bytes)
{
    message_begin(&message, 4);
    message_put_number(&message, 1, address);
    message_put_number(&message, 2, n_bytes);
    message_put_number(&message, 3, 1);
    return served();
}

static inline uint64_t to_device(uint64_t address, const void *bytes, size_t n_bytes)
{
    message_begin(&message, 6);
    message_put_bytes(&message, 2, "", 0);
    message_put_number(&message, 3, address);
    message_put_bytes(&message, 4, bytes, n_bytes);
    message_put_number(&message, 5, n_bytes);
    return served();
}

static inline uint64_t from_device(uint64_t address, uint64_t n_bytes)
{
    message_begin(&message, 7);
    message_put_number(&message, 4, address);
    message_put_number(&message, 5, n_bytes);
    return served();
}

static inline int set_up(void **state)
{
    (void)state;
    memset(&device, 0, sizeof(device));
    device.poll_wait_us = 1000;
    return dlop_swemu_memory_open(&device.memory, false) ? 0 : 1;
}

static inline int tear_down(void **state)
{
    (void)state;
    dlop_swemu_program_unload(&device.program);
    dlop_swemu_memory_close(&device.memory);
    return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
