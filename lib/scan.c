/* Looks at heartbeat files and tells the table what is there. */
#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ahead.h"
#include "name.h"
#include "spool.h"

static const char *user_of(struct scan *scan, uid_t uid)
{
	const struct passwd *pw;
	size_t i;

	for (i = 0; i < scan->users; i++)
		if (scan->user[i].uid == uid)
			return scan->user[i].name;
	/* With more users than places the last place changes hands. */
	if (scan->users < SCAN_USERS)
		i = scan->users++;
	else
		i = SCAN_USERS - 1;
	pw = getpwuid(uid);
	scan->user[i].uid = uid;
	if (pw != NULL && strlen(pw->pw_name) < sizeof(scan->user[i].name))
		strcpy(scan->user[i].name, pw->pw_name);
	else
		snprintf(scan->user[i].name, sizeof(scan->user[i].name), "%lu", (unsigned long)uid);
	return scan->user[i].name;
}

static struct seen seen_of(const struct stat *st)
{
	return (struct seen){
	    .ino = st->st_ino,
	    .ctime_ns = st->st_ctim.tv_sec * INT64_C(1000000000) + st->st_ctim.tv_nsec,
	    .uid = st->st_uid,
	};
}

static int refuse(struct scan *scan, const char *name, const struct seen *seen, const char *why,
		  struct now now)
{
	if (table_refuse(scan->table, name, seen, now) && scan->refused != NULL)
		scan->refused(name, why);
	return 0;
}

/* Whether its owner may have it; if not, that was seen to. */
static bool admitted(struct scan *scan, const struct process *p, const char *name,
		     const struct seen *seen, struct now now)
{
	enum admit admit = table_admit(scan->table, p, name, seen->uid);
	char why[128];

	if (admit == ADMIT_YES)
		return true;
	if (!table_deny(scan->table, name, seen, admit, now) || scan->refused == NULL)
		return false;
	if (admit == ADMIT_OWNERS)
		snprintf(why, sizeof(why), "belongs to %s, see --owners", user_of(scan, seen->uid));
	else
		snprintf(why, sizeof(why), "%s has %zu processes already, see --max-per-user",
			 user_of(scan, seen->uid), scan->table->user_most);
	scan->refused(name, why);
	return false;
}

/* Whether what is known of the file makes reading it needless. */
static bool spared(struct scan *scan, struct process *p, const struct seen *seen, unsigned nudge,
		   struct now now)
{
	/* What was moved in was written elsewhere, perhaps to a file that was here before. */
	if (p == NULL || p->ino != seen->ino || nudge & (NUDGE_WRITTEN | NUDGE_MOVED))
		return false;
	/* Nothing of it was ever read. */
	if (p->owner & OWNER_DENIED)
		return false;
	if (!(p->flags & P_LISTED)) {
		if (nudge & NUDGE_CLOSED || p->ctime_ns != seen->ctime_ns)
			return false;
		p->flags |= P_FOUND;
		return true;
	}
	if (nudge & (NUDGE_CLOSED | NUDGE_SCANNED) && p->flags & P_HELD)
		return false; /* is it still locked? */
	if (nudge & NUDGE_SCANNED && (!scan->quick || p->ctime_ns != seen->ctime_ns))
		return false; /* a write looks like a touch from here */
	return table_touch(scan->table, p, seen->ctime_ns, now);
}

/*
 * Whoever writes in place may be between two of his writes: what he has so far
 * is taken when he closes the file, or has been quiet for a moment.
 */
static bool being_written(unsigned nudge)
{
	return nudge & (NUDGE_CREATED | NUDGE_WRITTEN) &&
	       !(nudge & (NUDGE_CLOSED | NUDGE_MOVED | NUDGE_SCANNED));
}

static int lock_wait(int attempt)
{
	static const int ms[] = {1, 10, 100};

	return attempt < 3 ? ms[attempt] : 0;
}

