/* Rows and events as they stand in the table and in the log: lines with tabs, cut up without
 * copying. */
#include "row.h"

#include <string.h>

#include "heartbeat.h"
#include "name.h"
#include "stamp.h"
#include "text.h"

const char *const row_names[ROW_COLUMNS] = {
    [ROW_PROCESS] = "process",
    [ROW_SERVICE] = "service",
    [ROW_STATE] = "state",
    [ROW_SINCE] = "since",
    [ROW_LAST_HB] = "lastHb",
    [ROW_COUNTER] = "counter",
    [ROW_IP] = "ip",
    [ROW_ADDRESS] = "address",
    [ROW_HOST] = "host",
    [ROW_PID] = "pid",
    [ROW_VERSION] = "version",
    [ROW_USER] = "user",
    [ROW_VIA] = "via",
    [ROW_REASON] = "reason",
    [ROW_WARN_AFTER] = "warnAfter",
    [ROW_ERROR_AFTER] = "errorAfter",
    [ROW_FORGET_AFTER] = "forgetAfter",
    [ROW_HELD] = "held",
    [ROW_EVERY] = "every",
    [ROW_BOOT] = "boot",
    [ROW_START] = "start",
    [ROW_SEQ] = "seq",
    [ROW_META] = "meta",
};

static const char *const event_names[EVENT_COLUMNS] = {"seq", "time", "event", "from"};

/* Cuts without judging what the values are. */
static bool cut(struct row *row, const char *text, size_t len)
{
	const char *s = text, *end = text + len;

	if (len >= UINT16_MAX)
		return false;
	row->text = text;
	for (int i = 0; i < ROW_COLUMNS; i++) {
		const char *tab = memchr(s, '\t', (size_t)(end - s));

		row->at[i] = (uint16_t)(s - text);
		if ((tab == NULL) != (i == ROW_COLUMNS - 1))
			return false;
		s = tab == NULL ? end : tab + 1;
	}
	row->at[ROW_COLUMNS] = (uint16_t)(len + 1);
	return true;
}

static bool sound(const struct row *row)
{
	char name[NAME_LONGEST + 1];
	size_t len = row_length(row, ROW_PROCESS);
	enum state state;

	if (len > NAME_LONGEST)
		return false;
	memcpy(name, row->text, len);
	name[len] = '\0';
	return name_check(name) == NULL && strlen(name) == len &&
	       state_parse(row_value(row, ROW_STATE), row_length(row, ROW_STATE), &state);
}

bool row_split(struct row *row, const char *text, size_t len)
{
	return cut(row, text, len) && sound(row);
}

bool row_peek(struct row *row, const char *text, size_t len)
{
	const char *s = text, *end = text + len;
	enum state state;

	row->text = text;
	row->at[0] = 0;
	for (int i = ROW_PROCESS; i <= ROW_STATE; i++) {
		const char *tab = memchr(s, '\t', (size_t)(end - s));

		if (tab == NULL || tab - text >= UINT16_MAX)
			return false;
		s = tab + 1;
		row->at[i + 1] = (uint16_t)(s - text);
	}
	return state_parse(row_value(row, ROW_STATE), row_length(row, ROW_STATE), &state);
}

int row_column(const char *name, size_t len)
{
	for (int i = 0; i < ROW_COLUMNS; i++)
		if (strlen(row_names[i]) == len && strncasecmp(row_names[i], name, len) == 0)
			return i;
	return -1;
}

bool row_is(const struct row *row, enum row_column column, const char *value)
{
	size_t len = row_length(row, column);

	return strlen(value) == len && memcmp(row_value(row, column), value, len) == 0;
}

enum state row_state(const struct row *row)
{
	enum state state = STATE_ACTIVE;

	state_parse(row_value(row, ROW_STATE), row_length(row, ROW_STATE), &state);
	return state;
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits alone, below 2^63; -1 when it is something else. */
static int64_t number(const char *s, size_t len)
{
	int64_t n = 0;

	if (len == 0 || len > 19)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (!digit(s[i]) || n > (INT64_MAX - 9) / 10)
			return -1;
		n = n * 10 + (s[i] - '0');
	}
	return n;
}

