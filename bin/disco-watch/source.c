/* Where the events come from: the log of a spool, or a server that reads one. */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "clock.h"
#include "spool.h"
#include "version.h"
#include "watch.h"

#define FIRST_MS 100  /* between looks whether the time is up, before the first answer */
#define AGAIN_MS 1000 /* when a server has no table yet */

static void master_told(struct watch *w, enum master_state now, int64_t heard_ms)
{
	time_t heard = (time_t)(heard_ms / 1000);
	char when[32] = "";
	struct tm tm;

	if (now == w->master)
		return;
	if (heard > 0 && localtime_r(&heard, &tm) != NULL)
		strftime(when, sizeof(when), " since %H:%M:%S", &tm);
	if (w->live)
		; /* the screen says it */
	else if (now == MASTER_RUNS)
		warnx("the master is back");
	else
		warnx("%s%s; waiting for it",
		      now == MASTER_STUCK ? "the master does nothing" : "no master runs", when);
	w->master = now;
}

void source_load(struct watch *w, bool quiet)
{
	int64_t heard_ms;
	enum master_state master;

	view_free(&w->view);
	if (view_load(&w->view, w->dir, NULL) < 0 && errno != ENOENT)
		err(EXIT_CANNOT, "%s/%s", w->dir, SPOOL_TABLE);
	w->tick_ms = w->view.head.tick_ms;
	master = view_master(w->dir, w->tick_ms, &heard_ms);
	if (master != MASTER_RUNS && view_overlay(&w->view, w->dir) < 0 && errno != ENOENT)
		err(EXIT_CANNOT, "%s", w->dir);
	if (quiet)
		w->master = master;
	else
		master_told(w, master, heard_ms);
}

/*
 * What the events begin with; those that came before are in it, and not told
 * again.  A server that can't tell now is asked again later.
 */
static void load_remote(struct watch *w)
{
	struct text said = {0};
	int status;

	if (clock_mono_ms() < w->again_ms)
		return;
	view_free(&w->view);
	status = remote_table(&w->view, &w->server, "/v1/table", &said);
	if (status != EXIT_DONE && (w->again_ms == 0 || status != EXIT_CANNOT))
		fputs(text_cstr(&said), stderr);
	text_free(&said);
	if (status != EXIT_DONE && status != EXIT_CANNOT)
		exit(status);
	if (status == EXIT_CANNOT) {
		w->again_ms = clock_mono_ms() + AGAIN_MS;
		return;
	}
	w->waits = false;
	if (w->view.head.seq > w->remote.seq || !w->remote.since) {
		w->remote.seq = w->view.head.seq;
		w->remote.since = true;
	}
	w->ahead_ms = w->view.head.time_ms - clock_now().real_ms;
	if (w->rows)
		tell_rows(w);
}

int64_t source_now_ms(const struct watch *w)
{
	return clock_now().real_ms + w->ahead_ms;
}

static void open_spool(struct watch *w)
{
	struct stat st;

	w->dir = spool_dir(w->dir);
	if (w->dir == NULL)
		errx(EXIT_CANNOT, "%s", spool_dir_why());
	if (stat(w->dir, &st) < 0)
		err(EXIT_CANNOT, "%s: no spool; start disco-master, set DISCO_SPOOL or use -d",
		    w->dir);
	/* Subscribe, then read. */
	if (follow_open(&w->follow, w->dir) < 0)
		err(EXIT_CANNOT, "%s", w->dir);
	if (w->beats && beats_open(w) < 0)
		err(EXIT_CANNOT, "%s/%s", w->dir, SPOOL_HB);
	source_load(w, false);
	if (w->since_given) {
		if (follow_start_since(&w->follow, w->since) < 0)
			err(EXIT_CANNOT, "%s/%s", w->dir, SPOOL_EVENTS);
	} else {
		follow_start_at(&w->follow, w->view.head.segment, w->view.head.offset,
				w->view.head.seq);
	}
	if (w->rows)
		tell_rows(w);
}

/* A server that does not answer at first is one that is not there. */
static void answer_wait(struct watch *w)
{
	struct pollfd fd = {.events = POLLIN};

	while (!w->remote.told) {
		if (remote_begin(&w->remote) < 0)
			err(EXIT_CANNOT, "%s", w->server.url);
		if (w->remote.lost) {
			fputs(text_cstr(&w->remote.why), stderr);
			if (w->remote.status == EXIT_DONE || w->remote.status == EXIT_NO)
				warnx("%s: no events there; is that a disco-serve?", w->server.url);
			exit(w->remote.status == EXIT_USAGE ? EXIT_USAGE : EXIT_CANNOT);
		}
		if (clock_mono_ms() >= w->until_ms)
			exit(EXIT_WAITED);
		fd.fd = remote_fd(&w->remote);
		if (!w->remote.told && !w->remote.lost)
			poll(&fd, 1, FIRST_MS);
	}
}

static void open_remote(struct watch *w)
{
	w->remote.beats = w->beats || w->live;
	w->remote.since = w->since_given;
	w->remote.seq = w->since;
	if (remote_open(&w->remote, &w->server) < 0)
		err(EXIT_CANNOT, "%s", w->server.url);
	answer_wait(w);
	w->waits = w->rows || w->wait || w->live;
}

void source_open(struct watch *w)
{
	if (w->server.url != NULL)
		open_remote(w);
	else
		open_spool(w);
}

int source_fd(const struct watch *w)
{
	return w->server.url != NULL ? remote_fd(&w->remote) : follow_fd(&w->follow);
}

/* What became of the connection since the last time. */
static void connection_told(struct watch *w)
{
	/* One that does not let us in any more says why, and is tried all the same. */
	if (w->remote.lost && w->remote.status == EXIT_USAGE && !w->refused && !w->live) {
		fputs(text_cstr(&w->remote.why), stderr);
		w->refused = true;
	}
	if (w->remote.lost == w->lost)
		return;
	w->refused = w->refused && w->remote.lost;
	w->lost = w->remote.lost;
	if (w->live)
		return;
	if (w->lost)
		warnx("%s: connection lost; trying again", w->server.url);
	else
		warnx("%s: connected again", w->server.url);
}

static int next_remote(struct watch *w, struct event *event)
{
	int more;

	do
		more = remote_next(&w->remote, event);
	while (more > 0 && w->waits);
	if (more < 0)
		err(EXIT_CANNOT, "%s", w->server.url);
	connection_told(w);
	if (w->remote.told)
		master_told(w, w->remote.master, w->remote.heard_ms);
	if (w->waits && w->remote.told && w->master == MASTER_RUNS)
		load_remote(w);
	return more;
}

int source_next(struct watch *w, struct event *event)
{
	int more;

	if (w->server.url != NULL)
		return next_remote(w, event);
	more = follow_next(&w->follow, event);
	if (more < 0)
		err(EXIT_CANNOT, "%s/%s", w->dir, SPOOL_EVENTS);
	return more;
}

bool source_at_hand(const struct watch *w)
{
	return w->server.url != NULL || follow_at_hand(&w->follow);
}

void source_look(struct watch *w)
{
	int64_t heard_ms;
	enum master_state master;

	/* A server tells it with the events. */
	if (w->server.url != NULL)
		return;
	master = view_master(w->dir, w->tick_ms, &heard_ms);
	master_told(w, master, heard_ms);
	if (w->wait && master != MASTER_RUNS)
		source_load(w, false);
}
