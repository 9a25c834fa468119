#ifndef DISCO_HEARTBEAT_H
#define DISCO_HEARTBEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "state.h"

#define HEARTBEAT_LARGEST 16384 /* bytes of content */
#define HEARTBEAT_EXTRAS 256	/* meta.KEY and unknown keys in one heartbeat */
#define HEARTBEAT_SERVICE 255	/* bytes of a service */

struct text;

/* A line that is none of the known keys: meta.KEY, or a key of a later day. */
struct extra {
	const char *key, *value;
};

/* What a heartbeat says.  Strings are NULL and numbers 0 where it says nothing. */
struct heartbeat {
	const char *service, *host, *ip, *address, *version, *reason, *boot, *start, *via, *token;
	int64_t pid, every_ms;
	struct limits limits;
	enum state state;
	bool held;
	bool lent;	      /* extras is an array of HEARTBEAT_EXTRAS that its maker keeps */
	struct extra *extras; /* in the order of the file; owned by the heartbeat unless lent */
	size_t extra_count;
};

/*
 * Reads the content of a heartbeat file.  The text is cut up in place and
 * text[len] must be writable; the heartbeat points into it and into memory of
 * its own, which heartbeat_free gives back (it need not be called when this
 * fails).  Nothing at all is a heartbeat too.  Returns NULL, or what is wrong:
 * more than HEARTBEAT_LARGEST bytes, a last line without its newline, a line
 * without "=", a key given twice, bytes that are not UTF-8, a control
 * character, a value that its key can't have, "out of memory".
 */
const char *heartbeat_parse(char *text, size_t len, struct heartbeat *);
void heartbeat_free(struct heartbeat *);

/*
 * Appends the content that says this: one order, so that the same heartbeat
 * is the same bytes.  state=active is left out.  What heartbeat_parse reads
 * of it is the same heartbeat.
 */
void heartbeat_print(const struct heartbeat *, struct text *);

/*
 * Appends the same as a JSON object, {"process":"x","service":"y","every":2,...}:
 * the file's keys, durations as numbers of seconds.  No newline is in it.
 */
void heartbeat_json(const struct heartbeat *, const char *process, struct text *);

/* Whether content says held=yes, without reading the rest of it; len < 0 is none. */
bool heartbeat_says_held(const char *content, ssize_t len);

/* Adds or replaces an extra (key and value are kept as pointers); false when memory is out or there
 * are too many. */
bool heartbeat_extra(struct heartbeat *, const char *key, const char *value);

/* Whether a key may stand before "=": a letter, then letters, digits, . _ -, at most 128 bytes. */
bool heartbeat_key(const char *key);

/* Whether both tell the same process: boot, start and pid are alike.  One that tells none is like
 * any. */
bool heartbeat_same_sender(const struct heartbeat *, const struct heartbeat *);

#endif
