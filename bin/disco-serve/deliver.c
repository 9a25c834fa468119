/* Heartbeats from elsewhere, delivered into the spool as any sender does it. */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "name.h"
#include "serve.h"
#include "spool.h"

#define BATCH_MS 5	  /* of work before others have their turn */
#define FAILURES_MOST 100 /* in a body; the rest of it is not read */

/* What lies in hb/NAME now. */
static struct {
	int fd; /* -1: nothing */
	struct stat st;
	char content[HEARTBEAT_LARGEST + 1];
	ssize_t len;
	char cut[HEARTBEAT_LARGEST + 1];
} former;

static struct text content;

static int unable(const char **why)
{
	switch (errno) {
	case EACCES:
	case EPERM: *why = "the spool does not let the server write this"; return 403;
	default: *why = strerror(errno); return 503;
	}
}

/* Opens what is there, if it is ours to replace.  0, or the status of what is wrong. */
static int former_open(const char *name, const char **why)
{
	char path[SPOOL_PATH];
	const char *refused = NULL;

	former.len = 0;
	spool_heartbeat_path(path, serve.dir, name);
	former.fd = spool_open_heartbeat(AT_FDCWD, path, &former.st, &refused);
	if (former.fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	/* Not this file's fault, or not even to be seen. */
	if (former.fd < 0 &&
	    (!spool_file_fault(errno) || (errno == EACCES && former.st.st_nlink == 0)))
		return unable(why);
	if (former.fd < 0) {
		*why = refused != NULL ? refused : strerror(errno);
		return 409;
	}
	if (former.st.st_uid != serve.uid) {
		*why = "this heartbeat belongs to another user";
		return 403;
	}
	former.len = spool_read(former.fd, former.content, HEARTBEAT_LARGEST);
	if (former.len < 0)
		former.len = 0;
	if (heartbeat_says_held(former.content, former.len) && spool_locked(former.fd) == 1) {
		*why = "a process of the server's machine holds this heartbeat";
		return 409;
	}
	return 0;
}

static void former_close(void)
{
	if (former.fd >= 0)
		close(former.fd);
	former.fd = -1;
}

static bool former_parse(struct heartbeat *hb)
{
	memcpy(former.cut, former.content, (size_t)former.len);
	return former.len > 0 && heartbeat_parse(former.cut, (size_t)former.len, hb) == NULL;
}

/* Puts content in place of the former.  0, or -1 with errno. */
static int replace(const char *name)
{
	const char *culprit;

	if (former.fd >= 0 && former.len == (ssize_t)content.len &&
	    memcmp(former.content, content.s, content.len) == 0)
		return heartbeat_says_held(content.s, (ssize_t)content.len)
			   ? futimens(former.fd, NULL)
			   : repeat_begin(former.fd, name, &content, former.st.st_ino);
	if (spool_deliver(serve.dir, name, content.s, content.len, former.fd >= 0, NULL) == 0)
		return 0;
	if (errno != ENOENT || spool_create(serve.dir, false, &culprit) < 0)
		return -1;
	return spool_deliver(serve.dir, name, content.s, content.len, false, NULL);
}

/* What says nothing of a process, about one that is connected, is a report about that. */
static bool is_report(const struct said *said)
{
	const struct heartbeat *hb = &said->heartbeat;

	return !said->whole && hb->pid == 0 && hb->boot == NULL && hb->start == NULL &&
	       hold_is(said->process);
}

/* Prints what is to lie in the spool. */
static void print(const struct said *said, const struct sender *sender, bool report)
{
	struct heartbeat hb = said->heartbeat, about;

	text_clear(&content);
	if (report && former_parse(&about)) {
		about.state = hb.state;
		about.reason = hb.reason;
		heartbeat_print(&about, &content);
		heartbeat_free(&about);
		return;
	}
	if (hb.ip == NULL && hb.host == NULL)
		hb.ip = sender->peer;
	hb.token = caller_name(sender->caller);
	hb.via = serve.name;
	heartbeat_print(&hb, &content);
}

static int put(const struct said *said, const struct sender *sender, bool report, const char **why)
{
	int done;

	if (report)
		print(said, sender, report);
	if (content.failed || content.len > HEARTBEAT_LARGEST) {
		*why = "more than the 16384 bytes of a heartbeat";
		return 400;
	}
	if (former.fd >= 0 && !report && !said->whole && hold_repeats(said->process, &content)) {
		done = futimens(former.fd, NULL);
	} else {
		done = replace(said->process);
		if (done == 0)
			hold_heard(said->process, &content, said->heartbeat.state, report);
	}
	return done < 0 ? unable(why) : 0;
}

int deliver(const struct said *said, const struct sender *sender, const char **why)
{
	const struct heartbeat *hb = &said->heartbeat;
	bool report = is_report(said);
	int status = 0;

	if (!caller_may(sender->caller, RIGHT_PUBLISH, said->process)) {
		*why = "this token may not publish it";
		serve.refused++;
		return 403;
	}
	*why = limits_check(&hb->limits, hb->every_ms);
	if (*why != NULL)
		return 400;
	if (!report)
		print(said, sender, report);
	if (!report && !said->silent && repeat_touch(said->process, &content)) {
		hold_heard(said->process, &content, hb->state, false);
		if (said->text != NULL)
			repeat_learn(said->process, said->text, said->len, sender);
	} else {
		status = former_open(said->process, why);
		/* That somebody is silent elsewhere is no beat; but who is not known here yet is
		 * told of. */
		if (status == 0 && !(said->silent && former.fd >= 0))
			status = put(said, sender, report, why);
		former_close();
	}
	if (status == 0)
		serve.delivered++;
	else
		serve.refused++;
	return status;
}

const struct text *deliver_content(void)
{
	return &content;
}

void deliver_closed(const char *name, const struct text *said)
{
	struct heartbeat hb;
	const char *why;

	if (former_open(name, &why) == 0 && former.len == (ssize_t)said->len &&
	    memcmp(former.content, said->s, said->len) == 0 && former_parse(&hb)) {
		hb.state = STATE_ERROR;
		hb.reason = "connection closed";
		text_clear(&content);
		heartbeat_print(&hb, &content);
		heartbeat_free(&hb);
		if (replace(name) < 0)
			warn("%s: its connection is closed, and that can't be recorded", name);
	}
	former_close();
}

/* Records that a process left.  0, or the status. */
static int leave(const char *name, const char **why)
{
	int status = former_open(name, why);
	struct heartbeat hb;

	if (status == 0 && former.fd < 0) {
		*why = "no such process";
		status = 404;
	}
	if (status == 0) {
		if (!former_parse(&hb))
			hb = (struct heartbeat){.via = serve.name};
		hb.state = STATE_INACTIVE;
		hb.reason = NULL;
		hb.held = false;
		text_clear(&content);
		heartbeat_print(&hb, &content);
		heartbeat_free(&hb);
		if (replace(name) < 0)
			status = unable(why);
		else
			hold_heard(name, &content, STATE_INACTIVE, true);
	}
	former_close();
	return status;
}

void process_delete(struct evhttp_request *request, const char *name)
{
	const char *why = name_check(name);
	int status = 404;

	if (!caller_may(http_caller(request), RIGHT_PUBLISH, name)) {
		http_refuse(request, 403, "%s: this token may not publish it", name);
		return;
	}
	if (why == NULL)
		status = leave(name, &why);
	if (status == 0)
		http_answer(request, 204, NULL, NULL);
	else
		http_error(request, status, "%s: %s", name, why);
}

/* True when it was answered. */
static bool too_large(struct evhttp_request *request)
{
	if ((int64_t)evbuffer_get_length(evhttp_request_get_input_buffer(request)) <=
	    serve.body_largest)
		return false;
	http_error(request, 413, "more than %lld bytes", (long long)serve.body_largest);
	return true;
}

/* What became of a body of many. */
struct sum {
	size_t delivered, failed;
	int status; /* of the first failure, but one that may pass goes before others */
	char why[600];
};

static void sum_failure(struct sum *sum, int status, size_t line, const char *name, const char *why)
{
	if (sum->failed++ > 0 && !(status == 503 && sum->status != 503))
		return;
	sum->status = status;
	if (line > 0)
		snprintf(sum->why, sizeof(sum->why), "line %zu: %s%s%s", line, name,
			 *name != '\0' ? ": " : "", why);
	else
		snprintf(sum->why, sizeof(sum->why), "%s%s%s", name, *name != '\0' ? ": " : "",
			 why);
}

static void sum_answer(struct evhttp_request *request, const struct sum *sum)
{
	struct text body = {0};

	if (sum->failed == 0) {
		http_answer(request, 204, NULL, NULL);
		return;
	}
	if (sum->status == 403)
		http_log(request, 403, sum->why);
	text_string(&body, "{\"error\":");
	text_json(&body, sum->why, strlen(sum->why));
	text_printf(&body, ",\"delivered\":%zu,\"failed\":%zu}\n", sum->delivered, sum->failed);
	http_answer(request, sum->delivered > 0 && sum->status != 503 ? 400 : sum->status,
		    "application/json", &body);
}

/* A body is delivered by and by, so that one of thousands keeps nobody waiting. */
struct batch {
	struct evhttp_request *request; /* NULL: the client is gone */
	struct said_reader reader;
	struct sum sum;
	char peer[INET6_ADDRSTRLEN];
	struct sender sender;
};

static void batch_closed(struct evhttp_connection *connection, void *arg)
{
	struct batch *batch = arg;

	(void)connection;
	http_gone(batch->request);
	batch->request = NULL;
}

static void batch_end(struct batch *batch)
{
	if (batch->reader.body.len == 0)
		sum_failure(&batch->sum, 400, 0, "", "no heartbeat in it");
	if (batch->request != NULL) {
		door_on_close(batch->request, NULL, NULL);
		sum_answer(batch->request, &batch->sum);
	}
	said_close(&batch->reader);
	caller_unref(batch->sender.caller);
	free(batch);
}

/* Whether the same request will mean the same, and its answer leaves the connection as it is. */
static bool repeatable(struct evhttp_request *request)
{
	const char *connection = http_header(request, "Connection");

	/* In a request as to a proxy evhttp looks for another header than Connection. */
	return request->major == 1 && request->minor == 1 &&
	       !(request->flags & EVHTTP_PROXY_REQUEST) &&
	       (connection == NULL || strcasecmp(connection, "keep-alive") == 0) &&
	       http_header(request, "Expect") == NULL && http_header(request, "Upgrade") == NULL;
}

/* This line was delivered: when it is all that came, the request is known by it. */
static void batch_learn(struct batch *batch, const char *text, size_t len)
{
	const struct repeat_key *key;

	if (text != batch->reader.body.s || said_more(&batch->reader) || batch->request == NULL ||
	    !repeatable(batch->request))
		return;
	key = door_whole(batch->request);
	if (key != NULL)
		repeat_learn_request(key, text, len, &batch->sender);
}

/* The next heartbeat of it; false at the end. */
static bool batch_next(struct batch *batch)
{
	struct said_reader *reader = &batch->reader;
	struct said said;
	size_t len, line;
	const char *why, *text = said_line(reader, &len);
	int more, status = 400;

	if (text != NULL && repeat_line(text, len, &batch->sender)) {
		said_pass(reader, len);
		batch->sum.delivered++;
		batch_learn(batch, text, len);
		return true;
	}
	more = said_next(reader, &said, &why);
	/* One alone has no line number. */
	line = reader->line > 1 || said_more(reader) ? reader->line : 0;
	if (more == 0)
		return false;
	if (more > 0 && said.pass)
		return true;
	if (more > 0)
		status = deliver(&said, &batch->sender, &why);
	if (status == 0) {
		batch->sum.delivered++;
		batch_learn(batch, said.text, said.len);
	} else
		sum_failure(&batch->sum, status, line, said.process != NULL ? said.process : "",
			    why);
	if (more > 0)
		heartbeat_free(&said.heartbeat);
	return true;
}

static void batch_go_on(int fd, short what, void *arg)
{
	static const struct timeval at_once = {0, 0};
	struct batch *batch = arg;
	int64_t until_ms = clock_mono_ms() + BATCH_MS;

	(void)fd, (void)what;
	do {
		if (batch->sender.caller->revoked && batch->reader.at < batch->reader.body.len) {
			sum_failure(&batch->sum, 401, batch->reader.line + 1, "",
				    "not a token of this server any more");
			batch->reader.at = batch->reader.body.len;
		}
		if (!batch_next(batch)) {
			batch_end(batch);
			return;
		}
	} while (clock_mono_ms() < until_ms && batch->sum.failed < FAILURES_MOST);
	/* This is no body of heartbeats. */
	if (batch->sum.failed >= FAILURES_MOST)
		batch->reader.at = batch->reader.body.len;
	event_base_once(serve.base, -1, EV_TIMEOUT, batch_go_on, batch, &at_once);
}

void heartbeat_post(struct evhttp_request *request)
{
	struct batch *batch;
	const char *peer = http_peer(request);

	if (too_large(request))
		return;
	batch = calloc(1, sizeof(*batch));
	if (batch == NULL) {
		http_error(request, 503, "out of memory");
		return;
	}
	batch->request = request;
	batch->sender.caller = caller_ref(http_caller(request));
	if (peer != NULL) {
		snprintf(batch->peer, sizeof(batch->peer), "%s", peer);
		batch->sender.peer = batch->peer;
	}
	said_open(&batch->reader, request);
	door_on_close(request, batch_closed, batch);
	batch_go_on(-1, 0, batch);
}
