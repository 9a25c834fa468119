/*
 * What WebSocket clients want of procedures: to call one, or to be told whenever
 * its answer has changed.  Those with the same rights who ask for the same share
 * one run.
 */
#include <cjson/cJSON.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "pool.h"
#include "socket.h"
#include "version.h"

#define APART_MS 1000 /* between runs, however much changes */
#define ID_LARGEST 1024

/* One procedure with its arguments, for all who subscribed to it. */
struct watch {
	LIST_ENTRY(watch) next;
	LIST_HEAD(watch_wishes, wish) wishes;
	struct caller *caller;
	char *name;
	struct text args;  /* a JSON object; the same for the same */
	struct call *call; /* under way */
	struct loop_event *timer;
	uint64_t seen; /* the round up to which it knows the rows */
	int64_t ran_ms;
	bool due, for_beats; /* it is to be run; and only because of beats */
	bool beats;	     /* its answer depends on them, it seems */
	bool tried;	     /* whether it does was tried since the rows changed */
	int status;	     /* of the last answer; 0: there was none */
	struct text answer;
	bool json;
	char *type;
};

/* What one client wants: a watch, or one call. */
struct wish {
	LIST_ENTRY(wish) in_client, in_watch;
	struct client *client;
	struct watch *watch; /* NULL: it is a call, */
	struct call *call;
	char *name;
	bool json;
	char *type;
	char *id; /* JSON, or NULL */
	int64_t every_ms;
	bool told; /* it has the last answer */
};

static LIST_HEAD(watch_list, watch) watches = LIST_HEAD_INITIALIZER(watches);

static char *copy(const char *s)
{
	char *own = strdup(s);

	if (own == NULL)
		errx(EXIT_CANNOT, "out of memory");
	return own;
}

/* Messages. */

static void id_add(struct text *text, const char *id)
{
	if (id != NULL)
		text_printf(text, ",\"id\":%s", id);
}

static void error_say(struct client *client, const char *id, const char *s, size_t len)
{
	struct text text = {0};

	text_string(&text, "{\"type\":\"error\",\"error\":");
	text_json(&text, s, len);
	id_add(&text, id);
	text_char(&text, '}');
	client_say(client, &text);
}

/* Whether it is UTF-8: who sends anything else loses the connection. */
static bool characters(const struct text *text)
{
	for (size_t at = 0, len; at < text->len; at += len) {
		len = text_character(text->s + at, text->len - at);
		if (len == 0)
			return false;
	}
	return true;
}

/* Of JSON the one value, or of any other number an array of them.  False: whoever made it says what
 * is none. */
static bool result_json(struct text *text, const struct text *answer)
{
	size_t begun = text->len, lines = 0;
	const char *end;
	cJSON *json;

	for (size_t i = 0; i < answer->len; i++)
		lines += answer->s[i] == '\n';
	text_string(text, lines == 1 ? "" : "[");
	for (size_t at = 0, i = 0; i < lines; i++) {
		size_t len = (size_t)((char *)memchr(answer->s + at, '\n', answer->len - at) -
				      (answer->s + at));

		text_string(text, i > 0 ? "," : "");
		text_add(text, answer->s + at, len);
		at += len + 1;
	}
	text_string(text, lines == 1 ? "" : "]");
	if (text->failed || !characters(answer))
		return false;
	json = cJSON_ParseWithLengthOpts(text->s + begun, text->len - begun, &end, false);
	cJSON_Delete(json);
	return json != NULL && end == text->s + text->len;
}

static void result_say(struct client *client, const struct watch *watch, const struct wish *wish,
		       const struct text *answer)
{
	struct text text = {0};
	bool json = watch != NULL ? watch->json : wish->json;
	const char *name = watch != NULL ? watch->name : wish->name;
	const char *type = watch != NULL ? watch->type : wish->type;

	text_string(&text, "{\"type\":\"proc\",\"proc\":");
	text_json(&text, name, strlen(name));
	if (watch != NULL) {
		text_string(&text, ",\"args\":");
		text_add(&text, watch->args.s, watch->args.len);
	}
	id_add(&text, wish->id);
	text_string(&text, ",\"contentType\":");
	text_json(&text, type, strlen(type));
	text_string(&text, ",\"result\":");
	if (json && !result_json(&text, answer)) {
		text_free(&text);
		error_say(client, wish->id, "the result can't be shown", 25);
		return;
	}
	if (!json)
		text_json(&text, answer->s, answer->len);
	text_char(&text, '}');
	client_say(client, &text);
}

