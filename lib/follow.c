/* The event log as a follower sees it: segments, one after another, and a subscription to what
 * comes. */
#include "follow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "queue.h"
#include "segment.h"
#include "spool.h"
#include "stamp.h"

#define LONGEST_LINE ((size_t)128 * 1024)
#define LOOK_AGAIN_MS 1000

static int64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* The segments there are: the oldest of those after a seq, and the newest.  1, 0 when there are
 * none, -1. */
static int list(const char *events, uint64_t after, uint64_t *oldest, uint64_t *newest)
{
	DIR *dir = opendir(events);
	struct dirent *entry;
	uint64_t seq;

	*oldest = UINT64_MAX;
	*newest = 0;
	if (dir == NULL)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	while ((entry = readdir(dir)) != NULL) {
		if (!segment_parse(entry->d_name, &seq))
			continue;
		if (seq > after && seq < *oldest)
			*oldest = seq;
		if (seq >= *newest)
			*newest = seq;
	}
	closedir(dir);
	return *newest > 0;
}

static void path_of(char *path, const struct follow *f, uint64_t seq)
{
	char what[sizeof(SPOOL_EVENTS) + SEGMENT_NAME] = SPOOL_EVENTS "/";

	segment_name(what + sizeof(SPOOL_EVENTS), seq);
	spool_path(path, f->spool, what);
}

/* Opens a segment at its beginning.  0, or -1 with errno. */
static int segment_open(struct follow *f, uint64_t seq)
{
	char path[SPOOL_PATH];
	struct stat st;
	int fd;

	path_of(path, f, seq);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	if (f->fd >= 0)
		close(f->fd);
	f->fd = fd;
	f->segment = seq;
	f->ino = st.st_ino;
	f->offset = 0;
	f->buf.len = f->at = 0;
	f->moving = false;
	return 0;
}

static int segment_open_newest(struct follow *f)
{
	uint64_t oldest, newest;
	int found;

	/* What is listed may be gone when it is opened, but then there is a newer one. */
	for (int tries = 0; tries < 100; tries++) {
		found = list(f->events, 0, &oldest, &newest);
		if (found <= 0)
			return found;
		if (segment_open(f, newest) == 0)
			return 1;
		if (errno != ENOENT)
			return -1;
	}
	return -1;
}

static void watch_one(const struct follow *f, int *watch, const char *path, uint32_t mask)
{
	int old = *watch;

	*watch = inotify_add_watch(f->inotify, path, mask | IN_ONLYDIR);
	if (old >= 0 && old != *watch)
		inotify_rm_watch(f->inotify, old);
}

/*
 * Watches the innermost folder there is, and having begun to watch one looks
 * for the next again, since that may have been made meanwhile.
 */
static void watch(struct follow *f)
{
	const uint32_t self = IN_DELETE_SELF | IN_MOVE_SELF;
	const uint32_t names = IN_CREATE | IN_MOVED_TO;
	int before = f->watch_events;

	if (f->inotify < 0)
		return;
	for (int round = 0; round < 2; round++) {
		watch_one(f, &f->watch_events, f->events,
			  IN_MODIFY | names | IN_MOVED_FROM | IN_DELETE | self);
		if (f->watch_events >= 0)
			break;
		watch_one(f, &f->watch_spool, f->spool, names | self);
		if (f->watch_spool < 0)
			watch_one(f, &f->watch_parent, f->parent, names | self);
	}
	if (f->watch_events >= 0 && f->watch_spool >= 0) {
		inotify_rm_watch(f->inotify, f->watch_spool);
		f->watch_spool = -1;
	}
	if ((f->watch_events >= 0 || f->watch_spool >= 0) && f->watch_parent >= 0) {
		inotify_rm_watch(f->inotify, f->watch_parent);
		f->watch_parent = -1;
	}
	if (f->watch_events != before)
		f->changed = true;
}

/* What the queue says is only that something is to be looked at. */
static void drain(struct follow *f)
{
	static struct queue queue;
	const struct inotify_event *event;
	bool again = false;

	if (f->inotify < 0)
		return;
	queue_begin(&queue, f->inotify);
	while ((event = queue_next(&queue)) != NULL) {
		if (event->mask & ~(uint32_t)IN_MODIFY)
			f->changed = true;
		if ((event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_Q_OVERFLOW)) ||
		    (event->wd >= 0 && event->wd != f->watch_events))
			again = true;
		if (!(event->mask & IN_IGNORED))
			continue;
		if (event->wd == f->watch_events)
			f->watch_events = -1;
		if (event->wd == f->watch_spool)
			f->watch_spool = -1;
		if (event->wd == f->watch_parent)
			f->watch_parent = -1;
	}
	if (again)
		watch(f);
}

