/* disco-watch: tells each change of the discovery table as it happens. */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "duration.h"
#include "spool.h"
#include "turns.h"
#include "version.h"
#include "watch.h"

#define LOOK_MS 1000 /* after the master, and what the kernel does not tell */

static _Noreturn void usage(int status)
{
	fprintf(status == 0 ? stdout : stderr,
		"usage: disco-watch [-j] [-d dir | -u url] [-S state,...] [-s service]\n"
		"                   [--on event,...] [--rows] [--beats] [--since seq] [-n count]\n"
		"                   [--timeout duration] [--exec command] [pattern ...]\n"
		"       disco-watch --wait [-d dir | -u url] [-S state,...] [-s service]\n"
		"                   [--timeout duration] [pattern ...]\n"
		"       disco-watch --live [-d dir | -u url] [-S state,...] [-s service]\n"
		"                   [--timeout duration] [pattern ...]\n"
		"with -u: [--cacert file] [--cert file] [--key file] [--token-file file]\n");
	exit(status);
}

static unsigned events_option(const char *list)
{
	unsigned set = 0, bit;
	size_t len;

	for (;; list += len + 1) {
		len = strcspn(list, ",");
		bit = event_bit(list, len);
		if (bit == 0)
			errx(EXIT_USAGE,
			     "--on: %.*s: no such event; write joined, active, warning, error, "
			     "inactive, changed, restarted, conflict, forgotten, paused, "
			     "resumed, row, sync or beat",
			     (int)len, list);
		set |= bit;
		if (list[len] == '\0')
			return set;
	}
}

static int64_t number_option(const char *option, const char *text, int64_t least)
{
	int64_t n;
	const char *why = number_parse(text, least, INT64_MAX, &n);

	if (why != NULL)
		errx(EXIT_USAGE, "%s %s: %s", option, text, why);
	return n;
}

static void timeout_option(struct watch *w, const char *text)
{
	int64_t ms;
	const char *why = duration_parse(text, &ms);

	if (why != NULL)
		errx(EXIT_USAGE, "--timeout %s: %s", text, why);
	w->until_ms = clock_mono_ms() + ms;
}

static void options(struct watch *w, int argc, char **argv)
{
	enum { ON = 256, ROWS, BEATS, SINCE, TIMEOUT, WAIT, EXEC, LIVE, PROGRAM_VERSION };
	static const struct option longs[] = {
	    {"dir", required_argument, NULL, 'd'},
	    {"url", required_argument, NULL, 'u'},
	    TRUST_OPTIONS,
	    {"json", no_argument, NULL, 'j'},
	    {"state", required_argument, NULL, 'S'},
	    {"service", required_argument, NULL, 's'},
	    {"on", required_argument, NULL, ON},
	    {"rows", no_argument, NULL, ROWS},
	    {"beats", no_argument, NULL, BEATS},
	    {"since", required_argument, NULL, SINCE},
	    {"count", required_argument, NULL, 'n'},
	    {"timeout", required_argument, NULL, TIMEOUT},
	    {"wait", no_argument, NULL, WAIT},
	    {"exec", required_argument, NULL, EXEC},
	    {"live", no_argument, NULL, LIVE},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, PROGRAM_VERSION},
	    {NULL, 0, NULL, 0},
	};
	const char *why = NULL;
	bool states = false;
	int c;

	while ((c = getopt_long(argc, argv, "d:u:jS:s:n:h", longs, NULL)) != -1) {
		switch (c) {
		case 'd': w->dir = optarg; break;
		case 'u': w->server.url = optarg; break;
		case 'j': w->json = true; break;
		case 'S':
			if ((why = state_set_parse(optarg, &w->match.states)) != NULL)
				errx(EXIT_USAGE, "-S %s: %s", optarg, why);
			states = true;
			break;
		case 's': w->match.service = optarg; break;
		case 'n': w->count = number_option("-n", optarg, 1); break;
		case 'h': usage(EXIT_DONE);
		case ON:
			w->events = events_option(optarg);
			w->beats = w->beats || w->events & event_bit("beat", 4);
			break;
		case ROWS: w->rows = true; break;
		case BEATS: w->beats = true; break;
		case SINCE:
			w->since = (uint64_t)number_option("--since", optarg, 0);
			w->since_given = true;
			break;
		case TIMEOUT: timeout_option(w, optarg); break;
		case WAIT: w->wait = true; break;
		case EXEC: w->command = optarg; break;
		case LIVE: w->live = true; break;
		case PROGRAM_VERSION: printf("disco-watch %s\n", DISCO_VERSION); exit(EXIT_DONE);
		default:
			if (!trust_option(&w->server.trust, c, optarg))
				usage(EXIT_USAGE);
		}
	}
	w->match.patterns = argv + optind;
	w->match.count = (size_t)(argc - optind);
	if (w->wait && !states)
		w->match.states = 1u << STATE_ACTIVE;
	if (w->wait + w->live > 1 ||
	    ((w->wait || w->live) && (w->json || w->events != 0 || w->rows || w->beats ||
				      w->since_given || w->count >= 0 || w->command != NULL)))
		errx(EXIT_USAGE,
		     "--wait and --live go with -d, -u, -S, -s, --timeout and patterns only");
	if (w->since_given && (w->rows || w->beats))
		errx(EXIT_USAGE,
		     "--since goes on from an event; --rows and --beats begin with the table");
	if (w->live && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		errx(EXIT_USAGE, "--live: needs a terminal");
	if (w->dir != NULL && w->server.url != NULL)
		errx(EXIT_USAGE, "-d is a spool here and -u a server: only one can be watched");
	w->server.url = remote_url(w->server.url, w->dir);
	if (w->server.url != NULL && (why = trust_url_check(w->server.url)) != NULL)
		errx(EXIT_USAGE, "-u or DISCO_URL: %s", why);
	/* A server tells beats itself; a spool's files are compared with the rows. */
	w->keeps = w->wait || (w->server.url != NULL ? w->live : w->beats);
}

