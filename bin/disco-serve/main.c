/*
 * disco-serve: the discovery table over HTTP and WebSocket, and heartbeats from
 * elsewhere.  One process, one thread, one loop; it reads the spool like any
 * reader and delivers like any sender.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "duration.h"
#include "host.h"
#include "name.h"
#include "notify.h"
#include "pool.h"
#include "serve.h"
#include "spool.h"
#include "version.h"

#define PROC_WORKERS_MOST 64
#define PROC_TIMEOUT_MOST_MS 60000 /* what a worker's limit of processor time has room for */
#define FAREWELL_MS 500		   /* for what is on its way when we end */

struct serve serve = {.connections = 10000,
		      .connections_each = 2000,
		      .rate = 10000,
		      .idle_ms = 60000,
		      .proc_workers = 2,
		      .proc_timeout_ms = 5000,
		      .proc_memory_mib = 512,
		      .subscriptions = 16};

static _Noreturn void usage(int status)
{
	fprintf(status == 0 ? stdout : stderr,
		"usage: disco-serve [-d dir] [--listen address:port | --listen unix:path]...\n"
		"                   [--host name]... [--origin origin]... [--insecure]\n"
		"                   [--tokens file] [--cert file [--key file] [--client-ca file]]\n"
		"                   [--max-connections n] [--max-connections-per-address n]\n"
		"                   [--max-requests n] [--max-subscriptions n] [--idle duration]\n"
		"                   [--procs dir] [--proc-workers n] [--proc-timeout duration]\n"
		"                   [--proc-memory MiB] [--web dir]\n");
	exit(status);
}

static void add(const char *option, const char **list, size_t *count)
{
	if (*count == LISTENS)
		errx(EXIT_USAGE, "%s: at most %d of them", option, LISTENS);
	list[(*count)++] = optarg;
}

static int64_t number(const char *option, int64_t least)
{
	int64_t number = 0;
	const char *why = number_parse(optarg, least, 1000000, &number);

	if (why != NULL)
		errx(EXIT_USAGE, "%s %s: %s", option, optarg, why);
	return number;
}

static bool origin_good(const char *origin)
{
	const char *host = strstr(origin, "://");

	return host != NULL &&
	       (strncmp(origin, "http://", 7) == 0 || strncmp(origin, "https://", 8) == 0) &&
	       host[3] != '\0' && strchr(host + 3, '/') == NULL;
}

