/* What WebSocket clients say: our JSON, and the original page's two texts, which are read, never
 * run. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "name.h"
#include "socket.h"
#include "version.h"

#define STRIPS_LARGEST 500
#define EVERY_LEAST_MS 100
#define EVERY_MOST_MS 60000

static void say_error(struct client *client, const char *what, const char *why)
{
	struct text text = {0}, words = {0};

	text_string(&words, what);
	if (*why != '\0')
		text_printf(&words, ": %s", why);
	text_string(&text, "{\"type\":\"error\",\"error\":");
	text_json(&text, words.s, words.len);
	text_char(&text, '}');
	text_free(&words);
	client_say(client, &text);
}

static void greet(struct client *client)
{
	struct text text = {0};
	const struct limits *limits = &serve.head.limits;

	if (client->greeted)
		return;
	client->greeted = true;
	text_printf(&text, "{\"type\":\"hello\",\"version\":\"%s\",\"serve\":", DISCO_VERSION);
	text_json(&text, serve.name, strlen(serve.name));
	text_string(&text, ",\"host\":");
	text_json(&text, serve.host, strlen(serve.host));
	text_char(&text, ',');
	add_moment(&text, client->caller);
	text_printf(&text,
		    ",\"tick\":%g,\"warnAfter\":%g,\"errorAfter\":%g,\"forgetAfter\":%g,"
		    "\"master\":\"%s\",\"heard\":",
		    (double)serve.head.tick_ms / 1000, (double)limits->warn_ms / 1000,
		    (double)limits->error_ms / 1000, (double)limits->forget_ms / 1000,
		    master_name(serve.master));
	add_stamp(&text, serve.heard_ms);
	text_string(&text, ",\"pausedUntil\":");
	add_stamp(&text, caller_reads_all(client->caller) ? serve.head.paused_until_ms : 0);
	text_char(&text, '}');
	client_say(client, &text);
}

/* Adds "key": a string, or an array of them.  NULL, or what is wrong. */
static const char *filter_json(struct filter *filter, const cJSON *item)
{
	const cJSON *value = cJSON_IsArray(item) ? item->child : item;
	const char *why;

	for (; value != NULL; value = cJSON_IsArray(item) ? value->next : NULL) {
		if (!cJSON_IsString(value))
			return "a string, or an array of strings";
		why = filter_add(filter, item->string, value->valuestring);
		if (why != NULL)
			return *why == '\0' ? "no such filter" : why;
	}
	return NULL;
}

/* "every": 0 when it is not given; false when it is wrong, and was answered. */
static bool every_read(struct client *client, const cJSON *message, int64_t *every_ms)
{
	const cJSON *every = cJSON_GetObjectItemCaseSensitive(message, "every");
	double seconds = cJSON_IsNumber(every) ? every->valuedouble : 0;

	*every_ms = 0;
	if (every == NULL)
		return true;
	if (!(seconds * 1000 >= EVERY_LEAST_MS && seconds * 1000 <= EVERY_MOST_MS)) {
		say_error(client, "every", "seconds, from 0.1 to 60");
		return false;
	}
	*every_ms = (int64_t)(seconds * 1000);
	return true;
}

static void subscribe(struct client *client, const cJSON *message)
{
	const cJSON *asked = cJSON_GetObjectItemCaseSensitive(message, "subscribe"), *item;
	const cJSON *beats = cJSON_GetObjectItemCaseSensitive(message, "beats");
	struct filter filter = {.caller = caller_ref(client->caller)};
	int64_t every_ms = 0;
	const char *why;

	if (!cJSON_IsObject(asked)) {
		say_error(client, "subscribe", "an object of filters; {} is all");
		filter_free(&filter);
		return;
	}
	if (!every_read(client, message, &every_ms)) {
		filter_free(&filter);
		return;
	}
	if (beats != NULL && !cJSON_IsBool(beats)) {
		say_error(client, "beats", "true or false");
		filter_free(&filter);
		return;
	}
	cJSON_ArrayForEach(item, asked)
	{
		why = filter_json(&filter, item);
		if (why != NULL) {
			say_error(client, item->string, why);
			filter_free(&filter);
			return;
		}
	}
	greet(client);
	if (!channel_join(client, &filter, every_ms, !cJSON_IsFalse(beats), false))
		say_error(client, "subscribe", "out of memory");
}

