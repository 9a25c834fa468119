/*
 * How often the living are accused, and how soon the dead are missed: the table
 * under a virtual clock, with beats that are late and lost as in life.  Nobody
 * holds a file here: of who does, the kernel tells.
 *
 * usage: test_alarms [days [processes]], which prints a table besides
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/table.h"
#include "tap.h"

#define TICK 2000
#define INTERVAL 10000 /* a third of warnAfter: the longest for which that is not raised */
#define HOSTS 100
#define DAY 86400000.0
#define DEATHS_A_DAY 2 /* of one process */
#define DELAYS 1000    /* a histogram of 100 ms */
#define LEAST 1e-12    /* the share of the first of them */

struct scene {
	const char *words;
	double late, sigma;	 /* a beat's delay: exponential; or log-normal, with sigma */
	double lost;		 /* the share of beats that never come */
	double paused, pause_ms; /* the share of time in which a host stands still, and how long */
	double outage_ms, every_ms; /* how long all are silent at once, and how often */
};

static const struct scene scenes[] = {
    {.words = "late by 1 % of the interval", .late = 100},
    {.words = "late by 10 %", .late = 1000},
    {.words = "late by 1 % (median), 1 of 10000 by 2.6 intervals", .late = 100, .sigma = 1.5},
    {.words = "late by 1 % (median), 1 of 1000 by 4.8 intervals", .late = 100, .sigma = 2},
    {.words = "one beat of 1000 lost", .late = 100, .lost = 0.001},
    {.words = "one beat of 100 lost", .late = 100, .lost = 0.01},
    {.words = "hosts stand still 1 % of the time, for 2 s",
     .late = 100,
     .paused = 0.01,
     .pause_ms = 2000},
    {.words = "the same, for 10 s", .late = 100, .paused = 0.01, .pause_ms = 10000},
    {.words = "all are cut off for 20 s, each hour",
     .late = 100,
     .outage_ms = 20000,
     .every_ms = 3600000},
    {.words = "all are cut off for 60 s, each hour",
     .late = 100,
     .outage_ms = 60000,
     .every_ms = 3600000},
};

struct life {
	char name[24];
	int birth;
	double due, at; /* when the next beat should come, and when it does */
	double death;	/* -1: it lives */
	double dies;	/* when it will */
	bool told;
};

struct world {
	const struct scene *scene;
	struct table *table;
	struct now now;
	struct life *lives;
	size_t count;
	double paused_from[HOSTS], paused_to[HOSTS];
	uint64_t random, warnings, errors, pauses, deaths;
	uint64_t delays[DELAYS];
};

/* In (0, 1]. */
static double chance(struct world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (double)((w->random >> 11) + 1) / 9007199254740992.0;
}

static double exponential(struct world *w, double mean)
{
	return -mean * log(chance(w));
}

static double lateness(struct world *w)
{
	const struct scene *s = w->scene;

	if (s->sigma == 0)
		return exponential(w, s->late);
	return s->late * exp(s->sigma * sqrt(-2 * log(chance(w))) * cos(2 * M_PI * chance(w)));
}

/* When that gets through, which would at this time: not while its host or all stand still. */
static double through(struct world *w, const struct life *l, double at)
{
	const struct scene *s = w->scene;
	size_t host = (size_t)(l - w->lives) % HOSTS;

	if (s->paused > 0) {
		while (at >= w->paused_to[host]) {
			w->paused_from[host] =
			    w->paused_to[host] +
			    exponential(w, s->pause_ms * (1 - s->paused) / s->paused);
			w->paused_to[host] = w->paused_from[host] + exponential(w, s->pause_ms);
		}
		if (at >= w->paused_from[host])
			at = w->paused_to[host];
	}
	if (s->every_ms > 0 && fmod(at, s->every_ms) >= s->every_ms - s->outage_ms)
		at += s->every_ms - fmod(at, s->every_ms);
	return at;
}

static void beat_next(struct world *w, struct life *l)
{
	double at;

	do
		l->due += INTERVAL;
	while (chance(w) <= w->scene->lost);
	at = through(w, l, l->due + lateness(w));
	/* Beats of one process do not overtake each other. */
	l->at = at > l->at ? at : l->at;
}

static void born(struct world *w, struct life *l, double at)
{
	l->birth++;
	l->due = l->at = at;
	l->death = -1;
	l->dies = at + exponential(w, DAY / DEATHS_A_DAY);
	l->told = false;
}

static void see(struct world *w, struct life *l)
{
	/* That moment on the clock of the stamps. */
	int64_t ctime_ns = (int64_t)((l->at + (double)(w->now.real_ms - w->now.mono_ms)) * 1000000);
	struct process *p = table_find(w->table, l->name, strlen(l->name));
	char start[16];
	struct heartbeat hb = {.pid = l->birth, .start = start, .every_ms = INTERVAL};
	struct seen seen = {.ino = (uint64_t)l->birth, .ctime_ns = ctime_ns, .user = "seven"};

	if (p != NULL && p->ino == seen.ino && table_touch(w->table, p, ctime_ns, w->now))
		return;
	snprintf(start, sizeof(start), "%d", l->birth);
	if (!table_content(w->table, table_find(w->table, l->name, strlen(l->name)), l->name, &seen,
			   &hb, w->now))
		abort();
}

