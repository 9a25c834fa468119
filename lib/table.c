/* The discovery table: rows that are their own text, found by name, judged by a timing wheel. */
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "name.h"
#include "stamp.h"

/* Who had the name before, kept for as long as it may still turn out to be a conflict. */
struct rival {
	struct text identity; /* boot, start and pid, as they stand in the row */
	int64_t pid, beat_ms;
};

/* The values of a row that is being made, each as it will stand in the text. */
struct values {
	const char *s[ROW_COLUMNS];
	size_t len[ROW_COLUMNS];
};

struct table *table_new(const struct limits *limits, struct now now)
{
	struct table *table = calloc(1, sizeof(*table));

	if (table == NULL)
		return NULL;
	table->limits = *limits;
	table->wheel_ms = now.mono_ms;
	LIST_INIT(&table->gone);
	for (size_t i = 0; i < WHEEL_SLOTS; i++)
		LIST_INIT(&table->wheel[i]);
	return table;
}

static void rival_free(struct process *p)
{
	if (p->rival != NULL)
		text_free(&p->rival->identity);
	free(p->rival);
	p->rival = NULL;
}

static void process_free(struct process *p)
{
	rival_free(p);
	free(p->line);
	free(p);
}

void table_free(struct table *table)
{
	if (table == NULL)
		return;
	for (size_t i = 0; i < table->index.size; i++)
		if (index_at(&table->index, i) != NULL)
			process_free(index_at(&table->index, i));
	while (!LIST_EMPTY(&table->gone)) {
		struct process *p = LIST_FIRST(&table->gone);

		LIST_REMOVE(p, due);
		process_free(p);
	}
	index_free(&table->index);
	free(table->order);
	free(table->news);
	text_free(&table->events);
	text_free(&table->content);
	text_free(&table->line);
	text_free(&table->reason);
	free(table);
}

struct process *table_find(const struct table *table, const char *name, size_t len)
{
	return index_find(&table->index, name, len);
}

/* The timing wheel: a process lies in it once, no later than anything that may befall it. */

