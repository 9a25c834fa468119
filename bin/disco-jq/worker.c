/*
 * Runs procedures: reads calls and answers them, one after the other.  Compiled
 * programs are kept, for compiling one takes longer than running most.
 */
#include <err.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "call.h"
#include "run.h"
#include "sandbox.h"

#define KEPT 16
#define DEBUGS 100 /* of a call are passed on */
#define STACK ((size_t)64 * 1024)

/*
 * What stands before a procedure.  What is not here is said in words; the
 * arguments come beside the rows, and not compiled in, so the program can be kept.
 */
static const char before[] =
    "def stderr: .; def input: error(\"there is no input here\"); def inputs: input; "
    "def halt: error(\"there is no halt here\"); def halt_error: halt; def halt_error($x): halt; "
    "def input_filename: null; def input_line_number: null; def get_search_list: []; "
    "def modulemeta: error(\"there are no modules here\"); "
    ".[1] as $args | .[0] | ";

struct kept {
	jq_state *jq; /* NULL: free */
	char *text;
	size_t len;
	uint64_t used;
};

static struct worker {
	int fd;
	struct cage cage;
	struct kept kept[KEPT];
	uint64_t calls;
	struct text program, args, rows_text, out;
	struct shape shape;
	jv *rows;
	size_t count, size;
	size_t debugs;
} worker;