static void live(struct world *w, struct life *l)
{
	while (l->death < 0 && l->at <= (double)w->now.mono_ms) {
		if (l->dies <= l->at) {
			l->death = l->dies;
			w->deaths++;
			return;
		}
		see(w, l);
		beat_next(w, l);
	}
	if (l->told && l->death >= 0) {
		born(w, l, (double)w->now.mono_ms);
		see(w, l);
		beat_next(w, l);
	}
}

static void read_events(struct world *w)
{
	struct text *events = &w->table->events;
	char *s = events->s, *end = s + events->len, *newline;

	for (; s < end; s = newline + 1) {
		struct event event;
		struct life *l;
		double delay;

		newline = memchr(s, '\n', (size_t)(end - s));
		if (!event_split(&event, s, (size_t)(newline - s)))
			abort();
		if (row_is(&event.row, ROW_PROCESS, "*")) {
			w->pauses += event_is(&event, "paused");
			continue;
		}
		l = &w->lives[strtoul(event.row.text + 1, NULL, 10)];
		/* Who has died and was not due to beat yet is not silent for us either. */
		if (l->death < 0 && l->dies <= (double)w->now.mono_ms) {
			l->death = l->dies;
			w->deaths++;
		}
		if (l->death < 0) {
			w->warnings += event_is(&event, "warning");
			w->errors += event_is(&event, "error");
		} else if (event_is(&event, "error")) {
			delay = ((double)w->now.mono_ms - l->death) / 100;
			w->delays[delay < DELAYS - 1 ? (size_t)delay : DELAYS - 1]++;
			l->told = true;
		}
	}
	text_clear(events);
}

static enum forget keep(void *arg, const struct process *p)
{
	(void)arg, (void)p;
	return FORGET_LATER;
}

static double delay_at(const struct world *w, double share)
{
	uint64_t all = 0, passed = 0;
	size_t i;

	for (i = 0; i < DELAYS; i++)
		all += w->delays[i];
	for (i = 0; i < DELAYS && (double)passed < share * (double)all; i++)
		passed += w->delays[i];
	return (double)i / 10;
}

static void simulate(struct world *w, const struct scene *scene, double days, size_t count)
{
	struct limits limits = {30000, 90000, 600000};
	int64_t begun;

	*w = (struct world){.scene = scene, .random = 88172645463325252u, .count = count};
	w->now = (struct now){1 << 20, INT64_C(1764000000000)};
	begun = w->now.mono_ms;
	w->table = table_new(&limits, w->now);
	w->table->forget = keep;
	w->table->drained_ms = begun;
	w->lives = calloc(count, sizeof(*w->lives));
	for (size_t i = 0; i < count; i++) {
		snprintf(w->lives[i].name, sizeof(w->lives[i].name), "p%zu", i);
		born(w, &w->lives[i], (double)begun + INTERVAL * chance(w));
	}
	while ((double)(w->now.mono_ms - begun) < days * DAY) {
		w->now.mono_ms += TICK;
		w->now.real_ms += TICK;
		for (size_t i = 0; i < count; i++)
			live(w, &w->lives[i]);
		w->table->drained_ms = w->now.mono_ms;
		table_expire(w->table, w->now);
		table_order(w->table);
		read_events(w);
	}
	table_free(w->table);
	free(w->lives);
}

static void print(const struct world *w, double days)
{
	double lived = days * (double)w->count;

	printf("# %-56s %9.2g %9.2g  %5.1f %5.1f %5.1f %5.1f  %8" PRIu64 " %5" PRIu64 "\n",
	       w->scene->words, (double)w->warnings / lived, (double)w->errors / lived,
	       delay_at(w, LEAST), delay_at(w, 0.5), delay_at(w, 0.99), delay_at(w, 0.9999),
	       w->deaths, w->pauses);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	double days = argc > 1 ? strtod(argv[1], NULL) : 1;
	size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : 200;
	struct world w;

	if (argc > 1)
		printf("# %zu processes beat each %d s for %g days; false alarms per process and "
		       "day, seconds from death to error\n# %-56s %9s %9s  %5s %5s %5s %5s  %8s "
		       "%5s\n",
		       count, INTERVAL / 1000, days, "beats", "warning", "error", "least", "p50",
		       "p99", "p9999", "deaths", "pauses");
	for (const struct scene *s = scenes; s < scenes + sizeof(scenes) / sizeof(*scenes); s++) {
		if (argc == 1 && s > scenes && s->every_ms == 0)
			continue;
		simulate(&w, s, days, count);
		if (argc > 1)
			print(&w, days);
		if (s == scenes) {
			ok(w.warnings + w.errors == 0, "who is a little late is not accused");
			ok(w.deaths > 0 && delay_at(&w, LEAST) >= 79 && delay_at(&w, 1) <= 92.5,
			   "who has died is missed after 80 to 92 s");
		} else if (s->every_ms > 0) {
			ok(w.errors == 0, "%s: nobody is in error", s->words);
		}
	}
	return tap_done();
}