/* Tells the last answer of a watch, unless so much waits already: then when it has gone out. */
static void wish_tell(struct wish *wish)
{
	struct watch *watch = wish->watch;

	if (wish->told || watch->status == 0 || client_queue(wish->client) > QUEUE_LARGEST)
		return;
	wish->told = true;
	if (watch->status == 200)
		result_say(wish->client, watch, wish, &watch->answer);
	else
		error_say(wish->client, wish->id, watch->answer.s, watch->answer.len);
}

void wishes_more(struct client *client)
{
	struct wish *wish;

	LIST_FOREACH (wish, &client->wishes, in_client)
		if (wish->watch != NULL)
			wish_tell(wish);
}

/* Watches. */

/* Whether its text names what changes with each beat, or with time. */
static bool names_beats(const struct proc *proc)
{
	static const char *const words[] = {"age", "lastHb", "counter", "now"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i]);

		for (const char *s = proc->text; (s = strstr(s, words[i])) != NULL; s += len) {
			static const char in[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
						 "WXYZ_0123456789";

			if ((s == proc->text || strchr(in, s[-1]) == NULL) &&
			    (s[len] == '\0' || strchr(in, s[len]) == NULL))
				return true;
		}
	}
	return false;
}

static int64_t watch_every(const struct watch *watch)
{
	const struct wish *wish;
	int64_t every_ms = 0;

	LIST_FOREACH (wish, &watch->wishes, in_watch) {
		int64_t own_ms = wish->every_ms > 0 ? wish->every_ms : APART_MS;

		if (every_ms == 0 || own_ms < every_ms)
			every_ms = own_ms;
	}
	return every_ms;
}

static void watch_wait(struct watch *watch)
{
	int64_t wait_ms = watch->ran_ms + watch_every(watch) - clock_mono_ms();
	struct timeval wait = milliseconds(wait_ms > 0 ? wait_ms : 0);

	if (watch->due && watch->call == NULL)
		evtimer_add(watch->timer, &wait);
}

static void watch_answered(void *arg, int status, struct text *answer)
{
	struct watch *watch = arg;
	struct wish *wish, *next;
	bool same = status == watch->status && text_same(answer, &watch->answer);

	watch->call = NULL;
	watch->ran_ms = clock_mono_ms();
	if (watch->for_beats) {
		watch->tried = true;
		watch->beats |= !same;
	}
	if (!same) {
		text_free(&watch->answer);
		watch->answer = *answer;
		*answer = (struct text){0};
		watch->status = status;
		LIST_FOREACH (wish, &watch->wishes, in_watch)
			wish->told = false;
	}
	LIST_FOREACH_SAFE (wish, &watch->wishes, in_watch, next)
		wish_tell(wish);
	watch_wait(watch);
}

static void watch_fail(struct watch *watch, int status, struct text *words)
{
	watch->due = false;
	watch_answered(watch, status, words);
}

static void watch_run(struct watch *watch)
{
	const char *trouble = source_trouble();
	const struct proc *proc;
	struct text words = {0};
	struct call *call;
	int status;

	proc = proc_find(watch->caller, watch->name, &status, &words);
	watch->for_beats = watch->status != 0 && serve.rows.last_changed <= watch->seen;
	watch->tried = watch->tried && watch->for_beats;
	watch->seen = rows_ended(&serve.rows);
	watch->due = false;
	if (proc != NULL && trouble != NULL) {
		proc = NULL;
		status = 503;
		text_string(&words, trouble);
	}
	if (proc == NULL) {
		watch_fail(watch, status, &words);
		text_free(&words);
		return;
	}
	if (watch->type == NULL || strcmp(watch->type, proc->type) != 0) {
		free(watch->type);
		watch->type = copy(proc->type);
		watch->status = 0;
	}
	watch->json = proc_is_json(proc);
	watch->beats |= names_beats(proc);
	call = call_start(watch->caller, proc, &watch->args, watch_answered, watch);
	if (call != NULL)
		watch->call = call;
}

static void on_timer(int fd, short what, void *arg)
{
	struct watch *watch = arg;

	(void)fd, (void)what;
	if (serve.rows.beginning) {
		/* They are not all there yet. */
		watch->ran_ms = clock_mono_ms();
		watch_wait(watch);
	} else {
		watch_run(watch);
	}
}

