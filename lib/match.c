/* Rows chosen by globs and states. */
#include "match.h"

#include <fnmatch.h>
#include <string.h>

/* A pattern whose only wildcards are stars, in time that grows with the value alone: who may write
 * patterns must not be able to keep us busy.  star: the first. */
static bool match_stars(const char *pattern, const char *star, const char *value)
{
	size_t len = (size_t)(star - pattern), rest;

	if (strncmp(pattern, value, len) != 0)
		return false;
	value += len;
	rest = strlen(value);
	for (pattern = star + 1; (star = strchr(pattern, '*')) != NULL; pattern = star + 1) {
		const char *found;

		len = (size_t)(star - pattern);
		found = memmem(value, rest, pattern, len);
		if (found == NULL)
			return false;
		rest -= (size_t)(found - value) + len;
		value = found + len;
	}
	len = strlen(pattern);
	return rest >= len && memcmp(value + rest - len, pattern, len) == 0;
}

bool match_glob(const char *pattern, const char *value)
{
	const char *star = strchr(pattern, '*');

	if (pattern[strcspn(pattern, MATCH_COSTLY)] != '\0')
		return fnmatch(pattern, value, 0) == 0;
	return star != NULL ? match_stars(pattern, star, value) : strcmp(pattern, value) == 0;
}

static const char *value(struct match *m, const struct row *row, enum row_column column)
{
	text_clear(&m->scratch);
	text_untsv(&m->scratch, row_value(row, column), row_length(row, column));
	return text_cstr(&m->scratch);
}

bool match_name(struct match *m, const struct row *row)
{
	if (m->service != NULL && !match_glob(m->service, value(m, row, ROW_SERVICE)))
		return false;
	if (m->count == 0)
		return true;
	for (size_t i = 0; i < m->count; i++)
		if (match_glob(m->patterns[i], value(m, row, ROW_PROCESS)) ||
		    match_glob(m->patterns[i], value(m, row, ROW_SERVICE)))
			return true;
	return false;
}

bool match_row(struct match *m, const struct row *row)
{
	return m->states & 1u << row_state(row) && match_name(m, row);
}

bool match_chooses(const struct match *m)
{
	return m->service != NULL || m->count > 0 || m->states != MATCH_ALL_STATES;
}
