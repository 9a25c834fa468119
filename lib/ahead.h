#ifndef DISCO_AHEAD_H
#define DISCO_AHEAD_H

#include <sys/stat.h>

#include <stdbool.h>
#include <stddef.h>

#include "heartbeat.h"
#include "name.h"

/*
 * Heartbeat files that are read before they are looked at, by a second thread
 * while the first makes rows of those before.  They come in lots: names are
 * added, then each file is asked for, in their order, then the lot is cleared.
 * Nothing is read ahead of the lot, so who has drained the queues between two
 * lots knows nothing newer than what the files said.
 */
#define AHEAD_LOT 1024
#define AHEAD_LARGEST 1024 /* bytes of content; the few that have more are not read here */

struct ahead_file {
	char name[NAME_LONGEST + 1];
	bool fit;    /* read and understood; else it is to be looked at with all care */
	bool locked; /* it says held=yes, and somebody holds it */
	size_t len;
	struct stat st;
	struct heartbeat hb; /* if fit: to be freed by who asked for the file */
	char content[AHEAD_LARGEST + 2];
};

struct ahead;

/* NULL when memory is out. */
struct ahead *ahead_new(int hbfd);
void ahead_free(struct ahead *);

/* Adds a name that has passed name_check; true when the lot is full. */
bool ahead_add(struct ahead *, const char *name);
size_t ahead_count(const struct ahead *);
/* The i-th file of the lot, read. */
struct ahead_file *ahead_get(struct ahead *, size_t i);
/* When all that are fit have been asked for. */
void ahead_clear(struct ahead *);

#endif
