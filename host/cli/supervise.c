/* The parent of `dlop run`.
 *
 * Key idea: the child is an ordinary process of the same process group, so the terminal's Ctrl-C
 * reaches it by itself; only signals that were sent to this process by somebody (kill, a job
 * scheduler) are passed on. If this process is killed, the kernel sends the child SIGTERM. The
 * hello of the start-up hooks comes over a datagram socket in the abstract namespace: nothing is
 * left in the file system however the processes end.
 *
 * Not here: what the hooks do (host/python/boot), and what is told to the user at the end
 * (cmd_run.c).
 */
#include "host/cli/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const int FORWARDED[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
#define N_FORWARDED (sizeof(FORWARDED) / sizeof(FORWARDED[0]))

/* Bind the socket on which hooks say hello and put its name into the environment; -1 on failure. */
static int open_hello(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timespec now;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    clock_gettime(CLOCK_REALTIME, &now);
    int n = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "dlop-%ld-%ld%09ld",
                     (long)getpid(), (long)now.tv_sec, now.tv_nsec);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    if (bind(fd, (struct sockaddr *)&address, size)) {
        close(fd);
        return -1;
    }
    setenv("DLOP_HELLO", address.sun_path + 1, 1);
    return fd;
}

/* Messages are "PID boot" and "PID torch"; anything else is ignored. */
static void receive_hellos(int fd, struct supervise_hello *hello)
{
    char text[64];
    ssize_t n;

    while ((n = recv(fd, text, sizeof(text) - 1, 0)) > 0) {
        text[n] = '\0';
        const char *event = strchr(text, ' ');
        hello->n_booted += event && !strcmp(event, " boot");
        hello->n_attached += event && !strcmp(event, " torch");
    }
}

static void exec_child(char **argv, const sigset_t *mask, pid_t parent)
{
    sigprocmask(SIG_SETMASK, mask, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    execvp(argv[0], argv);
}

/* Fork and exec; the errno of a failed exec comes back through a pipe. Returns the pid, or -1 with
 * errno. */
static pid_t start(char **argv, const sigset_t *mask)
{
    int report[2];
    int exec_errno = 0;
    pid_t parent = getpid();

    if (pipe2(report, O_CLOEXEC))
        return -1;
    pid_t child = fork();
    if (child == 0) {
        exec_child(argv, mask, parent);
        exec_errno = errno;
        if (write(report[1], &exec_errno, sizeof(exec_errno)) < 0)
            _exit(126);
        _exit(127);
    }
    close(report[1]);
    if (child > 0 && read(report[0], &exec_errno, sizeof(exec_errno)) == sizeof(exec_errno)) {
        waitpid(child, NULL, 0);
        errno = exec_errno;
        child = -1;
    }
    close(report[0]);
    return child;
}

/* Take what the signal descriptor has; true when the child has ended and *wait_status is set. */
static bool handle_signals(int fd, pid_t child, int *wait_status)
{
    struct signalfd_siginfo info;

    while (read(fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGCHLD) {
            if (waitpid(child, wait_status, WNOHANG) == child)
                return true;
        } else if (info.ssi_code <= 0) {
            kill(child, (int)info.ssi_signo); /* sent by a process, not by the terminal */
        }
    }
    return false;
}

int supervise_command(char **argv, struct supervise_hello *hello_out)
{
    struct supervise_hello hello = {0};
    sigset_t handled, before;
    int wait_status = -1;

    sigemptyset(&handled);
    sigaddset(&handled, SIGCHLD);
    for (size_t i = 0; i < N_FORWARDED; i++)
        sigaddset(&handled, FORWARDED[i]);
    sigprocmask(SIG_BLOCK, &handled, &before);
    int signals = signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
    int hellos = open_hello();
    pid_t child = signals < 0 ? -1 : start(argv, &before);
    if (child > 0) {
        struct pollfd fds[] = {{signals, POLLIN, 0}, {hellos, POLLIN, 0}};
        while (!handle_signals(signals, child, &wait_status)) {
            poll(fds, 2, -1);
            receive_hellos(hellos, &hello);
        }
        receive_hellos(hellos, &hello);
        *hello_out = hello;
    }
    int start_errno = errno;
    if (hellos >= 0)
        close(hellos);
    if (signals >= 0)
        close(signals);
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = start_errno;
    return wait_status;
}
