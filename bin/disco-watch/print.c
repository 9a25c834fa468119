/* Events on standard output, each line by one write, or handed to a command. */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stamp.h"
#include "watch.h"

const char *const event_words[] = {
    "joined",	 "active", "warning", "error", "inactive", "changed", "restarted", "conflict",
    "forgotten", "paused", "resumed", "reset", "row",	   "sync",    "beat",	   NULL};

int event_number(const char *name, size_t len)
{
	for (int i = 0; event_words[i] != NULL; i++)
		if (strlen(event_words[i]) == len && memcmp(event_words[i], name, len) == 0)
			return i;
	return -1;
}

static bool of_master(const struct event *event)
{
	return row_is(&event->row, ROW_PROCESS, "*");
}

static bool wanted(struct watch *w, const struct event *event)
{
	int number = event_number(event->name, event->name_len);

	if (w->on != 0 && (number < 0 || !(w->on & 1u << number)))
		return false;
	if (!of_master(event))
		return match_row(&w->match, &event->row);
	if (event_is(event, "reset") || event_is(event, "sync"))
		return true;
	return w->on != 0 || !match_chooses(&w->match);
}

void event_json(struct text *text, const struct event *event)
{
	char stamp[STAMP_LENGTH];

	stamp_print(stamp, event->time_ms);
	text_string(text, "{\"event\":");
	text_json(text, event->name, event->name_len);
	text_string(text, ",\"from\":");
	if (event->from_len > 0)
		text_json(text, event->from, event->from_len);
	else
		text_string(text, "null");
	text_printf(text, ",\"time\":\"%.*s\",", STAMP_LENGTH, stamp);
	if (!of_master(event)) {
		row_json(text, &event->row, clock_ms(CLOCK_REALTIME));
	} else {
		struct text reason = {0};

		text_untsv(&reason, row_value(&event->row, ROW_REASON),
			   row_length(&event->row, ROW_REASON));
		text_printf(text, "\"seq\":%ju,\"reason\":", (uintmax_t)event->seq);
		if (reason.len > 0)
			text_json(text, reason.s, reason.len);
		else
			text_string(text, "null");
		text_free(&reason);
	}
	text_char(text, '}');
}

static char sign(const struct event *event)
{
	static const struct {
		const char *name;
		char sign;
	} signs[] = {
	    {"joined", '+'}, {"forgotten", '-'}, {"inactive", '-'}, {"warning", '!'},
	    {"error", '!'},  {"conflict", '!'},	 {"row", '='},	    {"sync", '='},
	    {"reset", '='},  {"paused", '='},	 {"resumed", '='},  {"beat", '.'},
	};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (event_is(event, signs[i].name))
			return signs[i].sign;
	return '~';
}

/* Two blanks and the value, wide enough that lines of usual names line up. */
static void field(struct text *text, const char *s, size_t len, size_t width)
{
	struct text bare = {0};
	size_t before;

	text_untsv(&bare, s, len);
	text_string(text, "  ");
	before = text->len;
	text_safe(text, bare.s, bare.len);
	while (text->len - before < width && !text->failed)
		text_char(text, ' ');
	text_free(&bare);
}

static void row_field(struct text *text, const struct row *row, enum row_column column,
		      size_t width)
{
	if (width > 0 || row_length(row, column) > 0)
		field(text, row_value(row, column), row_length(row, column), width);
}

static void event_line(struct watch *w, struct text *text, const struct event *event)
{
	time_t seconds = (time_t)(event->time_ms / 1000);
	char when[16];
	struct tm tm;
	bool tint = w->colour && !of_master(event);
	/* The state says it all, but where something else happened. */
	bool say_event = of_master(event) || event_is(event, "changed") ||
			 event_is(event, "restarted") || event_is(event, "conflict") ||
			 event_is(event, "forgotten");

	strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&seconds, &tm));
	text_printf(text, "%s.%03d  ", when, (int)(event->time_ms % 1000));
	if (tint)
		text_string(text, list_colour(row_state(&event->row)));
	text_char(text, sign(event));
	text_char(text, ' ');
	text_safe(text, event->row.text, row_length(&event->row, ROW_PROCESS));
	for (size_t n = row_length(&event->row, ROW_PROCESS); n < 16; n++)
		text_char(text, ' ');
	if (say_event)
		field(text, event->name, event->name_len, 9);
	else
		row_field(text, &event->row, ROW_STATE, 9);
	if (tint)
		text_string(text, LIST_PLAIN);
	row_field(text, &event->row, ROW_ADDRESS, of_master(event) ? 0 : 20);
	row_field(text, &event->row, ROW_REASON, 0);
	while (text->len > 0 && text->s[text->len - 1] == ' ')
		text->len--;
}

static void line_write(struct watch *w)
{
	size_t done = 0;

	if (w->out.failed)
		errx(EXIT_CANNOT, "out of memory");
	while (done < w->out.len) {
		ssize_t len = write(STDOUT_FILENO, w->out.s + done, w->out.len - done);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == EPIPE)
			exit(EXIT_DONE); /* whoever reads us has enough */
		if (len < 0)
			err(EXIT_CANNOT, "stdout");
		done += (size_t)len;
	}
}

void event_take(struct watch *w, const struct event *event)
{
	if (!wanted(w, event))
		return;
	text_clear(&w->out);
	if (w->json || w->exec != NULL)
		event_json(&w->out, event);
	else
		event_line(w, &w->out, event);
	text_char(&w->out, '\n');
	if (w->exec != NULL)
		command_run(w->exec, event, &w->out);
	else
		line_write(w);
	if (w->count > 0 && --w->count == 0)
		exit(EXIT_DONE);
}

void rows_take(struct watch *w)
{
	static const char nothing[] = "*\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t";
	const struct row **rows = calloc(w->view.count + 1, sizeof(rows[0]));
	struct event event = {.seq = w->view.seq,
			      .time_ms = clock_ms(CLOCK_REALTIME),
			      .name = "row",
			      .name_len = 3,
			      .from = ""};

	if (rows == NULL)
		err(EXIT_CANNOT, NULL);
	for (size_t i = 0; i < w->view.count; i++)
		rows[i] = &w->view.rows[i]->row;
	list_sort_names(rows, w->view.count);
	for (size_t i = 0; i < w->view.count; i++) {
		event.row = *rows[i];
		event_take(w, &event);
	}
	free(rows);
	event.name = "sync";
	event.name_len = 4;
	event.row.text = nothing;
	for (uint16_t i = 0; i <= ROW_COLUMNS; i++)
		event.row.at[i] = i == 0 ? 0 : (uint16_t)(i + 1);
	event_take(w, &event);
}
