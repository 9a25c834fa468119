/* Rows, events and views, from tables of lines. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/heartbeat.h"
#include "../../lib/row.h"
#include "../../lib/text.h"
#include "../../lib/view.h"
#include "tap.h"

#define SINCE "2026-11-24T03:14:26.230Z"
#define LAST "2026-11-24T03:15:00.000Z"
#define LAST_MS INT64_C(1795490100000)
/* From the state on; the seq and the meta come last. */
#define REST(state, last, counter, reason)                                                     \
	state "\t" SINCE "\t" last "\t" counter "\t192.0.2.1\th:1\tvm\t812\t\troot\t\t" reason \
	      "\t30\t90.5\t600\tyes\t\tb\ts\t"

static const struct {
	const char *what, *line;
	bool good;
} lines[] = {
    {"a row", "a\ts\t" REST("active", LAST, "1", "") "7\t", true},
    {"a row of every character a name may have",
     "aZ0._:@+-\ts\t" REST("active", LAST, "1", "") "7\t", true},
    {"one column too many", "a\ts\t" REST("active", LAST, "1", "") "7\t\t", false},
    {"one column too few", "a\ts\t" REST("active", LAST, "1", "") "7", false},
    {"a state there is not", "a\ts\t" REST("dead", LAST, "1", "") "7\t", false},
    {"a name that begins with a dot", ".a\ts\t" REST("active", LAST, "1", "") "7\t", false},
    {"a name with a slash", "a/b\ts\t" REST("active", LAST, "1", "") "7\t", false},
    {"no name", "\ts\t" REST("active", LAST, "1", "") "7\t", false},
    {"nothing", "", false},
};

static void test_split(void)
{
	struct row row;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ok(row_split(&row, lines[i].line, strlen(lines[i].line)) == lines[i].good,
		   "%s is %sa row", lines[i].what, lines[i].good ? "" : "not ");
}

static void test_long(void)
{
	static char line[70000];
	char *s = line;
	struct row row;

	s = stpcpy(s, "a\ts\t" REST("active", LAST, "1", ""));
	s = stpcpy(s, "7\t");
	memset(s, 'm', (size_t)(line + 65534 - s));
	ok(row_split(&row, line, 65534) && row_length(&row, ROW_META) > 65000,
	   "a row may have 65534 bytes");
	memset(line + 65534, 'm', 100);
	ok(!row_split(&row, line, 65600), "and no more than it can count");
}

static void test_values(void)
{
	static const char line[] =
	    "a\ts\\\\t\t" REST("error", LAST, "12", "x\\ty") "9007199254740991\t";
	struct row row;

	ok(row_split(&row, line, sizeof(line) - 1), "a row is split");
	ok(row_state(&row) == STATE_ERROR, "its state");
	ok(row_number(&row, ROW_COUNTER) == 12 && row_number(&row, ROW_PID) == 812, "its numbers");
	ok(row_number(&row, ROW_SEQ) == INT64_C(9007199254740991), "a large one");
	ok(row_number(&row, ROW_HOST) == 0, "what is no number is 0");
	ok(row_time_ms(&row, ROW_LAST_HB) == LAST_MS, "a time");
	ok(row_time_ms(&row, ROW_HOST) == 0, "what is no time is 0");
	ok(row_duration_ms(&row, ROW_ERROR_AFTER) == 90500, "a duration with a part");
	ok(row_duration_ms(&row, ROW_EVERY) == 0 && row_duration_ms(&row, ROW_HOST) == 0,
	   "what is no duration is 0");
	ok(row_is(&row, ROW_HELD, "yes") && !row_is(&row, ROW_HELD, "ye"), "row_is compares all");
	ok(row_column("lastHb", 6) == ROW_LAST_HB && row_column("LASTHB", 6) == ROW_LAST_HB &&
	       row_column("last", 4) < 0,
	   "columns are found by name");
}

