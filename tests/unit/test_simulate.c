/*
 * The table against a plain model of it.  Random lives (beats, silences,
 * closes, leavings, removals, restarts, rivals, gateways) under a virtual clock
 * that is stepped, stopped and suspended; after every tick each row must be
 * what the model says, and what the events told must add up to the rows.
 * The model looks at everything at every tick and knows no wheel.
 *
 * usage: test_simulate [seeds [first [processes [hours]]]], or SEEDS in the environment
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/table.h"
#include "tap.h"

#define TICK 2048
#define STEP 256
#define HOURS 0.114 /* long enough to be forgotten, and born again */

/* One file and, beside it, what a plain reader of disco-spool(5) makes of it. */
struct file {
	char name[16];
	/* the file */
	bool exists, locked, alive;
	int who, next_who, rival; /* identity of who beats; of a second one, 0 if there is none */
	enum state says;
	int via; /* index of its gateway, or -1 */
	uint64_t ino;
	/* the model */
	bool listed, closed, removed, late, silent, half, spared, fights;
	bool known_lock;
	int known_who, former, known_via;
	uint64_t known_ino;
	enum state known_says, state;
	int64_t beat, former_beat, state_since;
	uint64_t counter;
	char reason[80];
	/* what the events told */
	bool told;
	char told_state[16];
};

struct world {
	struct table *table;
	struct file *file;
	int count;
	struct limits limits, master;
	struct now now;
	int64_t drained, grace, pause;
	uint64_t random, ino, nanos, seq;
	int64_t hush_until;
	unsigned long seed;
	bool failed;
};

static unsigned roll(struct world *w, unsigned sides)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (unsigned)(w->random >> 33) % sides;
}

static bool due(int64_t at, int64_t now)
{
	return now >= at;
}

/* The model. */

static void model_state(struct world *w, struct file *f, bool restarted)
{
	enum state state = f->known_says;
	enum state was = f->state;

	f->reason[0] = '\0';
	if (f->removed && f->known_says != STATE_INACTIVE) {
		state = STATE_INACTIVE;
		strcpy(f->reason, "removed");
	} else if (state == STATE_INACTIVE) {
		strcpy(f->reason, "left");
	} else {
		if (state == STATE_WARNING)
			strcpy(f->reason, "its own");
		if (f->late && state < STATE_WARNING) {
			state = STATE_WARNING;
			strcpy(f->reason, "silent 8192 ms");
		}
		if (f->fights && f->known_says < STATE_WARNING) {
			int a = f->known_who < f->former ? f->known_who : f->former;

			state = STATE_WARNING;
			sprintf(f->reason, "conflict: pid %d and pid %d", a,
				f->known_who + f->former - a);
		}
		if (f->silent) {
			state = STATE_ERROR;
			strcpy(f->reason, "silent 24576 ms");
		}
		if (f->closed) {
			state = STATE_ERROR;
			strcpy(f->reason, "closed without leaving");
		}
	}
	f->state = state;
	if (state != was || restarted)
		f->state_since = w->now.mono_ms;
}

static void model_beat(struct world *w, struct file *f, int64_t age)
{
	int64_t at;

	if (age > w->now.mono_ms - w->drained)
		age = w->now.mono_ms - w->drained;
	if (age < 0)
		age = 0;
	at = w->now.mono_ms - age;
	f->beat = at > f->beat ? at : f->beat;
	f->counter++;
	f->late = f->silent = f->half = f->spared = false;
}

static void model_content(struct world *w, struct file *f, bool same, int64_t age)
{
	bool restarted = !f->listed;

	if (!f->listed) {
		memset(&f->listed, 0, offsetof(struct file, told) - offsetof(struct file, listed));
		f->listed = true;
		f->known_who = f->who;
		f->state = f->says;
	} else if (f->who != f->known_who) {
		if (f->former == f->who && f->former != 0 &&
		    (f->fights || w->now.mono_ms - f->former_beat <= w->limits.warn_ms)) {
			f->fights = true;
		} else {
			restarted = true;
			f->fights = false;
			f->counter = 0;
		}
		f->former = f->known_who;
		f->former_beat = f->beat;
		f->known_who = f->who;
	}
	if (!same || f->locked)
		f->closed = false;
	else if (f->known_lock)
		f->closed = true;
	f->known_via = f->via >= 0 && w->file[f->via].listed ? f->via : -1;
	f->known_lock = f->locked;
	f->removed = false;
	f->known_says = f->says;
	f->known_ino = f->ino;
	if (age >= 0 || f->counter == 0)
		model_beat(w, f, age < 0 ? 0 : age);
	model_state(w, f, restarted);
}

