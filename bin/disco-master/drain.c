/*
 * From inotify to the table.  The urgent queue wakes us at once, unless
 * changes come in crowds; these, and beats, wait a moment, so that one waking
 * serves many.  Neither tells more than a name.
 */
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "master.h"
#include "name.h"
#include "queue.h"
#include "spool.h"

#define AGAIN_MOST 10000

static const int again_ms[AGAIN_DELAYS] = {1, 10, 100, 1000};

static void again_add(struct master *m, const char *name, unsigned nudge, int attempt, int wait_ms,
		      struct now now)
{
	struct again *again =
	    m->agains < AGAIN_MOST ? malloc(sizeof(*again) + strlen(name) + 1) : NULL;
	int queue = 0;

	if (again == NULL) {
		m->rescan = true; /* at the next tick */
		return;
	}
	while (queue < AGAIN_DELAYS - 1 && again_ms[queue] < wait_ms)
		queue++;
	again->at_ms = now.mono_ms + again_ms[queue];
	again->nudge = nudge;
	again->attempt = attempt;
	strcpy(again->name, name);
	STAILQ_INSERT_TAIL(&m->again[queue], again, next);
	m->agains++;
}

void again_free(struct master *m)
{
	for (int i = 0; i < AGAIN_DELAYS; i++)
		while (!STAILQ_EMPTY(&m->again[i])) {
			struct again *again = STAILQ_FIRST(&m->again[i]);

			STAILQ_REMOVE_HEAD(&m->again[i], next);
			free(again);
		}
}

int64_t again_due(const struct master *m)
{
	int64_t at_ms = INT64_MAX;

	for (int i = 0; i < AGAIN_DELAYS; i++)
		if (!STAILQ_EMPTY(&m->again[i]) && STAILQ_FIRST(&m->again[i])->at_ms < at_ms)
			at_ms = STAILQ_FIRST(&m->again[i])->at_ms;
	return at_ms;
}

/* Out of memory or descriptors, a disk that fails: the file is still there in a second. */
static void unread(struct master *m, const char *name, unsigned nudge, int attempt)
{
	if (m->unread++ == 0)
		warn("%s/hb/%s", m->dir, name);
	again_add(m, name, nudge, attempt, 1000, clock_now());
}

static void unread_in_scan(const char *name, void *arg)
{
	unread(arg, name, NUDGE_SCANNED, 1);
}

static void look(struct master *m, const char *name, unsigned nudge, int attempt, struct now now)
{
	int wait_ms = scan_look(&m->scan, name, nudge, attempt, now);

	if (wait_ms > 0) {
		again_add(m, name, nudge, attempt + 1, wait_ms, now);
	} else if (wait_ms < 0) {
		unread(m, name, nudge, attempt);
	}
}

void drain_again(struct master *m, struct now now)
{
	struct again *again;

	for (int i = 0; i < AGAIN_DELAYS; i++) {
		while ((again = STAILQ_FIRST(&m->again[i])) != NULL &&
		       again->at_ms <= now.mono_ms) {
			STAILQ_REMOVE_HEAD(&m->again[i], next);
			m->agains--;
			look(m, again->name, again->nudge, again->attempt, now);
			free(again);
		}
	}
}

static unsigned nudge_of(uint32_t mask)
{
	return (mask & IN_ATTRIB ? NUDGE_TOUCHED : 0u) | (mask & IN_CREATE ? NUDGE_CREATED : 0u) |
	       (mask & IN_MODIFY ? NUDGE_WRITTEN : 0u) |
	       (mask & IN_CLOSE_WRITE ? NUDGE_CLOSED : 0u) |
	       (mask & (IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE) ? NUDGE_MOVED : 0u);
}

/* Names that no process may have are counted by the scan, and told of once in a while. */
static void misnamed(struct master *m, const char *name)
{
	m->table->misnamed++;
	if (m->misnamed++ > 0)
		return;
	text_clear(&m->scratch);
	text_safe(&m->scratch, name, strlen(name));
	warnx("hb/%s: %s; ignored", text_cstr(&m->scratch), name_check(name));
}

static void take(struct master *m, int fd, const struct inotify_event *event, struct now now)
{
	if (event->mask & IN_Q_OVERFLOW) {
		m->rescan = true;
	} else if (event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) {
		m->detached = true;
	} else if (event->wd == m->spool_wd && fd == m->urgentfd) {
		if (strcmp(event->name, SPOOL_HB) == 0 || strcmp(event->name, SPOOL_EVENTS) == 0 ||
		    strcmp(event->name, SPOOL_LOCK) == 0)
			m->detached = true;
	} else if (event->len > 0) {
		if (name_check(event->name) == NULL)
			look(m, event->name, nudge_of(event->mask), 0, now);
		else if (event->mask & (IN_CREATE | IN_MOVED_TO))
			misnamed(m, event->name);
		else if (event->mask & (IN_DELETE | IN_MOVED_FROM) && m->table->misnamed > 0)
			m->table->misnamed--;
	}
}

/* The next events' rows are on their way from memory while the kernel is asked about this one's. */
static void hint(const struct master *m, const struct queue *queue)
{
	const char *at = queue->at;

	for (int ahead = 1; ahead <= 2 && at < queue->end; ahead++) {
		const struct inotify_event *next = (const struct inotify_event *)(const void *)at;

		if (next->len > 0)
			index_hint(&m->table->index, next->name, strlen(next->name), ahead == 1);
		at += sizeof(*next) + next->len;
	}
}

/* Returns how much there was. */
static int drain(struct master *m, int fd, struct now now)
{
	static struct queue queue;
	const struct inotify_event *event;
	int events = 0;

	queue_begin(&queue, fd);
	for (; (event = queue_next(&queue)) != NULL; events++) {
		hint(m, &queue);
		take(m, fd, event, now);
	}
	if (queue.error != 0)
		warnc(queue.error, "inotify");
	return events;
}

int drain_urgent(struct master *m, struct now now)
{
	return drain(m, m->urgentfd, now);
}

void drain_beats(struct master *m, struct now now)
{
	drain(m, m->beatsfd, now);
	m->table->drained_ms = now.mono_ms;
}

/* What must not wait for a long scan to end. */
static void breathe(void *arg)
{
	struct master *m = arg;
	struct now now = clock_now();

	drain_urgent(m, now);
	drain_beats(m, now);
	spool_beat(m); /* who looks long is not stuck */
}

static void tell(void *arg)
{
	publish_events(arg);
}

void scan_spool(struct master *m)
{
	/* When events were lost, a file may hold what neither inode nor ctime tells. */
	m->scan.quick = (m->scans || m->table->room) && !m->rescan;
	m->rescan = m->table->room = false;
	m->scanned = true;
	m->scan.breathe = breathe;
	m->scan.tell = tell;
	m->scan.unread = unread_in_scan;
	m->scan.arg = m;
	if (scan_all(&m->scan, clock_now) < 0) {
		warn("%s/hb", m->dir);
		m->rescan = true; /* at the next tick */
	}
	m->table->misnamed = m->scan.misnamed;
	if (m->scan.misnamed > 0 && m->misnamed++ == 0)
		warnx("%s/hb: files with names that no process may have: %llu; ignored", m->dir,
		      (unsigned long long)m->scan.misnamed);
	m->table->drained_ms = clock_now().mono_ms;
}
