#ifndef DISCO_ROW_H
#define DISCO_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state.h"

struct text;
struct extra;

/* The columns of the table, in their order in the file. */
enum row_column {
	ROW_PROCESS,
	ROW_SERVICE,
	ROW_STATE,
	ROW_SINCE,
	ROW_LAST_HB,
	ROW_COUNTER,
	ROW_IP,
	ROW_ADDRESS,
	ROW_HOST,
	ROW_PID,
	ROW_VERSION,
	ROW_USER,
	ROW_VIA,
	ROW_REASON,
	ROW_WARN_AFTER,
	ROW_ERROR_AFTER,
	ROW_FORGET_AFTER,
	ROW_HELD,
	ROW_EVERY,
	ROW_BOOT,
	ROW_START,
	ROW_SEQ,
	ROW_META,
	ROW_COLUMNS
};

extern const char *const row_names[ROW_COLUMNS];

/*
 * A row is its text in the table: ROW_COLUMNS values with tabs between them,
 * quoted as text_tsv does, without the newline.  Value i is the at[i + 1] -
 * at[i] - 1 bytes at text + at[i].
 */
struct row {
	const char *text;
	uint16_t at[ROW_COLUMNS + 1];
};

/* Finds the columns in a line of len bytes (no newline).  False when it is not a row: another
 * number of columns, a bad name or state, or too long. */
bool row_split(struct row *, const char *text, size_t len);
/* Finds in a line only its process, service and state, of which others can tell whether it is
 * meant.  False when it does not begin as a row does. */
bool row_peek(struct row *, const char *text, size_t len);

static inline const char *row_value(const struct row *row, enum row_column column)
{
	return row->text + row->at[column];
}

static inline size_t row_length(const struct row *row, enum row_column column)
{
	return (size_t)(row->at[column + 1] - row->at[column] - 1);
}

/* The column of that name, or -1. */
int row_column(const char *name, size_t len);

/* Whether the quoted value is this string (which has nothing to quote). */
bool row_is(const struct row *, enum row_column, const char *value);

/* Values as what they are; what is empty or broken is 0 (STATE_ACTIVE). */
enum state row_state(const struct row *);
int64_t row_number(const struct row *, enum row_column);
int64_t row_time_ms(const struct row *, enum row_column);     /* a stamp */
int64_t row_duration_ms(const struct row *, enum row_column); /* "30", "1.5" */

/*
 * Appends the members of the row's JSON object, without the braces: the
 * original's ten names first, then ours.  now_ms (CLOCK_REALTIME) makes its
 * age.
 */
void row_json(struct text *, const struct row *, int64_t now_ms);
/* One column's value, as it stands in that object. */
void row_json_value(struct text *, const struct row *, enum row_column);
/* Its two parts, for one who keeps the first, which is the same until the row changes. */
void row_json_still(struct text *, const struct row *);
void row_json_age(struct text *, const struct row *, int64_t now_ms);

/*
 * Goes through meta, "k=v,k=v" with \, and \\ in values, one pair a call:
 * *meta is what is left (start with an unquoted, NUL-terminated copy of the
 * column), which is cut up in place.  False at the end.
 */
bool row_meta_next(char **meta, char **key, char **value);

/* Appends the meta column, not yet quoted for TSV, of those of the extras that are meta.KEY; then
 * quotes it. */
void row_print_meta(struct text *, const struct extra *extras, size_t count);

/*
 * An event is a row with four columns in front.  Its line in a segment is
 * seq, time, event, from and the row's columns.
 */
enum event_column { EVENT_SEQ, EVENT_TIME, EVENT_NAME, EVENT_FROM, EVENT_COLUMNS };

struct event {
	uint64_t seq;
	int64_t time_ms;
	const char *name; /* "joined", "row", ... of name_len bytes */
	const char *from;
	size_t name_len, from_len;
	struct row row; /* of process "*" for sync, paused, resumed */
};

/* Reads a line (no newline).  False when it is not an event. */
bool event_split(struct event *, const char *text, size_t len);
bool event_is(const struct event *, const char *name);
/* Makes an event that is about no row: of process "*", all else empty; the caller sets seq and
 * time. */
void event_bare(struct event *, const char *name);

/* Whether a row of the same process has this event in it already: a table may be newer than its
 * header says. */
bool row_knows(const struct row *, const struct event *);
/* Appends the event as a JSON object: event, from, time, and the members of its row, or, of what is
 * about the master, seq and reason. */
void event_json(struct text *, const struct event *, int64_t now_ms);

/* The line of column names of the table and of a segment, with its newline. */
void row_print_names(struct text *, bool event);

#endif
