/*
 * From the table to its readers.  An event is appended at once; the table
 * follows by slices, so that writing 20 MB never stands before a death, and
 * no more often than costs a twentieth of the time.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "master.h"
#include "spool.h"

#define SPARE_TIMES 20
#define TEMPORARY ".table.next"

/* For -v: the same line that a watcher would see. */
static void tell(const char *s, size_t len)
{
	struct event event;
	const struct row *row = &event.row;

	if (!event_split(&event, s, len))
		return;
	warnx("%.*s: %.*s%s%.*s%s%.*s", (int)row_length(row, ROW_PROCESS),
	      row_value(row, ROW_PROCESS), (int)event.name_len, event.name,
	      event.from_len > 0 ? ", was " : "", (int)event.from_len, event.from,
	      row_length(row, ROW_REASON) > 0 ? ": " : "", (int)row_length(row, ROW_REASON),
	      row_value(row, ROW_REASON));
}

static void tell_all(const struct master *m, const struct text *events)
{
	const char *s = events->s, *end = s + events->len, *newline;

	/* A long look at every line would cost more than to make it. */
	if (!m->verbose && memchr(s, '*', events->len) == NULL)
		return;
	for (; s < end; s = newline + 1) {
		newline = memchr(s, '\n', (size_t)(end - s));
		if (newline == NULL)
			break;
		if (m->verbose || memmem(s, (size_t)(newline - s), "\t*\t", 3) != NULL)
			tell(s, (size_t)(newline - s));
	}
}

void publish_events(struct master *m)
{
	struct text *events = &m->table->events;

	if ((events->len == 0 && !events->failed) || m->detached)
		return;
	if (events->len > 0 && !m->log_failing)
		tell_all(m, events);
	if (log_append(&m->log, events) < 0) {
		if (!m->log_failing)
			warn("%s/events: events wait in memory", m->dir);
		m->log_failing = true;
	} else {
		m->log_failing = false;
	}
}

static void table_failed(struct master *m)
{
	char path[SPOOL_PATH];

	if (!m->publisher.failing)
		warn("%s/%s", m->dir, SPOOL_TABLE);
	m->publisher.failing = true;
	if (m->publisher.fd >= 0)
		close(m->publisher.fd);
	m->publisher.fd = -1;
	if (spool_path(path, m->dir, TEMPORARY) != NULL)
		unlink(path);	 /* its bytes may be what the disk lacks */
	m->table->beaten = true; /* so the next tick tries again */
}

static void table_begin(struct master *m, struct now now)
{
	struct publisher *p = &m->publisher;
	char path[SPOOL_PATH];

	if (!table_order(m->table) || spool_path(path, m->dir, TEMPORARY) == NULL)
		return;
	m->table->changed = m->table->beaten = false;
	p->begun_ms = now.mono_ms;
	p->next_row = 0;
	p->seq = m->table->seq;
	text_clear(&p->slice);
	table_header(m->table, &p->slice, m->tick_ms, m->boot, m->log.segment, m->log.offset, now);
	text_char(&p->slice, '\n');
	row_print_names(&p->slice, false);
	unlink(path);
	p->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (p->fd < 0 || fchmod(p->fd, 0644) < 0)
		table_failed(m);
}

static int write_all(int fd, struct text *text)
{
	size_t done = 0;
	ssize_t n;

	if (text->failed) {
		errno = ENOMEM;
		return -1;
	}
	while (done < text->len) {
		n = write(fd, text->s + done, text->len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		done += (size_t)n;
	}
	text_clear(text);
	return 0;
}

static void table_end(struct master *m)
{
	struct publisher *p = &m->publisher;
	char from[SPOOL_PATH], to[SPOOL_PATH];
	int fd = p->fd;
	int64_t now_ms;

	p->fd = -1;
	if (close(fd) < 0 || spool_path(from, m->dir, TEMPORARY) == NULL ||
	    spool_path(to, m->dir, SPOOL_TABLE) == NULL || rename(from, to) < 0) {
		table_failed(m);
		return;
	}
	p->failing = false;
	p->published = p->seq;
	now_ms = clock_now().mono_ms;
	p->not_before_ms = now_ms + SPARE_TIMES * (now_ms - p->begun_ms);
}

static void table_continue(struct master *m)
{
	struct publisher *p = &m->publisher;

	p->next_row = table_slice(m->table, p->next_row, "", &p->slice);
	if (write_all(p->fd, &p->slice) < 0)
		table_failed(m);
	else if (p->next_row == m->table->ordered)
		table_end(m);
}

static void segment_failed(struct master *m)
{
	if (!m->segment_failing)
		warn("%s/events: no new segment", m->dir);
	m->segment_failing = true;
}

/* Whether a table or a segment is half written, and can be gone on with. */
static bool publishing(const struct master *m)
{
	return !m->detached && (m->publisher.fd >= 0 || log_beginning(&m->log));
}

bool publish(struct master *m, bool tick, struct now now)
{
	struct publisher *p = &m->publisher;

	if (m->detached)
		return false;
	if (p->fd >= 0) {
		table_continue(m);
	} else if (log_beginning(&m->log)) {
		if (log_continue(&m->log, m->table, now) < 0) {
			segment_failed(m);
		} else if (!log_beginning(&m->log)) {
			m->segment_failing = false;
			/* Or readers go from the table through the keyframe. */
			m->table->beaten = true;
		}
	} else if (m->table->events.len > 0) {
		return false; /* the log first: no table is newer than it */
	} else if (m->table->changed && now.mono_ms >= p->not_before_ms && !p->failing) {
		table_begin(m, now);
	} else if (tick && (m->table->beaten || m->table->changed)) {
		table_begin(m, now);
	} else if (log_full(&m->log) && (!m->segment_failing || tick)) {
		if (table_order(m->table) && log_begin(&m->log, m->table, now) < 0)
			segment_failed(m);
	}
	return publishing(m);
}

int publish_all(struct master *m, struct now now)
{
	publish_events(m);
	while (publishing(m))
		publish(m, false, now);
	m->table->changed = true;
	publish(m, true, now);
	while (publishing(m))
		publish(m, false, now);
	return m->publisher.failing || m->detached || m->table->changed || m->table->events.len > 0
		   ? -1
		   : 0;
}
