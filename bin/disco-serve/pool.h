#ifndef DISCO_SERVE_POOL_H
#define DISCO_SERVE_POOL_H

#include "proc.h"
#include "serve.h"

/*
 * proc.c: the procedure of this name, read anew when its file has changed.
 * NULL: there is none that the caller may call; then *status is what to answer,
 * and words say why.
 */
const struct proc *proc_find(const struct caller *, const char *name, int *status,
			     struct text *words);

/*
 * Starts the keeper of the workers (disco-jq), before there is anything that it
 * could inherit.  Without it procedures are not there, and all else is.
 */
void pool_open(void);
size_t pool_workers(void);

/* How a call ended: 200 and what it gave, or the status of an error and words. */
typedef void call_done(void *arg, int status, struct text *answer);

/*
 * Calls a procedure over the rows that the caller may read.  done is called
 * once, later, or at once when there is no room; it may take the answer's text.
 * NULL when it was.
 */
struct call *call_start(struct caller *, const struct proc *, const struct text *args, call_done *,
			void *arg);
/* Nobody waits for it any more: done is not called. */
void call_forget(struct call *);

#endif
