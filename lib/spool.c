/* The spool's tree: where it is, how a heartbeat gets into it, and how to read one that anyone may
 * have put there. */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "heartbeat.h"

#define DIR_LONGEST (SPOOL_PATH - 256) /* leaves room for hb/NAME and tmp/NAME.XXXXXX */
#define SUFFIX 6		       /* random characters in tmp/NAME.XXXXXX */
#define TRIES 16

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1 << 1)
#endif

/* The folder in /tmp, while spool_dir has chosen it: then it must be ours alone. */
static char chosen[64];
static bool in_tmp;

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Whether nobody else can have a hand in the folder; one that is missing is fine. */
static bool ours_alone(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT;
	if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 077) == 0)
		return true;
	errno = EPERM;
	return false;
}

static const char *choose(void)
{
	uid_t uid = geteuid();

	in_tmp = false;
	if (uid == 0 || is_dir("/run/disco"))
		return "/run/disco";
	snprintf(chosen, sizeof(chosen), "/run/user/%lu", (unsigned long)uid);
	if (is_dir(chosen)) {
		strcat(chosen, "/disco");
		return chosen;
	}
	snprintf(chosen, sizeof(chosen), "/tmp/disco-%lu", (unsigned long)uid);
	in_tmp = true;
	return ours_alone(chosen) ? chosen : NULL;
}

const char *spool_dir(const char *dir)
{
	if (dir == NULL) {
		dir = getenv("DISCO_SPOOL");
		if (dir == NULL || dir[0] == '\0')
			return choose();
	}
	if (dir[0] == '\0' || strlen(dir) > DIR_LONGEST) {
		errno = dir[0] == '\0' ? ENOENT : ENAMETOOLONG;
		return NULL;
	}
	return dir;
}

const char *spool_dir_why(void)
{
	static char why[sizeof(chosen) + 64];

	if (errno == EPERM)
		snprintf(why, sizeof(why), "%s: not a folder of yours alone", chosen);
	else
		snprintf(why, sizeof(why), "the spool: %s", strerror(errno));
	return why;
}

const char *spool_path(char *buf, const char *dir, const char *what)
{
	snprintf(buf, SPOOL_PATH, "%s/%s", dir, what);
	return buf;
}

/* Adds to a path, cut off at its end.  Without printf, which is most of what a beat would do. */
static char *add(char *path, char *end, const char *s)
{
	size_t len = strnlen(s, (size_t)(end - path));

	memcpy(path, s, len);
	path[len] = '\0';
	return path + len;
}

static char *path_in(char *buf, char *end, const char *dir, const char *part, const char *name)
{
	return add(add(add(buf, end, dir), end, part), end, name);
}

const char *spool_heartbeat_path(char *buf, const char *dir, const char *name)
{
	path_in(buf, buf + SPOOL_PATH - 1, dir, "/" SPOOL_HB "/", name);
	return buf;
}

/* Makes a folder with this very mode, whatever the umask. */
static int make_dir(const char *path, mode_t mode)
{
	if (mkdir(path, mode) == 0)
		return chmod(path, mode);
	return errno == EEXIST ? 0 : -1;
}

int spool_create(const char *dir, bool with_events, const char **culprit)
{
	static const struct {
		const char *name;
		mode_t mode;
	} parts[] = {{SPOOL_HB, 01777}, {SPOOL_TMP, 01777}, {SPOOL_EVENTS, 0755}};
	static char path[SPOOL_PATH];
	size_t count = with_events ? 3 : 2;
	bool private = in_tmp && strcmp(dir, chosen) == 0;

	*culprit = dir;
	if (make_dir(dir, private ? 0700 : 0755) != 0)
		return -1;
	/* Somebody may have made it since spool_dir looked. */
	if (private && !ours_alone(dir))
		return -1;
	*culprit = path;
	for (size_t i = 0; i < count; i++) {
		spool_path(path, dir, parts[i].name);
		if (make_dir(path, parts[i].mode) != 0)
			return -1;
	}
	return 0;
}

static const char *unfit(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return S_ISDIR(st->st_mode)    ? "a directory"
		       : S_ISFIFO(st->st_mode) ? "a FIFO"
		       : S_ISLNK(st->st_mode)  ? "a symbolic link"
		       : S_ISSOCK(st->st_mode) ? "a socket"
					       : "a device";
	if (st->st_nlink > 1)
		return "more than one link";
	if (st->st_size > HEARTBEAT_LARGEST)
		return "larger than 16384 bytes";
	return NULL;
}

