/*
 * Rows into jq's values.  jv_parse takes 40 us a row, a half of it for names of
 * members that are the same in all of them: here a row is a copy of the one
 * before, and each value is put in its place.
 */
#include <stdlib.h>
#include <string.h>

#include "run.h"

/* The end of a quoted string that begins at s, behind its quote; NULL: there is none. */
static const char *string_end(const char *s, const char *end, bool *plain)
{
	*plain = true;
	for (s++; s < end && *s != '"'; s++)
		if (*s == '\\') {
			*plain = false;
			s++;
		}
	return s < end ? s + 1 : NULL;
}

/* The end of an object or array. */
static const char *nest_end(const char *s, const char *end)
{
	int depth = 0;
	bool plain;

	while (s != NULL && s < end) {
		if (*s == '"') {
			s = string_end(s, end, &plain);
			continue;
		}
		depth += (*s == '{' || *s == '[') - (*s == '}' || *s == ']');
		s++;
		if (depth == 0)
			return s;
	}
	return NULL;
}

static jv word_read(const char **at, const char *end)
{
	static const struct {
		const char *s;
		size_t len;
	} words[] = {{"null", 4}, {"true", 4}, {"false", 5}};

	for (size_t i = 0; i < 3; i++) {
		if ((size_t)(end - *at) < words[i].len ||
		    memcmp(*at, words[i].s, words[i].len) != 0)
			continue;
		*at += words[i].len;
		return i == 0 ? jv_null() : jv_bool(i == 1);
	}
	return jv_invalid();
}

/* A number; the object's end stands behind it. */
static jv number_read(const char **at, const char *end)
{
	char *behind;
	double number = strtod(*at, &behind);

	if (behind == *at || behind >= end)
		return jv_invalid();
	*at = behind;
	return jv_number(number);
}

static jv value_read(const char **at, const char *end)
{
	const char *s = *at, *behind;
	bool plain = false;

	if (s >= end)
		return jv_invalid();
	if ((*s >= '0' && *s <= '9') || *s == '-')
		return number_read(at, end);
	if (*s == '"')
		behind = string_end(s, end, &plain);
	else if (*s == '{' || *s == '[')
		behind = nest_end(s, end);
	else
		return word_read(at, end);
	if (behind == NULL)
		return jv_invalid();
	*at = behind;
	if (behind - s == 2 && *s == '{')
		return jv_object();
	if (plain)
		return jv_string_sized(s + 1, (int)(behind - s) - 2);
	return jv_parse_sized(s, (int)(behind - s));
}

/* The i-th key, quoted, and the colon. */
static bool key_is(jv keys, int i, const char **at, const char *end)
{
	jv key = jv_array_get(jv_copy(keys), i);
	size_t len = (size_t)jv_string_length_bytes(jv_copy(key));
	const char *s = *at;
	bool is = (size_t)(end - s) > len + 3 && s[0] == '"' &&
		  memcmp(s + 1, jv_string_value(key), len) == 0 && s[len + 1] == '"' &&
		  s[len + 2] == ':';

	jv_free(key);
	*at += is ? len + 3 : 0;
	return is;
}

/* An object as the one before; invalid when it is another. */
static jv alike_read(const struct shape *shape, const char *s, size_t len)
{
	int count = jv_array_length(jv_copy(shape->keys));
	const char *end = s + len;
	jv object = jv_copy(shape->object);

	for (int i = 0; i < count; i++) {
		bool is =
		    s < end && *s++ == (i == 0 ? '{' : ',') && key_is(shape->keys, i, &s, end);
		jv value = is ? value_read(&s, end) : jv_invalid();

		if (!jv_is_valid(value)) {
			jv_free(value); /* it may say why */
			jv_free(object);
			return jv_invalid();
		}
		object = jv_object_set(object, jv_array_get(jv_copy(shape->keys), i), value);
	}
	if (s + 1 == end && *s == '}')
		return object;
	jv_free(object);
	return jv_invalid();
}

/* The keys of an object in the order of its text. */
static jv keys_read(const char *s, size_t len)
{
	const char *end = s + len, *behind;
	jv keys = jv_array(), value;
	bool plain;

	for (s++; s < end && *s == '"'; s++) {
		behind = string_end(s, end, &plain);
		if (behind == NULL || !plain || behind >= end || *behind != ':')
			break;
		keys = jv_array_append(keys, jv_string_sized(s + 1, (int)(behind - s) - 2));
		s = behind + 1;
		value = value_read(&s, end);
		jv_free(value);
	}
	return keys;
}

jv object_read(struct shape *shape, const char *s, size_t len)
{
	jv object;
	int count;

	if (jv_is_valid(shape->object)) {
		object = alike_read(shape, s, len);
		if (jv_is_valid(object))
			return object;
		jv_free(object);
	}
	object = jv_parse_sized(s, (int)len);
	if (jv_get_kind(object) != JV_KIND_OBJECT || jv_is_valid(shape->object))
		return object;
	shape->keys = keys_read(s, len);
	count = jv_array_length(jv_copy(shape->keys));
	if (count > 0 && count == jv_object_length(jv_copy(object)))
		shape->object = jv_copy(object);
	else
		jv_free(shape->keys);
	return object;
}
