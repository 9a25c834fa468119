/* The command line of disco-hb, and which of its parts make sense together. */
#include <err.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "hb.h"
#include "name.h"
#include "version.h"

enum { HELD = 256, HOLD, PATH, STATE, REASON, EXIT, LEAVE, VERSION };

static const struct option longs[] = {
    {"service", required_argument, NULL, 's'}, {"address", required_argument, NULL, 'a'},
    {"port", required_argument, NULL, 'p'},    {"app-version", required_argument, NULL, 'V'},
    {"meta", required_argument, NULL, 'm'},    {"warn", required_argument, NULL, 'w'},
    {"error", required_argument, NULL, 'e'},   {"forget", required_argument, NULL, 'f'},
    {"every", required_argument, NULL, 'i'},   {"pid", required_argument, NULL, 'P'},
    {"check", required_argument, NULL, 'c'},   {"dir", required_argument, NULL, 'd'},
    {"url", required_argument, NULL, 'u'},     TRUST_OPTIONS,
    {"help", no_argument, NULL, 'h'},	       {"held", no_argument, NULL, HELD},
    {"hold", required_argument, NULL, HOLD},   {"path", no_argument, NULL, PATH},
    {"state", required_argument, NULL, STATE}, {"reason", required_argument, NULL, REASON},
    {"exit", required_argument, NULL, EXIT},   {"leave", no_argument, NULL, LEAVE},
    {"version", no_argument, NULL, VERSION},   {NULL, 0, NULL, 0},
};

void usage(int status)
{
	fprintf(
	    status == EXIT_DONE ? stdout : stderr,
	    "usage: disco-hb [-d dir | -u url [--cacert file] [--cert file] [--key file]\n"
	    "                [--token-file file]] [-s service] [-a host:port | -p port] [-V "
	    "version]\n"
	    "                [-m key=value] [-w warn] [-e error] [-f forget] [-i every]\n"
	    "                [-P pid] [-c check] [--held] [--hold fd] [--path] [--state state]\n"
	    "                [--reason text] [--exit status] [--leave]\n"
	    "                process [-- command [arg ...]]\n");
	exit(status);
}

static int64_t number(const char *option, const char *text, int64_t least, int64_t most)
{
	int64_t n = 0;
	const char *wrong = number_parse(text, least, most, &n);

	if (wrong != NULL)
		errx(EXIT_USAGE, "%s %s: %s", option, text, wrong);
	return n;
}

static int64_t duration(const char *option, const char *text)
{
	int64_t ms = 0;
	const char *wrong = duration_parse(text, &ms);

	if (wrong != NULL)
		errx(EXIT_USAGE, "%s %s: %s", option, text, wrong);
	return ms;
}

static const char *clean(const char *option, const char *text)
{
	if (!text_clean(text, strlen(text)))
		errx(EXIT_USAGE, "%s: not UTF-8, or with control characters", option);
	return text;
}

static const char *service(const char *text)
{
	if (strlen(text) > HEARTBEAT_SERVICE)
		errx(EXIT_USAGE, "-s: at most 255 bytes");
	return clean("-s", text);
}

/* host:port, where the host of an IPv6 address stands in brackets. */
static const char *address(const char *text)
{
	const char *colon = strrchr(clean("-a", text), ':'), *inside;
	int64_t port;

	if (colon == NULL || colon == text)
		errx(EXIT_USAGE, "-a %s: write host:port", text);
	inside = memchr(text, ':', (size_t)(colon - text));
	if (text[0] == '[' ? colon[-1] != ']' || colon - text < 4 : inside != NULL)
		errx(EXIT_USAGE, "-a %s: write an IPv6 address as [host]:port", text);
	if (strpbrk(text, " \t") != NULL || number_parse(colon + 1, 1, 65535, &port) != NULL)
		errx(EXIT_USAGE, "-a %s: write host:port with a port from 1 to 65535", text);
	return text;
}