static int prepare(struct follow *f, const char *dir)
{
	char path[SPOOL_PATH], *slash;

	*f = (struct follow){.inotify = -1,
			     .watch_events = -1,
			     .watch_spool = -1,
			     .watch_parent = -1,
			     .fd = -1,
			     .changed = true};
	f->spool = strdup(dir);
	f->events = strdup(spool_path(path, dir, SPOOL_EVENTS));
	if (strlcpy(path, dir, sizeof(path)) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		goto fail;
	}
	for (slash = path + strlen(path); slash > path + 1 && slash[-1] == '/';)
		*--slash = '\0';
	slash = strrchr(path, '/');
	if (slash != NULL)
		slash[slash == path] = '\0';
	f->parent = strdup(slash != NULL ? path : ".");
	if (f->spool != NULL && f->events != NULL && f->parent != NULL)
		return 0;
fail:
	follow_close(f);
	return -1;
}

int follow_open_once(struct follow *f, const char *dir)
{
	return prepare(f, dir);
}

int follow_open(struct follow *f, const char *dir)
{
	if (prepare(f, dir) < 0)
		return -1;
	f->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	watch(f);
	return 0;
}

void follow_close(struct follow *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->inotify >= 0)
		close(f->inotify);
	free(f->events);
	free(f->spool);
	free(f->parent);
	text_free(&f->buf);
	*f = (struct follow){.inotify = -1, .fd = -1};
}

int follow_fd(const struct follow *f)
{
	return f->inotify;
}

/* Reads on.  1, 0 at the end, -1 with errno. */
static int fill(struct follow *f)
{
	size_t rest = f->buf.len - f->at;
	struct stat st;
	ssize_t len;
	char *room;

	if (f->fd < 0)
		return 0;
	if (rest > LONGEST_LINE) { /* no line of ours */
		f->offset += (int64_t)rest;
		f->at = f->buf.len;
		rest = 0;
	}
	if (rest > 0)
		memmove(f->buf.s, f->buf.s + f->at, rest);
	f->buf.len = rest;
	f->at = 0;
	room = text_room(&f->buf, TEXT_READ);
	if (room == NULL) {
		f->buf.failed = false;
		errno = ENOMEM;
		return -1;
	}
	len = pread(f->fd, room, TEXT_READ, f->offset + (int64_t)rest);
	if (len < 0)
		return errno == EINTR ? 1 : -1;
	f->buf.len += (size_t)len;
	if (len > 0)
		return 1;
	/* What we took for complete lines was cut off: those that we gave are known by their seq.
	 */
	if (fstat(f->fd, &st) == 0 && st.st_size < f->offset) {
		f->offset = 0;
		f->buf.len = 0;
		return 1;
	}
	return 0;
}

/* Whether this event is to be given. */
static bool wanted(struct follow *f, const struct event *event)
{
	if (event_is(event, "row"))
		return f->keyframe;
	if (event_is(event, "sync")) {
		bool give = f->keyframe;

		f->keyframe = false;
		if (give || event->seq > f->seq)
			f->seq = event->seq;
		return give;
	}
	if (event->seq <= f->seq)
		return false;
	f->seq = event->seq;
	return true;
}

/* The next wanted event of what was read: 1, or 0 when more must be read. */
static int take(struct follow *f, struct event *event)
{
	while (f->at < f->buf.len) {
		const char *line = f->buf.s + f->at;
		const char *end = memchr(line, '\n', f->buf.len - f->at);

		if (end == NULL)
			return 0;
		f->at += (size_t)(end - line) + 1;
		f->offset += end - line + 1;
		if (event_split(event, line, (size_t)(end - line)) && wanted(f, event))
			return 1;
	}
	return 0;
}

/* Whether the segment that we read is still the file of its name. */
static bool in_place(const struct follow *f)
{
	char path[SPOOL_PATH];
	struct stat st;

	path_of(path, f, f->segment);
	return lstat(path, &st) == 0 && st.st_ino == f->ino;
}