/* Takes up what the file says; whether it is locked is seen. */
static int take(struct scan *scan, struct process *p, const char *name, struct seen *seen,
		const struct heartbeat *hb, unsigned nudge, int attempt, struct now now)
{
	bool was_locked = p != NULL && p->ino == seen->ino && p->flags & P_LOCKED;

	if (nudge & NUDGE_SCANNED && attempt == 0 && hb->via != NULL &&
	    table_find(scan->table, hb->via, strlen(hb->via)) == NULL) {
		/* Its gateway may come later in the scan, and then it counts. */
		text_add(&scan->later, name, strlen(name) + 1);
		return 0;
	}
	seen->user = user_of(scan, seen->uid);
	if (!table_content(scan->table, p, name, seen, hb, now)) {
		if (errno != EFBIG)
			return -1;
		return refuse(scan, name, seen, "more than a row can hold", now);
	}
	/* The kernel tells of a close before it drops the lock. */
	return nudge & NUDGE_CLOSED && seen->locked && was_locked ? lock_wait(attempt) : 0;
}

static int look_inside(struct scan *scan, struct process *p, const char *name, int fd,
		       struct seen *seen, unsigned nudge, int attempt, struct now now)
{
	char content[HEARTBEAT_LARGEST + 2];
	bool listed = p != NULL && p->flags & P_LISTED;
	struct heartbeat hb;
	const char *why;
	int wait;
	ssize_t len = spool_read(fd, content, HEARTBEAT_LARGEST + 1);

	if (len < 0 && !spool_file_fault(errno))
		return -1;
	if (len < 0)
		return refuse(scan, name, seen, strerror(errno), now);
	if (len == 0 && listed && !(nudge & (NUDGE_CLOSED | NUDGE_MOVED))) {
		/* The shell's > empties it before it is filled. */
		table_touch_blindly(scan->table, p, seen, now);
		return 0;
	}
	why = heartbeat_parse(content, (size_t)len, &hb);
	if (why != NULL && being_written(nudge) && attempt == 1)
		return 1000;
	if (why != NULL)
		return refuse(scan, name, seen, why, now);
	seen->locked = hb.held && spool_locked(fd) == 1;
	wait = take(scan, p, name, seen, &hb, nudge, attempt, now);
	heartbeat_free(&hb);
	return wait;
}

static void gone(struct scan *scan, struct process *p, struct now now)
{
	if (p != NULL)
		table_removed(scan->table, p, now);
}

