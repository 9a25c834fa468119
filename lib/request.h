#ifndef DISCO_REQUEST_H
#define DISCO_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_TARGET 8192 /* bytes of an address, at most */
#define REQUEST_HEADERS 100

/*
 * The head of an HTTP/1 request, byte by byte as it comes, held to the letter
 * of RFC 9112: what may have two meanings is refused before anybody gives it one.
 * All zero is the beginning.
 */
struct request {
	int state;
	size_t head, at; /* bytes of the head, and of the part that is being read */
	char method[8];	 /* its first letters */
	char name[24];	 /* of the header that is being read, in lower case */
	char value[24];	 /* of that */
	size_t name_len, value_len;
	bool cut; /* there is more of the value than fits */
	unsigned headers, hosts, lengths, encodings;
	int64_t length;		    /* of the body, where it is given */
	bool chunked, upgrade, old; /* old: HTTP/1.0 */
	bool whole;		    /* the head is; what follows is no part of it */
	int64_t chunk;		    /* bytes that are left of the chunk that is being read */
	int status;		    /* what is wrong: an HTTP status, */
	const char *why;	    /* in words */
};

/*
 * Takes the next bytes; returns how many of them belong to the head: all of
 * them unless it is whole, or something is wrong with it (status is not 0).  How
 * long a head may be is the caller's to say.
 */
size_t request_scan(struct request *, const char *s, size_t len);

/*
 * The same for a body in chunks, when the head is whole: a chunk's line is its
 * size in hexadecimal digits and nothing else, and behind the last there is
 * nothing but an empty line.  What follows that is not looked at.
 */
void request_scan_chunks(struct request *, const char *s, size_t len);

#endif