static void strips(struct client *client, const cJSON *names)
{
	struct text text = {0};
	const cJSON *name;
	bool any = false;

	if (!cJSON_IsArray(names) || cJSON_GetArraySize(names) > STRIPS_LARGEST) {
		say_error(client, "strips", "an array of at most 500 names");
		return;
	}
	greet(client);
	text_string(&text, "{\"type\":\"strips\",\"time\":");
	add_stamp(&text, real_ms());
	text_printf(&text, ",\"cell\":%d,\"strips\":{", STRIP_CELL_MS / 1000);
	cJSON_ArrayForEach(name, names)
	{
		const struct entry *entry =
		    cJSON_IsString(name)
			? rows_find(&serve.rows, name->valuestring, strlen(name->valuestring))
			: NULL;

		if (entry == NULL || !caller_reads(client->caller, &entry->row))
			continue;
		text_printf(&text, "%s\"%s\":", any ? "," : "", name->valuestring);
		entry_strip(&serve.rows, entry, &text);
		any = true;
	}
	text_string(&text, "}}");
	client_say(client, &text);
}

static void history(struct client *client, const cJSON *asked)
{
	const struct filter everything = {.caller = client->caller};
	const struct filter *filter =
	    client->channel != NULL ? channel_filter(client->channel) : &everything;
	size_t wanted = CHANGES_KEPT, i = serve.rows.kept, found = 0, len = 0;
	struct text text = {0};
	bool any = false;

	if (!cJSON_IsNumber(asked) || asked->valuedouble < 1) {
		say_error(client, "history", "how many events");
		return;
	}
	if (asked->valuedouble < CHANGES_KEPT)
		wanted = (size_t)asked->valuedouble;
	greet(client);
	while (i > 0 && found < wanted && len < QUEUE_LARGEST) {
		struct change *change = rows_change(&serve.rows, --i);

		if (!filter_row(filter, &change->event.row))
			continue;
		found++;
		len += change_json(change)->len;
	}
	text_string(&text, "{\"type\":\"history\",\"events\":[");
	for (; i < serve.rows.kept; i++) {
		struct change *change = rows_change(&serve.rows, i);

		if (!filter_row(filter, &change->event.row))
			continue;
		text_string(&text, any ? "," : "");
		text_add(&text, change_json(change)->s, change_json(change)->len);
		any = true;
	}
	text_string(&text, "]}");
	client_say(client, &text);
}

static void services(struct client *client)
{
	size_t count;
	struct service *all = services_count(client->caller, &count);
	struct text text = {0};

	greet(client);
	text_string(&text, "{\"type\":\"services\",\"services\":{");
	for (size_t i = 0; i < count; i++) {
		text_string(&text, i > 0 ? "," : "");
		row_json_value(&text, all[i].row, ROW_SERVICE);
		for (int s = 0; s < STATES; s++)
			text_printf(&text, "%s\"%s\":%zu", s > 0 ? "," : ":{",
				    state_name((enum state)s), all[i].states[s]);
		text_char(&text, '}');
	}
	text_string(&text, "}}");
	free(all);
	client_say(client, &text);
}

/* What is about procedures; false when it is not. */
static bool talk_proc(struct client *client, const cJSON *message)
{
	const cJSON *call = cJSON_GetObjectItemCaseSensitive(message, "call");
	const cJSON *begin = cJSON_GetObjectItemCaseSensitive(message, "subscribe");
	const cJSON *end = cJSON_GetObjectItemCaseSensitive(message, "unsubscribe");
	const cJSON *id = cJSON_GetObjectItemCaseSensitive(message, "id");
	int64_t every_ms;

	if (cJSON_GetObjectItemCaseSensitive(begin, "proc") == NULL && call == NULL && end == NULL)
		return false;
	greet(client);
	if (call != NULL && !cJSON_IsString(call))
		say_error(client, "call", "the name of a procedure");
	else if (call != NULL)
		wish_call(client, call->valuestring,
			  cJSON_GetObjectItemCaseSensitive(message, "args"), id);
	else if (end != NULL)
		wish_unsubscribe(client, end, id);
	else if (every_read(client, message, &every_ms))
		wish_subscribe(client, begin, every_ms, id);
	return true;
}

