/*
 * Beats that go on: of disco-hb itself (-i), of another process (-P), of a
 * command that it runs.  One loop waits for signals, the watched process, its
 * messages, the check's output and the next beat.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "duration.h"
#include "hb.h"
#include "notify.h"
#include "version.h"

#define APART_MS 100   /* between changes that the command tells of */
#define FINISH_TRIES 5 /* against reports that come at the same moment */
#define MESSAGES 64    /* taken at a time */
#define MESSAGE_LONGEST 8192

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

struct run {
	const struct options *o;
	struct carrier carrier;
	struct heartbeat
	    hb; /* what we say; its strings are the options', the host's, or in adopted */
	char *adopted;
	char start[HOST_START_TIME], reason[REASON_LONGEST + 1];
	int signals, pidfd, notify; /* descriptors, -1 none */
	pid_t child;
	char *upstream; /* the service manager's own socket */
	struct check check;
	int64_t next_ms, due_ms,
	    delivered_ms; /* the next beat; the next change (0 none); the last one */
	bool dirty;	  /* there is content that is not delivered */
	bool words;	  /* the reason is ours, not the command's STATUS */
	bool left;	  /* somebody has said inactive for us: no more beats */
	bool fed;	  /* the command feeds its watchdog: only that beats */
	bool complained;  /* the last delivery failed, and it was said */
	uint64_t told;	  /* signals to stop that we were sent, a bit each */
	bool over;
	int status; /* to exit with, when over */
};

static void failed(struct run *r, int error)
{
	if (!r->complained)
		beat_complain(r->o, error);
	r->complained = true;
}

static void say(struct run *r, enum state state, const char *reason)
{
	if (r->hb.state != state || strcmp(r->hb.reason != NULL ? r->hb.reason : "", reason) != 0)
		r->dirty = true;
	snprintf(r->reason, sizeof(r->reason), "%s", reason);
	r->hb.state = state;
	r->hb.reason = r->reason;
}

static void deliver(struct run *r)
{
	r->due_ms = 0;
	r->delivered_ms = monotonic_ms();
	if (carrier_deliver(&r->carrier, &r->hb) == 0) {
		r->dirty = r->complained = false;
		return;
	}
	if (errno == EAGAIN) {
		r->due_ms = monotonic_ms() + 1; /* a report came; it is heard first */
		return;
	}
	failed(r, errno);
	/* Old content is better than silence. */
	if (carrier_look(&r->carrier) == HOLD_OURS)
		carrier_touch(&r->carrier);
}

/* Reads what has taken our place in hb/.  False when it is no heartbeat or can't be read; locked
 * tells whether it is held. */
static bool other_read(struct run *r, struct heartbeat *hb, char **content, bool *locked)
{
	char path[SPOOL_PATH];
	struct stat st;
	const char *why;
	ssize_t len = -1;
	int fd = spool_open_heartbeat(AT_FDCWD, spool_heartbeat_path(path, r->o->dir, r->o->name),
				      &st, &why);

	*locked = false;
	r->carrier.hold.read = r->carrier.hold.seen; /* what can't be opened is no report */
	if (fd == -1)
		return false;
	r->carrier.hold.read = st.st_ino;
	*locked = spool_locked(fd) == 1;
	*content = malloc(HEARTBEAT_LARGEST + 1);
	/* Only we and root may speak for us. */
	if (*content != NULL && (st.st_uid == geteuid() || st.st_uid == 0))
		len = spool_read(fd, *content, HEARTBEAT_LARGEST);
	close(fd);
	if (len >= 0 && heartbeat_parse(*content, (size_t)len, hb) == NULL)
		return true;
	free(*content);
	return false;
}

/*
 * A report about us has taken our place in hb/: we say the same from now on.
 * True when it was one.  It is a stranger's when it bears another identity.
 */
