#ifndef DISCO_VIEW_H
#define DISCO_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "head.h"
#include "index.h"
#include "match.h"
#include "row.h"
#include "text.h"

/* A row as a reader has it. */
struct view_row {
	struct row row; /* first, for the index */
	char *own;	/* its text, when it came by an event or an overlay */
	uint32_t at;	/* its place in the view's rows */
	bool of_table;	/* lives in the view's block */
};

/* What the master published: the table and, over it, the events that followed. */
struct view {
	/* Of the table; but seq is that of the last event applied, the log was read up to
	 * segment and offset, and rows is of no use. */
	struct head head;
	/* Rows by name, and in no order.  The index is made when an event or view_put first needs
	 * it: until then it has fewer than count. */
	struct index index;
	struct view_row **rows;
	size_t count, size;
	struct text table;	/* the lines of the file, which the rows point into, */
	struct view_row *block; /* and the rows themselves */
};

/*
 * Reads the table and the events after it.  0; or -1 with errno, ENOENT when
 * no master has published anything yet (the view is then empty and usable,
 * its limits and tick the defaults), EBADMSG when the table is not one.
 * Who asks only for rows that match need not wait for the others: of the table
 * these are then passed over.  All that the events bring are there, whether
 * they match or not.  only: NULL for all rows.
 */
int view_load(struct view *, const char *dir, struct match *only);
/* Reads a table that comes from elsewhere, from a descriptor up to its end.  0, or -1 with errno.
 */
int view_read(struct view *, int fd);
void view_free(struct view *);

/*
 * Applies one event (or a row line of a keyframe) to the rows; one that is
 * older than what they say already changes nothing.  "forgotten" removes its
 * row, "reset" removes all, "paused" and "resumed" change paused_until_ms.
 * False when memory is out.
 */
bool view_apply(struct view *, const struct event *);

/* Puts a row in, or over the one of its name; the text is copied. */
bool view_put(struct view *, const char *text, size_t len);
/* The row of that name, or NULL.  Before the first event or view_put it looks at each. */
struct view_row *view_find(const struct view *, const char *name, size_t len);

/* How the master is doing, by master.lock. */
enum master_state { MASTER_RUNS, MASTER_STUCK, MASTER_GONE };
/* runs, stuck, gone */
const char *master_name(enum master_state);
/* heard_ms: its last heartbeat (CLOCK_REALTIME), 0 if there was never one. Stuck is older than
 * three ticks. */
enum master_state view_master(const char *dir, int64_t tick_ms, int64_t *heard_ms);

/*
 * When no master does it: lays hb/ over the rows and judges them by the
 * header's thresholds, as of now.  0, or -1 with errno.
 */
int view_overlay(struct view *, const char *dir);

#endif
