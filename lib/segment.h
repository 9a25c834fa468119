#ifndef DISCO_SEGMENT_H
#define DISCO_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "table.h"
#include "text.h"

/*
 * A segment of the event log is a file events/SEQ, SEQ being 20 digits:
 *
 *   #disco-events 1 seq=SEQ time=2026-11-24T03:14:26.230Z rows=N
 *   seq	time	event	from	process	...          (the column names)
 *   SEQ	TIME	row		...                  (the keyframe: N of these,
 *   SEQ	TIME	sync		*	...           closed by one of these)
 *   SEQ+1	TIME	joined		...                  (then what changed)
 *
 * The keyframe is the table as it was after SEQ (its rows may be newer, then
 * the events that made them so follow; applying them again changes nothing).
 * A new segment appears by rename, whole up to its sync; all events up to
 * that moment are in the old one too, and none is written to the old one after.
 * A line is complete when its newline is there.
 */
#define SEGMENT_NAME 21 /* bytes, with the NUL */

void segment_name(char *buf, uint64_t seq);
/* Whether a directory entry is the name of a segment; its seq. */
int segment_parse(const char *name, uint64_t *seq);

/* The segments in a folder, oldest first; the caller frees *seqs.  How many, or -1 with errno. */
int segment_list(int dirfd, uint64_t **seqs);

/* The length of a segment up to its last newline; -1 with errno. */
int64_t segment_whole(int fd);

struct log_limits {
	int64_t segment_bytes; /* a segment may grow by this after its keyframe, or by the
				  keyframe's size */
	int64_t total_bytes;   /* all may have this, or four times the keyframe */
	int segments;	       /* at most so many */
};
extern const struct log_limits log_limits_default;

/* The log, as its one writer has it. */
struct log {
	struct log_limits limits;
	int dirfd, fd;
	uint64_t last; /* event in it when it was opened; 0: not known */
	bool gap;      /* events are missing in it: begin anew, so that readers see it */
	uint64_t segment;
	int64_t offset;	  /* its length, all complete lines */
	int64_t keyframe; /* the length of its keyframe */
	/* The segment that is being begun, under a temporary name. */
	int next_fd;
	uint64_t next_segment;
	int64_t next_offset;
	size_t next_row;
	struct text slice, backlog;
};

/*
 * Opens the log in a spool and cuts off a line that the last writer did not
 * finish.  Without a segment log->fd is -1 and one must be begun.  0, or -1
 * with errno.
 */
int log_open(struct log *, const char *dir, const struct log_limits *);
void log_close(struct log *);

/*
 * Appends the events and clears them.  What could not be written stays in the
 * text, to be tried again: -1 with errno.  Each line is written once.  Of a
 * text that failed goes what it has; then there is a gap, behind which nothing
 * is written until a new segment is begun.
 */
int log_append(struct log *, struct text *events);

/* Whether it is time for a new segment. */
bool log_full(const struct log *);

/*
 * Begins a new segment with the table's order as keyframe, and goes on with
 * it: 0 when there is more to do, 1 when the new segment is in use, -1 with
 * errno (it is given up then, and the old one goes on where there is no gap).
 */
int log_begin(struct log *, const struct table *, struct now);
int log_continue(struct log *, const struct table *, struct now);
bool log_beginning(const struct log *);

#endif
