#ifndef DISCO_STAMP_H
#define DISCO_STAMP_H

#include <stdbool.h>
#include <stdint.h>

#define STAMP_LENGTH 24 /* of 2026-11-24T03:14:26.230Z */

/* Writes a time (milliseconds since 1970, UTC) as ISO 8601, STAMP_LENGTH bytes and no NUL. */
void stamp_print(char *buf, int64_t ms);

/* Reads what stamp_print wrote, exactly that; false when it is something else. */
bool stamp_parse(const char *s, int64_t *ms);

#endif
