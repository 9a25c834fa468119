/*
 * Channels: clients that ask for the same share one, and each delta is made once
 * for all of them.  Who comes, or could not keep up, is brought there by passes
 * over the rows, a part at a time as he reads; so nobody's slowness costs memory
 * or delays others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "socket.h"
#include "stamp.h"

#define APART_MS 100 /* between deltas, however much changes */
#define GONE_KEPT 1024

struct gone {
	char *name;
	uint64_t round;
};

struct channel {
	LIST_ENTRY(channel) next;
	LIST_HEAD(client_list, client) clients;
	struct filter filter;
	int64_t every_ms; /* 0: the master's tick */
	bool beats, original;
	struct text key;	/* the same for those who ask for the same */
	unsigned char *members; /* a bit for each id that its clients have */
	size_t member_size;	/* in bits */
	uint64_t sent, beaten;	/* changes and beats up to these rounds were sent */
	int64_t sent_ms, beaten_ms;
	int64_t table_ms; /* when beats went with a table; 0: not yet */
	struct loop_event *timer;
	/* Rows that went, for those who are passing. */
	struct gone gone[GONE_KEPT];
	size_t gone_count;
	uint64_t gone_lost; /* names of this round and before are not kept */
};

static LIST_HEAD(channel_list, channel) channels = LIST_HEAD_INITIALIZER(channels);

const struct filter *channel_filter(const struct channel *channel)
{
	return &channel->filter;
}

static int64_t every_of(const struct channel *channel)
{
	return channel->every_ms > 0 ? channel->every_ms : serve.head.tick_ms;
}

static bool is_member(const struct channel *channel, size_t id)
{
	return id < channel->member_size && channel->members[id / 8] >> id % 8 & 1;
}

static bool member_set(struct channel *channel, size_t id, bool is)
{
	if (id >= channel->member_size) {
		size_t size = serve.rows.size / 8 + 1;
		unsigned char *more = realloc(channel->members, size);

		if (more == NULL)
			return false;
		memset(more + channel->member_size / 8, 0, size - channel->member_size / 8);
		channel->members = more;
		channel->member_size = size * 8;
	}
	if (is)
		channel->members[id / 8] |= (unsigned char)(1u << id % 8);
	else
		channel->members[id / 8] &= (unsigned char)~(1u << id % 8);
	return true;
}

/* All rows anew. */
static void members_find(struct channel *channel)
{
	for (size_t id = 0; id < serve.rows.size; id++) {
		const struct entry *entry = serve.rows.entries[id];

		member_set(channel, id, entry != NULL && filter_row(&channel->filter, &entry->row));
	}
	channel->sent = channel->beaten = rows_ended(&serve.rows);
}

/* The parts of messages. */

void add_stamp(struct text *text, int64_t ms)
{
	char stamp[STAMP_LENGTH];

	if (ms == 0) {
		text_string(text, "null");
		return;
	}
	stamp_print(stamp, ms);
	text_printf(text, "\"%.*s\"", STAMP_LENGTH, stamp);
}

void add_moment(struct text *text, const struct caller *caller)
{
	text_printf(text, "\"seq\":%llu,\"time\":", (unsigned long long)caller_seq(caller));
	add_stamp(text, real_ms());
}

void add_counts(struct text *text, struct caller *caller)
{
	size_t counts[STATES], total = caller_counts(caller, counts);

	text_printf(text, "\"total\":%zu,\"counts\":{", total);
	for (int i = 0; i < STATES; i++)
		text_printf(text, "%s\"%s\":%zu", i > 0 ? "," : "", state_name((enum state)i),
			    counts[i]);
	text_char(text, '}');
}

static void add_row(struct text *text, struct caller *caller, struct entry *entry)
{
	const struct text *json = entry_json(entry);

	text_printf(text, "{\"id\":%u,", caller_id(caller, entry->id));
	text_add(text, json->s, json->len);
	text_char(text, '}');
}

/* Begins a list's next member: ,"name":[ or a comma. */
static void list_next(struct text *text, const char *name, bool *any)
{
	if (*any)
		text_char(text, ',');
	else
		text_printf(text, ",\"%s\":[", name);
	*any = true;
}