static bool model_ended(const struct file *f)
{
	return f->state == STATE_ERROR || f->state == STATE_INACTIVE;
}

static void model_expire(struct world *w)
{
	int64_t now = w->now.mono_ms;
	int beating = 0, half = 0;
	bool mass, paused;

	if (w->pause != 0 && now >= w->pause)
		w->pause = 0;
	paused = w->pause != 0;
	for (struct file *f = w->file; f < w->file + w->count; f++) {
		if (!f->listed)
			continue;
		if (f->counter > 1 && due(f->beat + w->limits.warn_ms / 2, now) && now >= w->grace)
			f->half = true;
		if (f->counter > 1 && f->state == STATE_ACTIVE) {
			beating++;
			half += f->half;
		}
	}
	mass = half >= 4 && half * 2 > beating;
	for (struct file *f = w->file; f < w->file + w->count; f++) {
		bool gone = f->removed || f->known_says == STATE_INACTIVE;
		bool late, silent;
		struct file *g = f->known_via >= 0 ? &w->file[f->known_via] : NULL;

		if (!f->listed)
			continue;
		if (f->fights && now >= w->grace && due(f->former_beat + w->limits.error_ms, now)) {
			f->fights = false;
			f->former = 0;
			model_state(w, f, false);
		}
		late = !gone && due(f->beat + w->limits.warn_ms, now) && !f->late;
		silent = !gone && due(f->beat + w->limits.error_ms, now) && !f->silent;
		if (now < w->grace)
			continue;
		if ((late || silent) && f->state == STATE_ACTIVE && f->counter > 1 &&
		    (paused || (mass && !f->spared))) {
			if (w->pause == 0)
				w->pause = now + w->master.warn_ms;
			f->spared = true;
			continue;
		}
		if (silent && g != NULL && g->listed &&
		    (g->state != STATE_ACTIVE || now - g->beat >= w->limits.warn_ms ||
		     now - g->state_since < w->master.warn_ms)) {
			silent = false;
			late = !f->late;
		}
		if (late || silent) {
			f->late = true;
			f->silent = f->silent || silent;
			model_state(w, f, false);
		}
	}
}

/* What happens in the world, and its being seen. */

static void see(struct world *w, struct file *f, bool content)
{
	char pid[8];
	struct heartbeat hb = {.pid = f->who, .start = pid, .held = true, .state = f->says};
	struct seen seen = {.ino = f->ino,
			    .ctime_ns = w->now.real_ms * 1000000 + (int64_t)(w->nanos++ % 1000000),
			    .uid = 7,
			    .user = "seven",
			    .locked = f->locked};
	struct process *p = table_find(w->table, f->name, strlen(f->name));
	bool same = f->listed && f->known_ino == f->ino;

	snprintf(pid, sizeof(pid), "%d", f->who);
	if (f->says == STATE_WARNING)
		hb.reason = "its own";
	if (f->via >= 0)
		hb.via = w->file[f->via].name;
	if (!content && p != NULL && table_touch(w->table, p, seen.ctime_ns, w->now)) {
		model_beat(w, f, 0);
		model_state(w, f, false);
		return;
	}
	if (!table_content(w->table, table_find(w->table, f->name, strlen(f->name)), f->name, &seen,
			   &hb, w->now))
		abort();
	model_content(w, f, same, 0);
}

