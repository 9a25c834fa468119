/* The command line. */
#include <err.h>
#include <getopt.h>
#include <libutil.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "serve.h"
#include "version.h"

static _Noreturn void usage(int status)
{
	fprintf(
	    status == 0 ? stdout : stderr,
	    "usage: disco-serve [-d dir] [--listen address:port | --listen unix:path]...\n"
	    "                   [--host name]... [--origin origin]... [--user name]\n"
	    "                   [--tokens file] [--cert file [--key file] [--client-ca file]]\n"
	    "                   [--insecure] [--web dir] [--idle duration] [--request duration]\n"
	    "                   [--max-connections n] [--max-connections-per-address n]\n"
	    "                   [--max-requests n] [--max-header bytes] [--max-body bytes]\n"
	    "                   [--max-message bytes] [--max-subscriptions n] [--procs dir]\n"
	    "                   [--proc-workers n] [--proc-timeout duration]\n"
	    "                   [--proc-memory MiB]\n");
	exit(status);
}

/* Numbers, and what they may be. */
static const struct limit {
	const char *name;
	int64_t *value;
	int64_t least, most;
} limits[] = {
    {"max-connections", &serve.connections, 1, 1000000},
    {"max-connections-per-address", &serve.connections_each, 1, 1000000},
    {"max-requests", &serve.rate, 0, 1000000000},
    {"max-header", &serve.head_largest, 256, 65536},
    {"max-body", &serve.body_largest, 256, 64 << 20},
    {"max-message", &serve.message_largest, 256, 1 << 20},
    {"max-subscriptions", &serve.subscriptions, 0, 10000},
    {"proc-workers", &serve.proc_workers, 0, 64},
    {"proc-memory", &serve.proc_memory_mib, 32, 1 << 20},
};

static const struct limit periods[] = {
    {"idle", &serve.idle_ms, 1, INT64_MAX},
    {"request", &serve.request_ms, 1, INT64_MAX},
    /* What a worker's limit of processor time has room for. */
    {"proc-timeout", &serve.proc_timeout_ms, 1, 60000},
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static void limit_read(const struct limit *limit)
{
	uint64_t number;

	if (expand_number(optarg, &number) < 0 || number > (uint64_t)limit->most ||
	    (int64_t)number < limit->least)
		errx(EXIT_USAGE, "--%s %s: write a number from %lld to %lld", limit->name, optarg,
		     (long long)limit->least, (long long)limit->most);
	*limit->value = (int64_t)number;
}

static void period_read(const struct limit *limit)
{
	const char *why = duration_parse(optarg, limit->value);

	if (why == NULL && *limit->value > limit->most)
		why = "too long";
	if (why != NULL)
		errx(EXIT_USAGE, "--%s %s: %s", limit->name, optarg, why);
}

static void add(const char *option, const char **list, size_t *count)
{
	if (*count == LISTENS)
		errx(EXIT_USAGE, "%s: at most %d of them", option, LISTENS);
	list[(*count)++] = optarg;
}

static bool origin_good(const char *origin)
{
	const char *host = strstr(origin, "://");

	return host != NULL &&
	       (strncmp(origin, "http://", 7) == 0 || strncmp(origin, "https://", 8) == 0) &&
	       host[3] != '\0' && strchr(host + 3, '/') == NULL;
}

/* What goes with what. */
static void agree(void)
{
	if (serve.cert != NULL && serve.key == NULL)
		serve.key = serve.cert;
	if (serve.key != NULL && serve.cert == NULL)
		errx(EXIT_USAGE, "--key: goes with --cert");
	if (serve.client_ca != NULL && (serve.cert == NULL || serve.tokens == NULL))
		errx(EXIT_USAGE, "--client-ca: goes with --cert, and with --tokens, "
				 "which says what the names in certificates may do");
}

void options_read(int argc, char **argv)
{
	enum {
		LISTEN = 256,
		HOST,
		ORIGIN,
		INSECURE,
		WEB,
		PROCS,
		USER,
		TOKENS,
		CERT,
		KEY,
		CLIENT_CA,
		PROGRAM_VERSION,
		LIMIT,
		PERIOD = LIMIT + COUNT(limits)
	};
	static struct option longs[32] = {
	    {"dir", required_argument, NULL, 'd'},
	    {"listen", required_argument, NULL, LISTEN},
	    {"host", required_argument, NULL, HOST},
	    {"name", required_argument, NULL, HOST},
	    {"origin", required_argument, NULL, ORIGIN},
	    {"insecure", no_argument, NULL, INSECURE},
	    {"web", required_argument, NULL, WEB},
	    {"procs", required_argument, NULL, PROCS},
	    {"user", required_argument, NULL, USER},
	    {"tokens", required_argument, NULL, TOKENS},
	    {"cert", required_argument, NULL, CERT},
	    {"key", required_argument, NULL, KEY},
	    {"client-ca", required_argument, NULL, CLIENT_CA},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, PROGRAM_VERSION},
	};
	size_t count = 0;
	int c;

	while (longs[count].name != NULL)
		count++;
	for (size_t i = 0; i < COUNT(limits); i++)
		longs[count++] =
		    (struct option){limits[i].name, required_argument, NULL, LIMIT + (int)i};
	for (size_t i = 0; i < COUNT(periods); i++)
		longs[count++] =
		    (struct option){periods[i].name, required_argument, NULL, PERIOD + (int)i};
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
		case WEB: serve.web = optarg; break;
		case PROCS: serve.procs = optarg; break;
		case USER: serve.user = optarg; break;
		case TOKENS: serve.tokens = optarg; break;
		case CERT: serve.cert = optarg; break;
		case KEY: serve.key = optarg; break;
		case CLIENT_CA: serve.client_ca = optarg; break;
		case 'h': usage(EXIT_DONE);
		case PROGRAM_VERSION: printf("disco-serve %s\n", DISCO_VERSION); exit(EXIT_DONE);
		default:
			if (c >= LIMIT && c < (int)PERIOD)
				limit_read(&limits[c - LIMIT]);
			else if (c >= (int)PERIOD)
				period_read(&periods[c - (int)PERIOD]);
			else
				usage(EXIT_USAGE);
		}
	}
	if (optind < argc)
		usage(EXIT_USAGE);
	agree();
}
