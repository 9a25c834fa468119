/* The states and the thresholds: what holds for a process, from what was asked for it. */
#include "state.h"

#include <string.h>

const struct limits limits_default = {30000, 90000, 600000};

static const char *const names[STATES] = {"active", "warning", "error", "inactive"};

const char *state_name(enum state state)
{
	return names[state];
}

bool state_parse(const char *name, size_t len, enum state *state)
{
	for (int i = 0; i < STATES; i++) {
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0) {
			*state = (enum state)i;
			return true;
		}
	}
	return false;
}

const char *state_set_parse(const char *list, unsigned *set)
{
	unsigned bits = 0;
	enum state state;
	size_t len;

	for (;; list += len + 1) {
		len = strcspn(list, ",");
		if (!state_parse(list, len, &state))
			return "not a state; write active, warning, error or inactive";
		bits |= 1u << state;
		if (list[len] == '\0')
			break;
	}
	*set = bits;
	return NULL;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

struct limits limits_of(const struct limits *master, const struct limits *asked, int64_t every_ms)
{
	struct limits is = *asked;

	if (is.warn_ms == 0)
		is.warn_ms = is.error_ms > 0 ? is.error_ms : larger(master->warn_ms, 3 * every_ms);
	if (is.error_ms == 0)
		is.error_ms = is.warn_ms == master->warn_ms
				  ? master->error_ms
				  : larger(master->error_ms, 3 * is.warn_ms);
	is.error_ms = larger(is.error_ms, is.warn_ms);
	if (is.forget_ms == 0)
		is.forget_ms = is.error_ms == master->error_ms
				   ? master->forget_ms
				   : larger(master->forget_ms, 7 * is.error_ms);
	is.forget_ms = larger(is.forget_ms, is.error_ms);
	return is;
}

const char *limits_check(const struct limits *asked, int64_t every_ms)
{
	int64_t first = asked->warn_ms > 0 ? asked->warn_ms : asked->error_ms;

	if (first > 0 && every_ms > 0 && first <= every_ms)
		return "the thresholds must be longer than the interval between beats";
	if (asked->warn_ms > 0 && asked->error_ms > 0 && asked->error_ms < asked->warn_ms)
		return "the error threshold must not be shorter than the warning threshold";
	if (first > 0 && asked->forget_ms > 0 && asked->forget_ms < larger(asked->error_ms, first))
		return "the forget threshold must not be shorter than the others";
	return NULL;
}
