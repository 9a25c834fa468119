#ifndef DISCO_MATCH_H
#define DISCO_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "row.h"
#include "text.h"

/* Which rows are meant.  All zero but states (1u << state) is all of these states. */
struct match {
	char *const *patterns; /* globs over process and service; any of them */
	size_t count;
	const char *service; /* a glob, or NULL */
	unsigned states;
	struct text scratch;
};

#define MATCH_ALL_STATES ((1u << STATES) - 1)

/* Wildcards that may take as long as the pattern is long times the value. */
#define MATCH_COSTLY "?[\\"

/* Whether a shell glob matches a value. */
bool match_glob(const char *pattern, const char *value);

bool match_row(struct match *, const struct row *);
/* The same without the states. */
bool match_name(struct match *, const struct row *);
/* Whether it asks for anything but all rows. */
bool match_chooses(const struct match *);

#endif
