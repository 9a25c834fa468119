/* An event as a line: for people, or as JSON. */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "list.h"
#include "version.h"
#include "watch.h"

const char *const event_names[] = {
    "joined",	 "active", "warning", "error", "inactive", "changed", "restarted", "conflict",
    "forgotten", "paused", "resumed", "row",   "sync",	   "reset",   "beat",	   NULL};

unsigned event_bit(const char *name, size_t len)
{
	for (unsigned i = 0; event_names[i] != NULL; i++)
		if (strlen(event_names[i]) == len && memcmp(event_names[i], name, len) == 0)
			return 1u << i;
	return 0;
}

/* + came, - went, ! needs a look, ~ is another, = is as it was. */
static char sign_of(const struct event *event)
{
	static const char signs[] = "+~!!-~~!-!~===~";

	for (int i = 0; event_names[i] != NULL; i++)
		if (event_is(event, event_names[i]))
			return signs[i];
	return '?';
}

static void value(struct text *out, const struct row *row, enum row_column column)
{
	struct text plain = {0};

	text_untsv(&plain, row_value(row, column), row_length(row, column));
	text_safe(out, text_cstr(&plain), plain.len);
	text_free(&plain);
}

static void pad(struct text *out, size_t from, size_t width)
{
	while (out->len - from < width)
		text_char(out, ' ');
}

static void print_words(struct watch *w, const struct event *event)
{
	const struct row *row = &event->row;
	bool master = row_is(row, ROW_PROCESS, "*");
	bool names_state =
	    event_is(event, "joined") || event_is(event, "row") || event_is(event, "beat");
	time_t seconds = (time_t)(event->time_ms / 1000);
	struct text *out = &w->out;
	struct tm tm;
	size_t from;

	localtime_r(&seconds, &tm);
	text_printf(out, "%02d:%02d:%02d.%03d  ", tm.tm_hour, tm.tm_min, tm.tm_sec,
		    (int)(event->time_ms % 1000));
	if (w->colour && !master)
		text_string(out, list_colour(row_state(row)));
	text_char(out, sign_of(event));
	text_char(out, ' ');
	from = out->len;
	value(out, row, ROW_PROCESS);
	pad(out, from, 16);
	text_string(out, "  ");
	from = out->len;
	if (names_state)
		value(out, row, ROW_STATE);
	else
		text_add(out, event->name, event->name_len);
	pad(out, from, 9);
	if (w->colour && !master)
		text_string(out, LIST_PLAIN);
	if (row_length(row, ROW_ADDRESS) > 0) {
		text_string(out, "  ");
		value(out, row, ROW_ADDRESS);
	}
	if (row_length(row, ROW_REASON) > 0) {
		text_string(out, "  ");
		value(out, row, ROW_REASON);
	}
	while (out->len > 0 && out->s[out->len - 1] == ' ')
		out->len--;
	text_char(out, '\n');
}

void print_event(struct watch *w, const struct event *event)
{
	if (!w->json) {
		print_words(w, event);
		return;
	}
	event_json(&w->out, event, source_now_ms(w));
	text_char(&w->out, '\n');
}

void print_flush(struct watch *w)
{
	size_t done = 0;
	ssize_t n;

	if (w->out.failed)
		errx(EXIT_CANNOT, "out of memory");
	while (done < w->out.len) {
		n = write(STDOUT_FILENO, w->out.s + done, w->out.len - done);
		if (n < 0 && errno == EPIPE)
			exit(EXIT_DONE);
		if (n < 0 && errno != EINTR)
			err(EXIT_CANNOT, "stdout");
		done += n > 0 ? (size_t)n : 0;
	}
	text_clear(&w->out);
}
