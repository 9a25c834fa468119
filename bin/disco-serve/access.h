#ifndef DISCO_SERVE_ACCESS_H
#define DISCO_SERVE_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "row.h"
#include "state.h"
#include "token.h"

struct evhttp_request;

/*
 * Who asks, and what he may: one for each line of the token file, shared by all
 * that is open for it.  Without a token file there is one who may all.
 */
struct caller {
	struct token token;
	size_t refs;
	bool revoked; /* the token file has no such line any more */
	/* The last change that it may see, of those up to looked. */
	uint64_t seq, looked;
	uint64_t left;	/* the last change by which a row went out of its sight */
	uint64_t begun; /* of the table that this is about */
	/* By id: whether it may see the row, and the round in which that was found. */
	uint64_t *sights;
	size_t sight_count;
	/* By id: the number it knows a row by, which tells nothing of rows it may not see. */
	uint32_t *ids, last_id;
	size_t id_count;
	/* Its calls of procedures: under way, waiting, and when one had its turn last. */
	size_t calls, calls_waiting;
	uint64_t turn;
	/* Its requests of late. */
	double spent;
	int64_t spent_ms;
};

/* NULL when a file is ours or root's and nobody else's to read or to change, or what is wrong. */
const char *file_private(const struct stat *);

/* Reads --tokens, or exits. */
void access_open(void);
/* Reads it again: what is wrong with it is said, and the old one stays in force.  Ends what is open
 * for a token that is no more; anew: what is open for any. */
void access_reload(bool anew);

/*
 * Finds who sent a request.  NULL when it was answered: with 401, or 429.
 * certificate: the name in the client's certificate, or NULL.
 */
struct caller *access_check(struct evhttp_request *, const char *certificate);

/* Whether it may send one more request now; and it did. */
bool caller_may_ask(struct caller *);
void caller_asked(struct caller *);

struct caller *caller_ref(struct caller *);
void caller_unref(struct caller *);

/* Whether who asks may read anything; else it was answered, with 403. */
bool access_reads(struct evhttp_request *);

/* The token's name; NULL when there are no tokens. */
const char *caller_name(const struct caller *);
bool caller_may(const struct caller *, enum right, const char *name);
/* Whether it may call any procedure. */
bool caller_calls_some(const struct caller *);
/* Whether nothing is kept from it. */
bool caller_reads_all(const struct caller *);
/* Whether it reads anything at all. */
bool caller_reads_some(const struct caller *);
/* Whether it may see this row, which may be that of an event. */
bool caller_reads(const struct caller *, const struct row *);
/* The seq of the last change that it may see. */
uint64_t caller_seq(const struct caller *);
/* The number of a row, by its id. */
uint32_t caller_id(struct caller *, uint32_t id);
/* How many rows it may see in each state; the sum. */
size_t caller_counts(struct caller *, size_t counts[STATES]);

/* What is new was taken: to be called at the end of each round. */
void access_look(void);

#endif
