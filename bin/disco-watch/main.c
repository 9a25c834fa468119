/*
 * disco-watch tells what happens to processes as it happens.  It subscribes
 * to the event log, reads it, and waits; it never asks twice.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "duration.h"
#include "spool.h"
#include "watch.h"

enum {
	OPT_ON = 256,
	OPT_SINCE,
	OPT_ROWS,
	OPT_BEATS,
	OPT_TIMEOUT,
	OPT_WAIT,
	OPT_EXEC,
	OPT_LIVE,
	OPT_VERSION
};

static const char short_options[] = "jS:n:s:d:h";
static const struct option long_options[] = {
    {"json", no_argument, NULL, 'j'},
    {"state", required_argument, NULL, 'S'},
    {"on", required_argument, NULL, OPT_ON},
    {"since", required_argument, NULL, OPT_SINCE},
    {"rows", no_argument, NULL, OPT_ROWS},
    {"beats", no_argument, NULL, OPT_BEATS},
    {"count", required_argument, NULL, 'n'},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"wait", no_argument, NULL, OPT_WAIT},
    {"exec", required_argument, NULL, OPT_EXEC},
    {"live", no_argument, NULL, OPT_LIVE},
    {"service", required_argument, NULL, 's'},
    {"dir", required_argument, NULL, 'd'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

static void usage(FILE *to)
{
	fputs("usage: disco-watch [-j] [--beats] [--rows | --since seq] [--exec command]\n"
	      "                   [-d dir] [-n count] [--on event,...] [-S state,...]\n"
	      "                   [-s service] [--timeout duration] [pattern ...]\n"
	      "       disco-watch --wait [-d dir] [-S state,...] [-s service]\n"
	      "                   [--timeout duration] [pattern ...]\n"
	      "       disco-watch --live [-d dir] [-S state,...] [-s service] [pattern ...]\n",
	      to);
	exit(to == stdout ? EXIT_DONE : EXIT_USAGE);
}

int64_t clock_ms(int clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void states_set(struct watch *w, const char *states)
{
	const char *wrong = state_set_parse(states, &w->match.states);

	if (wrong != NULL)
		errx(EXIT_USAGE, "-S: %s: %s", states, wrong);
	w->states_asked = true;
}

static void on_set(struct watch *w, const char *names)
{
	struct text all = {0};

	for (size_t len;; names += len + 1) {
		int number;

		len = strcspn(names, ",");
		number = event_number(names, len);
		if (number < 0) {
			for (int i = 0; event_words[i] != NULL; i++)
				text_printf(&all, " %s", event_words[i]);
			errx(EXIT_USAGE, "--on: no event %.*s; there are%s", (int)len, names,
			     text_cstr(&all));
		}
		w->on |= 1u << number;
		if (names[len] == '\0')
			return;
	}
}

static int64_t number_set(const char *option, const char *value, int64_t least)
{
	int64_t number = 0;
	const char *wrong = number_parse(value, least, INT64_MAX, &number);

	if (wrong != NULL)
		errx(EXIT_USAGE, "%s: %s: %s", option, value, wrong);
	return number;
}

static void timeout_set(struct watch *w, const char *value)
{
	int64_t ms = 0;
	const char *wrong = duration_parse(value, &ms);

	if (wrong != NULL)
		errx(EXIT_USAGE, "--timeout: %s: %s", value, wrong);
	w->deadline_ms = clock_ms(CLOCK_MONOTONIC) + ms;
}

static void options(struct watch *w, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		switch (c) {
		case 'j': w->json = true; break;
		case 'S': states_set(w, optarg); break;
		case OPT_ON: on_set(w, optarg); break;
		case OPT_SINCE:
			w->since = (uint64_t)number_set("--since", optarg, 0);
			w->since_asked = true;
			break;
		case OPT_ROWS: w->rows = true; break;
		case OPT_BEATS: w->beats = true; break;
		case 'n': w->count = number_set("-n", optarg, 1); break;
		case OPT_TIMEOUT: timeout_set(w, optarg); break;
		case OPT_WAIT: w->wait = true; break;
		case OPT_EXEC: w->exec = optarg; break;
		case OPT_LIVE: w->live = true; break;
		case 's': w->match.service = optarg; break;
		case 'd': w->dir = optarg; break;
		case OPT_VERSION: puts("disco-watch " DISCO_VERSION); exit(EXIT_DONE);
		case 'h': usage(stdout); break;
		default: usage(stderr);
		}
	}
	w->match.patterns = argv + optind;
	w->match.count = (size_t)(argc - optind);
	for (int i = optind; i < argc; i++)
		if (argv[i][0] == '\0')
			errx(EXIT_USAGE, "an empty pattern matches nothing; leave it out for all");
	if (w->since_asked && w->rows)
		errx(EXIT_USAGE, "--since and --rows exclude each other");
	if (w->wait && w->live)
		errx(EXIT_USAGE, "--wait and --live exclude each other");
	if ((w->wait || w->live) && (w->json || w->on != 0 || w->since_asked || w->rows ||
				     w->beats || w->count > 0 || w->exec != NULL))
		errx(EXIT_USAGE, "%s takes patterns, -d, -s, -S%s only",
		     w->wait ? "--wait" : "--live", w->wait ? " and --timeout" : "");
	if (w->wait && !w->states_asked)
		w->match.states = 1u << STATE_ACTIVE;
}

/* Subscribes, then reads what there is. */
static void start(struct watch *w)
{
	const char *dir = spool_dir(w->dir);
	struct stat st;

	if (dir == NULL)
		err(EXIT_CANNOT, "the spool");
	w->dir = dir = strdup(dir);
	if (dir == NULL)
		err(EXIT_CANNOT, NULL);
	if (stat(dir, &st) < 0)
		err(EXIT_CANNOT, "%s: no spool here; start disco-master, or name another with -d",
		    dir);
	if (follow_open(&w->follow, dir) < 0 || (w->beats && beats_open(w) < 0))
		err(EXIT_CANNOT, "%s", dir);
	w->need_view = w->rows || w->beats || w->wait || w->live;
	if (w->need_view && view_load(&w->view, dir) < 0 && errno != ENOENT) {
		if (errno == EBADMSG)
			errx(EXIT_CANNOT, "%s/" SPOOL_TABLE ": not a table of this version", dir);
		err(EXIT_CANNOT, "%s/" SPOOL_TABLE, dir);
	}
	if (w->since_asked) {
		if (follow_start_since(&w->follow, w->since) < 0)
			err(EXIT_CANNOT, "%s/" SPOOL_EVENTS, dir);
	} else if (w->need_view) {
		follow_start_at(&w->follow, w->view.segment, w->view.offset, w->view.seq);
	} else if (follow_start_at_end(&w->follow) < 0) {
		err(EXIT_CANNOT, "%s/" SPOOL_EVENTS, dir);
	}
	if (w->rows)
		rows_take(w);
}

