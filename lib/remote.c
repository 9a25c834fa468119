/* A disco-serve, asked by disco-http: its table, and its events as they come. */
#include "remote.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "duration.h"
#include "helper.h"
#include "spool.h"
#include "stamp.h"
#include "version.h"

#define ARGUMENTS (8 + TRUST_ARGUMENTS)
#define LONGEST_LINE ((size_t)128 * 1024)
#define AGAIN_MS 1000
#define AGAIN_LONGEST_MS 10000

const char *remote_url(const char *url, const char *dir)
{
	if (url == NULL && dir == NULL)
		url = getenv("DISCO_URL");
	return url != NULL && url[0] != '\0' ? url : NULL;
}

void remote_query(struct text *path, const char *name, const char *value)
{
	bool more = path->len > 0 && memchr(path->s, '?', path->len) != NULL;

	text_printf(path, "%c%s=", more ? '&' : '?', name);
	for (; *value != '\0'; value++) {
		unsigned char c = (unsigned char)*value;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    strchr("-._~", c) != NULL)
			text_char(path, (char)c);
		else
			text_printf(path, "%%%02X", c);
	}
}

/* In the child: becomes disco-http.  Its messages begin with our name, for it is us who were
 * asked. */
static _Noreturn void become_http(const struct server *server, const char *path, const char *option)
{
	char program[HELPER_PATH];
	const char *argv[ARGUMENTS], **arg = argv;

	helper_path(program, "disco-http");
	*arg++ = program_invocation_short_name;
	*arg++ = "-H";
	*arg++ = "Accept: text/tab-separated-values, */*;q=0.1";
	if (option != NULL)
		*arg++ = option;
	arg = trust_arguments(&server->trust, arg);
	*arg++ = "get";
	*arg++ = server->url;
	*arg++ = path;
	*arg = NULL;
	execv(program, (char *const *)(uintptr_t)argv);
	dprintf(STDERR_FILENO, "%s: %s: %s\n", program_invocation_short_name, program,
		strerror(errno));
	_exit(EXIT_CANNOT);
}

/* Starts it, with its output and its messages to be read.  Its pid, or -1 with errno. */
static pid_t http_start(const struct server *server, const char *path, const char *option, int *out,
			int *errors)
{
	int outs[2] = {-1, -1}, errs[2] = {-1, -1}, saved;
	pid_t pid = -1;

	if (pipe2(outs, O_CLOEXEC) == 0 && pipe2(errs, O_CLOEXEC) == 0)
		pid = fork();
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		if (dup2(outs[1], STDOUT_FILENO) < 0 || dup2(errs[1], STDERR_FILENO) < 0)
			_exit(EXIT_CANNOT);
		become_http(server, path, option);
	}
	saved = errno;
	for (int i = pid < 0 ? 0 : 1; i < 2; i++) {
		if (outs[i] >= 0)
			close(outs[i]);
		if (errs[i] >= 0)
			close(errs[i]);
	}
	*out = outs[0];
	*errors = errs[0];
	errno = saved;
	return pid;
}

/* When its output has ended: what it said, and the status to exit with. */
static int http_end(pid_t pid, int errors, struct text *said)
{
	ssize_t len = 1;
	int status;

	while (len != 0) {
		char *room = text_room(said, 4096);

		if (room == NULL)
			break;
		len = read(errors, room, 4096);
		if (len < 0 && errno != EINTR)
			break;
		said->len += len > 0 ? (size_t)len : 0;
	}
	close(errors);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_CANNOT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_CANNOT;
}

static void say(struct text *said, const struct server *server, const char *words)
{
	text_printf(said, "%s: ", program_invocation_short_name);
	text_safe(said, server->url, strlen(server->url));
	text_printf(said, ": %s\n", words);
}

int remote_table(struct view *view, const struct server *server, const char *path,
		 struct text *said)
{
	int out, errors, status, done, error;
	pid_t pid = http_start(server, path, NULL, &out, &errors);