/* It is looked at in the first round at or after that time; or before, in vain. */
static void process_arm(struct table *table, struct process *p, int64_t at_ms)
{
	int64_t last = table->wheel_ms + (WHEEL_SLOTS - 2) * WHEEL_MS;

	at_ms -= WHEEL_MS; /* a slot is visited when all of it is past */
	if (at_ms < table->wheel_ms)
		at_ms = table->wheel_ms;
	if (at_ms > last)
		at_ms = last; /* and then armed again */
	LIST_INSERT_HEAD(&table->wheel[at_ms / WHEEL_MS % WHEEL_SLOTS], p, due);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static bool ended(const struct process *p)
{
	return p->state == STATE_ERROR || p->state == STATE_INACTIVE;
}

/* Nothing is forgotten before this master has seen it ended for as long as others would have. */
static int64_t forget_at(const struct process *p)
{
	return later(p->beat_ms + p->limits.forget_ms,
		     p->state_ms + p->limits.forget_ms - p->limits.error_ms);
}

/* When the process must be looked at next if it does not beat. */
static int64_t process_deadline(const struct process *p)
{
	int64_t at = INT64_MAX;

	if (ended(p))
		at = forget_at(p);
	if (p->state != STATE_INACTIVE && p->counter > 1 && !(p->flags & P_HALF))
		at = earlier(at, p->beat_ms + p->limits.warn_ms / 2);
	if (p->state != STATE_INACTIVE && !(p->flags & P_SILENT))
		at = earlier(at, p->beat_ms +
				     (p->flags & P_LATE ? p->limits.error_ms : p->limits.warn_ms));
	if (p->flags & P_CONFLICT)
		at = earlier(at, p->rival->beat_ms + p->limits.error_ms);
	return at;
}

static void process_rearm(struct table *table, struct process *p)
{
	LIST_REMOVE(p, due);
	process_arm(table, p, process_deadline(p));
}

/* Who counts for the rule of mass silence.  Called with -1 before a change and 1 after it. */
static void tally(struct table *table, const struct process *p, int sign)
{
	if (!(p->flags & P_LISTED) || p->state != STATE_ACTIVE || p->counter < 2)
		return;
	table->beating += (size_t)sign;
	if (p->flags & P_HALF)
		table->half += (size_t)sign;
}

/* Makes room for a process that is not known yet; it has no row. */
static struct process *process_new(struct table *table, const char *name)
{
	size_t len = strlen(name);
	struct process *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->line = malloc(len + 1);
	if (p->line == NULL) {
		free(p);
		return NULL;
	}
	memcpy(p->line, name, len);
	p->line[len] = '\t';
	p->len = (uint32_t)len + 1;
	if (!index_add(&table->index, p)) {
		process_free(p);
		return NULL;
	}
	return p;
}

/* Gives a process without a row its row; the caller fills it in. */
static bool process_list(struct table *table, struct process *p)
{
	if (table->news_count == table->news_size) {
		size_t size = table->news_size > 0 ? table->news_size * 2 : 64;
		struct process **news = realloc(table->news, size * sizeof(news[0]));

		if (news == NULL)
			return false;
		table->news = news;
		table->news_size = size;
	}
	table->news[table->news_count++] = p;
	if (p->flags & P_LISTED)
		return true;
	p->flags |= P_LISTED;
	table->rows++;
	process_arm(table, p, table->wheel_ms);
	return true;
}

/* The row's text. */

static void value_set(struct values *values, enum row_column column, const char *s, size_t len)
{
	values->s[column] = s;
	values->len[column] = len;
}

static void values_of_row(struct values *values, const struct row *row)
{
	for (int i = 0; i < ROW_COLUMNS; i++)
		value_set(values, (enum row_column)i, row_value(row, (enum row_column)i),
			  row_length(row, (enum row_column)i));
}

/* Writes the values as the line of the process; false when memory is out, and nothing changed. */
static bool line_set(struct table *table, struct process *p, const struct values *values)
{
	struct text *line = &table->line;
	char *s;

	text_clear(line);
	for (int i = 0; i < ROW_COLUMNS; i++) {
		if (i == ROW_LAST_HB)
			p->last_hb = (uint16_t)line->len;
		text_add(line, values->s[i], values->len[i]);
		text_char(line, i == ROW_COLUMNS - 1 ? '\n' : '\t');
	}
	if (line->failed)
		return false;
	if (line->len != p->len) {
		/* The index finds it by its text, so there is always one. */
		s = realloc(p->line, line->len);
		if (s == NULL)
			return false;
		p->line = s;
		p->len = (uint32_t)line->len;
	}
	memcpy(p->line, line->s, line->len);
	return true;
}

/* The commonest thing of all, a beat that changes nothing else: two numbers in place. */
static bool line_beat(struct process *p)
{
	size_t at = (size_t)p->last_hb + STAMP_LENGTH + 1, end = at, digit;
	char *s;

	while (p->line[end] != '\t')
		end++;
	for (digit = end; digit > at && p->line[digit - 1] == '9'; digit--)
		;
	if (digit == at) {
		s = realloc(p->line, p->len + 1);
		if (s == NULL)
			return false;
		p->line = s;
		memmove(s + at + 1, s + at, p->len - at);
		s[at] = '0';
		p->len++;
		end++;
		digit = at + 1;
	}
	p->line[digit - 1]++;
	memset(p->line + digit, '0', end - digit);
	stamp_print(p->line + p->last_hb, p->ctime_ns / 1000000);
	return true;
}

/* Events. */

static void event_add(struct table *table, const char *name, const char *from, const char *line,
		      size_t len, struct now now)
{
	char stamp[STAMP_LENGTH];

	stamp_print(stamp, now.real_ms);
	text_number(&table->events, (int64_t)table->seq);
	text_char(&table->events, '\t');
	text_add(&table->events, stamp, sizeof(stamp));
	text_char(&table->events, '\t');
	text_string(&table->events, name);
	text_char(&table->events, '\t');
	text_string(&table->events, from);
	text_char(&table->events, '\t');
	text_add(&table->events, line, len);
	table->changed = true;
}

/* An event of the master's own: a row of process "*" with nothing but a reason. */
static void event_master(struct table *table, const char *name, const char *reason, struct now now)
{
	struct text line = {0};

	table->seq++;
	for (int i = 0; i < ROW_COLUMNS; i++) {
		if (i == ROW_PROCESS)
			text_char(&line, '*');
		else if (i == ROW_REASON)
			text_string(&line, reason);
		else if (i == ROW_SEQ)
			text_number(&line, (int64_t)table->seq);
		text_char(&line, i == ROW_COLUMNS - 1 ? '\n' : '\t');
	}
	event_add(table, name, "", line.s, line.len, now);
	text_free(&line);
}

/* What a row shows: of all that speaks about it, the worst; of equals, what the sender says. */
static enum state verdict(struct table *table, struct process *p, struct values *values)
{
	enum state state = p->said;
	struct text *reason = &table->reason;

	text_clear(reason);
	p->flags &= (uint16_t)~P_VEILED;
	if (p->flags & P_REMOVED) {
		text_string(reason, "removed");
		state = STATE_INACTIVE;
	} else if (state == STATE_INACTIVE) {
		if (values->len[ROW_REASON] == 0)
			value_set(values, ROW_REASON, "left", 4);
		return state;
	} else if (p->flags & P_CLOSED && state < STATE_ERROR) {
		text_string(reason, "closed without leaving");
		state = STATE_ERROR;
	} else if (p->flags & P_SILENT && state < STATE_ERROR) {
		text_string(reason, "silent ");
		duration_words(reason, p->limits.error_ms);
		state = STATE_ERROR;
	} else if (p->flags & P_CONFLICT && state < STATE_WARNING) {
		int64_t pid = strtoll(values->s[ROW_PID], NULL, 10);

		/* The lower pid first, so that it reads the same whoever beat last. */
		text_printf(reason, "conflict: pid %" PRId64 " and pid %" PRId64,
			    earlier(pid, p->rival->pid), later(pid, p->rival->pid));
		state = STATE_WARNING;
	} else if (p->flags & P_LATE && state < STATE_WARNING) {
		text_string(reason, "silent ");
		duration_words(reason, p->limits.warn_ms);
		state = STATE_WARNING;
	} else {
		return state;
	}
	p->flags |= P_VEILED;
	value_set(values, ROW_REASON, reason->s, reason->len);
	return state;
}

/*
 * When it entered the state that it shows.  A reader who judges for himself was
 * not there: he says when it was due, or the last beat, and the same tomorrow.
 */
static int64_t since_ms(const struct table *table, const struct process *p, struct now now)
{
	int64_t beat_ms = p->ctime_ns / 1000000;

	if (!table->alone)
		return now.real_ms;
	if (p->flags & P_SILENT && !(p->flags & (P_CLOSED | P_REMOVED)))
		return beat_ms + p->limits.error_ms;
	if (p->flags & P_LATE && !(p->flags & (P_CLOSED | P_REMOVED)))
		return beat_ms + p->limits.warn_ms;
	return beat_ms;
}

/*
 * Brings the row in line with what is known now and tells it if that is news.
 * The values are the row's own, with what the content says in place; cause is
 * "restarted", "conflict", "changed" or NULL.  The caller has tallied p out.
 */
static bool settle(struct table *table, struct process *p, struct values *values, const char *cause,
		   struct now now)
{
	bool joins = !(p->flags & P_LISTED);
	bool restarts = !joins && cause != NULL && strcmp(cause, "restarted") == 0;
	enum state from = p->state;
	char since[STAMP_LENGTH], last[STAMP_LENGTH], counter[24], seq[24];
	const char *old_reason = values->s[ROW_REASON], *event = cause;
	size_t old_len = values->len[ROW_REASON];
	struct row old;

	if (!joins && row_split(&old, p->line, p->len - 1)) {
		old_reason = row_value(&old, ROW_REASON);
		old_len = row_length(&old, ROW_REASON);
	}
	p->state = (uint8_t)verdict(table, p, values);
	if (joins)
		event = "joined";
	else if (!restarts && p->state != from && (cause == NULL || strcmp(cause, "conflict") != 0))
		event = state_name(p->state);
	else if (cause == NULL && (old_len != values->len[ROW_REASON] ||
				   memcmp(old_reason, values->s[ROW_REASON], old_len) != 0))
		event = "changed";
	if (joins || restarts || p->state != from) {
		p->state_ms = now.mono_ms;
		stamp_print(since, since_ms(table, p, now));
		value_set(values, ROW_SINCE, since, sizeof(since));
	}
	stamp_print(last, p->ctime_ns / 1000000);
	value_set(values, ROW_LAST_HB, last, sizeof(last));
	value_set(values, ROW_COUNTER, counter,
		  (size_t)snprintf(counter, sizeof(counter), "%" PRIu64, p->counter));
	value_set(values, ROW_STATE, state_name(p->state), strlen(state_name(p->state)));
	if (event != NULL)
		value_set(values, ROW_SEQ, seq,
			  (size_t)snprintf(seq, sizeof(seq), "%" PRIu64, table->seq + 1));
	if (!line_set(table, p, values) || (joins && !process_list(table, p)))
		return false;
	table->beaten = true;
	if (event != NULL) {
		table->seq++;
		event_add(table, event, joins ? "" : state_name(from), p->line, p->len, now);
	}
	return true;
}

/* The same after something happened that is not in the content. */
static void settle_anew(struct table *table, struct process *p, const char *cause, struct now now)
{
	struct values values;
	struct row row;

	if (!row_split(&row, p->line, p->len - 1))
		return;
	values_of_row(&values, &row);
	if (p->flags &
	    P_VEILED) /* the reason in the row is not the sender's, and that is not at hand */
		value_set(&values, ROW_REASON, "", 0);
	settle(table, p, &values, cause, now);
}

/* A new ctime; a row of an earlier master's table knows it to the millisecond only. */
static bool is_beat(const struct process *p, int64_t ctime_ns)
{
	return p->flags & P_LOADED ? ctime_ns / 1000000 != p->ctime_ns / 1000000
				   : ctime_ns != p->ctime_ns;
}

static void process_beat(const struct table *table, struct process *p, int64_t ctime_ns,
			 struct now now)
{
	int64_t age = now.real_ms - ctime_ns / 1000000;

	/* Never negative, never from before the last time that everything was known. */
	age = later(0, earlier(age, now.mono_ms - table->drained_ms));
	p->beat_ms = later(p->beat_ms, now.mono_ms - age);
	p->ctime_ns = ctime_ns;
	p->counter++;
	p->flags &= (uint16_t) ~(P_LATE | P_SILENT | P_HALF | P_SPARED);
}

/* The content of a file as values of its row. */

static bool content_values(struct table *table, struct values *values, const char *name,
			   const struct process *p, const struct seen *seen,
			   const struct heartbeat *hb)
{
	struct text *text = &table->content;
	size_t at[ROW_COLUMNS + 1] = {0};
	struct process *gateway =
	    hb->via != NULL ? table_find(table, hb->via, strlen(hb->via)) : NULL;
	bool through = gateway != NULL && gateway->flags & P_LISTED && gateway->uid == seen->uid;

	text_clear(text);
	for (int i = 0; i < ROW_COLUMNS; i++) {
		const char *s = NULL;

		at[i] = text->len;
		switch (i) {
		case ROW_PROCESS: s = name; break;
		case ROW_SERVICE: s = hb->service != NULL ? hb->service : name; break;
		case ROW_IP: s = hb->ip; break;
		case ROW_ADDRESS: s = hb->address; break;
		case ROW_HOST: s = hb->host; break;
		case ROW_VERSION: s = hb->version; break;
		case ROW_USER: s = through && hb->token != NULL ? hb->token : seen->user; break;
		case ROW_VIA: s = through ? hb->via : NULL; break;
		case ROW_REASON: s = hb->reason; break;
		case ROW_HELD: s = !hb->held ? NULL : seen->locked ? "locked" : "yes"; break;
		case ROW_BOOT: s = hb->boot; break;
		case ROW_START: s = hb->start; break;
		case ROW_PID:
			if (hb->pid > 0)
				text_number(text, hb->pid);
			break;
		case ROW_WARN_AFTER: duration_seconds(text, p->limits.warn_ms); break;
		case ROW_ERROR_AFTER: duration_seconds(text, p->limits.error_ms); break;
		case ROW_FORGET_AFTER: duration_seconds(text, p->limits.forget_ms); break;
		case ROW_EVERY:
			if (hb->every_ms > 0)
				duration_seconds(text, hb->every_ms);
			break;
		case ROW_META: row_print_meta(text, hb->extras, hb->extra_count); break;
		}
		if (s != NULL)
			text_tsv(text, s, strlen(s));
		text_char(text, '\t');
	}
	at[ROW_COLUMNS] = text->len;
	if (text->failed || text->len > UINT16_MAX - 256)
		return false;
	for (int i = 0; i < ROW_COLUMNS; i++)
		value_set(values, (enum row_column)i, text->s + at[i], at[i + 1] - at[i] - 1);
	return true;
}

/* Columns that do not come from the file. */
static bool own_column(int i)
{
	return i == ROW_STATE || i == ROW_SINCE || i == ROW_LAST_HB || i == ROW_COUNTER ||
	       i == ROW_SEQ || i == ROW_REASON;
}

/* Columns that depend on more than its bytes: on its lock, on the gateway's row. */
static bool seen_column(int i)
{
	return i == ROW_HELD || i == ROW_USER || i == ROW_VIA;
}

static bool values_differ(const struct values *a, const struct values *b, bool bytes_alone)
{
	for (int i = 0; i < ROW_COLUMNS; i++) {
		if (own_column(i) || (bytes_alone && seen_column(i)))
			continue;
		if (a->len[i] != b->len[i] || memcmp(a->s[i], b->s[i], a->len[i]) != 0)
			return true;
	}
	return false;
}

/* Writes who sent it: nothing when the content does not tell. */
static void identity_print(struct text *text, const struct values *values)
{
	static const enum row_column parts[] = {ROW_BOOT, ROW_START, ROW_PID};
	size_t told = 0;

	text_clear(text);
	for (int i = 0; i < 3; i++) {
		text_add(text, values->s[parts[i]], values->len[parts[i]]);
		text_char(text, '\t');
		told += values->len[parts[i]];
	}
	if (told == 0)
		text_clear(text);
}

static bool text_same(const struct text *a, const struct text *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->s, b->s, a->len) == 0);
}

