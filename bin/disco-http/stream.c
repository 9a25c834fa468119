/*
 * stream: lines of standard input, each a heartbeat or an event of a process,
 * are posted in batches.  While the server is away they are kept, of each
 * process the newest, so that memory is bounded by the number of processes.
 */
#include <cjson/cJSON.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "http.h"
#include "index.h"

#define BATCH_MS 1000
#define BATCH_LINES 100
#define BATCH_BYTES ((size_t)1024 * 1024) /* a server takes four times that */
#define KEEP_ALL 10000			  /* lines; with more, only the newest of a process */
#define RETRY_MS 500
#define RETRY_LONGEST_MS 30000
#define FLUSH_MS 30000 /* at the end of the input */
#define LOOK_MS 1000

/* A line, kept until it is delivered. */
struct kept {
	char *text; /* the name of the process, a tab, the line; first, for the index */
	size_t name_len, len;
	bool sent;   /* in the batch that is under way */
	bool newest; /* of its process: in the index */
	STAILQ_ENTRY(kept) next;
};
STAILQ_HEAD(kepts, kept);

struct stream {
	struct exchange x;
	CURLM *multi;
	struct lines in;
	struct kepts kept; /* in the order in which they came; those sent come first */
	struct index newest;
	size_t count, sent;
	int64_t since_ms; /* when the first line that is not sent came */
	int64_t retry_ms; /* the next try; 0: the server is there */
	int64_t wait_ms;  /* how long the last wait was */
	int64_t until_ms; /* give up, at the end of the input; 0: not yet */
	bool strange;	  /* a line was no heartbeat, and it was said */
	bool refused;	  /* the server would not have some, */
	struct text why;  /* and said so, the last time */
};

static void kept_drop(struct stream *s, struct kept *kept)
{
	if (kept->newest)
		index_remove(&s->newest, kept);
	s->sent -= kept->sent;
	s->count--;
	free(kept->text);
	free(kept);
}

/* Leaves of each process the newest line. */
static void keep_newest(struct stream *s)
{
	struct kepts old;
	struct kept *kept;

	STAILQ_INIT(&old);
	STAILQ_CONCAT(&old, &s->kept);
	while ((kept = STAILQ_FIRST(&old)) != NULL) {
		STAILQ_REMOVE_HEAD(&old, next);
		if (kept->newest || kept->sent)
			STAILQ_INSERT_TAIL(&s->kept, kept, next);
		else
			kept_drop(s, kept);
	}
}

/* What it holds becomes this line, the newest of its process. */
static void kept_set(struct stream *s, struct kept *kept, const char *name, const char *line,
		     size_t len)
{
	size_t name_len = strlen(name);
	char *text = malloc(name_len + 1 + len + 1);

	if (text == NULL)
		err(EXIT_CANNOT, NULL);
	memcpy(text, name, name_len);
	text[name_len] = '\t';
	memcpy(text + name_len + 1, line, len);
	text[name_len + 1 + len] = '\0';
	free(kept->text);
	*kept = (struct kept){
	    .text = text, .name_len = name_len, .len = len, .newest = true, .next = kept->next};
	if (!index_add(&s->newest, kept))
		err(EXIT_CANNOT, NULL);
}

static void keep(struct stream *s, const char *name, const char *line, size_t len)
{
	struct kept *kept = index_find(&s->newest, name, strlen(name));
	/* In its place, or whoever beats fastest would come last. */
	bool in_place = kept != NULL && !kept->sent && s->retry_ms > 0;

	if (s->count == s->sent)
		s->since_ms = clock_mono_ms();
	if (kept != NULL) {
		index_remove(&s->newest, kept);
		kept->newest = false;
	}
	if (!in_place) {
		kept = calloc(1, sizeof(*kept));
		if (kept == NULL)
			err(EXIT_CANNOT, NULL);
		STAILQ_INSERT_TAIL(&s->kept, kept, next);
		s->count++;
	}
	kept_set(s, kept, name, line, len);
}

/* Events that are about no process are none of ours; of anything else a word is due. */
static void take(struct stream *s, const char *line, size_t len)
{
	cJSON *json = cJSON_ParseWithLength(line, len);
	const cJSON *name = cJSON_GetObjectItemCaseSensitive(json, "process");
	const cJSON *event = cJSON_GetObjectItemCaseSensitive(json, "event");

	if (cJSON_IsString(name) && name->valuestring[0] != '\0' &&
	    strchr(name->valuestring, '\t') == NULL) {
		keep(s, name->valuestring, line, len);
	} else if (!(cJSON_IsString(event) && name == NULL) && !s->strange) {
		warnx("line %lld: not a JSON object with a process; such lines are passed over",
		      (long long)s->in.number);
		s->strange = true;
	}
	cJSON_Delete(json);
}

static void input(struct stream *s)
{
	size_t len;
	char *line;

	lines_read(&s->in);
	while ((line = lines_next(&s->in, &len)) != NULL)
		if (len > 0)
			take(s, line, len);
	if (s->count > KEEP_ALL)
		keep_newest(s);
	if (s->in.end)
		s->until_ms = clock_mono_ms() +
			      (s->x.server->timeout_ms > 0 ? s->x.server->timeout_ms : FLUSH_MS);
}

