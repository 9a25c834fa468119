#ifndef DISCO_REMOTE_H
#define DISCO_REMOTE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "row.h"
#include "text.h"
#include "trust.h"
#include "view.h"

/*
 * What a disco-serve tells.  It is asked by disco-http, a program of its own
 * that lies beside us, so that libcurl is loaded only where it is asked for.
 */
struct server {
	const char *url; /* http://host:port, https://host:port or unix:/path */
	struct trust trust;
};

/* The server that is meant: url, or what DISCO_URL says unless a spool is named; NULL: none. */
const char *remote_url(const char *url, const char *dir);

/* Appends "?name=value", or "&name=value" when the path has a query already, quoted as is due. */
void remote_query(struct text *path, const char *name, const char *value);

/*
 * Reads a table, with the path /v1/table and its query.  EXIT_DONE; or the
 * status to exit with, and said is what there is to say on stderr, in whole
 * lines that begin with our name.
 */
int remote_table(struct view *, const struct server *, const char *path, struct text *said);

/*
 * Reads what it answers to GET, to its end and no more than most bytes.
 * EXIT_DONE; or the status to exit with, EXIT_NO when there is no such thing
 * there, and said as above, in the server's words.
 */
int remote_get(struct text *answer, size_t most, const struct server *, const char *path,
	       struct text *said);

/*
 * The events of a server as they come; the same to its user as a follower of
 * the log (follow.h).  When the connection is lost it is opened again, after
 * 1 s, 2 s, up to 10 s, and goes on after the last event that was given, so
 * each event comes once, or else a reset, "row" events, "sync".
 */
struct remote {
	const struct server *server;
	bool beats; /* "beat" events are wanted too */
	uint64_t seq;
	bool since; /* seq is known: events after it are due */
	/* What the server says of its master; told: it has said so since it was opened. */
	bool told;
	enum master_state master;
	int64_t heard_ms;
	bool lost;	 /* the connection is */
	int status;	 /* why it was lost: what disco-http exited with, */
	struct text why; /* and what it said */
	/* Of disco-http. */
	pid_t pid; /* 0: none runs */
	int fd, errors;
	struct text buf;
	size_t at;
	bool header;	  /* the header of the answer is not over */
	int64_t again_ms; /* when to try again */
	int64_t wait_ms;
};

/* Begins with what comes from now on; with since set, after the event seq.  0, or -1 with errno. */
int remote_open(struct remote *, const struct server *);
void remote_close(struct remote *);

/* Readable when remote_next may have something, -1 when there is no connection.  Call that once a
 * second too. */
int remote_fd(const struct remote *);

/* Takes what comes before the events, so that told, or lost, is set once it is known.  0, or -1
 * with errno. */
int remote_begin(struct remote *);

/*
 * The next event: 1; it points into the remote and lives until the next call.
 * 0 when there is none for now; look at told, master and lost then.  -1 with
 * errno.
 */
int remote_next(struct remote *, struct event *);

#endif
