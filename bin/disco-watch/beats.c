/* --beats: what is no event, taken from where the master takes it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "name.h"
#include "queue.h"
#include "spool.h"
#include "stamp.h"
#include "watch.h"

int beats_open(struct watch *w)
{
	char path[SPOOL_PATH];

	spool_path(path, w->dir, SPOOL_HB);
	w->hbfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->beatsfd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->hbfd < 0 || w->beatsfd < 0 ||
	    inotify_add_watch(w->beatsfd, path, IN_ATTRIB | IN_MOVED_TO | IN_CLOSE_WRITE) < 0)
		return -1;
	return 0;
}

/* The row with another last beat, and one more counted. */
static void row_beat(struct text *line, const struct row *row, int64_t ctime_ms)
{
	char stamp[STAMP_LENGTH];

	for (int i = 0; i < ROW_COLUMNS; i++) {
		if (i > 0)
			text_char(line, '\t');
		if (i == ROW_LAST_HB) {
			stamp_print(stamp, ctime_ms);
			text_add(line, stamp, sizeof(stamp));
		} else if (i == ROW_COUNTER) {
			text_number(line, row_number(row, ROW_COUNTER) + 1);
		} else {
			text_add(line, row_value(row, (enum row_column)i),
				 row_length(row, (enum row_column)i));
		}
	}
}

/* A beat, if the file's ctime is not the one that is known. */
static void beat(struct watch *w, const char *name, size_t len)
{
	struct view_row *known = view_find(&w->view, name, len);
	struct event event = {.name = "beat", .name_len = 4, .from = ""};
	struct text line = {0};
	struct stat st;
	int64_t ctime_ms;

	if (known == NULL || fstatat(w->hbfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return;
	ctime_ms = st.st_ctim.tv_sec * INT64_C(1000) + st.st_ctim.tv_nsec / 1000000;
	if (ctime_ms == row_time_ms(&known->row, ROW_LAST_HB))
		return;
	row_beat(&line, &known->row, ctime_ms);
	if (!line.failed && view_put(&w->view, line.s, line.len)) {
		event.row = view_find(&w->view, name, len)->row;
		event.seq = (uint64_t)row_number(&event.row, ROW_SEQ);
		event.time_ms = ctime_ms;
		if (match_row(&w->match, &event.row) &&
		    (w->events == 0 || w->events & event_bit("beat", 4)))
			tell(w, &event);
	}
	text_free(&line);
}

/* Some were lost: all are looked at. */
static void beat_all(struct watch *w)
{
	char name[NAME_LONGEST + 1];

	for (size_t i = 0; i < w->view.count; i++) {
		const struct row *row = &w->view.rows[i]->row;

		snprintf(name, sizeof(name), "%.*s", (int)row_length(row, ROW_PROCESS),
			 row_value(row, ROW_PROCESS));
		beat(w, name, strlen(name));
	}
}

void beats_take(struct watch *w)
{
	static struct queue queue;
	const struct inotify_event *event;

	queue_begin(&queue, w->beatsfd);
	while ((event = queue_next(&queue)) != NULL) {
		if (event->mask & IN_Q_OVERFLOW)
			beat_all(w);
		else if (event->len > 0 && name_check(event->name) == NULL)
			beat(w, event->name, strlen(event->name));
	}
}
