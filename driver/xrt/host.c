/* Start, call and end of the host program: see host.h. */
#include "driver/xrt/host.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Descriptors that the program inherits are first moved here, out of the way of its numbers. */
#define HIGH_FD 10

#define KILL_TIMEOUT_MS 10000

/* ---- environment ---- */

static bool has_variable(char *const *environment, const char *assignment)
{
    size_t length = (size_t)(strchr(assignment, '=') - assignment) + 1;

    for (; *environment; environment++)
        if (!strncmp(*environment, assignment, length))
            return true;
    return false;
}

/* The caller's environment with what emulation wants and the caller left out. USER: part of the
 * socket's path, the same for all without it. SDACCEL_EM_RUN_DIR: else XRT writes beside the
 * executable. The result is freed with free(); the texts stay. */
static char **make_environment(char *const *extra)
{
    extern char **environ;
    size_t n = 0, n_extra = 0;
    char **result;

    while (environ[n])
        n++;
    while (extra[n_extra])
        n_extra++;
    result = calloc(n + n_extra + 1, sizeof *result);
    if (!result)
        return NULL;
    memcpy(result, environ, n * sizeof *result);
    for (size_t i = 0; i < n_extra; i++)
        if (!has_variable(result, extra[i]))
            result[n++] = extra[i];
    return result;
}

static void remove_file(const char *path, bool is_folder)
{
    if (is_folder)
        rmdir(path);
    else
        unlink(path);
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info, (void)place;
    remove_file(path, type == FTW_DP);
    return 0;
}

