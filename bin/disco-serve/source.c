/*
 * Where the rows come from: the table at start, the event log as it grows, and
 * the beats out of each newer table, read in slices so that nobody waits for it.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "sandbox.h"
#include "segment.h"
#include "serve.h"
#include "spool.h"
#include "stamp.h"
#include "version.h"

#define SLICE ((size_t)256 * 1024) /* of the table are read at a time */
#define EVENTS_AT_ONCE 2000
#define LOOK_MS 500 /* after the master, and what the kernel does not tell */

static struct loop_event *on_follow, *on_spool, *on_look, *on_more;
static int spool_inotify = -1;

/* The table that is being read. */
static struct {
	int fd;
	ino_t ino;
	struct timespec mtime;
	struct text buf; /* from the beginning of a line */
	bool header;	 /* is still to come */
} table = {.fd = -1};

struct timeval milliseconds(int64_t ms)
{
	return (struct timeval){ms / 1000, ms % 1000 * 1000};
}

int64_t real_ms(void)
{
	return clock_now().real_ms;
}

const char *source_trouble(void)
{
	static char words[64];
	time_t heard = (time_t)(serve.heard_ms / 1000);
	struct tm tm;

	if (serve.master == MASTER_RUNS)
		return NULL;
	snprintf(words, sizeof(words),
		 serve.master == MASTER_STUCK ? "the master does nothing" : "no master runs");
	if (heard > 0 && localtime_r(&heard, &tm) != NULL)
		strftime(words + strlen(words), sizeof(words) - strlen(words), " since %H:%M:%S",
			 &tm);
	return words;
}

bool source_refuses(struct evhttp_request *request)
{
	const char *trouble = source_trouble();

	if (trouble != NULL)
		http_error(request, 503, "%s", trouble);
	return trouble != NULL;
}

/* What changed in this pass is everybody's now. */
static void round_end(void)
{
	rows_round(&serve.rows);
	access_look();
	if (!serve.rows.beginning) {
		table_changed();
		events_changed();
		channels_changed();
		wishes_changed();
	}
	serve.rows.table_read = false;
}

static void more_soon(void)
{
	static const struct timeval at_once = {0, 0};

	evtimer_add(on_more, &at_once);
}

static void events_take(void)
{
	static bool complained;
	struct event event;
	int more = 0, taken = 0;

	while (taken < EVENTS_AT_ONCE && (more = follow_next(&serve.follow, &event)) > 0) {
		if (!rows_apply(&serve.rows, &event, false))
			errx(EXIT_CANNOT, "out of memory");
		taken++;
	}
	if (more < 0 && !complained)
		warn("%s/%s", serve.dir, SPOOL_EVENTS);
	complained = more < 0;
	if (taken == EVENTS_AT_ONCE)
		more_soon();
	if (taken > 0)
		round_end();
}

/* Opens the table if it is another than before. */
static void table_open(void)
{
	char path[SPOOL_PATH];
	struct stat st;
	int fd;

	if (table.fd >= 0)
		return;
	fd = open(spool_path(path, serve.dir, SPOOL_TABLE),
		  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (st.st_ino == table.ino && st.st_mtim.tv_sec == table.mtime.tv_sec &&
	     st.st_mtim.tv_nsec == table.mtime.tv_nsec)) {
		close(fd);
		return;
	}
	table.fd = fd;
	table.ino = st.st_ino;
	table.mtime = st.st_mtim;
	table.header = true;
	text_clear(&table.buf);
}

static void table_line(const char *line, size_t len)
{
	if (table.header) {
		struct head head;

		head_init(&head);
		if (head_parse(&head, line, len)) {
			static int64_t told_ms;

			serve.head = head;
			/* The master takes it from two clocks; what they differ by is no news. */
			if (llabs(head.paused_until_ms - told_ms) >= 1000) {
				told_ms = head.paused_until_ms;
				channels_master(false);
			}
		}
		table.header = false;
	} else if (!rows_table_line(&serve.rows, line, len)) {
		errx(EXIT_CANNOT, "out of memory");
	}
}

/* One slice of it.  True when there is more. */
static bool read_slice(void)
{
	const char *s, *end, *newline;
	char *room = text_room(&table.buf, SLICE);
	ssize_t len = room == NULL ? -1 : read(table.fd, room, SLICE);

	if (len <= 0) {
		close(table.fd);
		table.fd = -1;
		return false;
	}
	table.buf.len += (size_t)len;
	s = table.buf.s;
	end = s + table.buf.len;
	while ((newline = memchr(s, '\n', (size_t)(end - s))) != NULL) {
		table_line(s, (size_t)(newline - s));
		s = newline + 1;
	}
	memmove(table.buf.s, s, (size_t)(end - s));
	table.buf.len = (size_t)(end - s);
	return true;
}

static void table_take(void)
{
	table_open();
	if (table.fd < 0)
		return;
	if (read_slice()) {
		more_soon();
		return;
	}
	serve.rows.table_read = true;
	round_end();
	/* Another may have come meanwhile. */
	table_open();
	if (table.fd >= 0)
		more_soon();
}

