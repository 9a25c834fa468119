/*
 * The event log while it grows, is begun anew, and finds the disk full in the
 * middle of a line: whoever follows it has each event once, and what a new
 * segment's keyframe and events make is the table.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/follow.h"
#include "../../lib/segment.h"
#include "../../lib/spool.h"
#include "../../lib/view.h"
#include "tap.h"

#define ROWS 3000 /* a keyframe of several slices */

static char dir[] = "/tmp/disco-log-XXXXXX";
static struct table *table;
static struct log events;
static struct now now = {1 << 20, INT64_C(1764000000000)};
static uint64_t inode;

/* A heartbeat of new content: an event, and two when it is the first. */
static void change(int process)
{
	char name[16], address[32];
	struct heartbeat hb = {.service = "s", .address = address};
	struct seen seen = {++inode, now.real_ms * 1000000, 0, "root", false};

	snprintf(name, sizeof(name), "p%04d", process);
	snprintf(address, sizeof(address), "h:%" PRIu64, inode);
	now.mono_ms++;
	now.real_ms++;
	if (!table_content(table, table_find(table, name, strlen(name)), name, &seen, &hb, now))
		abort();
}

/* What follows in order, or why it does not. */
struct reader {
	struct follow follow;
	struct view view;
	uint64_t first, last; /* seq of its first event and of the last */
	size_t events, resets;
	bool good;
};

static void reader_open(struct reader *reader)
{
	*reader = (struct reader){.good = true};
	head_init(&reader->view.head);
	if (follow_open(&reader->follow, dir) < 0)
		abort();
}

static void reader_take(struct reader *reader)
{
	struct event event;
	int got;

	while ((got = follow_next(&reader->follow, &event)) > 0) {
		reader->good &= view_apply(&reader->view, &event);
		reader->resets += event_is(&event, "reset");
		if (event_is(&event, "row") || event_is(&event, "sync") ||
		    event_is(&event, "reset"))
			continue;
		reader->good &= reader->last == 0 || event.seq == reader->last + 1;
		reader->first = reader->events++ == 0 ? event.seq : reader->first;
		reader->last = event.seq;
	}
	reader->good &= got == 0;
}

/* Whether it has all rows as the table has them. */
static bool reader_agrees(const struct reader *reader)
{
	size_t same = 0;

	table_order(table);
	for (size_t i = 0; i < table->ordered; i++) {
		const struct process *p = table->order[i];
		const struct view_row *row =
		    view_find(&reader->view, p->line, strcspn(p->line, "\t"));
		struct row own;

		if (row == NULL || !row_split(&own, p->line, p->len - 1))
			continue;
		same += row_length(&own, ROW_ADDRESS) == row_length(&row->row, ROW_ADDRESS) &&
			memcmp(row_value(&own, ROW_ADDRESS), row_value(&row->row, ROW_ADDRESS),
			       row_length(&own, ROW_ADDRESS)) == 0;
	}
	return same == table->rows && reader->view.count == table->rows;
}

static void reader_close(struct reader *reader)
{
	view_free(&reader->view);
	follow_close(&reader->follow);
}

/* Whoever comes now, and reads all from the newest keyframe on. */
static bool newcomer_agrees(void)
{
	struct reader reader;
	bool agrees;

	reader_open(&reader);
	if (follow_start_keyframe(&reader.follow) < 0)
		abort();
	reader_take(&reader);
	agrees = reader.good && reader_agrees(&reader);
	reader_close(&reader);
	return agrees;
}

/* So that files grow to so many bytes and no further; 0: as far as they like. */
static void disk_ends(int64_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes > 0 ? (rlim_t)bytes : limit.rlim_max;
	setrlimit(RLIMIT_FSIZE, &limit);
}

static void begin(void)
{
	table_order(table);
	if (log_begin(&events, table, now) < 0)
		abort();
}

static int begin_all(void)
{
	int more = 0;

	while (more == 0) {
		table_order(table);
		more = log_continue(&events, table, now);
	}
	return more;
}

static void test_changes_while_begun(void)
{
	struct reader reader;
	uint64_t segment = events.segment;
	size_t slices = 0;
	int more = 0;

	reader_open(&reader);
	follow_start_at_end(&reader.follow);
	begin();
	while (more == 0) {
		change((int)(slices * 700) %
		       ROWS); /* both behind the keyframe's writer and before it */
		change(ROWS - 1 - (int)slices);
		log_append(&events, &table->events);
		more = log_continue(&events, table, now);
		slices++;
	}
	ok(more == 1 && slices > 2 && events.segment > segment,
	   "a segment is begun in %zu slices while rows change", slices);
	change(5);
	log_append(&events, &table->events);
	reader_take(&reader);
	ok(reader.good && reader.resets == 0 && reader.events == 2 * slices + 1 &&
	       reader.last == table->seq,
	   "a follower has each of %zu events once", reader.events);
	ok(newcomer_agrees(), "a newcomer has all rows as they are");
	reader_close(&reader);
}

