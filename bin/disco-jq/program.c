/* A jq program: from its text to its results. */
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "sandbox.h"

#define LONGEST_MESSAGE 200

#if SANDBOX_SANITIZED
/* libjq hides its pointers from the leak checker. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libjq.so";
}
#endif

void message_add(struct text *text, jv message)
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

void message_drop(void *arg, jv value)
{
	(void)arg;
	jv_free(value);
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

/* "input": what there is, the program has already. */
static jv no_input(jq_state *jq, void *arg)
{
	(void)jq;
	(void)arg;
	return jv_invalid();
}

jq_state *program_compile(const char *before, const char *text, size_t len, struct text *wrong,
			  void (*debug)(void *, jv), void *arg)
{
	struct text whole = {0};
	jq_state *jq = jq_init();
	bool good;

	if (jq == NULL)
		abort();
	jq_set_attr(jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
	jq_set_attr(jq, jv_string("JQ_ORIGIN"), jv_string("/nowhere"));
	jq_set_attr(jq, jv_string("PROGRAM_ORIGIN"), jv_string("/nowhere"));
	jq_set_error_cb(jq, compile_error, wrong);
	jq_set_debug_cb(jq, debug, arg);
	jq_set_input_cb(jq, no_input, NULL);
	text_string(&whole, before);
	text_add(&whole, text, len);
	good = jq_compile(jq, text_cstr(&whole)) && !whole.failed;
	if (whole.failed)
		text_string(wrong, "out of memory");
	text_free(&whole);
	jq_set_error_cb(jq, message_drop, NULL);
	if (good)
		return jq;
	if (wrong->len == 0)
		text_string(wrong, "not a jq program");
	jq_teardown(&jq);
	return NULL;
}

void result_add(struct text *out, jv result, bool raw)
{
	if (!raw || jv_get_kind(result) != JV_KIND_STRING)
		result = jv_dump_string(result, 0);
	text_add(out, jv_string_value(result), (size_t)jv_string_length_bytes(jv_copy(result)));
	text_char(out, '\n');
	jv_free(result);
}