/* The holder is gone: nothing but the lock has changed. */
static void see_close(struct world *w, struct file *f)
{
	char pid[8];
	struct heartbeat hb = {.pid = f->known_who, .start = pid, .held = true, .state = f->says};
	struct process *p = table_find(w->table, f->name, strlen(f->name));
	struct seen seen = {.ino = f->ino, .ctime_ns = p->ctime_ns, .uid = 7, .user = "seven"};

	snprintf(pid, sizeof(pid), "%d", f->known_who);
	if (f->says == STATE_WARNING)
		hb.reason = "its own";
	if (f->via >= 0)
		hb.via = w->file[f->via].name;
	if (!table_content(w->table, table_find(w->table, f->name, strlen(f->name)), f->name, &seen,
			   &hb, w->now))
		abort();
	model_content(w, f, true, -1);
}

static void deliver(struct world *w, struct file *f, int who, enum state says)
{
	f->exists = true;
	f->locked = says != STATE_INACTIVE;
	f->who = who;
	f->says = says;
	f->ino = ++w->ino;
	see(w, f, true);
}

static void live(struct world *w, struct file *f)
{
	bool hush = w->now.mono_ms < w->hush_until;

	if (!f->alive) {
		if (roll(w, 150) == 0 && !hush) {
			f->alive = true;
			f->rival = roll(w, 6) == 0 ? ++f->next_who : 0;
			deliver(w, f, ++f->next_who,
				roll(w, 8) == 0 ? STATE_WARNING : STATE_ACTIVE);
		}
		return;
	}
	if (hush)
		return;
	switch (roll(w, 400)) {
	case 0: /* killed */
		f->alive = false;
		f->locked = false;
		if (f->exists && f->listed && f->known_ino == f->ino)
			see_close(w, f);
		return;
	case 1: /* leaves */
		f->alive = false;
		deliver(w, f, f->who, STATE_INACTIVE);
		return;
	case 2: /* removed, and does not come back */
		f->alive = f->exists = f->locked = false;
		if (f->listed) {
			table_removed(w->table, table_find(w->table, f->name, strlen(f->name)),
				      w->now);
			f->removed = true;
			f->known_lock = false;
			f->known_ino = 0;
			model_state(w, f, false);
		}
		return;
	case 3: /* hangs for a while: one roll in 400 steps wakes it, or never */
		f->alive = roll(w, 2) == 0;
		return;
	case 4: f->rival = 0; return;
	case 5: deliver(w, f, f->who, STATE_WARNING); return;
	case 6: deliver(w, f, f->who, STATE_ACTIVE); return;
	}
	if (f->rival != 0 && roll(w, 8) == 0) {
		int other = f->rival;

		f->rival = f->who;
		deliver(w, f, other, STATE_ACTIVE);
	} else if (roll(w, 8) == 0 && f->exists) {
		see(w, f, false);
	}
}

static enum forget forget(void *arg, const struct process *p)
{
	struct world *w = arg;
	struct file *f = w->file + atoi(p->line + 1);
	int64_t now = w->now.mono_ms, at;

	at = f->beat + w->limits.forget_ms;
	if (at < f->state_since + w->limits.forget_ms - w->limits.error_ms)
		at = f->state_since + w->limits.forget_ms - w->limits.error_ms;
	if (!f->listed || !model_ended(f) || now < at || now < w->grace) {
		printf("# seed %lu: %s forgotten too early\n", w->seed, f->name);
		w->failed = true;
	}
	if (f->locked)
		return FORGET_LATER;
	f->exists = f->listed = false;
	return FORGET_DONE;
}

/* Comparing. */

static void read_events(struct world *w)
{
	struct text *events = &w->table->events;
	char *s = events->s, *end = s + events->len, *newline;

	for (; s < end; s = newline + 1) {
		struct event event;

		newline = memchr(s, '\n', (size_t)(end - s));
		if (!event_split(&event, s, (size_t)(newline - s)) || event.seq != ++w->seq) {
			printf("# seed %lu: a bad event: %.*s\n", w->seed, (int)(newline - s), s);
			w->failed = true;
			continue;
		}
		if (row_value(&event.row, ROW_PROCESS)[0] == 'p') {
			struct file *f = w->file + atoi(row_value(&event.row, ROW_PROCESS) + 1);

			f->told = !event_is(&event, "forgotten");
			snprintf(f->told_state, sizeof(f->told_state), "%s",
				 state_name(row_state(&event.row)));
		}
	}
	text_clear(events);
}

