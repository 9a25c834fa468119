/* What the parts of disco-hb share. */
#ifndef DISCO_HB_H
#define DISCO_HB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "heartbeat.h"
#include "host.h"
#include "spool.h"
#include "text.h"
#include "trust.h"

#define REASON_LONGEST 512    /* bytes of what a check or STATUS= says */
#define EVERY_DEFAULT_MS 2000 /* while a process is watched */
#define CHECK_LIMIT_MS 30000  /* of a check without an interval */
#define OPTIONS_LONGEST 16384 /* bytes of all options; a heartbeat has no room for more */
#define CONTENT_ROOM 65536    /* a heartbeat read, and all options laid over it */

/* What the command line asks for.  Strings are NULL and numbers 0 where it says nothing. */
struct options {
	const char *dir, *name;
	const char *url; /* of a server; NULL: the spool in dir */
	struct trust trust;
	struct heartbeat said; /* service address version limits state reason extras */
	int64_t port;
	int64_t every_ms;
	int64_t watch_pid;
	int64_t hold_fd;     /* -1: none */
	int64_t exit_status; /* -1: none */
	const char *check;
	char **command;
	bool held, path, leave, has_state;
};

/* options.c: reads the command line, or exits 2. */
void options_read(struct options *, int argc, char **argv);
/* Prints the synopsis and exits: on stdout with EXIT_DONE, else on stderr. */
void usage(int status) __attribute__((noreturn));

/* content.c */
/* The facts about this host, found once; host and ip are NULL where they can't be known. */
const struct heartbeat *content_host(void);
/* Lays what the command line says over a heartbeat. */
void content_lay(struct heartbeat *, const struct options *);
/* Adds boot, pid and start of a process, the last as text in a buffer of HOST_START_TIME bytes. */
void content_process(struct heartbeat *, pid_t, char *start);
/* So many bytes for a word of the command line, to the end; NULL when these are more than
 * OPTIONS_LONGEST. */
char *content_keep(size_t len);
/* Prints it into a buffer of its own that the next call overwrites; NULL when it is more than a
 * heartbeat may be. */
const struct text *content_print(const struct heartbeat *);
/* Whether another process holds this file: it is locked, or its process lives and has not yet come
 * around to it. */
bool content_holder(const struct heartbeat *, int fd);

/* beat.c: one beat, and whatever else is done at once; the exit status. */
int beat_once(const struct options *);
int beat_hold(const struct options *);
int beat_path(const struct options *);
/* Delivers content that no one holds.  0, or -1 with errno. */
int beat_deliver(const struct options *, const struct text *, bool over);
/* Says on stderr why a heartbeat could not be delivered. */
void beat_complain(const struct options *, int error);

/* hold.c: the files of a heartbeat that is held, see there. */
struct hold {
	const char *dir, *name;
	struct held {
		int fd; /* -1: none */
		dev_t dev;
		ino_t ino;
		char path[SPOOL_PATH]; /* where in tmp/ it was last, unless it is in hb/ */
	} files[2];
	int current; /* which is in hb/, -1 none */
	ino_t seen;  /* the file in hb/ at the last look; 0: none */
	ino_t read;  /* another's file in hb/ that was read last; 0: none */
};
enum hold_look { HOLD_OURS, HOLD_MISSING, HOLD_OTHER, HOLD_UNKNOWN };

void hold_init(struct hold *, const char *dir, const char *name);
/* Makes both files, for a child to inherit.  0, or -1 with errno. */
int hold_prepare(struct hold *);
/* Lets the next child inherit them, or no more. */
void hold_inherit(const struct hold *, bool inherit);
/* Looks at hb/NAME: ours, missing, another's, or it can't be told (errno). */
enum hold_look hold_look(struct hold *);
/* A beat without news, when hb/NAME is ours.  0, or -1 with errno. */
int hold_touch(const struct hold *);
/*
 * New content, in a file that is held before it is seen.  0, or -1 with errno:
 * EAGAIN when a report came that nobody has read; it is in hb/ then.
 */
int hold_deliver(struct hold *, const struct text *);
/* Last content, in a file that is not held.  0, or -1 with errno. */
int hold_finish(struct hold *, const struct text *);
/* Gives all files back. */
void hold_end(struct hold *);

