/* What a body says: JSON objects, one after the other, or the fields of a form. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "name.h"
#include "serve.h"

#define OBJECT_LARGEST \
	((ptrdiff_t)65536) /* bytes of JSON of a heartbeat, which has 16384 at most */

static char wrong[256];

/* A string of the reader's own, given back at the next heartbeat. */
static char *keep(struct said_reader *reader, char *string)
{
	char **kept = reallocarray(reader->kept, reader->kept_count + 1, sizeof(kept[0]));

	if (kept == NULL || string == NULL) {
		reader->kept = kept != NULL ? kept : reader->kept;
		free(string);
		return NULL;
	}
	reader->kept = kept;
	return kept[reader->kept_count++] = string;
}

static void keep_clear(struct said_reader *reader)
{
	while (reader->kept_count > 0)
		free(reader->kept[--reader->kept_count]);
	cJSON_Delete(reader->json);
	reader->json = NULL;
}

/* What a server says of a heartbeat, or a gateway, not a sender. */
static bool ignored(const char *key)
{
	static const char *const keys[] = {
	    "handle", "counter", "lastHb", "age",   "active", "warning", "error", "held",
	    "user",   "via",	 "token",  "since", "seq",    "id",	 "time",  "from"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(key, keys[i]) == 0)
			return true;
	return false;
}

static bool says_silent(const struct said *said)
{
	const char *reason = said->heartbeat.reason;

	return reason != NULL && strncmp(reason, "silent ", 7) == 0;
}

/* Of the judge, not of a sender: whoever gets this judges for himself. */
static bool passed_over(const struct said *said)
{
	static const char *const names[] = {"forgotten", "sync", "reset", "paused", "resumed"};

	if (said->event == NULL)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(said->event, names[i]) == 0)
			return true;
	return (strcmp(said->event, "warning") == 0 || strcmp(said->event, "error") == 0) &&
	       says_silent(said);
}

static const char *set_string(struct said *said, const char *key, const char *value, bool *known)
{
	struct heartbeat *hb = &said->heartbeat;
	const struct {
		const char *key;
		const char **to;
	} strings[] = {
	    {"process", &said->process}, {"event", &said->event}, {"service", &hb->service},
	    {"host", &hb->host},	 {"ip", &hb->ip},	  {"address", &hb->address},
	    {"version", &hb->version},	 {"reason", &hb->reason}, {"boot", &hb->boot},
	    {"start", &hb->start}};
	const struct {
		const char *key;
		int64_t *to;
	} durations[] = {{"every", &hb->every_ms},
			 {"warnAfter", &hb->limits.warn_ms},
			 {"errorAfter", &hb->limits.error_ms},
			 {"forgetAfter", &hb->limits.forget_ms}};

	*known = true;
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		if (strcmp(key, strings[i].key) == 0) {
			if (*strings[i].to != NULL)
				return "given twice";
			*strings[i].to = value;
			return NULL;
		}
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++)
		if (strcmp(key, durations[i].key) == 0)
			return *value == '\0' ? NULL : duration_parse(value, durations[i].to);
	if (strcmp(key, "pid") == 0)
		return *value == '\0' ? NULL : number_parse(value, 1, INT32_MAX, &hb->pid);
	if (strcmp(key, "state") == 0)
		return *value == '\0' || state_parse(value, strlen(value), &hb->state)
			   ? NULL
			   : "no such state; write active, warning, error or inactive";
	*known = false;
	return NULL;
}

/* NULL, or what is wrong with key=value. */
static const char *set(struct said *said, const char *key, const char *value)
{
	const char *why = NULL;
	bool known = true;

	if (ignored(key))
		return NULL;
	if (!text_clean(value, strlen(value)))
		why = "not UTF-8 without control characters";
	else if (strlen(value) > HEARTBEAT_LARGEST)
		why = "too long";
	else if (strcmp(key, "service") == 0 && strlen(value) > HEARTBEAT_SERVICE)
		why = "more than 255 bytes";
	else
		why = set_string(said, key, value, &known);
	if (why == NULL && !known) {
		if (!heartbeat_key(key))
			why = "no name of a key";
		else if (!heartbeat_extra(&said->heartbeat, key, value))
			why = "too many keys";
	}
	if (why == NULL)
		return NULL;
	snprintf(wrong, sizeof(wrong), "%.64s: %s", key, why);
	return wrong;
}

