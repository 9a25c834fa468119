#ifndef DISCO_CALL_H
#define DISCO_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

/*
 * What is said between one who calls a procedure and the process that runs it
 * (disco-jq), over a stream socket: frames, each a head and what it announces.
 * A call is its program, its arguments, rows in any number of frames, and "go";
 * the answer is any number of debug frames and one of the others.  Then comes
 * the next call.
 */
struct call_head {
	uint32_t kind, len; /* as this machine has them */
};

enum call_kind {
	/* Of a call: */
	CALL_PROGRAM = 'p', /* jq's text */
	CALL_ARGS = 'a',    /* a JSON object of strings */
	CALL_ROWS = 'r',    /* whole lines, a JSON object each */
	CALL_GO = 'g',	    /* "raw": strings come as they are; "json" */
	/* Of an answer: */
	CALL_DEBUG = 'd',   /* what the program says to whom it may concern */
	CALL_OUTPUT = 'o',  /* all results, each and a newline */
	CALL_FAILED = 'f',  /* the program says in words what is wrong */
	CALL_BAD = 'b',	    /* it is no program */
	CALL_STOPPED = 's', /* it wanted too much; whoever ran it ends */
	CALL_LAST = 'l',    /* with the answer that follows whoever gives it ends */
};

#define CALL_OUTPUT_LARGEST (16 << 20)
#define CALL_WORDS_LARGEST 1024 /* of all other answers */
#define CALL_ROWS_LARGEST (8 << 20)
#define CALL_ARGS_LARGEST (4 << 20)

/* Appends a frame. */
void frame_add(struct text *, enum call_kind, const char *s, size_t len);
/* Begins one whose length is not known yet; returns where, for frame_end. */
size_t frame_begin(struct text *, enum call_kind);
void frame_end(struct text *, size_t begun);

/* Whether an answer may have such a frame. */
bool frame_good(const struct call_head *);

/*
 * The keeper of disco-serve's workers is asked with these, over a socket that
 * keeps messages apart: to start one, and answers with its pid and, attached,
 * its socket, or with an errno; or to kill one.
 */
enum { KEEPER_READY = 'R', KEEPER_START = 's', KEEPER_KILL = 'k', KEEPER_FAILED = 'f' };
struct keeper_message {
	int32_t kind, number;
};

#endif