void wishes_master(void)
{
	struct watch *watch;

	LIST_FOREACH (watch, &watches, next) {
		watch->due = true;
		watch_wait(watch);
	}
}

void wishes_changed(void)
{
	struct watch *watch;

	LIST_FOREACH (watch, &watches, next) {
		bool changed = serve.rows.last_changed > watch->seen;
		bool beats = serve.rows.table_read && (watch->beats || !watch->tried);

		if (watch->due || !(changed || beats))
			continue;
		watch->due = true;
		watch_wait(watch);
	}
}

static void watch_free(struct watch *watch)
{
	LIST_REMOVE(watch, next);
	if (watch->call != NULL)
		call_forget(watch->call);
	event_free(watch->timer);
	caller_unref(watch->caller);
	text_free(&watch->args);
	text_free(&watch->answer);
	free(watch->name);
	free(watch->type);
	free(watch);
}

static struct watch *watch_find(const struct caller *caller, const char *name,
				const struct text *args)
{
	struct watch *watch;

	LIST_FOREACH (watch, &watches, next)
		if (watch->caller == caller && strcmp(watch->name, name) == 0 &&
		    text_same(&watch->args, args))
			return watch;
	return NULL;
}

/* The arguments are taken over. */
static struct watch *watch_new(struct caller *caller, const char *name, struct text *args)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (watch == NULL || (watch->timer = evtimer_new(serve.base, on_timer, watch)) == NULL)
		errx(EXIT_CANNOT, "out of memory");
	watch->caller = caller_ref(caller);
	watch->name = copy(name);
	watch->args = *args;
	*args = (struct text){0};
	watch->due = true;
	watch->ran_ms = INT64_MIN / 2;
	LIST_INSERT_HEAD(&watches, watch, next);
	return watch;
}

/* Wishes. */

static void wish_free(struct wish *wish)
{
	struct watch *watch = wish->watch;

	LIST_REMOVE(wish, in_client);
	wish->client->wish_count--;
	if (watch != NULL) {
		LIST_REMOVE(wish, in_watch);
		if (LIST_EMPTY(&watch->wishes))
			watch_free(watch);
	}
	if (wish->call != NULL)
		call_forget(wish->call);
	free(wish->name);
	free(wish->type);
	free(wish->id);
	free(wish);
}

void wishes_leave(struct client *client)
{
	while (!LIST_EMPTY(&client->wishes))
		wish_free(LIST_FIRST(&client->wishes));
}

/* The id, as it is to be sent back; true when it is too long for that. */
static bool id_read(struct client *client, const cJSON *id, char **own)
{
	*own = id != NULL ? cJSON_PrintUnformatted(id) : NULL;
	if (*own == NULL || strlen(*own) <= ID_LARGEST)
		return true;
	free(*own);
	error_say(client, NULL, "id: more than 1024 bytes", 24);
	return false;
}

static struct wish *wish_new(struct client *client, char *id)
{
	struct wish *wish = calloc(1, sizeof(*wish));

	if (wish == NULL)
		errx(EXIT_CANNOT, "out of memory");
	wish->client = client;
	wish->id = id;
	LIST_INSERT_HEAD(&client->wishes, wish, in_client);
	client->wish_count++;
	return wish;
}

static bool args_read(const struct proc *proc, const cJSON *given, struct text *args,
		      struct text *wrong)
{
	struct proc_given list[PROC_ARGS_GIVEN + 1];
	const cJSON *item;
	size_t count = 0;

	if (given != NULL && !cJSON_IsObject(given)) {
		text_string(wrong, "args: an object of strings");
		return false;
	}
	cJSON_ArrayForEach(item, given)
	{
		if (!cJSON_IsString(item)) {
			text_safe(wrong, item->string, strnlen(item->string, 64));
			text_string(wrong, ": an argument is a string");
			return false;
		}
		if (count <= PROC_ARGS_GIVEN)
			list[count++] = (struct proc_given){item->string, item->valuestring};
	}
	return proc_args(proc, list, count, args, wrong);
}

/* The procedure and its arguments; NULL when the client was told why not. */
static const struct proc *asked_read(struct client *client, const char *name, const cJSON *given,
				     struct text *args, const char *id)
{
	struct text words = {0}, wrong = {0};
	const struct proc *proc;
	int status;

	proc = proc_find(client->caller, name, &status, &words);
	if (proc != NULL && !args_read(proc, given, args, &wrong)) {
		text_printf(&words, "%s: %s", proc->name, text_cstr(&wrong));
		proc = NULL;
	}
	if (proc == NULL)
		error_say(client, id, words.s, words.len);
	text_free(&words);
	text_free(&wrong);
	return proc;
}

