#ifndef DISCO_PROC_H
#define DISCO_PROC_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "text.h"

/*
 * Stored procedures: jq programs in files NAME.jq, which say in their first
 * comment lines what they do, take and give; see disco-procs(7).
 */

#define PROC_LARGEST (64 * 1024) /* bytes of a file */
#define PROC_ARGS 16
#define PROC_ARGS_GIVEN 64
#define PROC_ARG_LARGEST 4096
#define PROC_FOLDERS 3
#define PROC_SITE "/etc/disco/procs"

struct proc_arg {
	const char *name;
	bool optional;
};

struct proc {
	char *name, *path;
	char *text; /* of len bytes, and a NUL */
	size_t len;
	char *words;	  /* what it does; "" */
	const char *type; /* of what it gives, fit for a header */
	char *type_own;
	char *names; /* the memory of the arguments' names */
	struct proc_arg args[PROC_ARGS];
	size_t arg_count;
	const char *wrong; /* why it can't be called, or NULL */
	struct stat_of {
		dev_t dev;
		ino_t ino;
		off_t size;
		struct timespec changed;
	} file; /* as it was when it was read */
};

struct procs {
	/* The later has the last word; NULL: none. */
	const char *folders[PROC_FOLDERS];
	struct stat_of were[PROC_FOLDERS];
	struct proc *list; /* in name order */
	size_t count;
	char installed[PATH_MAX + 64];
};

/* The folders: the installed one beside this program, PROC_SITE, and own, which may be NULL. */
void procs_open(struct procs *, const char *own);
/* Reads them if they are not as they were; 1 when they were read, 0, or -1 with errno. */
int procs_refresh(struct procs *);
void procs_free(struct procs *);

/* NULL: there is none.  Until the next procs_refresh. */
const struct proc *procs_find(const struct procs *, const char *name);

/* Whether its results are JSON; else strings come as they are. */
bool proc_is_json(const struct proc *);

/* Appends {"name":..,"words":..,"args":[{"name":..,"optional":..}],"type":..}. */
void proc_json(struct text *, const struct proc *);

/* What an argument of this name is given. */
struct proc_given {
	const char *name, *value;
};

/*
 * Appends the arguments as a JSON object, those that are left out as null.
 * False: they are not what it takes, and wrong says what is.
 */
bool proc_args(const struct proc *, const struct proc_given *, size_t count, struct text *json,
	       struct text *wrong);

#endif