/*
 * Another process under this name, or the former one again?  Returns the
 * cause of the event: "restarted", "conflict", NULL; and whether the change of
 * content is no news, because two that fight change it all the time.
 */
static const char *identity_judge(struct process *p, const struct values *old,
				  const struct values *new, struct now now, bool *fight)
{
	struct text was = {0}, is = {0};
	const char *cause = NULL;

	identity_print(&was, old);
	identity_print(&is, new);
	if (was.len == 0 || is.len == 0 || was.failed || is.failed || text_same(&was, &is))
		goto out;
	if (p->rival != NULL && text_same(&is, &p->rival->identity) &&
	    (p->flags & P_CONFLICT || now.mono_ms - p->rival->beat_ms <= p->limits.warn_ms)) {
		*fight = p->flags & P_CONFLICT;
		cause = *fight ? NULL : "conflict";
		p->flags |= P_CONFLICT;
	} else {
		cause = "restarted";
		p->flags &= (uint16_t)~P_CONFLICT;
	}
	if (p->rival == NULL && (p->rival = calloc(1, sizeof(*p->rival))) == NULL) {
		p->flags &= (uint16_t)~P_CONFLICT;
		goto out;
	}
	text_free(&p->rival->identity);
	p->rival->identity = was;
	p->rival->pid = strtoll(old->s[ROW_PID], NULL, 10);
	p->rival->beat_ms = p->beat_ms;
	was = (struct text){0};
out:
	text_free(&was);
	text_free(&is);
	return cause;
}

