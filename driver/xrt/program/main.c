/* dlop-xrt-host: the process that holds XRT for one device of the driver.
 *
 * XRT ends the process that uses it: it aborts where an environment variable is missing, exits
 * where its device process does not start, signals the whole process group where that dies, spins
 * where it just ends, takes over signal handlers and collects other children. Here that hurts
 * nobody: this process leads a session of its own, the driver sees it end, and what it shares with
 * the driver is memory and sockets.
 *
 * Threads: the main thread answers the control channel, one thread per unit its runs, and the watch
 * ends the whole group when the driver is gone or the device process has died behind XRT's back.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/xrt/program/api.h"
#include "driver/xrt/program/card.h"

#define WATCH_MS    50
#define PATIENCE_MS 2000

struct unit_thread {
    struct dlop_xrt_card *card;
    uint32_t unit;
    int channel;
    pthread_t handle;
    bool is_started;
};

static atomic_bool is_child_expected = true; /* while devices are opened and closed */
static struct unit_thread unit_threads[DLOP_XRT_MAX_UNITS];

static void end_group(const char *why)
{
    fprintf(stderr, "dlop-xrt-host: %s\n", why);
    if (getpgrp() == getpid())
        kill(0, SIGKILL);
    _exit(1);
}

/* A child that has ended, left for XRT to collect; 0 for none. */
static pid_t ended_child(void)
{
    siginfo_t info = {0};

    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT))
        return 0;
    return info.si_pid;
}

/* XRT collects the children that it starts and waits for at once. One that stays uncollected is the
 * device process: while devices are opened and closed XRT may take a moment for that, too. */
static void *watch_main(void *argument)
{
    pid_t parent = *(const pid_t *)argument, ended_before = 0;
    struct pollfd parent_end = {.fd = pidfd_open(parent, 0), .events = POLLIN};
    uint32_t n_times = 0;

    if (parent_end.fd < 0 || getppid() != parent)
        end_group("the driver's process is gone");
    for (;;) {
        uint32_t n_most = atomic_load(&is_child_expected) ? PATIENCE_MS / WATCH_MS : 2;
        pid_t ended;

        if (poll(&parent_end, 1, WATCH_MS) > 0)
            end_group("the driver's process has ended");
        ended = ended_child();
        n_times = ended && ended == ended_before ? n_times + 1 : 1;
        ended_before = ended;
        if (ended && n_times >= n_most)
            end_group("the device process has ended");
    }
    return NULL;
}

static void *unit_main(void *argument)
{
    const struct unit_thread *thread = argument;
    struct dlop_xrt_request request;

    while (dlop_xrt_receive(thread->channel, &request, sizeof request, NULL) == DLOP_OK) {
        struct dlop_xrt_reply reply = {0};

        if (request.kind == DLOP_XRT_RUN && request.n_jobs <= DLOP_XRT_RUN_JOBS) {
            dlop_xrt_card_run(thread->card, thread->unit, &request, &reply);
        } else {
            reply.status = DLOP_ERR_ARGUMENT;
        }
        if (dlop_xrt_send(thread->channel, &reply, sizeof reply, NULL, 0) != DLOP_OK)
            break;
    }
    return NULL;
}

static void start_unit(struct dlop_xrt_card *card, uint32_t unit, const int fds[2],
                       struct dlop_xrt_reply *reply)
{
    struct unit_thread *thread = &unit_threads[unit % DLOP_XRT_MAX_UNITS];

    if (unit >= DLOP_XRT_MAX_UNITS || fds[0] < 0 || fds[1] < 0) {
        reply->status = DLOP_ERR_ARGUMENT;
        return;
    }
    *thread = (struct unit_thread){.card = card, .unit = unit, .channel = fds[0]};
    dlop_xrt_card_add_unit(card, unit, fds[1], reply);
    if (reply->status != DLOP_OK)
        return;
    if (pthread_create(&thread->handle, NULL, unit_main, thread))
        reply->status = DLOP_ERR_THREAD;
    else
        thread->is_started = true;
}

/* The driver has no run under way any more; a forked child of it may still hold the other ends. */
static void stop_units(void)
{
    for (uint32_t i = 0; i < DLOP_XRT_MAX_UNITS; i++) {
        if (!unit_threads[i].is_started)
            continue;
        shutdown(unit_threads[i].channel, SHUT_RDWR);
        pthread_join(unit_threads[i].handle, NULL);
    }
}

