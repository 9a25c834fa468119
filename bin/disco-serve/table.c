/*
 * GET /v1/table and /v1/process: rows, at once or when they have changed.  A long
 * answer is made in parts, the next when the last has gone out, so a slow reader
 * costs one part and nobody waits for him.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "serve.h"

struct asked {
	LIST_ENTRY(asked) next;
	struct evhttp_request *request;
	struct query query;
	uint64_t looked; /* up to this seq nothing has changed for it */
	enum http_type type;
	struct loop_event *timeout; /* while it waits for a change */
	size_t cursor;		    /* the next row's id */
	bool any;		    /* a row was given */
	bool packed;
	z_stream z;
};

static LIST_HEAD(asked_list, asked) waiting = LIST_HEAD_INITIALIZER(waiting);

static void asked_free(struct asked *asked)
{
	if (asked->timeout != NULL) {
		LIST_REMOVE(asked, next);
		serve.waiting--;
		event_free(asked->timeout);
	}
	if (asked->packed)
		deflateEnd(&asked->z);
	query_free(&asked->query);
	free(asked);
}

/* The client went away. */
static void on_close(struct evhttp_connection *connection, void *arg)
{
	struct asked *asked = arg;

	(void)connection;
	http_gone(asked->request);
	asked_free(asked);
}

static void row_add(struct asked *asked, struct text *part, struct entry *entry, int64_t now_ms)
{
	const struct text *json;

	if (asked->type == TYPE_TSV) {
		text_add(part, entry->text, (size_t)entry->row.at[ROW_COLUMNS] - 1);
		text_char(part, '\n');
		return;
	}
	if (asked->type == TYPE_JSON && asked->any)
		text_string(part, ",\n");
	asked->any = true;
	json = entry_json(entry);
	text_char(part, '{');
	text_add(part, json->s, json->len);
	row_json_age(part, &entry->row, now_ms);
	text_string(part, asked->type == TYPE_JSON ? "}" : "}\n");
}

static void head_add(struct text *part, const struct filter *filter, int64_t now_ms)
{
	struct head head = serve.head;

	head.seq = caller_seq(filter->caller);
	head.time_ms = now_ms;
	head.rows = head.offset = 0;
	head.segment = 0;
	if (!caller_reads_all(filter->caller)) {
		head.refused = 0;
		head.paused_until_ms = 0;
	}
	for (size_t i = 0; i < serve.rows.size; i++)
		head.rows += serve.rows.entries[i] != NULL &&
			     filter_row(filter, &serve.rows.entries[i]->row);
	head_print(&head, part);
	text_char(part, '\n');
	row_print_names(part, false);
}

/* The next part.  True when it was the last. */
static bool part_make(struct asked *asked, struct text *part)
{
	int64_t now_ms = real_ms();

	if (asked->cursor == 0 && asked->type == TYPE_TSV)
		head_add(part, &asked->query.filter, now_ms);
	if (asked->cursor == 0 && asked->type == TYPE_JSON)
		text_char(part, '[');
	for (; asked->cursor < serve.rows.size && part->len < PART_BYTES; asked->cursor++) {
		struct entry *entry = serve.rows.entries[asked->cursor];

		if (entry != NULL && filter_row(&asked->query.filter, &entry->row))
			row_add(asked, part, entry, now_ms);
	}
	if (asked->cursor < serve.rows.size)
		return false;
	if (asked->type == TYPE_JSON)
		text_string(part, "]\n");
	return true;
}

static bool pack(struct asked *asked, struct text *part, bool last)
{
	struct text packed = {0};

	asked->z.next_in = (unsigned char *)part->s;
	asked->z.avail_in = (unsigned)part->len;
	do {
		char *room = text_room(&packed, PART_BYTES);

		if (room == NULL)
			return false;
		asked->z.next_out = (unsigned char *)room;
		asked->z.avail_out = PART_BYTES;
		deflate(&asked->z, last ? Z_FINISH : Z_NO_FLUSH);
		packed.len += PART_BYTES - asked->z.avail_out;
	} while (asked->z.avail_out == 0);
	text_free(part);
	*part = packed;
	return true;
}