int64_t row_number(const struct row *row, enum row_column column)
{
	int64_t n = number(row_value(row, column), row_length(row, column));

	return n > 0 ? n : 0;
}

int64_t row_time_ms(const struct row *row, enum row_column column)
{
	int64_t ms;

	return row_length(row, column) == STAMP_LENGTH && stamp_parse(row_value(row, column), &ms)
		   ? ms
		   : 0;
}

int64_t row_duration_ms(const struct row *row, enum row_column column)
{
	const char *s = row_value(row, column), *dot;
	size_t len = row_length(row, column), part = 0;
	int64_t ms, scale = 100;

	dot = memchr(s, '.', len);
	if (dot != NULL)
		part = (size_t)(s + len - dot - 1);
	ms = number(s, dot != NULL ? (size_t)(dot - s) : len);
	if (ms < 0 || ms > INT64_MAX / 1000 - 1 || part > 3 || (dot != NULL && part == 0))
		return 0;
	ms *= 1000;
	for (size_t i = 1; i <= part; i++, scale /= 10) {
		if (!digit(dot[i]))
			return 0;
		ms += (dot[i] - '0') * scale;
	}
	return ms;
}

/*
 * JSON.  A list of 100,000 rows is 2.5 million values, nearly all of them
 * plain: these are copied, and only what is not goes the long way.
 */
static bool plain(const char *s, size_t len)
{
	static const bool odd[256] = {
	    [0 ... 0x1f] = true, ['"'] = true, ['\\'] = true, [0x7f ... 0xff] = true};
	bool any = false;

	for (size_t i = 0; i < len; i++)
		any |= odd[(unsigned char)s[i]];
	return !any;
}

static void json_string(struct text *text, const char *s, size_t len)
{
	struct text bare = {0};
	char *to;

	if (plain(s, len)) {
		to = text_room(text, len + 2);
		if (to == NULL)
			return;
		to[0] = '"';
		memcpy(to + 1, s, len);
		to[len + 1] = '"';
		text->len += len + 2;
		return;
	}
	text_untsv(&bare, s, len);
	text_json(text, bare.s, bare.len);
	text->failed |= bare.failed;
	text_free(&bare);
}

/* A number as JSON has it: no zeros in front, digits on both sides of a point. */
static bool json_number(const char *s, size_t len)
{
	size_t whole = 0, part;

	while (whole < len && digit(s[whole]))
		whole++;
	if (whole == 0 || (whole > 1 && s[0] == '0'))
		return false;
	if (whole == len)
		return true;
	for (part = whole + 1; part < len && digit(s[part]);)
		part++;
	return s[whole] == '.' && part == len && part > whole + 1;
}

static void json_meta(struct text *text, const char *s, size_t len)
{
	struct text bare = {0};
	char *meta, *key, *value, between = '{';

	text_untsv(&bare, s, len);
	text_char(&bare, '\0');
	if (bare.failed) {
		text->failed = true;
		text_free(&bare);
		return;
	}
	for (meta = bare.s; row_meta_next(&meta, &key, &value); between = ',') {
		text_char(text, between);
		text_json(text, key, strlen(key));
		text_char(text, ':');
		text_json(text, value, strlen(value));
	}
	text_string(text, between == '{' ? "{}" : "}");
	text_free(&bare);
}

static void json_age(struct text *text, int64_t ms)
{
	char part[4] = {'.', (char)('0' + ms / 100 % 10), (char)('0' + ms / 10 % 10),
			(char)('0' + ms % 10)};
	size_t len = sizeof(part);

	text_number(text, ms / 1000);
	while (part[len - 1] == '0')
		len--;
	if (len > 1)
		text_add(text, part, len);
}

void row_json_value(struct text *text, const struct row *row, enum row_column column)
{
	const char *s = row_value(row, column);
	size_t len = row_length(row, column);

	switch (column) {
	case ROW_COUNTER:
	case ROW_PID:
	case ROW_SEQ:
	case ROW_WARN_AFTER:
	case ROW_ERROR_AFTER:
	case ROW_FORGET_AFTER:
	case ROW_EVERY:
		if (json_number(s, len))
			text_add(text, s, len);
		else
			text_add(text, "null", 4);
		return;
	case ROW_META:
		if (len == 0)
			text_add(text, "{}", 2);
		else
			json_meta(text, s, len);
		return;
	default:
		if (len == 0)
			text_add(text, "null", 4);
		else
			json_string(text, s, len);
	}
}

