/*
 * POST /v1/hold: as long as the answer is read, the process is connected.  What
 * is recorded of that is in the spool alone; its file is never locked, for our
 * end must not be its.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "index.h"
#include "serve.h"

#define REMEMBER_MS 10000 /* who was told to leave */

struct hold {
	char *text; /* "NAME\t", first, for the index */
	LIST_ENTRY(hold) next;
	struct evhttp_request *request; /* NULL: it was told to leave, and may not know yet */
	struct caller *caller;
	int64_t left_ms;
	struct text content; /* said last, by whomever */
	struct text own;     /* said last by the process itself */
	bool ended;	     /* it has said how it ends, so the end of the connection is no news */
};

static LIST_HEAD(hold_list, hold) holds = LIST_HEAD_INITIALIZER(holds);
static struct index by_name;
static struct loop_event *on_quiet;

static struct hold *hold_find(const char *name)
{
	return index_find(&by_name, name, strlen(name));
}

bool hold_is(const char *name)
{
	const struct hold *hold = hold_find(name);

	return hold != NULL && hold->request != NULL;
}

bool hold_was(const char *name)
{
	return hold_find(name) != NULL;
}

static void text_copy(struct text *to, const struct text *from)
{
	text_clear(to);
	text_add(to, from->s, from->len);
}

bool hold_repeats(const char *name, const struct text *content)
{
	const struct hold *hold = hold_find(name);

	return hold != NULL && text_same(&hold->own, content) &&
	       !text_same(&hold->content, content);
}

static void hold_free(struct hold *hold)
{
	index_remove(&by_name, hold);
	LIST_REMOVE(hold, next);
	serve.holds -= hold->request != NULL;
	text_free(&hold->content);
	text_free(&hold->own);
	caller_unref(hold->caller);
	free(hold->text);
	free(hold);
}

/* The connection is gone, and with it the process, unless it had left or said why it fails. */
static void on_close(struct evhttp_connection *connection, void *arg)
{
	struct hold *hold = arg;
	char *name = strndup(hold->text, strcspn(hold->text, "\t"));

	(void)connection;
	if (name != NULL && !hold->ended && !serve.ending)
		deliver_closed(name, &hold->content);
	free(name);
	http_gone(hold->request);
	hold_free(hold);
}

static void send_line(struct evhttp_request *request, const char *line)
{
	struct evbuffer *buffer = evbuffer_new();

	evbuffer_add_printf(buffer, "%s\n", line);
	evhttp_send_reply_chunk(request, buffer);
	evbuffer_free(buffer);
}

static void answer_end(struct evhttp_request *request, const char *line)
{
	if (request == NULL)
		return;
	door_on_close(request, NULL, NULL);
	if (line != NULL)
		send_line(request, line);
	http_open_end(request);
	evhttp_send_reply_end(request);
}

/* Ends the answer; it is not the process's end. */
static void hold_end(struct hold *hold, const char *line)
{
	struct evhttp_request *request = hold->request;

	hold_free(hold);
	answer_end(request, line);
}

/* The same, but a beat that is on its way already must not bring it back: for a while we remember.
 */
static void hold_leave(struct hold *hold)
{
	struct evhttp_request *request = hold->request;

	serve.holds -= request != NULL;
	hold->request = NULL;
	hold->left_ms = clock_mono_ms();
	answer_end(request, "# left");
}

void hold_heard(const char *name, const struct text *content, enum state state, bool report)
{
	struct hold *hold = hold_find(name);

	if (hold == NULL)
		return;
	text_copy(&hold->content, content);
	if (!report)
		text_copy(&hold->own, content);
	hold->ended = state == STATE_INACTIVE || state == STATE_ERROR;
	/* Somebody else said that it leaves: it need not beat any more. */
	if (report && state == STATE_INACTIVE)
		hold_leave(hold);
	else if (hold->request == NULL)
		hold_free(hold);
}

void holds_close(bool all)
{
	struct hold *hold, *next;

	LIST_FOREACH_SAFE (hold, &holds, next, next) {
		if (all || hold->caller->revoked)
			hold_end(hold, all ? NULL : "# revoked");
	}
}

/* So that both sides see when the other is gone. */
static void comment(int fd, short what, void *arg)
{
	struct hold *hold, *next;
	struct bufferevent *bev;

	(void)fd, (void)what, (void)arg;
	LIST_FOREACH_SAFE (hold, &holds, next, next) {
		if (hold->request == NULL) {
			if (clock_mono_ms() - hold->left_ms > REMEMBER_MS)
				hold_free(hold);
			continue;
		}
		bev =
		    evhttp_connection_get_bufferevent(evhttp_request_get_connection(hold->request));
		if (evbuffer_get_length(bufferevent_get_output(bev)) == 0)
			send_line(hold->request, "#");
	}
}

static struct hold *hold_new(const char *name, struct evhttp_request *request)
{
	struct hold *hold = calloc(1, sizeof(*hold));

	if (hold == NULL || asprintf(&hold->text, "%s\t", name) < 0) {
		free(hold);
		return NULL;
	}
	hold->request = request;
	hold->caller = caller_ref(http_caller(request));
	if (!index_add(&by_name, hold)) {
		caller_unref(hold->caller);
		free(hold->text);
		free(hold);
		return NULL;
	}
	LIST_INSERT_HEAD(&holds, hold, next);
	serve.holds++;
	return hold;
}

static void hold_begin(struct evhttp_request *request, struct said *said)
{
	static const struct timeval quiet = {QUIET_S, 0};
	struct hold *old, *hold;
	const char *why;
	char line[160];
	int status;

	said->whole = true;
	status = deliver(said, &(struct sender){http_peer(request), http_caller(request)}, &why);
	if (status != 0) {
		if (status == 403)
			http_refuse(request, status, "%s: %s", said->process, why);
		else
			http_error(request, status, "%s: %s", said->process, why);
		return;
	}
	old = hold_find(said->process);
	if (old != NULL)
		hold_end(old, "# replaced");
	hold = hold_new(said->process, request);
	if (hold == NULL) {
		http_error(request, 503, "out of memory");
		return;
	}
	hold_heard(said->process, deliver_content(), said->heartbeat.state, false);
	if (on_quiet == NULL) {
		on_quiet = event_new(serve.base, -1, EV_PERSIST, comment, NULL);
		event_add(on_quiet, &quiet);
	}
	http_headers(request, "text/plain; charset=utf-8");
	http_count(200);
	http_open_begin(request);
	door_on_close(request, on_close, hold);
	http_chunks(request);
	snprintf(line, sizeof(line), "# held %s", said->process);
	send_line(request, line);
}

void hold_post(struct evhttp_request *request)
{
	struct said_reader reader;
	struct said said;
	const char *why;
	int more;

	said_open(&reader, request);
	more = said_next(&reader, &said, &why);
	if (more < 0) {
		http_error(request, 400, "%s", why);
	} else if (more == 0 || said.pass) {
		http_error(request, 400, "no heartbeat in it");
	} else if (said_more(&reader)) {
		http_error(request, 400, "more than one heartbeat; a connection holds one process");
	} else {
		hold_begin(request, &said);
	}
	if (more > 0)
		heartbeat_free(&said.heartbeat);
	said_close(&reader);
}
