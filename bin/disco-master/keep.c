/*
 * The copy that outlives a reboot.  A process of its own makes it, from what
 * is published, because a disk may take as long as it likes.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "master.h"
#include "spool.h"

#define PATIENCE_MS 5000
#define TEMPORARY ".table.next"

/* Appends to the one what the other has beyond it, and makes it durable. */
static int copy_rest(int from, int to)
{
	char buf[65536];
	off_t at = lseek(to, 0, SEEK_END);
	ssize_t n, w;

	if (at < 0)
		return -1;
	while ((n = pread(from, buf, sizeof(buf), at)) > 0) {
		for (ssize_t done = 0; done < n; done += w)
			if ((w = write(to, buf + done, (size_t)(n - done))) < 0)
				return -1;
		at += n;
	}
	return n < 0 ? -1 : fsync(to);
}

static int keep_table(int spool, int state)
{
	int from = openat(spool, SPOOL_TABLE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int to = from < 0 ? -1
			  : openat(state, TEMPORARY,
				   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	int result = -1;

	if (from < 0)
		return errno == ENOENT ? 0 : -1;
	if (to >= 0 && copy_rest(from, to) == 0 &&
	    renameat(state, TEMPORARY, state, SPOOL_TABLE) == 0)
		result = fsync(state);
	if (to >= 0)
		close(to);
	close(from);
	return result;
}

/* A master that died may have left half an event, which the next one cut off in the spool. */
static int cut_off(int fd)
{
	int64_t length = segment_whole(fd);

	if (length < 0)
		return -1;
	return length < lseek(fd, 0, SEEK_END) ? ftruncate(fd, length) : 0;
}

static int keep_segment(int spool, int state, uint64_t seq)
{
	char name[SEGMENT_NAME];
	int from, to, result;

	segment_name(name, seq);
	from = openat(spool, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0)
		return errno == ENOENT ? 0 : -1;
	to = openat(state, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	result = to < 0 || cut_off(to) < 0 ? -1 : copy_rest(from, to);
	if (to >= 0)
		close(to);
	close(from);
	return result;
}

static int keep_events(int spool, int state, int most)
{
	char name[SEGMENT_NAME];
	uint64_t *seqs;
	int count = segment_list(spool, &seqs), result = count < 0 ? -1 : 0;

	for (int i = 0; i < count; i++)
		if (keep_segment(spool, state, seqs[i]) < 0)
			result = -1;
	free(seqs);
	count = segment_list(state, &seqs);
	for (int i = 0; i < count - most; i++) {
		segment_name(name, seqs[i]);
		unlinkat(state, name, 0);
	}
	free(seqs);
	return result < 0 ? -1 : fsync(state);
}

static int open_in(const char *dir, const char *what)
{
	char path[SPOOL_PATH];

	return spool_path(path, dir, what) == NULL ? -1
						   : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int keep(const struct master *m)
{
	int spool = open_in(m->dir, "."), state = open_in(m->state_dir, ".");
	int events = open_in(m->dir, SPOOL_EVENTS), kept = open_in(m->state_dir, SPOOL_EVENTS);
	int result = -1, saved;

	/* One whose master was killed may be at its last copy beside the next one's first.  The
	 * events come first, as with the master: a table is never newer than its log. */
	if (spool >= 0 && state >= 0 && events >= 0 && kept >= 0 && flock(state, LOCK_EX) == 0 &&
	    keep_events(events, kept, m->log_limits.segments) == 0)
		result = keep_table(spool, state);
	saved = errno;
	if (spool >= 0)
		close(spool);
	if (state >= 0)
		close(state);
	if (events >= 0)
		close(events);
	if (kept >= 0)
		close(kept);
	errno = saved;
	return result;
}

static _Noreturn void keeper(const struct master *m, int pipe)
{
	bool failing = false;
	char told[512];
	ssize_t n;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	do {
		n = read(pipe, told, sizeof(told));
		if (n < 0 && errno == EINTR)
			continue;
		if (keep(m) < 0) {
			if (!failing)
				warn("%s: the copy is not up to date", m->state_dir);
			failing = true;
		} else {
			failing = false;
		}
	} while (n != 0);
	_exit(failing);
}

int keeper_start(struct master *m)
{
	char path[SPOOL_PATH];
	int fds[2];

	if (mkdir(m->state_dir, 0755) < 0 && errno != EEXIST)
		return -1;
	if (spool_path(path, m->state_dir, SPOOL_EVENTS) == NULL ||
	    (mkdir(path, 0755) < 0 && errno != EEXIST) || pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	m->keeper = fork();
	if (m->keeper < 0)
		return -1;
	if (m->keeper == 0) {
		close(fds[1]);
		spool_detach(m); /* above all the lock: it must not outlive the master */
		keeper(m, fds[0]);
	}
	close(fds[0]);
	m->keeper_pipe = fds[1];
	return fcntl(fds[1], F_SETFL, O_NONBLOCK);
}

void keeper_tell(struct master *m)
{
	if (m->keeper <= 0 || m->kept_seq == m->publisher.published)
		return;
	m->kept_seq = m->publisher.published;
	/* A full pipe says as much: it is behind, and will copy all there is then. */
	if (write(m->keeper_pipe, "", 1) >= 0 || errno == EAGAIN)
		return;
	warnx("%s: who writes it has ended; begun again", m->state_dir);
	close(m->keeper_pipe);
	waitpid(m->keeper, NULL, 0);
	m->kept_seq = 0;
	if (keeper_start(m) < 0) {
		warn("%s", m->state_dir);
		m->keeper = 0;
	}
}

void keeper_stop(struct master *m)
{
	const struct timespec moment = {0, 10000000};

	if (m->keeper <= 0)
		return;
	close(m->keeper_pipe);
	for (int ms = 0; ms < PATIENCE_MS; ms += 10) {
		if (waitpid(m->keeper, NULL, WNOHANG) != 0)
			return;
		nanosleep(&moment, NULL);
	}
	warnx("%s: still writing; not waiting for it", m->state_dir);
}