/* What stands before a value: literals, so that nothing is measured at run time. */
#define MEMBER(name) name, sizeof(name) - 1
static const struct member {
	const char *s;
	size_t len;
	int column;
} members[] = {
    {MEMBER("\"process\":"), ROW_PROCESS},
    {MEMBER(",\"handle\":null,\"ip\":"), ROW_IP},
    {MEMBER(",\"address\":"), ROW_ADDRESS},
    {MEMBER(",\"pid\":"), ROW_PID},
    {MEMBER(",\"counter\":"), ROW_COUNTER},
    {MEMBER(",\"lastHb\":"), ROW_LAST_HB},
    {MEMBER(""), -1}, /* active, warning, error */
    {MEMBER(",\"service\":"), ROW_SERVICE},
    {MEMBER(",\"state\":"), ROW_STATE},
    {MEMBER(",\"since\":"), ROW_SINCE},
    {MEMBER(",\"host\":"), ROW_HOST},
    {MEMBER(",\"version\":"), ROW_VERSION},
    {MEMBER(",\"user\":"), ROW_USER},
    {MEMBER(",\"via\":"), ROW_VIA},
    {MEMBER(",\"reason\":"), ROW_REASON},
    {MEMBER(",\"warnAfter\":"), ROW_WARN_AFTER},
    {MEMBER(",\"errorAfter\":"), ROW_ERROR_AFTER},
    {MEMBER(",\"forgetAfter\":"), ROW_FORGET_AFTER},
    {MEMBER(",\"held\":"), ROW_HELD},
    {MEMBER(",\"every\":"), ROW_EVERY},
    {MEMBER(",\"boot\":"), ROW_BOOT},
    {MEMBER(",\"start\":"), ROW_START},
    {MEMBER(",\"seq\":"), ROW_SEQ},
    {MEMBER(",\"meta\":"), ROW_META},
};

static const struct {
	const char *s;
	size_t len;
} flags[STATES] = {
    [STATE_ACTIVE] = {MEMBER(",\"active\":true,\"warning\":false,\"error\":false")},
    [STATE_WARNING] = {MEMBER(",\"active\":true,\"warning\":true,\"error\":false")},
    [STATE_ERROR] = {MEMBER(",\"active\":false,\"warning\":false,\"error\":true")},
    [STATE_INACTIVE] = {MEMBER(",\"active\":false,\"warning\":false,\"error\":false")},
};

void row_json_still(struct text *text, const struct row *row)
{
	enum state state = row_state(row);

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		text_add(text, members[i].s, members[i].len);
		if (members[i].column < 0)
			text_add(text, flags[state].s, flags[state].len);
		else
			row_json_value(text, row, (enum row_column)members[i].column);
	}
}

void row_json_age(struct text *text, const struct row *row, int64_t now_ms)
{
	int64_t last_ms = row_time_ms(row, ROW_LAST_HB);

	text_add(text, MEMBER(",\"age\":"));
	if (last_ms == 0)
		text_add(text, "null", 4);
	else
		json_age(text, now_ms > last_ms ? now_ms - last_ms : 0);
}

void row_json(struct text *text, const struct row *row, int64_t now_ms)
{
	row_json_still(text, row);
	row_json_age(text, row, now_ms);
}

bool row_meta_next(char **meta, char **key, char **value)
{
	char *s = *meta, *to;

	if (*s == '\0')
		return false;
	*key = s;
	s += strcspn(s, "=,");
	if (*s == '=')
		*s++ = '\0';
	for (*value = to = s; *s != '\0' && *s != ','; s++) {
		if (*s == '\\' && s[1] != '\0')
			s++;
		*to++ = *s;
	}
	*meta = *s == ',' ? s + 1 : s;
	*to = '\0';
	return true;
}

