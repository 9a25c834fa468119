/*
 * disco-http speaks HTTP for the other programs and for scripts: it gets,
 * posts, sends a stream of heartbeats on, and holds a connection for a process.
 * It alone is linked with libcurl.
 */
#include <err.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "http.h"

#define CONNECT_MS 5000
#define IDLE_MS 30000

static _Noreturn void usage(int status)
{
	fprintf(status == EXIT_DONE ? stdout : stderr,
		"usage: disco-http [-ei] [-H header] [--cacert file] [--cert file] [--key file]\n"
		"                  [--token-file file] [--connect-timeout duration]\n"
		"                  [--idle duration] [--timeout duration]\n"
		"                  get | post | delete | stream | hold url [path]\n");
	exit(status);
}

static int64_t duration(const char *option, const char *text)
{
	int64_t ms = 0;
	const char *wrong = duration_parse(text, &ms);

	if (wrong != NULL)
		errx(EXIT_USAGE, "%s %s: %s", option, text, wrong);
	return ms;
}

static void header_option(struct server *server, const char *text)
{
	struct curl_slist *more = curl_slist_append(server->headers, text);

	if (more == NULL)
		errx(EXIT_CANNOT, "out of memory");
	if (strchr(text, ':') == NULL || !text_clean(text, strlen(text)))
		errx(EXIT_USAGE, "-H %s: write name: value", text);
	/* Whoever looks at the processes of this host sees our arguments. */
	if (strncasecmp(text, "authorization", 13) == 0 &&
	    text[13 + strspn(text + 13, " \t")] == ':')
		errx(EXIT_USAGE,
		     "-H Authorization: can be read by everybody here; write a token into a "
		     "file and give that with --token-file");
	server->headers = more;
}

static void options(struct server *server, int argc, char **argv)
{
	enum { CONNECT = 256, IDLE, TIMEOUT, PROGRAM_VERSION };
	static const struct option longs[] = {
	    TRUST_OPTIONS,
	    {"connect-timeout", required_argument, NULL, CONNECT},
	    {"explain", no_argument, NULL, 'e'},
	    {"header", required_argument, NULL, 'H'},
	    {"help", no_argument, NULL, 'h'},
	    {"idle", required_argument, NULL, IDLE},
	    {"include", no_argument, NULL, 'i'},
	    {"timeout", required_argument, NULL, TIMEOUT},
	    {"version", no_argument, NULL, PROGRAM_VERSION},
	    {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "+ehiH:", longs, NULL)) != -1) {
		switch (c) {
		case 'H': header_option(server, optarg); break;
		case 'e': server->explains = true; break;
		case 'i': server->tells_header = true; break;
		case 'h': usage(EXIT_DONE);
		case CONNECT: server->connect_ms = duration("--connect-timeout", optarg); break;
		case IDLE: server->idle_ms = duration("--idle", optarg); break;
		case TIMEOUT: server->timeout_ms = duration("--timeout", optarg); break;
		case PROGRAM_VERSION: printf("disco-http %s\n", DISCO_VERSION); exit(EXIT_DONE);
		default:
			if (!trust_option(&server->trust, c, optarg))
				usage(EXIT_USAGE);
		}
	}
}

/* Whether a URL is that of a server, with nothing behind it. */
static bool bare(const char *url)
{
	const char *host = strstr(url, "://");

	if (strncmp(url, "unix:", 5) == 0)
		return true;
	host = host != NULL ? host + 3 : url;
	host += strcspn(host, "/?#");
	return host[strspn(host, "/")] == '\0';
}

static void operands(struct server *server, const char *url, const char *path)
{
	static const char scheme[] = "unix:";
	const char *wrong = trust_url_check(url);
	size_t len = strlen(url);

	if (wrong != NULL) {
		url_shown(&server->shown, url);
		errx(EXIT_USAGE, "%s: %s", text_cstr(&server->shown), wrong);
	}
	if (path != NULL && path[0] != '/')
		errx(EXIT_USAGE, "%s: a path begins with /", path);
	if (!text_clean(url, len))
		errx(EXIT_USAGE, "a URL with control characters");
	if (strncmp(url, scheme, sizeof(scheme) - 1) == 0) {
		server->socket = url + sizeof(scheme) - 1;
		text_string(&server->url, "http://localhost");
		text_safe(&server->shown, url, len);
	} else {
		while (path != NULL && len > 0 && url[len - 1] == '/')
			len--;
		text_add(&server->url, url, len);
		url_shown(&server->shown, text_cstr(&server->url));
	}
	if (path != NULL)
		text_string(&server->url, path);
	if (server->url.failed || server->shown.failed)
		errx(EXIT_CANNOT, "out of memory");
	if (server->socket == NULL && strncasecmp(url, "http://", 7) != 0 &&
	    strncasecmp(url, "https://", 8) != 0)
		errx(EXIT_USAGE, "%.*s: write http://host:port, https://host:port or unix:/path",
		     (int)server->shown.len, server->shown.s);
}

static int verb(const struct server *server, const char *name)
{
	if (strcmp(name, "get") == 0)
		return once(server, METHOD_GET);
	if (strcmp(name, "post") == 0)
		return once(server, METHOD_POST);
	if (strcmp(name, "delete") == 0)
		return once(server, METHOD_DELETE);
	if (strcmp(name, "stream") == 0)
		return stream(server);
	if (strcmp(name, "hold") == 0)
		return hold(server);
	warnx("%s: write get, post, delete, stream or hold", name);
	usage(EXIT_USAGE);
}

int main(int argc, char **argv)
{
	static struct server server = {.connect_ms = CONNECT_MS, .idle_ms = IDLE_MS};
	int status;

	setlocale(LC_CTYPE, "");
	options(&server, argc, argv);
	trust_environment(&server.trust);
	argc -= optind;
	argv += optind;
	if (argc < 2 || argc > 3)
		usage(EXIT_USAGE);
	/* So that hold and stream take the same URL. */
	if (argc == 2 && strcmp(argv[0], "stream") == 0 && bare(argv[1]))
		operands(&server, argv[1], "/v1/heartbeat");
	else
		operands(&server, argv[1], argv[2]);
	tls_check(&server);
	token_take(&server.trust);
	signal(SIGPIPE, SIG_IGN);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		errx(EXIT_CANNOT, "libcurl: cannot start");
	status = verb(&server, argv[0]);
	token_wipe();
	curl_slist_free_all(server.headers);
	text_free(&server.url);
	text_free(&server.shown);
	curl_global_cleanup();
	return status;
}