/* Whether somebody holds it, and whether somebody did who did not leave. */
static void lock_judge(struct process *p, bool held, bool locked, bool same)
{
	if (!same || locked)
		p->flags &= (uint16_t)~P_CLOSED;
	else if (held && p->flags & P_LOCKED)
		p->flags |= P_CLOSED;
	p->flags &= (uint16_t) ~(P_HELD | P_LOCKED);
	if (held)
		p->flags |= locked ? P_HELD | P_LOCKED : P_HELD;
}

static void accepted(struct table *table, struct process *p)
{
	if (p->flags & P_REFUSED)
		table->refused--;
	p->flags &= (uint16_t)~P_REFUSED;
	p->flags |= P_FOUND;
}

bool table_content(struct table *table, const char *name, const struct seen *seen,
		   const struct heartbeat *hb, struct now now)
{
	struct process *p = table_find(table, name, strlen(name));
	struct values old = {0}, values;
	const char *cause = NULL;
	bool listed, same = false, beat, fight = false, done;
	struct row row;

	if (p == NULL && (p = process_new(table, name)) == NULL)
		return false;
	listed = p->flags & P_LISTED;
	tally(table, p, -1);
	p->limits = limits_of(&table->limits, &hb->limits, hb->every_ms);
	if (!content_values(table, &values, name, p, seen, hb)) {
		tally(table, p, 1);
		return false;
	}
	beat = is_beat(p, seen->ctime_ns);
	if (listed && row_split(&row, p->line, p->len - 1)) {
		values_of_row(&old, &row);
		same = (p->ino == seen->ino || p->flags & P_LOADED) &&
		       hb->held == !!(p->flags & P_HELD) && !values_differ(&old, &values, true);
		cause = identity_judge(p, &old, &values, now, &fight);
		value_set(&values, ROW_SINCE, old.s[ROW_SINCE], old.len[ROW_SINCE]);
		value_set(&values, ROW_SEQ, old.s[ROW_SEQ], old.len[ROW_SEQ]);
		if (cause == NULL && !fight && values_differ(&old, &values, false))
			cause = "changed";
		if (cause != NULL && strcmp(cause, "restarted") == 0)
			p->counter = 0;
	}
	lock_judge(p, hb->held, seen->locked, same);
	if (!listed || beat || p->counter == 0)
		process_beat(table, p, seen->ctime_ns, now);
	p->flags &= (uint16_t) ~(P_REMOVED | P_LOADED | P_UNREAD);
	p->said = hb->state;
	p->ino = seen->ino;
	p->uid = seen->uid;
	p->ctime_ns = seen->ctime_ns;
	accepted(table, p);
	done = settle(table, p, &values, cause, now);
	tally(table, p, 1);
	if (p->flags & P_LISTED)
		process_rearm(table, p);
	return done;
}