static void meta(struct heartbeat *said, const char *text)
{
	static const char prefix[] = "meta.";
	const char *equals = strchr(clean("-m", text), '=');
	size_t len = equals != NULL ? (size_t)(equals - text) : 0;
	char *key;

	if (equals == NULL || len == 0)
		errx(EXIT_USAGE, "-m %s: write key=value", text);
	key = content_keep(sizeof(prefix) + len);
	if (key == NULL)
		errx(EXIT_USAGE, "-m: more than a heartbeat may be");
	memcpy(key, prefix, sizeof(prefix) - 1);
	memcpy(key + sizeof(prefix) - 1, text, len);
	key[sizeof(prefix) - 1 + len] = '\0';
	if (!heartbeat_key(key))
		errx(EXIT_USAGE, "-m %s: a key has letters, digits and . _ - only", text);
	if (!heartbeat_extra(said, key, equals + 1))
		errx(EXIT_USAGE, "-m %s: at most %d of these", text, HEARTBEAT_EXTRAS);
}

static void version(void)
{
	printf("disco-hb %s\n", DISCO_VERSION);
	exit(fflush(stdout) == 0 ? EXIT_DONE : EXIT_CANNOT);
}

static void state(struct options *o, const char *text)
{
	if (!state_parse(text, strlen(text), &o->said.state))
		errx(EXIT_USAGE, "--state %s: write active, warning, error or inactive", text);
	o->has_state = true;
}

static void take(struct options *o, int c)
{
	switch (c) {
	case 's': o->said.service = service(optarg); break;
	case 'a': o->said.address = address(optarg); break;
	case 'p': o->port = number("-p", optarg, 1, 65535); break;
	case 'V': o->said.version = clean("-V", optarg); break;
	case 'm': meta(&o->said, optarg); break;
	case 'w': o->said.limits.warn_ms = duration("-w", optarg); break;
	case 'e': o->said.limits.error_ms = duration("-e", optarg); break;
	case 'f': o->said.limits.forget_ms = duration("-f", optarg); break;
	case 'i': o->every_ms = duration("-i", optarg); break;
	case 'P': o->watch_pid = number("-P", optarg, 1, INT_MAX); break;
	case 'c': o->check = optarg; break;
	case 'd': o->dir = optarg; break;
	case 'u': o->url = optarg; break;
	case HELD: o->held = true; break;
	case HOLD: o->hold_fd = number("--hold", optarg, 0, INT_MAX); break;
	case PATH: o->path = true; break;
	case STATE: state(o, optarg); break;
	case REASON: o->said.reason = clean("--reason", optarg); break;
	case EXIT: o->exit_status = number("--exit", optarg, 0, 255); break;
	case LEAVE: o->leave = true; break;
	case VERSION: version(); break;
	case 'h': usage(EXIT_DONE);
	default:
		if (!trust_option(&o->trust, c, optarg))
			usage(EXIT_USAGE);
	}
}

/* What may not be said together.  Each line: an option, and whether another one contradicts it. */
static void contradictions(const struct options *o)
{
	const struct heartbeat *said = &o->said;
	bool loop = o->every_ms > 0 || o->watch_pid > 0 || o->command != NULL;
	bool tells = said->service != NULL || said->address != NULL || said->version != NULL ||
		     said->extra_count > 0 || o->port > 0 || said->limits.warn_ms > 0 ||
		     said->limits.error_ms > 0 || said->limits.forget_ms > 0;
	bool judges = o->has_state || o->exit_status >= 0;
	const struct {
		const char *option;
		bool given, contradicted;
	} rules[] = {
	    {"-p", o->port > 0, said->address != NULL},
	    {"-P", o->watch_pid > 0, o->command != NULL},
	    {"-c", o->check != NULL, judges || said->reason != NULL || o->held},
	    {"--state", o->has_state, loop || o->exit_status >= 0},
	    {"--exit", o->exit_status >= 0, loop},
	    {"--reason", said->reason != NULL, loop},
	    {"--held", o->held, loop},
	    {"--leave", o->leave, loop || tells || judges || o->check != NULL || o->held},
	    {"--hold", o->hold_fd >= 0,
	     loop || tells || judges || o->check != NULL || o->held || o->leave ||
		 said->reason != NULL},
	    {"--path", o->path,
	     loop || tells || judges || o->check != NULL || o->held || o->leave ||
		 said->reason != NULL || o->hold_fd >= 0},
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].given && rules[i].contradicted)
			errx(EXIT_USAGE, "%s: makes no sense with the other options",
			     rules[i].option);
}