/* A number as it stands in a heartbeat: no longer than it must be. */
static char *number_text(double number)
{
	char text[32];

	if (!isfinite(number))
		return NULL;
	snprintf(text, sizeof(text),
		 number == floor(number) && fabs(number) < 1e15 ? "%.0f" : "%.15g", number);
	if (strtod(text, NULL) != number)
		snprintf(text, sizeof(text), "%.17g", number);
	return strdup(text);
}

/* Seconds, as a duration's words. */
static char *seconds_text(double seconds)
{
	char *text = NULL;

	if (!isfinite(seconds) || seconds < 0 || seconds > (double)DURATION_LONGEST_MS / 1000 ||
	    asprintf(&text, "%.0fms", seconds * 1000) < 0)
		return NULL;
	return text;
}

static const char *set_json(struct said_reader *reader, struct said *said, const char *key,
			    const cJSON *item)
{
	bool duration = strcmp(key, "every") == 0 || strcmp(key, "warnAfter") == 0 ||
			strcmp(key, "errorAfter") == 0 || strcmp(key, "forgetAfter") == 0;
	const char *value = NULL;

	if (cJSON_IsNull(item) || ignored(key))
		return NULL;
	if (cJSON_IsString(item))
		value = item->valuestring;
	else if (cJSON_IsNumber(item))
		value = keep(reader, duration ? seconds_text(item->valuedouble)
					      : number_text(item->valuedouble));
	else if (cJSON_IsBool(item))
		value = cJSON_IsTrue(item) ? "true" : "false";
	else
		return NULL; /* of a later day */
	if (value == NULL) {
		snprintf(wrong, sizeof(wrong), "%.64s: not a number that it can have", key);
		return wrong;
	}
	return set(said, key, value);
}

static const char *set_meta(struct said_reader *reader, struct said *said, const cJSON *meta)
{
	const cJSON *item;
	const char *why = NULL;
	char *key;

	cJSON_ArrayForEach(item, meta)
	{
		key = NULL;
		if (asprintf(&key, "meta.%s", item->string) < 0 || keep(reader, key) == NULL)
			return "out of memory";
		why = set_json(reader, said, key, item);
		if (why != NULL)
			break;
	}
	return why;
}

static const char *object_read(struct said_reader *reader, struct said *said)
{
	const cJSON *item;
	const char *why = NULL;

	if (!cJSON_IsObject(reader->json))
		return "not a JSON object";
	cJSON_ArrayForEach(item, reader->json)
	{
		if (strcmp(item->string, "meta") == 0 && cJSON_IsObject(item))
			why = set_meta(reader, said, item);
		else
			why = set_json(reader, said, item->string, item);
		if (why != NULL)
			return why;
	}
	return NULL;
}

static size_t lines(const char *s, const char *end)
{
	size_t count = 0;

	for (; s < end; s++)
		count += *s == '\n';
	return count;
}

/* Whether a string in it has a NUL, or \\u0000, where it would end for us. */
static bool has_nul(const char *s, const char *end)
{
	if (memchr(s, '\0', (size_t)(end - s)) != NULL)
		return true;
	while ((s = memchr(s, '\\', (size_t)(end - s))) != NULL && end - s > 5) {
		if (memcmp(s, "\\u0000", 6) == 0)
			return true;
		s += 2;
	}
	return false;
}

/* The next object of the body.  NULL, or what is wrong; what cannot be read is passed over up to
 * the line's end. */
