/*
 * A segment of the log, read as it grows: it comes to the same events wherever it
 * is torn, each once and in order; what they make is a view whose rows are sound;
 * and a writer that takes it up cuts off what is no whole line.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "follow.h"
#include "fuzz.h"
#include "segment.h"
#include "spool.h"
#include "stamp.h"
#include "view.h"

#define NOW_MS INT64_C(1795000000000)

static char dir[] = "/tmp/disco-fuzz-XXXXXX", path[64];

static void tidy(void)
{
	char events[64];

	unlink(path);
	rmdir(spool_path(events, dir, SPOOL_EVENTS));
	rmdir(dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char name[SPOOL_PATH];

	(void)argc, (void)argv;
	ensure(mkdtemp(dir) != NULL);
	ensure(mkdir(spool_path(name, dir, SPOOL_EVENTS), 0700) == 0);
	snprintf(path, sizeof(path), "%s/%s/%020d", dir, SPOOL_EVENTS, 1);
	atexit(tidy);
	return 0;
}

/* A new file: file systems take their time to empty one. */
static void segment_add(const uint8_t *data, size_t size, bool anew)
{
	int fd = anew ? unlink(path) : 0;

	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

	ensure(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

/* What was understood of an event is all that it says. */
static void same_again(const struct event *event)
{
	const char *row = event->row.text;
	size_t len = (size_t)event->row.at[ROW_COLUMNS] - 1;
	char stamp[STAMP_LENGTH];
	struct text line = {0};
	struct event again;

	stamp_print(stamp, event->time_ms);
	text_printf(&line, "%" PRIu64 "\t%.*s\t", event->seq, STAMP_LENGTH, stamp);
	text_add(&line, event->name, event->name_len);
	text_char(&line, '\t');
	text_add(&line, event->from, event->from_len);
	text_char(&line, '\t');
	text_add(&line, row, len);
	ensure(event_split(&again, line.s, line.len));
	ensure(again.seq == event->seq && again.time_ms == event->time_ms);
	ensure(again.name_len == event->name_len && again.from_len == event->from_len);
	ensure(memcmp(again.name, event->name, event->name_len) == 0 &&
	       memcmp(again.from, event->from, event->from_len) == 0);
	ensure((size_t)again.row.at[ROW_COLUMNS] - 1 == len &&
	       memcmp(again.row.text, row, len) == 0);
	text_free(&line);
}

/* Takes what there is; each event into the view, and its JSON behind the text. */
static void take(struct follow *follow, struct view *view, struct text *told)
{
	struct event event;
	uint64_t last = follow->seq;
	int got;

	while ((got = follow_next(follow, &event)) > 0) {
		size_t at = told->len;

		if (!event_is(&event, "row")) {
			ensure(event.seq > last || event_is(&event, "sync"));
			last = event.seq;
			same_again(&event);
		}
		event_json(told, &event, NOW_MS);
		ensure(fuzz_json(told->s + at, told->len - at));
		text_char(told, '\n');
		ensure(view_apply(view, &event));
	}
	ensure(got == 0);
}

static void view_init(struct view *view)
{
	*view = (struct view){0};
	head_init(&view->head);
}

static void view_sound(const struct view *view)
{
	for (size_t i = 0; i < view->count; i++) {
		const struct view_row *row = view->rows[i];
		struct row split;

		ensure(row->at == i);
		ensure(row_split(&split, row->row.text, (size_t)row->row.at[ROW_COLUMNS] - 1));
		ensure(view_find(view, row->row.text, row_length(&row->row, ROW_PROCESS)) == row);
	}
}

/* What is read of the segment when it comes in two parts. */
static void read_torn(const uint8_t *data, size_t size, size_t torn, struct text *told)
{
	struct follow follow;
	struct view view;

	view_init(&view);
	segment_add(data, torn, true);
	ensure(follow_open_once(&follow, dir) == 0 && follow_start_keyframe(&follow) == 0);
	take(&follow, &view, told);
	if (torn < size) {
		segment_add(data + torn, size - torn, false);
		take(&follow, &view, told);
	}
	view_sound(&view);
	view_free(&view);
	follow_close(&follow);
}

static void writer_takes_up(const uint8_t *data, size_t size)
{
	const uint8_t *end = memrchr(data, '\n', size);
	size_t whole = end == NULL ? 0 : (size_t)(end - data) + 1;
	struct stat st;
	struct log log;

	ensure(log_open(&log, dir, &log_limits_default) == 0);
	ensure(stat(path, &st) == 0 && (size_t)st.st_size == whole);
	ensure((size_t)log.offset == whole && log.keyframe <= log.offset);
	log_close(&log);
}

/* The first two bytes say where it is torn. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text whole = {0}, torn = {0};
	size_t at;

	if (size < 2)
		return 0;
	at = (size_t)data[0] << 8 | data[1];
	data += 2;
	size -= 2;
	read_torn(data, size, size, &whole);
	read_torn(data, size, at % (size + 1), &torn);
	ensure(text_same(&whole, &torn));
	writer_takes_up(data, size);
	text_free(&whole);
	text_free(&torn);
	return 0;
}
