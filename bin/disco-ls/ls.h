#ifndef DISCO_LS_H
#define DISCO_LS_H

#include <stdbool.h>
#include <stdint.h>

#include "list.h"
#include "match.h"
#include "proc.h"
#include "remote.h"
#include "version.h"
#include "view.h"

enum mode {
	MODE_LIST,
	MODE_ONE,
	MODE_JSON,
	MODE_TSV,
	MODE_FILTER,
	MODE_WHY,
	MODE_CHECK,
	MODE_PROC,
	MODE_PROCS
};

/* What was asked, and what there is. */
struct ls {
	enum mode mode;
	const char *dir;
	struct server server; /* its url is NULL: the spool is read */
	const char *filter;   /* -q: a jq program */
	const char *why;      /* --why: a process */
	const char *proc;     /* --proc: a procedure, and its arguments */
	struct proc_given args[PROC_ARGS_GIVEN];
	size_t arg_count;
	const char *procs_dir; /* --procs-dir */
	bool json;	       /* --procs -j */
	struct match match;
	bool states_asked;
	struct list list;
	int sort; /* a column, or -1 */
	bool reverse;

	struct view view;
	enum master_state master;
	int64_t now_ms;
	const struct row **rows; /* the rows that match */
	size_t count;
};

/* Each does its mode's work with the rows and returns the exit status. */
int print_list(struct ls *);
int print_one(struct ls *);
int print_json(struct ls *);
int print_tsv(struct ls *);
int filter_rows(struct ls *);
int why(struct ls *);
int check(struct ls *);
int proc_run(struct ls *);
int procs_list(struct ls *);

/* --arg name=value */
void proc_arg_add(struct ls *, const char *given);

/* Of the terminal at stdout, in cells; 80 where nobody knows. */
int terminal_width(void);

/* Writes everything; or says why not and exits 3. */
void write_out(int fd, struct text *);

#endif