static const struct {
	const char *what, *line, *has;
} jsons[] = {
    {"numbers", "a\ts\t" REST("active", LAST, "3", "") "7\t", "\"pid\":812,\"counter\":3,"},
    {"thresholds", "a\ts\t" REST("active", LAST, "3", "") "7\t",
     "\"warnAfter\":30,\"errorAfter\":90.5,\"forgetAfter\":600,"},
    {"what is unknown", "a\ts\t" REST("active", LAST, "3", "") "7\t", "\"version\":null,"},
    {"booleans of a warning", "a\ts\t" REST("warning", LAST, "3", "") "7\t",
     "\"active\":true,\"warning\":true,\"error\":false,"},
    {"booleans of an error", "a\ts\t" REST("error", LAST, "3", "") "7\t",
     "\"active\":false,\"warning\":false,\"error\":true,"},
    {"booleans of one that left", "a\ts\t" REST("inactive", LAST, "3", "") "7\t",
     "\"active\":false,\"warning\":false,\"error\":false,"},
    {"a quoted tab", "a\ts\t" REST("active", LAST, "3", "x\\ty") "7\t", "\"reason\":\"x\\u0009y\""},
    {"a quotation mark", "a\ts\t" REST("active", LAST, "3", "x\"y") "7\t", "\"reason\":\"x\\\"y\""},
    {"UTF-8", "a\ts\t" REST("active", LAST, "3", "\xc3\xbc") "7\t", "\"reason\":\"\xc3\xbc\""},
    {"what is not UTF-8", "a\ts\t" REST("active", LAST, "3", "\xff") "7\t",
     "\"reason\":\"\xef\xbf\xbd\""},
    {"a counter that is none", "a\ts\t" REST("active", LAST, "03", "") "7\t", "\"counter\":null,"},
    {"no meta", "a\ts\t" REST("active", LAST, "3", "") "7\t", "\"meta\":{},"},
    {"meta",
     "a\ts\t" REST("active", LAST, "3", "") "7\tk=v,l=", "\"meta\":{\"k\":\"v\",\"l\":\"\"},"},
    {"meta with commas and backslashes",
     "a\ts\t" REST("active", LAST, "3", "") "7\tk=a\\\\,b\\\\\\\\c",
     "\"meta\":{\"k\":\"a,b\\\\c\"},"},
    {"the age", "a\ts\t" REST("active", LAST, "3", "") "7\t", "\"age\":1.25"},
    {"no age without a beat", "a\ts\t" REST("active", "", "3", "") "7\t", "\"age\":null"},
};

static void test_json(void)
{
	struct text text = {0};
	struct row row;

	for (size_t i = 0; i < sizeof(jsons) / sizeof(jsons[0]); i++) {
		text_clear(&text);
		ok(row_split(&row, jsons[i].line, strlen(jsons[i].line)), "a row with %s",
		   jsons[i].what);
		row_json(&text, &row, LAST_MS + 1250);
		if (!ok(strstr(text_cstr(&text), jsons[i].has) != NULL, "%s in JSON",
			jsons[i].what))
			printf("# %s\n", text_cstr(&text));
	}
	text_clear(&text);
	row_json(&text, &row, LAST_MS);
	ok(strncmp(text_cstr(&text), "\"process\":\"a\",\"handle\":null,\"ip\":", 33) == 0,
	   "the original's names come first");
	text_free(&text);
}

static void test_meta(void)
{
	static const struct extra extras[] = {
	    {"meta.zone", "a,b\\c"}, {"later", "ignored"}, {"meta.x", ""}};
	struct text text = {0}, bare = {0};
	char *meta, *key, *value;

	row_print_meta(&text, extras, 3);
	text_untsv(&bare, text.s, text.len);
	text_char(&bare, '\0');
	meta = bare.s;
	ok(row_meta_next(&meta, &key, &value) && strcmp(key, "zone") == 0 &&
	       strcmp(value, "a,b\\c") == 0,
	   "meta comes back as it was");
	ok(row_meta_next(&meta, &key, &value) && strcmp(key, "x") == 0 && *value == '\0',
	   "an empty value too");
	ok(!row_meta_next(&meta, &key, &value), "and that is all");
	text_free(&text);
	text_free(&bare);
}

#define EVENT(seq, name, row) seq "\t" SINCE "\t" name "\tactive\t" row