void master_look(struct watch *w)
{
	int64_t heard_ms;
	enum master_state is = view_master(w->dir, w->tick_ms, &heard_ms);

	/* What looks stuck may only have a longer tick than we know of. */
	if (is == MASTER_STUCK && view_tick(w->dir, &w->tick_ms))
		is = view_master(w->dir, w->tick_ms, &heard_ms);
	if (is == w->master)
		return;
	w->master = is;
	if (w->live)
		return;
	if (is == MASTER_RUNS)
		warnx("the master is back");
	else
		warnx("%s; waiting for it",
		      is == MASTER_STUCK ? "the master is stuck" : "no master runs");
}

bool wait_over(struct watch *w)
{
	bool any = false;

	if (w->master != MASTER_RUNS)
		return false;
	for (size_t i = 0; i < w->view.count; i++) {
		const struct row *row = &w->view.rows[i]->row;

		if (w->view.rows[i]->gone || !match_name(&w->match, row))
			continue;
		if (!(w->match.states & 1u << row_state(row)))
			return false;
		any = true;
	}
	return any;
}

void events_take(struct watch *w)
{
	struct event event;
	int got;

	while ((got = follow_next(&w->follow, &event)) > 0) {
		if (!w->wait && !w->live)
			event_take(w, &event);
		if (w->need_view && !view_apply(&w->view, &event))
			errx(EXIT_CANNOT, "out of memory");
	}
	if (got < 0)
		err(EXIT_CANNOT, "%s/" SPOOL_EVENTS, w->dir);
}

static int run(struct watch *w)
{
	struct pollfd fds[] = {{follow_fd(&w->follow), POLLIN, 0},
			       {w->hb_notify, POLLIN, 0},
			       {w->wait || w->exec != NULL ? -1 : STDOUT_FILENO, 0, 0}};
	int64_t look_ms = 0, now, wait_ms;

	for (;;) {
		events_take(w);
		if (w->beats)
			beats_take(w);
		now = clock_ms(CLOCK_MONOTONIC);
		if (now >= look_ms) {
			master_look(w);
			look_ms = now + TICK_MS;
		}
		if (w->wait && wait_over(w))
			return EXIT_DONE;
		if (w->deadline_ms > 0 && now >= w->deadline_ms)
			return EXIT_WAITED;
		wait_ms = follow_fd(&w->follow) < 0 ? TICK_MS / 10 : look_ms - now;
		if (w->deadline_ms > 0 && w->deadline_ms - now < wait_ms)
			wait_ms = w->deadline_ms - now;
		if (poll(fds, 3, (int)wait_ms) < 0 && errno != EINTR)
			err(EXIT_CANNOT, "poll");
		if (fds[2].revents & POLLERR)
			return EXIT_DONE; /* whoever reads us has enough */
	}
}

int main(int argc, char **argv)
{
	struct watch w = {.match.states = MATCH_ALL_STATES,
			  .tick_ms = 2000,
			  .hb = -1,
			  .hb_notify = -1,
			  .master = MASTER_RUNS};
	const char *no_color = getenv("NO_COLOR");

	setlocale(LC_CTYPE, "");
	options(&w, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	w.colour = isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == '\0');
	start(&w);
	return w.live ? live(&w) : run(&w);
}
