/* What the parts of disco-http share. */
#ifndef DISCO_HTTP_H
#define DISCO_HTTP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"
#include "trust.h"
#include "version.h"

/* Where the server is and how it is spoken to. */
struct server {
	struct text url;    /* of what is asked for, or of the server; with the operand path */
	struct text shown;  /* the same, fit to be shown */
	const char *socket; /* a Unix socket, or NULL */
	struct trust trust;
	int64_t connect_ms, timeout_ms, idle_ms; /* timeout_ms: 0 where none was given */
	struct curl_slist *headers;		 /* those that the caller asks for */
	bool tells_header;			 /* -i: the answer's header is printed too */
	bool explains;				 /* -e: what it says to 404 is told too */
};

/*
 * One request and its answer.  What comes is given to take, as it comes, when
 * the status is 2xx; else it is kept, for it says why.
 */
struct exchange {
	const struct server *server;
	CURL *curl;
	const char *type; /* a header, of what is posted; or NULL */
	struct curl_slist *headers;
	bool busy; /* it is under way */
	bool endless;
	bool silent; /* success is 204 alone: any other answer is not a disco-serve's */
	struct text url, body;
	struct text answer; /* of an error, its beginning */
	char error[CURL_ERROR_SIZE];
	CURLcode code;
	long status;	  /* 0: there was no answer */
	int64_t heard_ms; /* when something last came, CLOCK_MONOTONIC */
	int64_t retry_ms; /* what the server asks for by Retry-After, or 0 */
	bool (*take)(void *arg, const char *, size_t); /* false: no more of it */
	void *arg;
};

/* exchange.c */
/* Appends a URL without user:password@, which is nobody's business. */
void url_shown(struct text *, const char *url);
enum method { METHOD_GET, METHOD_POST, METHOD_DELETE };
/* Makes ready what stays the same in all requests; exits when memory is out. */
void exchange_init(struct exchange *, const struct server *, const char *type);
void exchange_free(struct exchange *);
/*
 * Begins a request for the server's URL and a path behind it ("" for none).
 * The body of a POST is in .body.  An endless answer has no time limit.
 */
void exchange_start(struct exchange *, CURLM *, enum method, const char *path, bool endless);
/* Ends it, over or not. */
void exchange_stop(struct exchange *, CURLM *);
/* Lets all requests go on; those that are over are no longer busy.  Exchanges are NULL or not. */
void exchange_perform(CURLM *, int64_t now_ms, struct exchange *const *, size_t count);
/* What the answer is in an exit status. */
int exchange_status(const struct exchange *);
/* Whether the same may be well received later: there was no answer, or 429, or 5xx. */
bool exchange_passing(const struct exchange *);
/* Whether we are not let in, so that it is no matter of what was said. */
bool exchange_unknown(const struct exchange *);
/* Appends why it went wrong, without a newline. */
void exchange_words(const struct exchange *, struct text *);
/* Says it on stderr, with more behind it. */
void exchange_complain(const struct exchange *, const char *more);
/* Says on stderr that it goes well again. */
void exchange_rejoice(const struct exchange *);

/* token.c: our secret, which nobody else is to see. */
/* Takes it in, if there is one; exits when it can't be had. */
void token_take(const struct trust *);
/* Takes another one that the file may hold now. */
void token_renew(const struct trust *);
void token_wipe(void);
/* The header that tells it, or NULL. */
const char *token_header(void);
/* Puts dots in the place of it, wherever a text has it. */
void token_hide(struct text *);

/* tls.c */
/* Looks whether the files are there, and exits when they are not. */
void tls_check(const struct server *);
void tls_init(CURL *, const struct server *);
/* Appends why there is no TLS; false when it is something else. */
bool tls_words(const struct exchange *, struct text *);

/* lines.c: standard input, a line at a time; never waits. */
struct lines {
	struct text buf;
	size_t at;	/* how much of it was given */
	size_t skipped; /* of a line too long */
	int64_t number; /* of the line given last */
	bool end;
};
#define LINE_LONGEST ((size_t)256 * 1024)
/* Reads what is there; call it when standard input is readable. */
void lines_read(struct lines *);
/* The next line, NUL-terminated in place, and its length; NULL when there is none yet. */
char *lines_next(struct lines *, size_t *len);
/* Whether a read would not wait. */
bool readable(int fd);

/* The verbs; each returns the exit status. */
int once(const struct server *, enum method); /* once.c: get, post, delete */
int stream(const struct server *);	      /* stream.c */
int hold(const struct server *);	      /* hold.c */

#endif
