/* A pass over an inotify queue gives what was there, once and in order, and ends. */
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue.h"
#include "tap.h"

#define FILES 3

static char names[FILES][8] = {"a", "b", "c"};
static struct queue queue;

/* Another event, which is not that of the moment before. */
static void touch(int dirfd, int n)
{
	if (utimensat(dirfd, names[n % FILES], NULL, 0) < 0)
		err(1, "%s", names[n % FILES]);
}

/* A pass in which each event makes another one; how many there were, or -1 if one was wrong. */
static int pass(int fd, int dirfd, int *next, int made)
{
	const struct inotify_event *event;
	int count = 0;

	queue_begin(&queue, fd);
	while ((event = queue_next(&queue)) != NULL) {
		if (strcmp(event->name, names[*next % FILES]) != 0)
			return -1;
		++*next;
		if (++count > 100 * made)
			return count; /* it has no end */
		touch(dirfd, made + count - 1);
	}
	return count;
}

int main(void)
{
	static const int numbers[] = {1, 100, 2047, 2048, 10000};
	char dir[] = "/tmp/test_queue.XXXXXX";
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), dirfd;

	if (mkdtemp(dir) == NULL || (dirfd = open(dir, O_RDONLY | O_DIRECTORY)) < 0)
		err(1, "%s", dir);
	for (int i = 0; i < FILES; i++)
		close(openat(dirfd, names[i], O_WRONLY | O_CREAT, 0644));
	if (inotify_add_watch(fd, dir, IN_ATTRIB) < 0)
		err(1, "inotify");
	queue_begin(&queue, fd);
	ok(queue_next(&queue) == NULL && queue.error == 0,
	   "an empty queue has nothing, and no error");
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int made = numbers[i], next = 0, count;

		for (int n = 0; n < made; n++)
			touch(dirfd, n);
		count = pass(fd, dirfd, &next, made);
		ok(count >= made, "%d: all that was there, in order", made);
		/* A buffer holds 2,048 of these events. */
		ok(count <= made + 4096, "%d: and an end, though each makes another", made);
		/* The rest, so that the next begins with the first name. */
		queue_begin(&queue, fd);
		while (queue_next(&queue) != NULL)
			next++;
		ok(next == made + count, "%d: what came meanwhile is in the next pass", made);
	}
	queue_begin(&queue, -1);
	ok(queue_next(&queue) == NULL && queue.error != 0, "what can't be read is an error");
	for (int i = 0; i < FILES; i++)
		unlinkat(dirfd, names[i], 0);
	rmdir(dir);
	return tap_done();
}