bool table_touch(struct table *table, struct process *p, int64_t ctime_ns, struct now now)
{
	if (!(p->flags & P_LISTED) || p->flags & (P_LOADED | P_REMOVED | P_UNREAD))
		return false;
	if (p->ctime_ns == ctime_ns) {
		p->flags |= P_FOUND;
		return true;
	}
	if (p->flags & (P_VEILED | P_LATE | P_SILENT | P_REFUSED) ||
	    (p->flags & (P_HELD | P_LOCKED)) == P_HELD)
		return false;
	if (p->counter < 2 || p->flags & P_HALF) {
		tally(table, p, -1);
		process_beat(table, p, ctime_ns, now);
		tally(table, p, 1);
		process_rearm(table, p);
	} else {
		process_beat(table, p, ctime_ns, now);
	}
	p->flags |= P_FOUND;
	table->beaten = true;
	if (!line_beat(p))
		p->counter--; /* out of memory: the next beat tells it */
	return true;
}

void table_touch_blindly(struct table *table, struct process *p, const struct seen *seen,
			 struct now now)
{
	if (!(p->flags & P_LISTED))
		return;
	p->flags |= P_FOUND | P_UNREAD;
	if (seen->ctime_ns == p->ctime_ns && p->ino == seen->ino)
		return;
	tally(table, p, -1);
	if (is_beat(p, seen->ctime_ns))
		process_beat(table, p, seen->ctime_ns, now);
	p->ctime_ns = seen->ctime_ns;
	p->flags &= (uint16_t) ~(P_REMOVED | P_LOADED);
	p->ino = seen->ino;
	settle_anew(table, p, NULL, now);
	tally(table, p, 1);
	process_rearm(table, p);
}