/* Whether it may have one more; if not it was told. */
static bool room(struct client *client, const char *id)
{
	struct text words = {0};

	if (client->wish_count < (size_t)serve.subscriptions)
		return true;
	text_printf(&words, "more than %lld calls and subscriptions at a time",
		    (long long)serve.subscriptions);
	error_say(client, id, words.s, words.len);
	text_free(&words);
	return false;
}

static void called(void *arg, int status, struct text *answer)
{
	struct wish *wish = arg;

	if (status == 200)
		result_say(wish->client, NULL, wish, answer);
	else
		error_say(wish->client, wish->id, answer->s, answer->len);
	wish->call = NULL;
	wish_free(wish);
}

void wish_call(struct client *client, const char *name, const cJSON *given, const cJSON *id)
{
	const char *trouble = source_trouble();
	const struct proc *proc;
	struct text args = {0};
	struct wish *wish;
	struct call *call;
	char *own;

	if (!id_read(client, id, &own))
		return;
	proc = room(client, own) ? asked_read(client, name, given, &args, own) : NULL;
	if (proc != NULL && trouble != NULL) {
		error_say(client, own, trouble, strlen(trouble));
		proc = NULL;
	}
	if (proc == NULL) {
		free(own);
		text_free(&args);
		return;
	}
	wish = wish_new(client, own);
	wish->name = copy(proc->name);
	wish->type = copy(proc->type);
	wish->json = proc_is_json(proc);
	call = call_start(client->caller, proc, &args, called, wish);
	if (call != NULL)
		wish->call = call;
	text_free(&args);
}

/* {"proc":NAME,"args":{}}; NULL when the client was told why not. */
static const struct proc *what_read(struct client *client, const cJSON *what, struct text *args,
				    const char *id)
{
	const cJSON *name = cJSON_GetObjectItemCaseSensitive(what, "proc");
	const cJSON *given = cJSON_GetObjectItemCaseSensitive(what, "args");

	/* No other member: a name is taken by one of the two only, when the object has as many. */
	if (!cJSON_IsString(name) || cJSON_GetArraySize(what) != 1 + (given != NULL)) {
		error_say(client, id, "write {\"proc\":name,\"args\":{}}", 28);
		return NULL;
	}
	return asked_read(client, name->valuestring, given, args, id);
}

static struct wish *wish_find(const struct client *client, const struct watch *watch)
{
	struct wish *wish;

	LIST_FOREACH (wish, &client->wishes, in_client)
		if (wish->watch == watch)
			return wish;
	return NULL;
}

void wish_subscribe(struct client *client, const cJSON *what, int64_t every_ms, const cJSON *id)
{
	const struct proc *proc;
	struct text args = {0};
	struct watch *watch;
	struct wish *wish;
	char *own;

	if (!id_read(client, id, &own))
		return;
	proc = what_read(client, what, &args, own);
	if (proc == NULL)
		goto no;
	watch = watch_find(client->caller, proc->name, &args);
	wish = watch != NULL ? wish_find(client, watch) : NULL;
	if (wish == NULL && !room(client, own))
		goto no;
	if (watch == NULL)
		watch = watch_new(client->caller, proc->name, &args);
	if (wish == NULL) {
		wish = wish_new(client, NULL);
		wish->watch = watch;
		LIST_INSERT_HEAD(&watch->wishes, wish, in_watch);
	}
	/* Who asks again is told again. */
	free(wish->id);
	wish->id = own;
	wish->every_ms = every_ms;
	wish->told = false;
	text_free(&args);
	wish_tell(wish);
	watch_wait(watch);
	return;
no:
	free(own);
	text_free(&args);
}

void wish_unsubscribe(struct client *client, const cJSON *what, const cJSON *id)
{
	const struct proc *proc;
	struct text args = {0};
	struct watch *watch;
	struct wish *wish = NULL;
	char *own;

	if (!id_read(client, id, &own))
		return;
	proc = what_read(client, what, &args, own);
	watch = proc != NULL ? watch_find(client->caller, proc->name, &args) : NULL;
	if (watch != NULL)
		wish = wish_find(client, watch);
	if (wish != NULL)
		wish_free(wish);
	else if (proc != NULL)
		error_say(client, own, "unsubscribe: not subscribed to that", 35);
	free(own);
	text_free(&args);
}