static bool adopt(struct run *r, bool *locked)
{
	struct heartbeat hb;
	char *content;

	if (!other_read(r, &hb, &content, locked))
		return false;
	if (hb.pid == 0 || r->hb.pid == 0 || !heartbeat_same_sender(&hb, &r->hb)) {
		heartbeat_free(&hb);
		free(content);
		return false;
	}
	r->left = hb.state == STATE_INACTIVE;
	hb.held = true;
	hb.every_ms = r->o->every_ms;
	if (r->dirty) {
		hb.state = r->hb.state;
		hb.reason = r->hb.reason == r->reason ? r->reason : NULL;
	}
	heartbeat_free(&r->hb);
	free(r->adopted);
	r->hb = hb;
	r->adopted = content;
	r->words = false;
	return true;
}

/* Somebody has said that it left: a command goes on without beats, nothing else does. */
static void leave(struct run *r)
{
	r->left = true;
	carrier_end(&r->carrier);
	r->due_ms = 0;
	r->over = r->child == 0;
}

/* A beat: a touch where hb/NAME is as we left it and nothing is new.  Without feed, only new
 * content. */
static void beat(struct run *r, bool feed)
{
	enum hold_look look = carrier_look(&r->carrier);
	bool locked;

	if (look == HOLD_OTHER)
		adopt(r, &locked);
	if (r->left) {
		leave(r);
		return;
	}
	if (r->dirty || look != HOLD_OURS)
		deliver(r);
	else if (feed && carrier_touch(&r->carrier) != 0)
		failed(r, errno);
}

/* The last word.  Left means left; and a name that another process has taken over is its own. */
static void finish(struct run *r, enum state state, const char *reason)
{
	bool locked = false;

	check_kill(&r->check);
	r->over = true;
	for (int tries = 0; tries < FINISH_TRIES; tries++) {
		if (!r->left && carrier_look(&r->carrier) == HOLD_OTHER && adopt(r, &locked))
			locked = false;
		if (r->left || locked)
			break;
		say(r, state, reason);
		r->hb.held = false;
		if (carrier_finish(&r->carrier, &r->hb) == 0)
			break;
		if (errno != EAGAIN || tries == FINISH_TRIES - 1) {
			failed(r, errno);
			break;
		}
	}
	carrier_end(&r->carrier);
}

static void check_begin(struct run *r)
{
	char reason[REASON_LONGEST + 1];

	if (r->check.pid > 0) {
		check_kill(&r->check);
		say(r, STATE_ERROR, "check timed out");
		beat(r, !r->fed);
	}
	if (r->over || r->left || check_start(&r->check, r->o->check) == 0)
		return;
	snprintf(reason, sizeof(reason), "cannot run the check: %s", strerror(errno));
	say(r, STATE_ERROR, reason);
	beat(r, !r->fed);
}

static void check_ended(struct run *r, int status)
{
	char reason[REASON_LONGEST + 1];
	enum state state = check_end(&r->check, status, reason);

	if (r->left)
		return;
	say(r, state, reason);
	r->words = false;
	beat(r, !r->fed);
}

/* A beat is due by the clock. */
static void tick(struct run *r, int64_t now_ms)
{
	r->next_ms += r->o->every_ms;
	if (r->next_ms <= now_ms)
		r->next_ms = now_ms + r->o->every_ms;
	if (r->o->check != NULL)
		check_begin(r);
	else
		beat(r, !r->fed);
}

/* One message of the command; what it says is delivered soon, a beat at once. */
static bool message(struct run *r, char *text, long len, const int *fds, size_t fd_count)
{
	char reason[REASON_LONGEST + 1];
	enum state state = r->hb.state;
	struct news news;
	const char *was = r->hb.reason != NULL ? r->hb.reason : "";

	if (r->upstream != NULL && len > 0)
		notify_forward(r->upstream, text, (size_t)len, fds, fd_count);
	/* With BARRIER=1 comes a descriptor; closing it says that all before was read. */
	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
	reason_copy(reason, was, strlen(was));
	news = listen_take(text, &state, reason, &r->words);
	if (news.changed && !r->left) {
		say(r, state, reason);
		if (r->dirty && r->due_ms == 0)
			r->due_ms = r->delivered_ms + APART_MS;
	}
	return news.beat;
}