void row_print_meta(struct text *text, const struct extra *extras, size_t count)
{
	struct text bare = {0};

	for (size_t i = 0; i < count; i++) {
		if (strncmp(extras[i].key, "meta.", 5) != 0 || extras[i].key[5] == '\0')
			continue;
		if (bare.len > 0)
			text_char(&bare, ',');
		text_string(&bare, extras[i].key + 5);
		text_char(&bare, '=');
		for (const char *s = extras[i].value; *s != '\0'; s++) {
			if (*s == ',' || *s == '\\')
				text_char(&bare, '\\');
			text_char(&bare, *s);
		}
	}
	text_tsv(text, bare.s, bare.len);
	text->failed |= bare.failed;
	text_free(&bare);
}

bool event_split(struct event *event, const char *text, size_t len)
{
	const char *at[EVENT_COLUMNS + 1], *end = text + len;
	int64_t seq;

	at[0] = text;
	for (int i = 0; i < EVENT_COLUMNS; i++) {
		const char *tab = memchr(at[i], '\t', (size_t)(end - at[i]));

		if (tab == NULL)
			return false;
		at[i + 1] = tab + 1;
	}
	seq = number(at[EVENT_SEQ], (size_t)(at[EVENT_SEQ + 1] - at[EVENT_SEQ] - 1));
	if (seq < 0 || at[EVENT_TIME + 1] - at[EVENT_TIME] != STAMP_LENGTH + 1 ||
	    !stamp_parse(at[EVENT_TIME], &event->time_ms))
		return false;
	event->seq = (uint64_t)seq;
	event->name = at[EVENT_NAME];
	event->name_len = (size_t)(at[EVENT_NAME + 1] - at[EVENT_NAME] - 1);
	event->from = at[EVENT_FROM];
	event->from_len = (size_t)(at[EVENT_COLUMNS] - at[EVENT_FROM] - 1);
	text = at[EVENT_COLUMNS];
	return event->name_len > 0 && cut(&event->row, text, (size_t)(end - text)) &&
	       (row_is(&event->row, ROW_PROCESS, "*") || sound(&event->row));
}

bool event_is(const struct event *event, const char *name)
{
	return strlen(name) == event->name_len && memcmp(name, event->name, event->name_len) == 0;
}

bool row_knows(const struct row *row, const struct event *event)
{
	int64_t is = row_number(row, ROW_SEQ);
	int64_t comes =
	    event_is(event, "row") ? row_number(&event->row, ROW_SEQ) : (int64_t)event->seq;

	if (comes != is)
		return comes < is;
	return row_time_ms(&event->row, ROW_LAST_HB) < row_time_ms(row, ROW_LAST_HB);
}

void event_json(struct text *text, const struct event *event, int64_t now_ms)
{
	char stamp[STAMP_LENGTH];

	text_string(text, "{\"event\":");
	text_json(text, event->name, event->name_len);
	text_string(text, ",\"from\":");
	if (event->from_len > 0)
		text_json(text, event->from, event->from_len);
	else
		text_string(text, "null");
	stamp_print(stamp, event->time_ms);
	text_string(text, ",\"time\":\"");
	text_add(text, stamp, sizeof(stamp));
	text_string(text, "\",");
	if (row_is(&event->row, ROW_PROCESS, "*")) {
		text_string(text, "\"seq\":");
		text_number(text, (int64_t)event->seq);
		text_string(text, ",\"reason\":");
		row_json_value(text, &event->row, ROW_REASON);
	} else {
		row_json(text, &event->row, now_ms);
	}
	text_char(text, '}');
}

void row_print_names(struct text *text, bool event)
{
	for (int i = 0; event && i < EVENT_COLUMNS; i++) {
		text_string(text, event_names[i]);
		text_char(text, '\t');
	}
	for (int i = 0; i < ROW_COLUMNS; i++) {
		text_string(text, row_names[i]);
		text_char(text, i == ROW_COLUMNS - 1 ? '\n' : '\t');
	}
}

void event_bare(struct event *event, const char *name)
{
	static const char row[] = "*\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t";

	*event = (struct event){.name = name, .name_len = strlen(name), .from = ""};
	event->row.text = row;
	for (uint16_t i = 0; i <= ROW_COLUMNS; i++)
		event->row.at[i] = i == 0 ? 0 : (uint16_t)(i + 1);
}
