#ifndef DISCO_DURATION_H
#define DISCO_DURATION_H

#include <stddef.h>
#include <stdint.h>

#define DURATION_LONGEST_MS (INT64_C(36500) * 86400000) /* a hundred years */

struct text;

/*
 * Reads a duration, "2", "1.5s", "500ms", "5m", "26h" or "7d" (no unit means
 * seconds), into milliseconds; finer parts are refused, as are zero and more
 * than DURATION_LONGEST_MS.  Returns NULL, or what is wrong; *ms is then
 * untouched.
 */
const char *duration_parse(const char *text, int64_t *ms);

/* Appends the duration in the shortest exact unit: "1500ms", "90s", "26h". */
void duration_print(struct text *, int64_t ms);

/* Appends it in seconds with no more decimals than it needs: "90", "1.5". */
void duration_seconds(struct text *, int64_t ms);

/* Appends it for people, as it stands in reasons: "30 s", "26 h", "500 ms". */
void duration_words(struct text *, int64_t ms);

/*
 * Writes an age into buf, four figures at most and rounded down, as people
 * compare them in a list: "0s", "59s", "12m", "3h", "2d".
 */
void duration_age(char *buf, size_t size, int64_t ms);

/*
 * Reads a whole decimal number that lies within the limits, digits alone: no
 * blank, no sign, no rest.  Returns NULL, or what is wrong.
 */
const char *number_parse(const char *text, int64_t least, int64_t most, int64_t *number);

#endif
