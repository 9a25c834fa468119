/* Reads heartbeat files ahead: two threads take one after the other, one of them makes the rows. */
#include "ahead.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool.h"

#define TURN 16 /* files that one of the two reads before it looks for more */

struct ahead {
	int hbfd;
	pthread_t thread;
	bool threaded, stop;
	pthread_mutex_t mutex;	   /* of what follows, and of done[] */
	pthread_cond_t some, read; /* there are files to be read; some were */
	size_t count, next;	   /* those before next are being read, or are done */
	bool done[AHEAD_LOT];
	/* Of who asks alone: names that are there, and files that are known to be done. */
	size_t added, got;
	struct ahead_file files[AHEAD_LOT];
};

static void file_read(int hbfd, struct ahead_file *file)
{
	const char *why;
	int fd = spool_open_heartbeat(hbfd, file->name, &file->st, &why);
	ssize_t len;

	file->fit = file->locked = false;
	if (fd < 0)
		return;
	len = spool_read(fd, file->content, AHEAD_LARGEST);
	if (len >= 0) {
		file->len = (size_t)len;
		file->locked = heartbeat_says_held(file->content, len) && spool_locked(fd) == 1;
		file->fit = heartbeat_parse(file->content, file->len, &file->hb) == NULL;
	}
	close(fd);
}

/* Reads the next files that nobody has begun; the mutex is held, but not meanwhile. */
static void next_read(struct ahead *ahead)
{
	size_t from = ahead->next, to = ahead->count - from < TURN ? ahead->count : from + TURN;

	ahead->next = to;
	pthread_mutex_unlock(&ahead->mutex);
	for (size_t i = from; i < to; i++)
		file_read(ahead->hbfd, &ahead->files[i]);
	pthread_mutex_lock(&ahead->mutex);
	for (size_t i = from; i < to; i++)
		ahead->done[i] = true;
	pthread_cond_signal(&ahead->read);
}

static void *run(void *arg)
{
	struct ahead *ahead = arg;

	pthread_mutex_lock(&ahead->mutex);
	while (!ahead->stop) {
		if (ahead->next < ahead->count)
			next_read(ahead);
		else
			pthread_cond_wait(&ahead->some, &ahead->mutex);
	}
	pthread_mutex_unlock(&ahead->mutex);
	return NULL;
}

struct ahead *ahead_new(int hbfd)
{
	struct ahead *ahead = calloc(1, sizeof(*ahead));

	if (ahead == NULL)
		return NULL;
	ahead->hbfd = hbfd;
	pthread_mutex_init(&ahead->mutex, NULL);
	pthread_cond_init(&ahead->some, NULL);
	pthread_cond_init(&ahead->read, NULL);
	return ahead;
}

void ahead_free(struct ahead *ahead)
{
	if (ahead == NULL)
		return;
	if (ahead->threaded) {
		pthread_mutex_lock(&ahead->mutex);
		ahead->stop = true;
		pthread_cond_signal(&ahead->some);
		pthread_mutex_unlock(&ahead->mutex);
		pthread_join(ahead->thread, NULL);
	}
	pthread_cond_destroy(&ahead->some);
	pthread_cond_destroy(&ahead->read);
	pthread_mutex_destroy(&ahead->mutex);
	free(ahead);
}

/* The names that were added are to be read. */
static void publish(struct ahead *ahead)
{
	if (ahead->count == ahead->added)
		return;
	pthread_mutex_lock(&ahead->mutex);
	if (ahead->next == ahead->count) /* it had nothing left to read */
		pthread_cond_signal(&ahead->some);
	ahead->count = ahead->added;
	pthread_mutex_unlock(&ahead->mutex);
}

bool ahead_add(struct ahead *ahead, const char *name)
{
	bool full;

	strcpy(ahead->files[ahead->added].name, name);
	ahead->done[ahead->added++] = false;
	full = ahead->added == AHEAD_LOT;
	if (ahead->added % TURN == 0)
		publish(ahead);
	/* A few files are not worth a thread; without one all is read by who asks. */
	if (full && !ahead->threaded)
		ahead->threaded = pthread_create(&ahead->thread, NULL, run, ahead) == 0;
	return full;
}

size_t ahead_count(const struct ahead *ahead)
{
	return ahead->added;
}

struct ahead_file *ahead_get(struct ahead *ahead, size_t i)
{
	if (i < ahead->got)
		return &ahead->files[i];
	publish(ahead);
	pthread_mutex_lock(&ahead->mutex);
	while (!ahead->done[i]) {
		if (ahead->next < ahead->count)
			next_read(ahead);
		else
			pthread_cond_wait(&ahead->read, &ahead->mutex);
	}
	while (ahead->got < ahead->added && ahead->done[ahead->got])
		ahead->got++;
	pthread_mutex_unlock(&ahead->mutex);
	return &ahead->files[i];
}

void ahead_clear(struct ahead *ahead)
{
	pthread_mutex_lock(&ahead->mutex);
	ahead->count = ahead->next = ahead->added = ahead->got = 0;
	pthread_mutex_unlock(&ahead->mutex);
}
