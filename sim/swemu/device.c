/* The device process: XRT's emulation shim starts it and speaks with it over a socket.
 *
 *   genericpciemodel             software emulation; the host sends the program
 *   genericpciemodel --hw-emu    hardware emulation, in a folder with metadata.xml and kernels.so
 *
 * DLOP_SWEMU_STRICT=1   memory of the kernels apart from the host's (memory.h)
 * DLOP_SWEMU_TRACE=1    a line for each call
 * DLOP_SWEMU_POLL_US=N  how long a status read may wait for a unit (500)
 *
 * The host is the server and binds after it started this process, so connect retries. When this
 * process just exits, the host spins in a read for ever; when it dies by a signal, the shim ends
 * the host's process group. So every fatal end is by a signal, and sim/swemu/run gives each host
 * program a group of its own.
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "sim/swemu/calls.h"
#include "sim/swemu/hwemu.h"
#include "sim/swemu/log.h"

#define CONNECT_TRIES   15000
#define CONNECT_GAP_NS  2000000
#define DEFAULT_POLL_US 500
#define MAX_POLL_US     1000000

static struct dlop_swemu_device device;

__attribute__((noreturn)) static void die(void)
{
    dlop_swemu_log("fatal: the device process ends");
    signal(SIGTERM, SIG_DFL);
    raise(SIGTERM);
    _exit(1);
}

/* ---- faults of kernels ---- */

/* A number in the hexadecimal system; its length. For a signal handler. */
static size_t put_hex(char *text, uint64_t number)
{
    size_t n = 1;

    while (n < 16 && number >> 4 * n != 0)
        n++;
    for (size_t i = 0; i < n; i++)
        text[i] = "0123456789abcdef"[number >> 4 * (n - 1 - i) & 15];
    return n;
}

/* Name unit and device address, then die by the same signal. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    const uint64_t base = (uint64_t)(uintptr_t)device.memory.base;
    uint64_t address = (uint64_t)(uintptr_t)info->si_addr;
    const bool is_device = address - base < DLOP_SWEMU_MEMORY_BYTES;
    /* The shim hands a fault of the host on to its group: that is none of ours. */
    const bool is_sent = info->si_code <= 0;
    const char *unit = dlop_swemu_running_unit;
    char line[DLOP_METADATA_NAME_BYTES + 128];
    char *at = line;

    (void)context;
    at = stpcpy(at, "dlop-swemu: fatal: ");
    at = stpcpy(at, number == SIGSEGV || number == SIGBUS ? "memory fault" : "bad instruction");
    at = stpcpy(at, " in ");
    at = stpcpy(at, unit != NULL ? unit : "the device process");
    at = stpcpy(at, is_device ? " at device address 0x" : " at host address 0x");
    at += put_hex(at, is_device ? address - base : address);
    *at++ = '\n';
    if (!is_sent && write(STDERR_FILENO, line, (size_t)(at - line)) < 0)
        _exit(1);
    signal(number, SIG_DFL);
    raise(number);
}

static void set_handlers(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    const struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER, .sa_sigaction = on_fault};

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigaction(faults[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* ---- start ---- */

static uint32_t number_from(const char *name, uint32_t otherwise, uint32_t most)
{
    const char *text = getenv(name);
    char *end;

    if (text == NULL)
        return otherwise;
    const unsigned long number = strtoul(text, &end, 10);
    if (end == text || *end != 0 || number > most) {
        dlop_swemu_log("%s=%s: not a number up to %u", name, text, most);
        die();
    }
    return (uint32_t)number;
}

/* Where the host listens; the same rule as in the shim. */
static bool make_path(const char *prefix, struct sockaddr_un *address_out)
{
    const char *user = getenv("USER");
    const char *id = getenv("EMULATION_SOCKETID");
    int n;

    *address_out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (user == NULL || id == NULL) {
        dlop_swemu_log("USER and EMULATION_SOCKETID must be set");
        return false;
    }
    n = snprintf(address_out->sun_path, sizeof(address_out->sun_path), "/tmp/%s/%s%s", user, prefix,
                 id);
    return n > 0 && (size_t)n < sizeof(address_out->sun_path);
}

static int connect_host(const char *prefix)
{
    const pid_t host = getppid();
    struct sockaddr_un address;

    if (!make_path(prefix, &address))
        die();
    for (uint32_t i = 0; i < CONNECT_TRIES; i++) {
        const struct timespec gap = {0, CONNECT_GAP_NS};
        const int end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (end >= 0 && connect(end, (const struct sockaddr *)&address, sizeof(address)) == 0)
            return end;
        if (end >= 0)
            close(end);
        if (getppid() != host)
            _exit(1); /* it died before it listened */
        nanosleep(&gap, NULL);
    }
    dlop_swemu_log("nobody listens at %s", address.sun_path);
    die();
}

static void open_device(bool is_hw_emu)
{
    struct rlimit limit;

    /* The host's own files and sockets, and those of its other devices. */
    close_range(STDERR_FILENO + 1, UINT_MAX, 0);
    /* A buffer is an open file. */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    device.is_hw_emu = is_hw_emu;
    device.is_tracing = number_from("DLOP_SWEMU_TRACE", 0, 1) != 0;
    device.poll_wait_us = number_from("DLOP_SWEMU_POLL_US", DEFAULT_POLL_US, MAX_POLL_US);
    if (!dlop_swemu_memory_open(&device.memory, number_from("DLOP_SWEMU_STRICT", 0, 1) != 0))
        die();
    set_handlers();
}

/* ---- main loop ---- */

/* Until the host closes. False when the two sides do not understand each other. A host that is gone
 * waits for nothing: kernels that still run end with the process. */
static bool serve_host(struct dlop_swemu_wire *wire)
{
    static struct dlop_swemu_answer answer;

    for (;;) {
        struct dlop_swemu_request request;
        const enum dlop_swemu_read read_result = dlop_swemu_wire_read(wire, &request);

        if (read_result == DLOP_SWEMU_GONE)
            _exit(0);
        if (read_result == DLOP_SWEMU_BROKEN)
            return false;
        const enum dlop_swemu_verdict verdict = dlop_swemu_serve(&device, &request, &answer);
        if (verdict == DLOP_SWEMU_FATAL)
            return false;
        if (!dlop_swemu_wire_write(wire, &answer) || verdict == DLOP_SWEMU_CLOSE)
            return true;
    }
}

int main(int argc, char **argv)
{
    const bool is_hw_emu = argc == 2 && strcmp(argv[1], "--hw-emu") == 0;
    struct dlop_swemu_wire wire = {.socket = -1};
    int listener = -1;

    open_device(is_hw_emu);
    wire.socket = connect_host("");
    if (is_hw_emu) {
        listener = connect_host("D2X_unix_sock_");
        if (!dlop_swemu_program_load(&device.program, "metadata.xml", "./kernels.so"))
            die();
    }
    const bool is_orderly = serve_host(&wire);
    if (!is_orderly)
        die();
    dlop_swemu_wire_close(&wire);
    if (listener >= 0)
        dlop_swemu_hwemu_stop_listener(listener);
    dlop_swemu_program_unload(&device.program);
    dlop_swemu_memory_close(&device.memory);
    return 0;
}
