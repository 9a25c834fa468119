#ifndef DISCO_TOKEN_H
#define DISCO_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

/* What one may do: with a process, with a row (by its process or its service), with a procedure. */
enum right { RIGHT_PUBLISH, RIGHT_READ, RIGHT_CALL, RIGHTS };

#define TOKEN_DIGEST 32	  /* bytes of a SHA-256 */
#define TOKEN_SECRETS 8	  /* at most */
#define TOKEN_PATTERN 256 /* bytes of a glob, at most */

/* One line of a token file: "NAME SHA256HEX[,SHA256HEX...] RIGHT...". */
struct token {
	char *line; /* a copy, which the others point into */
	size_t len;
	const char *name;
	/* The SHA-256 of its secret, or of several, of which any will do; none: it has a
	 * certificate. */
	unsigned char digests[TOKEN_SECRETS][TOKEN_DIGEST];
	size_t digest_count;
	bool admin; /* may all */
	struct {
		const char **list;
		size_t count;
	} globs[RIGHTS];
};

/*
 * Reads a line (no newline).  NULL when it is one, or what is wrong with it;
 * then there is nothing to free.  name stays NULL when the line is empty or a
 * comment.
 */
const char *token_parse(struct token *, const char *line, size_t len);
void token_free(struct token *);
/* The pattern of a right "read:GLOB", and which right that is; NULL when it is none of these. */
const char *token_pattern(const char *word, enum right *);
/*
 * Whether a pattern looks like several rights with commas between them, and so
 * would match nothing.  No name of a process or procedure has a comma, but that
 * of a service may.
 */
bool token_has_commas(enum right, const char *pattern);

/* Whether they were made of the same line. */
bool token_same(const struct token *, const struct token *);

/* Whether it has this right over that name. */
bool token_may(const struct token *, enum right, const char *name);
/* Whether it has it over every name there could be. */
bool token_may_all(const struct token *, enum right);

#endif