static const char *json_read(struct said_reader *reader, struct said *said)
{
	const char *s = reader->body.s + reader->at, *end = NULL, *body_end;
	const char *newline;

	body_end = reader->body.s + reader->body.len;
	/* No heartbeat is as long as that, and what is broken is not read to the body's end. */
	reader->json = cJSON_ParseWithLengthOpts(
	    s, body_end - s < OBJECT_LARGEST ? (size_t)(body_end - s) : OBJECT_LARGEST, &end,
	    false);
	if (reader->json == NULL) {
		newline = memchr(s, '\n', (size_t)(body_end - s));
		end = newline != NULL ? newline : body_end;
	}
	reader->at = (size_t)(end - reader->body.s);
	reader->next_line = reader->line + lines(s, end);
	if (reader->json == NULL)
		return "not JSON";
	if (reader->next_line == reader->line && (end == body_end || *end == '\n')) {
		said->text = s;
		said->len = (size_t)(end - s);
	}
	return has_nul(s, end) ? "a NUL" : object_read(reader, said);
}

static const char *form_read(struct said_reader *reader, struct said *said)
{
	struct evkeyval *pair;
	const char *why;

	reader->at = reader->body.len;
	if (memchr(reader->body.s, '\0', reader->body.len) != NULL ||
	    strstr(text_cstr(&reader->body), "%00") != NULL)
		return "a NUL";
	if (evhttp_parse_query_str(text_cstr(&reader->body), &reader->pairs) < 0)
		return "not a form; write key=value&key=value, or JSON";
	said->text = reader->body.s;
	said->len = reader->body.len;
	TAILQ_FOREACH (pair, &reader->pairs, next) {
		why = set(said, pair->key, pair->value);
		if (why != NULL)
			return why;
	}
	return NULL;
}

void said_open(struct said_reader *reader, struct evhttp_request *request)
{
	struct evbuffer *input = evhttp_request_get_input_buffer(request);
	size_t len = evbuffer_get_length(input);
	char *room;

	*reader = (struct said_reader){.line = 1, .next_line = 1};
	TAILQ_INIT(&reader->pairs);
	room = text_room(&reader->body, len + 1);
	if (room == NULL)
		return;
	reader->body.len = (size_t)evbuffer_remove(input, room, len);
	text_cstr(&reader->body);
}

static size_t blanks(const struct said_reader *reader)
{
	return strspn(reader->body.s + reader->at, " \t\r\n");
}

bool said_more(const struct said_reader *reader)
{
	return reader->at + blanks(reader) < reader->body.len;
}

static void blanks_pass(struct said_reader *reader)
{
	const char *s = reader->body.s + reader->at;
	size_t skip = blanks(reader);

	reader->line = reader->next_line += lines(s, s + skip);
	reader->at += skip;
}

const char *said_line(struct said_reader *reader, size_t *len)
{
	const char *s, *newline;

	if (reader->body.s == NULL)
		return NULL;
	blanks_pass(reader);
	s = reader->body.s + reader->at;
	*len = reader->body.len - reader->at;
	newline = memchr(s, '\n', *len);
	if (newline != NULL)
		*len = (size_t)(newline - s);
	return *s == '{' && memchr(s, '\0', *len) == NULL ? s : NULL;
}

void said_pass(struct said_reader *reader, size_t len)
{
	reader->objects = true;
	reader->at += len;
}

int said_next(struct said_reader *reader, struct said *said, const char **why)
{
	*said = (struct said){0};
	*why = NULL;
	keep_clear(reader);
	if (reader->body.s == NULL)
		return 0;
	blanks_pass(reader);
	if (reader->at >= reader->body.len)
		return 0;
	reader->objects = reader->objects || strchr("{[\"", reader->body.s[reader->at]) != NULL;
	*why = reader->objects ? json_read(reader, said) : form_read(reader, said);
	if (*why == NULL && passed_over(said)) {
		heartbeat_free(&said->heartbeat);
		said->pass = true;
		return 1;
	}
	said->silent = said->event != NULL && says_silent(said);
	if (*why == NULL && said->process == NULL)
		*why = "process: missing";
	if (*why == NULL && (*why = name_check(said->process)) != NULL) {
		snprintf(wrong, sizeof(wrong), "%s", *why);
		*why = wrong;
	}
	if (*why != NULL)
		heartbeat_free(&said->heartbeat);
	return *why == NULL ? 1 : -1;
}

void said_close(struct said_reader *reader)
{
	keep_clear(reader);
	free(reader->kept);
	text_free(&reader->body);
	evhttp_clear_headers(&reader->pairs);
}
