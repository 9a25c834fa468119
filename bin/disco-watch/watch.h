#ifndef DISCO_WATCH_H
#define DISCO_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "follow.h"
#include "match.h"
#include "remote.h"
#include "text.h"
#include "view.h"

/* What is asked for, and where we are in it. */
struct watch {
	const char *dir;
	struct server server; /* its url is NULL: the spool is read */
	struct match match;
	unsigned events; /* which, a bit each (event_bit); 0: all */
	bool json, rows, beats, wait, live, since_given, colour;
	uint64_t since;
	int64_t count;	     /* lines or commands left, -1: no end */
	int64_t until_ms;    /* CLOCK_MONOTONIC, or INT64_MAX */
	const char *command; /* of --exec */

	struct follow follow;
	struct remote remote;
	int64_t ahead_ms; /* the server's clock, less ours */
	bool lost;	  /* that the connection is lost was said */
	bool refused;	  /* that the server does not want us was said */
	bool waits;	  /* for a master, so that there is a table, */
	int64_t again_ms; /* which is asked for then */
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

/* source.c: where the events come from, the spool or a server. */
/* Subscribes, then loads the view and tells the rows if that is asked for; exits when it can't. */
void source_open(struct watch *);
/* Readable when source_next may have something; or -1.  Call that once a second too. */
int source_fd(const struct watch *);
/* The next event: 1; 0 when there is none for now.  Exits when there can't be more. */
int source_next(struct watch *, struct event *);
/* Whether the next one is at hand, or may be: then what is to be printed can wait for it. */
bool source_at_hand(const struct watch *);
/* Once a second: is anybody keeping the log?  Says on stderr what is not as usual. */
void source_look(struct watch *);
/* Loads the view of a spool anew; if no master does it, judges here. */
void source_load(struct watch *, bool quiet);
/* CLOCK_REALTIME of those whose rows these are. */
int64_t source_now_ms(const struct watch *);

/* main.c: an event that passed the filters: tells it, and ends when it was the last one. */
void tell(struct watch *, const struct event *);

/* live.c: the table on the full screen, until q or a signal; the exit status. */
int live(struct watch *);

/* main.c: the table first, as a reader who comes later gets it too. */
void tell_rows(struct watch *);
/* The same: what an event means for the view, if that is kept. */
void apply(struct watch *, const struct event *);

#endif
