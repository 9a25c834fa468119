/* The first line of a table, read and written. */
#include "head.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "stamp.h"
#include "text.h"

void head_init(struct head *head)
{
	*head = (struct head){.tick_ms = 2000, .limits = limits_default};
}

/* One key=value of the header; unknown keys are of a later day. */
static bool set(struct head *head, char *key)
{
	char *value = strchr(key, '='), *colon;
	int64_t n, segment;

	if (value == NULL)
		return false;
	*value++ = '\0';
	if (strcmp(key, "seq") == 0) {
		if (number_parse(value, 0, INT64_MAX, &n) != NULL)
			return false;
		head->seq = (uint64_t)n;
	} else if (strcmp(key, "refused") == 0) {
		if (number_parse(value, 0, INT64_MAX, &n) != NULL)
			return false;
		head->refused = (uint64_t)n;
	} else if (strcmp(key, "rows") == 0) {
		return number_parse(value, 0, UINT32_MAX, &head->rows) == NULL;
	} else if (strcmp(key, "time") == 0) {
		return strlen(value) == STAMP_LENGTH && stamp_parse(value, &head->time_ms);
	} else if (strcmp(key, "paused") == 0) {
		return strlen(value) == STAMP_LENGTH && stamp_parse(value, &head->paused_until_ms);
	} else if (strcmp(key, "tick") == 0) {
		return duration_parse(value, &head->tick_ms) == NULL;
	} else if (strcmp(key, "warnAfter") == 0) {
		return duration_parse(value, &head->limits.warn_ms) == NULL;
	} else if (strcmp(key, "errorAfter") == 0) {
		return duration_parse(value, &head->limits.error_ms) == NULL;
	} else if (strcmp(key, "forgetAfter") == 0) {
		return duration_parse(value, &head->limits.forget_ms) == NULL;
	} else if (strcmp(key, "boot") == 0) {
		return strlcpy(head->boot, value, sizeof(head->boot)) < sizeof(head->boot);
	} else if (strcmp(key, "log") == 0) {
		colon = strchr(value, ':');
		if (colon == NULL)
			return false;
		*colon = '\0';
		if (number_parse(value, 0, INT64_MAX, &segment) != NULL ||
		    number_parse(colon + 1, 0, INT64_MAX, &head->offset) != NULL)
			return false;
		head->segment = (uint64_t)segment;
	}
	return true;
}

bool head_parse(struct head *head, const char *line, size_t len)
{
	char *copy = strndup(line, len), *rest, *key;
	bool good = copy != NULL && strncmp(copy, HEAD_MAGIC, sizeof(HEAD_MAGIC) - 1) == 0;

	head->rows = -1;
	if (good)
		rest = copy + sizeof(HEAD_MAGIC) - 1;
	while (good && (key = strsep(&rest, " ")) != NULL)
		good = *key == '\0' || set(head, key);
	free(copy);
	return good && head->rows >= 0;
}

void head_print(const struct head *head, struct text *text)
{
	char stamp[STAMP_LENGTH];

	stamp_print(stamp, head->time_ms);
	text_printf(text, HEAD_MAGIC "seq=%" PRIu64 " time=%.*s rows=%" PRId64 " tick=", head->seq,
		    STAMP_LENGTH, stamp, head->rows);
	duration_seconds(text, head->tick_ms);
	text_string(text, " warnAfter=");
	duration_seconds(text, head->limits.warn_ms);
	text_string(text, " errorAfter=");
	duration_seconds(text, head->limits.error_ms);
	text_string(text, " forgetAfter=");
	duration_seconds(text, head->limits.forget_ms);
	text_printf(text, head->segment > 0 ? " log=%020" PRIu64 : " log=%" PRIu64, head->segment);
	text_printf(text, ":%" PRId64 " boot=%s", head->offset, head->boot);
	if (head->paused_until_ms > 0) {
		stamp_print(stamp, head->paused_until_ms);
		text_printf(text, " paused=%.*s", STAMP_LENGTH, stamp);
	}
	if (head->refused > 0)
		text_printf(text, " refused=%" PRIu64, head->refused);
}
