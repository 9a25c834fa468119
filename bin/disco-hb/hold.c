/*
 * The files of a heartbeat that is held: each is under a write lock from before
 * it is seen, and there are up to two, because new content must go to a file
 * that a wrapped command has inherited too.  One is in hb/, the other in tmp/,
 * where it can be written unseen; then they change places.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hb.h"

/* Out of the way of scripts that take low numbers for themselves. */
#define INHERITED_FD 200

void hold_init(struct hold *hold, const char *dir, const char *name)
{
	*hold = (struct hold){.dir = dir, .name = name, .current = -1};
	hold->files[0].fd = hold->files[1].fd = -1;
}

static bool held_is(const struct held *held, const struct stat *st)
{
	return held->fd != -1 && held->dev == st->st_dev && held->ino == st->st_ino;
}

/* Gives a file up, with its name in tmp/ if it still has that. */
static void held_drop(struct held *held)
{
	struct stat st;

	if (held->fd == -1)
		return;
	if (held->path[0] != '\0' && lstat(held->path, &st) == 0 && held_is(held, &st))
		unlink(held->path);
	close(held->fd);
	held->fd = -1;
}

/* A new empty file in tmp/, locked. */
static int held_make(const struct hold *hold, struct held *held)
{
	const char *culprit;
	struct stat st;
	int fd = spool_temp(hold->dir, hold->name, held->path), high, error;

	if (fd == -1 && errno == ENOENT && spool_create(hold->dir, false, &culprit) == 0)
		fd = spool_temp(hold->dir, hold->name, held->path);
	if (fd == -1)
		return -1;
	high = fcntl(fd, F_DUPFD_CLOEXEC, INHERITED_FD);
	if (high != -1) {
		close(fd);
		fd = high;
	}
	if (spool_lock(fd) == 0 && fstat(fd, &st) == 0) {
		held->fd = fd;
		held->dev = st.st_dev;
		held->ino = st.st_ino;
		return 0;
	}
	error = errno;
	close(fd);
	unlink(held->path);
	errno = error;
	return -1;
}

int hold_prepare(struct hold *hold)
{
	return held_make(hold, &hold->files[0]) == 0 && held_make(hold, &hold->files[1]) == 0 ? 0
											      : -1;
}

void hold_inherit(const struct hold *hold, bool inherit)
{
	for (int i = 0; i < 2; i++)
		if (hold->files[i].fd != -1)
			fcntl(hold->files[i].fd, F_SETFD, inherit ? 0 : FD_CLOEXEC);
}

enum hold_look hold_look(struct hold *hold)
{
	char path[SPOOL_PATH];
	struct stat st;

	hold->current = -1;
	hold->seen = 0;
	if (lstat(spool_heartbeat_path(path, hold->dir, hold->name), &st) != 0)
		return errno == ENOENT ? HOLD_MISSING : HOLD_UNKNOWN;
	hold->seen = st.st_ino;
	for (int i = 0; i < 2; i++)
		if (held_is(&hold->files[i], &st))
			hold->current = i;
	return hold->current != -1 ? HOLD_OURS : HOLD_OTHER;
}

int hold_touch(const struct hold *hold)
{
	return futimens(hold->files[hold->current].fd, NULL);
}

/*
 * Whether a file of ours is to be found in tmp/.  A report that took our place
 * in hb/ has left the file there, under a name that only the kernel knows.
 */
static bool held_find(struct held *held)
{
	static const char folder[] = "/" SPOOL_TMP;
	char proc[64], path[SPOOL_PATH], *slash;
	struct stat st;
	ssize_t len;

	if (held->fd == -1)
		return false;
	if (held->path[0] != '\0' && lstat(held->path, &st) == 0 && held_is(held, &st))
		return true;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", held->fd);
	len = readlink(proc, path, sizeof(path) - 1);
	if (len == -1)
		return false;
	path[len] = '\0';
	/* In hb/ it is not ours to write to or to remove. */
	slash = strrchr(path, '/');
	if (slash == NULL || slash - path < (ssize_t)strlen(folder) ||
	    memcmp(slash - strlen(folder), folder, strlen(folder)) != 0)
		return false;
	if (lstat(path, &st) != 0 || !held_is(held, &st))
		return false;
	memcpy(held->path, path, (size_t)len + 1);
	return true;
}

/* A file to write to, which is not the one in hb/: ours if possible, else a fresh one. */
static struct held *spare(struct hold *hold)
{
	int lost = -1;

	for (int i = 0; i < 2; i++) {
		if (i == hold->current)
			continue;
		if (held_find(&hold->files[i]))
			return &hold->files[i];
		lost = i;
	}
	held_drop(&hold->files[lost]);
	return held_make(hold, &hold->files[lost]) == 0 ? &hold->files[lost] : NULL;
}

/*
 * What came out of hb/ is at this path now: one of ours, or another's that has
 * served.  False when it is another's that came between our look and our move.
 */
static bool put_away(struct hold *hold, const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return true;
	for (int i = 0; i < 2; i++) {
		if (held_is(&hold->files[i], &st)) {
			snprintf(hold->files[i].path, SPOOL_PATH, "%s", path);
			return true;
		}
	}
	if (S_ISREG(st.st_mode) && st.st_ino != hold->read)
		return false;
	spool_discard(path);
	return true;
}

/* Moves a file of tmp/ onto hb/NAME. */
static int move(struct hold *hold, const char *path)
{
	char to[SPOOL_PATH];
	struct stat st;
	bool over =
	    lstat(spool_heartbeat_path(to, hold->dir, hold->name), &st) == 0 && S_ISREG(st.st_mode);
	int moved = spool_move(hold->dir, hold->name, path, over);

	if (moved == 1 && !put_away(hold, path)) {
		/* It goes back to where it was delivered to, until it has been read. */
		if (spool_move(hold->dir, hold->name, path, true) != -1)
			errno = EAGAIN;
		return -1;
	}
	return moved == -1 ? -1 : 0;
}

int hold_deliver(struct hold *hold, const struct text *content)
{
	char path[SPOOL_PATH];
	struct held *held;

	hold_look(hold);
	held = spare(hold);
	if (held == NULL || spool_write(held->fd, content->s, content->len) != 0)
		return -1;
	/* A copy, for what is put away may be this very file, when somebody else was faster. */
	memcpy(path, held->path, sizeof(path));
	held->path[0] = '\0';
	if (move(hold, path) != 0) {
		memcpy(held->path, path, sizeof(path));
		return -1;
	}
	hold->current = held == &hold->files[0] ? 0 : 1;
	return 0;
}

int hold_finish(struct hold *hold, const struct text *content)
{
	char path[SPOOL_PATH];
	const char *culprit;
	int fd = spool_temp(hold->dir, hold->name, path), error;

	if (fd == -1 && errno == ENOENT && spool_create(hold->dir, false, &culprit) == 0)
		fd = spool_temp(hold->dir, hold->name, path);
	if (fd == -1)
		return hold_deliver(hold, content);
	if (spool_write(fd, content->s, content->len) != 0) {
		close(fd);
		unlink(path);
		/* A full disk may still have room in a file that we have. */
		return hold_deliver(hold, content);
	}
	if (close(fd) == 0 && move(hold, path) == 0)
		return 0;
	error = errno;
	unlink(path);
	errno = error;
	return -1;
}

void hold_end(struct hold *hold)
{
	for (int i = 0; i < 2; i++) {
		held_find(&hold->files[i]);
		held_drop(&hold->files[i]);
	}
	hold->current = -1;
}
