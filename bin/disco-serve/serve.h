/* What the parts of disco-serve share. */
#ifndef DISCO_SERVE_H
#define DISCO_SERVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "access.h"
#include "filter.h"
#include "follow.h"
#include "heartbeat.h"
#include "loop.h"
#include "rows.h"
#include "text.h"
#include "view.h"

#define PART_BYTES (128 * 1024) /* of a long answer are made at a time */
#define QUIET_S 10		/* an open answer gets a comment so often */

#define LISTENS 16

struct serve {
	const char *dir, *web, *user, *listens[LISTENS], *hosts[LISTENS], *origins[LISTENS];
	size_t listen_count, host_count, origin_count;
	const char *tokens; /* the file of them */
	const char *cert, *key, *client_ca;
	int64_t connections, connections_each; /* at a time, and from one address */
	int64_t rate;			       /* requests a second of one token; 0: any number */
	int64_t head_largest, body_largest, message_largest; /* bytes */
	int64_t request_ms;				     /* until a request must be whole */
	int64_t idle_ms;   /* a connection may be without a request */
	const char *procs; /* a folder of procedures */
	int64_t proc_workers, proc_timeout_ms, proc_memory_mib;
	int64_t subscriptions; /* to procedures, of one client */
	bool insecure;
	uid_t uid;
	char host[80], port[64], address[128],
	    name[160]; /* of this machine, our first port, our own row */

	struct event_base *base;
	struct evhttp *http, *https;
	struct text ready; /* where we are found: "ready URL ..." */
	bool ending;

	/* source.c */
	struct rows rows;
	struct follow follow;
	struct head head; /* of the table that was read last */
	enum master_state master;
	int64_t heard_ms;

	/* What was counted for /metrics. */
	uint64_t requests[6]; /* by the first digit of the status */
	uint64_t delivered, refused;
	uint64_t proc_calls, proc_failures;
	size_t sockets, holds, streams, waiting;
};

extern struct serve serve;

int64_t real_ms(void);
/* How many bytes are read ahead of what is answered. */
size_t ahead_largest(void);
struct timeval milliseconds(int64_t);

/* options.c: reads the command line, or exits. */
void options_read(int argc, char **argv);

/* source.c: reads the spool: the table, then what changes.  Exits when there is no way to. */
void source_open(void);
/* "no master runs since 03:14:26"; NULL when one does. */
const char *source_trouble(void);
/* Answers with 503 when none does; whether it did. */
bool source_refuses(struct evhttp_request *);

/* listen.c: opens the listeners, or exits.  From here on connections come. */
void listen_open(void);
/* Takes no more. */
void listen_close(void);
/* No time is too long without a byte coming, but idle_ms without one going out. */
void listen_patient(struct bufferevent *);

/* door.c: a connection from its acceptance to its end. */
void doors_open(void);
void door_add(struct bufferevent *);
/* Its request is whole, so its time is not counted any more.  False when it was refused before. */
bool door_request(struct evhttp_request *);
/* This is who sent it. */
void door_admit(struct evhttp_request *, struct caller *);
/* When the connection goes before the answer's end, this is called; NULL: nothing is. */
void door_on_close(struct evhttp_request *, void (*gone)(struct evhttp_connection *, void *),
		   void *arg);
/* It is no HTTP from now on. */
void door_taken_over(struct evhttp_request *);
/* Ends a connection, if it is still there. */
void door_close(struct bufferevent *);
/* What a request is known by, if it came in one piece and nothing behind it; or NULL. */
const struct repeat_key *door_whole(struct evhttp_request *);

/* cage.c: becomes --user.  Later: gives up all that is not needed any more, for good. */
void cage_user(void);
void cage_close(void);
/* What it is to keep: SANDBOX_READ, _WRITE or _REMOVE to a path, or to the folder that a path is
 * in; NULL: nothing. */
void cage_allow(const char *path, int access);
void cage_allow_folder(const char *path, int access);

/* tls.c: reads --cert, --key and --client-ca, or exits. */
void tls_open(void);
/* Reads them again; if one is bad those in force stay.  Whether other clients are trusted now. */
bool tls_reload(void);
struct bufferevent *tls_accept(struct event_base *);
bool tls_is(struct bufferevent *);
/* Why its handshake failed, or NULL. */
const char *tls_failure(struct bufferevent *);
/* The one name in a client's certificate, when that is good; it lives until the next call. */
const char *tls_name(struct bufferevent *);

