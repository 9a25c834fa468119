/* Rows chosen by globs and states. */
#include "match.h"

#include <fnmatch.h>
#include <string.h>

bool match_glob(const char *pattern, const char *value)
{
	if (pattern[strcspn(pattern, "*?[\\")] == '\0')
		return strcmp(pattern, value) == 0;
	return fnmatch(pattern, value, 0) == 0;
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
