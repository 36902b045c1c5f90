/* The device process with a host that is none of ours: it ends in an orderly way, or by a signal
 * with the reason in its log, whatever comes.
 *
 * The test listens where XRT's shim would, starts the program, and speaks to it byte by byte. A
 * process that just exited would leave a real host spinning; one that crashed would be a finding.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/kernel/random.h"
#include "tests/swemu/messages.h"
#include "tests/swemu/test_kernels.h"

#define PAGE       4096u
#define N_RANDOM   150
#define N_MESSAGES 24
#define TIMEOUT_MS 10000
#define LOG_BYTES  (1 << 16)

/* ---- a device process and its end ---- */

struct child {
    pid_t pid;
    int host; /* our end of the socket */
    int log;
};

static char folder[64];
static const char *user; /* the folder's name */
static int listener = -1;

static const char *build_path(const char *name)
{
    static char path[PATH_MAX];
    char relative[PATH_MAX];
    const char *build = getenv("DLOP_BUILD");

    snprintf(relative, sizeof(relative), "%s/%s", build != NULL ? build : "build/release", name);
    assert_non_null(realpath(relative, path));
    return path;
}

static int make_folder(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)state;
    strcpy(folder, "/tmp/dlop-test-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    user = strrchr(folder, '/') + 1;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return bind(listener, (const struct sockaddr *)&address, sizeof(address)) ||
           listen(listener, 4);
}