/*
 * refusal.c: how many lines of a kind there were in this second, so that the log
 * has no more than one can read.  Whether there may be one more; *unsaid says
 * how many there were not room for in the last.
 */
struct pace {
	int64_t second;
	unsigned lines, unsaid;
};
bool pace_keep(struct pace *, unsigned most, unsigned *unsaid);

/* A line in the log; there are not more of them than one can read.  The name of the
 * token and the address that was asked for may be NULL; the status is 0 when it did not come so
 * far. */
void refusal_log(int fd, int status, const char *words, const char *token, const char *uri);

/* http.c */
void http_open(void);
/* Answers a request; the body is taken over and may be NULL.  Compressed when that pays and is
 * asked for. */
void http_answer(struct evhttp_request *, int status, const char *type, struct text *body);
/* Answers {"error":"..."}. */
void http_error(struct evhttp_request *, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for one that is not allowed: that stands in the log too. */
void http_refuse(struct evhttp_request *, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Only the line. */
void http_log(struct evhttp_request *, int status, const char *words);
/* Who sent it. */
struct caller *http_caller(struct evhttp_request *);
/* The headers that every answer has. */
void http_headers(struct evhttp_request *, const char *type);
/* Whether this is what the Accept header asks for above others; of several the first that is
 * listed. */
enum http_type { TYPE_JSON, TYPE_NDJSON, TYPE_TSV, TYPE_EVENTS, TYPE_NONE };
enum http_type http_accepts(struct evhttp_request *);
bool http_accepts_gzip(struct evhttp_request *);
/* A bare header's value, or NULL. */
const char *http_header(struct evhttp_request *, const char *name);
bool http_origin_ours(struct evhttp_request *);
/* The answer will stay open, and no time is too long; or it will no more. */
void http_open_begin(struct evhttp_request *);
void http_open_end(struct evhttp_request *);
/* Begins an answer of unknown length, to be sent by chunks. */
void http_chunks(struct evhttp_request *);
/* Makes a buffer of a text, which is emptied. */
struct evbuffer *http_buffer(struct text *);
/* The connection of a request that was not answered to its end is gone: gives it back. */
void http_gone(struct evhttp_request *);
/* All of the answer to what is known and was delivered: 204. */
void http_repeat(struct text *, const struct caller *);
/* Counts an answer that is not given through http_answer. */
void http_count(int status);
/* The peer's address, NULL where it has none or is this machine. */
const char *http_peer(struct evhttp_request *);

/* answers.c: when all that came in this turn of the loop was read, writes: */
/* what evhttp has given it as an answer; */
void answers_add(struct bufferevent *);
/* the answer to a request of this caller that was known. */
void answers_repeat(struct bufferevent *, struct caller *);

/* query.c: the parameters of a request. */
struct query {
	struct filter filter;
	int64_t index, wait_ms, since; /* -1: not given */
	bool beats;
	const char *process; /* of /metrics */
	struct evkeyvalq pairs;
};
/* Which parameters a request may have, a bit each. */
enum { Q_FILTER = 1, Q_INDEX = 2, Q_SINCE = 4, Q_PROCESS = 8 };
/* All as they stand there, to be cleared.  False when it was answered: with 400. */
bool query_pairs(struct evhttp_request *, struct evkeyvalq *);
/* False when it was answered: with 400. */
bool query_read(struct query *, struct evhttp_request *, unsigned which);
void query_free(struct query *);
/* The same for a request that may have none. */
bool query_none(struct evhttp_request *);

/* services.c: the services whose rows he may see, by name, with how many are in each state; to be
 * freed.  NULL when memory is out. */
struct service {
	const struct row *row; /* one of them, for the name */
	size_t states[STATES];
};
struct service *services_count(const struct caller *, size_t *count);

/* The handlers: each answers its request, now or later. */
void table_get(struct evhttp_request *);
void process_get(struct evhttp_request *, const char *name);
void events_get(struct evhttp_request *);
void heartbeat_post(struct evhttp_request *);
void hold_post(struct evhttp_request *);
void process_delete(struct evhttp_request *, const char *name);
void metrics_get(struct evhttp_request *);
void healthz_get(struct evhttp_request *);
void web_get(struct evhttp_request *, const char *path);
void procs_get(struct evhttp_request *);
void proc_get(struct evhttp_request *, const char *name);
void socket_upgrade(struct evhttp_request *);

/* What is new is passed on to whoever waits; once per pass of the source. */
void table_changed(void);  /* long polls */
void events_changed(void); /* streams */
void channels_changed(void);
void wishes_changed(void); /* subscriptions to procedures */
void wishes_master(void);  /* the same */
/* The master came or went; it paused, which is for those who see all. */
void channels_master(bool everybody);

/* Ends what is open, kindly: all, or what is open for a token that was revoked. */
void sockets_close(bool all);
void streams_close(bool all);
void holds_close(bool all);
void table_close(bool all);

/* proc.c: reads the procedures. */
void procs_load(void);

/* web.c: reads the dashboard's files. */
void web_load(void);

/* own.c: our own heartbeat. */
void own_start(void);
void own_beat(void);
void own_leave(void);

/* said.c: what a body says. */
struct said {
	const char *process, *event;
	const char *text; /* the line in the body that is all of it, or the form; or NULL */
	size_t len;
	struct heartbeat heartbeat; /* to be freed when said_next returned 1 and not pass */
	bool pass;		    /* an event that is no heartbeat */
	bool silent;		    /* a row that was silent where it comes from */
	bool whole;		    /* it is never a report about what is held */
};
struct said_reader {
	struct text body;
	bool objects;		    /* it has begun with one, and is no form */
	size_t at, line, next_line; /* line: of the heartbeat read last, from 1 */
	struct cJSON *json;	    /* what it points into: these, */
	struct evkeyvalq pairs;
	char **kept; /* and strings of our own */
	size_t kept_count;
};
void said_open(struct said_reader *, struct evhttp_request *);
/*
 * The next heartbeat: 1; it lives until the next call.  0 at the end.  -1 when
 * it is none: *why says in words what is wrong; others may follow.
 */
int said_next(struct said_reader *, struct said *, const char **why);
/* Whether others follow. */
bool said_more(const struct said_reader *);
/* The line that comes next, when it may be an object; to be passed over if it is known. */
const char *said_line(struct said_reader *, size_t *len);
void said_pass(struct said_reader *, size_t len);
void said_close(struct said_reader *);

/* deliver.c */
struct sender {
	const char *peer; /* its address, or NULL */
	struct caller *caller;
};
/* Delivers: 0, or the HTTP status of what is wrong and *why. */
int deliver(const struct said *, const struct sender *, const char **why);
/* Says that a held process is gone, if what lies in the spool is still what it said. */
void deliver_closed(const char *name, const struct text *content);
/* The content that was delivered last. */
const struct text *deliver_content(void);

/* repeat.c */
/* Touches hb/NAME, when it is as repeat_begin left it and has that content; false: it was not. */
bool repeat_touch(const char *name, const struct text *content);
/* Touches that file, which has that content, and remembers it.  0, or -1 with errno. */
int repeat_begin(int fd, const char *name, const struct text *content, ino_t ino);
/* What was touched was said by this sender in this line. */
void repeat_learn(const char *name, const char *line, size_t len, const struct sender *);
/* Touches what this sender said in this line before; false: it must be read. */
bool repeat_line(const char *line, size_t len, const struct sender *);
/* What a whole request is known by: a digest, and the end of it.  False: it is none that would be
 * known. */
#define REPEAT_DIGITS 32
struct repeat_key {
	char text[REPEAT_DIGITS + 1];
};
bool repeat_key(struct repeat_key *, const char *request, size_t len);
/* The line was all that this request said, and an answer without words was all it got. */
void repeat_learn_request(const struct repeat_key *, const char *line, size_t len,
			  const struct sender *);
/* Touches what this request said before.  Who sent it; NULL: it must be read. */
struct caller *repeat_request(const struct repeat_key *, const char *peer);

/* hold.c */
/* Whether a connection holds this process. */
bool hold_is(const char *name);
/* Whether one does, or did until it was told to leave. */
bool hold_was(const char *name);
/* Whether it says what it said before somebody reported about it: then the report stands. */
bool hold_repeats(const char *name, const struct text *content);
/* A heartbeat of this name was delivered: its own, or a report about it. */
void hold_heard(const char *name, const struct text *content, enum state, bool report);

#endif