/* Whether an event passes the filters. */
static bool wanted(struct watch *w, const struct event *event)
{
	if (event_is(event, "reset"))
		return true;
	if (event_is(event, "sync"))
		return w->events == 0 || w->events & event_bit("sync", 4);
	if (row_is(&event->row, ROW_PROCESS, "*"))
		return w->events != 0 ? w->events & event_bit(event->name, event->name_len)
				      : !match_chooses(&w->match);
	if (w->events != 0 && !(w->events & event_bit(event->name, event->name_len)))
		return false;
	return match_row(&w->match, &event->row);
}

void tell(struct watch *w, const struct event *event)
{
	if (w->command != NULL)
		command_run(w, event);
	else
		print_event(w, event);
	if (w->count > 0 && --w->count == 0) {
		print_flush(w);
		exit(EXIT_DONE);
	}
	if (w->out.len > 65536)
		print_flush(w);
}

void tell_rows(struct watch *w)
{
	int64_t time_ms = w->view.head.time_ms > 0 ? w->view.head.time_ms : source_now_ms(w);
	struct event event = {
	    .seq = w->view.head.seq, .time_ms = time_ms, .name = "row", .name_len = 3, .from = ""};

	for (size_t i = 0; i < w->view.count; i++) {
		event.row = w->view.rows[i]->row;
		if (wanted(w, &event))
			tell(w, &event);
	}
	event_bare(&event, "sync");
	event.seq = w->view.head.seq;
	event.time_ms = time_ms;
	if (wanted(w, &event))
		tell(w, &event);
	print_flush(w);
}

/* Whether every row that one pattern means (all rows: NULL), and at least one, is in a wanted
 * state. */
static bool each_is(struct watch *w, char *const *pattern)
{
	struct match one = w->match;
	size_t found = 0;
	bool all = true;

	one.patterns = pattern;
	one.count = pattern != NULL;
	for (size_t i = 0; all && i < w->view.count; i++) {
		const struct row *row = &w->view.rows[i]->row;

		if (!match_name(&one, row))
			continue;
		all = w->match.states & 1u << row_state(row);
		found++;
	}
	w->match.scratch = one.scratch;
	return all && found > 0;
}

static bool all_are(struct watch *w)
{
	if (w->match.count == 0)
		return each_is(w, NULL);
	for (size_t i = 0; i < w->match.count; i++)
		if (!each_is(w, &w->match.patterns[i]))
			return false;
	return true;
}

void apply(struct watch *w, const struct event *event)
{
	if (!w->keeps)
		return;
	if (event_is(event, "reset"))
		view_free(&w->view);
	if (!view_apply(&w->view, event))
		errx(EXIT_CANNOT, "out of memory");
}

static void take_events(struct watch *w)
{
	struct event event;

	while (source_next(w, &event) > 0) {
		apply(w, &event);
		if (!w->wait && wanted(w, &event))
			tell(w, &event);
		/* What is known is told before more is looked for. */
		if (!source_at_hand(w))
			print_flush(w);
	}
}

static int watch(struct watch *w)
{
	int64_t look_ms = clock_mono_ms() + LOOK_MS, now_ms, wait_ms;
	int out = w->wait || w->command != NULL ? -1 : STDOUT_FILENO;

	for (;;) {
		struct pollfd fds[] = {
		    {source_fd(w), POLLIN, 0}, {w->beatsfd, POLLIN, 0}, {out, 0, 0}};

		take_events(w);
		if (w->beatsfd >= 0)
			beats_take(w);
		print_flush(w);
		if (w->wait && all_are(w))
			return EXIT_DONE;
		now_ms = clock_mono_ms();
		if (now_ms >= w->until_ms)
			return EXIT_WAITED;
		if (now_ms >= look_ms) {
			source_look(w);
			look_ms = now_ms + LOOK_MS;
			continue;
		}
		wait_ms = (look_ms < w->until_ms ? look_ms : w->until_ms) - now_ms;
		if (poll(fds, 3, (int)wait_ms) < 0 && errno != EINTR)
			err(EXIT_CANNOT, "poll");
		if (fds[2].revents & POLLERR)
			return EXIT_DONE; /* nobody reads it any more */
	}
}

int main(int argc, char **argv)
{
	static struct watch w = {.match.states = MATCH_ALL_STATES,
				 .count = -1,
				 .until_ms = INT64_MAX,
				 .hbfd = -1,
				 .beatsfd = -1,
				 .remote.fd = -1};

	setlocale(LC_ALL, "");
	options(&w, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	w.colour =
	    isatty(STDOUT_FILENO) && (getenv("NO_COLOR") == NULL || *getenv("NO_COLOR") == '\0');
	source_open(&w);
	turns_short();
	if (w.live)
		return live(&w);
	return watch(&w);
}