static void messages(struct run *r)
{
	char text[MESSAGE_LONGEST];
	int fds[NOTIFY_FDS];
	size_t fd_count;
	bool feed = false;
	long len;

	for (int i = 0; i < MESSAGES; i++) {
		len = notify_receive(r->notify, text, sizeof(text), fds, &fd_count);
		if (len == -1)
			break;
		if (message(r, text, len, fds, fd_count))
			feed = true;
	}
	if (!feed || r->left)
		return;
	r->fed = true;
	beat(r, true);
}

static void child_ended(struct run *r, int status)
{
	char reason[REASON_LONGEST + 1] = "";
	enum state state = STATE_INACTIVE;
	int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	if (r->notify != -1)
		messages(r);
	if (number > 0 && r->told >> number & 1) {
		snprintf(reason, sizeof(reason), "stopped by %s", signal_words(number));
	} else if (number > 0) {
		state = STATE_ERROR;
		snprintf(reason, sizeof(reason), "killed by %s", signal_words(number));
	} else if (WEXITSTATUS(status) != 0) {
		state = STATE_ERROR;
		snprintf(reason, sizeof(reason), "exit status %d", WEXITSTATUS(status));
	}
	finish(r, state, reason);
	r->status = number > 0 ? 128 + number : WEXITSTATUS(status);
}

/* All children, for as the first process of a container we have strangers' too. */
static void reap(struct run *r)
{
	int status, child_status = -1;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == r->child)
			child_status = status;
		else if (pid == r->check.pid)
			check_ended(r, status);
		else if (carrier_reaped(&r->carrier, pid, status))
			leave(r);
	}
	if (child_status != -1)
		child_ended(r, child_status);
}

/* The terminal tells the command itself; what others send is passed on. */
static void signal_take(struct run *r, const struct signalfd_siginfo *info)
{
	int number = (int)info->ssi_signo;
	bool terminal = info->ssi_code == SI_KERNEL;

	if (number == SIGCHLD)
		return;
	if (r->child > 0) {
		if (!terminal)
			kill(r->child, number);
		if (number == SIGTERM || number == SIGINT || number == SIGHUP)
			r->told |= UINT64_C(1) << number;
	} else if (!terminal || !signal_was_ignored(number)) {
		finish(r, STATE_INACTIVE, "");
	}
}

static void signals_take(struct run *r)
{
	struct signalfd_siginfo info;

	while (!r->over && read(r->signals, &info, sizeof(info)) == sizeof(info))
		signal_take(r, &info);
	if (!r->over)
		reap(r);
}

static int wait_ms(const struct run *r, int64_t now_ms)
{
	int64_t until_ms = r->due_ms > 0 && r->due_ms < r->next_ms ? r->due_ms : r->next_ms;
	int64_t ms = until_ms - now_ms;

	if (r->left)
		return -1;
	return ms > 3600000 ? 3600000 : ms > 0 ? (int)ms : 0;
}

static void loop(struct run *r)
{
	while (!r->over) {
		struct pollfd fds[] = {{r->signals, POLLIN, 0},
				       {r->notify, POLLIN, 0},
				       {r->check.fd, POLLIN, 0},
				       {r->pidfd, POLLIN, 0}};

		if (poll(fds, 4, wait_ms(r, monotonic_ms())) > 0) {
			if (fds[1].revents != 0)
				messages(r);
			if (fds[2].revents != 0 && r->check.fd == fds[2].fd)
				check_read(&r->check);
			if (fds[0].revents != 0 && !r->over)
				signals_take(r);
			if (fds[3].revents != 0 && !r->over)
				finish(r, STATE_ERROR, "ended without leaving");
		}
		int64_t now_ms = monotonic_ms();

		if (!r->over && !r->left && now_ms >= r->next_ms)
			tick(r, now_ms);
		if (!r->over && !r->left && r->due_ms > 0 && now_ms >= r->due_ms)
			beat(r, false);
	}
}

