/* The table and the events after it, put together into what holds now. */
#include "view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "duration.h"
#include "follow.h"
#include "spool.h"
#include "stamp.h"

#define LARGEST_TABLE ((size_t)1 << 40)

static int invalid(void)
{
	errno = EBADMSG;
	return -1;
}

static bool rows_room(struct view *view, size_t count)
{
	size_t size = view->size > 0 ? view->size : 64;
	struct view_row **rows;

	while (size < count)
		size *= 2;
	if (size == view->size)
		return true;
	rows = reallocarray(view->rows, size, sizeof(rows[0]));
	if (rows == NULL)
		return false;
	view->rows = rows;
	view->size = size;
	return true;
}

/* Appends a row that has its text, where there is room. */
static void rows_append(struct view *view, struct view_row *row)
{
	row->at = (uint32_t)view->count;
	view->rows[view->count++] = row;
}

/* Appends a row to rows that all are in the index, and adds it there; false when memory is out. */
static bool rows_add(struct view *view, struct view_row *row)
{
	if (!rows_room(view, view->count + 1) || !index_add(&view->index, row))
		return false;
	rows_append(view, row);
	return true;
}

/* The index is made for the first who needs it: whoever only lists a table does not.  False when
 * memory is out. */
static bool rows_index(struct view *view)
{
	if (view->index.count == view->count)
		return true;
	index_free(&view->index);
	for (size_t i = 0; i < view->count; i++)
		if (!index_add(&view->index, view->rows[i]))
			return false;
	return true;
}

static void row_free(struct view_row *row)
{
	free(row->own);
	if (!row->of_table)
		free(row);
}

static void rows_remove(struct view *view, struct view_row *row)
{
	struct view_row *last = view->rows[--view->count];

	index_remove(&view->index, row);
	view->rows[row->at] = last;
	last->at = row->at;
	row_free(row);
}

static void rows_clear(struct view *view)
{
	for (size_t i = 0; i < view->count; i++)
		row_free(view->rows[i]);
	view->count = 0;
	index_free(&view->index);
}

/* The rows of the table: no line is copied, none allocated by itself. */
/*
 * of_moment: it was written in one moment and has as many rows as it says, with
 * those that were passed over; else it was sent row by row while they changed,
 * and one may even come twice.
 */
