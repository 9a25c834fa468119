/*
 * hold: the process whose heartbeats come as lines is connected for as long as
 * we are.  The first line opens a connection whose answer stays open, later
 * ones are posted beside it.  Only the newest line counts, for each says all.
 */
#include <err.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "http.h"

#define LAST_WORD_MS 5000 /* for what was said at the end */
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
	bool over;	  /* there is no more to come */
	bool failing;	  /* and it was said */
	bool owed;	  /* what failed may well be received later */
	char word[16];	  /* the line of the answer that is coming in */
	size_t word_len;
	int64_t until_ms; /* for the last word */
};

/* The answer: lines that begin with #, and one of them is of interest. */
static bool heard(void *arg, const char *s, size_t len)
{
	static const char replaced[] = "# replaced";
	struct holding *h = arg;

	h->open = true;
	h->failing = h->owed = false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] != '\n') {
			if (h->word_len < sizeof(h->word))
				h->word[h->word_len++] = s[i];
			continue;
		}
		if (h->word_len == sizeof(replaced) - 1 &&
		    memcmp(h->word, replaced, h->word_len) == 0)
			h->replaced = true;
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
	h->fresh = h->fresh || (h->over && h->owed);
	if (h->over)
		h->until_ms = monotonic_ms() + LAST_WORD_MS;
}

static bool news(const struct holding *h)
{
	return h->line.len != h->told.len || memcmp(h->line.s, h->told.s, h->line.len) != 0;
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
	h->word_len = 0;
	exchange_start(x, h->multi, METHOD_POST, path, x == &h->hold);
}

/* The newest line goes where it belongs, unless another one is on its way. */
static void send_line(struct holding *h)
{
	if (!h->fresh || h->beat.busy || (h->hold.busy && !h->open))
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
	h->owed = exchange_passing(x);
	/* At the end there is no next beat that would say it again. */
	h->fresh = h->fresh || (h->over && h->owed);
}

static void perform(struct holding *h)
{
	struct exchange *const all[] = {&h->hold, &h->beat};
	bool held = h->hold.busy, beat = h->beat.busy;

	exchange_perform(h->multi, monotonic_ms(), all, 2);
	if (beat && !h->beat.busy) {
		if (exchange_status(&h->beat) == EXIT_DONE)
			h->failing = h->owed = false;
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
	return !h->fresh && !h->beat.busy && (!h->hold.busy || h->open);
}

static void step(struct holding *h)
{
	struct curl_waitfd in = {.fd = STDIN_FILENO, .events = CURL_WAIT_POLLIN};
	int64_t left_ms = LOOK_MS;

	send_line(h);
	perform(h);
	if (h->over && said(h))
		return;
	if (h->fresh && !h->beat.busy && (!h->hold.busy || h->open) && !h->over)
		return;
	if (h->over && h->until_ms - monotonic_ms() < left_ms)
		left_ms = h->until_ms - monotonic_ms();
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
	h.hold.take = heard;
	h.hold.arg = &h;
	while (!h.over || (!said(&h) && monotonic_ms() < h.until_ms))
		step(&h);
	if (!said(&h))
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
