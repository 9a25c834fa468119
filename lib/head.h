#ifndef DISCO_HEAD_H
#define DISCO_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state.h"

struct text;

/* The first line of a table. */
struct head {
	uint64_t seq;	 /* of the last event in it */
	int64_t time_ms; /* when it was written */
	int64_t rows;	 /* how many follow */
	int64_t tick_ms;
	struct limits limits;
	uint64_t segment;	 /* where the log goes on from it: a segment, */
	int64_t offset;		 /* and how far in it; 0:0 where there is none */
	char boot[40];		 /* boot id of the master's machine */
	int64_t paused_until_ms; /* 0, or nobody is judged until then */
	uint64_t refused;	 /* files in hb/ that are no heartbeats */
};

/* As of a master that was told nothing. */
void head_init(struct head *);

/* What a table begins with. */
#define HEAD_MAGIC "#disco-table 1 "

/* Reads a line (no newline); what it does not say stays.  False when it is not a table's of this
 * version. */
bool head_parse(struct head *, const char *line, size_t len);

/* Appends the line, without its newline. */
void head_print(const struct head *, struct text *);

#endif
