/*
 * The content of a heartbeat file: what is accepted is printed so that it reads
 * the same; it makes a row whose values are those of the file; a second reading
 * is no news; and all of it is fit for JSON and for a terminal.
 */
#include "heartbeat.h"

#include "fuzz.h"
#include "list.h"
#include "table.h"

static const struct now now = {1000000, 1795000000000};
static const struct seen seen = {.ino = 1, .ctime_ns = 1795000000000000000, .user = "user"};

static void same(const struct heartbeat *a, const struct heartbeat *b)
{
	ensure(fuzz_same(a->service, b->service) && fuzz_same(a->host, b->host) &&
	       fuzz_same(a->ip, b->ip) && fuzz_same(a->address, b->address) &&
	       fuzz_same(a->version, b->version) && fuzz_same(a->reason, b->reason) &&
	       fuzz_same(a->boot, b->boot) && fuzz_same(a->start, b->start) &&
	       fuzz_same(a->via, b->via) && fuzz_same(a->token, b->token));
	ensure(a->pid == b->pid && a->every_ms == b->every_ms && a->state == b->state &&
	       a->held == b->held);
	ensure(memcmp(&a->limits, &b->limits, sizeof(a->limits)) == 0);
	ensure(a->extra_count == b->extra_count);
	for (size_t i = 0; i < a->extra_count; i++)
		ensure(fuzz_same(a->extras[i].key, b->extras[i].key) &&
		       fuzz_same(a->extras[i].value, b->extras[i].value));
}

static void column_is(const struct row *row, enum row_column column, const char *value)
{
	struct text bare = {0};

	text_untsv(&bare, row_value(row, column), row_length(row, column));
	ensure(strcmp(text_cstr(&bare), value != NULL ? value : "") == 0);
	text_free(&bare);
}

/* The pairs of the column are those of the file. */
static void meta_is(const struct row *row, const struct heartbeat *hb)
{
	struct text bare = {0};
	char *meta, *key, *value;

	text_untsv(&bare, row_value(row, ROW_META), row_length(row, ROW_META));
	text_cstr(&bare);
	meta = bare.s;
	for (size_t i = 0; i < hb->extra_count; i++) {
		const struct extra *extra = &hb->extras[i];

		if (strncmp(extra->key, "meta.", 5) != 0 || extra->key[5] == '\0')
			continue;
		ensure(row_meta_next(&meta, &key, &value));
		ensure(strcmp(key, extra->key + 5) == 0 && strcmp(value, extra->value) == 0);
	}
	ensure(!row_meta_next(&meta, &key, &value));
	text_free(&bare);
}

static void row_shows(const struct row *row, const struct heartbeat *hb)
{
	static const struct list list = {.columns = {ROW_PROCESS, ROW_SERVICE, ROW_STATE,
						     ROW_ADDRESS, ROW_REASON, ROW_META, LIST_AGE},
					 .count = 7,
					 .width = 80};
	struct text text = {0};

	column_is(row, ROW_SERVICE, hb->service != NULL ? hb->service : "name");
	column_is(row, ROW_HOST, hb->host);
	column_is(row, ROW_IP, hb->ip);
	column_is(row, ROW_ADDRESS, hb->address);
	column_is(row, ROW_VERSION, hb->version);
	column_is(row, ROW_BOOT, hb->boot);
	column_is(row, ROW_START, hb->start);
	column_is(row, ROW_REASON,
		  hb->reason == NULL && hb->state == STATE_INACTIVE ? "left" : hb->reason);
	meta_is(row, hb);
	ensure(row_state(row) == hb->state && row_number(row, ROW_PID) == hb->pid);
	ensure(row_duration_ms(row, ROW_EVERY) == hb->every_ms);
	text_char(&text, '{');
	row_json(&text, row, now.real_ms);
	text_char(&text, '}');
	ensure(fuzz_json(text.s, text.len));
	text_clear(&text);
	list_print(&list, &text, &row, 1, now.real_ms);
	ensure(fuzz_lines(text.s, text.len));
	text_free(&text);
}

/* The line of an event, and the JSON of it. */
static void told(const struct text *events, const struct heartbeat *hb)
{
	const char *end = memchr(events->s, '\n', events->len);
	struct text json = {0};
	struct event event;

	ensure(end == events->s + events->len - 1);
	ensure(event_split(&event, events->s, events->len - 1) && event_is(&event, "joined"));
	row_shows(&event.row, hb);
	event_json(&json, &event, now.real_ms);
	ensure(fuzz_json(json.s, json.len));
	text_free(&json);
}

static void listed(const struct heartbeat *hb, const struct heartbeat *again)
{
	struct table *table = table_new(&limits_default, now);
	struct seen beat = seen;
	struct text rows = {0};
	struct row row;

	ensure(table != NULL);
	if (table_content(table, table_find(table, "name", 4), "name", &seen, hb, now)) {
		told(&table->events, hb);
		text_clear(&table->events);
		beat.ctime_ns++;
		ensure(
		    table_content(table, table_find(table, "name", 4), "name", &beat, again, now));
		ensure(table->events.len == 0);
		ensure(table_order(table) && table->ordered == 1);
		ensure(table_slice(table, 0, "", &rows) == 1);
		ensure(memchr(rows.s, '\n', rows.len) == rows.s + rows.len - 1);
		ensure(row_split(&row, rows.s, rows.len - 1) && row_is(&row, ROW_COUNTER, "2"));
		row_shows(&row, hb);
	}
	text_free(&rows);
	table_free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *content = fuzz_copy(data, size), *copy;
	struct text text = {0}, json = {0};
	struct heartbeat hb, again;

	if (heartbeat_parse(content, size, &hb) != NULL) {
		free(content);
		return 0;
	}
	ensure(fuzz_lines((const char *)data, size));
	ensure(heartbeat_says_held((const char *)data, (ssize_t)size) == hb.held);
	heartbeat_print(&hb, &text);
	ensure(text.len <= HEARTBEAT_LARGEST);
	copy = fuzz_copy(text.s, text.len);
	ensure(heartbeat_parse(copy, text.len, &again) == NULL);
	same(&hb, &again);
	ensure(heartbeat_same_sender(&hb, &again));
	heartbeat_json(&hb, "name", &json);
	ensure(fuzz_json(json.s, json.len));
	listed(&hb, &again);
	heartbeat_free(&hb);
	heartbeat_free(&again);
	text_free(&text);
	text_free(&json);
	free(copy);
	free(content);
	return 0;
}
