#ifndef DISCO_LIST_H
#define DISCO_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "row.h"
#include "text.h"

/* The table's columns, and one that is made: the seconds since the last beat. */
#define LIST_AGE ROW_COLUMNS
#define LIST_COLUMNS (ROW_COLUMNS + 1)

/* A list for people. */
struct list {
	uint8_t columns[2 * LIST_COLUMNS];
	size_t count;
	bool header, colour;
	bool choosy; /* columns that do not fit are left out; only for those of list_default */
	int width;   /* of the terminal, or 0: nothing is cut */
};

/* The columns of a list that was told none; where it is narrow, the dispensable ones go. */
void list_default(struct list *);

/* The column of that name or heading in any case, LIST_AGE among them, or -1. */
int list_column(const char *name, size_t len);

/* Reads "process,state,age".  NULL, or the first name that is none (of *len bytes); "" when there
 * are too many. */
const char *list_columns_parse(struct list *, const char *names, size_t *len);

/* Whether a column is compared, and set flush right, as a number. */
bool list_numeric(int column);

/* Appends the names of all columns, as they are said to people who misspell one. */
void list_names(struct text *);

/*
 * Appends the lines.  Times are ages and durations are short; every value is
 * fit for a terminal.  Call setlocale first, or widths are counted in bytes.
 */
void list_print(const struct list *, struct text *, const struct row *const *rows, size_t count,
		int64_t now_ms);

/*
 * Orders rows: with column < 0 the worst first (error, warning, active,
 * inactive) and, in a state, the longest in it; else by that column.  Equal
 * ones are in name order.  False when memory is out.
 */
bool list_sort(const struct row **rows, size_t count, int column, bool reverse);

/* By name alone; nothing is done when they are in order already. */
void list_sort_names(const struct row **rows, size_t count);

/*
 * Appends lines of words, broken at blanks so that they are no wider; a word
 * that is wider stands alone.  Call setlocale first.
 */
void list_wrap(struct text *, const char *s, size_t len, size_t width);

/* The terminal's colour of a state, and the end of it. */
const char *list_colour(enum state);
#define LIST_BOLD "\033[1m"
#define LIST_PLAIN "\033[0m"

#endif