static void options(int argc, char **argv)
{
	enum {
		LISTEN = 256,
		HOST,
		ORIGIN,
		INSECURE,
		CONNECTIONS,
		CONNECTIONS_EACH,
		RATE,
		IDLE,
		WEB,
		TOKENS,
		CERT,
		KEY,
		CLIENT_CA,
		PROCS,
		PROC_WORKERS,
		PROC_TIMEOUT,
		PROC_MEMORY,
		SUBSCRIPTIONS,
		PROGRAM_VERSION
	};
	static const struct option longs[] = {
	    {"dir", required_argument, NULL, 'd'},
	    {"listen", required_argument, NULL, LISTEN},
	    {"host", required_argument, NULL, HOST},
	    {"origin", required_argument, NULL, ORIGIN},
	    {"insecure", no_argument, NULL, INSECURE},
	    {"max-connections", required_argument, NULL, CONNECTIONS},
	    {"max-connections-per-address", required_argument, NULL, CONNECTIONS_EACH},
	    {"max-requests", required_argument, NULL, RATE},
	    {"tokens", required_argument, NULL, TOKENS},
	    {"cert", required_argument, NULL, CERT},
	    {"key", required_argument, NULL, KEY},
	    {"client-ca", required_argument, NULL, CLIENT_CA},
	    {"idle", required_argument, NULL, IDLE},
	    {"procs", required_argument, NULL, PROCS},
	    {"proc-workers", required_argument, NULL, PROC_WORKERS},
	    {"proc-timeout", required_argument, NULL, PROC_TIMEOUT},
	    {"proc-memory", required_argument, NULL, PROC_MEMORY},
	    {"max-subscriptions", required_argument, NULL, SUBSCRIPTIONS},
	    {"web", required_argument, NULL, WEB},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, PROGRAM_VERSION},
	    {NULL, 0, NULL, 0},
	};
	const char *why;
	int c;

	while ((c = getopt_long(argc, argv, "d:h", longs, NULL)) != -1) {
		switch (c) {
		case 'd': serve.dir = optarg; break;
		case LISTEN: add("--listen", serve.listens, &serve.listen_count); break;
		case HOST: add("--host", serve.hosts, &serve.host_count); break;
		case ORIGIN:
			if (strcmp(optarg, "null") != 0 && !origin_good(optarg))
				errx(EXIT_USAGE,
				     "--origin %s: write http://host, https://host:port or null",
				     optarg);
			add("--origin", serve.origins, &serve.origin_count);
			break;
		case INSECURE: serve.insecure = true; break;
		case CONNECTIONS: serve.connections = number("--max-connections", 1); break;
		case CONNECTIONS_EACH:
			serve.connections_each = number("--max-connections-per-address", 1);
			break;
		case RATE: serve.rate = number("--max-requests", 0); break;
		case IDLE:
			why = duration_parse(optarg, &serve.idle_ms);
			if (why != NULL)
				errx(EXIT_USAGE, "--idle %s: %s", optarg, why);
			break;
		case PROCS: serve.procs = optarg; break;
		case PROC_WORKERS:
			serve.proc_workers = number("--proc-workers", 0);
			if (serve.proc_workers > PROC_WORKERS_MOST)
				errx(EXIT_USAGE, "--proc-workers %s: at most %d", optarg,
				     PROC_WORKERS_MOST);
			break;
		case PROC_TIMEOUT:
			why = duration_parse(optarg, &serve.proc_timeout_ms);
			if (why == NULL && serve.proc_timeout_ms > PROC_TIMEOUT_MOST_MS)
				why = "at most 60s";
			if (why != NULL)
				errx(EXIT_USAGE, "--proc-timeout %s: %s", optarg, why);
			break;
		case PROC_MEMORY: serve.proc_memory_mib = number("--proc-memory", 32); break;
		case SUBSCRIPTIONS: serve.subscriptions = number("--max-subscriptions", 0); break;
		case WEB: serve.web = optarg; break;
		case TOKENS: serve.tokens = optarg; break;
		case CERT: serve.cert = optarg; break;
		case KEY: serve.key = optarg; break;
		case CLIENT_CA: serve.client_ca = optarg; break;
		case 'h': usage(EXIT_DONE);
		case PROGRAM_VERSION: printf("disco-serve %s\n", DISCO_VERSION); exit(EXIT_DONE);
		default: usage(EXIT_USAGE);
		}
	}
	if (optind < argc)
		usage(EXIT_USAGE);
	if (serve.cert != NULL && serve.key == NULL)
		serve.key = serve.cert;
	if (serve.key != NULL && serve.cert == NULL)
		errx(EXIT_USAGE, "--key: goes with --cert");
	if (serve.client_ca != NULL && (serve.cert == NULL || serve.tokens == NULL))
		errx(EXIT_USAGE, "--client-ca: goes with --cert, and with --tokens, "
				 "which says what the names in certificates may do");
}

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
	access_reload();
	tls_reload();
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

	serve.uid = geteuid();
	serve.dir = spool_dir(serve.dir);
	if (serve.dir == NULL)
		err(EXIT_CANNOT, "spool");
	if (spool_create(serve.dir, false, &culprit) < 0 && errno != EACCES && errno != EPERM &&
	    errno != EROFS)
		err(EXIT_CANNOT, "%s", culprit);
	if (host_name(serve.host) < 0)
		snprintf(serve.host, sizeof(serve.host), "localhost");
	signal(SIGPIPE, SIG_IGN);
	serve.base = base_new();
	if (serve.base == NULL)
		errx(EXIT_CANNOT, "no event loop");
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		evsignal_add(evsignal_new(serve.base, stops[i], stop, NULL), NULL);
	evsignal_add(evsignal_new(serve.base, SIGHUP, reload, NULL), NULL);
	pool_open();
	procs_load();
	tls_open();
	web_load();
	http_open();
	source_open();
	access_open();
	listen_open();
	own_start();
}

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "");
	options(argc, argv);
	set_up();
	printf("ready %s\n", text_cstr(&serve.ready));
	if (fflush(stdout) != 0)
		err(EXIT_CANNOT, "stdout");
	notify_send("READY=1");
	event_base_dispatch(serve.base);
	return EXIT_DONE;
}
