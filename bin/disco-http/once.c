/* One request: get, post or delete. */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "http.h"

/* How long to wait at most before it is looked whether the server is silent, or nobody reads us. */
#define LOOK_MS 1000

/* Whoever reads us has gone. */
static bool reader_gone(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO};

	return poll(&out, 1, 0) > 0 && out.revents & POLLERR;
}

static bool write_out(void *arg, const char *s, size_t len)
{
	(void)arg;
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, s, len);

		if (n < 0 && errno == EPIPE)
			exit(EXIT_DONE);
		if (n < 0 && errno != EINTR)
			err(EXIT_CANNOT, "stdout");
		s += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static void body_read(struct text *body)
{
	for (;;) {
		char *room = text_room(body, 65536);
		ssize_t n;

		if (room == NULL)
			errx(EXIT_CANNOT, "out of memory");
		n = read(STDIN_FILENO, room, 65536);
		if (n < 0 && errno != EINTR)
			err(EXIT_CANNOT, "stdin");
		if (n == 0)
			return;
		body->len += n > 0 ? (size_t)n : 0;
	}
}

/* Until it is over.  Where only the answer matters, whoever reads it may have gone before. */
static void wait_over(struct exchange *x, CURLM *multi, bool reads)
{
	struct exchange *const all[] = {x};
	struct curl_waitfd out = {.fd = STDOUT_FILENO};

	while (x->busy) {
		exchange_perform(multi, clock_mono_ms(), all, 1);
		if (x->busy)
			curl_multi_poll(multi, &out, reads ? 1 : 0, LOOK_MS, NULL);
		if (reads && reader_gone())
			exit(EXIT_DONE);
	}
}

int once(const struct server *server, enum method method)
{
	CURLM *multi = curl_multi_init();
	struct exchange x;
	int status;

	exchange_init(&x, server, method == METHOD_POST ? "Content-Type: application/json" : NULL);
	if (method == METHOD_GET)
		x.take = write_out;
	x.silent = method != METHOD_GET;
	if (method == METHOD_POST)
		body_read(&x.body);
	exchange_start(&x, multi, method, "", method == METHOD_GET);
	wait_over(&x, multi, method == METHOD_GET);
	status = exchange_status(&x);
	/* To post where nothing is means another address; else it is an answer. */
	if (status == EXIT_NO && method == METHOD_POST)
		status = EXIT_USAGE;
	if (status != EXIT_DONE && (status != EXIT_NO || server->explains))
		exchange_complain(&x, "");
	exchange_free(&x);
	curl_multi_cleanup(multi);
	return status;
}
