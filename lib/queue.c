/* A pass over an inotify queue. */
#include "queue.h"

#include <errno.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <unistd.h>

void queue_begin(struct queue *queue, int fd)
{
	queue->fd = fd;
	queue->rest = -1;
	queue->last = false;
	queue->error = 0;
	queue->at = queue->end = queue->buf;
}

static bool fill(struct queue *queue)
{
	ssize_t len = read(queue->fd, queue->buf, sizeof(queue->buf));

	if (len <= 0) {
		queue->last = true;
		queue->error = len < 0 && errno != EAGAIN && errno != EINTR ? errno : 0;
		return false;
	}
	queue->at = queue->buf;
	queue->end = queue->buf + len;
	/* Less than would fit: the queue was empty when this was read. */
	if ((size_t)len < sizeof(queue->buf) - sizeof(struct inotify_event) - NAME_MAX - 1)
		queue->rest = 0;
	else if (queue->rest >= 0)
		queue->rest -= (int)len;
	else if (ioctl(queue->fd, FIONREAD, &queue->rest) < 0)
		queue->rest = 0;
	queue->last = queue->rest <= 0;
	return true;
}

const struct inotify_event *queue_next(struct queue *queue)
{
	const struct inotify_event *event;

	if (queue->at == queue->end && (queue->last || !fill(queue)))
		return NULL;
	event = (const struct inotify_event *)(const void *)queue->at;
	queue->at += sizeof(*event) + event->len;
	return event;
}
