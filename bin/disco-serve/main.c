/*
 * disco-serve: the discovery table over HTTP and WebSocket, and heartbeats from
 * elsewhere.  One process, one thread, one loop; it reads the spool like any
 * reader and delivers like any sender.
 */
#include <err.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "notify.h"
#include "pool.h"
#include "serve.h"
#include "spool.h"
#include "version.h"

#define FAREWELL_MS 500 /* for what is on its way when we end */

struct serve serve = {.connections = 10000,
		      .connections_each = 2000,
		      .rate = 10000,
		      .head_largest = 16384,
		      .body_largest = 4 << 20,
		      .message_largest = 65536,
		      .request_ms = 10000,
		      .idle_ms = 60000,
		      .proc_workers = 2,
		      .proc_timeout_ms = 5000,
		      .proc_memory_mib = 512,
		      .subscriptions = 16};

static void over(int fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	event_base_loopbreak(serve.base);
}

/* Takes leave of everybody; what is on its way may arrive. */
static void stop(int signo, short what, void *arg)
{
	static const struct timeval farewell = {0, FAREWELL_MS * 1000};

	(void)signo, (void)what, (void)arg;
	if (serve.ending) {
		event_base_loopbreak(serve.base);
		return;
	}
	serve.ending = true;
	notify_send("STOPPING=1");
	listen_close();
	sockets_close(true);
	streams_close(true);
	holds_close(true);
	table_close(true);
	own_leave();
	event_base_once(serve.base, -1, EV_TIMEOUT, over, NULL, &farewell);
}

/* SIGHUP: the files that others may change. */
static void reload(int signo, short what, void *arg)
{
	(void)signo, (void)what, (void)arg;
	access_reload(tls_reload());
}

/* A loop that tells epoll of changes once per turn: evhttp makes four of them for each request. */
static struct event_base *base_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config != NULL &&
	    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == 0)
		base = event_base_new_with_config(config);
	if (config != NULL)
		event_config_free(config);
	return base;
}

static void set_up(void)
{
	static const int stops[] = {SIGTERM, SIGINT};
	const char *culprit;

	serve.dir = spool_dir(serve.dir);
	if (serve.dir == NULL)
		errx(EXIT_CANNOT, "%s", spool_dir_why());
	if (spool_create(serve.dir, false, &culprit) < 0 && errno != EACCES && errno != EPERM &&
	    errno != EROFS)
		err(EXIT_CANNOT, "%s", culprit);
	if (host_name(serve.host) < 0)
		snprintf(serve.host, sizeof(serve.host), "localhost");
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	serve.base = base_new();
	if (serve.base == NULL)
		errx(EXIT_CANNOT, "no event loop");
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		evsignal_add(evsignal_new(serve.base, stops[i], stop, NULL), NULL);
	evsignal_add(evsignal_new(serve.base, SIGHUP, reload, NULL), NULL);
	web_load();
	http_open();
	/* What needs to be root comes first, and files are read as the one who will read them
	 * again. */
	listen_open();
	cage_user();
	serve.uid = geteuid();
	pool_open();
	procs_load();
	tls_open();
	source_open();
	access_open();
	own_start();
}

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "");
	options_read(argc, argv);
	set_up();
	cage_close();
	printf("ready %s\n", text_cstr(&serve.ready));
	if (fflush(stdout) != 0)
		err(EXIT_CANNOT, "stdout");
	notify_send("READY=1");
	event_base_dispatch(serve.base);
	return EXIT_DONE;
}