static void list_end(struct text *text, bool any)
{
	if (any)
		text_char(text, ']');
}

const struct text *change_json(struct change *change)
{
	static const enum row_column values[] = {ROW_PROCESS, ROW_SERVICE, ROW_HOST, ROW_STATE,
						 ROW_REASON};
	struct text *json = &change->json;

	if (json->len > 0)
		return json;
	text_printf(json, "{\"seq\":%llu,\"time\":", (unsigned long long)change->seq);
	add_stamp(json, change->time_ms);
	text_string(json, ",\"event\":");
	text_json(json, change->event.name, change->event.name_len);
	text_string(json, ",\"from\":");
	if (change->event.from_len > 0)
		text_json(json, change->event.from, change->event.from_len);
	else
		text_string(json, "null");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		text_printf(json, ",\"%s\":", row_names[values[i]]);
		row_json_value(json, &change->event.row, values[i]);
	}
	text_char(json, '}');
	return json;
}

/* A name that its clients do not have any more. */
static void gone_add(struct channel *channel, const char *name, size_t len)
{
	struct gone *gone;

	if (channel->gone_count == GONE_KEPT) {
		channel->gone_lost = channel->gone[0].round;
		free(channel->gone[0].name);
		memmove(channel->gone, channel->gone + 1, sizeof(channel->gone) - sizeof(*gone));
		channel->gone_count--;
	}
	gone = &channel->gone[channel->gone_count++];
	*gone = (struct gone){strndup(name, len), rows_ended(&serve.rows)};
	if (gone->name == NULL) {
		channel->gone_count--;
		channel->gone_lost = rows_ended(&serve.rows);
	}
}

static void name_add(struct text *text, bool *any, const char *name, size_t len)
{
	list_next(text, "gone", any);
	text_json(text, name, len);
}

/* What went: rows that were forgotten, and rows that are no more what is asked for. */
static bool delta_gone(struct channel *channel, struct text *text)
{
	bool any = false;

	for (size_t i = rows_change_after_round(&serve.rows, channel->sent); i < serve.rows.kept;
	     i++) {
		const struct event *event = &rows_change(&serve.rows, i)->event;

		if (event_is(event, "forgotten") && filter_name(&channel->filter, &event->row)) {
			gone_add(channel, event->row.text, row_length(&event->row, ROW_PROCESS));
			name_add(text, &any, event->row.text, row_length(&event->row, ROW_PROCESS));
		}
	}
	for (size_t id = 0; id < serve.rows.size; id++) {
		const struct entry *entry = serve.rows.entries[id];

		if (serve.rows.changed[id] <= channel->sent || !is_member(channel, id))
			continue;
		if (entry != NULL && filter_row(&channel->filter, &entry->row))
			continue;
		member_set(channel, id, false);
		if (entry != NULL) {
			gone_add(channel, entry->text, row_length(&entry->row, ROW_PROCESS));
			name_add(text, &any, entry->text, row_length(&entry->row, ROW_PROCESS));
		}
	}
	list_end(text, any);
	return any;
}

static bool delta_rows(struct channel *channel, struct text *text)
{
	bool any = false;

	for (size_t id = 0; id < serve.rows.size; id++) {
		struct entry *entry = serve.rows.entries[id];

		if (serve.rows.changed[id] <= channel->sent || entry == NULL ||
		    !filter_row(&channel->filter, &entry->row))
			continue;
		member_set(channel, id, true);
		list_next(text, "rows", &any);
		add_row(text, channel->filter.caller, entry);
	}
	list_end(text, any);
	return any;
}

static void add_beat(struct text *text, bool *any, struct caller *caller, const struct entry *entry)
{
	list_next(text, "beats", any);
	text_char(text, '[');
	text_number(text, caller_id(caller, entry->id));
	text_char(text, ',');
	text_number(text, row_time_ms(&entry->row, ROW_LAST_HB));
	text_char(text, ',');
	text_number(text, row_number(&entry->row, ROW_COUNTER));
	text_char(text, ']');
}