	if (pid < 0) {
		say(said, server, strerror(errno));
		return EXIT_CANNOT;
	}
	done = view_read(view, out);
	error = errno;
	close(out);
	status = http_end(pid, errors, said);
	if (status == EXIT_NO) {
		say(said, server, "no table there; is that a disco-serve?");
		status = EXIT_CANNOT;
	} else if (status == EXIT_DONE && done < 0) {
		say(said, server,
		    error == EBADMSG ? "not a table of this version" : strerror(error));
		status = EXIT_CANNOT;
	}
	return status;
}

int remote_get(struct text *answer, size_t most, const struct server *server, const char *path,
	       struct text *said)
{
	int out, errors, status;
	pid_t pid = http_start(server, path, "--explain", &out, &errors);
	ssize_t len = 1;
	char *room;

	if (pid < 0) {
		say(said, server, strerror(errno));
		return EXIT_CANNOT;
	}
	while (len != 0 && answer->len <= most && (room = text_room(answer, TEXT_READ)) != NULL) {
		len = read(out, room, TEXT_READ);
		if (len < 0 && errno != EINTR)
			break;
		answer->len += len > 0 ? (size_t)len : 0;
	}
	close(out);
	status = http_end(pid, errors, said);
	if (status == EXIT_DONE && len != 0) {
		say(said, server, "an answer that is too long");
		status = EXIT_CANNOT;
	}
	return status;
}

static int start(struct remote *r)
{
	struct text path = {0};
	char seq[24];

	text_string(&path, "/v1/events");
	if (r->since) {
		snprintf(seq, sizeof(seq), "%llu", (unsigned long long)r->seq);
		remote_query(&path, "since", seq);
	}
	if (r->beats)
		remote_query(&path, "beats", "yes");
	text_clear(&r->buf);
	r->at = 0;
	r->told = false;
	r->header = true;
	r->pid = http_start(r->server, text_cstr(&path), "--include", &r->fd, &r->errors);
	text_free(&path);
	if (r->pid < 0) {
		r->pid = 0;
		r->fd = -1;
		return -1;
	}
	fcntl(r->fd, F_SETFL, O_NONBLOCK);
	return 0;
}

int remote_open(struct remote *r, const struct server *server)
{
	r->server = server;
	r->fd = -1;
	r->master = MASTER_RUNS;
	return start(r);
}

void remote_close(struct remote *r)
{
	if (r->pid > 0) {
		close(r->fd);
		kill(r->pid, SIGTERM);
		r->status = http_end(r->pid, r->errors, &r->why);
	}
	text_free(&r->buf);
	text_free(&r->why);
	*r = (struct remote){.fd = -1};
}

int remote_fd(const struct remote *r)
{
	return r->fd;
}

/* It has ended; that it comes back is tried later. */
static void lose(struct remote *r)
{
	close(r->fd);
	r->fd = -1;
	text_clear(&r->why);
	r->status = http_end(r->pid, r->errors, &r->why);
	r->pid = 0;
	/* One that had spoken is tried as if for the first time. */
	r->wait_ms = r->told || r->wait_ms == 0 ? AGAIN_MS : 2 * r->wait_ms;
	if (r->wait_ms > AGAIN_LONGEST_MS)
		r->wait_ms = AGAIN_LONGEST_MS;
	r->again_ms = clock_mono_ms() + r->wait_ms;
	r->told = false;
	r->lost = true;
}

/* A line of the answer's header: where the events begin. */
static void take_header(struct remote *r, const char *line, size_t len)
{
	static const char name[] = "x-disco-seq:";
	char number[24];
	int64_t seq;

	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len == 0) {
		r->header = false;
		return;
	}
	if (r->since || len < sizeof(name) || strncasecmp(line, name, sizeof(name) - 1) != 0)
		return;
	line += sizeof(name) - 1;
	len -= sizeof(name) - 1;
	for (; len > 0 && *line == ' '; len--)
		line++;
	if (len < sizeof(number)) {
		memcpy(number, line, len);
		number[len] = '\0';
		if (number_parse(number, 0, INT64_MAX, &seq) == NULL) {
			r->seq = (uint64_t)seq;
			r->since = true;
		}
	}
}

