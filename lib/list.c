/* The list for people: columns that line up, cut where the terminal ends. */
#include "list.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "duration.h"

#define NARROWEST 8    /* no column is cut below this */
#define REASON_FAIR 24 /* what a reason has before dispensable columns and long names */
#define GAP 2
#define LEFT_OUT SIZE_MAX /* the width of a column that is not shown */

struct cell {
	size_t at;
	uint32_t len, width;
};

void list_default(struct list *list)
{
	static const uint8_t columns[] = {ROW_PROCESS, ROW_SERVICE, ROW_STATE,
					  ROW_SINCE,   ROW_LAST_HB, ROW_COUNTER,
					  ROW_ADDRESS, ROW_HOST,    ROW_REASON};

	memcpy(list->columns, columns, sizeof(columns));
	list->count = sizeof(columns);
	list->choosy = true;
}

static const char *name_of(int column)
{
	return column == LIST_AGE ? "age" : row_names[column];
}

/* What stands above the column. */
static const char *heading(int column)
{
	return column == ROW_LAST_HB ? "last" : column == ROW_COUNTER ? "count" : name_of(column);
}

int list_column(const char *name, size_t len)
{
	for (int i = 0; i < LIST_COLUMNS; i++)
		if (strlen(heading(i)) == len && strncasecmp(name, heading(i), len) == 0)
			return i;
	return row_column(name, len);
}

const char *list_columns_parse(struct list *list, const char *names, size_t *len)
{
	list->count = 0;
	list->choosy = false;
	for (;; names += *len + 1) {
		int column;

		*len = strcspn(names, ",");
		column = list_column(names, *len);
		if (column < 0)
			return names;
		if (list->count == sizeof(list->columns))
			return "";
		list->columns[list->count++] = (uint8_t)column;
		if (names[*len] == '\0')
			return NULL;
	}
}

bool list_numeric(int column)
{
	switch (column) {
	case ROW_COUNTER:
	case ROW_PID:
	case ROW_WARN_AFTER:
	case ROW_ERROR_AFTER:
	case ROW_FORGET_AFTER:
	case ROW_EVERY:
	case ROW_SEQ:
	case LIST_AGE: return true;
	default: return false;
	}
}

void list_names(struct text *text)
{
	for (int i = 0; i < LIST_COLUMNS; i++) {
		text_string(text, i > 0 ? " " : "");
		text_string(text, name_of(i));
	}
}

static bool flush_right(int column)
{
	return list_numeric(column) || column == ROW_SINCE || column == ROW_LAST_HB;
}

static size_t character_width(const char *s, size_t len, size_t *width)
{
	mbstate_t state = {0};
	wchar_t wide;
	size_t n = mbrtowc(&wide, s, len, &state);
	int w;

	if (n == 0 || n > len) { /* the locale knows no UTF-8: each byte is one */
		*width = 1;
		return 1;
	}
	w = wcwidth(wide);
	*width = w > 0 ? (size_t)w : 0;
	return n;
}

static size_t width_of(const char *s, size_t len)
{
	size_t width = 0, i = 0, w;

	while (i < len && s[i] >= 0x20 && s[i] < 0x7f)
		i++;
	for (width = i; i < len; width += w)
		i += character_width(s + i, len - i, &w);
	return width;
}

void list_wrap(struct text *text, const char *s, size_t len, size_t width)
{
	size_t at = 0, i = 0, end;

	for (; i < len; i = end + 1) {
		size_t word;

		for (end = i; end < len && s[end] != ' ' && s[end] != '\n'; end++)
			;
		word = width_of(s + i, end - i);
		if (i > 0 && s[i - 1] == ' ') {
			bool fits = at + 1 + word <= width;

			text_char(text, fits ? ' ' : '\n');
			at = fits ? at + 1 : 0;
		}
		text_add(text, s + i, end - i);
		at += word;
		if (end < len && s[end] == '\n') {
			text_char(text, '\n');
			at = 0;
		}
	}
}

