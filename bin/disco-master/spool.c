/* What the master opens, owns and sweeps in the spool. */
#include <dirent.h>
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

#include "master.h"
#include "name.h"
#include "spool.h"

#define URGENT                                                                              \
	(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_MODIFY | IN_CLOSE_WRITE | IN_DELETE | \
	 IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define LEFTOVER_S 3600
#define LOCK_TRIES 10

static char problem[SPOOL_PATH + 256];

static const char *say(const char *path, const char *why)
{
	snprintf(problem, sizeof(problem), "%s: %s", path, why);
	return problem;
}

/* Opens and locks the file of this path.  0, or -1 with errno: EAGAIN when a master has it. */
static int lock_open(struct master *m, const char *path)
{
	struct stat ours, there;

	for (int tries = 0; tries < LOCK_TRIES; tries++) {
		if (m->lockfd >= 0)
			close(m->lockfd);
		m->lockfd =
		    open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
		if (m->lockfd < 0 || fstat(m->lockfd, &ours) < 0)
			return -1;
		if (spool_lock(m->lockfd) == 0) {
			/* Another master that came before us may have put a new file in its place.
			 */
			if (stat(path, &there) == 0 && there.st_ino == ours.st_ino)
				return 0;
			continue;
		}
		if (errno != EAGAIN && errno != EACCES)
			return -1;
		if (spool_locked(m->lockfd) != 0)
			break;
		/* Only readers lock it, who may be anybody: they get the old file, we a new one. */
		if (stat(path, &there) == 0 && there.st_ino == ours.st_ino)
			unlink(path);
	}
	errno = EAGAIN;
	return -1;
}

static const char *lock_take(struct master *m)
{
	char path[SPOOL_PATH], pid[32] = "";
	ssize_t n;
	int len;

	if (spool_path(path, m->dir, SPOOL_LOCK) == NULL)
		return say(m->dir, strerror(ENAMETOOLONG));
	if (lock_open(m, path) < 0) {
		if (errno != EAGAIN)
			return say(path, strerror(errno));
		n = pread(m->lockfd, pid, sizeof(pid) - 1, 0);
		pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
		snprintf(problem, sizeof(problem), "%s: a master runs already, pid %s", m->dir,
			 pid[0] != '\0' ? pid : "unknown");
		return problem;
	}
	len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (fchmod(m->lockfd, 0644) < 0 || ftruncate(m->lockfd, 0) < 0 ||
	    pwrite(m->lockfd, pid, (size_t)len, 0) != len)
		return say(path, strerror(errno));
	return NULL;
}

static const char *watch(struct master *m, const char *path)
{
	m->urgentfd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	m->beatsfd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (m->urgentfd < 0 || m->beatsfd < 0)
		return say("inotify", strerror(errno));
	if (inotify_add_watch(m->urgentfd, path, URGENT) < 0 ||
	    inotify_add_watch(m->beatsfd, path, IN_ATTRIB | IN_ONLYDIR) < 0 ||
	    /* While we have hb/ open the kernel does not tell of its end; its parent does. */
	    (m->spool_wd =
		 inotify_add_watch(m->urgentfd, m->dir, IN_DELETE | IN_MOVE_SELF | IN_ONLYDIR)) < 0)
		return say(path, errno == ENOSPC
				     ? "no inotify watches left; raise fs.inotify.max_user_watches"
				     : strerror(errno));
	return NULL;
}

const char *spool_attach(struct master *m)
{
	char path[SPOOL_PATH];
	const char *culprit = m->dir, *why;
	struct stat st;

	if (spool_create(m->dir, true, &culprit) < 0)
		return say(culprit, strerror(errno));
	if ((why = lock_take(m)) != NULL)
		return why;
	if (spool_path(path, m->dir, SPOOL_HB) == NULL)
		return say(m->dir, strerror(ENAMETOOLONG));
	m->scan.hbfd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (m->scan.hbfd < 0 || fstat(m->scan.hbfd, &st) < 0)
		return say(path, strerror(errno));
	/* In a sticky folder only its owner may remove what others wrote. */
	if (geteuid() != 0 && st.st_uid != geteuid())
		return say(path, "belongs to another user, so forgotten heartbeats could not be "
				 "removed; run as its owner or as root");
	if ((why = watch(m, path)) != NULL)
		return why;
	if (log_open(&m->log, m->dir, &m->log_limits) < 0)
		return say(m->dir, strerror(errno));
	m->detached = false;
	return NULL;
}

bool spool_covered(const struct master *m)
{
	char path[SPOOL_PATH];
	struct stat ours, there;

	if (spool_path(path, m->dir, SPOOL_LOCK) == NULL || fstat(m->lockfd, &ours) < 0)
		return false;
	if (stat(path, &there) < 0)
		return errno == ENOENT;
	return there.st_ino != ours.st_ino || there.st_dev != ours.st_dev;
}

static void close_it(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void spool_detach(struct master *m)
{
	log_close(&m->log);
	close_it(&m->publisher.fd);
	close_it(&m->scan.hbfd);
	close_it(&m->urgentfd);
	close_it(&m->beatsfd);
	close_it(&m->lockfd);
}

static void sweep_one(int dirfd, const char *name, time_t now)
{
	struct stat st;
	int fd, locked;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || now - st.st_ctime < LEFTOVER_S)
		return;
	if (S_ISDIR(st.st_mode)) {
		unlinkat(dirfd, name, AT_REMOVEDIR);
		return;
	}
	if (S_ISREG(st.st_mode)) {
		/* A wrapper keeps its spare file here, locked. */
		fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		locked = fd < 0 ? -1 : spool_locked(fd);
		if (fd >= 0)
			close(fd);
		if (locked != 0)
			return;
	}
	unlinkat(dirfd, name, 0);
}

void spool_beat(struct master *m)
{
	bool failed = futimens(m->lockfd, NULL) < 0;

	if (failed && !m->beat_failing)
		warn("%s/%s", m->dir, SPOOL_LOCK);
	m->beat_failing = failed;
}

void spool_sweep(const struct master *m)
{
	char path[SPOOL_PATH];
	struct dirent *entry;
	time_t now = time(NULL);
	DIR *dir = spool_path(path, m->dir, SPOOL_TMP) == NULL ? NULL : opendir(path);

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			sweep_one(dirfd(dir), entry->d_name, now);
	closedir(dir);
}

enum forget spool_forget(void *arg, const struct process *p)
{
	struct master *m = arg;
	char name[NAME_LONGEST + 1];
	size_t len = strcspn(p->line, "\t");
	struct stat st;
	int fd, locked;

	memcpy(name, p->line, len);
	name[len] = '\0';
	if (fstatat(m->scan.hbfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? FORGET_DONE : FORGET_STUCK;
	if (st.st_ctim.tv_sec * INT64_C(1000000000) + st.st_ctim.tv_nsec != p->ctime_ns)
		return FORGET_LATER;
	/* A locked file is never removed, nor one that can't be asked. */
	if (S_ISREG(st.st_mode)) {
		fd = openat(m->scan.hbfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			return FORGET_DONE;
		if (fd < 0)
			return errno == EACCES && !(p->flags & P_LOCKED) ? FORGET_STUCK
									 : FORGET_LATER;
		locked = spool_locked(fd);
		close(fd);
		if (locked != 0)
			return FORGET_LATER;
	}
	if (unlinkat(m->scan.hbfd, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) < 0)
		return errno == ENOENT ? FORGET_DONE : FORGET_STUCK;
	return FORGET_DONE;
}
