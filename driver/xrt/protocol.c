/* Records and descriptors over a socket: see protocol.h. */
#include "driver/xrt/protocol.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union descriptors {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(DLOP_XRT_MAX_FDS * sizeof(int))];
};

dlop_status dlop_xrt_send(int fd, const void *record, size_t n_bytes, const int *fds,
                          uint32_t n_fds)
{
    union descriptors descriptors = {0};
    struct iovec part = {(void *)(uintptr_t)record, n_bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t n_sent;

    if (n_fds) {
        struct cmsghdr *header;

        message.msg_control = descriptors.bytes;
        message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(header), fds, n_fds * sizeof(int));
    }
    do
        n_sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (n_sent < 0 && errno == EINTR);
    return n_sent == (ssize_t)n_bytes ? DLOP_OK : DLOP_ERR_DEVICE_LOST;
}

/* Descriptors that nobody asked for are closed. */
static void take_descriptors(struct msghdr *message, int *fds_out)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
         header = CMSG_NXTHDR(message, header)) {
        size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            if (fds_out && i < DLOP_XRT_MAX_FDS)
                fds_out[i] = fd;
            else
                close(fd);
        }
    }
}

dlop_status dlop_xrt_receive(int fd, void *record, size_t n_bytes, int *fds_out)
{
    union descriptors descriptors = {0};
    struct iovec part = {record, n_bytes};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = descriptors.bytes,
                             .msg_controllen = sizeof descriptors.bytes};
    ssize_t n_received;

    for (uint32_t i = 0; fds_out && i < DLOP_XRT_MAX_FDS; i++)
        fds_out[i] = -1;
    do
        n_received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    while (n_received < 0 && errno == EINTR);
    if (n_received < 0)
        return DLOP_ERR_DEVICE_LOST;
    take_descriptors(&message, fds_out);
    return n_received == (ssize_t)n_bytes ? DLOP_OK : DLOP_ERR_DEVICE_LOST;
}
