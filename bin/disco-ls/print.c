/* Rows on standard output: for people, as JSON, as TSV, or the address of one. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ls.h"

#define WRITE_AT ((size_t)64 * 1024)

void write_out(int fd, struct text *text)
{
	size_t done = 0;

	if (text->failed) {
		errno = ENOMEM;
		err(EXIT_CANNOT, NULL);
	}
	while (done < text->len) {
		ssize_t len = write(fd, text->s + done, text->len - done);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			err(EXIT_CANNOT, "stdout");
		done += (size_t)len;
	}
	text_clear(text);
}

int terminal_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	int width = columns != NULL ? atoi(columns) : 0;

	if (width <= 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		width = size.ws_col;
	return width > 0 ? width : 80;
}

static bool colours_wanted(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return (no_color == NULL || *no_color == '\0') &&
	       (term == NULL || strcmp(term, "dumb") != 0);
}

/* A person is told that there is nothing; a program has the exit status. */
static int nothing(void)
{
	bool dim = isatty(STDERR_FILENO) && colours_wanted();

	if (isatty(STDOUT_FILENO))
		fprintf(stderr, "%sno process%s\n", dim ? list_colour(STATE_INACTIVE) : "",
			dim ? LIST_PLAIN : "");
	return EXIT_NO;
}

int print_list(struct ls *ls)
{
	struct text out = {0};

	if (ls->count == 0)
		return nothing();
	if (ls->list.count == 0)
		list_default(&ls->list);
	if (isatty(STDOUT_FILENO)) {
		ls->list.width = terminal_width();
		ls->list.colour = colours_wanted();
	}
	list_print(&ls->list, &out, ls->rows, ls->count, ls->now_ms);
	write_out(STDOUT_FILENO, &out);
	text_free(&out);
	return EXIT_DONE;
}

int print_json(struct ls *ls)
{
	struct text out = {0};

	for (size_t i = 0; i < ls->count; i++) {
		text_char(&out, '{');
		row_json(&out, ls->rows[i], ls->now_ms);
		text_add(&out, "}\n", 2);
		if (out.len >= WRITE_AT)
			write_out(STDOUT_FILENO, &out);
	}
	write_out(STDOUT_FILENO, &out);
	text_free(&out);
	return ls->count > 0 ? EXIT_DONE : nothing();
}

/* The seconds since its last beat. */
static void age_print(struct text *out, const struct row *row, int64_t now_ms)
{
	int64_t ms = row_time_ms(row, ROW_LAST_HB);

	if (ms > 0)
		text_number(out, now_ms > ms ? (now_ms - ms) / 1000 : 0);
}

static void columns_print(const struct ls *ls, struct text *out, const struct row *row, bool quoted)
{
	for (size_t i = 0; i < ls->list.count; i++) {
		int column = ls->list.columns[i];
		const char *value = "";
		size_t len = 0;

		if (column < ROW_COLUMNS) {
			value = row_value(row, (enum row_column)column);
			len = row_length(row, (enum row_column)column);
		}
		if (i > 0)
			text_char(out, '\t');
		if (column == LIST_AGE)
			age_print(out, row, ls->now_ms);
		else if (quoted)
			text_add(out, value, len);
		else
			text_untsv(out, value, len);
	}
	text_char(out, '\n');
}

static void names_print(const struct ls *ls, struct text *out)
{
	for (size_t i = 0; i < ls->list.count; i++) {
		int column = ls->list.columns[i];

		text_string(out, i > 0 ? "\t" : "");
		text_string(out, column == LIST_AGE ? "age" : row_names[column]);
	}
	text_char(out, '\n');
}

int print_tsv(struct ls *ls)
{
	struct text out = {0};

	if (ls->count == 0)
		return nothing();
	if (ls->list.count == 0)
		for (uint8_t i = 0; i < ROW_COLUMNS; i++)
			ls->list.columns[ls->list.count++] = i;
	if (ls->list.header)
		names_print(ls, &out);
	for (size_t i = 0; i < ls->count; i++) {
		columns_print(ls, &out, ls->rows[i], true);
		if (out.len >= WRITE_AT)
			write_out(STDOUT_FILENO, &out);
	}
	write_out(STDOUT_FILENO, &out);
	text_free(&out);
	return EXIT_DONE;
}

static bool has_all(const struct ls *ls, const struct row *row)
{
	for (size_t i = 0; i < ls->list.count; i++)
		if (ls->list.columns[i] != LIST_AGE &&
		    row_length(row, (enum row_column)ls->list.columns[i]) == 0)
			return false;
	return true;
}

int print_one(struct ls *ls)
{
	const struct row *chosen = NULL;
	struct text out = {0};
	uint32_t seen = 0;

	if (ls->list.count == 0)
		ls->list.columns[ls->list.count++] = ROW_ADDRESS;
	for (size_t i = 0; i < ls->count; i++) {
		if (!ls->states_asked && row_state(ls->rows[i]) != STATE_ACTIVE)
			continue;
		/* The n-th takes the place of the one before with a chance of 1 in n. */
		if (has_all(ls, ls->rows[i]) && arc4random_uniform(++seen) == 0)
			chosen = ls->rows[i];
	}
	if (chosen == NULL)
		return nothing();
	columns_print(ls, &out, chosen, false);
	write_out(STDOUT_FILENO, &out);
	text_free(&out);
	return EXIT_DONE;
}
