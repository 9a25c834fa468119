/*
 * A program over rows, one JSON object a line: each by itself, with constant
 * memory.
 */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

#define MEMORY ((rlim_t)256 << 20)
#define PROCESSOR_S 10
#define STALLED_S 60 /* without a row read or a result written */
#define FLUSH_AT ((size_t)64 * 1024)

/* The one builtin that writes past us, and one whose own word is "break"; on the program's first
 * line, so that messages count its lines. */
static const char harmless[] = "def stderr: .; def input: error(\"there is no input here\"); ";

static bool complained; /* of a row: once is enough */
static size_t results;

static void out_of_memory(void *arg)
{
	(void)arg;
	errx(EXIT_CANNOT, "stopped: it took too much memory (more than %d MiB)",
	     (int)(MEMORY >> 20));
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

static void result_take(struct text *out, jv result)
{
	result_add(out, result, true);
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
		result_take(out, result);
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

static void lines_run(jq_state *jq)
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

int rows_run(const char *text)
{
	static const struct cage cage = {.memory = MEMORY, .processor_s = PROCESSOR_S};
	struct text wrong = {0};
	jq_state *jq;

	if (!cage_enter(&cage))
		err(EXIT_CANNOT, "the sandbox");
	alarm(STALLED_S);
	jv_nomem_handler(out_of_memory, NULL);
	jq = program_compile(harmless, text, strlen(text), &wrong, message_drop, NULL);
	if (jq == NULL)
		errx(EXIT_USAGE, "%s", text_cstr(&wrong));
	lines_run(jq);
	jq_teardown(&jq);
	text_free(&wrong);
	return complained ? EXIT_USAGE : results > 0 ? EXIT_DONE : EXIT_NO;
}