/* What the inode tells; true when that was all, and then *wait is what scan_look returns. */
static bool look_at(struct scan *scan, struct process *p, const char *name, unsigned nudge,
		    int attempt, struct now now, int *wait)
{
	struct seen seen;
	struct stat st;

	*wait = 0;
	if (fstatat(scan->hbfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			gone(scan, p, now);
		else
			*wait = -1;
		return true;
	}
	seen = seen_of(&st);
	if (!admitted(scan, p, name, &seen, now) || spared(scan, p, &seen, nudge, now))
		return true;
	if (!being_written(nudge) || attempt > 0)
		return false;
	if (p != NULL)
		table_touch_blindly(scan->table, p, &seen, now);
	*wait = nudge & NUDGE_CREATED ? 10 : 100;
	return true;
}

int scan_look(struct scan *scan, const char *name, unsigned nudge, int attempt, struct now now)
{
	struct process *p = table_find(scan->table, name, strlen(name));
	/* What must be read in any case is opened at once. */
	bool closed = p != NULL && nudge & NUDGE_CLOSED && p->flags & P_HELD;
	bool asked = (p != NULL && !closed && !(nudge & (NUDGE_WRITTEN | NUDGE_MOVED))) ||
		     (being_written(nudge) && attempt == 0);
	const char *why = NULL;
	struct seen seen;
	struct stat st;
	int fd, wait;

	if (asked && look_at(scan, p, name, nudge, attempt, now, &wait))
		return wait;
	fd = spool_open_heartbeat(scan->hbfd, name, &st, &why);
	if (fd < 0 && errno == ENOENT && asked)
		return attempt < SCAN_LAST_TRY ? 1 : 0; /* it was there a moment ago */
	if (fd < 0 && errno == ENOENT) {
		gone(scan, p, now);
		return 0;
	}
	if (fd < 0 && !spool_file_fault(errno))
		return -1;
	/* It may be another one than that which was asked about. */
	seen = seen_of(&st);
	if (!admitted(scan, p, name, &seen, now))
		wait = 0;
	else if (fd < 0)
		wait = refuse(scan, name, &seen, why, now);
	else
		wait = look_inside(scan, p, name, fd, &seen, nudge, attempt, now);
	if (fd >= 0)
		close(fd);
	return wait;
}

/* One that can't be read costs the others nothing; *failed is why, if nobody takes care of it. */
static void scan_one(struct scan *scan, const char *name, int attempt, struct now now, int *failed)
{
	struct process *p;
	int error;

	if (scan_look(scan, name, NUDGE_SCANNED, attempt, now) >= 0)
		return;
	error = errno;
	p = table_find(scan->table, name, strlen(name));
	if (p != NULL)
		p->flags |= P_FOUND;
	errno = error;
	if (scan->unread != NULL)
		scan->unread(name, scan->arg);
	else
		*failed = error;
}

/* Makes a row of a file that was read ahead; false when it must be looked at with more care. */
static bool take_ahead(struct scan *scan, const struct ahead_file *file, struct now now)
{
	struct process *p = table_find(scan->table, file->name, strlen(file->name));
	struct seen seen = seen_of(&file->st);

	if (p != NULL && !(p->flags & P_LOADED && file->len > 0))
		return false;
	seen.locked = file->locked;
	return !admitted(scan, p, file->name, &seen, now) ||
	       take(scan, p, file->name, &seen, &file->hb, NUDGE_SCANNED, 0, now) == 0;
}

static void breathe(const struct scan *scan)
{
	if (scan->breathe != NULL)
		scan->breathe(scan->arg);
}

static void tell(const struct scan *scan)
{
	if (scan->tell != NULL)
		scan->tell(scan->arg);
}

/* A beat during the lot is as old as the lot. */
static void lot_look(struct scan *scan, struct ahead *ahead, struct now now, int *failed)
{
	tell(scan);
	for (size_t i = 0; i < ahead_count(ahead); i++) {
		struct ahead_file *file = ahead_get(ahead, i);

		if (!file->fit || !take_ahead(scan, file, now))
			scan_one(scan, file->name, 0, now, failed);
		if (file->fit)
			heartbeat_free(&file->hb);
	}
	ahead_clear(ahead);
}

int scan_all(struct scan *scan, struct now (*clock)(void))
{
	struct ahead *ahead = scan->cold ? ahead_new(scan->hbfd) : NULL;
	int fd = openat(scan->hbfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), saved, failed = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	size_t files = 0;

	scan->cold = false;
	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		ahead_free(ahead);
		return -1;
	}
	table_scan_begin(scan->table);
	scan->misnamed = 0;
	text_clear(&scan->later);
	for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (name_check(entry->d_name) != NULL) {
			scan->misnamed++;
			continue;
		}
		if (ahead == NULL)
			scan_one(scan, entry->d_name, 0, clock(), &failed);
		else if (ahead_add(ahead, entry->d_name))
			lot_look(scan, ahead, clock(), &failed);
		if (++files % AHEAD_LOT > 0)
			continue;
		breathe(scan);
		if (ahead == NULL)
			tell(scan);
	}
	saved = errno;
	if (ahead != NULL)
		lot_look(scan, ahead, clock(), &failed);
	ahead_free(ahead);
	closedir(dir);
	if (saved != 0) {
		errno = saved;
		return -1;
	}
	breathe(scan); /* what was moved while we read the folder may be missing */
	tell(scan);
	for (size_t at = 0; at < scan->later.len; at += strlen(scan->later.s + at) + 1)
		scan_one(scan, scan->later.s + at, SCAN_LAST_TRY, clock(), &failed);
	if (failed != 0) {
		errno = failed;
		return -1;
	}
	table_scan_end(scan->table, clock());
	return 0;
}

void scan_owners(struct scan *scan)
{
	char name[NAME_LONGEST + 1];
	struct stat st;

	for (size_t i = 0; i < scan->table->index.size; i++) {
		struct process *p = index_at(&scan->table->index, i);
		size_t len = p != NULL ? strcspn(p->line, "\t") : 0;

		if (p == NULL || !(p->flags & P_LOADED) || len > NAME_LONGEST)
			continue;
		memcpy(name, p->line, len);
		name[len] = '\0';
		if (fstatat(scan->hbfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			table_own(scan->table, p, st.st_uid);
	}
}

void scan_free(struct scan *scan)
{
	text_free(&scan->later);
}