void table_removed(struct table *table, struct process *p, struct now now)
{
	if (p->flags & P_REFUSED)
		table->refused--;
	p->flags &= (uint16_t)~P_REFUSED;
	table->beaten = true; /* for the header tells it */
	if (!(p->flags & P_LISTED)) {
		index_remove(&table->index, p);
		process_free(p);
		return;
	}
	if (p->flags & P_REMOVED)
		return;
	tally(table, p, -1);
	p->flags |= P_REMOVED;
	p->flags &= (uint16_t) ~(P_LOCKED | P_LOADED);
	p->ino = 0;
	if (p->said != STATE_INACTIVE) /* who left and then cleaned up has left all the same */
		settle_anew(table, p, NULL, now);
	tally(table, p, 1);
	process_rearm(table, p);
}

bool table_refuse(struct table *table, const char *name, const struct seen *seen, struct now now)
{
	struct process *p = table_find(table, name, strlen(name));
	bool news;

	if (p == NULL && (p = process_new(table, name)) == NULL)
		return false;
	news = !(p->flags & P_REFUSED);
	if (news)
		table->refused++;
	table->beaten = true;
	p->flags |= P_REFUSED | P_FOUND;
	if (p->flags & P_LISTED) {
		table_touch_blindly(table, p, seen, now);
	} else {
		p->ino = seen->ino;
		p->ctime_ns = seen->ctime_ns;
	}
	return news;
}

bool table_load(struct table *table, const struct row *row, struct now now)
{
	const char *text = row_value(row, ROW_PROCESS);
	char name[NAME_LONGEST + 1];
	struct values values;
	struct process *p;
	int64_t age;

	if (row_length(row, ROW_PROCESS) > NAME_LONGEST)
		return true;
	memcpy(name, text, row_length(row, ROW_PROCESS));
	name[row_length(row, ROW_PROCESS)] = '\0';
	p = table_find(table, name, strlen(name));
	if (p != NULL && p->flags & P_LISTED)
		return true;
	if (p == NULL && (p = process_new(table, name)) == NULL)
		return false;
	values_of_row(&values, row);
	if (!line_set(table, p, &values) || !process_list(table, p))
		return false;
	p->state = p->said = (uint8_t)row_state(row);
	p->state_ms = now.mono_ms;
	p->counter = (uint64_t)row_number(row, ROW_COUNTER);
	p->ctime_ns = row_time_ms(row, ROW_LAST_HB) * 1000000;
	/* This clock stood still while the machine was off or asleep: an age is at most its
	 * reading. */
	age = later(0, earlier(now.real_ms - p->ctime_ns / 1000000, now.mono_ms));
	p->beat_ms = now.mono_ms - age;
	p->limits.warn_ms = row_duration_ms(row, ROW_WARN_AFTER);
	p->limits.error_ms = row_duration_ms(row, ROW_ERROR_AFTER);
	p->limits.forget_ms = row_duration_ms(row, ROW_FORGET_AFTER);
	p->limits = limits_of(&table->limits, &p->limits, 0);
	p->flags |= P_LOADED;
	if (row_length(row, ROW_HELD) > 0)
		p->flags |= P_HELD;
	if (row_is(row, ROW_HELD, "locked"))
		p->flags |= P_LOCKED;
	if (row_is(row, ROW_REASON, "removed") && p->state == STATE_INACTIVE)
		p->flags |= P_REMOVED | P_VEILED;
	else if (row_is(row, ROW_REASON, "closed without leaving") && p->state == STATE_ERROR)
		p->flags |= P_CLOSED | P_VEILED;
	else if (row_length(row, ROW_REASON) > 7 &&
		 memcmp(row_value(row, ROW_REASON), "silent ", 7) == 0)
		p->flags |= (p->state == STATE_ERROR ? P_LATE | P_SILENT : P_LATE) | P_VEILED;
	if (p->flags & P_VEILED)
		p->said = STATE_ACTIVE;
	tally(table, p, 1);
	process_rearm(table, p);
	return true;
}

/* Time passes. */

static void pause_begin(struct table *table, struct now now)
{
	char reason[160], until[STAMP_LENGTH];

	table->pause_ms = now.mono_ms + table->limits.warn_ms;
	stamp_print(until, now.real_ms + table->limits.warn_ms);
	snprintf(reason, sizeof(reason),
		 "%zu of %zu processes silent at once: not judged until %.*s", table->half,
		 table->beating, STAMP_LENGTH, until);
	event_master(table, "paused", reason, now);
}

static void pauses_end(struct table *table, struct now now)
{
	char reason[80];

	if (table->pause_ms != 0 && now.mono_ms >= table->pause_ms) {
		table->pause_ms = 0;
		snprintf(reason, sizeof(reason), "%zu of %zu processes still silent", table->half,
			 table->beating);
		event_master(table, "resumed", reason, now);
	}
	if (table->grace_told && now.mono_ms >= table->grace_ms) {
		table->grace_told = false;
		event_master(table, "resumed", "silence is judged again", now);
	}
}

void table_grace(struct table *table, const char *why, struct now now)
{
	char reason[160], until[STAMP_LENGTH];

	table->grace_ms = now.mono_ms + table->limits.warn_ms;
	if (why == NULL)
		return;
	stamp_print(until, now.real_ms + table->limits.warn_ms);
	snprintf(reason, sizeof(reason), "%s: no silence of %zu processes is judged until %.*s",
		 why, table->rows, STAMP_LENGTH, until);
	event_master(table, "paused", reason, now);
	table->grace_told = true;
}