static void delta_beats(struct channel *channel, struct text *text)
{
	bool any = false;

	for (size_t id = 0; id < serve.rows.size; id++) {
		const struct entry *entry = serve.rows.entries[id];

		if (serve.rows.beaten[id] > channel->beaten && entry != NULL &&
		    is_member(channel, id))
			add_beat(text, &any, channel->filter.caller, entry);
	}
	list_end(text, any);
}

static bool delta_events(struct channel *channel, struct text *text)
{
	bool all = !filter_chooses(&channel->filter), any = false;

	for (size_t i = rows_change_after_round(&serve.rows, channel->sent); i < serve.rows.kept;
	     i++) {
		struct change *change = rows_change(&serve.rows, i);
		const struct row *row = &change->event.row;

		if (row_is(row, ROW_PROCESS, "*") ? !all : !filter_row(&channel->filter, row))
			continue;
		list_next(text, "events", &any);
		text_add(text, change_json(change)->s, change_json(change)->len);
	}
	list_end(text, any);
	return any;
}

/* False when there is nothing in it. */
static bool delta_make(struct channel *channel, struct text *text, bool beats)
{
	struct caller *caller = channel->filter.caller;
	bool any;

	text_string(text, "{\"type\":\"delta\",");
	add_moment(text, caller);
	text_char(text, ',');
	add_counts(text, caller);
	any = delta_gone(channel, text);
	any |= delta_rows(channel, text);
	if (beats)
		delta_beats(channel, text);
	any |= delta_events(channel, text);
	text_char(text, '}');
	/* The counts of all are news too, and what is due is said; but that others changed is no
	 * business of one who may not see them. */
	return any || beats || caller_reads_all(caller);
}

/* The whole, every time, as the original has it. */
static void original_make(struct channel *channel, struct text *text)
{
	static const char last[] = ",\"lastHb\":\"";
	bool any = false;

	text_string(text, "{\"func\":\"getDiscovery\",\"result\":[");
	for (size_t id = 0; id < serve.rows.size; id++) {
		struct entry *entry = serve.rows.entries[id];
		const struct text *json;
		const char *at;

		if (entry == NULL || !filter_row(&channel->filter, &entry->row))
			continue;
		json = entry_json(entry);
		at = memmem(json->s, json->len, last, sizeof(last) - 1);
		text_string(text, any ? ",{" : "{");
		any = true;
		if (at == NULL) {
			text_add(text, json->s, json->len);
		} else {
			/* The time of day out of 2026-11-24T03:14:26.230Z. */
			at += sizeof(last) - 1;
			text_add(text, json->s, (size_t)(at - json->s));
			text_add(text, at + 11, 12);
			at += STAMP_LENGTH;
			text_add(text, at, json->len - (size_t)(at - json->s));
		}
		text_char(text, '}');
	}
	text_string(text, "]}");
}

static void timer_set(struct channel *channel)
{
	int64_t now_ms = clock_mono_ms(), every = every_of(channel);
	/* Beats come with each table: this is for when none comes. */
	int64_t due_ms = channel->beaten_ms + (channel->original ? every : every + every / 4);
	struct timeval wait;

	if (serve.rows.last_changed > channel->sent && channel->sent_ms + APART_MS < due_ms)
		due_ms = channel->sent_ms + APART_MS;
	wait = milliseconds(due_ms > now_ms ? due_ms - now_ms : 0);
	evtimer_add(channel->timer, &wait);
}

static void flush(struct channel *channel, bool beats)
{
	struct text text = {0};
	struct message *message;
	struct client *client;
	bool send_beats = beats && channel->beats, any = true;

	if (channel->original)
		original_make(channel, &text);
	else
		any = delta_make(channel, &text, send_beats);
	channel->sent = rows_ended(&serve.rows);
	channel->sent_ms = clock_mono_ms();
	if (beats) {
		channel->beaten = channel->sent;
		channel->beaten_ms = channel->sent_ms;
	}
	if (!any) {
		text_free(&text);
		timer_set(channel);
		return;
	}
	message = message_new(&text);
	LIST_FOREACH (client, &channel->clients, in_channel) {
		size_t queue = client_queue(client);

		if (client->place != CLIENT_LIVE)
			continue;
		if (channel->original) {
			/* The next one is as good. */
			if (queue == 0)
				client_send(client, message);
		} else if (message == NULL || queue > QUEUE_LARGEST) {
			client->place = CLIENT_BEHIND;
			if (queue == 0)
				client_hungry(client);
		} else {
			client_send(client, message);
		}
	}
	message_free(message);
	timer_set(channel);
}

