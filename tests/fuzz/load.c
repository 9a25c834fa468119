/*
 * The table of an earlier master, or one that lies in somebody's spool: whatever
 * it says, its rows beat, fall silent and go, and what is told of that are whole
 * rows and events.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "table.h"
#include "view.h"

static const struct now start = {1000000, 1795000000000};

/* Lines that are all rows, or all events. */
static void lines(struct text *text, bool events)
{
	const char *s = text_cstr(text), *end = s + text->len, *newline;
	struct event event;
	struct row row;

	for (; s < end; s = newline + 1) {
		newline = memchr(s, '\n', (size_t)(end - s));
		ensure(newline != NULL);
		if (events)
			ensure(event_split(&event, s, (size_t)(newline - s)));
		else
			ensure(row_split(&row, s, (size_t)(newline - s)));
	}
	text_clear(text);
}

static void sound(struct table *table)
{
	struct text rows = {0};

	lines(&table->events, true);
	ensure(table_order(table));
	for (size_t next = 0; next < table->ordered;)
		next = table_slice(table, next, "", &rows);
	lines(&rows, false);
	text_free(&rows);
}

/* Its file beats; if that will not do it is read, or, every third time, can't be. */
static void beat(struct table *table, const struct row *row, int64_t beats, struct now now)
{
	const struct heartbeat hb = {0};
	struct seen seen = {1, now.real_ms * 1000000 + beats, 0, "user", false};
	struct process *p = table_find(table, row->text, row_length(row, ROW_PROCESS));
	char *name = fuzz_copy(row->text, row_length(row, ROW_PROCESS));

	if (p != NULL && !table_touch(table, p, seen.ctime_ns, now)) {
		if (beats % 3 == 0)
			table_touch_blindly(table, p, &seen, now);
		else
			table_content(table, table_find(table, name, strlen(name)), name, &seen,
				      &hb, now);
	}
	free(name);
}

static enum forget forget(void *arg, const struct process *p)
{
	(void)arg, (void)p;
	return FORGET_DONE;
}

/* A row is printed as it was read; one that could not grow any more is not taken. */
static void as_read(struct table *table, const struct row *row)
{
	size_t len = row->at[ROW_COLUMNS];
	struct process *p = table_find(table, row->text, row_length(row, ROW_PROCESS));

	if (p == NULL)
		ensure(len > UINT16_MAX - 256);
	else
		ensure(p->len == len && memcmp(p->line, row->text, len - 1) == 0);
}

static void live(struct table *table, const struct view *view)
{
	struct now now = start;

	for (size_t i = 0; i < view->count; i++) {
		ensure(table_load(table, &view->rows[i]->row, now));
		as_read(table, &view->rows[i]->row);
	}
	sound(table);
	for (int64_t beats = 0; beats < 12; beats++)
		for (size_t i = 0; i < view->count; i++)
			beat(table, &view->rows[i]->row, beats, now);
	sound(table);
	for (int64_t later = 1; later < INT64_C(1) << 40; later *= 64) {
		now.mono_ms = start.mono_ms + later;
		now.real_ms = start.real_ms + later;
		table->drained_ms = now.mono_ms;
		table_expire(table, now);
		sound(table);
	}
	table_scan_begin(table);
	table_scan_end(table, now);
	sound(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("table", 0);
	struct table *table;
	struct view view;

	ensure(write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
	if (view_read(&view, fd) == 0) {
		table = table_new(&view.head.limits, start);
		ensure(table != NULL);
		table->forget = forget;
		live(table, &view);
		table_free(table);
	}
	view_free(&view);
	close(fd);
	return 0;
}