/* "#master gone 2026-11-24T03:14:26.230Z", or a sign of life. */
static void take_comment(struct remote *r, const char *line, size_t len)
{
	static const char prefix[] = "#master ";
	size_t word;

	if (len < sizeof(prefix) || memcmp(line, prefix, sizeof(prefix) - 1) != 0)
		return;
	line += sizeof(prefix) - 1;
	len -= sizeof(prefix) - 1;
	for (word = 0; word < len && line[word] != ' ';)
		word++;
	for (enum master_state state = MASTER_RUNS; state <= MASTER_GONE; state++) {
		const char *name = master_name(state);

		if (strlen(name) != word || memcmp(name, line, word) != 0)
			continue;
		r->master = state;
		r->told = true;
		r->lost = false;
	}
	if (len != word + 1 + STAMP_LENGTH || !stamp_parse(line + word + 1, &r->heard_ms))
		r->heard_ms = 0;
}

/* Whether it is to be given: what comes a second time is not. */
static bool wanted(struct remote *r, const struct event *event)
{
	if (event_is(event, "row") || event_is(event, "beat"))
		return true;
	if (!event_is(event, "reset") && !event_is(event, "sync") && r->since &&
	    event->seq <= r->seq)
		return false;
	r->seq = event_is(event, "reset") ? 0 : event->seq;
	r->since = true;
	return true;
}

/*
 * The next event of what was read: 1, or 0 when more must be read.  With event
 * NULL none is taken, only what comes before.
 */
static int take(struct remote *r, struct event *event)
{
	while (r->at < r->buf.len) {
		const char *line = r->buf.s + r->at;
		const char *end = memchr(line, '\n', r->buf.len - r->at);
		size_t len;

		if (end == NULL)
			return 0;
		len = (size_t)(end - line);
		if (event == NULL && !r->header && len > 0 && line[0] != '#') {
			r->told = true;
			r->lost = false;
			return 1;
		}
		r->at += len + 1;
		if (r->header)
			take_header(r, line, len);
		else if (len > 0 && line[0] == '#')
			take_comment(r, line, len);
		else if (event_split(event, line, len) && wanted(r, event))
			return 1;
	}
	return 0;
}

/* Reads on.  1, 0 when there is nothing for now, -1 with errno. */
static int fill(struct remote *r)
{
	size_t rest = r->buf.len - r->at;
	ssize_t len;
	char *room;

	if (rest > LONGEST_LINE) /* no line of ours */
		rest = 0;
	if (rest > 0)
		memmove(r->buf.s, r->buf.s + r->at, rest);
	r->buf.len = rest;
	r->at = 0;
	room = text_room(&r->buf, TEXT_READ);
	if (room == NULL) {
		errno = ENOMEM;
		return -1;
	}
	len = read(r->fd, room, TEXT_READ);
	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	r->buf.len += (size_t)len;
	if (len == 0)
		lose(r);
	return len > 0;
}

int remote_begin(struct remote *r)
{
	int more = 1;

	/* Not past it: a server that ends right after its first word has answered. */
	while (more > 0 && r->pid > 0 && take(r, NULL) == 0 && !r->told)
		more = fill(r);
	return more < 0 ? -1 : 0;
}

int remote_next(struct remote *r, struct event *event)
{
	int more = 1;

	if (r->pid == 0 && (clock_mono_ms() < r->again_ms || start(r) < 0))
		return 0;
	while (more > 0) {
		if (take(r, event))
			return 1;
		more = fill(r);
	}
	return more;
}
