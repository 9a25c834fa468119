/* The order is that of the names, whatever came, went, and came again since it was made. */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"
#include "tap.h"

#define NAMES 200
#define ROUNDS 2000
#define LONG_MS 10000000

static struct table *table;
static struct now now = {.mono_ms = LONG_MS, .real_ms = LONG_MS};
static char names[NAMES][16];
static bool there[NAMES];

static unsigned roll(unsigned n)
{
	static uint64_t seed = 1;

	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

/* Many are another's beginning, and some differ in what sorts before or behind the letters. */
static void names_make(void)
{
	static const char letters[] = "-.0Aa_z";

	for (int i = 0; i < NAMES; i++) {
		size_t len = 1 + roll(5);

		names[i][0] = 'A';
		for (size_t at = 1; at < len; at++)
			names[i][at] = letters[roll(sizeof(letters) - 1)];
		for (int j = 0; j < i; j++)
			if (strcmp(names[i], names[j]) == 0) {
				memset(names[i], 0, sizeof(names[i]));
				i--;
				break;
			}
	}
}

static enum forget forget(void *arg, const struct process *p)
{
	(void)arg, (void)p;
	return FORGET_DONE;
}

static void join(int i)
{
	struct heartbeat hb = {.state = STATE_ACTIVE};
	struct seen seen = {.ino = 1, .ctime_ns = now.real_ms * 1000000, .user = "u"};

	if (!table_content(table, table_find(table, names[i], strlen(names[i])), names[i], &seen,
			   &hb, now))
		err(1, "table_content");
	there[i] = true;
}

/* In as many steps as a row takes to its end; those that are to stay beat meanwhile. */
static void leave(const bool gone[NAMES])
{
	for (int step = 0; step < 6; step++) {
		now.mono_ms += LONG_MS;
		now.real_ms += LONG_MS;
		table->drained_ms = now.mono_ms;
		for (int i = 0; i < NAMES; i++)
			if (there[i] && !gone[i])
				join(i);
		table_expire(table, now);
	}
	for (int i = 0; i < NAMES; i++)
		there[i] = there[i] && !gone[i];
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool ordered(void)
{
	char want[NAMES][16];
	size_t count = 0;

	for (int i = 0; i < NAMES; i++)
		if (there[i])
			memcpy(want[count++], names[i], sizeof(want[0]));
	qsort(want, count, sizeof(want[0]), by_name);
	if (!table_order(table) || table->ordered != count || table->rows != count)
		return false;
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(want[i]);

		if (strncmp(table->order[i]->line, want[i], len) != 0 ||
		    table->order[i]->line[len] != '\t')
			return false;
	}
	return true;
}

static bool round_right(void)
{
	bool gone[NAMES] = {false};
	int many = roll(20) == 0 ? NAMES : (int)roll(8);

	for (int n = 0; n < many; n++)
		join((int)roll(NAMES));
	if (roll(2) == 0) {
		for (int i = 0; i < NAMES; i++)
			gone[i] = roll(roll(10) == 0 ? 2 : 40) == 0;
		leave(gone);
	}
	/* Some come again before the order knows that they went. */
	for (int i = 0; i < NAMES; i++)
		if (gone[i] && roll(3) == 0)
			join(i);
	return ordered();
}

int main(void)
{
	struct limits limits = {.warn_ms = 1000, .error_ms = 2000, .forget_ms = 3000};
	int right = 0;

	names_make();
	table = table_new(&limits, now);
	if (table == NULL)
		err(1, NULL);
	table->forget = forget;
	table->alone = true; /* no silence is doubted */
	ok(ordered(), "an empty table has an empty order");
	while (right < ROUNDS && round_right()) {
		right++;
		text_clear(&table->events);
	}
	ok(right == ROUNDS, "after each of %d changes the rows are in the order of names", right);
	table_free(table);
	return tap_done();
}
