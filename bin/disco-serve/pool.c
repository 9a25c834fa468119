/*
 * Workers that run procedures, and the calls that wait for one.  They are
 * processes of their own, shut in, and nothing they say is believed: each length
 * has a bound, and one that takes too long is killed and replaced.
 */
#include "pool.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "call.h"
#include "clock.h"
#include "duration.h"
#include "helper.h"
#include "version.h"

#define READY_S 10
#define WAIT_MOST 256	  /* calls that wait, */
#define WAIT_MOST_EACH 64 /* and of one caller */
#define LINES_MOST 10	  /* in the log, a second */
#define DEBUGS_MOST 1000  /* of one call */

struct call {
	TAILQ_ENTRY(call) next;
	struct caller *caller;
	char *name;
	struct text program, args;
	bool json;
	call_done *done;
	void *arg;
	int64_t now_ms; /* of its rows' ages */
	struct loop_event *timer;
	struct worker *worker;
};

struct worker {
	LIST_ENTRY(worker) next;
	int32_t pid;
	struct bufferevent *bev;
	struct call *call; /* NULL: it is idle */
	size_t cursor;	   /* of the rows */
	bool asked;	   /* all of the call was given */
	struct call_head head;
	bool in_answer; /* the head is known */
	bool last;	/* it ends when this is answered */
	unsigned debugs;
};

static TAILQ_HEAD(call_list, call) waiting = TAILQ_HEAD_INITIALIZER(waiting);
static LIST_HEAD(worker_list, worker) workers = LIST_HEAD_INITIALIZER(workers);
static int keeper = -1;
static struct loop_event *on_keeper, *on_turn;
static size_t worker_count, starting;
static uint64_t turns;

size_t pool_workers(void)
{
	return worker_count;
}

/* A line about procedures, for who wrote them; not more of them than one can read. */
static void proc_log(const char *line)
{
	static struct pace pace;
	unsigned unsaid;
	bool said = pace_keep(&pace, LINES_MOST, &unsaid);

	if (unsaid > 0)
		warnx("%u more lines of procedures", unsaid);
	if (said)
		warnx("%s", line);
}

/* Calls. */

static void call_free(struct call *call)
{
	caller_unref(call->caller);
	if (call->timer != NULL)
		event_free(call->timer);
	text_free(&call->program);
	text_free(&call->args);
	free(call->name);
	free(call);
}

/* Tells how it ended, and gives it back; the worker is not looked at. */
static void call_end(struct call *call, int status, struct text *answer)
{
	if (status != 200)
		serve.proc_failures++;
	if (call->done != NULL)
		call->done(call->arg, status, answer);
	call_free(call);
}

static void call_fail(struct call *call, int status, const char *words)
{
	struct text answer = {0};

	text_printf(&answer, "%s: %s", call->name, words);
	if (status >= 500)
		proc_log(text_cstr(&answer));
	call_end(call, status, &answer);
	text_free(&answer);
}

static void waiting_remove(struct call *call)
{
	TAILQ_REMOVE(&waiting, call, next);
	call->caller->calls_waiting--;
}

void call_forget(struct call *call)
{
	call->done = NULL;
	if (call->worker == NULL) {
		waiting_remove(call);
		call_free(call);
	}
}

/* Asking the keeper. */

