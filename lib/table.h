#ifndef DISCO_TABLE_H
#define DISCO_TABLE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "heartbeat.h"
#include "index.h"
#include "row.h"
#include "stamp.h"
#include "text.h"

/*
 * The discovery table in memory and the rules that move it.  It asks no clock
 * and opens no file: what was seen, and when, are arguments, and what changed
 * is left in .events for whoever keeps the log.
 */

/* A moment, on the two clocks that matter: ages run on the first, stamps show the second. */
struct now {
	int64_t mono_ms; /* CLOCK_MONOTONIC */
	int64_t real_ms; /* CLOCK_REALTIME */
};

/* What was seen of a heartbeat file. */
struct seen {
	uint64_t ino;
	int64_t ctime_ns;
	uid_t uid;
	const char *user; /* the name of uid, or its number */
	bool locked;	  /* somebody holds a write lock on it */
};

enum process_flag {
	P_LISTED =
	    1 << 0, /* has a row; else it is a file that was refused, or could not be removed */
	P_HELD = 1 << 1,     /* its content says held=yes */
	P_LOCKED = 1 << 2,   /* and this very file was seen locked */
	P_CLOSED = 1 << 3,   /* it was closed without leaving */
	P_REMOVED = 1 << 4,  /* its file is gone */
	P_LATE = 1 << 5,     /* silent for warnAfter, and judged so */
	P_SILENT = 1 << 6,   /* the same for errorAfter */
	P_CONFLICT = 1 << 7, /* two processes beat under this name */
	P_HALF = 1 << 8,     /* silent for half of warnAfter */
	P_SPARED = 1 << 9,   /* was let off once for a mass silence, since its last beat */
	P_VEILED = 1 << 10,  /* shows another state than its content says */
	P_FOUND = 1 << 11,   /* its file was there in the scan that is under way */
	P_GONE = 1 << 12,    /* forgotten; freed when nobody walks the order */
	P_LOADED = 1 << 13,  /* came from an earlier master's table and was not looked at yet */
	P_REFUSED = 1 << 14, /* what its file holds now is no heartbeat */
	P_UNREAD = 1 << 15,  /* it was written to since it was last read */
};

/* What is known of the owner of its file; see table_admit. */
enum owner_flag {
	OWNER_COUNTED = 1 << 0, /* this row is one of those of its uid */
	OWNER_FITS = 1 << 1,	/* the owners were asked, and that uid may have the name */
	OWNER_DENIED = 1 << 2,	/* its file is refused, because of whose it is */
};

struct rival;
struct owners;

/*
 * One process.  Its row is its text, patched in place: lastHb has a fixed
 * width and the counter, behind it, grows ten times in a life.  104 bytes, for
 * which malloc(3) takes 112; with one more it would be 128.
 */
struct process {
	char *line; /* the row and its newline; "NAME\t" when it is not listed.  First, for the
		       index */
	LIST_ENTRY(process) due;
	struct rival *rival; /* the identity before this one; or NULL */
	uint64_t ino;
	int64_t ctime_ns;      /* of the last beat seen */
	int64_t beat_ms : 48;  /* the same on CLOCK_MONOTONIC */
	uint64_t len : 16;     /* of line */
	int64_t state_ms : 48; /* when this master saw it enter its state, CLOCK_MONOTONIC */
	uint64_t last_hb : 16; /* offset of that column */
	uint64_t counter : 48;
	uint64_t flags : 16;
	struct limits limits;
	uid_t uid;
	uint8_t state, said;
	uint8_t owner; /* enum owner_flag */
};

LIST_HEAD(due, process);
#define WHEEL_SLOTS 8192
#define WHEEL_MS 64 /* one slot */

enum forget {
	FORGET_DONE,  /* the file is gone */
	FORGET_LATER, /* it beat just now, or somebody holds it: keep the row */
	FORGET_STUCK, /* it can't be removed: ignore it until its ctime moves */
};

struct table {
	struct limits limits; /* of processes that ask for none */
	uint64_t seq;	      /* of the last change */
	size_t rows;
	uint64_t refused;     /* files in hb/ that are no heartbeats, now */
	uint64_t misnamed;    /* and those whose names no process may have */
	int64_t drained_ms;   /* when all that had happened was last known (CLOCK_MONOTONIC) */
	int64_t grace_ms;     /* nobody is judged before this */
	int64_t pause_ms;     /* rows of a mass silence are not judged before this; 0: no pause */
	bool grace_told;      /* by an event, so its end is told too */
	bool changed, beaten; /* since the caller last cleared them */
	bool rebooted;	      /* rows that were loaded may have no file: that is no removal */
	bool alone;	      /* no master's table: a mass silence is not doubted */
	struct text events;   /* lines for the log, in order */
	/* Removes the file of a process that is to be forgotten. */
	enum forget (*forget)(void *arg, const struct process *);
	void *arg;

