#ifndef DISCO_SEGMENT_H
#define DISCO_SEGMENT_H

#include <stdint.h>

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

#endif
