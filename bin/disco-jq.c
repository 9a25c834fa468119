/*
 * disco-jq runs a jq program over rows, one JSON object a line.  It alone is
 * linked with libjq, and shuts itself in before it looks at the program.
 */
#include <err.h>
#include <errno.h>
#include <jq.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sandbox.h"
#include "text.h"
#include "version.h"

#define MEMORY ((rlim_t)256 << 20)
#define PROCESSOR_S 10
#define STALLED_S 60 /* without a row read or a result written */
#define FLUSH_AT ((size_t)64 * 1024)
#define LONGEST_MESSAGE 200

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* The one builtin that writes past us, and one whose own word is "break"; on the program's first
 * line, so that messages count its lines. */
static const char harmless[] = "def stderr: .; def input: error(\"there is no input here\"); ";

static bool complained; /* of a row: once is enough */
static size_t results;

#if SANITIZED
/* libjq hides its pointers from the leak checker. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libjq.so";
}
#endif

/* No more than this, nor than we were given. */
static void limit(int resource, rlim_t most, rlim_t spare)
{
	struct rlimit l;

	if (getrlimit(resource, &l) < 0)
		err(EXIT_CANNOT, "limits");
	if (l.rlim_max > most + spare)
		l.rlim_max = most + spare;
	l.rlim_cur = most < l.rlim_max ? most : l.rlim_max;
	if (setrlimit(resource, &l) < 0)
		err(EXIT_CANNOT, "limits");
}

static void shut_in(void)
{
	/* The soft limit sends SIGXCPU, which tells why we ended; the hard one only kills. */
	limit(RLIMIT_CPU, PROCESSOR_S, 5);
	limit(RLIMIT_CORE, 0, 0);
	if (SANITIZED) /* a sanitizer needs address space, files and a process */
		return;
	limit(RLIMIT_AS, MEMORY, 0);
	limit(RLIMIT_NPROC, 0, 0);
	closefrom(STDERR_FILENO + 1);
	limit(RLIMIT_NOFILE, 0, 0);
	if (sandbox_compute() < 0)
		err(EXIT_CANNOT, "seccomp");
}

static void out_of_memory(void *arg)
{
	(void)arg;
	errx(EXIT_CANNOT, "stopped: it took too much memory (more than %d MiB)",
	     (int)(MEMORY >> 20));
}

/* What jq says, in one clean line of bearable length. */
static void message_add(struct text *text, jv message)
{
	jv string = jv_get_kind(message) == JV_KIND_STRING ? message : jv_dump_string(message, 0);
	const char *s = jv_string_value(string);
	size_t len = strcspn(s, "\n");

	if (strncmp(s, "jq: error: ", 11) == 0) {
		s += 11;
		len -= 11;
	}
	if (len > LONGEST_MESSAGE) {
		text_safe(text, s, LONGEST_MESSAGE);
		text_string(text, "...");
	} else {
		text_safe(text, s, len);
	}
	jv_free(string);
}

/* jq reports a bad program in several calls; the first one says what is wrong. */
static void compile_error(void *arg, jv message)
{
	struct text *text = arg;

	if (text->len == 0)
		message_add(text, message);
	else
		jv_free(message);
}

/* "debug" ends up here: it is dropped. */
static void ignore(void *arg, jv value)
{
	(void)arg;
	jv_free(value);
}

/* "input" and "inputs": each row is by itself. */
static jv no_input(jq_state *jq, void *arg)
{
	(void)jq;
	(void)arg;
	return jv_invalid();
}

static void flush(struct text *out)
{
	size_t done = 0;

	if (out->failed)
		out_of_memory(NULL);
	while (done < out->len) {
		ssize_t len = write(STDOUT_FILENO, out->s + done, out->len - done);

		if (len < 0 && errno != EINTR)
			err(EXIT_CANNOT, "stdout");
		done += len > 0 ? (size_t)len : 0;
	}
	text_clear(out);
	alarm(STALLED_S);
}

static void result_add(struct text *out, jv result)
{
	if (jv_get_kind(result) != JV_KIND_STRING)
		result = jv_dump_string(result, 0);
	text_add(out, jv_string_value(result), (size_t)jv_string_length_bytes(jv_copy(result)));
	text_char(out, '\n');
	jv_free(result);
	results++;
	if (out->len >= FLUSH_AT)
		flush(out);
}

