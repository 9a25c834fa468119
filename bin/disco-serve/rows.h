#ifndef DISCO_SERVE_ROWS_H
#define DISCO_SERVE_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "index.h"
#include "row.h"
#include "text.h"

/*
 * The table as the server has it, made for many readers: each row's JSON is
 * kept until the row changes, and whoever remembers a round can find what has
 * changed since by going through an array of numbers.
 */

#define STRIP_CELLS 60
#define STRIP_CELL_MS 10000
#define STRIP_UNSEEN UINT16_MAX

struct entry {
	struct row row; /* first, for the index */
	char *text;
	struct text json; /* of row_json_still, empty when the row has changed since */
	uint32_t id;	  /* its place in rows.entries while it lives */
	bool seen;	  /* in the keyframe that is being read */
	/* The last ten minutes, cell i being of the time (i mod 60) * 10 s. */
	uint16_t beats[STRIP_CELLS];
	char states[STRIP_CELLS];
};

/* A change that was told, or something about the master itself. */
struct change {
	uint64_t seq, round;
	int64_t time_ms;
	char *line; /* as in a segment, without the newline */
	struct event event;
	struct text json; /* for WebSockets, empty until somebody wants it */
};

struct rows {
	struct index index;
	struct entry **entries; /* by id; NULL where there is none */
	/* By id: the round in which the row changed, and in which it beat. */
	uint64_t *changed, *beaten;
	size_t size; /* ids are below this */
	size_t count;
	size_t states[STATES]; /* how many rows are in each */
	uint32_t *free_ids;
	size_t free_count;
	uint64_t round;	       /* of what comes in now; see rows_round */
	uint64_t seq;	       /* of the last change */
	uint64_t history;      /* what changed up to this seq is not known here */
	uint64_t last_changed; /* the last round in which a row changed */
	bool table_read;       /* a newer table was read to its end in this round */
	uint64_t lost_round;   /* changes of this round and before are not kept any more */
	uint64_t begun;	       /* the round in which the table was begun anew */
	bool beginning;	       /* between reset and sync */
	uint64_t beat_count;
	uint64_t event_counts[16]; /* by rows_event_names */
	/* The last changes, oldest first, from first on; a ring. */
	struct change *changes;
	size_t first, kept, kept_bytes;
	int64_t cell; /* the strip cell that is now, real time / STRIP_CELL_MS */
};

#define CHANGES_KEPT 10000
#define CHANGES_BYTES (4 << 20)

extern const char *const rows_event_names[];

/* False when memory is out, as all below. */
bool rows_init(struct rows *);
void rows_free(struct rows *);

/* Puts a row in, or over the one of its name. */
bool rows_put(struct rows *, const struct row *);

/*
 * Takes an event: into the changes, and, unless old (it is in what was loaded
 * already), into the rows.
 */
bool rows_apply(struct rows *, const struct event *, bool old);

/* Takes a line of a newer table: what is a beat, and what changes without an event. */
bool rows_table_line(struct rows *, const char *line, size_t len);

/* Ends the round: what has changed so far belongs to it, what changes from now on to the next. */
void rows_round(struct rows *);
/* The last round that has ended, for a reader to remember. */
uint64_t rows_ended(const struct rows *);

struct entry *rows_find(const struct rows *, const char *name, size_t len);

/* The i-th of the changes that are kept, oldest first. */
struct change *rows_change(const struct rows *, size_t i);
/* The first of them with a seq, or a round, above. */
size_t rows_change_after(const struct rows *, uint64_t seq);
size_t rows_change_after_round(const struct rows *, uint64_t round);
/* Whether a reader that has all up to this seq can go on from the changes. */
bool rows_resumes(const struct rows *, uint64_t seq);

/* The JSON of a row without braces and age; it lives until the row changes. */
const struct text *entry_json(struct entry *);

/* Moves the strips on to the cell of this time (CLOCK_REALTIME); a master that was not there is not
 * seen. */
void rows_tick(struct rows *, int64_t now_ms, bool seen);
/* Appends {"beats":[...],"states":"..."}, oldest cell first. */
void entry_strip(const struct rows *, const struct entry *, struct text *);

#endif
