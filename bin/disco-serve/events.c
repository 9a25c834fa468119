/*
 * GET /v1/events: changes as they happen, as Server-Sent Events or as the lines
 * of a segment.  A stream is a place in the kept changes; the next part is made
 * when the last has gone out, so a slow reader falls behind by himself, and
 * begins anew when what he needs is no longer kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "serve.h"
#include "stamp.h"

struct stream {
	LIST_ENTRY(stream) next;
	struct evhttp_request *request;
	struct query query;
	bool tsv, chooses;
	bool under_way;	     /* a part has not gone out yet */
	uint64_t seq;	     /* of the last change given */
	uint64_t round;	     /* beats up to this were given, */
	size_t beat;	     /* and up to this id those */
	uint64_t beat_round; /* up to this */
	uint64_t begun;	     /* the table that it has */
	bool keyframe;	     /* is being given, */
	size_t cursor;	     /* from this id on; */
	uint64_t then;	     /* the seq to go on from after it, */
	uint64_t known;	     /* which the client knows as this */
	enum master_state told;
	bool quiet; /* nothing was sent since the last comment was due */
};

static LIST_HEAD(stream_list, stream) streams = LIST_HEAD_INITIALIZER(streams);
static struct loop_event *on_quiet;

static void stream_more(struct stream *);

static void stream_free(struct stream *stream)
{
	LIST_REMOVE(stream, next);
	serve.streams--;
	query_free(&stream->query);
	free(stream);
}

static void on_close(struct evhttp_connection *connection, void *arg)
{
	struct stream *stream = arg;

	(void)connection;
	http_gone(stream->request);
	stream_free(stream);
}

static void event_print(struct stream *stream, struct text *part, const struct event *event,
			bool id)
{
	char stamp[STAMP_LENGTH];

	if (stream->tsv) {
		stamp_print(stamp, event->time_ms);
		text_number(part, (int64_t)event->seq);
		text_char(part, '\t');
		text_add(part, stamp, sizeof(stamp));
		text_char(part, '\t');
		text_add(part, event->name, event->name_len);
		text_char(part, '\t');
		text_add(part, event->from, event->from_len);
		text_char(part, '\t');
		text_add(part, event->row.text, (size_t)event->row.at[ROW_COLUMNS] - 1);
		text_char(part, '\n');
		return;
	}
	if (id)
		text_printf(part, "id: %llu\n", (unsigned long long)event->seq);
	text_printf(part, "event: %.*s\ndata: ", (int)event->name_len, event->name);
	event_json(part, event, real_ms());
	text_string(part, "\n\n");
}

static void bare_add(struct stream *stream, struct text *part, const char *name, bool id)
{
	struct event event;

	event_bare(&event, name);
	event.seq = stream->known;
	event.time_ms = real_ms();
	event_print(stream, part, &event, id);
}

/* Rows, as if they were events.  Only sync bears an id: one who lost us before must begin anew. */
static void keyframe_add(struct stream *stream, struct text *part)
{
	struct event event = {.seq = stream->known, .name = "row", .name_len = 3, .from = ""};

	event.time_ms = real_ms();
	for (; stream->cursor < serve.rows.size && part->len < PART_BYTES; stream->cursor++) {
		const struct entry *entry = serve.rows.entries[stream->cursor];

		if (entry == NULL || !filter_row(&stream->query.filter, &entry->row))
			continue;
		event.row = entry->row;
		event_print(stream, part, &event, false);
	}
	if (stream->cursor < serve.rows.size)
		return;
	bare_add(stream, part, "sync", true);
	stream->keyframe = false;
	stream->seq = stream->then;
}

static void keyframe_begin(struct stream *stream, struct text *part)
{
	stream->keyframe = true;
	stream->cursor = 0;
	stream->then = serve.rows.seq;
	stream->known = caller_seq(stream->query.filter.caller);
	stream->round = rows_ended(&serve.rows);
	stream->beat = 0;
	stream->begun = serve.rows.begun;
	bare_add(stream, part, "reset", false);
}

static void changes_add(struct stream *stream, struct text *part)
{
	size_t i = rows_change_after(&serve.rows, stream->seq);

	for (; i < serve.rows.kept && part->len < PART_BYTES; i++) {
		const struct change *change = rows_change(&serve.rows, i);
		bool of_master = row_is(&change->event.row, ROW_PROCESS, "*");

		stream->seq = change->seq;
		if (of_master ? !stream->chooses
			      : filter_row(&stream->query.filter, &change->event.row))
			event_print(stream, part, &change->event, true);
	}
}

/* Beats since the round that was given last; what does not fit comes with the next part. */
static void beats_add(struct stream *stream, struct text *part)
{
	struct event event = {.name = "beat", .name_len = 4, .from = ""};

	if (stream->beat == 0)
		stream->beat_round = rows_ended(&serve.rows);
	for (; stream->beat < serve.rows.size && part->len < PART_BYTES; stream->beat++) {
		size_t id = stream->beat;
		const struct entry *entry = serve.rows.entries[id];

		if (entry == NULL || serve.rows.beaten[id] <= stream->round ||
		    serve.rows.changed[id] > serve.rows.beaten[id] ||
		    !filter_row(&stream->query.filter, &entry->row))
			continue;
		event.row = entry->row;
		event.seq = (uint64_t)row_number(&event.row, ROW_SEQ);
		event.time_ms = row_time_ms(&event.row, ROW_LAST_HB);
		event_print(stream, part, &event, false);
	}
	if (stream->beat < serve.rows.size)
		return;
	stream->beat = 0;
	stream->round = stream->beat_round;
}

