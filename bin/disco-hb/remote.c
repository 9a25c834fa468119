/*
 * Heartbeats to a server, by disco-http, which lies beside us: libcurl alone
 * would make a program of a millisecond ten times as slow.  While we beat for
 * long, one disco-http holds the connection and reads a heartbeat a line.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hb.h"
#include "helper.h"
#include "version.h"

#define LAST_WORD_MS 6000 /* a second more than disco-http takes for it */
#define INHERITED_FD 200  /* out of the way of scripts that take low numbers for themselves */
#define ARGUMENTS (5 + TRUST_ARGUMENTS)

static const char *program(void)
{
	static char path[HELPER_PATH];

	return helper_path(path, "disco-http");
}

/* Its messages begin with our name. */
static void arguments(const char **argv, const struct options *o, const char *verb,
		      const char *path)
{
	*argv++ = "disco-hb";
	argv = trust_arguments(&o->trust, argv);
	*argv++ = verb;
	*argv++ = o->url;
	if (path != NULL)
		*argv++ = path;
	*argv = NULL;
}

static int become(const struct options *o, const char *verb, const char *path)
{
	const char *argv[ARGUMENTS], *file = program();

	arguments(argv, o, verb, path);
	execv(file, (char *const *)(uintptr_t)argv);
	warn("%s", file);
	return EXIT_CANNOT;
}

int remote_post(const struct options *o, const struct heartbeat *hb)
{
	struct text line = {0};
	int ends[2];

	heartbeat_json(hb, o->name, &line);
	/* A heartbeat is smaller than a pipe, so it is written before anybody reads. */
	if (line.failed || pipe(ends) != 0 ||
	    write(ends[1], line.s, line.len) != (ssize_t)line.len ||
	    dup2(ends[0], STDIN_FILENO) == -1)
		err(EXIT_CANNOT, "pipe");
	close(ends[0]);
	close(ends[1]);
	return become(o, "post", "/v1/heartbeat");
}

int remote_leave(const struct options *o)
{
	static const char folder[] = "/v1/process/";
	struct text path = {0};

	text_string(&path, folder);
	/* What a name may have and a URL may not. */
	for (const char *s = o->name; *s != '\0'; s++)
		if (*s == '+')
			text_string(&path, "%2B");
		else
			text_char(&path, *s);
	text_cstr(&path);
	if (path.failed)
		err(EXIT_CANNOT, NULL);
	return become(o, "delete", path.s);
}

void remote_init(struct remote *r, const struct options *o)
{
	*r = (struct remote){.o = o, .in = -1, .out = -1};
}

int remote_prepare(struct remote *r)
{
	int ends[2], high;

	if (r->out != -1)
		return 0;
	if (pipe(ends) != 0)
		return -1;
	high = fcntl(ends[1], F_DUPFD_CLOEXEC, INHERITED_FD);
	if (high != -1) {
		close(ends[1]);
		ends[1] = high;
	}
	fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	/* Only our end: a beat that nobody takes must not keep us from the next. */
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	r->in = ends[0];
	r->out = ends[1];
	return 0;
}

void remote_inherit(const struct remote *r, bool inherit)
{
	if (r->out != -1)
		fcntl(r->out, F_SETFD, inherit ? 0 : FD_CLOEXEC);
}

/* The pipe outlives it, since a command may have the other end; so we keep both. */
static int start(struct remote *r)
{
	const char *argv[ARGUMENTS];
	int error;

	if (r->pid > 0)
		return 0;
	if (remote_prepare(r) != 0)
		return -1;
	arguments(argv, r->o, "hold", NULL);
	error = signals_spawn(&r->pid, program(), (char *const *)(uintptr_t)argv, r->in, -1);
	if (error == 0)
		return 0;
	r->pid = 0;
	errno = error;
	return -1;
}

bool remote_runs(const struct remote *r)
{
	return r->pid > 0;
}

/* Writes what is left of a line; true when nothing is. */
static bool flush(struct remote *r)
{
	ssize_t len = r->unsent.len > 0 ? write(r->out, r->unsent.s, r->unsent.len) : 0;

	if (len > 0) {
		memmove(r->unsent.s, r->unsent.s + len, r->unsent.len - (size_t)len);
		r->unsent.len -= (size_t)len;
	}
	return r->unsent.len == 0;
}

void remote_touch(struct remote *r)
{
	if (!flush(r))
		return;
	text_add(&r->unsent, r->line.s, r->line.len);
	/* One that fits not at all is no line yet. */
	if (!flush(r) && r->unsent.len == r->line.len)
		text_clear(&r->unsent);
}

static bool line_set(struct remote *r, const struct heartbeat *hb)
{
	text_clear(&r->line);
	heartbeat_json(hb, r->o->name, &r->line);
	text_char(&r->line, '\n');
	if (r->line.failed)
		errno = ENOMEM;
	return !r->line.failed;
}

int remote_deliver(struct remote *r, const struct heartbeat *hb)
{
	if (!line_set(r, hb) || start(r) != 0)
		return -1;
	remote_touch(r);
	return 0;
}

int remote_finish(struct remote *r, const struct heartbeat *hb)
{
	int64_t end_ms = monotonic_ms() + LAST_WORD_MS;

	if (!line_set(r, hb) || start(r) != 0)
		return -1;
	text_add(&r->unsent, r->line.s, r->line.len);
	/* The end, though a command's children may still have the pipe. */
	text_char(&r->unsent, '\n');
	while (!flush(r) && monotonic_ms() < end_ms) {
		struct pollfd room = {r->out, POLLOUT, 0};

		poll(&room, 1, 100);
	}
	while (waitpid(r->pid, NULL, WNOHANG) == 0 && monotonic_ms() < end_ms)
		poll(NULL, 0, 2);
	r->pid = 0;
	return 0;
}

/* A disco-http that runs sees the end of its input. */
void remote_end(struct remote *r)
{
	if (r->out != -1) {
		close(r->in);
		close(r->out);
	}
	text_free(&r->line);
	text_free(&r->unsent);
	r->in = r->out = -1;
	r->pid = 0;
}
