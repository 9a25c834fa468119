/* One process of the table: its place in the wheel, its row's text, and what that shows. */
#include "process.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "stamp.h"

void process_make_peace(struct process *p)
{
	if (p->rival != NULL)
		text_free(&p->rival->identity);
	free(p->rival);
	p->rival = NULL;
}

void process_free(struct process *p)
{
	process_make_peace(p);
	free(p->line);
	free(p);
}

/* Makes room for a process that is not known yet; it has no row. */
struct process *process_new(struct table *table, const char *name)
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
	p->len = (uint16_t)(len + 1);
	if (!index_add(&table->index, p)) {
		process_free(p);
		return NULL;
	}
	return p;
}

/* Gives a process without a row its row; the caller fills it in. */
bool process_list(struct table *table, struct process *p)
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

/* The timing wheel: a process lies in it once, no later than anything that may befall it. */

/* It is looked at in the first round at or after that time; or before, in vain. */
void process_arm(struct table *table, struct process *p, int64_t at_ms)
{
	int64_t last = table->wheel_ms + (WHEEL_SLOTS - 2) * WHEEL_MS;

	at_ms -= WHEEL_MS; /* a slot is visited when all of it is past */
	if (at_ms < table->wheel_ms)
		at_ms = table->wheel_ms;
	if (at_ms > last)
		at_ms = last; /* and then armed again */
	LIST_INSERT_HEAD(&table->wheel[at_ms / WHEEL_MS % WHEEL_SLOTS], p, due);
}

bool process_ended(const struct process *p)
{
	return p->state == STATE_ERROR || p->state == STATE_INACTIVE;
}

/* Nothing is forgotten before this master has seen it ended for as long as others would have. */
int64_t process_forget_at(const struct process *p)
{
	return later(p->beat_ms + p->limits.forget_ms,
		     p->state_ms + p->limits.forget_ms - p->limits.error_ms);
}

/* When the process must be looked at next if it does not beat. */
int64_t process_deadline(const struct process *p)
{
	int64_t at = INT64_MAX;

	if (process_ended(p))
		at = process_forget_at(p);
	if (p->state != STATE_INACTIVE && p->counter > 1 && !(p->flags & P_HALF))
		at = earlier(at, p->beat_ms + p->limits.warn_ms / 2);
	if (p->state != STATE_INACTIVE && !(p->flags & P_SILENT))
		at = earlier(at, p->beat_ms +
				     (p->flags & P_LATE ? p->limits.error_ms : p->limits.warn_ms));
	if (p->flags & P_CONFLICT)
		at = earlier(at, p->rival->beat_ms + p->limits.error_ms);
	return at;
}

void process_rearm(struct table *table, struct process *p)
{
	LIST_REMOVE(p, due);
	process_arm(table, p, process_deadline(p));
}

/* Who counts for the rule of mass silence.  Called with -1 before a change and 1 after it. */
void process_tally(struct table *table, const struct process *p, int sign)
{
	if (!(p->flags & P_LISTED) || p->state != STATE_ACTIVE || p->counter < 2)
		return;
	table->beating += (size_t)sign;
	if (p->flags & P_HALF)
		table->half += (size_t)sign;
}

/* The text. */

void value_set(struct values *values, enum row_column column, const char *s, size_t len)
{
	values->s[column] = s;
	values->len[column] = len;
}

void value_string(struct values *values, enum row_column column, const char *s)
{
	value_set(values, column, s, strlen(s));
}

void values_of_row(struct values *values, const struct row *row)
{
	for (int i = 0; i < ROW_COLUMNS; i++)
		value_set(values, (enum row_column)i, row_value(row, (enum row_column)i),
			  row_length(row, (enum row_column)i));
}

/* Writes the values as the line of the process; false when memory is out, and nothing changed. */
bool process_print(struct table *table, struct process *p, const struct values *values)
{
	struct text *line = &table->line;
	size_t len = ROW_COLUMNS;
	char *s;

	for (int i = 0; i < ROW_COLUMNS; i++)
		len += values->len[i];
	text_clear(line);
	s = text_room(line, len);
	if (s == NULL)
		return false;
	for (int i = 0; i < ROW_COLUMNS; i++) {
		if (i == ROW_LAST_HB)
			p->last_hb = (uint16_t)(s - line->s);
		s = mempcpy(s, values->s[i], values->len[i]);
		*s++ = i == ROW_COLUMNS - 1 ? '\n' : '\t';
	}
	line->len = len;
	if (line->len != p->len) {
		/* The index finds it by its text, so there is always one. */
		s = realloc(p->line, line->len);
		if (s == NULL)
			return false;
		p->line = s;
		p->len = (uint16_t)line->len;
	}
	memcpy(p->line, line->s, line->len);
	return true;
}

