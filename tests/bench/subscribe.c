/*
 * subscribe PORT N [deaf]: N WebSockets at a disco-serve on this machine, each
 * subscribed to all rows.  When each has the table it says "ready".  For each
 * line on stdin, a number of seconds, it then tells how many beats of that time
 * reached all of the subscribers, and after how many milliseconds the last of
 * them had it: the least, p50, p99 and the worst; and how many beats were lost,
 * for some subscriber got the next one first, or nothing.
 *
 * A beat's time is lastHb, the kernel's own, so a delay is the whole way,
 * through the master and the server.
 *
 * The deaf ask for more than a megabyte of answers each, and read nothing.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TAKEN 262144  /* bytes read at once */
#define GRACE_MS 5000 /* for the last beats of a time to arrive */
#define DEAF_ASKS 64
#define DEAF_NAMES 500 /* the most that may be asked for */

struct subscriber {
	int fd;
	bool upgraded, complete;
	unsigned char *part; /* of what came, what is no whole frame yet */
	size_t len, size;
};

/* A row's last beat, and how many have it. */
struct beat {
	int64_t ms;
	uint32_t had;
};

static struct subscriber *subscribers;
static uint32_t subscriber_count, complete;
static struct beat *beats; /* by the row's id */
static size_t beat_size;
static struct {
	int64_t from_ms, until_ms;
	int *delays;
	size_t count, size, lost;
} told;

static void *grow(void *p, size_t n, size_t size)
{
	p = reallocarray(p, n, size);
	if (p == NULL)
		err(3, NULL);
	return p;
}

static int64_t real_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What comes from the server. */

static void beat_told(size_t id, int64_t ms, int64_t now_ms)
{
	struct beat *beat;

	if (ms < told.from_ms || ms >= told.until_ms)
		return;
	if (id >= beat_size) {
		beats = grow(beats, id * 2 + 1, sizeof(*beats));
		memset(beats + beat_size, 0, (id * 2 + 1 - beat_size) * sizeof(*beats));
		beat_size = id * 2 + 1;
	}
	beat = &beats[id];
	if (ms > beat->ms) {
		if (beat->had > 0 && beat->had < subscriber_count)
			told.lost++;
		*beat = (struct beat){.ms = ms};
	}
	if (ms < beat->ms || ++beat->had < subscriber_count)
		return;
	if (told.count == told.size) {
		told.size = told.size * 2 + 1024;
		told.delays = grow(told.delays, told.size, sizeof(*told.delays));
	}
	told.delays[told.count++] = (int)(now_ms - ms);
}

/* Numbers as in [[1,1764000000000,5],[2,... */
static const char *number(const char *s, int64_t *n)
{
	for (*n = 0; *s >= '0' && *s <= '9'; s++)
		*n = *n * 10 + (*s - '0');
	return s + 1;
}

static void message(struct subscriber *subscriber, const char *text, size_t len)
{
	static const char list[] = "\"beats\":[", last[] = "\"last\":true}";
	const char *s = memmem(text, len, list, sizeof(list) - 1);
	int64_t now_ms = real_ms(), id, ms, counter;

	if (!subscriber->complete && len >= sizeof(last) - 1 &&
	    memcmp(text + len - (sizeof(last) - 1), last, sizeof(last) - 1) == 0) {
		subscriber->complete = true;
		complete++;
	}
	if (s == NULL)
		return;
	for (s += sizeof(list) - 1; *s == '['; s += *s == ',') {
		s = number(number(number(s + 1, &id), &ms), &counter);
		beat_told((size_t)id, ms, now_ms);
	}
}

/* Takes what is whole at the beginning; returns its length. */
static size_t frames(struct subscriber *subscriber, const unsigned char *data, size_t len)
{
	size_t at = 0, head, size;

	if (!subscriber->upgraded) {
		const unsigned char *end = memmem(data, len, "\r\n\r\n", 4);

		if (end == NULL)
			return 0;
		if (memmem(data, len, " 101 ", 5) == NULL)
			errx(3, "the server wants no WebSocket");
		subscriber->upgraded = true;
		at = (size_t)(end - data) + 4;
	}
	while (len - at >= 2) {
		size = data[at + 1];
		head = size == 127 ? 10 : size == 126 ? 4 : 2;
		if (len - at < head)
			break;
		if (head > 2)
			size = 0;
		for (size_t i = 2; i < head; i++)
			size = size << 8 | data[at + i];
		if (len - at - head < size)
			break;
		if (data[at] != 0x81)
			errx(3, "a frame of kind %#x came", data[at]);
		message(subscriber, (const char *)data + at + head, size);
		at += head + size;
	}
	return at;
}

