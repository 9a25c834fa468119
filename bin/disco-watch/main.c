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
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "duration.h"
#include "spool.h"
#include "version.h"
#include "watch.h"

#define LOOK_MS 1000 /* after the master, and what the kernel does not tell */

int64_t monotonic_ms(void)
{
	return clock_now().mono_ms;
}

static _Noreturn void usage(int status)
{
	fprintf(
	    status == 0 ? stdout : stderr,
	    "usage: disco-watch [-j] [-d dir] [-S state,...] [-s service] [--on event,...]\n"
	    "                   [--rows] [--beats] [--since seq] [-n count] [--timeout duration]\n"
	    "                   [--exec command] [pattern ...]\n"
	    "       disco-watch --wait [-d dir] [-S state,...] [-s service]\n"
	    "                   [--timeout duration] [pattern ...]\n"
	    "       disco-watch --live [-d dir] [-S state,...] [-s service]\n"
	    "                   [--timeout duration] [pattern ...]\n");
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
			     "inactive, changed, restarted, conflict, forgotten, paused, resumed "
			     "or beat",
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
	w->until_ms = monotonic_ms() + ms;
}

static void options(struct watch *w, int argc, char **argv)
{
	enum { ON = 256, ROWS, BEATS, SINCE, TIMEOUT, WAIT, EXEC, LIVE, PROGRAM_VERSION };
	static const struct option longs[] = {
	    {"dir", required_argument, NULL, 'd'},
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

	while ((c = getopt_long(argc, argv, "d:jS:s:n:h", longs, NULL)) != -1) {
		switch (c) {
		case 'd': w->dir = optarg; break;
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
		default: usage(EXIT_USAGE);
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
		     "--wait and --live go with -d, -S, -s, --timeout and patterns only");
	if (w->since_given && (w->rows || w->beats))
		errx(EXIT_USAGE,
		     "--since goes on from an event; --rows and --beats begin with the table");
	if (w->live && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		errx(EXIT_USAGE, "--live: needs a terminal");
	w->keeps = w->beats || w->wait;
}

static void master_told(struct watch *w, enum master_state now, int64_t heard_ms)
{
	time_t heard = (time_t)(heard_ms / 1000);
	char when[32] = "";
	struct tm tm;

	if (now == w->master)
		return;
	if (heard > 0 && localtime_r(&heard, &tm) != NULL)
		strftime(when, sizeof(when), " since %H:%M:%S", &tm);
	if (now == MASTER_RUNS)
		warnx("the master is back");
	else
		warnx("%s%s; waiting for it",
		      now == MASTER_STUCK ? "the master does nothing" : "no master runs", when);
	w->master = now;
}

void view_refresh(struct watch *w, bool quiet)
{
	int64_t heard_ms;
	enum master_state master;

	view_free(&w->view);
	if (view_load(&w->view, w->dir) < 0 && errno != ENOENT)
		err(EXIT_CANNOT, "%s/%s", w->dir, SPOOL_TABLE);
	w->tick_ms = w->view.tick_ms;
	master = view_master(w->dir, w->tick_ms, &heard_ms);
	if (master != MASTER_RUNS && view_overlay(&w->view, w->dir) < 0 && errno != ENOENT)
		err(EXIT_CANNOT, "%s", w->dir);
	if (quiet)
		w->master = master;
	else
		master_told(w, master, heard_ms);
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

/* The table first, as a reader who comes later gets it too. */
static void tell_rows(struct watch *w)
{
	int64_t time_ms = w->view.time_ms > 0 ? w->view.time_ms : clock_now().real_ms;
	struct event event = {
	    .seq = w->view.seq, .time_ms = time_ms, .name = "row", .name_len = 3, .from = ""};

	for (size_t i = 0; i < w->view.count; i++) {
		event.row = w->view.rows[i]->row;
		if (!w->view.rows[i]->gone && wanted(w, &event))
			tell(w, &event);
	}
	event_bare(&event, "sync");
	event.seq = w->view.seq;
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

		if (w->view.rows[i]->gone || !match_name(&one, row))
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

static void take_events(struct watch *w)
{
	struct event event;
	int more;

	while ((more = follow_next(&w->follow, &event)) > 0) {
		if (w->keeps && event_is(&event, "reset"))
			view_free(&w->view);
		if (w->keeps && !view_apply(&w->view, &event))
			errx(EXIT_CANNOT, "out of memory");
		if (!w->wait && wanted(w, &event))
			tell(w, &event);
	}
	if (more < 0)
		err(EXIT_CANNOT, "%s/%s", w->dir, SPOOL_EVENTS);
}

/* Once a second: is anybody keeping the log? */
static void look(struct watch *w)
{
	int64_t heard_ms;
	enum master_state master = view_master(w->dir, w->tick_ms, &heard_ms);

	master_told(w, master, heard_ms);
	if (w->wait && master != MASTER_RUNS)
		view_refresh(w, false);
}

static int watch(struct watch *w)
{
	int64_t look_ms = monotonic_ms() + LOOK_MS, now_ms, wait_ms;

	for (;;) {
		struct pollfd fds[] = {{follow_fd(&w->follow), POLLIN, 0}, {w->beatsfd, POLLIN, 0}};

		take_events(w);
		if (w->beats)
			beats_take(w);
		print_flush(w);
		if (w->wait && all_are(w))
			return EXIT_DONE;
		now_ms = monotonic_ms();
		if (now_ms >= w->until_ms)
			return EXIT_WAITED;
		if (now_ms >= look_ms) {
			look(w);
			look_ms = now_ms + LOOK_MS;
			continue;
		}
		wait_ms = (look_ms < w->until_ms ? look_ms : w->until_ms) - now_ms;
		if (poll(fds, 2, (int)wait_ms) < 0 && errno != EINTR)
			err(EXIT_CANNOT, "poll");
	}
}

static void set_up(struct watch *w)
{
	struct stat st;

	w->dir = spool_dir(w->dir);
	if (w->dir == NULL)
		err(EXIT_CANNOT, "spool");
	if (stat(w->dir, &st) < 0)
		err(EXIT_CANNOT, "%s: no spool; start disco-master, set DISCO_SPOOL or use -d",
		    w->dir);
	w->colour =
	    isatty(STDOUT_FILENO) && (getenv("NO_COLOR") == NULL || *getenv("NO_COLOR") == '\0');
	/* Subscribe, then read. */
	if (follow_open(&w->follow, w->dir) < 0)
		err(EXIT_CANNOT, "%s", w->dir);
	if (w->beats && beats_open(w) < 0)
		err(EXIT_CANNOT, "%s/%s", w->dir, SPOOL_HB);
	view_refresh(w, false);
	if (w->since_given) {
		if (follow_start_since(&w->follow, w->since) < 0)
			err(EXIT_CANNOT, "%s/%s", w->dir, SPOOL_EVENTS);
	} else {
		follow_start_at(&w->follow, w->view.segment, w->view.offset, w->view.seq);
	}
}

int main(int argc, char **argv)
{
	static struct watch w = {.match.states = MATCH_ALL_STATES,
				 .count = -1,
				 .until_ms = INT64_MAX,
				 .hbfd = -1,
				 .beatsfd = -1};

	setlocale(LC_ALL, "");
	options(&w, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	set_up(&w);
	if (w.live)
		return live(&w);
	if (w.rows)
		tell_rows(&w);
	return watch(&w);
}
