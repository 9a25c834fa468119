#ifndef DISCO_STATE_H
#define DISCO_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of how bad they are; a process that left is beyond that order. */
enum state { STATE_ACTIVE, STATE_WARNING, STATE_ERROR, STATE_INACTIVE };
#define STATES 4

/* Thresholds of silence, in milliseconds; 0 where nobody said. */
struct limits {
	int64_t warn_ms, error_ms, forget_ms;
};

/* The limits of a master that was told none: 30 s, 90 s, 10 min. */
extern const struct limits limits_default;

const char *state_name(enum state);
bool state_parse(const char *name, size_t len, enum state *);

/*
 * Reads "warning,error" into a set of bits 1u << state.  Returns NULL, or
 * what is wrong.
 */
const char *state_set_parse(const char *list, unsigned *set);

/*
 * The effective limits of a process: what it asks for, and for what it does
 * not ask the master's, widened so that they fit its interval (every_ms, 0
 * when unknown) and each other.
 */
struct limits limits_of(const struct limits *master, const struct limits *asked, int64_t every_ms);

/* Says what is wrong with limits asked for (in their order, above the interval), or NULL. */
const char *limits_check(const struct limits *asked, int64_t every_ms);

#endif
