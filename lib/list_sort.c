/* The orders of a list. */
#include <stdlib.h>
#include <string.h>

#include "list.h"

/* What a row is compared by: a number, then bytes, then its name. */
struct key {
	const struct row *row;
	int64_t number;
	const char *bytes;
	size_t len;
};

/* A name ends with a tab, which is below all that a name has, so texts are in the order of names.
 */
static int by_name(const struct row *a, const struct row *b)
{
	return a == b ? 0 : strcmp(a->text, b->text);
}

static int compare(const void *x, const void *y)
{
	const struct key *a = x, *b = y;
	size_t len = a->len < b->len ? a->len : b->len;
	int order;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	order = len > 0 ? memcmp(a->bytes, b->bytes, len) : 0;
	if (order == 0 && a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return order != 0 ? order : by_name(a->row, b->row);
}

static int compare_names(const void *x, const void *y)
{
	const struct row *const *a = x, *const *b = y;

	return by_name(*a, *b);
}

static struct key key_of(const struct row *row, int column)
{
	static const int rank[STATES] = {
	    [STATE_ERROR] = 0, [STATE_WARNING] = 1, [STATE_ACTIVE] = 2, [STATE_INACTIVE] = 3};
	struct key key = {.row = row};

	switch (column) {
	case -1:
		key.number = rank[row_state(row)];
		column = ROW_SINCE;
		break;
	case ROW_STATE: key.number = rank[row_state(row)]; return key;
	case ROW_COUNTER:
	case ROW_PID:
	case ROW_SEQ: key.number = row_number(row, (enum row_column)column); return key;
	case ROW_WARN_AFTER:
	case ROW_ERROR_AFTER:
	case ROW_FORGET_AFTER:
	case ROW_EVERY: key.number = row_duration_ms(row, (enum row_column)column); return key;
	case LIST_AGE: key.number = -row_time_ms(row, ROW_LAST_HB); return key;
	default: break;
	}
	key.bytes = row_value(row, (enum row_column)column);
	key.len = row_length(row, (enum row_column)column);
	return key;
}

bool list_sort(const struct row **rows, size_t count, int column, bool reverse)
{
	struct key *keys = calloc(count + 1, sizeof(*keys));

	if (keys == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		keys[i] = key_of(rows[i], column);
	qsort(keys, count, sizeof(*keys), compare);
	for (size_t i = 0; i < count; i++)
		rows[reverse ? count - 1 - i : i] = keys[i].row;
	free(keys);
	return true;
}

void list_sort_names(const struct row **rows, size_t count)
{
	size_t i = 1;

	while (i < count && by_name(rows[i - 1], rows[i]) < 0)
		i++;
	if (i < count)
		qsort(rows, count, sizeof(rows[0]), compare_names);
}