static void talk_json(struct client *client, const cJSON *message)
{
	const cJSON *item;

	if (talk_proc(client, message))
		;
	else if (!caller_reads_some(client->caller))
		say_error(client, "this token may read nothing", "");
	else if ((item = cJSON_GetObjectItemCaseSensitive(message, "subscribe")) != NULL)
		subscribe(client, message);
	else if ((item = cJSON_GetObjectItemCaseSensitive(message, "strips")) != NULL)
		strips(client, item);
	else if ((item = cJSON_GetObjectItemCaseSensitive(message, "history")) != NULL)
		history(client, item);
	else if ((item = cJSON_GetObjectItemCaseSensitive(message, "services")) != NULL)
		services(client);
	else
		say_error(client, "write subscribe, unsubscribe, call, strips, history or services",
			  "");
}

/* The original's page. */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void original_names(struct client *client)
{
	struct text text = {0};
	const char **names = calloc(serve.rows.count + 1, sizeof(names[0]));
	size_t count = 0;

	for (size_t i = 0; names != NULL && i < serve.rows.size; i++)
		if (serve.rows.entries[i] != NULL &&
		    caller_reads(client->caller, &serve.rows.entries[i]->row))
			names[count++] = serve.rows.entries[i]->text;
	if (names != NULL)
		qsort(names, count, sizeof(names[0]), by_name);
	text_string(&text, "{\"func\":\"getSyms\",\"result\":[");
	for (size_t i = 0; i < count; i++)
		text_printf(&text, "%s\"%.*s\"", i > 0 ? "," : "", (int)strcspn(names[i], "\t"),
			    names[i]);
	text_string(&text, "]}");
	free(names);
	client_say(client, &text);
}

/* `a`b: the names; true when it is that and nothing else. */
static bool original_syms(struct filter *filter, const char *s, size_t len)
{
	const char *end = s + len;
	char name[NAME_LONGEST + 1];

	while (s < end && *s == '`') {
		size_t n = 0;

		for (s++; s < end && *s != '`' && n < NAME_LONGEST; s++)
			name[n++] = *s;
		name[n] = '\0';
		/* The empty symbol is nobody's name. */
		if (n > 0 &&
		    (name_check(name) != NULL || filter_add(filter, "process", name) != NULL))
			return false;
	}
	return s == end;
}

static void talk_original(struct client *client, const char *s, size_t len)
{
	static const char page[] = ".master.loadPage[]", syms[] = ".master.filterSyms[",
			  enlist[] = "enlist";
	struct filter filter = {.caller = caller_ref(client->caller)};

	if (len == strlen(page) && memcmp(s, page, len) == 0) {
		original_names(client);
	} else if (len > strlen(syms) && memcmp(s, syms, strlen(syms)) == 0 && s[len - 1] == ']') {
		s += strlen(syms);
		len -= strlen(syms) + 1;
		if (len > strlen(enlist) && memcmp(s, enlist, strlen(enlist)) == 0) {
			s += strlen(enlist);
			len -= strlen(enlist);
		}
		while (len > 0 && *s == ' ') {
			s++;
			len--;
		}
		if (!original_syms(&filter, s, len)) {
			filter_free(&filter);
			say_error(client, "filterSyms", "names, as `a`b");
			return;
		}
	} else {
		filter_free(&filter);
		say_error(client, "not understood; nothing is evaluated here", "");
		return;
	}
	if (!channel_join(client, &filter, 0, false, true))
		say_error(client, "out of memory", "");
}

void talk(struct client *client, const char *s, size_t len)
{
	cJSON *message;

	if (!caller_reads_some(client->caller) &&
	    (len == 0 || *s == '.' || !caller_calls_some(client->caller))) {
		say_error(client, "this token may read nothing", "");
		return;
	}
	if (len > 0 && *s == '.') {
		talk_original(client, s, len);
		return;
	}
	message = cJSON_ParseWithLength(s, len);
	/* A string with a NUL would end there. */
	if (cJSON_IsObject(message) && memchr(s, '\0', len) == NULL &&
	    memmem(s, len, "\\u0000", 6) == NULL)
		talk_json(client, message);
	else
		say_error(client, "not a JSON object", "");
	cJSON_Delete(message);
}