static const struct {
	const char *what, *line;
	bool good;
} events[] = {
    {"an event", EVENT("8", "error", "a\ts\t" REST("error", LAST, "1", "") "8\t"), true},
    {"one of the master", EVENT("8", "sync", "*\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t"),
     true},
    {"a row", "a\ts\t" REST("active", LAST, "1", "") "7\t", false},
    {"the names", "seq\ttime\tevent\tfrom\tprocess", false},
    {"one without a name", EVENT("8", "", "a\ts\t" REST("error", LAST, "1", "") "8\t"), false},
    {"one without a number", EVENT("x", "error", "a\ts\t" REST("error", LAST, "1", "") "8\t"),
     false},
    {"half of one", EVENT("8", "error", "a\ts"), false},
};

static void test_events(void)
{
	struct event event;

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		ok(event_split(&event, events[i].line, strlen(events[i].line)) == events[i].good,
		   "%s is %san event", events[i].what, events[i].good ? "" : "not ");
	event_split(&event, events[0].line, strlen(events[0].line));
	ok(event.seq == 8 && event_is(&event, "error") && event.from_len == 6 &&
	       row_is(&event.row, ROW_PROCESS, "a"),
	   "an event's parts");
}

/* What a view says of "a" after these events: "state counter", or "-". */
static const struct {
	const char *what, *events[4], *is;
} views[] = {
    {"joined", {EVENT("8", "joined", "a\ts\t" REST("active", LAST, "1", "") "8\t")}, "active 1"},
    {"joined, then in error",
     {EVENT("8", "joined", "a\ts\t" REST("active", LAST, "1", "") "8\t"),
      EVENT("9", "error", "a\ts\t" REST("error", LAST, "4", "") "9\t")},
     "error 4"},
    {"an event that comes again changes nothing",
     {EVENT("9", "error", "a\ts\t" REST("error", LAST, "4", "") "9\t"),
      EVENT("8", "joined", "a\ts\t" REST("active", LAST, "1", "") "8\t")},
     "error 4"},
    {"a keyframe's row with an older beat changes nothing",
     {EVENT("9", "error", "a\ts\t" REST("error", LAST, "4", "") "9\t"),
      EVENT("9", "row", "a\ts\t" REST("error", SINCE, "3", "") "9\t")},
     "error 4"},
    {"forgotten",
     {EVENT("8", "joined", "a\ts\t" REST("active", LAST, "1", "") "8\t"),
      EVENT("9", "forgotten", "a\ts\t" REST("error", LAST, "4", "") "8\t")},
     "-"},
    {"forgotten, then back",
     {EVENT("8", "joined", "a\ts\t" REST("active", LAST, "1", "") "8\t"),
      EVENT("9", "forgotten", "a\ts\t" REST("error", LAST, "4", "") "8\t"),
      EVENT("10", "joined", "a\ts\t" REST("active", LAST, "1", "") "10\t")},
     "active 1"},
    {"a forgetting from before it came back",
     {EVENT("10", "row", "a\ts\t" REST("active", LAST, "1", "") "10\t"),
      EVENT("9", "forgotten", "a\ts\t" REST("error", LAST, "4", "") "8\t")},
     "active 1"},
    {"a reset",
     {EVENT("8", "joined", "a\ts\t" REST("active", LAST, "1", "") "8\t"),
      EVENT("9", "reset", "*\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t")},
     "-"},
    {"a pause",
     {EVENT("8", "joined", "a\ts\t" REST("active", LAST, "1", "") "8\t"),
      EVENT("9", "paused", "*\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t")},
     "active 1"},
};

static void test_views(void)
{
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
		struct view view = {.head.limits = limits_default};
		struct text text = {0};
		struct view_row *row;
		struct event event;
		bool good = true;

		for (size_t e = 0; e < 4 && views[i].events[e] != NULL; e++)
			good =
			    good &&
			    event_split(&event, views[i].events[e], strlen(views[i].events[e])) &&
			    view_apply(&view, &event);
		row = view_find(&view, "a", 1);
		if (row == NULL)
			text_string(&text, "-");
		else
			text_printf(&text, "%s %" PRId64, state_name(row_state(&row->row)),
				    row_number(&row->row, ROW_COUNTER));
		if (!ok(good && strcmp(text_cstr(&text), views[i].is) == 0, "a view: %s",
			views[i].what))
			printf("# %s, not %s\n", text_cstr(&text), views[i].is);
		text_free(&text);
		view_free(&view);
	}
}

int main(void)
{
	test_split();
	test_long();
	test_values();
	test_json();
	test_meta();
	test_events();
	test_views();
	return tap_done();
}