/* Begins the rows anew for a client. */
static void client_begin(struct client *client)
{
	client->place = CLIENT_PASSING;
	client->from = 0;
	client->until = client->channel->sent;
	client->cursor = 0;
	client_hungry(client);
}

/*
 * Whether all its clients must begin anew, as they do then: the table did, or
 * there were more changes since the last delta than are kept.
 */
static bool channel_began(struct channel *channel)
{
	struct client *client;

	if (channel->original ||
	    (serve.rows.begun <= channel->sent && serve.rows.lost_round <= channel->sent))
		return false;
	members_find(channel);
	LIST_FOREACH (client, &channel->clients, in_channel) {
		if (client->place != CLIENT_BEHIND)
			client_begin(client);
	}
	return true;
}

static void on_timer(int fd, short what, void *arg)
{
	struct channel *channel = arg;
	int64_t now_ms = clock_mono_ms();

	(void)fd, (void)what;
	if (serve.rows.beginning || channel_began(channel))
		timer_set(channel);
	else
		flush(channel,
		      channel->original || now_ms - channel->beaten_ms >= every_of(channel));
}

void channels_changed(void)
{
	struct channel *channel;
	int64_t now_ms = clock_mono_ms();

	LIST_FOREACH (channel, &channels, next) {
		if (channel->original || channel_began(channel))
			continue;
		if (serve.rows.table_read &&
		    now_ms - channel->table_ms >= every_of(channel) * 9 / 10) {
			channel->table_ms = now_ms;
			flush(channel, true);
		} else if (serve.rows.last_changed > channel->sent) {
			if (now_ms - channel->sent_ms >= APART_MS)
				flush(channel, false);
			else
				timer_set(channel);
		}
	}
}

static struct message *master_message(bool all)
{
	struct text text = {0};

	text_printf(&text,
		    "{\"type\":\"master\",\"master\":\"%s\",\"heard\":", master_name(serve.master));
	add_stamp(&text, serve.heard_ms);
	text_string(&text, ",\"pausedUntil\":");
	add_stamp(&text, all ? serve.head.paused_until_ms : 0);
	text_string(&text, ",\"time\":");
	add_stamp(&text, real_ms());
	text_char(&text, '}');
	return message_new(&text);
}

void channels_master(bool everybody)
{
	/* That many are silent at once tells of rows that not all may see. */
	struct message *messages[] = {master_message(false), master_message(true)};
	struct channel *channel;
	struct client *client;

	LIST_FOREACH (channel, &channels, next) {
		if (channel->original)
			continue;
		LIST_FOREACH (client, &channel->clients, in_channel) {
			bool all_seen = caller_reads_all(client->caller);

			if ((everybody || all_seen) && client_queue(client) < QUEUE_LARGEST)
				client_send(client, messages[all_seen]);
		}
	}
	message_free(messages[0]);
	message_free(messages[1]);
}

/* Passes. */

static void part_gone(struct client *client, struct text *part)
{
	const struct channel *channel = client->channel;
	bool any = false;

	for (size_t i = 0; i < channel->gone_count; i++)
		if (channel->gone[i].round > client->from)
			name_add(part, &any, channel->gone[i].name, strlen(channel->gone[i].name));
	list_end(part, any);
}

static void part_rows(struct client *client, struct text *part)
{
	const struct rows *rows = &serve.rows;
	bool any = false, any_beats = false;
	struct text beats = {0};

	for (; client->cursor < rows->size && part->len + beats.len < PART_BYTES;
	     client->cursor++) {
		size_t id = client->cursor;
		struct entry *entry = rows->entries[id];

		if (entry == NULL || !is_member(client->channel, id))
			continue;
		if (client->from == 0 || rows->changed[id] > client->from) {
			list_next(part, "rows", &any);
			add_row(part, client->caller, entry);
		} else if (client->channel->beats && rows->beaten[id] > client->from) {
			add_beat(&beats, &any_beats, client->caller, entry);
		}
	}
	if (!any && client->from == 0)
		text_string(part, ",\"rows\":[");
	list_end(part, any || client->from == 0);
	list_end(&beats, any_beats);
	text_add(part, beats.s, beats.len);
	part->failed |= beats.failed;
	text_free(&beats);
}