/* Appends as much of it as fits, with a sign that it was cut.  Returns the width. */
static size_t add_cut(struct text *text, const char *s, size_t len, size_t room)
{
	size_t width = 0, i = 0, n, w;

	while (i < len) {
		n = character_width(s + i, len - i, &w);
		if (width + w > room - 1)
			break;
		text_add(text, s + i, n);
		width += w;
		i += n;
	}
	text_string(text, MB_CUR_MAX > 1 ? "\u2026" : "~");
	return width + 1;
}

static void age(struct text *text, const struct row *row, enum row_column column, int64_t now_ms)
{
	int64_t ms = row_time_ms(row, column);
	char buf[24];

	if (ms == 0)
		return;
	duration_age(buf, sizeof(buf), now_ms - ms);
	text_string(text, buf);
}

static void cell_print(struct text *text, const struct row *row, int column, int64_t now_ms)
{
	struct text bare = {0};
	int64_t ms;

	switch (column) {
	case ROW_SINCE:
	case ROW_LAST_HB: age(text, row, (enum row_column)column, now_ms); return;
	case LIST_AGE: age(text, row, ROW_LAST_HB, now_ms); return;
	case ROW_WARN_AFTER:
	case ROW_ERROR_AFTER:
	case ROW_FORGET_AFTER:
	case ROW_EVERY:
		ms = row_duration_ms(row, (enum row_column)column);
		if (ms > 0)
			duration_print(text, ms);
		return;
	default: break;
	}
	text_untsv(&bare, row_value(row, (enum row_column)column),
		   row_length(row, (enum row_column)column));
	text_safe(text, bare.s, bare.len);
	text->failed |= bare.failed;
	text_free(&bare);
}

static void head_print(struct text *text, int column)
{
	const char *name = heading(column);

	for (; *name != '\0'; name++)
		text_char(text, (char)toupper((unsigned char)*name));
}

/* Narrows the widest columns until the line fits, the last having what is left. */
static void fit(const struct list *list, size_t *widths)
{
	size_t last = list->count - 1, total = 2 * last, widest;

	for (size_t i = 0; i < last; i++)
		total += widths[i];
	total += widths[last] < NARROWEST ? widths[last] : NARROWEST;
	for (; total > (size_t)list->width; total--) {
		widest = last;
		for (size_t i = 0; i < last; i++)
			if (widths[i] > NARROWEST && (widest == last || widths[i] > widths[widest]))
				widest = i;
		if (widest == last)
			return;
		widths[widest]--;
	}
}

