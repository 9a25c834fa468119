/* Durations and numbers as users write them: strict on the way in, short on the way out. */
#include "duration.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

static const struct unit {
	const char *name;
	const char *word;
	int64_t ms;
} units[] = {
    {"d", " d", 86400000}, {"h", " h", 3600000}, {"m", " min", 60000},
    {"s", " s", 1000},	   {"ms", " ms", 1},
};
#define UNITS (sizeof(units) / sizeof(units[0]))

static const char wrong[] = "not a duration; write 2, 1.5s, 500ms, 5m, 26h or 7d";

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

const char *duration_parse(const char *text, int64_t *ms)
{
	const char *s = text;
	int64_t whole = 0, part = 0, scale = 1, unit = 0, rest;

	if (!digit(*s))
		return wrong;
	for (; digit(*s); s++) {
		whole = whole * 10 + (*s - '0');
		if (whole > DURATION_LONGEST_MS)
			return "too long a duration";
	}
	if (*s == '.') {
		if (!digit(*++s))
			return wrong;
		for (; digit(*s); s++) {
			if (scale >= 1000000000)
				return "too fine a duration; the finest is 1ms";
			part = part * 10 + (*s - '0');
			scale *= 10;
		}
	}
	if (*s == '\0')
		unit = 1000;
	for (size_t i = 0; i < UNITS; i++)
		if (strcmp(s, units[i].name) == 0)
			unit = units[i].ms;
	if (unit == 0)
		return wrong;
	if (whole > DURATION_LONGEST_MS / unit)
		return "too long a duration";
	rest = part * unit;
	if (rest % scale != 0)
		return "too fine a duration; the finest is 1ms";
	whole = whole * unit + rest / scale;
	if (whole == 0)
		return "a duration must be longer than nothing";
	if (whole > DURATION_LONGEST_MS)
		return "too long a duration";
	*ms = whole;
	return NULL;
}

static const struct unit *unit_of(int64_t ms)
{
	const struct unit *unit = units;

	while (ms % unit->ms != 0)
		unit++;
	return unit;
}

void duration_print(struct text *text, int64_t ms)
{
	const struct unit *unit = unit_of(ms);

	text_number(text, ms / unit->ms);
	text_string(text, unit->name);
}

void duration_words(struct text *text, int64_t ms)
{
	const struct unit *unit = unit_of(ms);

	text_number(text, ms / unit->ms);
	text_string(text, unit->word);
}

void duration_seconds(struct text *text, int64_t ms)
{
	int64_t part = ms % 1000;

	text_number(text, ms / 1000);
	if (part == 0)
		return;
	text_char(text, '.');
	for (int64_t place = 100; part > 0; place /= 10) {
		text_char(text, (char)('0' + part / place));
		part %= place;
	}
}

void duration_age(char *buf, size_t size, int64_t ms)
{
	int64_t s = ms > 0 ? ms / 1000 : 0;

	if (s < 120)
		snprintf(buf, size, "%" PRId64 "s", s);
	else if (s < 2 * 3600)
		snprintf(buf, size, "%" PRId64 "m", s / 60);
	else if (s < 2 * 86400)
		snprintf(buf, size, "%" PRId64 "h", s / 3600);
	else
		snprintf(buf, size, "%" PRId64 "d", s / 86400);
}

const char *number_parse(const char *text, int64_t least, int64_t most, int64_t *number)
{
	const char *s = text;
	int64_t n = 0;

	if (!digit(*s))
		return "not a number";
	for (; digit(*s); s++) {
		if (n > (INT64_MAX - (*s - '0')) / 10)
			return "too large a number";
		n = n * 10 + (*s - '0');
	}
	if (*s != '\0')
		return "not a number";
	if (n < least)
		return "too small a number";
	if (n > most)
		return "too large a number";
	*number = n;
	return NULL;
}
