/* A table read for the rows that match: it is what comes of all rows and a choice among them,
 * wherever the parts of the file that are read in one call end. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/spool.h"
#include "../../lib/view.h"
#include "tap.h"

#define ROWS 6000 /* more than is read in three calls */

static char dir[] = "/tmp/disco-view-XXXXXX", path[SPOOL_PATH];

static void rows_make(struct text *text)
{
	static const char *const states[] = {"active", "warning", "error", "inactive"};

	for (int i = 0; i < ROWS; i++) {
		text_printf(text, "p%05d\ts%ld\t%s\t\t\t1\t\t\t\t\t\t\t\t", i, random() % 50,
			    states[random() % 4]);
		for (long n = random() % 300; n > 0; n--)
			text_char(text, 'r');
		text_printf(text, "\t\t\t\t\t\t\t\t%d\t\n", i + 1);
	}
}

static void table_write(const struct text *rows, int count)
{
	struct text text = {0};
	struct head head;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	head_init(&head);
	head.rows = count;
	head_print(&head, &text);
	text_char(&text, '\n');
	row_print_names(&text, false);
	text_add(&text, rows->s, rows->len);
	if (fd < 0 || text.failed || write(fd, text.s, text.len) != (ssize_t)text.len)
		ok(false, "a table is written");
	close(fd);
	text_free(&text);
}

static bool same(const struct view *all, const struct view *some, struct match *match)
{
	size_t n = 0;

	for (size_t i = 0; i < all->count; i++) {
		const struct row *a = &all->rows[i]->row, *b;

		if (!match_row(match, a))
			continue;
		if (n == some->count)
			return false;
		b = &some->rows[n++]->row;
		if (memcmp(a->at, b->at, sizeof(a->at)) != 0 ||
		    memcmp(a->text, b->text, a->at[ROW_COLUMNS]) != 0)
			return false;
	}
	return n == some->count;
}

static void test_chosen(void)
{
	static char name[] = "p0*7", service[] = "s7";
	char *const patterns[] = {name, service};
	struct {
		struct match match;
		size_t least, most;
	} matches[] = {
	    {{.states = MATCH_ALL_STATES}, ROWS, ROWS},
	    {{.states = MATCH_ALL_STATES, .service = "s3"}, 60, 200},
	    {{.states = MATCH_ALL_STATES, .service = "none"}, 0, 0},
	    {{.states = MATCH_ALL_STATES, .patterns = patterns, .count = 2}, 600, 1000},
	    {{.states = 1u << STATE_ERROR, .service = "s1*"}, 200, 600},
	};
	struct view all, some;

	ok(view_load(&all, dir, NULL) == 0 && all.count == ROWS, "all rows");
	for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
		bool good = view_load(&some, dir, &matches[i].match) == 0 &&
			    same(&all, &some, &matches[i].match);

		ok(good && some.count >= matches[i].least && some.count <= matches[i].most,
		   "%zu of them", some.count);
		view_free(&some);
		text_free(&matches[i].match.scratch);
	}
	view_free(&all);
}

/* Before there is an index, and after. */
static void test_found(void)
{
	static const char last[] = "p05999",
			  new[] = "q\ts\tactive\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t";
	struct view_row *row;
	struct view view;

	ok(view_load(&view, dir, NULL) == 0, "a table");
	row = view_find(&view, last, strlen(last));
	if (!ok(row != NULL && row->at == ROWS - 1, "its last row is found"))
		return;
	ok(view_find(&view, last, strlen(last) - 1) == NULL, "half a name is not");
	ok(view_put(&view, new, strlen(new)) && view.count == ROWS + 1, "one more is put in");
	ok(view_find(&view, last, strlen(last)) == row, "the last row is found again");
	ok(view_put(&view, row->row.text, row->row.at[ROW_COLUMNS] - 1u) && view.count == ROWS + 1,
	   "it is put over itself");
	view_free(&view);
}

static void test_refused(const struct text *rows)
{
	struct match none = {.states = MATCH_ALL_STATES, .service = "none"};
	struct view view;

	for (int count = ROWS - 1; count <= ROWS + 1; count++) {
		table_write(rows, count);
		ok((view_load(&view, dir, &none) == 0) == (count == ROWS) && view.count == 0,
		   "a table of %d rows that says %d", ROWS, count);
		view_free(&view);
	}
	text_free(&none.scratch);
}

int main(void)
{
	struct text rows = {0};

	srandom(1);
	if (mkdtemp(dir) == NULL)
		return 1;
	spool_path(path, dir, SPOOL_TABLE);
	rows_make(&rows);
	table_write(&rows, ROWS);
	test_chosen();
	test_found();
	test_refused(&rows);
	text_free(&rows);
	unlink(path);
	rmdir(dir);
	return tap_done();
}
