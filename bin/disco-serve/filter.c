/* Filters, as they stand in a query or in a subscription. */
#include "filter.h"

#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "match.h"

static const struct {
	const char *key;
	enum row_column column;
} keys[] = {{"process", ROW_PROCESS}, {"service", ROW_SERVICE}, {"host", ROW_HOST}};

static bool has_wildcards(const char *pattern)
{
	return pattern[strcspn(pattern, "*?[\\")] != '\0';
}

static bool is_costly(const char *pattern)
{
	return pattern[strcspn(pattern, MATCH_COSTLY)] != '\0';
}

const char *filter_pattern(const char *value)
{
	if (strlen(value) > FILTER_PATTERN && has_wildcards(value))
		return "a pattern of more than 256 bytes";
	if (strlen(value) > FILTER_COSTLY_PATTERN && is_costly(value))
		return "a pattern of more than 64 bytes with ?, [ or \\";
	return NULL;
}

const char *filter_add(struct filter *filter, const char *key, const char *value)
{
	enum row_column column = ROW_COLUMNS;
	struct glob *globs;
	const char *why;
	unsigned states = 0;

	if (strcmp(key, "state") == 0) {
		why = state_set_parse(value, &states);
		if (why == NULL)
			filter->states |= states;
		return why;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(key, keys[i].key) == 0)
			column = keys[i].column;
	if (strncmp(key, "meta.", 5) == 0 && key[5] != '\0')
		column = ROW_META;
	if (column == ROW_COLUMNS)
		return "";
	if (filter->count == FILTER_GLOBS)
		return "more than 64 filters";
	why = filter_pattern(value);
	if (why != NULL)
		return why;
	globs = reallocarray(filter->globs, filter->count + 1, sizeof(globs[0]));
	if (globs == NULL)
		return "out of memory";
	filter->globs = globs;
	globs[filter->count] = (struct glob){column, strdup(key), strdup(value)};
	if (globs[filter->count].key == NULL || globs[filter->count].pattern == NULL) {
		free(globs[filter->count].key);
		free(globs[filter->count].pattern);
		return "out of memory";
	}
	filter->count++;
	return NULL;
}

void filter_free(struct filter *filter)
{
	for (size_t i = 0; i < filter->count; i++) {
		free(filter->globs[i].key);
		free(filter->globs[i].pattern);
	}
	free(filter->globs);
	caller_unref(filter->caller);
	*filter = (struct filter){0};
}

static bool matches(const char *pattern, const char *value)
{
	/* It takes as long as the one is long times the other. */
	if (strlen(value) > FILTER_VALUE && has_wildcards(pattern))
		return strcmp(pattern, "*") == 0;
	if (strlen(value) > FILTER_COSTLY_VALUE && is_costly(pattern))
		return false;
	return match_glob(pattern, value);
}

/* The value that a glob is about; an absent one is "". */
static const char *value_of(const struct glob *glob, const struct row *row, struct text *room)
{
	char *meta, *key, *value;

	text_clear(room);
	text_untsv(room, row_value(row, glob->column), row_length(row, glob->column));
	text_cstr(room);
	if (glob->column != ROW_META || room->len == 0)
		return text_cstr(room);
	for (meta = room->s; row_meta_next(&meta, &key, &value);)
		if (strcmp(key, glob->key + 5) == 0)
			return value;
	return "";
}

bool filter_name(const struct filter *filter, const struct row *row)
{
	static struct text room;

	if (filter->caller != NULL && !caller_reads(filter->caller, row))
		return false;
	for (size_t i = 0; i < filter->count;) {
		const char *key = filter->globs[i].key;
		const char *value = value_of(&filter->globs[i], row, &room);
		bool any = false;

		/* Equal keys stand together, see filter_sort. */
		for (; i < filter->count && strcmp(filter->globs[i].key, key) == 0; i++)
			any = any || matches(filter->globs[i].pattern, value);
		if (!any)
			return false;
	}
	return true;
}

bool filter_row(const struct filter *filter, const struct row *row)
{
	return (filter->states == 0 || filter->states & 1u << row_state(row)) &&
	       filter_name(filter, row);
}

bool filter_chooses(const struct filter *filter)
{
	return filter->count > 0 || filter->states != 0 ||
	       (filter->caller != NULL && !caller_reads_all(filter->caller));
}

static int by_key(const void *a, const void *b)
{
	const struct glob *p = a, *q = b;
	int order = strcmp(p->key, q->key);

	return order != 0 ? order : strcmp(p->pattern, q->pattern);
}

void filter_sort(struct filter *filter)
{
	if (filter->count > 1)
		qsort(filter->globs, filter->count, sizeof(filter->globs[0]), by_key);
}

void filter_print(const struct filter *filter, struct text *text)
{
	text_printf(text, "%p %u", (void *)filter->caller, filter->states);
	for (size_t i = 0; i < filter->count; i++)
		text_printf(text, "\n%s=%s", filter->globs[i].key, filter->globs[i].pattern);
}