static bool keeper_say(int32_t kind, int32_t number)
{
	struct keeper_message message = {kind, number};

	return keeper >= 0 && send(keeper, &message, sizeof(message),
				   MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(message);
}

/* A message, and a descriptor or -1.  0 at its end, -1 with errno. */
static ssize_t keeper_hear(struct keeper_message *message, int *fd)
{
	struct iovec part = {message, sizeof(*message)};
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr m = {.msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	ssize_t len = recvmsg(keeper, &m, MSG_CMSG_CLOEXEC);

	*fd = -1;
	if (len > 0 && m.msg_controllen >= sizeof(control.head) &&
	    control.head.cmsg_level == SOL_SOCKET && control.head.cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(&control.head), sizeof(*fd));
	return len;
}

/* Workers. */

/* Looks whose turn it is, when the loop comes around: nothing ends while it is begun. */
static void pool_soon(void)
{
	event_active(on_turn, EV_TIMEOUT, 0);
}

static void worker_free(struct worker *worker)
{
	LIST_REMOVE(worker, next);
	worker_count--;
	keeper_say(KEEPER_KILL, worker->pid);
	bufferevent_free(worker->bev);
	free(worker);
}

/* It is of no use any more; its call fails. */
static void worker_fail(struct worker *worker, int status, const char *words)
{
	struct call *call = worker->call;

	worker_free(worker);
	if (call != NULL) {
		call->caller->calls--;
		call_fail(call, status, words);
	}
	pool_soon();
}

/* The next slice of its rows, and the end: whenever the one before has gone out. */
static void worker_feed(struct bufferevent *bev, void *arg)
{
	struct worker *worker = arg;
	struct call *call = worker->call;
	struct text part = {0};
	size_t begun;

	if (call == NULL || worker->asked)
		return;
	begun = frame_begin(&part, CALL_ROWS);
	for (; worker->cursor < serve.rows.size && part.len < PART_BYTES; worker->cursor++) {
		struct entry *entry = serve.rows.entries[worker->cursor];
		const struct text *json;

		if (entry == NULL || !caller_reads(call->caller, &entry->row))
			continue;
		json = entry_json(entry);
		text_char(&part, '{');
		text_add(&part, json->s, json->len);
		row_json_age(&part, &entry->row, call->now_ms);
		text_string(&part, "}\n");
	}
	frame_end(&part, begun);
	worker->asked = worker->cursor >= serve.rows.size;
	if (worker->asked)
		frame_add(&part, CALL_GO, call->json ? "json" : "raw", call->json ? 4 : 3);
	if (part.failed || bufferevent_write(bev, part.s, part.len) < 0) {
		text_free(&part);
		worker_fail(worker, 503, "out of memory");
		return;
	}
	text_free(&part);
}

static void debug_log(const struct call *call, const struct text *words)
{
	struct text line = {0};

	text_printf(&line, "%s: debug: ", call->name);
	text_safe(&line, words->s, words->len);
	proc_log(text_cstr(&line));
	text_free(&line);
}

/* What a program says, what is none, and what was stopped and may do better another time. */
static int status_of(uint32_t kind)
{
	return kind == CALL_FAILED ? 422 : kind == CALL_BAD ? 500 : 503;
}

/* What it says at the end of a call. */
static void worker_answered(struct worker *worker, struct text *answer)
{
	struct call *call = worker->call;
	uint32_t kind = worker->head.kind;
	struct text words = {0};

	worker->call = NULL;
	call->caller->calls--;
	if (kind == CALL_OUTPUT) {
		call_end(call, 200, answer);
	} else {
		/* Who it is that says so is not known: it is made fit for everybody. */
		text_safe(&words, answer->s, answer->len);
		call_fail(call, status_of(kind), text_cstr(&words));
		text_free(&words);
	}
	if (kind == CALL_STOPPED || worker->last)
		worker_free(worker);
	pool_soon();
}

/* One frame, when it is whole.  False when there is none, or no worker any more. */
static bool worker_frame(struct worker *worker)
{
	struct evbuffer *input = bufferevent_get_input(worker->bev);
	struct text frame = {0};
	char *room;

	if (!worker->in_answer) {
		if (evbuffer_get_length(input) < sizeof(worker->head))
			return false;
		evbuffer_remove(input, &worker->head, sizeof(worker->head));
		/* An answer is not believed before the question was asked, but that it stops is. */
		if (worker->call == NULL || !frame_good(&worker->head) ||
		    (!worker->asked && worker->head.kind != CALL_STOPPED)) {
			worker_fail(worker, 503, "stopped: its process went astray");
			return false;
		}
		worker->in_answer = true;
	}
	if (evbuffer_get_length(input) < worker->head.len)
		return false;
	worker->in_answer = false;
	room = text_room(&frame, worker->head.len + 1);
	if (room == NULL) {
		worker_fail(worker, 503, "out of memory");
		return false;
	}
	frame.len = worker->head.len;
	evbuffer_remove(input, room, frame.len);
	if (worker->head.kind == CALL_DEBUG || worker->head.kind == CALL_LAST) {
		if (worker->head.kind == CALL_LAST)
			worker->last = true;
		else
			debug_log(worker->call, &frame);
		text_free(&frame);
		if (worker->debugs++ < DEBUGS_MOST)
			return true;
		worker_fail(worker, 503, "stopped: its process went astray");
		return false;
	}
	worker_answered(worker, &frame);
	text_free(&frame);
	return false;
}

static void worker_read(struct bufferevent *bev, void *arg)
{
	(void)bev;
	while (worker_frame(arg))
		;
}

static void worker_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev, (void)what;
	worker_fail(arg, 503, "stopped: its process ended");
}

/* The time of a call is over. */
static void call_late(int fd, short what, void *arg)
{
	struct call *call = arg;
	struct text words = {0};

	(void)fd, (void)what;
	text_string(&words, call->worker != NULL ? "stopped: it took longer than "
						 : "too many calls: it waited longer than ");
	duration_words(&words, serve.proc_timeout_ms);
	if (call->worker != NULL) {
		worker_fail(call->worker, 503, text_cstr(&words));
	} else {
		waiting_remove(call);
		call_fail(call, 503, text_cstr(&words));
	}
	text_free(&words);
}

static void worker_take(struct worker *worker, struct call *call)
{
	struct timeval timeout = milliseconds(serve.proc_timeout_ms);
	struct text head = {0};

	waiting_remove(call);
	call->caller->calls++;
	call->caller->turn = ++turns;
	call->worker = worker;
	call->now_ms = real_ms();
	worker->call = call;
	worker->cursor = 0;
	worker->asked = false;
	worker->debugs = 0;
	evtimer_add(call->timer, &timeout);
	frame_add(&head, CALL_PROGRAM, call->program.s, call->program.len);
	frame_add(&head, CALL_ARGS, call->args.s, call->args.len);
	if (head.failed || bufferevent_write(worker->bev, head.s, head.len) < 0) {
		text_free(&head);
		worker_fail(worker, 503, "out of memory");
		return;
	}
	text_free(&head);
}

static struct worker *worker_new(int32_t pid, int fd)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (worker != NULL)
		worker->bev = bufferevent_socket_new(serve.base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (worker == NULL || worker->bev == NULL) {
		free(worker);
		close(fd);
		return NULL;
	}
	worker->pid = pid;
	bufferevent_setcb(worker->bev, worker_read, worker_feed, worker_event, worker);
	/* Not more than an answer is read ahead. */
	bufferevent_setwatermark(worker->bev, EV_READ, 0, CALL_OUTPUT_LARGEST + 65536);
	bufferevent_set_max_single_write(worker->bev, 2 * PART_BYTES);
	bufferevent_set_max_single_read(worker->bev, 2 * PART_BYTES);
	bufferevent_enable(worker->bev, EV_READ | EV_WRITE);
	LIST_INSERT_HEAD(&workers, worker, next);
	worker_count++;
	return worker;
}

/* Whose turn it is. */

/* Where there are tokens, none has all workers, so that no other waits long. */
static size_t calls_most(void)
{
	size_t most = (size_t)serve.proc_workers;

	return serve.tokens != NULL && most > 1 ? most - 1 : most;
}

/* The one whose caller has the fewest under way, and of these, had his turn longest ago. */
static struct call *call_next(void)
{
	struct call *call, *best = NULL;

	TAILQ_FOREACH (call, &waiting, next) {
		if (call->caller->calls >= calls_most())
			continue;
		if (best == NULL || call->caller->calls < best->caller->calls ||
		    (call->caller->calls == best->caller->calls &&
		     call->caller->turn < best->caller->turn))
			best = call;
	}
	return best;
}

static struct worker *worker_idle(void)
{
	struct worker *worker;

	LIST_FOREACH (worker, &workers, next)
		if (worker->call == NULL)
			return worker;
	return NULL;
}

static void pool_turn(int fd, short what, void *arg)
{
	struct worker *worker;
	struct call *call;

	(void)fd, (void)what, (void)arg;
	while ((call = call_next()) != NULL && (worker = worker_idle()) != NULL)
		worker_take(worker, call);
	if (call != NULL && starting == 0 && worker_count < (size_t)serve.proc_workers &&
	    keeper_say(KEEPER_START, 0))
		starting++;
}

static const char *const keeper_gone =
    "procedures can't be run: their keeper has ended; disco-serve must be started again";

static void keeper_lost(void)
{
	struct call *call;

	if (!serve.ending)
		warnx("%s", keeper_gone);
	event_free(on_keeper);
	close(keeper);
	keeper = -1;
	starting = 0;
	while ((call = TAILQ_FIRST(&waiting)) != NULL) {
		waiting_remove(call);
		call_fail(call, 503, keeper_gone);
	}
}

static void keeper_read(int fd, short what, void *arg)
{
	struct keeper_message message = {0};
	ssize_t len = keeper_hear(&message, &fd);

	(void)what, (void)arg;
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len != sizeof(message)) {
		if (fd >= 0)
			close(fd);
		keeper_lost();
		return;
	}
	if (starting > 0)
		starting--;
	if (message.kind == KEEPER_START && fd >= 0) {
		if (worker_new(message.number, fd) == NULL)
			keeper_say(KEEPER_KILL, message.number);
	} else if (message.kind == KEEPER_FAILED) {
		warnx("a worker for procedures: %s", strerror(message.number));
		return; /* those who wait have their time limit, or another worker */
	}
	pool_soon();
}

