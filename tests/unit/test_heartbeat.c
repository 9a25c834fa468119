/* The pure parts of a heartbeat, from tables: content, names, durations, numbers, stamps, texts,
 * limits.  Prints TAP. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "heartbeat.h"
#include "name.h"
#include "stamp.h"
#include "state.h"
#include "text.h"

static int tests, failures;

static void ok(bool good, const char *what, const char *of)
{
	char line[160];
	size_t len = 0;

	/* A description holds neither a newline nor "#". */
	for (; *of != '\0' && len < sizeof(line) - 1; of++)
		line[len++] = *of < ' ' || *of == '#' || *of == 0x7f ? '.' : *of;
	line[len] = '\0';
	printf("%sok %d - %s: %s\n", good ? "" : "not ", ++tests, what, line);
	failures += !good;
}

static bool same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void test_names(void)
{
	static const struct {
		const char *name;
		bool good;
	} cases[] = {
	    {"a", true},    {"rdb_1", true}, {"A-z.0_9:@+", true}, {"9", true},	  {"_", true},
	    {"", false},    {".", false},    {"..", false},	   {"-a", false}, {"a/b", false},
	    {"a b", false}, {"a\n", false},  {"\xc3\xa4", false},  {"a*", false}, {"a\\", false},
	};
	char name[NAME_LONGEST + 2];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok((name_check(cases[i].name) == NULL) == cases[i].good, "name", cases[i].name);
	memset(name, 'a', sizeof(name));
	name[NAME_LONGEST + 1] = '\0';
	ok(name_check(name) != NULL, "name", "129 bytes");
	name[NAME_LONGEST] = '\0';
	ok(name_check(name) == NULL, "name", "128 bytes");
}

static void test_durations(void)
{
	static const struct {
		const char *text;
		int64_t ms; /* 0: refused */
		const char *printed;
	} cases[] = {
	    {"2", 2000, "2s"},
	    {"1.5s", 1500, "1500ms"},
	    {"500ms", 500, "500ms"},
	    {"5m", 300000, "5m"},
	    {"26h", 93600000, "26h"},
	    {"7d", 604800000, "7d"},
	    {"24h", 86400000, "1d"},
	    {"90s", 90000, "90s"},
	    {"60s", 60000, "1m"},
	    {"0.001s", 1, "1ms"},
	    {"1.5h", 5400000, "90m"},
	    {"36500d", DURATION_LONGEST_MS, "36500d"},
	    {"0.0001s", 0, NULL},
	    {"1.5ms", 0, NULL},
	    {"36501d", 0, NULL},
	    {"99999999999999999999", 0, NULL},
	    {"0", 0, NULL},
	    {"0s", 0, NULL},
	    {"", 0, NULL},
	    {"s", 0, NULL},
	    {"-1", 0, NULL},
	    {"+1", 0, NULL},
	    {" 1", 0, NULL},
	    {"1 s", 0, NULL},
	    {"1.", 0, NULL},
	    {".5", 0, NULL},
	    {"1e3", 0, NULL},
	    {"1w", 0, NULL},
	    {"1.2.3", 0, NULL},
	    {"1.00000000000000000000s", 0, NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct text text = {0};
		int64_t ms = 0;
		const char *wrong = duration_parse(cases[i].text, &ms);

		ok((wrong == NULL) == (cases[i].ms > 0) && ms == cases[i].ms, "duration",
		   cases[i].text);
		if (cases[i].printed == NULL)
			continue;
		duration_print(&text, cases[i].ms);
		ok(same(text_cstr(&text), cases[i].printed), "duration printed", cases[i].printed);
		text_free(&text);
	}
}

static void test_duration_forms(void)
{
	static const struct {
		int64_t ms;
		const char *seconds, *words, *age;
	} cases[] = {
	    {1, "0.001", "1 ms", "0s"},		{1500, "1.5", "1500 ms", "1s"},
	    {90000, "90", "90 s", "90s"},	{300000, "300", "5 min", "5m"},
	    {93600000, "93600", "26 h", "26h"}, {604800000, "604800", "7 d", "7d"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct text text = {0};
		char age[16];

		duration_seconds(&text, cases[i].ms);
		ok(same(text_cstr(&text), cases[i].seconds), "seconds", cases[i].seconds);
		text_clear(&text);
		duration_words(&text, cases[i].ms);
		ok(same(text_cstr(&text), cases[i].words), "words", cases[i].words);
		duration_age(age, sizeof(age), cases[i].ms);
		ok(same(age, cases[i].age), "age", cases[i].age);
		text_free(&text);
	}
}

static void test_numbers(void)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
	    {"1", true},
	    {"10", true},
	    {"007", true},
	    {"0", false},
	    {"11", false},
	    {"", false},
	    {"x", false},
	    {"1x", false},
	    {" 1", false},
	    {"-1", false},
	    {"1 ", false},
	    {"9223372036854775808", false},
	    {"99999999999999999999999999", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t n = 77;
		bool good = number_parse(cases[i].text, 1, 10, &n) == NULL;

		ok(good == cases[i].good && (good || n == 77), "number 1 to 10", cases[i].text);
	}
}

static void test_stamps(void)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} cases[] = {
	    {"1970-01-01T00:00:00.000Z", 0},
	    {"2026-11-24T03:14:26.230Z", INT64_C(1795490066230)},
	    {"2000-02-29T23:59:59.999Z", INT64_C(951868799999)},
	    {"9999-12-31T23:59:59.999Z", INT64_C(253402300799999)},
	    {"2026-02-29T00:00:00.000Z", -1},
	    {"2026-13-01T00:00:00.000Z", -1},
	    {"2026-00-01T00:00:00.000Z", -1},
	    {"2026-01-01T24:00:00.000Z", -1},
	    {"2026-01-01 00:00:00.000Z", -1},
	    {"2026-01-01T00:00:60.000Z", -1},
	    {"1969-12-31T23:59:59.999Z", -1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char buf[STAMP_LENGTH];
		int64_t ms = -1;
		bool good = stamp_parse(cases[i].text, &ms);

		ok(good == (cases[i].ms >= 0) && ms == cases[i].ms, "stamp", cases[i].text);
		if (!good)
			continue;
		stamp_print(buf, ms);
		ok(memcmp(buf, cases[i].text, sizeof(buf)) == 0, "stamp printed", cases[i].text);
	}
}

