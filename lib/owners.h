#ifndef DISCO_OWNERS_H
#define DISCO_OWNERS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

/*
 * Who may have which name in a spool, by lines "GLOB USER...": the first line
 * whose glob matches a name decides, and a name that none matches is free.  A
 * USER is a name of passwd(5), a number, or @GROUP.
 */
struct owners {
	char *text; /* which the globs are in */
	struct owners_rule {
		const char *glob;
		struct owners_who {
			bool group; /* whose primary group that is */
			unsigned id;
		} * who;
		size_t count;
	} * rules;
	size_t count;
};

/* Reads the lines.  False when they are wrong: then why says "LINE: reason", and there is nothing
 * to free. */
bool owners_parse(struct owners *, const char *text, size_t len, struct text *why);
void owners_free(struct owners *);

/* Whether that user may have that name. */
bool owners_allow(const struct owners *, const char *name, uid_t uid);

#endif