	const struct owners *owners; /* who may have which name; NULL: each who likes */
	size_t user_most;	     /* rows of one user; 0: no limit */
	uid_t user_free;	     /* who like root has no limit */
	struct index users;	     /* how many rows each has */
	bool unsettled;		     /* memory was out: a row is behind its process */
	bool room;		     /* what was refused for its owner may do now: look again */

	struct index index;
	struct process **order; /* by name, as table_order left it */
	size_t ordered;
	struct process **news; /* joined since, in no order */
	size_t news_count, news_size;
	struct due gone;
	size_t beating,
	    half; /* active rows that beat more than once; of them, silent for half of warnAfter */
	struct due wheel[WHEEL_SLOTS];
	int64_t wheel_ms; /* all slots before this were visited */
	struct text content, line, reason;
	int64_t stamped_ms; /* the time that was printed last, */
	char stamp[STAMP_LENGTH];
};

/* An empty table; memory of it is given back by table_free.  NULL when memory is out. */
struct table *table_new(const struct limits *, struct now);
void table_free(struct table *);

/* The process of that name, listed or not; or NULL. */
struct process *table_find(const struct table *, const char *name, size_t len);

/*
 * Takes up a row of an earlier master's table.  A row that is there already
 * stays as it is.  False when memory is out.
 */
bool table_load(struct table *, const struct row *, struct now);

/*
 * The file of a process was read: it joins, beats, changes, restarts, as the
 * content and the ctime say.  The process is the one of that name, or NULL when
 * there is none.  False with errno: ENOMEM, or EFBIG when no row can hold that.
 */
bool table_content(struct table *, struct process *, const char *name, const struct seen *,
		   const struct heartbeat *, struct now);

/*
 * The same file was seen with this ctime, and nothing tells of new content.
 * False when it must be read all the same (table_content then): the row shows
 * something that the beat may end, or the file may have been locked since.
 */
bool table_touch(struct table *, struct process *, int64_t ctime_ns, struct now);

/* The file beat, but what it says can't be read now, or not yet: the row keeps its content. */
void table_touch_blindly(struct table *, struct process *, const struct seen *, struct now);

/* hb/NAME is gone. */
void table_removed(struct table *, struct process *, struct now);

/*
 * Remembers a file that is refused, so that it is refused only once; a listed
 * process only notes its ctime.  True when this is news.
 */
bool table_refuse(struct table *, const char *name, const struct seen *, struct now);

/*
 * Whether a file of that user counts under this name, before anything else is
 * made of it; p is the process of the name, or NULL.
 */
enum admit {
	ADMIT_YES,
	ADMIT_OWNERS, /* others may have that name, and this one not */
	ADMIT_FULL,   /* the user has as many rows as he may */
};
enum admit table_admit(const struct table *, const struct process *p, const char *name, uid_t uid);

/*
 * Remembers a file that does not count for its owner: it neither joins, nor
 * beats, nor changes the row that is there, unless that row's own file had to
 * be gone for it: then it is removed.  True when that is to be told: once for
 * each file of the wrong owner, and once for each user who has too many.
 */
bool table_deny(struct table *, const char *name, const struct seen *, enum admit, struct now);

/* The owners have changed: all are asked anew.  The caller keeps them. */
void table_owners(struct table *, const struct owners *);

/* A row that was loaded is that user's, whose file is there. */
void table_own(struct table *, struct process *, uid_t uid);

/* Judges silence.  Call it only when all beats up to now were handed in. */
void table_expire(struct table *, struct now);

/*
 * Nobody is judged for one warning period of the master's: it was away.  why
 * makes an event of it, or NULL.
 */
void table_grace(struct table *, const char *why, struct now);

/* A scan of all files begins; at its end what was not found is removed. */
void table_scan_begin(struct table *);
void table_scan_end(struct table *, struct now);

/*
 * Brings the order up to date: order[0..ordered) are the listed rows by name.
 * Rows that leave later stay in it (P_GONE) and joining ones stay out until
 * the next call, so a slow writer can walk it.  False when memory is out; the
 * order is then the old one.
 */
bool table_order(struct table *);

/*
 * Appends rows of the order, from the next-th on, each behind the prefix, until
 * there are TABLE_SLICE bytes or no more rows.  Returns where to go on.
 */
#define TABLE_SLICE 32768
size_t table_slice(const struct table *, size_t next, const char *prefix, struct text *);

/* Appends the table's header, up to its last fixed key; the caller ends the line. */
void table_header(const struct table *, struct text *, int64_t tick_ms, const char *boot,
		  uint64_t segment, int64_t offset, struct now);

#endif