static void complain(jv row, jv message)
{
	jv name = jv_get_kind(row) == JV_KIND_OBJECT
		      ? jv_object_get(jv_copy(row), jv_string("process"))
		      : jv_null();
	struct text text = {0};

	if (complained) {
		jv_free(name);
		jv_free(message);
		return;
	}
	complained = true;
	if (jv_get_kind(name) == JV_KIND_STRING)
		text_safe(&text, jv_string_value(name),
			  (size_t)jv_string_length_bytes(jv_copy(name)));
	text_string(&text, text.len > 0 ? ": " : "");
	message_add(&text, message);
	warnx("%s", text_cstr(&text));
	text_free(&text);
	jv_free(name);
}

/* One row through the program.  False when it asked to halt. */
static bool run(jq_state *jq, jv row, struct text *out)
{
	jv result;

	jq_start(jq, jv_copy(row), 0);
	while (jv_is_valid(result = jq_next(jq)))
		result_add(out, result);
	if (jv_invalid_has_msg(jv_copy(result)))
		complain(row, jv_invalid_get_msg(result));
	else
		jv_free(result);
	jv_free(row);
	return !jq_halted(jq);
}

static void line_run(jq_state *jq, const char *line, size_t len, struct text *out)
{
	jv row = jv_parse_sized(line, (int)len);

	if (!jv_is_valid(row)) {
		complain(jv_null(), jv_invalid_get_msg(row));
		return;
	}
	if (!run(jq, row, out)) {
		flush(out);
		exit(complained ? EXIT_USAGE : results > 0 ? EXIT_DONE : EXIT_NO);
	}
}

static void rows_run(jq_state *jq)
{
	struct text in = {0}, out = {0};
	const char *end;
	ssize_t len;
	char *room;

	while ((room = text_room(&in, FLUSH_AT)) != NULL) {
		size_t at = 0;

		len = read(STDIN_FILENO, room, FLUSH_AT);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			err(EXIT_CANNOT, "stdin");
		if (len == 0)
			break;
		alarm(STALLED_S);
		in.len += (size_t)len;
		while ((end = memchr(in.s + at, '\n', in.len - at)) != NULL) {
			line_run(jq, in.s + at, (size_t)(end - in.s) - at, &out);
			at = (size_t)(end - in.s) + 1;
		}
		memmove(in.s, in.s + at, in.len - at);
		in.len -= at;
	}
	if (room == NULL)
		out_of_memory(NULL);
	if (in.len > 0)
		line_run(jq, in.s, in.len, &out);
	flush(&out);
	text_free(&in);
	text_free(&out);
}

int main(int argc, char **argv)
{
	static char *empty[] = {NULL};
	struct text wrong = {0}, program = {0};
	jq_state *jq;

	if (argc != 2 || argv[1][0] == '\0') {
		fputs("usage: disco-jq program\n", stderr);
		return EXIT_USAGE;
	}
	environ = empty; /* no env, and no .jq from anybody's home */
	shut_in();
	alarm(STALLED_S);
	jv_nomem_handler(out_of_memory, NULL);
	jq = jq_init();
	if (jq == NULL)
		out_of_memory(NULL);
	jq_set_attr(jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
	jq_set_attr(jq, jv_string("JQ_ORIGIN"), jv_string("/nowhere"));
	jq_set_attr(jq, jv_string("PROGRAM_ORIGIN"), jv_string("/nowhere"));
	jq_set_error_cb(jq, compile_error, &wrong);
	jq_set_debug_cb(jq, ignore, NULL);
	jq_set_input_cb(jq, no_input, NULL);
	text_string(&program, harmless);
	text_string(&program, argv[1]);
	if (!jq_compile(jq, text_cstr(&program)))
		errx(EXIT_USAGE, "%s", wrong.len > 0 ? text_cstr(&wrong) : "not a jq program");
	jq_set_error_cb(jq, ignore, NULL);
	rows_run(jq);
	jq_teardown(&jq);
	text_free(&wrong);
	text_free(&program);
	return complained ? EXIT_USAGE : results > 0 ? EXIT_DONE : EXIT_NO;
}