/* Goes on to the segment after ours.  1 when something is to be read, or -1. */
static int step(struct follow *f, uint64_t next)
{
	if (f->keyframe && f->fd < 0)
		return segment_open_newest(f);
	/* The newer one begins where ours ends, or else there were others between. */
	if (f->segment > 0 && f->seq < next) {
		f->reset = true;
		return 1;
	}
	if (segment_open(f, next) < 0)
		return errno == ENOENT ? 1 : -1;
	return 1;
}

/* At the end of what is open.  1 when there is more to read elsewhere, 0, or -1 with errno. */
static int move_on(struct follow *f)
{
	int64_t now = clock_ms(CLOCK_MONOTONIC_COARSE);
	bool was_moving = f->moving;
	uint64_t next, newest;
	int found;

	if (!f->changed && !f->moving && now - f->listed_ms < LOOK_AGAIN_MS)
		return 0;
	if (now - f->listed_ms >= LOOK_AGAIN_MS)
		watch(f);
	f->changed = f->moving = false;
	f->listed_ms = now;
	found = list(f->events, f->segment, &next, &newest);
	if (found <= 0)
		return found;
	if (newest <= f->segment) {
		f->reset = !in_place(f);
		return f->reset;
	}
	/* All that ours will ever hold is in it now: read it to its end once more. */
	if (f->fd >= 0 && !was_moving) {
		f->moving = true;
		return 1;
	}
	f->moving = f->changed = true; /* until the step is done */
	return step(f, next);
}

/* Says that events were lost, from where we go on. */
static int give_reset(struct follow *f, struct event *event)
{
	f->reset = false;
	if (follow_start_keyframe(f) < 0)
		return -1;
	event_bare(event, "reset");
	event->seq = f->segment;
	event->time_ms = clock_ms(CLOCK_REALTIME);
	return 1;
}

int follow_next(struct follow *f, struct event *event)
{
	int more = 1;

	while (more > 0) {
		if (f->reset)
			return give_reset(f, event);
		if (take(f, event))
			return 1;
		/* The queue first, then the file: what comes after this wakes us again. */
		if (!f->drained) {
			drain(f);
			f->drained = true;
			f->buf.len = f->at = 0; /* a torn tail may have been cut off */
		}
		more = fill(f);
		if (more == 0)
			more = move_on(f);
	}
	f->drained = false;
	return more;
}

bool follow_at_hand(const struct follow *f)
{
	return f->at < f->buf.len && memchr(f->buf.s + f->at, '\n', f->buf.len - f->at) != NULL;
}

int follow_start_keyframe(struct follow *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	f->segment = f->seq = 0;
	f->buf.len = f->at = 0;
	f->moving = false;
	f->keyframe = true;
	return segment_open_newest(f) < 0 ? -1 : 0;
}

void follow_start_at(struct follow *f, uint64_t segment, int64_t offset, uint64_t seq)
{
	f->seq = seq;
	if (segment == 0)
		return;
	if (segment_open(f, segment) == 0)
		f->offset = offset;
	else
		f->segment = segment;
}

/* Passes over everything that is there. */
static int pass(struct follow *f)
{
	struct event event;

	while (take(f, &event) || fill(f) > 0)
		continue;
	return 0;
}

int follow_start_at_end(struct follow *f)
{
	struct stat st;
	int found = segment_open_newest(f);

	if (found <= 0)
		return found;
	/* The last line tells the last seq, so the rest need not be read. */
	if (fstat(f->fd, &st) == 0 && st.st_size > (off_t)LONGEST_LINE)
		f->offset = st.st_size - (off_t)LONGEST_LINE;
	pass(f);
	if (f->seq < f->segment)
		f->seq = f->segment;
	return 0;
}

int follow_start_since(struct follow *f, uint64_t seq)
{
	uint64_t oldest, newest, next, last;
	int found;

	if (follow_start_at_end(f) < 0)
		return -1;
	last = f->seq;
	found = list(f->events, 0, &oldest, &newest);
	if (found < 0)
		return -1;
	if (found == 0 || seq < oldest || seq > last) {
		f->reset = true;
		return 0;
	}
	if (seq == last)
		return 0;
	/* The newest segment that begins at or before it. */
	for (newest = oldest; list(f->events, newest, &next, &last) > 0 && next <= seq;)
		newest = next;
	f->seq = seq;
	if (segment_open(f, newest) < 0)
		f->reset = true;
	return 0;
}
