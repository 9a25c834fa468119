/*
 * hold: the process whose heartbeats come as lines is connected for as long as
 * we are.  The first line opens a connection whose answer stays open, later
 * ones are posted beside it.  Only the newest line counts, for each says all.
 */
#include <cjson/cJSON.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "http.h"

#define LAST_WORD_MS 5000 /* for what was said at the end */
#define LAST_TRY_MS 1000  /* for that, where what came before was not heard either */
#define LOOK_MS 1000

struct holding {
	struct exchange hold, beat;
	CURLM *multi;
	struct lines in;
	struct text line; /* the newest */
	struct text told; /* the last that was said by a request */
	bool fresh;	  /* it came after the last request began */
	bool open;	  /* the answer of the hold has begun: we are connected */
	bool replaced;	  /* the process is somebody else's, until there is other content */
	bool left;	  /* somebody else said that it has: no more of it */
	bool over;	  /* there is no more to come */
	bool once;	  /* what is to be said at the end is tried once */
	bool failing;	  /* and it was said */
	bool owed;	  /* the last was not received, but may well be later */
	bool refused;	  /* it was, and the server would not have it, or us */
	char word[16];	  /* the line of the answer that is coming in */
	size_t word_len;
	int64_t until_ms; /* for the last word */
	int64_t retry_ms; /* the server asked not to be asked before */
};

static void well(struct holding *h, const struct exchange *x)
{
	if (h->failing && h->owed)
		exchange_rejoice(x);
	h->failing = h->owed = h->refused = false;
}

/* Whether the line of the answer that came in is this one. */
static bool word_is(const struct holding *h, const char *word)
{
	return h->word_len == strlen(word) && memcmp(h->word, word, h->word_len) == 0;
}

/* The answer: lines that begin with #, and two of them are of interest. */
static bool heard(void *arg, const char *s, size_t len)
{
	struct holding *h = arg;

	h->open = true;
	well(h, &h->hold);
	for (size_t i = 0; i < len; i++) {
		if (s[i] != '\n') {
			if (h->word_len < sizeof(h->word))
				h->word[h->word_len++] = s[i];
			continue;
		}
		if (word_is(h, "# replaced"))
			h->replaced = true;
		if (word_is(h, "# left"))
			h->left = true;
		h->word_len = 0;
	}
	return true;
}

static void input(struct holding *h)
{
	size_t len;
	char *line;

	lines_read(&h->in);
	while (!h->over && (line = lines_next(&h->in, &len)) != NULL) {
		/* An empty one says that no more will come, whoever else has the pipe. */
		if (len == 0) {
			h->over = true;
			break;
		}
		text_clear(&h->line);
		text_add(&h->line, line, len);
		h->fresh = true;
	}
	h->over = h->over || h->in.end;
	if (!h->over)
		return;
	/* A server that was not there just now most likely is not there: nobody is kept waiting. */
	h->once = h->failing;
	h->fresh = h->fresh || h->owed;
	h->until_ms = clock_mono_ms() + (h->once ? LAST_TRY_MS : LAST_WORD_MS);
}

static bool news(const struct holding *h)
{
	return !text_same(&h->line, &h->told);
}

static void say(struct holding *h, struct exchange *x, const char *path)
{
	if (news(h))
		h->replaced = false;
	text_clear(&h->told);
	text_add(&h->told, h->line.s, h->line.len);
	text_clear(&x->body);
	text_add(&x->body, h->line.s, h->line.len);
	h->fresh = false;
	if (x == &h->hold)
		h->word_len = 0;
	exchange_start(x, h->multi, METHOD_POST, path, x == &h->hold);
}

/* Whether a request is on its way; the answer of a hold that has begun is none. */
static bool under_way(const struct holding *h)
{
	return h->beat.busy || (h->hold.busy && !h->open);
}

/* Whether the newest line may go now: no other one is on its way, and the server wants it. */
static bool due(const struct holding *h)
{
	return h->fresh && !under_way(h) && clock_mono_ms() >= h->retry_ms;
}