static void test_characters(void)
{
	static const struct {
		const char *text;
		bool clean;
		const char *safe;
	} cases[] = {
	    {"plain", true, "plain"},
	    {"\xc3\xa4", true, "\xc3\xa4"},
	    {"\xf0\x9f\x92\x93", true, "\xf0\x9f\x92\x93"},
	    {"a\tb", false, "a?b"},
	    {"\xc3\xa4 a\x1b\xff\xc3\xa4 z", false, "\xc3\xa4 a??\xc3\xa4 z"},
	    {"\x1b[0m", false, "?[0m"},
	    {"\x7f", false, "?"},
	    {"\xc2\x9b", false, "?"},	  /* C1 */
	    {"\xe2\x80\xae", false, "?"}, /* right-to-left override */
	    {"\xff", false, "?"},
	    {"\xc3", false, "?"},		 /* half a character */
	    {"\xc0\xaf", false, "??"},		 /* overlong */
	    {"\xed\xa0\x80", false, "???"},	 /* half of UTF-16 */
	    {"\xf4\x90\x80\x80", false, "????"}, /* beyond Unicode */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct text text = {0};
		size_t len = strlen(cases[i].text);

		ok(text_clean(cases[i].text, len) == cases[i].clean, "clean", cases[i].safe);
		text_safe(&text, cases[i].text, len);
		ok(same(text_cstr(&text), cases[i].safe), "safe", cases[i].safe);
		text_free(&text);
	}
}

static void test_printed_numbers(void)
{
	static const struct {
		int64_t number;
		const char *text;
	} cases[] = {
	    {0, "0"},
	    {-1, "-1"},
	    {10, "10"},
	    {INT64_MAX, "9223372036854775807"},
	    {INT64_MIN, "-9223372036854775808"},
	};
	char buf[NUMBER_LENGTH];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct text text = {0};

		text_number(&text, cases[i].number);
		ok(same(text_cstr(&text), cases[i].text), "number", cases[i].text);
		text_free(&text);
	}
	ok(same(number_print(buf, UINT64_MAX), "18446744073709551615"), "number", "largest");
}

