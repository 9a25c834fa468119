#ifndef DISCO_JQ_RUN_H
#define DISCO_JQ_RUN_H

#include <jq.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>

#include "text.h"
#include "version.h"

/* cage.c: what a process that runs others' programs may use. */
struct cage {
	rlim_t memory;	      /* bytes */
	unsigned processor_s; /* of its time; a few seconds later it is killed */
};
/* Shuts it in for good, with no descriptor above stderr.  False with errno. */
bool cage_enter(const struct cage *);
/* Without files and environment, but able to start others. */
bool cage_keeper(void);
void cage_no_environment(void);

/* program.c */
/*
 * Compiles; NULL when it is no program, and wrong says why.  The text is the
 * program with what stands before it on its first line.  debug is told of what
 * the program says so.
 */
jq_state *program_compile(const char *before, const char *text, size_t len, struct text *wrong,
			  void (*debug)(void *, jv), void *arg);
/* Appends what jq says, in one clean line of bearable length. */
void message_add(struct text *, jv message);
/* "debug" that nobody hears. */
void message_drop(void *, jv);
/* A result, and a newline. */
void result_add(struct text *, jv result, bool raw);

/* object.c: reads a JSON object; many that have the same members are read fast. */
struct shape {
	jv keys, object; /* an object of these keys, in this order */
};
jv object_read(struct shape *, const char *s, size_t len);

/* Each is a way to use this program; it returns the exit status. */
int rows_run(const char *program);
int worker_run(int fd, const struct cage *);
int keeper_run(int fd, const struct cage *);

#endif
