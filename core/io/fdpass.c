#include "core/io/fdpass.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/cleanup.h"
#include "core/slice.h"

/* Room for one descriptor, aligned as the kernel wants it. */
union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static enum status socket_failed(const char *what, struct err *err)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return err_set(err, E_AGAIN, "%s: not now", what);
	return err_errno(err, "%s", what);
}

enum status fdpass_send(int sock, int pass_fd, struct err *err)
{
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	union control control = { 0 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &pass_fd, sizeof(int));

	ssize_t n;
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return socket_failed("pass a descriptor", err);
	return OK;
}

/* The one descriptor of msg, or -1; any other is closed. */
static int only_fd(struct msghdr *msg)
{
	int fd = -1;
	size_t seen = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
	     c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++, seen++) {
			if (fd >= 0)
				(void)close(fd);
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int),
			       sizeof(int));
		}
	}
	if (seen > 1) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

enum status fdpass_recv(int sock, int *fd, struct err *err)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	union control control;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };

	ssize_t n;
	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return socket_failed("receive a descriptor", err);
	if (n == 0)
		return err_set(err, E_IO,
			       "receive a descriptor: the other end closed");

	int got = only_fd(&msg);
	if (got < 0)
		return err_set(err, E_PARSE,
			       "receive a descriptor: not exactly one came");
	*fd = got;
	return OK;
}
