/* A growing text, and the three ways to quote a value in one: TSV, JSON, a terminal. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *grow(struct text *text, size_t len)
{
	size_t size = text->size > 0 ? text->size : 256;
	char *s;

	if (len > SIZE_MAX / 4 || text->len > SIZE_MAX / 4) {
		text->failed = true;
		return NULL;
	}
	while (size < text->len + len)
		size *= 2;
	s = realloc(text->s, size);
	if (s == NULL) {
		text->failed = true;
		return NULL;
	}
	text->s = s;
	text->size = size;
	return s + text->len;
}

char *text_room(struct text *text, size_t len)
{
	if (text->failed)
		return NULL;
	if (text->size - text->len >= len && text->s != NULL)
		return text->s + text->len;
	return grow(text, len);
}

void text_add(struct text *text, const char *s, size_t len)
{
	char *room;

	if (len == 0)
		return;
	room = text_room(text, len);
	if (room == NULL)
		return;
	memcpy(room, s, len);
	text->len += len;
}

void text_string(struct text *text, const char *s)
{
	text_add(text, s, strlen(s));
}

void text_char(struct text *text, char c)
{
	char *room = text_room(text, 1);

	if (room == NULL)
		return;
	*room = c;
	text->len++;
}

const char *number_print(char buf[NUMBER_LENGTH], uint64_t n)
{
	char *s = &buf[NUMBER_LENGTH - 1];

	*s = '\0';
	do
		*--s = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	return s;
}

void text_number(struct text *text, int64_t number)
{
	char buf[NUMBER_LENGTH];
	const char *s;

	if (number < 0)
		text_char(text, '-');
	s = number_print(buf, number < 0 ? -(uint64_t)number : (uint64_t)number);
	text_add(text, s, (size_t)(&buf[NUMBER_LENGTH - 1] - s));
}

void text_printf(struct text *text, const char *format, ...)
{
	va_list ap;
	char *room;
	int len;

	va_start(ap, format);
	len = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	room = len < 0 ? NULL : text_room(text, (size_t)len + 1);
	if (room == NULL) {
		text->failed = true;
		return;
	}
	va_start(ap, format);
	vsnprintf(room, (size_t)len + 1, format, ap);
	va_end(ap);
	text->len += (size_t)len;
}

const char *text_cstr(struct text *text)
{
	char *end = text_room(text, 1);

	if (end == NULL)
		return "";
	*end = '\0';
	return text->s;
}

bool text_same(const struct text *a, const struct text *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->s, b->s, a->len) == 0);
}

void text_clear(struct text *text)
{
	text->len = 0;
	text->failed = false;
}

void text_free(struct text *text)
{
	free(text->s);
	*text = (struct text){0};
}

void text_tsv(struct text *text, const char *s, size_t len)
{
	if (len == 0)
		return;
	for (size_t i = 0, from = 0; i <= len; i++) {
		while (i < len && s[i] != '\t' && s[i] != '\n' && s[i] != '\\')
			i++;
		text_add(text, s + from, i - from);
		from = i + 1;
		if (i < len)
			text_add(text, s[i] == '\t' ? "\\t" : s[i] == '\n' ? "\\n" : "\\\\", 2);
	}
}

void text_untsv(struct text *text, const char *s, size_t len)
{
	if (len == 0)
		return;
	for (size_t i = 0, from = 0; i <= len; i++) {
		if (i < len && (s[i] != '\\' || i + 1 == len))
			continue;
		text_add(text, s + from, i - from);
		if (i == len)
			break;
		i++;
		text_char(text, s[i] == 't' ? '\t' : s[i] == 'n' ? '\n' : s[i]);
		from = i + 1;
	}
}

size_t text_character(const char *s, size_t len)
{
	const unsigned char *u = (const unsigned char *)s;
	unsigned long code;
	size_t n;

	if (len == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	if (u[0] >= 0xc2 && u[0] <= 0xdf)
		n = 2;
	else if ((u[0] & 0xf0) == 0xe0)
		n = 3;
	else if (u[0] >= 0xf0 && u[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (len < n)
		return 0;
	code = u[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (u[i] & 0x3f);
	}
	/* Overlong forms, the halves of UTF-16 and what lies beyond Unicode are not UTF-8. */
	if ((n == 3 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff))) ||
	    (n == 4 && (code < 0x10000 || code > 0x10ffff)))
		return 0;
	return n;
}

static bool control(const char *s, size_t n)
{
	unsigned char c = (unsigned char)s[0];

	/* C1, U+0080 to U+009F: terminals obey them, and U+2028 to U+202E turn text around. */
	return n == 1	? c < 0x20 || c == 0x7f
	       : n == 2 ? c == 0xc2 && (unsigned char)s[1] < 0xa0
	       : n == 3 ? memcmp(s, "\xe2\x80", 2) == 0 && (unsigned char)s[2] >= 0xa8 &&
			      (unsigned char)s[2] <= 0xae
			: false;
}

size_t text_clean_length(const char *s, size_t len)
{
	size_t i = 0;

	for (size_t n; i < len; i += n) {
		n = 1;
		if (s[i] >= ' ' && s[i] < 0x7f) /* as nearly all are */
			continue;
		n = text_character(s + i, len - i);
		if (n == 0 || control(s + i, n))
			break;
	}
	return i;
}

bool text_clean(const char *s, size_t len)
{
	return text_clean_length(s, len) == len;
}

void text_safe(struct text *text, const char *s, size_t len)
{
	for (size_t i = 0, n; i < len; i += n) {
		n = text_clean_length(s + i, len - i);
		text_add(text, s + i, n);
		i += n;
		if (i == len)
			break;
		text_char(text, '?');
		n = text_character(s + i, len - i);
		n = n > 0 ? n : 1;
	}
}

void text_json(struct text *text, const char *s, size_t len)
{
	size_t from = 0;

	text_char(text, '"');
	for (size_t i = 0, n; i < len; i += n) {
		unsigned char c = (unsigned char)s[i];

		n = c < 0x80 ? 1 : text_character(s + i, len - i);
		if (n > 0 && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		text_add(text, s + from, i - from);
		if (n == 0)
			text_string(text, "\xef\xbf\xbd");
		else if (c == '"' || c == '\\')
			text_printf(text, "\\%c", c);
		else
			text_printf(text, "\\u%04x", c);
		n = 1;
		from = i + 1;
	}
	if (len > from)
		text_add(text, s + from, len - from);
	text_char(text, '"');
}