/* Whether it is time for a batch. */
static bool due(const struct stream *s, int64_t now_ms)
{
	if (s->x.busy || s->count == 0)
		return false;
	if (s->retry_ms > 0)
		return now_ms >= s->retry_ms;
	return s->in.end || s->count >= BATCH_LINES || now_ms - s->since_ms >= BATCH_MS;
}

static void send_batch(struct stream *s)
{
	struct kept *kept;

	text_clear(&s->x.body);
	STAILQ_FOREACH (kept, &s->kept, next) {
		/* cppcheck-suppress uninitvar ; the macros are not known to it */
		if (s->sent > 0 && s->x.body.len + kept->len >= BATCH_BYTES)
			break;
		text_add(&s->x.body, kept->text + kept->name_len + 1, kept->len);
		text_char(&s->x.body, '\n');
		kept->sent = true;
		s->sent++;
	}
	s->since_ms = clock_mono_ms();
	exchange_start(&s->x, s->multi, METHOD_POST, "", false);
}

static void delivered(struct stream *s)
{
	struct kept *kept;

	while ((kept = STAILQ_FIRST(&s->kept)) != NULL && kept->sent) {
		STAILQ_REMOVE_HEAD(&s->kept, next);
		kept_drop(s, kept);
	}
	s->retry_ms = s->wait_ms = 0;
}

/* Tries again later: twice as long each time, and not when all others do. */
static void put_off(struct stream *s)
{
	uint32_t chance = 0;

	if (s->wait_ms == 0)
		exchange_complain(&s->x, "; trying again");
	s->wait_ms = s->wait_ms == 0 ? RETRY_MS : 2 * s->wait_ms;
	if (s->wait_ms > RETRY_LONGEST_MS)
		s->wait_ms = RETRY_LONGEST_MS;
	if (getrandom(&chance, sizeof(chance), 0) < 0)
		chance = 0;
	s->retry_ms = clock_mono_ms() + s->wait_ms / 2 + chance % (uint32_t)s->wait_ms / 2;
	if (s->x.retry_ms > 0)
		s->retry_ms = clock_mono_ms() + s->x.retry_ms;
	for (struct kept *kept = STAILQ_FIRST(&s->kept); kept != NULL;
	     kept = STAILQ_NEXT(kept, next))
		kept->sent = false;
	s->sent = 0;
	keep_newest(s);
}

/* Says why some lines are dropped, but not with every batch the same. */
static void refused(struct stream *s)
{
	struct text why = {0};

	exchange_words(&s->x, &why);
	if (!text_same(&s->why, &why))
		exchange_complain(&s->x, "");
	text_free(&s->why);
	s->why = why;
	s->refused = true;
}

static void answered(struct stream *s)
{
	/* Who is not let in now may be later, when his token has been made known. */
	if (exchange_passing(&s->x) || exchange_unknown(&s->x)) {
		put_off(s);
		return;
	}
	if (s->wait_ms > 0)
		exchange_rejoice(&s->x);
	if (exchange_status(&s->x) != EXIT_DONE)
		refused(s);
	delivered(s);
}

/* Until when nothing is to be done by itself. */
static int wait_ms(const struct stream *s, int64_t now_ms)
{
	int64_t ms = LOOK_MS, due_ms = s->retry_ms > 0 ? s->retry_ms : s->since_ms + BATCH_MS;

	if (!s->x.busy && s->count > 0 && due_ms - now_ms < ms)
		ms = due_ms - now_ms;
	if (s->until_ms > 0 && s->until_ms - now_ms < ms)
		ms = s->until_ms - now_ms;
	return ms > 0 ? (int)ms : 0;
}

static void step(struct stream *s)
{
	struct exchange *const all[] = {&s->x};
	struct curl_waitfd in = {.fd = STDIN_FILENO, .events = CURL_WAIT_POLLIN};
	int64_t now_ms = clock_mono_ms();
	bool was_busy;

	if (due(s, now_ms))
		send_batch(s);
	was_busy = s->x.busy;
	exchange_perform(s->multi, now_ms, all, 1);
	if (was_busy && !s->x.busy) {
		answered(s);
		return;
	}
	curl_multi_poll(s->multi, &in, s->in.end ? 0 : 1, wait_ms(s, now_ms), NULL);
	if (!s->in.end && readable(STDIN_FILENO))
		input(s);
}

int stream(const struct server *server)
{
	static struct stream s;
	int status = EXIT_DONE;

	STAILQ_INIT(&s.kept);
	s.multi = curl_multi_init();
	exchange_init(&s.x, server, "Content-Type: application/x-ndjson");
	s.x.silent = true;
	while (!s.in.end || s.count > 0) {
		step(&s);
		if (s.until_ms > 0 && clock_mono_ms() >= s.until_ms && s.count > 0) {
			warnx("%.*s: gave up; %zu lines were not delivered", (int)server->shown.len,
			      server->shown.s, s.count);
			status = EXIT_CANNOT;
			break;
		}
	}
	if (status == EXIT_DONE && s.refused)
		status = EXIT_USAGE;
	exchange_stop(&s.x, s.multi);
	while (!STAILQ_EMPTY(&s.kept)) {
		struct kept *kept = STAILQ_FIRST(&s.kept);

		STAILQ_REMOVE_HEAD(&s.kept, next);
		kept_drop(&s, kept);
	}
	index_free(&s.newest);
	text_free(&s.in.buf);
	text_free(&s.why);
	exchange_free(&s.x);
	curl_multi_cleanup(s.multi);
	return status;
}