/* remote.c: heartbeats to a server, by disco-http. */
struct remote {
	const struct options *o;
	pid_t pid;	    /* of disco-http, 0: it does not run */
	int in, out;	    /* of the pipe to it, -1: there is none */
	struct text line;   /* the heartbeat as it is now, a JSON object and its newline */
	struct text unsent; /* of a line that did not fit the pipe */
};
/* One heartbeat, or leaving; in place of us.  They return only to exit. */
int remote_post(const struct options *, const struct heartbeat *);
int remote_leave(const struct options *);
void remote_init(struct remote *, const struct options *);
/* Makes the pipe, for a child to inherit.  0, or -1 with errno. */
int remote_prepare(struct remote *);
void remote_inherit(const struct remote *, bool inherit);
/* Whether disco-http runs, so that a beat without news will do. */
bool remote_runs(const struct remote *);
/* The same line again; one that does not fit the pipe is dropped, for the next is as good. */
void remote_touch(struct remote *);
/* New content, to a disco-http that is started if need be.  0, or -1 with errno. */
int remote_deliver(struct remote *, const struct heartbeat *);
/* Last content; waits until it is heard, for some seconds.  0, or -1 with errno. */
int remote_finish(struct remote *, const struct heartbeat *);
void remote_end(struct remote *);

/* carrier.c: where the beats of a run go, to the files of a spool or to a server; see hold_look
 * etc. */
struct carrier {
	const struct options *o;
	struct hold hold;
	struct remote remote;
};
void carrier_init(struct carrier *, const struct options *);
int carrier_prepare(struct carrier *);
void carrier_inherit(const struct carrier *, bool inherit);
enum hold_look carrier_look(struct carrier *);
int carrier_touch(struct carrier *);
int carrier_deliver(struct carrier *, const struct heartbeat *);
int carrier_finish(struct carrier *, const struct heartbeat *);
void carrier_end(struct carrier *);
/* A child has ended; it may have been ours.  True when it did because somebody else said that the
 * process has left. */
bool carrier_reaped(struct carrier *, pid_t, int status);

/* run.c: beats until told to stop, or until what it watches ends; the exit status. */
int run(const struct options *);

/* check.c: a shell command that tells the state. */
struct check {
	pid_t pid;		       /* 0: none runs */
	int fd;			       /* its output, -1 at the end of it */
	char line[REASON_LONGEST + 8]; /* a character may be cut at its end */
	size_t len;
	bool whole; /* the first line is complete */
};
int check_start(struct check *, const char *command); /* 0, or -1 with errno */
void check_read(struct check *);
/* When it has ended with this wait status: the state, and the reason in a buffer of REASON_LONGEST
 * + 1 bytes. */
enum state check_end(struct check *, int status, char *reason);
void check_kill(struct check *);
/* Runs it once and waits for at most limit_ms.  0, or -1 with errno. */
int check_once(const char *command, int64_t limit_ms, enum state *state, char *reason);
/* Copies a text into a buffer of REASON_LONGEST + 1 bytes, fit to be a reason. */
void reason_copy(char *reason, const char *text, size_t len);

/* listen.c: what the command says of itself by sd_notify(3). */
struct news {
	bool beat;    /* WATCHDOG=1 */
	bool changed; /* state or reason below */
};
/* Takes one message apart, changing state and reason; words tells whether the reason is ours rather
 * than its STATUS. */
struct news listen_take(char *message, enum state *state, char *reason, bool *words);

/* signals.c */
/* "SIGKILL", or "signal 77"; the answer lives until the next call. */
const char *signal_words(int number);
bool signal_known(int number);
/*
 * Opens a descriptor to read these signals from (a list that ends with 0).
 * What was ignored when we were started and may stay so (SIGHUP) is left out.
 */
int signals_open(const int *numbers);
bool signal_was_ignored(int number);
/*
 * Starts a program with the signals as we were started with, in a process group
 * of its own, with these as its standard input and output; -1 is /dev/null.  0,
 * or the error.
 */
int signals_spawn(pid_t *, const char *file, char *const *argv, int input, int output);
/* Whether there is such a program to run, in PATH if it has no slash.  0, or the error that exec
 * would most likely have. */
int signals_find(const char *file);
/*
 * Forks a child that will run a program, with the signals as we were started
 * with, when it is let go by signals_go, or when we are killed before.  0, or
 * the error; signals_go's is that of exec, and the child has ended then.
 */
struct gate {
	int go, told; /* pipes to and from the child */
};
int signals_fork(pid_t *, const char *file, char *const *argv, struct gate *);
int signals_go(const struct gate *);
/* Ends us by a signal that we have read. */
void signals_die(int number) __attribute__((noreturn));

int64_t monotonic_ms(void);

#endif
