/*
 * floor: only the system calls without which a job of disco's can't be done.  It is linked as
 * disco-hb is, so that it starts as fast.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_BYTES 65536
#define BEATS_NS 2000000 /* as long as the master lets beats wait */
#define LARGEST 16384	 /* heartbeat */

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: floor deliver temporary path text\n"
			"       floor touched dir\n"
			"       floor changed dir\n"
			"       floor scan dir\n");
	exit(2);
}

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

/* A heartbeat is written and moved to its place. */
static void deliver(const char *temporary, const char *path, const char *text)
{
	int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0 || close(fd) < 0 ||
	    rename(temporary, path) < 0)
		err(1, "%s", path);
}

static void stat_one(int dirfd, const char *name)
{
	struct stat st;

	fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW);
}

static void read_one(int dirfd, const char *name)
{
	static char content[LARGEST];
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || read(fd, content, sizeof(content)) < 0)
		return;
	close(fd);
}

static void wait_until(struct timespec *ts, long after_ns)
{
	ts->tv_nsec += after_ns;
	if (ts->tv_nsec >= 1000000000) {
		ts->tv_nsec -= 1000000000;
		ts->tv_sec++;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, ts, NULL);
}

/*
 * Sees to each file that the kernel tells of, until it is killed.  One drain begins so long after
 * another at least, as with the master.
 */
static void drain(const char *dir, unsigned mask, void (*see)(int, const char *), long apart_ns)
{
	static char queue[QUEUE_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct timespec began;
	struct pollfd fd = {inotify_init1(IN_NONBLOCK | IN_CLOEXEC), POLLIN, 0};
	int dirfd = open_dir(dir);
	ssize_t len;

	if (fd.fd < 0 || inotify_add_watch(fd.fd, dir, mask) < 0)
		err(1, "inotify");
	if (puts("ready") == EOF || fflush(stdout) == EOF)
		err(1, "stdout");
	while (poll(&fd, 1, -1) > 0) {
		clock_gettime(CLOCK_MONOTONIC, &began);
		while ((len = read(fd.fd, queue, sizeof(queue))) > 0) {
			for (char *at = queue; at < queue + len;) {
				struct inotify_event *event = (struct inotify_event *)(void *)at;

				if (event->mask & IN_Q_OVERFLOW)
					errx(1, "overflow");
				see(dirfd, event->name);
				at += sizeof(*event) + event->len;
			}
			if ((size_t)len <
			    sizeof(queue) - sizeof(struct inotify_event) - NAME_MAX - 1)
				break;
		}
		if (apart_ns > 0)
			wait_until(&began, apart_ns);
	}
}

static void scan(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (dir == NULL)
		err(1, "%s", path);
	while ((entry = readdir(dir)) != NULL)
		stat_one(dirfd(dir), entry->d_name);
	closedir(dir);
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "deliver") == 0)
		deliver(argv[2], argv[3], argv[4]);
	else if (argc == 3 && strcmp(argv[1], "touched") == 0)
		drain(argv[2], IN_ATTRIB, stat_one, BEATS_NS);
	else if (argc == 3 && strcmp(argv[1], "changed") == 0)
		drain(argv[2], IN_MOVED_TO, read_one, 0);
	else if (argc == 3 && strcmp(argv[1], "scan") == 0)
		scan(argv[2]);
	else
		usage();
	return 0;
}