/* Process names, and the command behind "--". */
static void operands(struct options *o, int argc, char **argv)
{
	const char *wrong;

	if (argc < 1)
		usage(EXIT_USAGE);
	o->name = argv[0];
	wrong = name_check(o->name);
	if (wrong != NULL)
		errx(EXIT_USAGE, "%s: %s", o->name, wrong);
	if (argc == 1)
		return;
	if (strcmp(argv[1], "--") != 0 || argc == 2) {
		if (strcmp(argv[1], "--") == 0)
			warnx("no command behind --");
		else if (argv[1][0] == '-')
			warnx("%s: options come before the process", argv[1]);
		else
			warnx("%s: a command comes behind --", argv[1]);
		usage(EXIT_USAGE);
	}
	o->command = argv + 2;
}

/*
 * Whoever beats for long says at once that he can't tell who he is, for what
 * goes wrong later is only said.
 */
static void token_check(const struct options *o)
{
	char token[TRUST_TOKEN];
	const char *what, *why;
	int status = trust_token(&o->trust, token, &what, &why);

	explicit_bzero(token, sizeof(token));
	if (status != EXIT_DONE)
		errx(status, "%s: %s", what, why);
}

/* A server or a spool; what is named here counts for more than the environment. */
static void destination(struct options *o)
{
	const char *wrong;

	if (o->url != NULL && o->dir != NULL)
		errx(EXIT_USAGE, "-d is a spool here and -u a server: only one can be told");
	if (o->url == NULL && o->dir == NULL)
		o->url = getenv("DISCO_URL");
	if (o->url != NULL && o->url[0] == '\0')
		o->url = NULL;
	if (o->url != NULL && strncmp(o->url, "http://", 7) != 0 &&
	    strncmp(o->url, "https://", 8) != 0 && strncmp(o->url, "unix:/", 6) != 0)
		errx(EXIT_USAGE, "-u or DISCO_URL: write http://host:port, https://host:port or "
				 "unix:/path");
	if (o->url != NULL && (wrong = trust_url_check(o->url)) != NULL)
		errx(EXIT_USAGE, "-u or DISCO_URL: %s", wrong);
	if (o->url != NULL && (o->held || o->hold_fd >= 0 || o->path))
		errx(EXIT_USAGE,
		     "%s: there is no file to hold with -u or DISCO_URL; name a spool with -d",
		     o->path   ? "--path"
		     : o->held ? "--held"
			       : "--hold");
	if (o->url != NULL)
		return;
	o->dir = spool_dir(o->dir);
	if (o->dir == NULL)
		errx(EXIT_CANNOT, "%s", spool_dir_why());
}

void options_read(struct options *o, int argc, char **argv)
{
	static struct extra extras[HEARTBEAT_EXTRAS];
	const char *wrong;
	size_t len = 0;
	int c;

	*o = (struct options){
	    .hold_fd = -1, .exit_status = -1, .said = {.extras = extras, .lent = true}};
	while ((c = getopt_long(argc, argv, "+s:a:p:V:m:w:e:f:i:P:c:d:u:h", longs, NULL)) != -1)
		take(o, c);
	operands(o, argc - optind, argv + optind);
	for (int i = 1; i < optind; i++)
		len += strlen(argv[i]);
	if (len > OPTIONS_LONGEST)
		errx(EXIT_USAGE, "the options are longer than a heartbeat may be");
	contradictions(o);
	if (o->every_ms == 0 && (o->watch_pid > 0 || o->command != NULL))
		o->every_ms = EVERY_DEFAULT_MS;
	wrong = limits_check(&o->said.limits, o->every_ms);
	if (wrong != NULL)
		errx(EXIT_USAGE, "%s", wrong);
	destination(o);
	if (o->url != NULL && o->every_ms > 0)
		token_check(o);
}