static void part_next(struct evhttp_connection *connection, void *arg);

/* Sends a part; when it has gone out comes the next, or the end. */
static void part_send(struct asked *asked, struct text *part, bool last)
{
	struct evhttp_request *request = asked->request;
	struct evbuffer *buffer;
	bool empty;

	if (part->failed || (asked->packed && !pack(asked, part, last))) {
		text_free(part);
		last = true; /* it breaks off, and the client sees that the end is missing */
	}
	empty = part->len == 0;
	buffer = http_buffer(part);
	if (last) {
		evhttp_send_reply_chunk(request, buffer);
		door_on_close(request, NULL, NULL);
		asked_free(asked);
		evhttp_send_reply_end(request);
	} else if (!empty) {
		evhttp_send_reply_chunk_with_cb(request, buffer, part_next, asked);
	} else {
		/* All of it is inside the packer still. */
		evbuffer_free(buffer);
		part_next(NULL, asked);
		return;
	}
	evbuffer_free(buffer);
}

static void part_next(struct evhttp_connection *connection, void *arg)
{
	struct asked *asked = arg;
	struct text part = {0};
	bool last = asked->query.filter.caller->revoked || part_make(asked, &part);

	(void)connection;
	part_send(asked, &part, last);
}

static bool etag_given(struct evhttp_request *request, const char *etag)
{
	const char *given = http_header(request, "If-None-Match");

	return given != NULL && (strcmp(given, "*") == 0 || strstr(given, etag) != NULL);
}

static void table_answer(struct asked *asked)
{
	static const char *const types[] = {[TYPE_JSON] = "application/json",
					    [TYPE_NDJSON] = "application/x-ndjson",
					    [TYPE_TSV] = "text/tab-separated-values"};
	struct evhttp_request *request = asked->request;
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	struct text part = {0};
	char etag[40];

	snprintf(etag, sizeof(etag), "W/\"%llu\"",
		 (unsigned long long)caller_seq(http_caller(request)));
	evhttp_add_header(headers, "ETag", etag);
	evhttp_add_header(headers, "Vary", "Accept, Accept-Encoding");
	evhttp_add_header(headers, "Cache-Control", "no-cache");
	if (etag_given(request, etag)) {
		http_answer(request, 304, NULL, NULL);
	} else if (part_make(asked, &part)) {
		http_answer(request, 200, types[asked->type], &part);
	} else {
		http_headers(request, types[asked->type]);
		http_count(200);
		if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
			text_free(&part);
			http_chunks(request);
			evhttp_send_reply_end(request);
			asked_free(asked);
			return;
		}
		asked->packed = http_accepts_gzip(request) &&
				deflateInit2(&asked->z, 1, Z_DEFLATED, MAX_WBITS + 16, 8,
					     Z_DEFAULT_STRATEGY) == Z_OK;
		if (asked->packed)
			evhttp_add_header(headers, "Content-Encoding", "gzip");
		door_on_close(request, on_close, asked);
		http_chunks(request);
		part_send(asked, &part, false);
		return;
	}
	asked_free(asked);
}

/* What it waited for has come, or it will not. */
static void wait_end(struct asked *asked)
{
	const char *trouble = source_trouble();
	bool revoked = asked->query.filter.caller->revoked;

	door_on_close(asked->request, NULL, NULL);
	LIST_REMOVE(asked, next);
	serve.waiting--;
	event_free(asked->timeout);
	asked->timeout = NULL;
	http_open_end(asked->request);
	if (trouble == NULL && !serve.ending && !revoked) {
		table_answer(asked);
		return;
	}
	if (revoked)
		http_error(asked->request, 401, "not a token of this server any more");
	else
		http_error(asked->request, 503, "%s",
			   trouble != NULL ? trouble : "the server ends");
	asked_free(asked);
}