static int remove_folder(void **state)
{
    char path[PATH_MAX];

    (void)state;
    close(listener);
    for (uint32_t i = 0; i < 3; i++) {
        static const char *const names[] = {"socket", "log", "metadata.xml"};
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static void start(struct child *child)
{
    char log[PATH_MAX];
    const char *program = build_path("sim/swemu/genericpciemodel");
    struct pollfd wait;

    snprintf(log, sizeof(log), "%s/log", folder);
    child->log = open(log, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(child->log >= 0);
    child->pid = fork();
    assert_true(child->pid >= 0);
    if (child->pid == 0) {
        dup2(child->log, STDERR_FILENO);
        setenv("USER", user, 1);
        setenv("EMULATION_SOCKETID", "socket", 1);
        unsetenv("DLOP_SWEMU_STRICT");
        execl(program, program, (char *)NULL);
        _exit(126);
    }
    wait = (struct pollfd){listener, POLLIN, 0};
    assert_int_equal(poll(&wait, 1, TIMEOUT_MS), 1);
    child->host = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(child->host >= 0);
}

/* Close our end and wait: the status as waitpid gives it, and the log. */
static int finish(struct child *child, char log_out[LOG_BYTES])
{
    int status;

    if (child->host >= 0)
        close(child->host);
    for (uint32_t ms = 0; waitpid(child->pid, &status, WNOHANG) == 0; ms++) {
        if (ms == TIMEOUT_MS) {
            kill(child->pid, SIGKILL);
            waitpid(child->pid, &status, 0);
            fail_msg("the device process did not end");
        }
        usleep(1000);
    }
    const ssize_t n = pread(child->log, log_out, LOG_BYTES - 1, 0);
    log_out[n < 0 ? 0 : n] = 0;
    close(child->log);
    return status;
}

static void say(const struct child *child, const void *bytes, size_t n_bytes)
{
    /* A process that has ended already is judged by its end. */
    assert_true(send(child->host, bytes, n_bytes, MSG_NOSIGNAL) == (ssize_t)n_bytes ||
                errno == EPIPE || errno == ECONNRESET);
}

/* Read an answer; its bytes, or 0 where the process ended instead. */
static size_t hear(const struct child *child, uint8_t *bytes_out, size_t size)
{
    uint8_t header[DLOP_SWEMU_ANSWER_HEADER_BYTES];
    uint64_t n_bytes = 0;

    if (recv(child->host, header, sizeof(header), MSG_WAITALL) != (ssize_t)sizeof(header))
        return 0;
    assert_int_equal(header[0], 0x09);
    for (uint32_t i = 0; i < 8; i++)
        n_bytes |= (uint64_t)header[1 + i] << 8 * i;
    assert_true(n_bytes <= size);
    assert_int_equal(recv(child->host, bytes_out, n_bytes, MSG_WAITALL), n_bytes);
    return n_bytes;
}

static uint64_t ask(const struct child *child, const struct message *message)
{
    uint8_t answer[PAGE];

    say(child, message->bytes, message->n_bytes);
    const size_t n = hear(child, answer, sizeof(answer));
    assert_true(n > 0);
    return answer_find(answer, n, 1).value;
}

/* ---- messages ---- */

static void make_alloc(struct message *message, uint64_t address)
{
    message_begin(message, 4);
    message_put_number(message, 1, address);
    message_put_number(message, 2, PAGE);
    message_put_number(message, 3, 1);
}

static void make_close(struct message *message)
{
    message_begin(message, 1);
    message_put_bytes(message, 2, "handle", 6);
    message_put_number(message, 3, 1);
}

static void make_load(struct message *message)
{
    char path[PATH_MAX];
    const char *program = build_path("tests/swemu/test_kernels.so");

    snprintf(path, sizeof(path), "%s/metadata.xml", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(TEST_METADATA, file) >= 0);
    assert_int_equal(fclose(file), 0);
    message_begin(message, 3);
    message_put_bytes(message, 1, path, strlen(path));
    message_put_bytes(message, 2, program, strlen(program));
}

static void make_start(struct message *message, uint64_t base, uint64_t buffer, uint32_t n)
{
    uint8_t registers[64] = {1};

    memcpy(registers + TEST_FROM_OFFSET, &buffer, 8);
    memcpy(registers + TEST_TO_OFFSET, &buffer, 8);
    memcpy(registers + TEST_N_OFFSET, &n, 4);
    message_begin(message, 9);
    message_put_number(message, 2, base);
    message_put_bytes(message, 4, registers, sizeof(registers));
}

/* ---- tests ---- */

static void orderly_hosts_are_served(void **state)
{
    struct message message;
    struct child child;
    char log[LOG_BYTES];

    (void)state;
    start(&child);
    make_alloc(&message, PAGE);
    assert_int_equal(ask(&child, &message), 1);
    make_close(&message);
    assert_int_equal(ask(&child, &message), 1);
    int status = finish(&child, log);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_string_equal(log, "");
    /* A host that is just gone, between two requests, with a kernel at work. */
    start(&child);
    make_load(&message);
    assert_int_equal(ask(&child, &message), 1);
    make_alloc(&message, PAGE);
    assert_int_equal(ask(&child, &message), 1);
    make_start(&message, TEST_SLOW_BASE, PAGE, 60000);
    assert_int_equal(ask(&child, &message), 1);
    status = finish(&child, log);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void check_end(int status, int signal, const char *log, const char *reason)
{
    if (!WIFSIGNALED(status) || WTERMSIG(status) != signal)
        fail_msg("status 0x%x instead of signal %d: %s", (unsigned)status, signal, log);
    if (strstr(log, reason) == NULL)
        fail_msg("\"%s\" instead of \"%s\"", log, reason);
}

static void broken_frames_end_it_with_a_reason(void **state)
{
    static const struct {
        const char *bytes;
        size_t n_bytes;
        const char *reason;
    } cases[] = {
        {"\x09\x01", 2, "closed within a request header"},
        {"\x09\0\0\0\0\0\0\0\0\x15\x04\0\0", 13, "closed within a request header"},
        {"\x08\0\0\0\0\0\0\0\0\x15\x04\0\0\0", 14, "not a request header"},
        {"\x09\0\0\0\0\0\0\0\0\x14\x04\0\0\0", 14, "not a request header"},
        {"\x09\0\0\0\0\0\0\0\x80\x15\x04\0\0\0", 14, "more than 67108864 bytes"},
        {"\x09\x01\0\0\x04\0\0\0\0\x15\x04\0\0\0", 14, "more than 67108864 bytes"},
        {"\x09\0\0\0\x04\0\0\0\0\x15\x04\0\0\0abc", 17, "closed within a message"},
        {"\x09\0\0\0\0\0\0\0\0\x15\x63\0\0\0", 14, "call 99 is not known"},
        {"\x09\0\0\0\0\0\0\0\0\x15\x04\0\0\0", 14, "alloc: field 1 is missing"},
        {"\x09\x02\0\0\0\0\0\0\0\x15\x04\0\0\0\x08\xff", 16, "alloc: broken message"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct child child;
        char log[LOG_BYTES];

        start(&child);
        say(&child, cases[i].bytes, cases[i].n_bytes);
        const int status = finish(&child, log);
        check_end(status, SIGTERM, log, cases[i].reason);
    }
}

static void faults_of_kernels_name_unit_and_address(void **state)
{
    static const struct {
        uint64_t base, buffer;
        uint32_t n;
        int signal;
        const char *reason;
    } cases[] = {
        {TEST_WILD_BASE, PAGE, PAGE + 2, SIGSEGV,
         "memory fault in wild:wild_1 at device address 0x2002"},
        {TEST_ADD_BASE, PAGE, PAGE, SIGSEGV, "memory fault in add:add_1 at device address 0x2000"},
        {TEST_ADD_BASE, 3 * PAGE, 1, SIGTERM,
         "add:add_1: argument from: no buffer at device address 0x3000"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct message message;
        struct child child;
        char log[LOG_BYTES];
        uint8_t answer[PAGE];

        start(&child);
        make_load(&message);
        assert_int_equal(ask(&child, &message), 1);
        make_alloc(&message, PAGE);
        assert_int_equal(ask(&child, &message), 1);
        make_start(&message, cases[i].base, cases[i].buffer, cases[i].n);
        say(&child, message.bytes, message.n_bytes);
        /* Until it is dead: its end closes the socket. */
        while (hear(&child, answer, sizeof(answer)) > 0)
            ;
        check_end(finish(&child, log), cases[i].signal, log, cases[i].reason);
    }
}

/* A message of any call with its fields (n: number, b: bytes), now and then damaged. Returns
 * whether it is whole. */
static bool make_random(struct message *message, struct random_state *random)
{
    static const struct {
        uint32_t call;
        const char *fields;
    } calls[] = {
        {1, "-bn"},  {4, "nnn"},  {4, "nnn"},    {5, "n"},    {6, "-bnbn"}, {7, "-b-nn"},
        {9, "-n-b"}, {11, "-nn"}, {22, "nbnnn"}, {27, "bnn"}, {28, "n"},    {50, "nbnnn"},
        {51, "nnb"}, {52, "nnn"}, {3, "bb"},     {8, "-n-b"},
    };
    const uint64_t values[] = {0, 1, PAGE, 2 * PAGE, TEST_ADD_BASE, 17, UINT64_MAX, 1u << 30};
    const uint32_t which = random_u32(random) % (random_in(random, 0, 29) == 0 ? 16 : 14);
    uint8_t bytes[100];

    random_bytes(random, bytes, sizeof(bytes));
    message_begin(message, calls[which].call);
    for (uint32_t field = 1; field <= strlen(calls[which].fields); field++) {
        const char type = calls[which].fields[field - 1];
        /* Closing for good would end the talk. */
        if (type == 'n')
            message_put_number(message, field,
                               calls[which].call == 1 ? 0 : values[random_u32(random) % 8]);
        else if (type == 'b')
            message_put_bytes(message, field, bytes, random_u32(random) % sizeof(bytes));
    }
    if (random_in(random, 0, 19) == 0)
        message->bytes[random_u32(random) % message->n_bytes] ^=
            (uint8_t)(1u << random_in(random, 0, 7));
    return random_in(random, 0, 39) > 0;
}

/* Serve random messages until the process ends or all are said. */
static void talk(const struct child *child, struct random_state *random)
{
    for (uint32_t i = 0; i < N_MESSAGES; i++) {
        static uint8_t answer[1 << 20];
        struct message message;
        struct pollfd wait = {child->host, POLLIN, 0};
        const bool is_whole = make_random(&message, random);

        say(child, message.bytes,
            is_whole ? message.n_bytes : 1 + random_u32(random) % message.n_bytes);
        /* A damaged length lets it wait for more. */
        if (poll(&wait, 1, 20) == 1 && hear(child, answer, sizeof(answer)) == 0)
            return;
    }
}

static void random_frames_never_crash_it(void **state)
{
    uint32_t n_orderly = 0, n_refused = 0;

    (void)state;
    for (uint64_t i = 0; i < N_RANDOM; i++) {
        struct random_state random = random_start(random_seed() + i);
        struct child child;
        char log[LOG_BYTES];

        start(&child);
        talk(&child, &random);
        const int status = finish(&child, log);
        const bool is_orderly = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        const bool is_refused = WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;
        if (!is_orderly && !(is_refused && strstr(log, "fatal") != NULL))
            RANDOM_FAIL(&random, "status 0x%x: %s", (unsigned)status, log);
        n_orderly += is_orderly;
        n_refused += is_refused;
    }
    print_message("%u ended in order, %u refused\n", n_orderly, n_refused);
    assert_true(n_refused > N_RANDOM / 10 && n_orderly > N_RANDOM / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orderly_hosts_are_served),
        cmocka_unit_test(broken_frames_end_it_with_a_reason),
        cmocka_unit_test(faults_of_kernels_name_unit_and_address),
        cmocka_unit_test(random_frames_never_crash_it),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