/* The commonest thing of all, a beat that changes nothing else: two numbers in place. */
bool process_print_beat(struct process *p)
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

/* A time as text: what happens in a crowd has the same. */
static const char *stamp_of(struct table *table, int64_t ms)
{
	if (table->stamped_ms != ms || table->stamp[0] == '\0')
		stamp_print(table->stamp, ms);
	table->stamped_ms = ms;
	return table->stamp;
}

void table_event(struct table *table, const char *name, const char *from, const char *line,
		 size_t len, struct now now)
{
	text_number(&table->events, (int64_t)table->seq);
	text_char(&table->events, '\t');
	text_add(&table->events, stamp_of(table, now.real_ms), STAMP_LENGTH);
	text_char(&table->events, '\t');
	text_string(&table->events, name);
	text_char(&table->events, '\t');
	text_string(&table->events, from);
	text_char(&table->events, '\t');
	text_add(&table->events, line, len);
	table->changed = true;
}

/* An event of the master's own: a row of process "*" with nothing but a reason. */
void table_event_master(struct table *table, const char *name, const char *reason, struct now now)
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
	table_event(table, name, "", line.s, line.len, now);
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
bool process_settle(struct table *table, struct process *p, struct values *values,
		    const char *cause, struct now now)
{
	bool joins = !(p->flags & P_LISTED);
	bool restarts = !joins && cause != NULL && strcmp(cause, "restarted") == 0;
	enum state from = p->state;
	char last[STAMP_LENGTH], counter[NUMBER_LENGTH], seq[NUMBER_LENGTH];
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
		value_set(values, ROW_SINCE, stamp_of(table, since_ms(table, p, now)),
			  STAMP_LENGTH);
	}
	stamp_print(last, p->ctime_ns / 1000000);
	value_set(values, ROW_LAST_HB, last, sizeof(last));
	value_string(values, ROW_COUNTER, number_print(counter, p->counter));
	value_string(values, ROW_STATE, state_name(p->state));
	if (event != NULL)
		value_string(values, ROW_SEQ, number_print(seq, table->seq + 1));
	if (!process_print(table, p, values) || (joins && !process_list(table, p))) {
		p->state = (uint8_t)from; /* as its row still says */
		table->unsettled = true;
		return false;
	}
	table->beaten = true;
	if (event != NULL) {
		table->seq++;
		table_event(table, event, joins ? "" : state_name(from), p->line, p->len, now);
	}
	return true;
}

/* The same after something happened that is not in the content. */
void process_settle_anew(struct table *table, struct process *p, const char *cause, struct now now)
{
	struct values values;
	struct row row;

	if (!row_split(&row, p->line, p->len - 1))
		return;
	values_of_row(&values, &row);
	if (p->flags &
	    P_VEILED) /* the reason in the row is not the sender's, and that is not at hand */
		value_set(&values, ROW_REASON, "", 0);
	process_settle(table, p, &values, cause, now);
}

/* A new ctime; a row of an earlier master's table knows it to the millisecond only. */
bool process_is_beat(const struct process *p, int64_t ctime_ns)
{
	return p->flags & P_LOADED ? ctime_ns / 1000000 != p->ctime_ns / 1000000
				   : ctime_ns != p->ctime_ns;
}

void process_beat(const struct table *table, struct process *p, int64_t ctime_ns, struct now now)
{
	int64_t age = now.real_ms - ctime_ns / 1000000;

	/* Never negative, never from before the last time that everything was known. */
	age = later(0, earlier(age, now.mono_ms - table->drained_ms));
	p->beat_ms = later(p->beat_ms, now.mono_ms - age);
	p->ctime_ns = ctime_ns;
	p->counter++;
	p->flags &= (uint16_t) ~(P_LATE | P_SILENT | P_HALF | P_SPARED);
}