int spool_open_heartbeat(int hbfd, const char *name, struct stat *st, const char **why)
{
	int fd = openat(hbfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	int error = 0;

	*st = (struct stat){0};
	*why = NULL;
	if (fd == -1) {
		/* Who owns it may have a lease on it. */
		error = errno == EAGAIN ? EBUSY : errno;
		/* ELOOP may be a link in the folder's own path too: only the file's own is our
		 * affair. */
		if (error != ENOENT && fstatat(hbfd, name, st, AT_SYMLINK_NOFOLLOW) != 0)
			error = errno;
		else if (error == ELOOP || error == ENXIO)
			*why = unfit(st);
	} else if (fstat(fd, st) != 0) {
		error = errno;
	} else {
		*why = unfit(st);
	}
	if (*why != NULL)
		error = EINVAL;
	else if (error != 0)
		*why = strerror(error);
	if (error == 0)
		return fd;
	if (fd != -1)
		close(fd);
	errno = error;
	return -1;
}

ssize_t spool_read(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;
	char more;

	/* A regular file gives all that it has, so the read that finds the end is spared. */
	do
		n = pread(fd, buf + len, size - len, (off_t)len);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	len = (size_t)n;
	if (len < size)
		return n;
	do
		n = pread(fd, &more, 1, (off_t)len);
	while (n == -1 && errno == EINTR);
	if (n > 0)
		errno = EFBIG;
	return n == 0 ? (ssize_t)len : -1;
}

bool spool_file_fault(int error)
{
	static const int own[] = {EINVAL, EACCES, EPERM, ELOOP, ENXIO, EFBIG, EBUSY};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (error == own[i])
			return true;
	return false;
}

static int random_suffix(char *buf)
{
	static const char set[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	unsigned char bytes[SUFFIX];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -1;
	for (int i = 0; i < SUFFIX; i++)
		buf[i] = set[bytes[i] % 64];
	buf[SUFFIX] = '\0';
	return 0;
}

int spool_temp(const char *dir, const char *name, char *path)
{
	char *end = &path[SPOOL_PATH - 1], *suffix;
	struct stat st;
	int fd = -1, error;

	suffix = add(path_in(path, end, dir, "/" SPOOL_TMP "/", name), end, ".");
	if (end - suffix < SUFFIX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (int i = 0; i < TRIES && fd == -1; i++) {
		if (random_suffix(suffix) != 0)
			return -1;
		fd = openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0644);
		if (fd == -1 && errno != EEXIST)
			return -1;
	}
	/* A umask, or the folder's ACL, may have made it another one. */
	if (fd == -1 ||
	    (fstat(fd, &st) == 0 && ((st.st_mode & 07777) == 0644 || fchmod(fd, 0644) == 0)))
		return fd;
	error = errno;
	close(fd);
	unlink(path);
	errno = error;
	return -1;
}

static int write_all(int fd, const char *content, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(fd, content + done, len - done, (off_t)done);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

int spool_write(int fd, const char *content, size_t len)
{
	struct stat st;

	if (write_all(fd, content, len) != 0 || fstat(fd, &st) != 0)
		return -1;
	return st.st_size == (off_t)len ? 0 : ftruncate(fd, (off_t)len);
}

static int move(const char *path, const char *to, bool over)
{
	if (over) {
		if (syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, to, RENAME_EXCHANGE) == 0)
			return 1;
		/* It has gone meanwhile, or this file system or kernel can't. */
		if (errno != ENOENT && errno != EINVAL && errno != ENOSYS)
			return -1;
	}
	return rename(path, to);
}

int spool_move(const char *dir, const char *name, const char *path, bool over)
{
	char to[SPOOL_PATH];

	return move(path, spool_heartbeat_path(to, dir, name), over);
}

int spool_discard(const char *path)
{
	int fd = openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	int locked = 0;

	if (fd != -1) {
		locked = spool_locked(fd);
		close(fd);
	}
	return locked == 1 ? 0 : unlink(path);
}

int spool_deliver(const char *dir, const char *name, const char *content, size_t len, bool over,
		  int *held)
{
	/* The two paths lie side by side, mostly on one page. */
	char path[2 * SPOOL_PATH];
	int fd = spool_temp(dir, name, path), moved, error;

	if (fd == -1)
		return -1;
	if (write_all(fd, content, len) != 0 || (held != NULL && spool_lock(fd) != 0))
		goto fail;
	if (held == NULL) {
		/* Closed before it is seen, or the watcher would look at it twice. */
		int closed = close(fd);

		fd = -1;
		if (closed != 0)
			goto fail;
	}
	moved = move(path, spool_heartbeat_path(path + strlen(path) + 1, dir, name), over);
	if (moved == -1)
		goto fail;
	/* A former file that can't be removed undoes nothing: the master sweeps tmp/. */
	if (moved == 1)
		spool_discard(path);
	if (held != NULL)
		*held = fd;
	return 0;
fail:
	error = errno;
	if (fd != -1)
		close(fd);
	unlink(path);
	errno = error;
	return -1;
}

int spool_lock(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == EACCES)
		errno = EAGAIN;
	return -1;
}

int spool_locked(int fd)
{
	/* Asking for a read lock, only a write lock is in the way. */
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
		return -1;
	return lock.l_type != F_UNLCK;
}
