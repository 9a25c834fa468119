/* From what is seen of a heartbeat file to the row. */
#include "process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "name.h"

#define LINE_LARGEST (UINT16_MAX - 256) /* with room for what is added, and grows */

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
	if (text->failed || text->len > LINE_LARGEST) {
		errno = text->failed ? ENOMEM : EFBIG;
		return false;
	}
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

/*
 * Whether this may be the very file that was seen before.  A row that was loaded does not know
 * which that was: it is another one, a report say, if it speaks of another state than the row
 * shows, where that is the sender's own.
 */
static bool same_file(const struct process *p, const struct seen *seen, const struct heartbeat *hb,
		      const struct values *old, const struct values *new)
{
	if (hb->held != !!(p->flags & P_HELD) || values_differ(old, new, true))
		return false;
	if (!(p->flags & P_LOADED))
		return p->ino == seen->ino;
	return p->flags & P_VEILED ||
	       (p->said == hb->state && old->len[ROW_REASON] == new->len[ROW_REASON] &&
		memcmp(old->s[ROW_REASON], new->s[ROW_REASON], new->len[ROW_REASON]) == 0);
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
	p->owner &= (uint8_t)~OWNER_DENIED;
}

bool table_content(struct table *table, struct process *p, const char *name,
		   const struct seen *seen, const struct heartbeat *hb, struct now now)
{
	struct values old = {0}, values;
	const char *cause = NULL;
	bool listed, same = false, beat, fight = false, done;
	struct row row;

	errno = ENOMEM;
	if (p == NULL && (p = process_new(table, name)) == NULL)
		return false;
	listed = p->flags & P_LISTED;
	process_tally(table, p, -1);
	p->limits = limits_of(&table->limits, &hb->limits, hb->every_ms);
	if (!content_values(table, &values, name, p, seen, hb)) {
		process_tally(table, p, 1);
		return false;
	}
	beat = process_is_beat(p, seen->ctime_ns);
	if (listed && row_split(&row, p->line, p->len - 1)) {
		values_of_row(&old, &row);
		same = same_file(p, seen, hb, &old, &values);
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
	p->ctime_ns = seen->ctime_ns;
	accepted(table, p);
	done = process_settle(table, p, &values, cause, now);
	if (!done) {
		p->ino = 0; /* not taken: to be read again, though nothing of it changes */
		errno = ENOMEM;
	}
	process_tally(table, p, 1);
	if (p->flags & P_LISTED) {
		process_own(table, p, seen->uid);
		process_rearm(table, p);
	}
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
		process_tally(table, p, -1);
		process_beat(table, p, ctime_ns, now);
		process_tally(table, p, 1);
		process_rearm(table, p);
	} else {
		process_beat(table, p, ctime_ns, now);
	}
	p->flags |= P_FOUND;
	table->beaten = true;
	if (!process_print_beat(p))
		p->counter--; /* out of memory: the next beat tells it */
	return true;
}

void table_touch_blindly(struct table *table, struct process *p, const struct seen *seen,
			 struct now now)
{
	if (!(p->flags & P_LISTED))
		return;
	process_own(table, p, seen->uid);
	p->flags |= P_FOUND | P_UNREAD;
	if (seen->ctime_ns == p->ctime_ns && p->ino == seen->ino)
		return;
	process_tally(table, p, -1);
	if (process_is_beat(p, seen->ctime_ns))
		process_beat(table, p, seen->ctime_ns, now);
	p->ctime_ns = seen->ctime_ns;
	p->flags &= (uint16_t) ~(P_REMOVED | P_LOADED);
	p->ino = seen->ino;
	process_settle_anew(table, p, NULL, now);
	process_tally(table, p, 1);
	process_rearm(table, p);
}

void process_lose(struct table *table, struct process *p, struct now now)
{
	if (p->flags & P_REMOVED)
		return;
	process_tally(table, p, -1);
	p->flags |= P_REMOVED;
	p->flags &= (uint16_t) ~(P_LOCKED | P_LOADED);
	p->ino = 0;
	if (p->said != STATE_INACTIVE) /* who left and then cleaned up has left all the same */
		process_settle_anew(table, p, NULL, now);
	process_tally(table, p, 1);
	process_rearm(table, p);
}

void table_removed(struct table *table, struct process *p, struct now now)
{
	if (p->flags & P_REFUSED)
		table->refused--;
	p->flags &= (uint16_t)~P_REFUSED;
	p->owner &= (uint8_t)~OWNER_DENIED;
	table->beaten = true; /* for the header tells it */
	if (p->flags & P_LISTED) {
		process_lose(table, p, now);
		return;
	}
	index_remove(&table->index, p);
	process_free(p);
}

bool table_refuse(struct table *table, const char *name, const struct seen *seen, struct now now)
{
	struct process *p = table_find(table, name, strlen(name));
	bool news;

	if (p == NULL && (p = process_new(table, name)) == NULL)
		return false;
	if (!(p->flags & P_REFUSED))
		table->refused++;
	news = !(p->flags & P_REFUSED) || p->owner & OWNER_DENIED;
	table->beaten = true;
	p->flags |= P_REFUSED | P_FOUND;
	p->owner &= (uint8_t)~OWNER_DENIED;
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

	if (row_length(row, ROW_PROCESS) > NAME_LONGEST || row->at[ROW_COLUMNS] > LINE_LARGEST)
		return true;
	memcpy(name, text, row_length(row, ROW_PROCESS));
	name[row_length(row, ROW_PROCESS)] = '\0';
	p = table_find(table, name, strlen(name));
	if (p != NULL && p->flags & P_LISTED)
		return true;
	if (p == NULL && (p = process_new(table, name)) == NULL)
		return false;
	values_of_row(&values, row);
	if (!process_print(table, p, &values) || !process_list(table, p))
		return false;
	p->state = p->said = (uint8_t)row_state(row);
	p->state_ms = now.mono_ms;
	p->counter = (uint64_t)row_number(row, ROW_COUNTER);
	/* A stamp may be of a year that no ctime has. */
	p->ctime_ns = earlier(row_time_ms(row, ROW_LAST_HB), INT64_MAX / 1000000) * 1000000;
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
	process_tally(table, p, 1);
	process_rearm(table, p);
	return true;
}
