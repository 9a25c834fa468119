/*
 * What a process that runs procedures answers, though it may have gone astray:
 * the call ends once, with what the first whole answer says, or with 503; and
 * nothing of it is left.
 */
#include "../../bin/disco-serve/pool.c"

#include "serve.h"

static struct caller anybody = {.token = {.name = "anybody", .admin = true}, .refs = 1};
static char name[] = "p", program[] = ".", no_args[] = "{}";
static struct proc proc = {.name = name, .text = program, .len = 1, .type = "application/json"};
static int keeper_end;

bool __wrap_pace_keep(struct pace *, unsigned most, unsigned *unsaid);

bool __wrap_pace_keep(struct pace *pace, unsigned most, unsigned *unsaid)
{
	(void)pace, (void)most;
	*unsaid = 0;
	return false;
}

/* How a call ended. */
struct ended {
	size_t times;
	int status;
	struct text answer;
};

static void done(void *arg, int status, struct text *answer)
{
	struct ended *ended = arg;

	ended->times++;
	ended->status = status;
	text_add(&ended->answer, answer->s, answer->len);
}

/* The status that these bytes come to, and the output; a plain reading of call.h. */
static int status_expected(const uint8_t *s, size_t size, const uint8_t **output, size_t *len)
{
	struct call_head head;

	for (size_t frames = 0; size >= sizeof(head) && frames <= DEBUGS_MOST; frames++) {
		memcpy(&head, s, sizeof(head));
		s += sizeof(head);
		size -= sizeof(head);
		if (!frame_good(&head) || head.len > size)
			return 503;
		*output = s;
		*len = head.len;
		switch (head.kind) {
		case CALL_OUTPUT: return 200;
		case CALL_FAILED: return 422;
		case CALL_BAD: return 500;
		case CALL_STOPPED: return 503;
		}
		s += head.len;
		size -= head.len;
	}
	return 503;
}

static void loop(void)
{
	for (int i = 0; i < 8; i++)
		event_base_loop(serve.base, EVLOOP_NONBLOCK);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int ends[2];

	(void)argc, (void)argv;
	serve_open();
	serve.proc_workers = 1;
	ensure(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) == 0);
	keeper = ends[0];
	keeper_end = ends[1];
	on_turn = evtimer_new(serve.base, pool_turn, NULL);
	return 0;
}

/* The first byte says how much of it comes before the question. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct text args = {no_args, 2, 2, false};
	struct ended ended = {0};
	const uint8_t *output = NULL;
	size_t len = 0, first;
	int ends[2], status;
	char asked[4096];

	if (size == 0 || size > 65536)
		return 0;
	first = data[0] == 0 ? 0 : (size_t)data[0] % size;
	data++;
	size--;
	status = status_expected(data, size, &output, &len);
	ensure(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
	ensure(worker_new(1, ends[0]) != NULL);
	ensure(call_start(&anybody, &proc, &args, done, &ended) != NULL);
	ensure(write(ends[1], data, first) == (ssize_t)first);
	loop();
	while (read(ends[1], asked, sizeof(asked)) > 0)
		;
	if (size > first)
		send(ends[1], data + first, size - first, MSG_NOSIGNAL);
	loop();
	close(ends[1]);
	loop();
	while (!LIST_EMPTY(&workers))
		worker_fail(LIST_FIRST(&workers), 503, "over");
	loop();
	while (read(keeper_end, asked, sizeof(asked)) > 0)
		;
	ensure(ended.times == 1);
	ensure(ended.status == 200 || ended.status == 422 || ended.status == 500 ||
	       ended.status == 503);
	/* An answer that comes before the question is not believed. */
	if (first == 0)
		ensure(ended.status == status);
	if (ended.status == 200)
		ensure(ended.answer.len == len &&
		       (len == 0 || memcmp(ended.answer.s, output, len) == 0));
	else
		ensure(text_clean(ended.answer.s, ended.answer.len));
	ensure(anybody.refs == 1 && anybody.calls == 0 && anybody.calls_waiting == 0);
	ensure(worker_count == 0);
	starting = 0;
	text_free(&ended.answer);
	return 0;
}