static void take(struct subscriber *subscriber)
{
	static unsigned char buffer[TAKEN + 1];
	ssize_t n = recv(subscriber->fd, buffer, TAKEN, MSG_DONTWAIT);
	size_t done;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		errx(3, "the server ended a connection");
	if (subscriber->len == 0) {
		done = frames(subscriber, buffer, (size_t)n);
		memmove(buffer, buffer + done, (size_t)n - done);
		n -= (ssize_t)done;
	}
	if (n == 0)
		return;
	if (subscriber->len + (size_t)n > subscriber->size) {
		subscriber->size = subscriber->len + (size_t)n;
		subscriber->part = grow(subscriber->part, subscriber->size, 1);
	}
	memcpy(subscriber->part + subscriber->len, buffer, (size_t)n);
	subscriber->len += (size_t)n;
	done = frames(subscriber, subscriber->part, subscriber->len);
	subscriber->len -= done;
	memmove(subscriber->part, subscriber->part + done, subscriber->len);
}

static void take_all(int epoll)
{
	struct epoll_event ready[64];
	int n = epoll_wait(epoll, ready, 64, 100);

	if (n < 0 && errno != EINTR)
		err(3, "epoll_wait");
	for (int i = 0; i < n; i++)
		take(ready[i].data.ptr);
}

/* What we say. */

static void say(int fd, const void *data, size_t len)
{
	if (send(fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		err(3, "send");
}

/* A mask of zeros is one too. */
static void say_frame(int fd, const char *text, size_t len)
{
	unsigned char head[8] = {0x81, 0x80 | 126, (unsigned char)(len >> 8), (unsigned char)len};

	if (len < 126) {
		head[1] = (unsigned char)(0x80 | len);
		memset(head + 2, 0, 4);
		say(fd, head, 6);
	} else {
		say(fd, head, 8);
	}
	say(fd, text, len);
}

static int subscribe(in_port_t port, bool deaf)
{
	static const char upgrade[] =
	    "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
			  wish[] = "{\"subscribe\":{}}";
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), little = 4096;

	if (fd < 0 ||
	    (deaf && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little)) < 0) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		err(3, "127.0.0.1:%d", port);
	say(fd, upgrade, sizeof(upgrade) - 1);
	say_frame(fd, wish, sizeof(wish) - 1);
	return fd;
}

/* The strips of so many rows, named as load.c names them, again and again. */
static void ask(int fd)
{
	char text[DEAF_NAMES * 16];
	size_t len = (size_t)snprintf(text, sizeof(text), "{\"strips\":[\"app_%07d\"", 0);

	for (int i = 1; i < DEAF_NAMES; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, ",\"app_%07d\"", i);
	len += (size_t)snprintf(text + len, sizeof(text) - len, "]}");
	for (int i = 0; i < DEAF_ASKS; i++)
		say_frame(fd, text, len);
}

/* What is told. */

static int order(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int percentile(size_t hundredths)
{
	return told.count > 0 ? told.delays[(told.count - 1) * hundredths / 100] : -1;
}

static void measure(int epoll, int seconds)
{
	told.count = told.lost = 0;
	told.from_ms = real_ms();
	told.until_ms = told.from_ms + seconds * 1000;
	while (real_ms() < told.until_ms + GRACE_MS)
		take_all(epoll);
	for (size_t id = 0; id < beat_size; id++) {
		told.lost += beats[id].had > 0 && beats[id].had < subscriber_count;
		beats[id] = (struct beat){0};
	}
	qsort(told.delays, told.count, sizeof(*told.delays), order);
	printf("beats %zu least %d p50 %d p99 %d worst %d lost %zu\n", told.count, percentile(0),
	       percentile(50), percentile(99), percentile(100), told.lost);
	told.from_ms = told.until_ms = 0;
}

/* Until stdin ends. */
static void measure_on_demand(int epoll)
{
	struct pollfd line = {.fd = STDIN_FILENO, .events = POLLIN};
	char text[16];

	while (complete < subscriber_count)
		take_all(epoll);
	puts("ready");
	for (;;) {
		take_all(epoll);
		if (poll(&line, 1, 0) != 1)
			continue;
		if (fgets(text, sizeof(text), stdin) == NULL)
			return;
		measure(epoll, atoi(text));
	}
}

static void be_deaf(void)
{
	for (uint32_t i = 0; i < subscriber_count; i++)
		ask(subscribers[i].fd);
	puts("ready");
	getchar();
}

int main(int argc, char *argv[])
{
	bool deaf = argc == 4 && strcmp(argv[3], "deaf") == 0;
	const char *wrong = NULL;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	in_port_t port;

	if (argc != 3 && !deaf)
		errx(2, "usage: subscribe port n [deaf]");
	port = (in_port_t)strtonum(argv[1], 1, UINT16_MAX, &wrong);
	if (wrong == NULL)
		subscriber_count = (uint32_t)strtonum(argv[2], 1, 100000, &wrong);
	if (wrong != NULL)
		errx(2, "a number is %s", wrong);
	setlinebuf(stdout);
	subscribers = grow(NULL, subscriber_count, sizeof(*subscribers));
	for (uint32_t i = 0; i < subscriber_count; i++) {
		struct subscriber *subscriber = &subscribers[i];
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = subscriber};

		*subscriber = (struct subscriber){.fd = subscribe(port, deaf)};
		if (!deaf && epoll_ctl(epoll, EPOLL_CTL_ADD, subscriber->fd, &event) < 0)
			err(3, "epoll_ctl");
	}
	if (deaf)
		be_deaf();
	else
		measure_on_demand(epoll);
	return 0;
}
