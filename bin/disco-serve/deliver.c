/* Heartbeats from elsewhere, delivered into the spool as any sender does it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "name.h"
#include "serve.h"
#include "spool.h"

/* What lies in hb/NAME now. */
static struct {
	int fd; /* -1: nothing */
	struct stat st;
	char content[HEARTBEAT_LARGEST + 1];
	ssize_t len;
	char cut[HEARTBEAT_LARGEST + 1];
} former;

static struct text content;

/* Connections may have taken all descriptors: then we allow ourselves a few more for a moment. */
static void descriptors(bool more)
{
	static struct rlimit normal;
	struct rlimit raised;

	if (more && getrlimit(RLIMIT_NOFILE, &normal) == 0) {
		raised = normal;
		raised.rlim_cur = raised.rlim_max;
		setrlimit(RLIMIT_NOFILE, &raised);
	} else if (!more) {
		setrlimit(RLIMIT_NOFILE, &normal);
	}
}

static int unable(const char **why)
{
	switch (errno) {
	case EACCES:
	case EPERM: *why = "the spool does not let the server write this"; return 403;
	default: *why = strerror(errno); return 503;
	}
}

static bool says_held(void)
{
	static const char held[] = "held=yes\n";
	const char *at =
	    former.len > 0 ? memmem(former.content, (size_t)former.len, held, strlen(held)) : NULL;

	return at != NULL && (at == former.content || at[-1] == '\n');
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
	if (former.fd < 0 && (errno == EMFILE || errno == ENFILE))
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
	if (says_held() && spool_locked(former.fd) == 1) {
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
		return futimens(former.fd, NULL);
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

static void print(const struct said *said, const char *peer)
{
	struct heartbeat hb = said->heartbeat, about;

	text_clear(&content);
	if (is_report(said) && former_parse(&about)) {
		about.state = hb.state;
		about.reason = hb.reason;
		heartbeat_print(&about, &content);
		heartbeat_free(&about);
		return;
	}
	if (hb.ip == NULL && hb.host == NULL)
		hb.ip = peer;
	hb.via = serve.name;
	heartbeat_print(&hb, &content);
}

static int try(const struct said *said, const char *peer, const char **why)
{
	int status = former_open(said->process, why);

	if (status == 0) {
		print(said, peer);
		if (content.failed || content.len > HEARTBEAT_LARGEST) {
			*why = "more than the 16384 bytes of a heartbeat";
			status = 400;
		} else if (replace(said->process) < 0) {
			status = unable(why);
		}
	}
	former_close();
	return status;
}

int deliver(const struct said *said, const char *peer, const char **why)
{
	const struct heartbeat *hb = &said->heartbeat;
	int status;

	*why = limits_check(&hb->limits, hb->every_ms);
	if (*why != NULL)
		return 400;
	status = try(said, peer, why);
	if (status == 503 && (errno == EMFILE || errno == ENFILE)) {
		descriptors(true);
		status = try(said, peer, why);
		descriptors(false);
	}
	if (status == 0) {
		serve.delivered++;
		hold_heard(said->process, &content, hb->state);
	} else {
		serve.refused++;
	}
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
		replace(name);
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
			hold_heard(name, &content, STATE_INACTIVE);
	}
	former_close();
	return status;
}

void process_delete(struct evhttp_request *request, const char *name)
{
	const char *why = name_check(name);
	int status = why != NULL ? 404 : leave(name, &why);

	if (status == 0)
		http_answer(request, 204, NULL, NULL);
	else
		http_error(request, status, "%s: %s", name, why);
}

/* True when it was answered. */
static bool too_large(struct evhttp_request *request)
{
	if (evbuffer_get_length(evhttp_request_get_input_buffer(request)) <= BODY_LARGEST)
		return false;
	http_error(request, 413, "more than %d bytes", BODY_LARGEST);
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
	text_string(&body, "{\"error\":");
	text_json(&body, sum->why, strlen(sum->why));
	text_printf(&body, ",\"delivered\":%zu,\"failed\":%zu}\n", sum->delivered, sum->failed);
	http_answer(request, sum->delivered > 0 && sum->status != 503 ? 400 : sum->status,
		    "application/json", &body);
}

void heartbeat_post(struct evhttp_request *request)
{
	struct said_reader reader;
	struct said said;
	struct sum sum = {0};
	const char *why, *peer = http_peer(request);
	int more, status;
	bool many;

	if (too_large(request))
		return;
	said_open(&reader, request);
	while ((more = said_next(&reader, &said, &why)) != 0) {
		if (more > 0 && said.pass)
			continue;
		/* One alone has no line number. */
		many = reader.line > 1 || said_more(&reader);
		status = more > 0 ? deliver(&said, peer, &why) : 400;
		if (status == 0)
			sum.delivered++;
		else
			sum_failure(&sum, status, many ? reader.line : 0,
				    more > 0 ? said.process : "", why);
		if (more > 0)
			heartbeat_free(&said.heartbeat);
	}
	if (reader.body.len == 0)
		sum_failure(&sum, 400, 0, "", "no heartbeat in it");
	said_close(&reader);
	sum_answer(request, &sum);
}