static void serve(struct dlop_xrt_card *card, const struct dlop_xrt_request *request,
                  const int fds[DLOP_XRT_MAX_FDS], struct dlop_xrt_reply *reply)
{
    switch (request->kind) {
    case DLOP_XRT_ADD_UNIT:
        start_unit(card, request->unit, fds, reply);
        break;
    case DLOP_XRT_ALLOC:
        dlop_xrt_card_alloc(card, request, fds[0], reply);
        break;
    case DLOP_XRT_FREE:
        dlop_xrt_card_free(card, request->buffer);
        break;
    case DLOP_XRT_TO_DEVICE:
        dlop_xrt_card_to_device(card, request, reply);
        break;
    default:
        reply->status = DLOP_ERR_ARGUMENT;
    }
}

/* Until the driver says close. Its end without that is the watch's. */
static void serve_all(struct dlop_xrt_card *card)
{
    struct dlop_xrt_request request;
    int fds[DLOP_XRT_MAX_FDS];

    while (dlop_xrt_receive(DLOP_XRT_CONTROL_FD, &request, sizeof request, fds) == DLOP_OK &&
           request.kind != DLOP_XRT_CLOSE) {
        struct dlop_xrt_reply reply = {0};

        serve(card, &request, fds, &reply);
        if (dlop_xrt_send(DLOP_XRT_CONTROL_FD, &reply, sizeof reply, NULL, 0) != DLOP_OK)
            break;
    }
}

static int check_library(const char *library)
{
    struct dlop_xrt_api api;
    const char *missing = dlop_xrt_api_load(library, &api);

    if (missing)
        fprintf(stderr, "%s\n", missing);
    return missing ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct dlop_xrt_card_cfg cfg;
    struct dlop_xrt_card *card = NULL;
    struct dlop_xrt_reply reply = {0};
    pthread_t watch;
    pid_t parent;

    if (argc > DLOP_XRT_ARG_LIBRARY && !strcmp(argv[DLOP_XRT_ARG_PROTOCOL], "check"))
        _exit(check_library(argv[DLOP_XRT_ARG_LIBRARY]));
    if (argc <= DLOP_XRT_ARG_UNITS || argc > DLOP_XRT_ARG_UNITS + DLOP_XRT_MAX_UNITS ||
        strcmp(argv[DLOP_XRT_ARG_PROTOCOL], DLOP_XRT_PROTOCOL)) {
        fprintf(stderr, "dlop-xrt-host holds XRT for the driver, which starts it\n");
        return 2;
    }
    parent = (pid_t)strtol(argv[DLOP_XRT_ARG_PARENT], NULL, 10);
    if (pthread_create(&watch, NULL, watch_main, &parent))
        return 1;
    cfg = (struct dlop_xrt_card_cfg){
        .library = argv[DLOP_XRT_ARG_LIBRARY],
        .xclbin = argv[DLOP_XRT_ARG_XCLBIN],
        .memory = argv[DLOP_XRT_ARG_MEMORY],
        .index = (uint32_t)strtoul(argv[DLOP_XRT_ARG_INDEX], NULL, 10),
        .is_polled = !strcmp(argv[DLOP_XRT_ARG_POLL], "1"),
        .units = (const char *const *)argv + DLOP_XRT_ARG_UNITS,
        .n_units = (uint32_t)argc - DLOP_XRT_ARG_UNITS,
    };
    dlop_xrt_card_open(&cfg, &card, &reply);
    atomic_store(&is_child_expected, false);
    if (dlop_xrt_send(DLOP_XRT_CONTROL_FD, &reply, sizeof reply, NULL, 0) != DLOP_OK || !card)
        _exit(1);
    serve_all(card);
    stop_units();
    atomic_store(&is_child_expected, true);
    dlop_xrt_card_close(card);
    memset(&reply, 0, sizeof reply);
    if (dlop_xrt_send(DLOP_XRT_CONTROL_FD, &reply, sizeof reply, NULL, 0) != DLOP_OK)
        _exit(1);
    _exit(0); /* not exit: XRT's destructors may crash */
}
