/*
 * death: kills processes that hold a heartbeat, and others that hold a plain file, in turn.  On
 * standard input is what disco-watch tells.  Prints a line for each pair: the nanoseconds from
 * the kill to the line that tells of it, and from the kill to inotify's event of the plain file.
 */
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 120
#define JITTER_NS 5000000 /* so that no pace is met always at the same place */

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void path_in(const char *dir, const char *name, char path[PATH_MAX])
{
	if (snprintf(path, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
		errx(1, "%s: too long", dir);
}

/* Holds a heartbeat as disco-hb -i does. */
static void hold_heartbeat(const char *spool, const char *name)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char from[PATH_MAX], to[PATH_MAX], part[64];
	int fd;

	snprintf(part, sizeof(part), "tmp/%s", name);
	path_in(spool, part, from);
	snprintf(part, sizeof(part), "hb/%s", name);
	path_in(spool, part, to);
	fd = open(from, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || dprintf(fd, "service=dying\npid=%d\nheld=yes\n", (int)getpid()) < 0 ||
	    fcntl(fd, F_OFD_SETLK, &lock) < 0 || rename(from, to) < 0)
		err(1, "%s", to);
}

static void hold_plain(const char *dir, const char *name)
{
	char path[PATH_MAX];

	path_in(dir, name, path);
	if (open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644) < 0)
		err(1, "%s", path);
}

/* A process that holds such a file, once it does. */
static pid_t born(void (*hold)(const char *, const char *), const char *dir, const char *name)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready) < 0 || (pid = fork()) < 0)
		err(1, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		hold(dir, name);
		if (write(ready[1], "", 1) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		errx(1, "%s: not held", name);
	close(ready[0]);
	return pid;
}

/* Kills it a moment later; when that was. */
static int64_t killed(pid_t pid)
{
	const struct timespec moment = {0, random() % JITTER_NS};
	int64_t at;

	nanosleep(&moment, NULL);
	at = now_ns();
	kill(pid, SIGKILL);
	return at;
}

/* Reads what disco-watch tells until a line has both words. */
static void told(const char *sign, const char *name)
{
	static char line[4096];
	static size_t len;
	ssize_t n;
	char *end;

	for (;;) {
		while ((end = memchr(line, '\n', len)) != NULL) {
			bool is_it;

			*end++ = '\0';
			is_it = strstr(line, sign) != NULL && strstr(line, name) != NULL;
			len -= (size_t)(end - line);
			memmove(line, end, len);
			if (is_it)
				return;
		}
		if ((n = read(STDIN_FILENO, line + len, sizeof(line) - len)) <= 0)
			errx(1, "disco-watch has ended");
		len += (size_t)n;
	}
}

int main(int argc, char **argv)
{
	char queue[4096], name[32];
	int inotify = inotify_init1(IN_CLOEXEC);
	int64_t at, ours;

	if (argc != 4) {
		fprintf(stderr, "usage: disco-watch ... | death spool folder count\n");
		return 2;
	}
	if (inotify < 0 || inotify_add_watch(inotify, argv[2], IN_CLOSE_WRITE) < 0)
		err(1, "%s", argv[2]);
	alarm(PATIENCE_S);
	for (int i = 0; i < atoi(argv[3]); i++) {
		pid_t pid;

		snprintf(name, sizeof(name), "dying_%d_%d", (int)getpid(), i);
		pid = born(hold_heartbeat, argv[1], name);
		told(" + ", name);
		at = killed(pid);
		told(" ! ", name);
		ours = now_ns() - at;
		waitpid(pid, NULL, 0);

		pid = born(hold_plain, argv[2], name);
		at = killed(pid);
		if (read(inotify, queue, sizeof(queue)) <= 0)
			err(1, "inotify");
		printf("%lld %lld\n", (long long)ours, (long long)(now_ns() - at));
		waitpid(pid, NULL, 0);
	}
	return 0;
}
