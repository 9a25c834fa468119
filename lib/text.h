#ifndef DISCO_TEXT_H
#define DISCO_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A text that grows.  All zero is an empty one.  When memory runs out it is
 * marked failed and takes no more, so a writer of many parts looks once, at
 * the end.  s is not terminated by a NUL unless text_cstr says so.
 */
struct text {
	char *s;
	size_t len, size;
	bool failed;
};

void text_add(struct text *, const char *s, size_t len);
void text_string(struct text *, const char *s);
void text_char(struct text *, char c);
void text_number(struct text *, int64_t number);
void text_printf(struct text *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What is read from a file in one call; fuzzers have less, and meet more joints. */
#ifndef TEXT_READ
#define TEXT_READ ((size_t)256 * 1024)
#endif

/* Makes room for len more bytes and returns where they go, or NULL (failed). */
char *text_room(struct text *, size_t len);

/* The text with a NUL behind it; "" when it is empty or failed. */
const char *text_cstr(struct text *);

bool text_same(const struct text *, const struct text *);

/* Empties it and keeps its memory; or gives the memory back. */
void text_clear(struct text *);
void text_free(struct text *);

/* Appends a value with tab, newline and backslash as \t, \n and \\. */
void text_tsv(struct text *, const char *s, size_t len);

/* Appends what text_tsv made, as it was before. */
void text_untsv(struct text *, const char *s, size_t len);

/* Appends a value as a quoted JSON string, from UTF-8; what is not UTF-8 becomes U+FFFD. */
void text_json(struct text *, const char *s, size_t len);

/*
 * Appends a value that may come from anyone, fit for a terminal: no byte of
 * it is a control character or half a character of UTF-8, for these become ?.
 */
void text_safe(struct text *, const char *s, size_t len);

/* The length in bytes of the UTF-8 character at s, 1 to 4; 0 when it is none. */
size_t text_character(const char *s, size_t len);

/*
 * Whether it is all UTF-8 and holds no control character, neither C0 nor C1 nor
 * what turns text around; or how many bytes of it there are before the first
 * that is not so.
 */
bool text_clean(const char *s, size_t len);
size_t text_clean_length(const char *s, size_t len);

/* Writes the number at the end of buf, with a NUL behind it; returns where it begins. */
#define NUMBER_LENGTH 21
const char *number_print(char buf[NUMBER_LENGTH], uint64_t);

#endif