static void wait_over(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	wait_end(arg);
}

/* Whether one of its rows has changed since. */
static bool changed_since(struct asked *asked)
{
	if (!rows_resumes(&serve.rows, asked->looked))
		return true;
	/* What went out of its sight changed too. */
	if (asked->query.filter.caller->left > asked->looked)
		return true;
	for (size_t i = rows_change_after(&serve.rows, asked->looked); i < serve.rows.kept; i++) {
		const struct row *row = &rows_change(&serve.rows, i)->event.row;

		if (!row_is(row, ROW_PROCESS, "*") && filter_name(&asked->query.filter, row))
			return true;
	}
	asked->looked = serve.rows.seq;
	return false;
}

/* Whether it waits: for what comes after the last change that it knows. */
static bool waits(struct asked *asked)
{
	uint64_t index = (uint64_t)asked->query.index, seq = caller_seq(asked->query.filter.caller);

	if (asked->query.index < 0 || index > seq)
		return false;
	asked->looked = index == seq ? serve.rows.seq : index;
	return !changed_since(asked);
}

void table_changed(void)
{
	struct asked *asked, *next;

	LIST_FOREACH_SAFE (asked, &waiting, next, next) {
		if (source_trouble() != NULL || changed_since(asked))
			wait_end(asked);
	}
}

void table_close(bool all)
{
	struct asked *asked, *next;

	LIST_FOREACH_SAFE (asked, &waiting, next, next) {
		if (all || asked->query.filter.caller->revoked)
			wait_end(asked);
	}
}

static void table_wait(struct asked *asked)
{
	struct timeval wait = milliseconds(asked->query.wait_ms);

	asked->timeout = evtimer_new(serve.base, wait_over, asked);
	evtimer_add(asked->timeout, &wait);
	LIST_INSERT_HEAD(&waiting, asked, next);
	serve.waiting++;
	http_open_begin(asked->request);
	door_on_close(asked->request, on_close, asked);
}

void table_get(struct evhttp_request *request)
{
	struct asked *asked;

	if (!access_reads(request))
		return;
	asked = calloc(1, sizeof(*asked));
	if (asked == NULL) {
		http_error(request, 503, "out of memory");
		return;
	}
	asked->request = request;
	asked->type = http_accepts(request);
	if (!query_read(&asked->query, request, Q_FILTER | Q_INDEX)) {
		free(asked);
		return;
	}
	if (asked->type == TYPE_NONE || asked->type == TYPE_EVENTS) {
		http_error(request, 406,
			   "there is application/json, application/x-ndjson and "
			   "text/tab-separated-values");
	} else if (!source_refuses(request)) {
		if (waits(asked))
			table_wait(asked);
		else
			table_answer(asked);
		return;
	}
	asked_free(asked);
}

void process_get(struct evhttp_request *request, const char *name)
{
	struct entry *entry = rows_find(&serve.rows, name, strlen(name));
	int64_t now_ms = real_ms();
	struct text body = {0};
	bool any = false;

	if (!access_reads(request) || !query_none(request) || source_refuses(request))
		return;
	if (entry == NULL || !caller_reads(http_caller(request), &entry->row)) {
		http_error(request, 404, "%s: no such process", name);
		return;
	}
	text_char(&body, '{');
	text_add(&body, entry_json(entry)->s, entry_json(entry)->len);
	row_json_age(&body, &entry->row, now_ms);
	text_string(&body, ",\"events\":[");
	for (size_t i = 0; i < serve.rows.kept; i++) {
		const struct change *change = rows_change(&serve.rows, i);

		if (!row_is(&change->event.row, ROW_PROCESS, name) ||
		    !caller_reads(http_caller(request), &change->event.row))
			continue;
		text_string(&body, any ? ",\n" : "\n");
		event_json(&body, &change->event, now_ms);
		any = true;
	}
	text_string(&body, "]}\n");
	http_answer(request, 200, "application/json", &body);
}
