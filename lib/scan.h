#ifndef DISCO_SCAN_H
#define DISCO_SCAN_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "table.h"

/*
 * From a file in hb/ to its row.  Whatever nudged us, the file is the truth:
 * it is asked anew, and the nudge only tells what may be spared.
 */
enum nudge {
	NUDGE_TOUCHED = 1 << 0, /* attributes */
	NUDGE_CREATED = 1 << 1,
	NUDGE_WRITTEN = 1 << 2,
	NUDGE_CLOSED = 1 << 3, /* by one who had it open for writing */
	NUDGE_MOVED = 1 << 4,  /* in, out, or deleted */
	NUDGE_SCANNED = 1 << 5,
};

#define SCAN_LAST_TRY 9 /* an attempt that takes the file as it is */
#define SCAN_USERS 64

struct scan {
	struct table *table;
	int hbfd;
	/* Told once of each file that is no heartbeat. */
	void (*refused)(const char *name, const char *why);
	/* A file that could not be looked at now, with errno; without it scan_all fails. */
	void (*unread)(const char *name, void *arg);
	/* Called now and then in a scan, so that its caller can see to more urgent things; and to
	 * tell what was found, when other files are being read meanwhile. */
	void (*breathe)(void *arg), (*tell)(void *arg);
	void *arg;
	bool cold;	   /* little is known: a second thread reads ahead in the next scan */
	bool quick;	   /* a scan trusts inode and ctime; else it reads every file */
	uint64_t misnamed; /* names in the last scan that no process may have */
	struct text later; /* names that must be looked at again when the scan is over */
	size_t users;
	struct {
		uid_t uid;
		char name[33];
	} user[SCAN_USERS];
};

/*
 * Looks at one file, whose name has passed name_check.  Returns 0, or in how
 * many milliseconds it wants to be looked at again, with attempt + 1: what is
 * half written, or may be about to lose its lock, can't be told at once.
 * -1 with errno when it could not be looked at, and the file is not to blame.
 */
int scan_look(struct scan *, const char *name, unsigned nudge, int attempt, struct now);

/* Looks at all files, and finds the rows that have lost theirs.  0, or -1 with errno. */
int scan_all(struct scan *, struct now (*clock)(void));

/* Finds out whose the rows are that were loaded, so that all are counted before one comes in. */
void scan_owners(struct scan *);

void scan_free(struct scan *);

#endif
