#ifndef DISCO_QUEUE_H
#define DISCO_QUEUE_H

#include <sys/inotify.h>

#include <stdbool.h>

/*
 * What an inotify instance has to tell, read without waiting.  A pass goes over what is there when
 * it begins, and perhaps some of what comes meanwhile: one that fills as fast as it is read has no
 * end, and who reads it has other things to do too.
 */
struct queue {
	int fd;
	int rest;	      /* bytes that were behind what was read first; -1: not known yet */
	bool last;	      /* nothing more is to be read in this pass */
	int error;	      /* why that failed, or 0 */
	const char *at, *end; /* what was read, and not given yet */
	_Alignas(struct inotify_event) char buf[65536];
};

/* Begins a pass over the queue of this descriptor, which is not blocking. */
void queue_begin(struct queue *, int fd);

/* The next event of the pass, which lives until the next call; NULL at its end. */
const struct inotify_event *queue_next(struct queue *);

#endif
