#ifndef DISCO_PROCESS_H
#define DISCO_PROCESS_H

#include "table.h"

/* What the parts of the table (table.c, observe.c, expire.c) share; for nobody else. */

/* Who had the name before, kept for as long as it may still turn out to be a conflict. */
struct rival {
	struct text identity; /* boot, start and pid, as they stand in the row */
	int64_t pid, beat_ms;
};

/* The values of a row that is being made, each as it will stand in the text. */
struct values {
	const char *s[ROW_COLUMNS];
	size_t len[ROW_COLUMNS];
};

static inline int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* A process that has no row yet, in the index; NULL when memory is out. */
struct process *process_new(struct table *, const char *name);
void process_free(struct process *);
/* Gives it a place in the order and in the wheel; false when memory is out. */
bool process_list(struct table *, struct process *);
/* Forgets the rival. */
void process_make_peace(struct process *);

/* Lays it into the wheel, where it is not: it is looked at in the first round at or after that
 * time, or before, in vain. */
void process_arm(struct table *, struct process *, int64_t at_ms);
/* Moves it to its next deadline, which is when it must be looked at if it does not beat. */
void process_rearm(struct table *, struct process *);
int64_t process_deadline(const struct process *);
bool process_ended(const struct process *);
int64_t process_forget_at(const struct process *);
/* Counts it for the rule of mass silence: with -1 before a change and 1 after it. */
void process_tally(struct table *, const struct process *, int sign);

void value_set(struct values *, enum row_column, const char *s, size_t len);
void value_string(struct values *, enum row_column, const char *s);
void values_of_row(struct values *, const struct row *);
/* Writes the values as its line; false when memory is out, and nothing changed. */
bool process_print(struct table *, struct process *, const struct values *);
/* Writes its last beat and one more counted into its line; false when memory is out. */
bool process_print_beat(struct process *);

void table_event(struct table *, const char *name, const char *from, const char *line, size_t len,
		 struct now);
void table_event_master(struct table *, const char *name, const char *reason, struct now);

/*
 * Brings the row in line with what is known now and tells it if that is news.
 * The values are the row's own, with what the content says in place; cause is
 * "restarted", "conflict", "changed" or NULL.  The caller has tallied it out.
 * False when memory is out.
 */
bool process_settle(struct table *, struct process *, struct values *, const char *cause,
		    struct now);
/* The same after something happened that is not in the content. */
void process_settle_anew(struct table *, struct process *, const char *cause, struct now);

/* Its own file is gone. */
void process_lose(struct table *, struct process *, struct now);

/* admit.c: the row is that user's from now on, who was admitted; or nobody's any more. */
void process_own(struct table *, struct process *, uid_t uid);
void process_disown(struct table *, struct process *);
void users_free(struct table *);

/* Whether this ctime is news, and what a beat changes but for the text. */
bool process_is_beat(const struct process *, int64_t ctime_ns);
void process_beat(const struct table *, struct process *, int64_t ctime_ns, struct now);

#endif
