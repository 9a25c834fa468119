#ifndef DISCO_WATCH_H
#define DISCO_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "follow.h"
#include "match.h"
#include "text.h"
#include "view.h"

/* What is asked for, and where we are in it. */
struct watch {
	const char *dir;
	struct match match;
	unsigned events; /* which, a bit each (event_bit); 0: all */
	bool json, rows, beats, wait, live, since_given, colour;
	uint64_t since;
	int64_t count;	     /* lines or commands left, -1: no end */
	int64_t until_ms;    /* CLOCK_MONOTONIC, or INT64_MAX */
	const char *command; /* of --exec */

	struct follow follow;
	struct view view; /* kept up to date if keeps */
	bool keeps;
	int64_t tick_ms;
	int hbfd, beatsfd; /* for --beats: hb/ and an inotify of it */
	enum master_state master;
	struct text out;
};

/* print.c */
extern const char *const event_names[];
/* The bit of an event's name in watch.events, or 0 when there is no such event. */
unsigned event_bit(const char *name, size_t len);
/* Appends an event to out, for people or as JSON. */
void print_event(struct watch *, const struct event *);
/* Writes out what is in out.  When nobody reads it any more the program ends. */
void print_flush(struct watch *);

/* run.c: one event, given to --exec's command.  Its failure is said. */
void command_run(const struct watch *, const struct event *);

/* beats.c */
/* Subscribes to hb/.  0, or -1 with errno. */
int beats_open(struct watch *);
/* Tells each beat that happened since. */
void beats_take(struct watch *);

/* main.c: an event that passed the filters: tells it, and ends when it was the last one. */
void tell(struct watch *, const struct event *);

/* live.c: the table on the full screen, until q or a signal; the exit status. */
int live(struct watch *);

/* Loads the view; if no master does it, judges here.  Says on stderr what is not as usual. */
void view_refresh(struct watch *, bool quiet);

int64_t monotonic_ms(void);

#endif
