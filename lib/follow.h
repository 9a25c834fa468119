#ifndef DISCO_FOLLOW_H
#define DISCO_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "row.h"
#include "text.h"

/*
 * Reads the event log as it grows.  It subscribes first and reads then, so
 * nothing falls between; it gives complete lines only, each event once and in
 * order, whatever happens to segments and masters meanwhile.  When events
 * were lost, because the log went on without us or was made anew, it says so:
 * it gives an event "reset" (of process "*"), the keyframe of the newest
 * segment as "row" events, "sync", and then what follows.
 */
struct follow {
	char *events, *spool, *parent; /* paths */
	int inotify, watch_events, watch_spool, watch_parent;
	int fd; /* of the segment, or -1 */
	uint64_t segment, ino;
	int64_t offset;	   /* of the first byte that was not given yet */
	uint64_t seq;	   /* of the last event given or passed over */
	int64_t listed_ms; /* when the folder was last looked at */
	bool reset;	   /* to be given next */
	bool keyframe;	   /* is given, not passed over */
	bool moving;	   /* there is a newer segment: this one is final */
	bool drained;	   /* the queue was read in this pass */
	bool changed;	   /* the folder may have */
	struct text buf;   /* what was read from offset - at on */
	size_t at;	   /* how much of it was given */
};

/*
 * Subscribes to the log of the spool in dir; nothing of it need be there yet.
 * One of the starts must follow.  0, or -1 with errno.  follow_open_once does
 * not subscribe: for whoever reads to the end and closes.
 */
int follow_open(struct follow *, const char *dir);
int follow_open_once(struct follow *, const char *dir);
void follow_close(struct follow *);

/*
 * Readable when follow_next may have something.  Call that once a second too,
 * for what the kernel does not tell.  -1 when the kernel tells nothing at all.
 */
int follow_fd(const struct follow *);

/* Begins with what comes after the last event that is there now.  0, or -1 with errno. */
int follow_start_at_end(struct follow *);

/* Begins after the event seq, with a reset if that is not, or no longer, in the log.  0, or -1 with
 * errno. */
int follow_start_since(struct follow *, uint64_t seq);

/* Begins in a segment, at the beginning of a line, after the event seq: where a view ends. */
void follow_start_at(struct follow *, uint64_t segment, int64_t offset, uint64_t seq);

/* Begins with the keyframe of the newest segment, and no reset.  0, or -1 with errno. */
int follow_start_keyframe(struct follow *);

/*
 * The next event: 1; it points into the follower and lives until the next
 * call.  0 when there is none for now.  -1 with errno.
 */
int follow_next(struct follow *, struct event *);

/* Whether the next event is at hand, so that to ask for it costs nothing. */
bool follow_at_hand(const struct follow *);

#endif
