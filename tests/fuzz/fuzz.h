/*
 * What the fuzzers share.  Each is one file that says what holds for any input
 * of one kind, whoever wrote it; libFuzzer thinks of the input.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* As the programs have it. */
static inline void __attribute__((constructor)) fuzz_locale(void)
{
	setlocale(LC_CTYPE, "C.UTF-8");
}

/* Ends the run, and the input is kept. */
#define ensure(holds) ((holds) ? (void)0 : fuzz_broken(__FILE__, __LINE__, #holds))
static inline _Noreturn void fuzz_broken(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

/* A copy with a NUL behind it, and nothing behind that. */
static inline char *fuzz_copy(const void *data, size_t size)
{
	char *copy = malloc(size + 1);

	ensure(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	copy[size] = '\0';
	return copy;
}

/* The input up to a NUL, as text that may hold none. */
static inline char *fuzz_string(const uint8_t *data, size_t size)
{
	return fuzz_copy(data, strnlen((const char *)data, size));
}

static inline bool fuzz_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/*
 * A strict reader of JSON: what it takes every reader takes.  Moves on behind
 * one value; NULL when there is none.
 */
static inline const char *fuzz_json_string(const char *s, const char *end)
{
	if (s == end || *s++ != '"')
		return NULL;
	while (s < end && *s != '"') {
		size_t n = text_character(s, (size_t)(end - s));

		if (n == 0 || (unsigned char)*s < ' ')
			return NULL;
		if (*s == '\\') {
			if (end - s < 2 || strchr("\"\\/bfnrtu", s[1]) == NULL || s[1] == '\0')
				return NULL;
			n = 2;
			if (s[1] == 'u') {
				for (n = 2; n < 6; n++)
					if (end - s <= (ptrdiff_t)n || s[n] == '\0' ||
					    strchr("0123456789abcdefABCDEF", s[n]) == NULL)
						return NULL;
			}
		}
		s += n;
	}
	return s < end ? s + 1 : NULL;
}

static inline const char *fuzz_json_number(const char *s, const char *end)
{
	const char *digits;

	s += s < end && *s == '-';
	for (digits = s; s < end && *s >= '0' && *s <= '9';)
		s++;
	if (s == digits || (*digits == '0' && s - digits > 1))
		return NULL;
	if (s < end && *s == '.') {
		for (digits = ++s; s < end && *s >= '0' && *s <= '9';)
			s++;
		if (s == digits)
			return NULL;
	}
	if (s < end && *s == 'e') {
		for (digits = s += end - s > 1 && strchr("+-", s[1]) != NULL ? 2 : 1;
		     s < end && *s >= '0' && *s <= '9';)
			s++;
		if (s == digits)
			return NULL;
	}
	return s;
}

static inline const char *fuzz_json_value(const char *s, const char *end)
{
	static const char *const words[] = {"null", "true", "false"};
	char close;

	if (s == end)
		return NULL;
	if (*s == '"')
		return fuzz_json_string(s, end);
	if (*s != '{' && *s != '[') {
		for (size_t i = 0; i < 3; i++)
			if ((size_t)(end - s) >= strlen(words[i]) &&
			    memcmp(s, words[i], strlen(words[i])) == 0)
				return s + strlen(words[i]);
		return fuzz_json_number(s, end);
	}
	close = *s++ == '{' ? '}' : ']';
	if (s < end && *s == close)
		return s + 1;
	for (;;) {
		if (close == '}') {
			s = fuzz_json_string(s, end);
			if (s == NULL || s == end || *s++ != ':')
				return NULL;
		}
		s = fuzz_json_value(s, end);
		if (s == NULL || s == end || (*s != ',' && *s != close))
			return NULL;
		if (*s++ == close)
			return s;
	}
}

/* Whether it is one value of JSON, as we print it: without blanks. */
static inline bool fuzz_json(const char *s, size_t len)
{
	return fuzz_json_value(s, s + len) == s + len;
}

/* Whether a terminal may be shown it: lines of clean text. */
static inline bool fuzz_lines(const char *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		const char *end = memchr(s + i, '\n', len - i);
		size_t n = end == NULL ? len - i : (size_t)(end - s) - i;

		if (!text_clean(s + i, n))
			return false;
		i += n + 1;
	}
	return true;
}

#endif
