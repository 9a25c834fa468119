/* --beats: the change times of the heartbeat files, as they move. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "name.h"
#include "spool.h"
#include "stamp.h"
#include "watch.h"

#define NUDGES (IN_ATTRIB | IN_MOVED_TO | IN_CLOSE_WRITE | IN_CREATE)

static bool folder_open(struct watch *w)
{
	char path[SPOOL_PATH];

	spool_path(path, w->dir, SPOOL_HB);
	if (inotify_add_watch(w->hb_notify, path,
			      NUDGES | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR) < 0)
		return false;
	w->hb = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return w->hb >= 0;
}

int beats_open(struct watch *w)
{
	w->hb_notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->hb_notify < 0)
		return -1;
	folder_open(w); /* or later, when it is there */
	return 0;
}

/* The row with another last beat, and one more of them. */
static bool row_beat(struct watch *w, struct view_row *row, int64_t ms)
{
	struct text line = {0};
	char stamp[STAMP_LENGTH];
	bool done;

	stamp_print(stamp, ms);
	for (int i = 0; i < ROW_COLUMNS; i++) {
		if (i > 0)
			text_char(&line, '\t');
		if (i == ROW_LAST_HB)
			text_add(&line, stamp, sizeof(stamp));
		else if (i == ROW_COUNTER)
			text_number(&line, row_number(&row->row, ROW_COUNTER) + 1);
		else
			text_add(&line, row_value(&row->row, (enum row_column)i),
				 row_length(&row->row, (enum row_column)i));
	}
	done = !line.failed && view_put(&w->view, line.s, line.len);
	text_free(&line);
	return done;
}

/* One beat is one change time, however many nudges it makes. */
static void nudged(struct watch *w, struct view_row *row, const char *name)
{
	struct event event = {.name = "beat", .name_len = 4, .from = ""};
	struct stat st;
	int64_t ms, ns;

	if (fstatat(w->hb, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return;
	ms = st.st_ctim.tv_sec * INT64_C(1000) + st.st_ctim.tv_nsec / 1000000;
	ns = st.st_ctim.tv_sec * INT64_C(1000000000) + st.st_ctim.tv_nsec;
	if (ns <= row->beat_ns || (row->beat_ns == 0 && ms <= row_time_ms(&row->row, ROW_LAST_HB)))
		return;
	row->beat_ns = ns;
	if (!row_beat(w, row, ms))
		errx(EXIT_CANNOT, "out of memory");
	event.seq = (uint64_t)row_number(&row->row, ROW_SEQ);
	event.time_ms = ms;
	event.row = row->row;
	event_take(w, &event);
}

static void look_at_all(struct watch *w)
{
	char name[NAME_LONGEST + 1];

	for (size_t i = 0; i < w->view.count; i++) {
		struct view_row *row = w->view.rows[i];
		size_t len = row_length(&row->row, ROW_PROCESS);

		memcpy(name, row->row.text, len);
		name[len] = '\0';
		nudged(w, row, name);
	}
}

void beats_take(struct watch *w)
{
	_Alignas(struct inotify_event) char buf[65536];
	ssize_t len;

	if (w->hb < 0 && folder_open(w))
		look_at_all(w);
	while ((len = read(w->hb_notify, buf, sizeof(buf))) > 0) {
		const struct inotify_event *nudge;

		for (char *s = buf; s < buf + len; s += sizeof(*nudge) + nudge->len) {
			struct view_row *row;

			nudge = (const struct inotify_event *)(const void *)s;
			if (nudge->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) {
				if (w->hb >= 0)
					close(w->hb);
				w->hb = -1;
			} else if (nudge->mask & IN_Q_OVERFLOW) {
				look_at_all(w);
			} else if (nudge->len > 0 && w->hb >= 0) {
				row = view_find(&w->view, nudge->name, strlen(nudge->name));
				if (row != NULL)
					nudged(w, row, nudge->name);
			}
		}
	}
}