static void take_more(int fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	events_take();
	table_take();
}

static void take_events(int fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	events_take();
}

static void take_spool(int fd, short what, void *arg)
{
	_Alignas(struct inotify_event) char queue[4096];

	(void)what, (void)arg;
	while (read(fd, queue, sizeof(queue)) > 0)
		;
	table_take();
}

static void spool_watch(void)
{
	if (spool_inotify >= 0)
		inotify_add_watch(spool_inotify, serve.dir, IN_MOVED_TO);
}

static void master_look(void)
{
	static bool told;
	enum master_state was = serve.master;

	serve.master = view_master(serve.dir, serve.head.tick_ms, &serve.heard_ms);
	/* A table is what a master is good for. */
	if (serve.master == MASTER_RUNS && serve.rows.seq == 0)
		serve.master = MASTER_GONE;
	if ((serve.master == was && told) || serve.ending)
		return;
	if (source_trouble() != NULL)
		warnx("%s: %s", serve.dir, source_trouble());
	else if (told)
		warnx("%s: the master is back", serve.dir);
	told = true;
	channels_master(true);
	wishes_master();
	table_changed();
	events_changed();
}

/* One that is shut in to a folder can't follow the spool into another of the same name. */
static void spool_look(void)
{
	static bool begun;
	static struct stat first;
	struct stat now = {0};
	bool there = stat(serve.dir, &now) == 0;

	if (!begun)
		first = now;
	else if (there && (now.st_ino != first.st_ino || now.st_dev != first.st_dev) &&
		 !SANDBOX_SANITIZED && sandbox_has_files())
		errx(EXIT_CANNOT, "%s: another folder than at the start; start me again",
		     serve.dir);
	begun = true;
}

/* Twice a second: the master, and what the kernel did not tell. */
static void look(int fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	spool_look();
	spool_watch();
	master_look();
	rows_tick(&serve.rows, real_ms(), serve.master == MASTER_RUNS);
	events_take();
	table_take();
	own_beat();
}

/* The changes of the last segments, for those who resume and for the time line. */
static uint64_t history_begins(void)
{
	char path[SPOOL_PATH];
	int fd =
	    open(spool_path(path, serve.dir, SPOOL_EVENTS), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t *seqs = NULL, begin = 0;
	int count = fd < 0 ? -1 : segment_list(fd, &seqs);

	if (count > 0)
		begin = seqs[count > 1 ? count - 2 : 0];
	free(seqs);
	if (fd >= 0)
		close(fd);
	return begin;
}

static void load(void)
{
	struct view view;
	struct event event;
	uint64_t begin;
	bool anew = false;

	if (view_load(&view, serve.dir, NULL) < 0 && errno != ENOENT)
		err(EXIT_CANNOT, "%s/%s", serve.dir, SPOOL_TABLE);
	rows_tick(&serve.rows, real_ms(), true);
	for (size_t i = 0; i < view.count; i++)
		if (!rows_put(&serve.rows, &view.rows[i]->row))
			errx(EXIT_CANNOT, "out of memory");
	serve.rows.seq = view.head.seq;
	serve.head = view.head;
	begin = history_begins();
	serve.rows.history = begin;
	if (view.head.seq == 0 || begin == 0 || begin > view.head.seq)
		follow_start_at(&serve.follow, view.head.segment, view.head.offset, view.head.seq);
	else if (follow_start_since(&serve.follow, begin) < 0)
		err(EXIT_CANNOT, "%s/%s", serve.dir, SPOOL_EVENTS);
	while (serve.follow.seq < view.head.seq && follow_next(&serve.follow, &event) > 0) {
		/* A log that begins anew is the whole truth. */
		anew = anew || event_is(&event, "reset");
		if (!rows_apply(&serve.rows, &event, !anew && event.seq <= view.head.seq))
			errx(EXIT_CANNOT, "out of memory");
	}
	view_free(&view);
	/* All that was there belongs to a round of its own, so nobody takes it for news. */
	rows_round(&serve.rows);
}

void source_open(void)
{
	static const struct timeval every = {0, LOOK_MS * 1000};

	/* Subscribe, then read. */
	if (follow_open(&serve.follow, serve.dir) < 0)
		err(EXIT_CANNOT, "%s", serve.dir);
	spool_inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	spool_watch();
	if (!rows_init(&serve.rows))
		err(EXIT_CANNOT, NULL);
	spool_look();
	load();
	serve.master = MASTER_GONE;
	on_more = evtimer_new(serve.base, take_more, NULL);
	master_look();
	if (follow_fd(&serve.follow) >= 0) {
		on_follow = event_new(serve.base, follow_fd(&serve.follow), EV_READ | EV_PERSIST,
				      take_events, NULL);
		event_add(on_follow, NULL);
	}
	if (spool_inotify >= 0) {
		on_spool =
		    event_new(serve.base, spool_inotify, EV_READ | EV_PERSIST, take_spool, NULL);
		event_add(on_spool, NULL);
	}
	on_look = event_new(serve.base, -1, EV_PERSIST, look, NULL);
	event_add(on_look, &every);
}
