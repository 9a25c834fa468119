#ifndef DISCO_TRUST_H
#define DISCO_TRUST_H

#include <stdbool.h>

/*
 * By what a server and who speaks to it know each other.  All programs with a
 * URL have these options; the others hand them on to disco-http, which alone
 * acts on them.  This file is for musl and glibc alike and uses no library but
 * libc.
 */
struct trust {
	const char *cacert;	/* who may vouch for the server */
	const char *cert, *key; /* what vouches for us; key NULL: it is in cert */
	const char *token_file; /* whose first line is our secret */
};

/* Their lines in a list of long options. */
enum { TRUST_CACERT = 512, TRUST_CERT, TRUST_KEY, TRUST_TOKEN_FILE };
#define TRUST_OPTIONS                                                   \
	{"cacert", required_argument, NULL, TRUST_CACERT},              \
	    {"cert", required_argument, NULL, TRUST_CERT},              \
	    {"key", required_argument, NULL, TRUST_KEY},                \
	{                                                               \
		"token-file", required_argument, NULL, TRUST_TOKEN_FILE \
	}

/* Takes the value of one of them; false when the option is another one. */
bool trust_option(struct trust *, int option, const char *value);

/* Puts what was given as options of disco-http, at most so many words; returns where to go on. */
#define TRUST_ARGUMENTS 8
const char **trust_arguments(const struct trust *, const char **argv);

/* Fills in from DISCO_CACERT, DISCO_CERT and DISCO_KEY what was not given. */
void trust_environment(struct trust *);

/* NULL, or what is wrong with a URL: it must not tell a password, for all can read it. */
const char *trust_url_check(const char *url);

/*
 * Our secret: the first line of the file, else of the one that DISCO_TOKEN_FILE
 * names, else DISCO_TOKEN; into a buffer of TRUST_TOKEN bytes, which the caller
 * wipes, "" when there is none.  EXIT_DONE; or the status to exit with, and
 * *what says where it was sought and *why what is wrong there.
 */
#define TRUST_TOKEN 513
int trust_token(const struct trust *, char *token, const char **what, const char **why);

#endif