/* The watchdog's time: ours, but no longer than that of the service manager that watches us. */
static void set_watchdog(const struct run *r)
{
	const struct options *o = r->o;
	int64_t ms = o->said.limits.warn_ms, ours;
	const char *given = getenv("WATCHDOG_USEC");
	char text[32];

	if (ms == 0)
		ms = 3 * o->every_ms > limits_default.warn_ms ? 3 * o->every_ms
							      : limits_default.warn_ms;
	ours = ms * 1000;
	if (given != NULL && r->upstream != NULL)
		number_parse(given, 1, ours, &ours);
	snprintf(text, sizeof(text), "%lld", (long long)ours);
	setenv("WATCHDOG_USEC", text, 1);
	unsetenv("WATCHDOG_PID");
}

static void listen_open(struct run *r)
{
	const char *upstream = getenv("NOTIFY_SOCKET");
	char name[NOTIFY_NAME];

	if (upstream != NULL && upstream[0] != '\0')
		r->upstream = strdup(upstream);
	r->notify = notify_listen(name);
	if (r->notify == -1) {
		warn("notification socket");
		return;
	}
	setenv("NOTIFY_SOCKET", name, 1);
	set_watchdog(r);
}

/*
 * Starts the command.  It holds our files too, so that when we are killed nobody says that it has
 * ended; and it runs only when its first heartbeat is there, so that it may report about itself.
 */
static void command_start(struct run *r)
{
	char reason[REASON_LONGEST + 1];
	const char *command = r->o->command[0];
	struct gate gate;
	int error;

	listen_open(r);
	if (carrier_prepare(&r->carrier) != 0)
		failed(r, errno);
	carrier_inherit(&r->carrier, true);
	error = signals_find(command);
	if (error == 0)
		error = signals_fork(&r->child, command, r->o->command, &gate);
	carrier_inherit(&r->carrier, false);
	/* Not for checks: what they have to say is not a message of the command. */
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	if (error == 0) {
		content_process(&r->hb, r->child, r->start);
		if (r->o->check != NULL)
			beat(r, true); /* the check, which is due too, takes its time */
		else
			tick(r, r->next_ms);
		error = signals_go(&gate);
	}
	if (error != 0) {
		r->child = 0;
		warnx("%s: %s", command, strerror(error));
		snprintf(reason, sizeof(reason), "cannot run: %s", strerror(error));
		finish(r, STATE_ERROR, reason);
		r->status = error == ENOENT ? 127 : 126;
	}
}

static void watch_start(struct run *r)
{
	pid_t pid = (pid_t)r->o->watch_pid;
	struct pollfd ended = {.events = POLLIN};

	r->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (r->pidfd == -1 && errno != ESRCH)
		err(EXIT_CANNOT, "%d", (int)pid);
	if (r->pidfd != -1)
		content_process(&r->hb, pid, r->start);
	/* One that has ended and waits for its parent has a pid still. */
	ended.fd = r->pidfd;
	if (r->pidfd == -1 || poll(&ended, 1, 0) > 0)
		errx(EXIT_CANNOT, "%d: no such process", (int)pid);
}

int run(const struct options *o)
{
	static const int ours[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, 0};
	static const int passed[] = {SIGCHLD, SIGTERM, SIGINT,	SIGHUP,
				     SIGQUIT, SIGUSR1, SIGUSR2, 0};
	static struct run r;

	r = (struct run){.o = o, .pidfd = -1, .notify = -1, .check.fd = -1};
	r.hb = *content_host();
	r.hb.every_ms = o->every_ms;
	r.hb.held = true;
	content_lay(&r.hb, o);
	r.dirty = true;
	carrier_init(&r.carrier, o);
	r.signals = signals_open(o->command != NULL ? passed : ours);
	if (r.signals == -1)
		err(EXIT_CANNOT, "signals");
	r.next_ms = monotonic_ms();
	if (o->command != NULL)
		command_start(&r);
	else if (o->watch_pid > 0)
		watch_start(&r);
	else
		content_process(&r.hb, getpid(), r.start);
	/* A process that is there is seen at once; -i alone has only its check to tell. */
	if (o->check != NULL && r.pidfd != -1)
		deliver(&r);
	loop(&r);
	return r.status;
}