/* Whether the messenger may be at fault: the gateway that the beats came through is not well. */
static bool messenger_ill(const struct table *table, const struct process *p, struct now now)
{
	const struct process *gateway;
	struct row row;

	if (!row_split(&row, p->line, p->len - 1) || row_length(&row, ROW_VIA) == 0)
		return false;
	gateway = table_find(table, row_value(&row, ROW_VIA), row_length(&row, ROW_VIA));
	return gateway != NULL && gateway->flags & P_LISTED &&
	       (gateway->state != STATE_ACTIVE ||
		now.mono_ms - gateway->beat_ms >= gateway->limits.warn_ms ||
		now.mono_ms - gateway->state_ms < table->limits.warn_ms);
}

/*
 * If most are silent at once, the fault is more likely ours: then this row is
 * let off, once until it beats.  paused: a pause was on before this round.
 */
static bool process_spare(struct table *table, struct process *p, bool mass, bool paused,
			  struct now now)
{
	if (p->state != STATE_ACTIVE || p->counter < 2)
		return false;
	if (!paused && (!mass || p->flags & P_SPARED))
		return false;
	if (table->pause_ms == 0)
		pause_begin(table, now);
	p->flags |= P_SPARED;
	return true;
}

static void process_forget(struct table *table, struct process *p, struct now now)
{
	enum forget done = table->forget(table->arg, p);
	size_t len = strcspn(p->line, "\t");
	char name[NAME_LONGEST + 1], seq[24];
	struct values values;
	struct process *stuck;
	struct row row;

	LIST_REMOVE(p, due);
	if (done == FORGET_LATER) {
		process_arm(table, p, now.mono_ms + p->limits.error_ms);
		return;
	}
	tally(table, p, -1);
	table->seq++;
	if (row_split(&row, p->line, p->len - 1)) {
		values_of_row(&values, &row);
		value_set(&values, ROW_SEQ, seq,
			  (size_t)snprintf(seq, sizeof(seq), "%" PRIu64, table->seq));
		line_set(table, p, &values);
	}
	event_add(table, "forgotten", state_name(p->state), p->line, p->len, now);
	index_remove(&table->index, p);
	table->rows--;
	if (p->flags & P_REFUSED)
		table->refused--;
	p->flags = P_GONE;
	LIST_INSERT_HEAD(&table->gone, p, due);
	if (done == FORGET_DONE)
		return;
	memcpy(name, p->line, len);
	name[len] = '\0';
	stuck = process_new(table, name);
	if (stuck != NULL) {
		stuck->ino = p->ino;
		stuck->ctime_ns = p->ctime_ns;
	}
}

/* The wheel came to this process; it may have beaten since it was armed. */
static void process_due(struct table *table, struct process *p, bool mass, bool paused,
			struct due *ripe, struct now now)
{
	int64_t silence = now.mono_ms - p->beat_ms, not_before = now.mono_ms + 1;
	bool judged = p->said == STATE_INACTIVE || p->flags & P_REMOVED;
	uint16_t level = 0;

	if (p->flags & P_CONFLICT && now.mono_ms >= table->grace_ms &&
	    now.mono_ms - p->rival->beat_ms >= p->limits.error_ms) {
		tally(table, p, -1);
		p->flags &= (uint16_t)~P_CONFLICT;
		settle_anew(table, p, NULL, now);
		rival_free(p);
		tally(table, p, 1);
	}
	if (!judged && silence >= p->limits.error_ms)
		level = P_LATE | P_SILENT;
	else if (!judged && silence >= p->limits.warn_ms)
		level = P_LATE;
	if (now.mono_ms < table->grace_ms) {
		level = 0;
		not_before = table->grace_ms;
	} else if ((level & ~p->flags) && process_spare(table, p, mass, paused, now)) {
		level = 0;
		not_before = table->pause_ms;
	} else if (level & P_SILENT && !(p->flags & P_SILENT) && messenger_ill(table, p, now)) {
		level = P_LATE;
		not_before = now.mono_ms + later(WHEEL_MS, table->limits.warn_ms / 4);
	}
	if (level & ~p->flags) {
		tally(table, p, -1);
		p->flags |= level;
		settle_anew(table, p, NULL, now);
		tally(table, p, 1);
	}
	LIST_REMOVE(p, due);
	if (ended(p) && now.mono_ms >= table->grace_ms && now.mono_ms >= forget_at(p))
		LIST_INSERT_HEAD(ripe, p, due);
	else
		process_arm(table, p, later(not_before, process_deadline(p)));
}

