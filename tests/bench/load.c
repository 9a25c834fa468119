/*
 * load: makes heartbeat files, touches them, and changes what they say, evenly at a rate.  The
 * last two print how many they made and in how many seconds.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME "app_%07lu"
#define NAME_ROOM 32
#define STRIDE 7919 /* no two neighbours one after the other: real senders know no order */
#define PACE_NS 500000
#define LATE_S 0.01
#define SECOND_NS INT64_C(1000000000)

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: load make dir files\n"
			"       load touch dir files rate seconds\n"
			"       load change dir tmp files rate seconds [state]\n"
			"A rate of 0 is as fast as it goes.\n");
	exit(2);
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND_NS + ts.tv_nsec;
}

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

/* Writes the heartbeat of the nth process, with more lines behind it, as this file. */
static void heartbeat_write(int dirfd, const char *name, unsigned long n, const char *more)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		err(1, "%s", name);
	if (dprintf(fd,
		    "service=svc%03lu\nhost=host%02lu\nip=10.0.%lu.%lu\naddress=10.0.%lu.%lu:%lu\n"
		    "pid=%lu\nstart=%lu\n%s",
		    n % 1000, n % 64, n / 250 % 250, n % 250, n / 250 % 250, n % 250,
		    1024 + n % 60000, 1000 + n, 170000 + n, more) < 0)
		err(1, "%s", name);
	close(fd);
}

/* A sender knows its names: what it costs to print them is not of the load. */
static char (*names_make(unsigned long files))[NAME_ROOM]
{
	char(*names)[NAME_ROOM] = calloc(files, NAME_ROOM);

	if (names == NULL)
		err(1, "names");
	for (unsigned long n = 0; n < files; n++)
		snprintf(names[n], NAME_ROOM, NAME, n);
	return names;
}

static void make(int hb, unsigned long files)
{
	char name[NAME_ROOM];

	for (unsigned long n = 0; n < files; n++) {
		snprintf(name, sizeof(name), NAME, n);
		heartbeat_write(hb, name, n, "");
	}
}

static void touch(int hb, const char *name)
{
	if (utimensat(hb, name, NULL, 0) < 0)
		err(1, "%s", name);
}

/* New content by rename: another line of meta, or warning and active in turn. */
static void change(int hb, int tmp, const char *name, unsigned long n, unsigned long round,
		   int state)
{
	char more[64];

	if (state)
		snprintf(more, sizeof(more), "state=%s\n", round % 2 == 0 ? "warning" : "active");
	else
		snprintf(more, sizeof(more), "meta.at=%lld\n", (long long)now_ns());
	heartbeat_write(tmp, name, n, more);
	if (renameat(tmp, name, hb, name) < 0)
		err(1, "%s", name);
}

int main(int argc, char **argv)
{
	int changing = argc > 1 && strcmp(argv[1], "change") == 0, state = argc > 7;
	char(*names)[NAME_ROOM];
	unsigned long files;
	int64_t began, start, end, now, made = 0;
	double rate;
	int hb, tmp;

	if (argc == 4 && strcmp(argv[1], "make") == 0) {
		make(open_dir(argv[2]), strtoul(argv[3], NULL, 10));
		return 0;
	}
	if (!changing && (argc != 6 || strcmp(argv[1], "touch") != 0))
		usage();
	if (changing && (argc < 7 || argc > 8))
		usage();
	hb = open_dir(argv[2]);
	tmp = changing ? open_dir(argv[3]) : -1;
	argv += changing;
	files = strtoul(argv[3], NULL, 10);
	rate = strtod(argv[4], NULL);
	if (files == 0 || files % STRIDE == 0)
		usage();
	names = names_make(files);
	began = now_ns();
	end = began + (int64_t)(strtod(argv[5], NULL) * SECOND_NS);
	start = began;
	while ((now = now_ns()) < end) {
		const struct timespec pause = {0, PACE_NS};
		int64_t ahead =
		    rate > 0 ? (int64_t)((double)(now - start) * rate / SECOND_NS) - made : 64;
		int busy = (double)ahead > 4 * rate * PACE_NS / SECOND_NS;

		/* Who was kept from working does not make up for it in a burst. */
		if (rate > 0 && ahead > rate * LATE_S) {
			start += (int64_t)((double)ahead / rate * SECOND_NS - LATE_S * SECOND_NS);
			ahead = (int64_t)(rate * LATE_S);
		}
		for (; ahead > 0; ahead--, made++) {
			unsigned long n = (unsigned long)made % files * STRIDE % files;

			if (changing)
				change(hb, tmp, names[n], n, (unsigned long)made / files, state);
			else
				touch(hb, names[n]);
		}
		if (rate > 0 && !busy)
			nanosleep(&pause, NULL);
	}
	printf("%lld %.6f\n", (long long)made, (double)(now_ns() - began) / SECOND_NS);
	return 0;
}