static void write_all(const char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = write(worker.fd, s, len);

		if (n < 0 && errno != EINTR)
			_exit(EXIT_CANNOT);
		s += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

/* The last words; nothing can be allocated any more. */
static _Noreturn void stop(const char *words)
{
	struct call_head head = {.kind = CALL_STOPPED, .len = (uint32_t)strlen(words)};

	write_all((const char *)&head, sizeof(head));
	write_all(words, head.len);
	_exit(EXIT_CANNOT);
}

static _Noreturn void out_of_memory(void *arg)
{
	(void)arg;
	stop("stopped: it took too much memory");
}

static void on_signal(int signo)
{
	switch (signo) {
	case SIGXCPU: stop("stopped: it took too much processor time");
	case SIGABRT: stop("stopped: it took too much memory, or jq gave up");
	default: stop("stopped: it went too deep, or took too much memory");
	}
}

/* So that it can say why it ends, even when the stack is full. */
static void signals_take(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGXCPU, SIGFPE, SIGILL, SIGSYS};
	static char space[STACK];
	stack_t stack = {.ss_sp = space, .ss_size = sizeof(space)};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};

	if (SANDBOX_SANITIZED)
		return;
	sigaltstack(&stack, NULL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

static void answer(enum call_kind kind, const char *s, size_t len)
{
	struct call_head head = {.kind = kind, .len = (uint32_t)len};

	write_all((const char *)&head, sizeof(head));
	write_all(s, len);
}

static void answer_words(enum call_kind kind, struct text *words)
{
	if (words->failed)
		out_of_memory(NULL);
	answer(kind, words->s, words->len < CALL_WORDS_LARGEST ? words->len : CALL_WORDS_LARGEST);
}

/* "debug" */
static void debug(void *arg, jv value)
{
	struct text words = {0};

	(void)arg;
	if (worker.debugs++ < DEBUGS) {
		message_add(&words, jv_dump_string(jv_copy(value), 0));
		answer_words(CALL_DEBUG, &words);
	}
	text_free(&words);
	jv_free(value);
}

/* jq takes every program for one that was typed. */
static void message_trim(struct text *words)
{
	static const char guess[] = " (Unix shell quoting issues?)";
	char *at = words->len > 0 ? memmem(words->s, words->len, guess, sizeof(guess) - 1) : NULL;

	if (at != NULL) {
		words->len -= sizeof(guess) - 1;
		memmove(at, at + sizeof(guess) - 1, words->len - (size_t)(at - words->s));
	}
	if (words->len > 0 && words->s[words->len - 1] == ':')
		words->len--;
}

/* The program, compiled now or before; NULL when it is none. */
static jq_state *program_find(struct text *wrong)
{
	struct kept *kept, *oldest = worker.kept;

	for (kept = worker.kept; kept < worker.kept + KEPT; kept++) {
		if (kept->jq != NULL && kept->len == worker.program.len &&
		    memcmp(kept->text, worker.program.s, kept->len) == 0) {
			kept->used = worker.calls;
			return kept->jq;
		}
		if (kept->used < oldest->used)
			oldest = kept;
	}
	if (oldest->jq != NULL)
		jq_teardown(&oldest->jq);
	free(oldest->text);
	*oldest = (struct kept){.used = worker.calls};
	oldest->jq =
	    program_compile(before, worker.program.s, worker.program.len, wrong, debug, NULL);
	if (oldest->jq == NULL) {
		oldest->used = 0;
		return NULL;
	}
	oldest->text = malloc(worker.program.len + 1);
	if (oldest->text == NULL)
		out_of_memory(NULL);
	memcpy(oldest->text, worker.program.s, worker.program.len);
	oldest->len = worker.program.len;
	return oldest->jq;
}

static jv row_name(jv row)
{
	return jv_get_kind(row) == JV_KIND_OBJECT
		   ? jv_object_get(jv_copy(row), jv_string("process"))
		   : jv_null();
}

static int by_name(const void *a, const void *b)
{
	jv p = row_name(*(const jv *)a), q = row_name(*(const jv *)b);
	int order = jv_cmp(jv_copy(p), jv_copy(q));

	jv_free(p);
	jv_free(q);
	return order;
}

/* The rows in name order, as an array, which has them now. */
static jv rows_give(void)
{
	jv rows = jv_array_sized((int)worker.count);

	if (worker.count > 0)
		qsort(worker.rows, worker.count, sizeof(worker.rows[0]), by_name);
	for (size_t i = 0; i < worker.count; i++)
		rows = jv_array_append(rows, worker.rows[i]);
	worker.count = 0;
	return rows;
}

static void rows_drop(void)
{
	while (worker.count > 0)
		jv_free(worker.rows[--worker.count]);
	free(worker.rows);
	worker.rows = NULL;
	worker.size = 0;
}

static void row_add(jv row)
{
	if (worker.count == worker.size) {
		worker.size = worker.size > 0 ? 2 * worker.size : 1024;
		worker.rows = reallocarray(worker.rows, worker.size, sizeof(worker.rows[0]));
		if (worker.rows == NULL)
			out_of_memory(NULL);
	}
	worker.rows[worker.count++] = row;
}

/* The results into worker.out; when it fails, the reason into wrong. */
static bool results_make(jq_state *jq, bool raw, struct text *wrong)
{
	jv args = jv_parse_sized(worker.args.s, (int)worker.args.len), result;

	if (!jv_is_valid(args)) {
		jv_free(args);
		args = jv_object();
	}
	jq_start(jq, jv_array_append(jv_array_append(jv_array(), rows_give()), args), 0);
	while (jv_is_valid(result = jq_next(jq))) {
		result_add(&worker.out, result, raw);
		if (worker.out.failed)
			out_of_memory(NULL);
		if (worker.out.len > CALL_OUTPUT_LARGEST) {
			text_printf(wrong, "an answer of more than %d MiB",
				    CALL_OUTPUT_LARGEST >> 20);
			return false;
		}
	}
	if (!jv_invalid_has_msg(jv_copy(result))) {
		jv_free(result);
		return true;
	}
	message_add(wrong, jv_invalid_get_msg(result));
	if (wrong->len == 0)
		text_string(wrong, "it failed, and does not say why");
	return false;
}

/* It is better to begin anew than to meet the limit in the middle of a call. */
static bool used_up(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return used.tv_sec > (time_t)worker.cage.processor_s / 2;
}

/* Answers a call.  False when it was the last. */
static bool run(bool raw)
{
	struct text wrong = {0};
	bool good, last = false;
	jq_state *jq;

	worker.calls++;
	worker.debugs = 0;
	jq = program_find(&wrong);
	if (jq == NULL) {
		message_trim(&wrong);
		answer_words(CALL_BAD, &wrong);
	} else {
		good = results_make(jq, raw, &wrong);
		last = used_up();
		if (last)
			answer(CALL_LAST, "", 0);
		if (good)
			answer(CALL_OUTPUT, worker.out.s, worker.out.len);
		else
			answer_words(CALL_FAILED, &wrong);
		jq_start(jq, jv_null(), 0); /* it lets go of the rows */
	}
	rows_drop();
	text_free(&wrong);
	text_free(&worker.out);
	malloc_trim(0);
	return !last;
}

static void rows_take(void)
{
	const char *s = worker.rows_text.s, *end = s + worker.rows_text.len, *line;

	while (s < end && (line = memchr(s, '\n', (size_t)(end - s))) != NULL) {
		jv row = object_read(&worker.shape, s, (size_t)(line - s));

		if (jv_is_valid(row))
			row_add(row);
		else
			jv_free(row);
		s = line + 1;
	}
}

/* False at the end of who calls. */
static bool read_all(char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = read(worker.fd, s, len);

		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		s += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static bool frame_read(const struct call_head *head, struct text *text)
{
	char *room;

	text_clear(text);
	if (head->len > CALL_ROWS_LARGEST)
		return false;
	room = text_room(text, head->len + 1);
	if (room == NULL)
		out_of_memory(NULL);
	text->len = head->len;
	return read_all(room, head->len);
}

int worker_run(int fd, const struct cage *cage)
{
	struct text go = {0};
	struct call_head head;
	bool more = true;

	worker.fd = fd;
	worker.cage = *cage;
	worker.shape.object = jv_invalid();
	if (!cage_enter(cage))
		err(EXIT_CANNOT, "the sandbox");
	signals_take();
	jv_nomem_handler(out_of_memory, NULL);
	while (more && read_all((char *)&head, sizeof(head))) {
		struct text *text = head.kind == CALL_PROGRAM ? &worker.program
				    : head.kind == CALL_ARGS  ? &worker.args
				    : head.kind == CALL_ROWS  ? &worker.rows_text
							      : &go;

		if (!frame_read(&head, text))
			break;
		if (head.kind == CALL_ROWS)
			rows_take();
		if (head.kind == CALL_GO)
			more = run(go.len == 3 && memcmp(go.s, "raw", 3) == 0);
	}
	text_free(&go);
	return EXIT_DONE;
}