void table_expire(struct table *table, struct now now)
{
	struct due visit = LIST_HEAD_INITIALIZER(visit), ripe = LIST_HEAD_INITIALIZER(ripe);
	struct process *p;
	bool mass, paused;

	pauses_end(table, now);
	paused = table->pause_ms != 0;
	/* After a long absence each slot once is enough. */
	if (now.mono_ms - table->wheel_ms > WHEEL_SLOTS * WHEEL_MS)
		table->wheel_ms = now.mono_ms - WHEEL_SLOTS * WHEEL_MS;
	/* Who is silent is known of all before any is judged. */
	while ((table->wheel_ms / WHEEL_MS + 1) * WHEEL_MS <= now.mono_ms) {
		struct due *slot = &table->wheel[table->wheel_ms / WHEEL_MS % WHEEL_SLOTS];

		table->wheel_ms = (table->wheel_ms / WHEEL_MS + 1) * WHEEL_MS;
		while ((p = LIST_FIRST(slot)) != NULL) {
			tally(table, p, -1);
			if (p->counter > 1 && now.mono_ms - p->beat_ms >= p->limits.warn_ms / 2)
				p->flags |= P_HALF;
			tally(table, p, 1);
			LIST_REMOVE(p, due);
			LIST_INSERT_HEAD(&visit, p, due);
		}
	}
	mass = !table->alone && table->half >= 4 && table->half * 2 > table->beating;
	while ((p = LIST_FIRST(&visit)) != NULL)
		process_due(table, p, mass, paused, &ripe, now);
	while ((p = LIST_FIRST(&ripe)) != NULL)
		process_forget(table, p, now);
}

void table_scan_begin(struct table *table)
{
	for (size_t i = 0; i < table->index.size; i++) {
		struct process *p = index_at(&table->index, i);

		if (p != NULL)
			p->flags &= (uint16_t)~P_FOUND;
	}
}

void table_scan_end(struct table *table, struct now now)
{
	for (size_t i = 0; i < table->index.size; i++) {
		struct process *p = index_at(&table->index, i);

		if (p == NULL || p->flags & (P_FOUND | P_REMOVED))
			continue;
		if (!(table->rebooted && p->flags & P_LOADED))
			table_removed(table, p, now);
	}
}

/* A tab sorts before whatever a name may hold, so lines are in the order of names. */
static int by_name(const void *a, const void *b)
{
	const struct process *const *p = a, *const *q = b;

	return strcmp((*p)->line, (*q)->line);
}

bool table_order(struct table *table)
{
	size_t a = 0, b = 0, n = 0;
	struct process **order;

	if (table->news_count == 0 && LIST_EMPTY(&table->gone))
		return true;
	order = malloc((table->rows + 1) * sizeof(order[0]));
	if (order == NULL)
		return false;
	for (size_t i = 0; i < table->news_count; i++)
		if (!(table->news[i]->flags & P_GONE))
			table->news[b++] = table->news[i];
	table->news_count = b;
	if (b > 0)
		qsort(table->news, b, sizeof(table->news[0]), by_name);
	for (b = 0; a < table->ordered || b < table->news_count;) {
		if (a < table->ordered && table->order[a]->flags & P_GONE)
			a++;
		else if (b == table->news_count ||
			 (a < table->ordered && by_name(&table->order[a], &table->news[b]) < 0))
			order[n++] = table->order[a++];
		else
			order[n++] = table->news[b++];
	}
	free(table->order);
	table->order = order;
	table->ordered = n;
	table->news_count = 0;
	while (!LIST_EMPTY(&table->gone)) {
		struct process *p = LIST_FIRST(&table->gone);

		LIST_REMOVE(p, due);
		process_free(p);
	}
	return true;
}

size_t table_slice(const struct table *table, size_t next, const char *prefix, struct text *text)
{
	size_t len = strlen(prefix);

	for (; next < table->ordered && text->len < TABLE_SLICE; next++) {
		text_add(text, prefix, len);
		text_add(text, table->order[next]->line, table->order[next]->len);
	}
	return next;
}

void table_header(const struct table *table, struct text *text, int64_t tick_ms, const char *boot,
		  uint64_t segment, int64_t offset, struct now now)
{
	int64_t until = later(table->pause_ms, table->grace_ms);
	char stamp[STAMP_LENGTH];

	stamp_print(stamp, now.real_ms);
	text_printf(text, "#disco-table 1 seq=%" PRIu64 " time=%.*s rows=%zu tick=", table->seq,
		    STAMP_LENGTH, stamp, table->ordered);
	duration_seconds(text, tick_ms);
	text_string(text, " warnAfter=");
	duration_seconds(text, table->limits.warn_ms);
	text_string(text, " errorAfter=");
	duration_seconds(text, table->limits.error_ms);
	text_string(text, " forgetAfter=");
	duration_seconds(text, table->limits.forget_ms);
	text_printf(text, " log=%020" PRIu64 ":%" PRId64 " boot=%s", segment, offset, boot);
	if (until > now.mono_ms) {
		stamp_print(stamp, now.real_ms + until - now.mono_ms);
		text_printf(text, " paused=%.*s", STAMP_LENGTH, stamp);
	}
	if (table->refused + table->misnamed > 0)
		text_printf(text, " refused=%" PRIu64, table->refused + table->misnamed);
}