static void master_add(struct stream *stream, struct text *part)
{
	char stamp[STAMP_LENGTH];

	if (stream->told == serve.master)
		return;
	stream->told = serve.master;
	stamp_print(stamp, serve.heard_ms);
	text_printf(part, stream->tsv ? "#master %s %.*s\n" : ": master %s %.*s\n\n",
		    master_name(serve.master), serve.heard_ms > 0 ? STAMP_LENGTH : 0, stamp);
}

static void part_gone(struct evhttp_connection *connection, void *arg)
{
	struct stream *stream = arg;

	(void)connection;
	stream->under_way = false;
	stream_more(stream);
}

static void part_send(struct stream *stream, struct text *part)
{
	struct evbuffer *buffer = http_buffer(part);

	stream->under_way = true;
	stream->quiet = false;
	evhttp_send_reply_chunk_with_cb(stream->request, buffer, part_gone, stream);
	evbuffer_free(buffer);
}

/* Gives what there is to give, unless the last part has not gone out. */
static void stream_more(struct stream *stream)
{
	struct text part = {0};

	if (stream->under_way || serve.rows.beginning)
		return;
	master_add(stream, &part);
	if (stream->begun != serve.rows.begun ||
	    (!stream->keyframe && !rows_resumes(&serve.rows, stream->seq)))
		keyframe_begin(stream, &part);
	if (stream->keyframe)
		keyframe_add(stream, &part);
	else
		changes_add(stream, &part);
	if (!stream->keyframe && stream->query.beats && part.len < PART_BYTES)
		beats_add(stream, &part);
	if (part.len > 0 && !part.failed)
		part_send(stream, &part);
	else
		text_free(&part);
}

void events_changed(void)
{
	struct stream *stream, *next;

	LIST_FOREACH_SAFE (stream, &streams, next, next) {
		stream_more(stream);
	}
}

/* So that both sides see when the other is gone. */
static void comment(int fd, short what, void *arg)
{
	struct stream *stream, *next;

	(void)fd, (void)what, (void)arg;
	LIST_FOREACH_SAFE (stream, &streams, next, next) {
		struct text part = {0};

		if (stream->quiet && !stream->under_way) {
			text_string(&part, stream->tsv ? "#\n" : ":\n\n");
			part_send(stream, &part);
		}
		stream->quiet = true;
	}
}

void streams_close(bool all)
{
	struct stream *stream, *next;

	LIST_FOREACH_SAFE (stream, &streams, next, next) {
		struct evhttp_request *request = stream->request;

		if (!all && !stream->query.filter.caller->revoked)
			continue;
		door_on_close(request, NULL, NULL);
		stream_free(stream);
		http_open_end(request);
		evhttp_send_reply_end(request);
	}
}

static void stream_begin(struct stream *stream)
{
	static const struct timeval quiet = {QUIET_S, 0};
	struct evhttp_request *request = stream->request;
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	const char *last = http_header(request, "Last-Event-ID");
	struct text part = {0};
	int64_t seq = stream->query.since;
	uint64_t known;

	if (last != NULL && number_parse(last, 0, INT64_MAX, &seq) != NULL)
		seq = 0; /* not ours: from the beginning */
	/* Its last change is the last of all; one that is not yet is none. */
	known = caller_seq(stream->query.filter.caller);
	if (seq < 0 || (uint64_t)seq == known)
		stream->seq = serve.rows.seq;
	else
		stream->seq = (uint64_t)seq < known ? (uint64_t)seq : UINT64_MAX;
	stream->round = rows_ended(&serve.rows);
	stream->begun = serve.rows.begun;
	stream->told = MASTER_RUNS;
	stream->chooses = filter_chooses(&stream->query.filter);
	http_headers(request, stream->tsv ? "text/tab-separated-values" : "text/event-stream");
	http_count(200);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	LIST_INSERT_HEAD(&streams, stream, next);
	serve.streams++;
	if (on_quiet == NULL) {
		on_quiet = event_new(serve.base, -1, EV_PERSIST, comment, NULL);
		event_add(on_quiet, &quiet);
	}
	http_open_begin(request);
	door_on_close(request, on_close, stream);
	http_chunks(request);
	if (stream->tsv && serve.master == MASTER_RUNS)
		text_string(&part, "#master runs\n");
	else if (!stream->tsv)
		text_string(&part, ":\n\n");
	if (part.len > 0)
		part_send(stream, &part);
	else
		stream_more(stream);
}

void events_get(struct evhttp_request *request)
{
	const char *accept = http_header(request, "Accept");
	struct stream *stream;

	if (!access_reads(request))
		return;
	stream = calloc(1, sizeof(*stream));
	if (stream == NULL) {
		http_error(request, 503, "out of memory");
		return;
	}
	stream->request = request;
	stream->tsv = accept != NULL && http_accepts(request) == TYPE_TSV;
	if (!query_read(&stream->query, request, Q_FILTER | Q_SINCE)) {
		free(stream);
		return;
	}
	if (!stream->tsv && accept != NULL && strstr(accept, "text/event-stream") == NULL &&
	    strstr(accept, "*/*") == NULL) {
		http_error(request, 406,
			   "there is text/event-stream and text/tab-separated-values");
		query_free(&stream->query);
		free(stream);
		return;
	}
	if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
		http_answer(request, 200,
			    stream->tsv ? "text/tab-separated-values" : "text/event-stream", NULL);
		query_free(&stream->query);
		free(stream);
		return;
	}
	stream_begin(stream);
}
