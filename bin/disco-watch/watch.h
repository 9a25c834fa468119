#ifndef DISCO_WATCH_H
#define DISCO_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "follow.h"
#include "list.h"
#include "match.h"
#include "version.h"
#include "view.h"

#define TICK_MS 1000

/* What was asked, and how far we are. */
struct watch {
	const char *dir;
	struct match match;
	unsigned on; /* events asked for, 1u << enum event_name; 0 is all */
	uint64_t since;
	bool json, states_asked, since_asked, rows, beats, wait, live;
	const char *exec;
	int64_t count;	     /* lines to go; 0 is no end */
	int64_t deadline_ms; /* on CLOCK_MONOTONIC; 0 is none */

	struct follow follow;
	struct view view; /* kept up to date if need_view */
	bool need_view, colour;
	int64_t tick_ms; /* the master's */
	enum master_state master;
	int hb, hb_notify; /* for beats: the folder, and its nudges */
	struct text out;
};

/* The events there are, as --on takes them.  -1 for another. */
int event_number(const char *name, size_t len);
extern const char *const event_words[];

/* Takes an event: prints it, or hands it to the command, if it is wanted. */
void event_take(struct watch *, const struct event *);
/* The table as "row" events and a "sync". */
void rows_take(struct watch *);

/* Runs the command for one event, whose JSON is given, to its end. */
void command_run(const char *command, const struct event *, const struct text *json);
/* Appends the event as a JSON object, without newline. */
void event_json(struct text *, const struct event *);

int beats_open(struct watch *);
void beats_take(struct watch *);

/* Whether every row that matches, and at least one, is in the states asked for. */
bool wait_over(struct watch *);

/* Looks whether a master runs, and says when that changes. */
void master_look(struct watch *);

/* The full screen, until the user leaves it.  Returns the exit status. */
int live(struct watch *);

/* Takes the events that are there. */
void events_take(struct watch *);
int64_t clock_ms(int clock);

#endif