static void test_quoting(void)
{
	static const struct {
		const char *plain, *tsv, *json;
	} cases[] = {
	    {"", "", "\"\""},
	    {"a\tb\nc\\d", "a\\tb\\nc\\\\d", "\"a\\u0009b\\u000ac\\\\d\""},
	    {"say \"x\"", "say \"x\"", "\"say \\\"x\\\"\""},
	    {"\xc3\xa4\xff", "\xc3\xa4\xff", "\"\xc3\xa4\xef\xbf\xbd\""},
	    {"\\t", "\\\\t", "\"\\\\t\""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct text text = {0}, back = {0};

		text_tsv(&text, cases[i].plain, strlen(cases[i].plain));
		ok(same(text_cstr(&text), cases[i].tsv), "tsv", cases[i].tsv);
		text_untsv(&back, cases[i].tsv, strlen(cases[i].tsv));
		ok(same(text_cstr(&back), cases[i].plain), "tsv back", cases[i].tsv);
		text_clear(&text);
		text_json(&text, cases[i].plain, strlen(cases[i].plain));
		ok(same(text_cstr(&text), cases[i].json), "json", cases[i].json);
		text_free(&text);
		text_free(&back);
	}
}

static void test_limits(void)
{
	static const struct {
		struct limits asked;
		int64_t every_ms;
		bool good;
		struct limits are;
	} cases[] = {
	    {{0, 0, 0}, 0, true, {30000, 90000, 600000}},
	    {{0, 0, 0}, 2000, true, {30000, 90000, 600000}},
	    {{0, 0, 0}, 60000, true, {180000, 540000, 3780000}},
	    {{45000, 0, 0}, 0, true, {45000, 135000, 945000}},
	    {{0, 93600000, 0}, 0, true, {93600000, 93600000, 655200000}},
	    {{5000, 5000, 5000}, 2000, true, {5000, 5000, 5000}},
	    {{5000, 4000, 0}, 0, false, {5000, 5000, 600000}},
	    {{5000, 0, 4000}, 0, false, {5000, 90000, 90000}},
	    {{2000, 0, 0}, 2000, false, {2000, 90000, 600000}},
	    {{0, 2000, 0}, 3000, false, {2000, 2000, 600000}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct limits are = limits_of(&limits_default, &cases[i].asked, cases[i].every_ms);
		char what[64];

		snprintf(what, sizeof(what), "case %zu", i);
		ok((limits_check(&cases[i].asked, cases[i].every_ms) == NULL) == cases[i].good,
		   "limits asked", what);
		ok(!cases[i].good || (are.warn_ms == cases[i].are.warn_ms &&
				      are.error_ms == cases[i].are.error_ms &&
				      are.forget_ms == cases[i].are.forget_ms),
		   "limits", what);
	}
}

static void test_states(void)
{
	enum state state = STATE_ACTIVE;
	unsigned set = 0;

	for (int i = 0; i < STATES; i++) {
		const char *name = state_name((enum state)i);

		ok(state_parse(name, strlen(name), &state) && (int)state == i, "state", name);
	}
	ok(!state_parse("activ", 5, &state), "state", "activ");
	ok(!state_parse("Active", 6, &state), "state", "Active");
	ok(state_set_parse("warning,error", &set) == NULL &&
	       set == (1u << STATE_WARNING | 1u << STATE_ERROR),
	   "set", "warning,error");
	ok(state_set_parse("warning,", &set) != NULL, "set", "warning,");
	ok(state_set_parse("", &set) != NULL, "set", "nothing");
}

/* Reads content from memory of just its size, so that a tool sees who reads beyond it. */
static const char *parse(const char *content, size_t len, struct heartbeat *hb, char **memory)
{
	*memory = malloc(len + 1);
	if (*memory == NULL)
		abort();
	memcpy(*memory, content, len);
	return heartbeat_parse(*memory, len, hb);
}

static void test_content(void)
{
	static const struct {
		const char *content;
		const char *printed; /* NULL: refused */
	} cases[] = {
	    {"", ""},
	    {"service=rdb\n", "service=rdb\n"},
	    {"service=all that is \xc3\xa4 text = free\n",
	     "service=all that is \xc3\xa4 text = free\n"},
	    {"pid=1\nhost=h\n", "host=h\npid=1\n"},
	    {"pid=2147483648\n", "pid=2147483648\n"},
	    {"state=active\n", ""},
	    {"state=inactive\nreason=left\n", "state=inactive\nreason=left\n"},
	    {"held=yes\n", "held=yes\n"},
	    {"held=\npid=\nevery=\nstate=\nhost=\nmeta.a=\n", ""},
	    {"every=60s\nwarnAfter=1.5h\n", "every=1m\nwarnAfter=90m\n"},
	    {"zebra=1\nmeta.b=2\nmeta.a=3\nvia=g\n", "via=g\nzebra=1\nmeta.b=2\nmeta.a=3\n"},
	    {"errorAfter=5s\nwarnAfter=9s\n", "warnAfter=9s\nerrorAfter=5s\n"},
	    {"meta.a==b=\n", "meta.a==b=\n"},
	    {"service=rdb", NULL},
	    {"service\n", NULL},
	    {"\n", NULL},
	    {"=x\n", NULL},
	    {" a=x\n", NULL},
	    {"1a=x\n", NULL},
	    {"a/b=x\n", NULL},
	    {"a=x\na=x\n", NULL},
	    {"meta.a=\nmeta.a=1\n", NULL},
	    {"host=a\nhost=b\n", NULL},
	    {"host=\nhost=b\n", NULL},
	    {"host=a\tb\n", NULL},
	    {"host=a\r\n", NULL},
	    {"host=\x7f\n", NULL},
	    {"host=\xc2\x85\n", NULL},
	    {"host=\xff\n", NULL},
	    {"host=\xc3\n", NULL},
	    {"pid=0\n", NULL},
	    {"pid=-1\n", NULL},
	    {"pid=1x\n", NULL},
	    {"pid=2147483649\n", NULL},
	    {"every=0\n", NULL},
	    {"every=soon\n", NULL},
	    {"forgetAfter=1.5ms\n", NULL},
	    {"state=dead\n", NULL},
	    {"held=no\n", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct heartbeat hb;
		struct text text = {0};
		char *memory;
		const char *wrong = parse(cases[i].content, strlen(cases[i].content), &hb, &memory);

		if (wrong == NULL)
			heartbeat_print(&hb, &text);
		ok((wrong == NULL) == (cases[i].printed != NULL) &&
		       (wrong != NULL || same(text_cstr(&text), cases[i].printed)),
		   "content", cases[i].content);
		if (wrong == NULL)
			heartbeat_free(&hb);
		text_free(&text);
		free(memory);
	}
}

static void test_content_sizes(void)
{
	struct heartbeat hb;
	struct text text = {0};
	char *memory;

	ok(parse("host=a\0b\n", 9, &hb, &memory) != NULL, "content", "a NUL");
	free(memory);
	text_string(&text, "meta.a=");
	while (text.len < HEARTBEAT_LARGEST - 1)
		text_char(&text, 'x');
	text_char(&text, '\n');
	ok(parse(text.s, text.len, &hb, &memory) == NULL, "content", "16384 bytes");
	heartbeat_free(&hb);
	free(memory);
	text_char(&text, '\n');
	ok(parse(text.s, text.len, &hb, &memory) != NULL, "content", "16385 bytes");
	free(memory);
	text_clear(&text);
	for (int i = 0; i < HEARTBEAT_EXTRAS; i++)
		text_printf(&text, "k%d=%d\n", i, i);
	ok(parse(text.s, text.len, &hb, &memory) == NULL && hb.extra_count == HEARTBEAT_EXTRAS,
	   "content", "256 other keys");
	ok(!heartbeat_extra(&hb, "more", "1"), "extra", "one too many");
	ok(heartbeat_extra(&hb, "k7", "new") && same(hb.extras[7].value, "new"), "extra",
	   "replaced");
	heartbeat_free(&hb);
	free(memory);
	text_string(&text, "more=1\n");
	ok(parse(text.s, text.len, &hb, &memory) != NULL, "content", "257 other keys");
	free(memory);
	text_clear(&text);
	text_string(&text, "service=");
	for (int i = 0; i < 256; i++)
		text_char(&text, 'x');
	text_char(&text, '\n');
	ok(parse(text.s, text.len, &hb, &memory) != NULL, "content", "a service of 256 bytes");
	free(memory);
	text_free(&text);
}

static void test_senders(void)
{
	struct heartbeat a = {.boot = "b", .start = "1", .pid = 7}, b = a, none = {0};

	ok(heartbeat_same_sender(&a, &b), "sender", "the same");
	ok(heartbeat_same_sender(&a, &none) && heartbeat_same_sender(&none, &a), "sender",
	   "one that tells nothing");
	b.pid = 8;
	ok(!heartbeat_same_sender(&a, &b), "sender", "another pid");
	b = a;
	b.start = "2";
	ok(!heartbeat_same_sender(&a, &b), "sender", "another start");
	b = a;
	b.boot = NULL;
	ok(!heartbeat_same_sender(&a, &b), "sender", "no boot");
}

static void test_json(void)
{
	static const struct {
		const char *content, *json;
	} cases[] = {
	    {"", "{\"process\":\"x\"}"},
	    {"service=rdb\npid=7\nevery=1500ms\nwarnAfter=1m\n",
	     "{\"process\":\"x\",\"service\":\"rdb\",\"pid\":7,\"every\":1.5,\"warnAfter\":60}"},
	    {"state=error\nreason=a \"b\" \\c\nheld=yes\nmeta.z=\xc3\xa4\n",
	     "{\"process\":\"x\",\"state\":\"error\",\"reason\":\"a \\\"b\\\" \\\\c\",\"held\":"
	     "\"yes\",\"meta.z\":\"\xc3\xa4\"}"},
	    {"state=active\n", "{\"process\":\"x\"}"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char content[256];
		struct heartbeat hb;
		struct text text = {0};

		strcpy(content, cases[i].content);
		ok(heartbeat_parse(content, strlen(content), &hb) == NULL, "json", cases[i].json);
		heartbeat_json(&hb, "x", &text);
		ok(same(text_cstr(&text), cases[i].json), "json", text_cstr(&text));
		heartbeat_free(&hb);
		text_free(&text);
	}
}

static void test_held(void)
{
	static const struct {
		const char *content;
		bool held;
	} cases[] = {
	    {"", false},
	    {"held=yes\n", true},
	    {"host=h\nheld=yes\nboot=b\n", true},
	    {"reason=not held=yes\n", false},
	    {"reason=is it held=yes\nheld=yes\n", true},
	    {"held=yes", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok(heartbeat_says_held(cases[i].content, (ssize_t)strlen(cases[i].content)) ==
		       cases[i].held,
		   "held", cases[i].content);
	ok(!heartbeat_says_held("held=yes\n", -1), "held", "none");
}

static void test_keys(void)
{
	char key[130];

	ok(heartbeat_key("meta.a_b-C.9"), "key", "meta.a_b-C.9");
	ok(!heartbeat_key(""), "key", "nothing");
	ok(!heartbeat_key("9a"), "key", "9a");
	ok(!heartbeat_key("a b"), "key", "a b");
	ok(!heartbeat_key("\xc3\xa4"), "key", "not ASCII");
	memset(key, 'a', sizeof(key));
	key[129] = '\0';
	ok(!heartbeat_key(key), "key", "129 bytes");
	key[128] = '\0';
	ok(heartbeat_key(key), "key", "128 bytes");
}

int main(void)
{
	test_names();
	test_durations();
	test_duration_forms();
	test_numbers();
	test_stamps();
	test_characters();
	test_printed_numbers();
	test_quoting();
	test_limits();
	test_states();
	test_keys();
	test_content();
	test_content_sizes();
	test_senders();
	test_json();
	test_held();
	printf("1..%d\n", tests);
	return failures > 0;
}
