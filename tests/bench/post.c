/*
 * post PORT PATH FILE CONNECTIONS SECONDS: posts the bodies in FILE, each of
 * which an empty line ends, one after the other to a server on this machine, on
 * so many connections that are kept, each with one request at a time.  Prints
 * how many were answered with a 2xx, how many otherwise, and the seconds it
 * took.  Two system calls a request, for it shares its cores with the server.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_LARGEST 16384

struct request {
	char *text;
	size_t len;
};

struct connection {
	int fd;
	size_t len;
	char answer[ANSWER_LARGEST + 1];
};

static struct request *requests;
static size_t request_count, next;
static unsigned long answered, failed;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static char *file_read(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	/* There is no NUL in it: this is all of it. */
	if (f == NULL || getdelim(&text, &size, '\0', f) < 0)
		err(3, "%s", path);
	fclose(f);
	return text;
}

static void requests_make(const char *path, char *bodies)
{
	char *body, *end;
	int len;

	for (body = bodies; (end = strstr(body, "\n\n")) != NULL; body = end + 2) {
		requests = reallocarray(requests, request_count + 1, sizeof(*requests));
		if (requests == NULL)
			err(3, NULL);
		*end = '\0';
		len =
		    asprintf(&requests[request_count].text,
			     "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s",
			     path, (size_t)(end - body), body);
		if (len < 0)
			err(3, NULL);
		requests[request_count++].len = (size_t)len;
	}
	if (request_count == 0)
		errx(3, "no bodies");
}

static void ask(struct connection *connection)
{
	const struct request *request = &requests[next++ % request_count];

	connection->len = 0;
	if (send(connection->fd, request->text, request->len, MSG_NOSIGNAL) !=
	    (ssize_t)request->len)
		err(3, "send");
}

/* Whether an answer is there to its end; nothing comes behind it, for nothing was asked yet. */
static bool is_whole(const char *answer, size_t len)
{
	static const char last[] = "\r\n0\r\n\r\n";
	const char *head_end = strstr(answer, "\r\n\r\n"), *length;

	if (head_end == NULL)
		return false;
	length = strcasestr(answer, "\r\nContent-Length:");
	if (length != NULL && length < head_end)
		return len ==
		       (size_t)(head_end + 4 - answer) + strtoul(strchr(length, ':') + 1, NULL, 10);
	length = strcasestr(answer, "\r\nTransfer-Encoding: chunked");
	if (length != NULL && length < head_end)
		return strcmp(answer + len - (sizeof(last) - 1), last) == 0;
	return true;
}

static void take(struct connection *connection)
{
	char *answer = connection->answer;
	ssize_t n = recv(connection->fd, answer + connection->len, ANSWER_LARGEST - connection->len,
			 MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		errx(3, "the server ended a connection, or said too much");
	connection->len += (size_t)n;
	answer[connection->len] = '\0';
	if (!is_whole(answer, connection->len))
		return;
	if (strncmp(answer, "HTTP/1.1 2", 10) == 0)
		answered++;
	else if (failed++ == 0)
		warnx("%s", answer);
	ask(connection);
}

static struct connection *connection_new(in_port_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL)
		err(3, NULL);
	connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		err(3, "127.0.0.1:%d", port);
	return connection;
}

int main(int argc, char *argv[])
{
	struct epoll_event ready[64], event = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC), n;
	double began, until;

	if (argc != 6)
		errx(2, "usage: post port path file connections seconds");
	requests_make(argv[2], file_read(argv[3]));
	began = now();
	until = began + atof(argv[5]);
	for (int i = 0; i < atoi(argv[4]); i++) {
		struct connection *connection = connection_new((in_port_t)atoi(argv[1]));

		event.data.ptr = connection;
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event) < 0)
			err(3, "epoll_ctl");
		ask(connection);
	}
	while (now() < until) {
		n = epoll_wait(epoll, ready, 64, 100);
		for (int i = 0; i < n; i++)
			take(ready[i].data.ptr);
	}
	printf("answered %lu failed %lu seconds %f\n", answered, failed, now() - began);
	return 0;
}