static void remove_run_folder(struct dlop_xrt_host *host)
{
    if (host->run_folder[0])
        nftw(host->run_folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    host->run_folder[0] = '\0';
}

/* ---- start ---- */

dlop_status dlop_xrt_share(size_t n_bytes, int *fd_out, void **mapping_out)
{
    int fd = memfd_create("dlop-xrt", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *mapping;

    if (fd < 0)
        return DLOP_ERR_NO_MEMORY;
    if (n_bytes > INT64_MAX || ftruncate(fd, (off_t)n_bytes))
        goto close_fd;
    mapping = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapping == MAP_FAILED)
        goto close_fd;
    *fd_out = fd;
    *mapping_out = mapping;
    return DLOP_OK;

close_fd:
    close(fd);
    return DLOP_ERR_NO_MEMORY;
}

/* A file in memory that takes what is printed until it is full. */
static int open_output(void)
{
    int fd = memfd_create("dlop-xrt-output", MFD_CLOEXEC | MFD_ALLOW_SEALING), high;

    if (fd < 0)
        return -1;
    high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
    close(fd);
    if (high >= 0 &&
        (ftruncate(high, DLOP_XRT_OUTPUT_BYTES) || fcntl(high, F_ADD_SEALS, F_SEAL_GROW))) {
        close(high);
        return -1;
    }
    return high;
}

/* Signals as a program expects them, a session of its own, no descriptor but the four. */
static int spawn(const char *const argv[], char **environment, int output, int control, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int error;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawn_file_actions_adddup2(&actions, output, 2);
    if (control >= 0)
        posix_spawn_file_actions_adddup2(&actions, control, DLOP_XRT_CONTROL_FD);
    posix_spawn_file_actions_addclosefrom_np(&actions,
                                             DLOP_XRT_CONTROL_FD + (control >= 0 ? 1 : 0));
    error = posix_spawn(pid, argv[0], &actions, &attributes, (char *const *)(uintptr_t)argv,
                        environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* Both ends of the control channel, the program's out of the way. */
static dlop_status open_control(int *own_out, int *other_out)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return DLOP_ERR_IO;
    *own_out = pair[0];
    *other_out = fcntl(pair[1], F_DUPFD_CLOEXEC, HIGH_FD);
    close(pair[1]);
    if (*other_out >= 0)
        return DLOP_OK;
    close(pair[0]);
    return DLOP_ERR_IO;
}

static dlop_status start_with(const char *const argv[], char *const *extra,
                              struct dlop_xrt_host *host)
{
    char **environment = make_environment(extra);
    dlop_status status = DLOP_ERR_IO;
    int other;

    if (!environment)
        return DLOP_ERR_NO_MEMORY;
    host->output = open_output();
    if (host->output < 0)
        goto free_environment;
    if (open_control(&host->control, &other) != DLOP_OK)
        goto close_output;
    if (spawn(argv, environment, host->output, other, &host->pid)) {
        close(other);
        goto close_control;
    }
    close(other);
    host->end = pidfd_open(host->pid, 0);
    if (host->end < 0) {
        kill(-host->pid, SIGKILL);
        waitpid(host->pid, NULL, 0);
        goto close_control;
    }
    free(environment);
    return DLOP_OK;

close_control:
    close(host->control);
close_output:
    close(host->output);
free_environment:
    free(environment);
    return status;
}

dlop_status dlop_xrt_host_start(const char *const argv[], bool is_emulation,
                                struct dlop_xrt_host *host_out)
{
    char user[sizeof host_out->run_folder + 8], run_folder[sizeof host_out->run_folder + 32];
    char *const emulation[] = {user, run_folder, NULL}, *const none[] = {NULL};
    struct dlop_xrt_host host = {0};
    dlop_status status;

    if (is_emulation) {
        /* XRT puts its sockets into /tmp/$USER: this folder, unless USER is set. */
        snprintf(host.run_folder, sizeof host.run_folder, "/tmp/dlop-xrt-XXXXXX");
        if (!mkdtemp(host.run_folder))
            return DLOP_ERR_IO;
    }
    snprintf(user, sizeof user, "USER=%s", host.run_folder + (is_emulation ? strlen("/tmp/") : 0));
    snprintf(run_folder, sizeof run_folder, "SDACCEL_EM_RUN_DIR=%s", host.run_folder);
    status = start_with(argv, is_emulation ? emulation : none, &host);
    if (status == DLOP_OK)
        *host_out = host;
    else
        remove_run_folder(&host);
    return status;
}

/* ---- calls ---- */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static dlop_status say(struct dlop_xrt_reply *reply_out, dlop_status status, const char *text)
{
    reply_out->status = status;
    snprintf(reply_out->text, sizeof reply_out->text, "%s", text);
    return status;
}

dlop_status dlop_xrt_host_wait(const struct dlop_xrt_host *host, int channel, uint32_t timeout_ms,
                               struct dlop_xrt_reply *reply_out)
{
    struct pollfd files[2] = {{.fd = channel, .events = POLLIN},
                              {.fd = host->end, .events = POLLIN}};
    int64_t end_ms = now_ms() + timeout_ms, left_ms;

    do {
        left_ms = end_ms - now_ms();
        if (left_ms <= 0)
            return say(reply_out, DLOP_ERR_TIMEOUT, "no answer in time");
    } while (poll(files, 2, left_ms < INT32_MAX ? (int)left_ms : INT32_MAX) <= 0);
    /* What was said before the end counts. */
    if (!(files[0].revents & POLLIN) ||
        dlop_xrt_receive(channel, reply_out, sizeof *reply_out, NULL) != DLOP_OK)
        return say(reply_out, DLOP_ERR_DEVICE_LOST, "the process that holds XRT has ended");
    reply_out->text[sizeof reply_out->text - 1] = '\0';
    return reply_out->status;
}

dlop_status dlop_xrt_host_call(const struct dlop_xrt_host *host, int channel,
                               const struct dlop_xrt_call *call, struct dlop_xrt_reply *reply_out)
{
    if (dlop_xrt_send(channel, &call->request, sizeof call->request, call->fds, call->n_fds) !=
        DLOP_OK)
        return say(reply_out, DLOP_ERR_DEVICE_LOST, "the process that holds XRT has ended");
    return dlop_xrt_host_wait(host, channel, call->timeout_ms, reply_out);
}

/* ---- end ---- */

static void wait_for_end(const struct dlop_xrt_host *host, uint32_t timeout_ms)
{
    struct pollfd end = {.fd = host->end, .events = POLLIN};

    while (poll(&end, 1, (int)timeout_ms) < 0 && errno == EINTR) {
    }
}

void dlop_xrt_host_kill(const struct dlop_xrt_host *host)
{
    siginfo_t info;

    /* While it is not collected, its number is nobody else's. */
    if (!waitid(P_PIDFD, (id_t)host->end, &info, WEXITED | WNOHANG | WNOWAIT))
        kill(-host->pid, SIGKILL);
    wait_for_end(host, KILL_TIMEOUT_MS);
}

int dlop_xrt_host_end(struct dlop_xrt_host *host, uint32_t timeout_ms)
{
    int wait_status = -1;

    wait_for_end(host, timeout_ms);
    dlop_xrt_host_kill(host);
    while (waitpid(host->pid, &wait_status, 0) < 0 && errno == EINTR) {
    }
    dlop_xrt_host_forget(host);
    remove_run_folder(host);
    return wait_status;
}

void dlop_xrt_host_forget(struct dlop_xrt_host *host)
{
    close(host->end);
    close(host->control);
    close(host->output);
}

/* ---- output ---- */

static void last_line(int output, char *line_out, size_t size)
{
    char text[DLOP_XRT_OUTPUT_BYTES + 1];
    ssize_t n_bytes = pread(output, text, DLOP_XRT_OUTPUT_BYTES, 0);
    char *line, *end;

    line_out[0] = '\0';
    if (n_bytes <= 0)
        return;
    text[n_bytes] = '\0';
    end = text + strlen(text);
    while (end > text && (end[-1] == '\n' || end[-1] == ' '))
        *--end = '\0';
    line = strrchr(text, '\n');
    snprintf(line_out, size, "%s", line ? line + 1 : text);
}

void dlop_xrt_host_last_line(const struct dlop_xrt_host *host, char *line_out, size_t size)
{
    last_line(host->output, line_out, size);
}

int dlop_xrt_host_try(const char *const argv[], uint32_t timeout_ms, char *line_out, size_t size)
{
    struct dlop_xrt_host host;
    int wait_status;

    snprintf(line_out, size, "%s cannot be started", argv[0]);
    if (dlop_xrt_host_start(argv, false, &host) != DLOP_OK)
        return -1;
    wait_for_end(&host, timeout_ms);
    last_line(host.output, line_out, size);
    wait_status = dlop_xrt_host_end(&host, 0);
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
}
