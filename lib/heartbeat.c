/* The content of a heartbeat file: read strictly, since anyone may have written it; printed in one
 * order. */
#include "heartbeat.h"

#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "text.h"

#define KEY_LONGEST 128
#define PID_LARGEST (INT64_C(4194304) * 512)

enum kind { TEXT, SERVICE, PID, DURATION, STATE, HELD };

/* The known keys, in the order in which they are printed. */
static const struct known {
	const char *key;
	enum kind kind;
	size_t at;
} keys[] = {
    {"service", SERVICE, offsetof(struct heartbeat, service)},
    {"host", TEXT, offsetof(struct heartbeat, host)},
    {"ip", TEXT, offsetof(struct heartbeat, ip)},
    {"address", TEXT, offsetof(struct heartbeat, address)},
    {"pid", PID, offsetof(struct heartbeat, pid)},
    {"version", TEXT, offsetof(struct heartbeat, version)},
    {"every", DURATION, offsetof(struct heartbeat, every_ms)},
    {"warnAfter", DURATION, offsetof(struct heartbeat, limits.warn_ms)},
    {"errorAfter", DURATION, offsetof(struct heartbeat, limits.error_ms)},
    {"forgetAfter", DURATION, offsetof(struct heartbeat, limits.forget_ms)},
    {"state", STATE, offsetof(struct heartbeat, state)},
    {"reason", TEXT, offsetof(struct heartbeat, reason)},
    {"held", HELD, offsetof(struct heartbeat, held)},
    {"boot", TEXT, offsetof(struct heartbeat, boot)},
    {"start", TEXT, offsetof(struct heartbeat, start)},
    {"via", TEXT, offsetof(struct heartbeat, via)},
    {"token", TEXT, offsetof(struct heartbeat, token)},
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static bool letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool heartbeat_key(const char *key)
{
	size_t n;

	if (!letter(key[0]))
		return false;
	for (n = 1; key[n] != '\0'; n++)
		if (!letter(key[n]) && !(key[n] >= '0' && key[n] <= '9') && key[n] != '.' &&
		    key[n] != '_' && key[n] != '-')
			return false;
	return n <= KEY_LONGEST;
}

/* Takes one value, which is not empty, for a known key. */
static const char *take(struct heartbeat *hb, const struct known *known, const char *value)
{
	char *field = (char *)hb + known->at;

	switch (known->kind) {
	case SERVICE:
		if (strlen(value) > HEARTBEAT_SERVICE)
			return "a service of more than 255 bytes";
		/* fall through */
	case TEXT: memcpy(field, &value, sizeof(value)); return NULL;
	case PID:
		return number_parse(value, 1, PID_LARGEST, &hb->pid) == NULL ? NULL
									     : "not a process id";
	case DURATION: return duration_parse(value, (int64_t *)(void *)field);
	case STATE: return state_parse(value, strlen(value), &hb->state) ? NULL : "not a state";
	case HELD:
		hb->held = strcmp(value, "yes") == 0;
		return hb->held ? NULL : "held can only be yes";
	}
	return NULL;
}

static const struct known *known_find(const char *key)
{
	for (size_t i = 0; i < KEYS; i++)
		if (keys[i].key[0] == key[0] && strcmp(keys[i].key, key) == 0)
			return &keys[i];
	return NULL;
}

/* seen has a bit for each known key that came already. */
static const char *take_line(struct heartbeat *hb, char *line, unsigned *seen)
{
	const struct known *known;
	char *value = strchr(line, '=');
	size_t count = hb->extra_count;

	if (value == NULL)
		return "a line without =";
	*value++ = '\0';
	if (!heartbeat_key(line))
		return "a bad key";
	known = known_find(line);
	if (known != NULL) {
		if (*seen & 1u << (known - keys))
			return "a key given twice";
		*seen |= 1u << (known - keys);
		return *value == '\0' ? NULL : take(hb, known, value);
	}
	if (!heartbeat_extra(hb, line, value))
		return count < HEARTBEAT_EXTRAS ? "out of memory" : "too many keys";
	return hb->extra_count > count ? NULL : "a key given twice";
}

/* Says what is wrong with the bytes as such.  Newlines are the only control characters. */
static const char *bytes_check(const char *text, size_t len)
{
	if (len > HEARTBEAT_LARGEST)
		return "more than 16384 bytes";
	if (len > 0 && text[len - 1] != '\n')
		return "a last line without its newline";
	for (size_t i = 0; (i += text_clean_length(text + i, len - i)) < len; i++)
		if (text[i] != '\n')
			return text_character(text + i, len - i) == 0 ? "bytes that are not UTF-8"
								      : "a control character";
	return NULL;
}

/* An empty value says nothing, so it is dropped, but only after duplicates were looked for. */
static void drop_empty(struct heartbeat *hb)
{
	size_t kept = 0;

	for (size_t i = 0; i < hb->extra_count; i++)
		if (hb->extras[i].value[0] != '\0')
			hb->extras[kept++] = hb->extras[i];
	hb->extra_count = kept;
}

const char *heartbeat_parse(char *text, size_t len, struct heartbeat *hb)
{
	const char *wrong = bytes_check(text, len);
	unsigned seen = 0;

	*hb = (struct heartbeat){0};
	for (char *line = text, *end; wrong == NULL && line < text + len; line = end + 1) {
		end = memchr(line, '\n', (size_t)(text + len - line));
		*end = '\0';
		wrong = take_line(hb, line, &seen);
	}
	if (wrong != NULL)
		heartbeat_free(hb);
	else
		drop_empty(hb);
	return wrong;
}

void heartbeat_free(struct heartbeat *hb)
{
	if (!hb->lent)
		free(hb->extras);
	*hb = (struct heartbeat){0};
}

bool heartbeat_extra(struct heartbeat *hb, const char *key, const char *value)
{
	struct extra *extras;

	for (size_t i = 0; i < hb->extra_count; i++) {
		if (strcmp(hb->extras[i].key, key) == 0) {
			hb->extras[i].value = value;
			return true;
		}
	}
	if (hb->extra_count >= HEARTBEAT_EXTRAS)
		return false;
	/* The array grows by powers of two: when the count is one of them, it is full. */
	if (!hb->lent && (hb->extra_count & (hb->extra_count - 1)) == 0) {
		size_t size = hb->extra_count > 0 ? 2 * hb->extra_count : 1;

		extras = realloc(hb->extras, size * sizeof(*extras));
		if (extras == NULL)
			return false;
		hb->extras = extras;
	}
	hb->extras[hb->extra_count++] = (struct extra){key, value};
	return true;
}

static void print_line(struct text *text, const char *key, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	text_string(text, key);
	text_char(text, '=');
	text_string(text, value);
	text_char(text, '\n');
}

static void print_number(struct text *text, const struct known *known, int64_t number)
{
	if (number <= 0)
		return;
	text_string(text, known->key);
	text_char(text, '=');
	if (known->kind == DURATION)
		duration_print(text, number);
	else
		text_number(text, number);
	text_char(text, '\n');
}

/* All that it says, in one order, each by the printer of its kind. */
static void print_all(const struct heartbeat *hb, struct text *text,
		      void (*string)(struct text *, const char *key, const char *value),
		      void (*count)(struct text *, const struct known *, int64_t number))
{
	for (const struct known *known = keys; known < keys + KEYS; known++) {
		const char *field = (const char *)hb + known->at, *value;
		int64_t number;

		switch (known->kind) {
		case SERVICE:
		case TEXT:
			memcpy(&value, field, sizeof(value));
			string(text, known->key, value);
			break;
		case PID:
		case DURATION:
			memcpy(&number, field, sizeof(number));
			count(text, known, number);
			break;
		case STATE:
			if (hb->state != STATE_ACTIVE)
				string(text, known->key, state_name(hb->state));
			break;
		case HELD: string(text, known->key, hb->held ? "yes" : NULL); break;
		}
	}
	for (size_t i = 0; i < hb->extra_count; i++)
		string(text, hb->extras[i].key, hb->extras[i].value);
}

void heartbeat_print(const struct heartbeat *hb, struct text *text)
{
	print_all(hb, text, print_line, print_number);
}

static void json_member(struct text *text, const char *key, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	text_char(text, ',');
	text_json(text, key, strlen(key));
	text_char(text, ':');
	text_json(text, value, strlen(value));
}

static void json_number(struct text *text, const struct known *known, int64_t number)
{
	if (number <= 0)
		return;
	text_string(text, ",\"");
	text_string(text, known->key);
	text_string(text, "\":");
	if (known->kind == DURATION)
		duration_seconds(text, number);
	else
		text_number(text, number);
}

void heartbeat_json(const struct heartbeat *hb, const char *process, struct text *text)
{
	text_string(text, "{\"process\":");
	text_json(text, process, strlen(process));
	print_all(hb, text, json_member, json_number);
	text_char(text, '}');
}

bool heartbeat_says_held(const char *content, ssize_t len)
{
	static const char held[] = "held=yes\n";
	const char *at = content, *end = content + (len > 0 ? len : 0);

	for (; (at = memmem(at, (size_t)(end - at), held, strlen(held))) != NULL; at++)
		if (at == content || at[-1] == '\n')
			return true;
	return false;
}

static bool tells_none(const struct heartbeat *hb)
{
	return hb->boot == NULL && hb->start == NULL && hb->pid == 0;
}

static bool alike(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool heartbeat_same_sender(const struct heartbeat *a, const struct heartbeat *b)
{
	if (tells_none(a) || tells_none(b))
		return true;
	return alike(a->boot, b->boot) && alike(a->start, b->start) && a->pid == b->pid;
}