/* The newest line goes where it belongs. */
static void send_line(struct holding *h)
{
	if (!due(h))
		return;
	if (h->hold.busy || (h->replaced && !news(h)))
		say(h, &h->beat, "/v1/heartbeat");
	else
		say(h, &h->hold, "/v1/hold");
}

static void failed(struct holding *h, const struct exchange *x)
{
	if (!h->failing)
		exchange_complain(x, "");
	h->failing = true;
	h->owed = exchange_passing(x) || exchange_unknown(x);
	h->refused = !exchange_passing(x);
	h->retry_ms = x->retry_ms > 0 ? clock_mono_ms() + x->retry_ms : 0;
	/* At the end there is no next beat that would say it again. */
	h->fresh = h->fresh || (h->over && h->owed && !h->once);
}

static void perform(struct holding *h)
{
	struct exchange *const all[] = {&h->hold, &h->beat};
	bool held = h->hold.busy, beat = h->beat.busy;

	exchange_perform(h->multi, clock_mono_ms(), all, 2);
	if (beat && !h->beat.busy) {
		if (exchange_status(&h->beat) == EXIT_DONE)
			well(h, &h->beat);
		else
			failed(h, &h->beat);
	}
	if (held && !h->hold.busy) {
		/* An answer that had begun and ends is a server that goes; the next line finds it
		 * again. */
		if (!h->open)
			failed(h, &h->hold);
		h->open = false;
	}
}

/* Whether all that is to be said was said. */
static bool said(const struct holding *h)
{
	return !h->fresh && !under_way(h);
}

/* Whether what was told last is that it leaves: then nobody else did it. */
static bool says_left(const struct holding *h)
{
	cJSON *json = cJSON_ParseWithLength(h->told.s, h->told.len);
	const cJSON *state = cJSON_GetObjectItemCaseSensitive(json, "state");
	bool is = cJSON_IsString(state) && strcmp(state->valuestring, "inactive") == 0;

	cJSON_Delete(json);
	return is;
}

/* Whether there is nothing more to do. */
static bool done(const struct holding *h)
{
	return h->left || (h->over && (said(h) || clock_mono_ms() >= h->until_ms));
}

static void step(struct holding *h)
{
	struct curl_waitfd in = {.fd = STDIN_FILENO, .events = CURL_WAIT_POLLIN};
	int64_t left_ms = LOOK_MS;

	send_line(h);
	perform(h);
	if (done(h) || (due(h) && !h->over))
		return;
	if (h->over && h->until_ms - clock_mono_ms() < left_ms)
		left_ms = h->until_ms - clock_mono_ms();
	if (h->fresh && h->retry_ms > clock_mono_ms() && h->retry_ms - clock_mono_ms() < left_ms)
		left_ms = h->retry_ms - clock_mono_ms();
	/* What failed at the end is tried again, but not at once. */
	if (h->over && h->failing && left_ms > 100)
		left_ms = 100;
	curl_multi_poll(h->multi, &in, h->over ? 0 : 1, left_ms > 0 ? (int)left_ms : 0, NULL);
	if (!h->over && readable(STDIN_FILENO))
		input(h);
}

int hold(const struct server *server)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	static struct holding h;
	int status = EXIT_DONE;

	/* Who stops everybody at once stops our sender too, and its last word is still to come. */
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_IGN);
	h.multi = curl_multi_init();
	exchange_init(&h.hold, server, "Content-Type: application/json");
	exchange_init(&h.beat, server, "Content-Type: application/json");
	h.beat.silent = true;
	h.hold.take = heard;
	h.hold.arg = &h;
	while (!done(&h))
		step(&h);
	if (h.left)
		status = says_left(&h) ? EXIT_DONE : EXIT_NO;
	else if (h.refused)
		status = EXIT_USAGE;
	else if (h.owed || !said(&h))
		status = EXIT_CANNOT;
	exchange_stop(&h.hold, h.multi);
	exchange_stop(&h.beat, h.multi);
	exchange_free(&h.hold);
	exchange_free(&h.beat);
	curl_multi_cleanup(h.multi);
	text_free(&h.in.buf);
	text_free(&h.line);
	text_free(&h.told);
	return status;
}