static size_t lesser(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Leaves out whole columns that do not fit.  The later in worth[], the sooner
 * it goes; those after the address go rather than that a name is cut.
 */
static void leave_out(const struct list *list, size_t *widths)
{
	static const struct {
		uint8_t column, reason; /* and the room the reason must still have */
		bool whole_name;
	} worth[] = {
	    {ROW_STATE, 0, false},
	    {ROW_SINCE, NARROWEST, false},
	    {ROW_LAST_HB, NARROWEST, false},
	    {ROW_ADDRESS, REASON_FAIR, false},
	    {ROW_SERVICE, REASON_FAIR, true},
	    {ROW_COUNTER, REASON_FAIR, true},
	    {ROW_HOST, REASON_FAIR, true},
	};
	size_t *of[LIST_COLUMNS] = {0}, *name, *reason, width = (size_t)list->width, left, cut,
	       fair;

	for (size_t i = 0; i < list->count; i++)
		of[list->columns[i]] = &widths[i];
	name = of[ROW_PROCESS];
	reason = of[ROW_REASON];
	cut = width / 3 < NARROWEST ? NARROWEST : width / 3;
	cut = lesser(lesser(cut, *name), width);
	left = width;
	for (size_t i = 0; i < sizeof(worth) / sizeof(worth[0]); i++) {
		size_t *own = of[worth[i].column];
		size_t need = GAP + *own + (worth[i].whole_name ? *name : cut);

		if (worth[i].reason > 0)
			need += GAP + lesser(*reason, worth[i].reason);
		if (need <= left)
			left -= GAP + *own;
		else
			*own = LEFT_OUT;
	}
	fair = GAP + lesser(*reason, REASON_FAIR);
	if (left < cut + GAP + lesser(*reason, NARROWEST)) {
		*reason = LEFT_OUT;
		fair = 0;
	}
	*name = lesser(*name, left > cut + fair ? left - fair : cut);
}

const char *list_colour(enum state state)
{
	static const char *const colours[STATES] = {"\033[32m", "\033[33m", "\033[31m", "\033[2m"};

	return colours[state];
}

static void pad(struct text *text, size_t n)
{
	char *room = text_room(text, n);

	if (room == NULL)
		return;
	memset(room, ' ', n);
	text->len += n;
}

/* One line; state < 0 is the header. */
static void line_print(const struct list *list, struct text *text, const struct text *cells,
		       const struct cell *cell, const size_t *widths, int state)
{
	size_t at = 0, blanks = 0, room, tinted = 0;

	for (size_t i = 0; i < list->count; i++)
		if (list->columns[i] == ROW_STATE && widths[i] != LEFT_OUT)
			tinted = i;
	if (list->colour && state < 0)
		text_string(text, LIST_BOLD);
	if (list->colour && state == STATE_INACTIVE)
		text_string(text, list_colour(STATE_INACTIVE));
	for (size_t i = 0; i < list->count; i++, cell++) {
		bool tint = list->colour && i == tinted && state >= 0 && state != STATE_INACTIVE;
		size_t width = cell->width;

		if (widths[i] == LEFT_OUT)
			continue;
		room = i == list->count - 1 && width > widths[i] ? width : widths[i];
		if (list->width > 0 && at + blanks + room > (size_t)list->width)
			room = at + blanks < (size_t)list->width ? (size_t)list->width - at - blanks
								 : 0;
		if (flush_right(list->columns[i]) && width < room)
			blanks += room - width;
		if (width > 0 && room > 0) {
			pad(text, blanks);
			at += blanks;
			blanks = 0;
			if (tint)
				text_string(text, list_colour((enum state)state));
			if (width <= room)
				text_add(text, cells->s + cell->at, cell->len);
			else
				width = add_cut(text, cells->s + cell->at, cell->len, room);
			if (tint)
				text_string(text, LIST_PLAIN);
			at += width;
		} else {
			width = 0;
		}
		if (!flush_right(list->columns[i]) || width == 0)
			blanks += widths[i] > width ? widths[i] - width : 0;
		blanks += 2;
	}
	if (list->colour && (state < 0 || state == STATE_INACTIVE))
		text_string(text, LIST_PLAIN);
	text_char(text, '\n');
}

static void cell_end(struct text *cells, struct cell *cell, size_t *width)
{
	cell->len = (uint32_t)(cells->len - cell->at);
	cell->width = cell->len > 0 && !cells->failed
			  ? (uint32_t)width_of(cells->s + cell->at, cell->len)
			  : 0;
	if (cell->width > *width)
		*width = cell->width;
}

void list_print(const struct list *list, struct text *text, const struct row *const *rows,
		size_t count, int64_t now_ms)
{
	struct cell *made = calloc((count + 1) * list->count, sizeof(*made)), *cell = made;
	size_t widths[sizeof(list->columns)] = {0};
	struct text cells = {0};

	if (made == NULL) {
		text->failed = true;
		return;
	}
	for (size_t i = 0; i < list->count; i++, cell++) {
		cell->at = cells.len;
		if (list->header)
			head_print(&cells, list->columns[i]);
		cell_end(&cells, cell, &widths[i]);
	}
	for (size_t r = 0; r < count; r++) {
		for (size_t i = 0; i < list->count; i++, cell++) {
			cell->at = cells.len;
			cell_print(&cells, rows[r], list->columns[i], now_ms);
			cell_end(&cells, cell, &widths[i]);
		}
	}
	text->failed |= cells.failed;
	if (list->width > 0 && list->choosy)
		leave_out(list, widths);
	else if (list->width > 0)
		fit(list, widths);
	cell = made;
	if (list->header)
		line_print(list, text, &cells, cell, widths, -1);
	for (size_t r = 0; r < count && !text->failed; r++) {
		cell += list->count;
		line_print(list, text, &cells, cell, widths, (int)row_state(rows[r]));
	}
	text_free(&cells);
	free(made);
}
