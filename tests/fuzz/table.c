/* A table that came from anywhere: its head is printed so that it reads the same, and its rows are
 * found by name and fit for JSON. */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "list.h"
#include "name.h"
#include "view.h"

#define NOW_MS INT64_C(1795000000000)

static void head_reads(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	size_t len = end == NULL ? size : (size_t)(end - data);
	struct head head, again;
	struct text text = {0};
	char *line = fuzz_copy(data, len);

	head_init(&head);
	head_init(&again);
	if (head_parse(&head, line, len)) {
		head_print(&head, &text);
		ensure(head_parse(&again, text.s, text.len));
		ensure(head.seq == again.seq && head.time_ms == again.time_ms &&
		       head.rows == again.rows && head.tick_ms == again.tick_ms &&
		       head.segment == again.segment && head.offset == again.offset &&
		       head.paused_until_ms == again.paused_until_ms &&
		       head.refused == again.refused && strcmp(head.boot, again.boot) == 0);
		ensure(memcmp(&head.limits, &again.limits, sizeof(head.limits)) == 0);
	}
	text_free(&text);
	free(line);
}

static void row_reads(const struct view *view, const struct view_row *vr)
{
	const struct row *row = &vr->row;
	struct text text = {0};
	char *name = fuzz_copy(row->text, row_length(row, ROW_PROCESS));

	ensure(name_check(name) == NULL);
	ensure(view_find(view, name, strlen(name)) == vr);
	ensure(view->rows[vr->at] == vr);
	for (int i = 0; i < ROW_COLUMNS; i++) {
		enum row_column column = (enum row_column)i;

		ensure(memchr(row_value(row, column), '\t', row_length(row, column)) == NULL);
		ensure(memchr(row_value(row, column), '\n', row_length(row, column)) == NULL);
		ensure(row_number(row, column) >= 0 && row_duration_ms(row, column) >= 0);
	}
	text_char(&text, '{');
	row_json(&text, row, NOW_MS);
	text_char(&text, '}');
	ensure(fuzz_json(text.s, text.len));
	text_free(&text);
	free(name);
}

/* As they are shown to people. */
static void list_reads(const struct view *view)
{
	static struct list list = {.header = true, .width = 100};
	const struct row **rows = calloc(view->count + 1, sizeof(rows[0]));
	struct text text = {0};

	for (list.count = 0; list.count < LIST_COLUMNS; list.count++)
		list.columns[list.count] = (uint8_t)list.count;
	for (size_t i = 0; i < view->count; i++)
		rows[i] = &view->rows[i]->row;
	for (int column = -1; column < LIST_COLUMNS; column++)
		ensure(list_sort(rows, view->count, column, column % 2 == 0));
	list_print(&list, &text, rows, view->count, NOW_MS);
	ensure(fuzz_lines(text.s, text.len));
	text_free(&text);
	free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("table", 0);
	struct view view;

	head_reads(data, size);
	ensure(write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
	if (view_read(&view, fd) == 0) {
		for (size_t i = 0; i < view.count; i++)
			row_reads(&view, view.rows[i]);
		list_reads(&view);
	}
	view_free(&view);
	close(fd);
	return 0;
}