static int table_parse(struct view *view, bool of_moment, int64_t passed)
{
	const char *s = view->table.s, *end = s + view->table.len, *line_end;
	struct text names = {0};
	int64_t rows = 0;
	bool same;

	if (view->table.len == 0 || end[-1] != '\n')
		return invalid();
	line_end = memchr(s, '\n', (size_t)(end - s));
	if (!head_parse(&view->head, s, (size_t)(line_end - s)))
		return invalid();
	s = line_end + 1;
	row_print_names(&names, false);
	same =
	    !names.failed && (size_t)(end - s) >= names.len && memcmp(s, names.s, names.len) == 0;
	s += same ? names.len : 0;
	text_free(&names);
	if (!same)
		return invalid();
	for (const char *at = s; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
		rows++;
	if (of_moment && rows + passed != view->head.rows)
		return invalid();
	view->block = calloc((size_t)rows + 1, sizeof(view->block[0]));
	if (view->block == NULL || !rows_room(view, (size_t)rows))
		return -1;
	for (int64_t i = 0; s < end; i++, s = line_end + 1) {
		struct view_row *row = &view->block[i];

		line_end = memchr(s, '\n', (size_t)(end - s));
		if (!row_split(&row->row, s, (size_t)(line_end - s)))
			return invalid();
		row->of_table = true;
		if (of_moment)
			rows_append(view, row);
		else if (view_find(view, row->row.text, row_length(&row->row, ROW_PROCESS)) ==
			     NULL &&
			 !rows_add(view, row))
			return -1;
	}
	return 0;
}

/*
 * Takes out of the whole lines behind at the rows that do not match; how many.
 * What is no row stays, be it the head, be it to be refused.
 */
static int64_t lines_pass(struct text *table, size_t *at, struct match *only)
{
	char *line = table->s + *at, *to = line, *end = table->s + table->len, *next;
	int64_t passed = 0;
	struct row row;

	for (; (next = memchr(line, '\n', (size_t)(end - line))) != NULL; line = next) {
		size_t len = (size_t)(++next - line);

		if (row_peek(&row, line, len - 1) && !match_row(only, &row)) {
			passed++;
			continue;
		}
		memmove(to, line, len);
		to += len;
	}
	memmove(to, line, (size_t)(end - line));
	*at = (size_t)(to - table->s);
	table->len = *at + (size_t)(end - line);
	return passed;
}

/* Reads a descriptor to its end, where a size that is known beforehand saves copies. */
static int table_take(struct view *view, int fd, size_t size, bool of_moment, struct match *only)
{
	int64_t passed = 0;
	size_t at = 0;
	ssize_t len = 1;

	while (len != 0) {
		size_t left = view->table.len <= size && size > 0 ? size - view->table.len + 1 : 0;
		char *room = text_room(&view->table, left > 0 ? left : TEXT_READ);

		if (room == NULL || view->table.len > LARGEST_TABLE) {
			errno = ENOMEM;
			return -1;
		}
		len = read(fd, room, left > 0 ? left : TEXT_READ);
		if (len < 0 && errno == EINTR) {
			len = 1;
			continue;
		}
		if (len < 0)
			return -1;
		if (memchr(room, '\0', (size_t)len) != NULL)
			return invalid();
		view->table.len += (size_t)len;
		/* What is none is not read to its end, for it may have none. */
		if (view->table.len >= sizeof(HEAD_MAGIC) - 1 &&
		    memcmp(view->table.s, HEAD_MAGIC, sizeof(HEAD_MAGIC) - 1) != 0)
			return invalid();
		if (only != NULL)
			passed += lines_pass(&view->table, &at, only);
	}
	return table_parse(view, of_moment, passed);
}

static int table_read(struct view *view, const char *dir, struct match *only)
{
	char path[SPOOL_PATH];
	struct stat st;
	int fd, saved, done = -1;

	fd = open(spool_path(path, dir, SPOOL_TABLE),
		  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? invalid() : -1;
	/* It was renamed into place whole, so its size is final. */
	if (fstat(fd, &st) == 0)
		done = S_ISREG(st.st_mode)
			   ? table_take(view, fd, only == NULL ? (size_t)st.st_size : 0, true, only)
			   : invalid();
	saved = errno;
	close(fd);
	errno = saved;
	return done;
}

/* Reads the log on from where the table ends, or from its newest keyframe. */
static int events_read(struct view *view, const char *dir, bool have_table)
{
	struct follow follow;
	struct event event;
	int got = -1, saved;

	if (follow_open_once(&follow, dir) < 0)
		return -1;
	if (have_table)
		follow_start_at(&follow, view->head.segment, view->head.offset, view->head.seq);
	else if (follow_start_keyframe(&follow) < 0)
		goto out;
	while ((got = follow_next(&follow, &event)) > 0) {
		if (!view_apply(view, &event)) {
			errno = ENOMEM;
			got = -1;
			break;
		}
	}
	if (got == 0 && !have_table && follow.segment == 0) {
		errno = ENOENT;
		got = -1;
	}
	if (follow.segment > 0) {
		view->head.segment = follow.segment;
		view->head.offset = follow.offset;
	}
out:
	saved = errno;
	follow_close(&follow);
	errno = saved;
	return got;
}

static void view_init(struct view *view)
{
	*view = (struct view){0};
	head_init(&view->head);
}

int view_read(struct view *view, int fd)
{
	view_init(view);
	return table_take(view, fd, 0, false, NULL);
}

int view_load(struct view *view, const char *dir, struct match *only)
{
	int done;

	view_init(view);
	done = table_read(view, dir, only);
	if (done < 0 && errno != ENOENT)
		return -1;
	return events_read(view, dir, done == 0);
}

void view_free(struct view *view)
{
	rows_clear(view);
	free(view->rows);
	free(view->block);
	text_free(&view->table);
	*view = (struct view){0};
}

struct view_row *view_find(const struct view *view, const char *name, size_t len)
{
	if (view->index.count == view->count)
		return index_find(&view->index, name, len);
	for (size_t i = 0; i < view->count; i++) {
		const struct row *row = &view->rows[i]->row;

		if (row_length(row, ROW_PROCESS) == len && memcmp(row->text, name, len) == 0)
			return view->rows[i];
	}
	return NULL;
}

bool view_put(struct view *view, const char *text, size_t len)
{
	struct view_row *row;
	struct row split;
	char *own = rows_index(view) ? strndup(text, len) : NULL;

	if (own == NULL || strlen(own) != len || !row_split(&split, own, len)) {
		free(own);
		return own != NULL; /* what is not a row changes nothing */
	}
	row = view_find(view, own, row_length(&split, ROW_PROCESS));
	if (row != NULL) {
		free(row->own);
	} else {
		row = calloc(1, sizeof(*row));
		if (row == NULL)
			goto fail;
		row->row = split;
		if (!rows_add(view, row)) {
			free(row);
			goto fail;
		}
	}
	row->row = split;
	row->own = own;
	return true;
fail:
	free(own);
	return false;
}

static bool apply_master(struct view *view, const struct event *event)
{
	int64_t until_ms;

	if (event_is(event, "reset")) {
		rows_clear(view);
		view->head.seq = 0;
	} else if (event_is(event, "resumed")) {
		view->head.paused_until_ms = 0;
	} else if (event_is(event, "paused")) {
		/* The reason ends with the time until when; if it does not, one warning period is
		 * the rule. */
		size_t len = row_length(&event->row, ROW_REASON);
		const char *reason = row_value(&event->row, ROW_REASON);

		if (len < STAMP_LENGTH || !stamp_parse(reason + len - STAMP_LENGTH, &until_ms))
			until_ms = event->time_ms + view->head.limits.warn_ms;
		view->head.paused_until_ms = until_ms;
	}
	return true;
}

bool view_apply(struct view *view, const struct event *event)
{
	size_t name_len = row_length(&event->row, ROW_PROCESS);
	struct view_row *row;

	if (row_is(&event->row, ROW_PROCESS, "*")) {
		apply_master(view, event);
	} else {
		if (!rows_index(view))
			return false;
		row = view_find(view, event->row.text, name_len);
		if (row != NULL && row_knows(&row->row, event))
			return true;
		if (!event_is(event, "forgotten")) {
			if (!view_put(view, event->row.text,
				      (size_t)event->row.at[ROW_COLUMNS] - 1))
				return false;
		} else if (row != NULL) {
			rows_remove(view, row);
		}
	}
	if (event->seq > view->head.seq)
		view->head.seq = event->seq;
	return true;
}

const char *master_name(enum master_state state)
{
	static const char *const names[] = {
	    [MASTER_RUNS] = "runs", [MASTER_STUCK] = "stuck", [MASTER_GONE] = "gone"};

	return names[state];
}

#define STUCK_LEAST_MS 2000

enum master_state view_master(const char *dir, int64_t tick_ms, int64_t *heard_ms)
{
	char path[SPOOL_PATH];
	struct timespec now;
	struct stat st;
	int fd, locked;

	*heard_ms = 0;
	fd =
	    open(spool_path(path, dir, SPOOL_LOCK), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return MASTER_GONE;
	if (fstat(fd, &st) == 0)
		*heard_ms = st.st_ctim.tv_sec * INT64_C(1000) + st.st_ctim.tv_nsec / 1000000;
	locked = spool_locked(fd);
	close(fd);
	if (locked <= 0 || *heard_ms == 0)
		return MASTER_GONE;
	clock_gettime(CLOCK_REALTIME, &now);
	/* A busy machine may keep anybody waiting for a moment, however short the tick. */
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000 - *heard_ms >
		       (3 * tick_ms > STUCK_LEAST_MS ? 3 * tick_ms : STUCK_LEAST_MS)
		   ? MASTER_STUCK
		   : MASTER_RUNS;
}