/*
 * One part of a pass.  A client that is passing has all changes up to the round
 * from (none, if that is 0); when the pass ends, up to until; and it is live
 * when that is what the channel has sent to the others.
 */
static void part_send(struct client *client)
{
	struct channel *channel = client->channel;
	bool first = client->cursor == 0, last;
	struct text part = {0};

	text_printf(&part, "{\"type\":\"%s\",", client->from == 0 ? "rows" : "delta");
	add_moment(&part, client->caller);
	text_char(&part, ',');
	add_counts(&part, client->caller);
	if (client->from > 0 && first)
		part_gone(client, &part);
	part_rows(client, &part);
	last = client->cursor >= serve.rows.size;
	if (client->from == 0)
		text_printf(&part, ",\"first\":%s,\"last\":%s", first ? "true" : "false",
			    last ? "true" : "false");
	text_char(&part, '}');
	if (part.failed) {
		text_free(&part);
		client->place = CLIENT_BEHIND; /* it begins anew when there is memory */
		return;
	}
	client_say(client, &part);
	if (!last)
		return;
	client->from = client->until;
	client->until = channel->sent;
	client->cursor = 0;
	if (client->from == client->until)
		client->place = CLIENT_LIVE;
	else if (channel->gone_lost > client->from)
		client_begin(client);
}

void client_more(struct client *client)
{
	if (client->channel == NULL || serve.rows.beginning || client->closing)
		return;
	if (client->place == CLIENT_BEHIND && client_queue(client) == 0)
		client_begin(client);
	if (client->place != CLIENT_PASSING || client_queue(client) > 0)
		return;
	part_send(client);
	/* What the kernel took at once tells nobody that it is gone. */
	if (client->place != CLIENT_LIVE && client_queue(client) == 0)
		client_hungry(client);
}

/* Coming and going. */

static void channel_free(struct channel *channel)
{
	LIST_REMOVE(channel, next);
	event_free(channel->timer);
	for (size_t i = 0; i < channel->gone_count; i++)
		free(channel->gone[i].name);
	filter_free(&channel->filter);
	text_free(&channel->key);
	free(channel->members);
	free(channel);
}

void channel_leave(struct client *client)
{
	struct channel *channel = client->channel;

	if (channel == NULL)
		return;
	LIST_REMOVE(client, in_channel);
	client->channel = NULL;
	if (LIST_EMPTY(&channel->clients))
		channel_free(channel);
}

static struct channel *channel_find(const struct text *key)
{
	struct channel *channel;

	LIST_FOREACH (channel, &channels, next) {
		if (text_same(&channel->key, key))
			return channel;
	}
	return NULL;
}

bool channel_join(struct client *client, struct filter *filter, int64_t every_ms, bool beats,
		  bool original)
{
	struct channel *channel;
	struct text key = {0};

	channel_leave(client);
	filter_sort(filter);
	text_printf(&key, "%d %d %lld ", original, beats, (long long)every_ms);
	filter_print(filter, &key);
	channel = key.failed ? NULL : channel_find(&key);
	if (channel != NULL) {
		filter_free(filter);
		text_free(&key);
	} else {
		channel = calloc(1, sizeof(*channel));
		if (channel == NULL) {
			filter_free(filter);
			text_free(&key);
			return false;
		}
		channel->filter = *filter;
		*filter = (struct filter){0};
		channel->key = key;
		channel->every_ms = every_ms;
		channel->beats = beats;
		channel->original = original;
		channel->timer = evtimer_new(serve.base, on_timer, channel);
		channel->sent_ms = channel->beaten_ms = clock_mono_ms();
		members_find(channel);
		LIST_INSERT_HEAD(&channels, channel, next);
		timer_set(channel);
	}
	client->channel = channel;
	LIST_INSERT_HEAD(&channel->clients, client, in_channel);
	if (original)
		client->place = CLIENT_LIVE;
	else
		client_begin(client);
	return true;
}
