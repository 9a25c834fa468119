/* sd_notify(3) messages, sent and received: datagrams of VAR=value lines on a local socket. */
#include "notify.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Aligned for a control message. */
union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int) * NOTIFY_FDS) + CMSG_SPACE(sizeof(struct ucred))];
};

/* The length of the address, or 0 when it is none. */
static socklen_t address_of(struct sockaddr_un *sun, const char *name)
{
	size_t len = strlen(name);

	*sun = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (len < 2 || len >= sizeof(sun->sun_path) || (name[0] != '/' && name[0] != '@'))
		return 0;
	memcpy(sun->sun_path, name, len);
	if (name[0] == '@')
		sun->sun_path[0] = '\0';
	/* An abstract name has no NUL at its end. */
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'));
}

int notify_forward(const char *name, const char *state, size_t len, const int *fds, size_t fd_count)
{
	struct sockaddr_un sun;
	struct iovec iov = {(char *)(size_t)state, len};
	union control control = {0};
	struct msghdr msg = {.msg_name = &sun, .msg_iov = &iov, .msg_iovlen = 1};
	int fd, error;
	ssize_t sent;

	msg.msg_namelen = address_of(&sun, name);
	if (msg.msg_namelen == 0 || fd_count > NOTIFY_FDS) {
		errno = EINVAL;
		return -1;
	}
	if (fd_count > 0) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * fd_count);
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	sent = sendmsg(fd, &msg, MSG_NOSIGNAL);
	error = errno;
	close(fd);
	errno = error;
	return sent == (ssize_t)len ? 0 : -1;
}

int notify_send(const char *state)
{
	const char *name = getenv("NOTIFY_SOCKET");

	if (name == NULL || name[0] == '\0')
		return 0;
	return notify_forward(name, state, strlen(state), NULL, 0);
}

int notify_listen(char *name)
{
	struct sockaddr_un sun;
	unsigned char bytes[16];
	int fd, on = 1, error, len;

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -1;
	len = snprintf(name, NOTIFY_NAME, "@disco-hb-");
	for (size_t i = 0; i < sizeof(bytes); i++)
		len += snprintf(name + len, NOTIFY_NAME - (size_t)len, "%02x", bytes[i]);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0 &&
	    bind(fd, (struct sockaddr *)&sun, address_of(&sun, name)) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* Whether the sender may tell us anything; picks up the descriptors in any case, for they are open.
 */
static bool control_read(struct msghdr *msg, int *fds, size_t *fd_count)
{
	bool trusted = false;

	*fd_count = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred who;

			memcpy(&who, CMSG_DATA(c), sizeof(who));
			trusted = who.uid == geteuid() || who.uid == 0;
		} else if (c->cmsg_type == SCM_RIGHTS) {
			size_t size = c->cmsg_len - CMSG_LEN(0);

			/* The room for the messages lets no more than NOTIFY_FDS through. */
			if (size > NOTIFY_FDS * sizeof(int))
				size = NOTIFY_FDS * sizeof(int);
			memcpy(fds, CMSG_DATA(c), size);
			*fd_count = size / sizeof(int);
		}
	}
	return trusted;
}

long notify_receive(int fd, char *buf, size_t size, int *fds, size_t *fd_count)
{
	struct iovec iov = {buf, size - 1};
	union control control;
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	ssize_t n;

	*fd_count = 0;
	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	if (!control_read(&msg, fds, fd_count) || msg.msg_flags & MSG_TRUNC)
		n = 0;
	buf[n] = '\0';
	return (long)n;
}