static void test_full_while_begun(void)
{
	struct reader reader;
	size_t left;
	int result;

	reader_open(&reader);
	follow_start_at_end(&reader.follow);
	begin();
	log_continue(&events, table, now);
	for (int i = 0; i < 4; i++)
		change(i);
	disk_ends(events.offset + 250); /* in the middle of the second line */
	result = log_append(&events, &table->events);
	left = table->events.len;
	ok(result == -1 && errno == EFBIG && left > 0, "the disk is full in the middle of a line");
	reader_take(&reader);
	ok(reader.good && reader.events == 1, "no half of it is followed");
	disk_ends(0);
	change(4);
	ok(log_append(&events, &table->events) == 0 && begin_all() == 1,
	   "there is room again, and the segment is begun");
	reader_take(&reader);
	ok(reader.good && reader.resets == 0 && reader.events == 5, "each event is followed, once");
	ok(newcomer_agrees(), "a newcomer has all rows as they are");
	reader_close(&reader);
}

static void test_no_keyframe_for_want_of_room(void)
{
	uint64_t segment = events.segment;
	int more = 0;

	begin();
	change(1);
	log_append(&events, &table->events);
	disk_ends(20000);
	while (more == 0)
		more = log_continue(&events, table, now);
	ok(more == -1 && events.segment == segment && !log_beginning(&events),
	   "a segment that finds no room is given up");
	disk_ends(0);
	change(2);
	log_append(&events, &table->events);
	ok(newcomer_agrees(), "the old one goes on");
}

/* As when memory was out while a line was made; and a segment was being begun, or not. */
static void test_gap(bool begun)
{
	struct reader reader;

	reader_open(&reader);
	follow_start_at_end(&reader.follow);
	if (begun)
		begin();
	change(7);
	change(8);
	table->events.len -= 20;
	table->events.failed = true;
	log_append(&events, &table->events);
	ok(log_full(&events) && !log_beginning(&events),
	   "after an event that could not be told a new segment is wanted");
	reader_take(&reader);
	ok(reader.good && reader.events == 1, "those before it are");
	begin();
	change(9);
	log_append(&events, &table->events);
	begin_all();
	reader_take(&reader);
	ok(reader.resets == 1 && reader_agrees(&reader),
	   "who follows is told that there is a gap, and has all rows");
	reader_close(&reader);
}

static void segment_remove(uint64_t segment)
{
	char path[SPOOL_PATH], name[SEGMENT_NAME];

	segment_name(name, segment);
	snprintf(path, sizeof(path), "%s/%s/%s", dir, SPOOL_EVENTS, name);
	if (unlink(path) < 0)
		abort();
}

/* A follower that was stopped for long: the segment after its own is gone. */
static void test_segment_missing(void)
{
	struct reader reader;
	uint64_t middle = 0;

	reader_open(&reader);
	follow_start_at_end(&reader.follow);
	for (int i = 0; i < 2; i++) {
		change(i);
		log_append(&events, &table->events);
		begin();
		begin_all();
		middle = i == 0 ? events.segment : middle;
	}
	segment_remove(middle);
	change(3);
	log_append(&events, &table->events);
	reader_take(&reader);
	ok(reader.resets == 1 && reader_agrees(&reader),
	   "where a segment is missing a follower begins anew, and says so");
	reader_close(&reader);
}

/* Nobody but a master writes there; what is no line of one is passed over. */
static void test_long_line(void)
{
	size_t size = 3 * TEXT_READ;
	char *line = malloc(size);
	struct reader reader;
	struct text text = {0};

	reader_open(&reader);
	follow_start_at_end(&reader.follow);
	memset(line, 'x', size);
	text_add(&text, line, size);
	text_char(&text, '\n');
	log_append(&events, &text);
	change(3);
	log_append(&events, &table->events);
	reader_take(&reader);
	ok(reader.good && reader.events == 1, "a line that is none of ours is passed over");
	reader_close(&reader);
	text_free(&text);
	free(line);
}

static void test_torn(void)
{
	uint64_t segment = events.segment, last = table->seq;
	int64_t length = events.offset;

	if (pwrite(events.fd, "12345\t2026", 10, length) != 10)
		abort();
	log_close(&events);
	log_open(&events, dir, &log_limits_default);
	ok(events.segment == segment && events.offset == length && events.last == last,
	   "a line that was not finished is cut off, and the last number known");
}

static void tidy(void)
{
	char path[SPOOL_PATH], name[SEGMENT_NAME];
	uint64_t *seqs;
	int fd = open(spool_path(path, dir, SPOOL_EVENTS), O_RDONLY | O_DIRECTORY);
	int count = segment_list(fd, &seqs);

	for (int i = 0; i < count; i++) {
		segment_name(name, seqs[i]);
		unlinkat(fd, name, 0);
	}
	free(seqs);
	close(fd);
	rmdir(path);
	rmdir(dir);
}

int main(void)
{
	struct limits limits = {30000, 90000, 600000};
	char path[SPOOL_PATH];

	signal(SIGXFSZ, SIG_IGN);
	if (mkdtemp(dir) == NULL || mkdir(spool_path(path, dir, SPOOL_EVENTS), 0755) < 0)
		abort();
	table = table_new(&limits, now);
	if (table == NULL || log_open(&events, dir, &log_limits_default) < 0)
		abort();
	for (int i = 0; i < ROWS; i++)
		change(i);
	log_append(&events, &table->events);
	ok(log_full(&events), "a log without a segment wants one");
	begin();
	change(0);
	log_append(&events, &table->events);
	ok(begin_all() == 1 && newcomer_agrees(), "the first segment has all rows");
	test_changes_while_begun();
	test_full_while_begun();
	test_no_keyframe_for_want_of_room();
	test_gap(false);
	test_gap(true);
	test_segment_missing();
	test_long_line();
	test_torn();
	log_close(&events);
	table_free(table);
	tidy();
	return tap_done();
}