/* In the child. */
static _Noreturn void become_keeper(int fd)
{
	static char *const environment[] = {
	    (char *)(uintptr_t) "GLIBC_TUNABLES=glibc.malloc.hugetlb=1", NULL};
	char path[HELPER_PATH], memory[24];

	snprintf(memory, sizeof(memory), "%lld", (long long)serve.proc_memory_mib);
	helper_path(path, "disco-jq");
	if (dup2(fd, STDIN_FILENO) < 0)
		err(EXIT_CANNOT, "dup2");
	closefrom(STDERR_FILENO + 1);
	/* It ends with us, who may want it until our end, though a terminal tells all of us to
	 * stop. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	execle(path, "disco-jq", "--keeper", memory, (char *)NULL, environment);
	err(EXIT_CANNOT, "%s", path);
}

void pool_open(void)
{
	static const struct timeval patience = {READY_S, 0};
	struct keeper_message message = {0};
	int ends[2], fd;
	pid_t pid;

	if (serve.proc_workers == 0)
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		err(EXIT_CANNOT, "socketpair");
	pid = fork();
	if (pid < 0)
		err(EXIT_CANNOT, "fork");
	if (pid == 0)
		become_keeper(ends[1]);
	close(ends[1]);
	signal(SIGCHLD, SIG_IGN); /* nobody waits for it, nor need he */
	keeper = ends[0];
	setsockopt(keeper, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (keeper_hear(&message, &fd) != sizeof(message) || message.kind != KEEPER_READY) {
		warnx("procedures can't be run: their keeper did not start");
		close(keeper);
		keeper = -1;
		return;
	}
	fcntl(keeper, F_SETFL, O_NONBLOCK);
	on_keeper = event_new(serve.base, keeper, EV_READ | EV_PERSIST, keeper_read, NULL);
	event_add(on_keeper, NULL);
	on_turn = evtimer_new(serve.base, pool_turn, NULL);
}

/* NULL when it may wait, or why not. */
static const char *call_refused(const struct caller *caller)
{
	const struct call *call;
	size_t count = 0;

	if (serve.proc_workers == 0)
		return "procedures are switched off here (--proc-workers 0)";
	if (keeper < 0)
		return keeper_gone;
	TAILQ_FOREACH (call, &waiting, next)
		count++;
	return count >= WAIT_MOST || caller->calls_waiting >= WAIT_MOST_EACH ? "too many calls wait"
									     : NULL;
}

struct call *call_start(struct caller *caller, const struct proc *proc, const struct text *args,
			call_done *done, void *arg)
{
	struct timeval timeout = milliseconds(serve.proc_timeout_ms);
	struct call *call = calloc(1, sizeof(*call));
	const char *why = call_refused(caller);

	if (call == NULL || (call->name = strdup(proc->name)) == NULL)
		errx(EXIT_CANNOT, "out of memory");
	serve.proc_calls++;
	call->caller = caller_ref(caller);
	call->done = done;
	call->arg = arg;
	call->json = proc_is_json(proc);
	text_add(&call->program, proc->text, proc->len);
	text_add(&call->args, args->s, args->len);
	call->timer = evtimer_new(serve.base, call_late, call);
	if (why == NULL && (call->timer == NULL || call->program.failed || call->args.failed))
		why = "out of memory";
	if (why != NULL) {
		call_fail(call, 503, why);
		return NULL;
	}
	evtimer_add(call->timer, &timeout);
	TAILQ_INSERT_TAIL(&waiting, call, next);
	caller->calls_waiting++;
	pool_soon();
	return call;
}
