/*
 * answer DIR NAME FILES TOUCHES: the least that can take heartbeats by HTTP, a floor for the
 * server. It listens on this machine, where it prints, reads each request to its end and no more of
 * it than Content-Length, touches so many of the files NAME_0, NAME_1 ... in DIR, one after the
 * other, and answers 204.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_LARGEST 65536

struct connection {
	int fd;
	size_t len;
	char request[REQUEST_LARGEST + 1];
};

static const char answer[] = "HTTP/1.1 204 No Content\r\n\r\n";
static const char *name;
static int dir, files, touches, next;

static void touch(void)
{
	struct timespec times[2];
	char file[64];

	snprintf(file, sizeof(file), "%s_%d", name, next++ % files);
	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[1] = times[0];
	if (utimensat(dir, file, times, AT_SYMLINK_NOFOLLOW) < 0)
		err(1, "%s", file);
}

static size_t length_of(const char *request)
{
	const char *head_end = strstr(request, "\r\n\r\n"), *length;

	if (head_end == NULL)
		return SIZE_MAX;
	length = strstr(request, "\r\nContent-Length:");
	if (length == NULL || length > head_end)
		errx(1, "no Content-Length");
	return (size_t)(head_end + 4 - request) + strtoul(strchr(length, ':') + 1, NULL, 10);
}

static void take(struct connection *connection)
{
	ssize_t n = recv(connection->fd, connection->request + connection->len,
			 REQUEST_LARGEST - connection->len, MSG_DONTWAIT);

	if (n <= 0) {
		close(connection->fd);
		free(connection);
		return;
	}
	connection->len += (size_t)n;
	connection->request[connection->len] = '\0';
	if (connection->len < length_of(connection->request))
		return;
	connection->len = 0;
	for (int i = 0; i < touches; i++)
		touch();
	if (send(connection->fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) < 0)
		warn("send");
}

static void greet(int epoll, int listener)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

	if (connection == NULL)
		err(1, NULL);
	connection->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (connection->fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event) < 0)
		err(1, "accept");
}

int main(int argc, char *argv[])
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event ready[64], event = {.events = EPOLLIN};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int epoll = epoll_create1(EPOLL_CLOEXEC), n;
	socklen_t len = sizeof(at);

	if (argc != 5)
		errx(2, "usage: answer dir name files touches");
	dir = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		err(1, "%s", argv[1]);
	name = argv[2];
	files = atoi(argv[3]);
	touches = atoi(argv[4]);
	if (bind(listener, (struct sockaddr *)&at, len) < 0 || listen(listener, 128) < 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
		err(1, "listen");
	if (printf("%d\n", ntohs(at.sin_port)) < 0 || fflush(stdout) == EOF)
		err(1, "stdout");
	while ((n = epoll_wait(epoll, ready, 64, -1)) > 0)
		for (int i = 0; i < n; i++) {
			if (ready[i].data.ptr == NULL)
				greet(epoll, listener);
			else
				take(ready[i].data.ptr);
		}
	return 0;
}
