#ifndef DISCO_SERVE_FILTER_H
#define DISCO_SERVE_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "row.h"
#include "state.h"
#include "text.h"

struct caller;

/* Which rows are meant: of each key any glob, and of all keys all; and only what the caller may
 * see. */
struct filter {
	struct caller *caller; /* a reference; NULL: no matter who */
	struct glob {
		enum row_column column; /* ROW_META: a pair of it */
		char *key;		/* "process", "meta.zone" */
		char *pattern;
	} * globs;
	size_t count;
	unsigned states; /* a bit each; 0: all */
};

#define FILTER_GLOBS 64
#define FILTER_PATTERN 256	 /* bytes */
#define FILTER_COSTLY_PATTERN 64 /* with ?, [ or a backslash, */
#define FILTER_COSTLY_VALUE 256	 /* on values that are not longer */
#define FILTER_VALUE 2048 /* a longer value matches no pattern but one without wildcards, and * */

/* NULL, or why a pattern is too long to be matched with every row. */
const char *filter_pattern(const char *);

/*
 * Adds key=value.  NULL, or what is wrong with it (until the next call);
 * "" when the key is none of a filter's.
 */
const char *filter_add(struct filter *, const char *key, const char *value);
void filter_free(struct filter *);
/* To be called when all is added. */
void filter_sort(struct filter *);

bool filter_row(const struct filter *, const struct row *);
/* The same whatever the row's state. */
bool filter_name(const struct filter *, const struct row *);

/* Whether it leaves anything out that there could be. */
bool filter_chooses(const struct filter *);

/* Appends a text that is the same for filters that mean the same rows in the same words. */
void filter_print(const struct filter *, struct text *);

#endif
