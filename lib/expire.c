/* Time passes: who is silent, who is let off, who is forgotten. */
#include "process.h"

#include <stdio.h>
#include <string.h>

#include "name.h"
#include "stamp.h"

static void pause_begin(struct table *table, struct now now)
{
	char reason[160], until[STAMP_LENGTH];

	table->pause_ms = now.mono_ms + table->limits.warn_ms;
	stamp_print(until, now.real_ms + table->limits.warn_ms);
	snprintf(reason, sizeof(reason),
		 "%zu of %zu processes silent at once: not judged until %.*s", table->half,
		 table->beating, STAMP_LENGTH, until);
	table_event_master(table, "paused", reason, now);
}

static void pauses_end(struct table *table, struct now now)
{
	char reason[80];

	if (table->pause_ms != 0 && now.mono_ms >= table->pause_ms) {
		table->pause_ms = 0;
		snprintf(reason, sizeof(reason), "%zu of %zu processes still silent", table->half,
			 table->beating);
		table_event_master(table, "resumed", reason, now);
	}
	if (table->grace_told && now.mono_ms >= table->grace_ms) {
		table->grace_told = false;
		table_event_master(table, "resumed", "silence is judged again", now);
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
	table_event_master(table, "paused", reason, now);
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
	/* A file that is refused is not the row's to remove. */
	bool denied = p->owner & OWNER_DENIED;
	enum forget done = denied ? FORGET_STUCK : table->forget(table->arg, p);
	size_t len = strcspn(p->line, "\t");
	char name[NAME_LONGEST + 1], seq[NUMBER_LENGTH];
	struct values values;
	struct process *stuck;
	struct row row;

	LIST_REMOVE(p, due);
	if (done == FORGET_LATER) {
		process_arm(table, p, now.mono_ms + p->limits.error_ms);
		return;
	}
	process_tally(table, p, -1);
	table->seq++;
	if (row_split(&row, p->line, p->len - 1)) {
		values_of_row(&values, &row);
		value_string(&values, ROW_SEQ, number_print(seq, table->seq));
		process_print(table, p, &values);
	}
	table_event(table, "forgotten", state_name(p->state), p->line, p->len, now);
	index_remove(&table->index, p);
	process_disown(table, p);
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
	if (stuck == NULL)
		return;
	stuck->ino = p->ino;
	stuck->ctime_ns = p->ctime_ns;
	if (denied) {
		stuck->flags = P_REFUSED;
		stuck->owner = OWNER_DENIED;
		table->refused++;
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
		process_tally(table, p, -1);
		p->flags &= (uint16_t)~P_CONFLICT;
		process_settle_anew(table, p, NULL, now);
		process_make_peace(p);
		process_tally(table, p, 1);
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
		process_tally(table, p, -1);
		p->flags |= level;
		process_settle_anew(table, p, NULL, now);
		process_tally(table, p, 1);
	}
	LIST_REMOVE(p, due);
	if (process_ended(p) && now.mono_ms >= table->grace_ms &&
	    now.mono_ms >= process_forget_at(p))
		LIST_INSERT_HEAD(ripe, p, due);
	else
		process_arm(table, p, later(not_before, process_deadline(p)));
}

/* For want of memory a change did not come into its row; whose is not known. */
static void settle_all(struct table *table, struct now now)
{
	table->unsettled = false;
	for (size_t i = 0; i < table->index.size; i++) {
		struct process *p = index_at(&table->index, i);

		if (p == NULL || !(p->flags & P_LISTED) || p->flags & P_GONE)
			continue;
		process_tally(table, p, -1);
		process_settle_anew(table, p, NULL, now);
		process_tally(table, p, 1);
		process_rearm(table, p);
	}
}

void table_expire(struct table *table, struct now now)
{
	struct due visit = LIST_HEAD_INITIALIZER(visit), ripe = LIST_HEAD_INITIALIZER(ripe);
	struct process *p;
	bool mass, paused;

	if (table->unsettled)
		settle_all(table, now);
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
			process_tally(table, p, -1);
			if (p->counter > 1 && now.mono_ms - p->beat_ms >= p->limits.warn_ms / 2)
				p->flags |= P_HALF;
			process_tally(table, p, 1);
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