static void compare(struct world *w)
{
	read_events(w);
	for (struct file *f = w->file; f < w->file + w->count; f++) {
		struct process *p = table_find(w->table, f->name, strlen(f->name));
		bool listed = p != NULL && p->flags & P_LISTED;
		struct row row;

		if (listed != f->listed || listed != f->told) {
			printf("# seed %lu, %" PRId64 ": %s listed %d, model %d, told %d\n",
			       w->seed, w->now.mono_ms, f->name, listed, f->listed, f->told);
			w->failed = true;
			continue;
		}
		if (!listed)
			continue;
		if (!row_split(&row, p->line, p->len - 1) || row_state(&row) != f->state ||
		    !row_is(&row, ROW_REASON, f->reason) ||
		    (uint64_t)row_number(&row, ROW_COUNTER) != f->counter ||
		    strcmp(f->told_state, state_name(f->state)) != 0) {
			printf("# seed %lu, %" PRId64 ": model says %s, %s, %" PRIu64
			       ", told %s: %.*s\n",
			       w->seed, w->now.mono_ms, state_name(f->state), f->reason, f->counter,
			       f->told_state, (int)p->len - 1, p->line);
			w->failed = true;
		}
	}
}

static void away(struct world *w)
{
	w->now.mono_ms += STEP * roll(w, 400);
	w->grace = w->now.mono_ms + w->master.warn_ms;
	table_grace(w->table, "away", w->now);
}

/* *ms is what passed there. */
static bool simulate(unsigned long seed, int processes, double hours, int64_t *ms)
{
	int64_t steps = (int64_t)(hours * 3600000 / STEP);
	struct world w = {
	    .seed = seed, .random = seed * 0x9e3779b97f4a7c15u + 1, .count = processes};

	w.limits = w.master = (struct limits){8192, 24576, 131072};
	w.now = (struct now){1 << 20, INT64_C(1764000000000)};
	w.table = table_new(&w.master, w.now);
	w.table->forget = forget;
	w.table->arg = &w;
	w.drained = w.table->drained_ms = w.now.mono_ms;
	w.file = calloc((size_t)processes, sizeof(w.file[0]));
	if (w.file == NULL)
		return false;
	*ms -= w.now.mono_ms;
	for (int i = 0; i < processes; i++) {
		snprintf(w.file[i].name, sizeof(w.file[i].name), "p%d", i);
		w.file[i].via = i > 0 && i % 4 == 0 ? 0 : -1;
		w.file[i].next_who = i * 100;
	}
	for (int64_t step = 1; step <= steps && !w.failed; step++) {
		w.now.mono_ms += STEP;
		w.now.real_ms += STEP;
		if (roll(&w, 300) == 0)
			w.now.real_ms += (int64_t)roll(&w, 7200000) - 3600000;
		if (roll(&w, 400) == 0)
			w.hush_until = w.now.mono_ms + STEP * roll(&w, 100);
		for (int i = 0; i < processes; i++)
			live(&w, &w.file[i]);
		w.drained = w.table->drained_ms = w.now.mono_ms;
		if (roll(&w, 500) == 0)
			away(&w);
		if (step % (TICK / STEP) != 0)
			continue;
		model_expire(&w);
		table_expire(w.table, w.now);
		table_order(w.table);
		compare(&w);
	}
	*ms += w.now.mono_ms;
	table_free(w.table);
	free(w.file);
	return !w.failed;
}

int main(int argc, char **argv)
{
	const char *given = argc > 1 ? argv[1] : getenv("SEEDS");
	unsigned long seeds = given != NULL ? strtoul(given, NULL, 10) : 2000;
	unsigned long first = argc > 2 ? strtoul(argv[2], NULL, 10) : 1, bad = 0;
	int processes = atoi(argc > 3 ? argv[3] : "12");
	double hours = argc > 4 ? strtod(argv[4], NULL) : HOURS;
	int64_t ms = 0;

	for (unsigned long seed = first; seed < first + seeds && bad < 3; seed++)
		bad += !simulate(seed, processes, hours, &ms);
	ok(bad == 0, "%lu simulated worlds of %d, together %.0f hours, are as the model says",
	   seeds, processes, (double)ms / 3600000);
	return tap_done();
}
