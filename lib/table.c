/* The discovery table: made, walked in the order of names, and handed out by slices. */
#include "process.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "head.h"

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
	users_free(table);
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

void table_scan_begin(struct table *table)
{
	for (size_t i = 0; i < table->index.size; i++) {
		struct process *p = index_at(&table->index, i);

		if (p != NULL)
			p->flags &= (uint16_t)~P_FOUND;
	}
}

/*
 * Whether it is no news that its file is gone: the machine lost it, or the master before this one
 * removed it, having reached the row's end, and did not live to tell.
 */
static bool lost_before(const struct table *table, const struct process *p, struct now now)
{
	return p->flags & P_LOADED &&
	       (table->rebooted ||
		(process_ended(p) && now.mono_ms - p->beat_ms >= p->limits.forget_ms));
}

void table_scan_end(struct table *table, struct now now)
{
	for (size_t i = 0; i < table->index.size; i++) {
		struct process *p = index_at(&table->index, i);

		if (p == NULL || p->flags & (P_FOUND | P_REMOVED))
			continue;
		if (!lost_before(table, p, now))
			table_removed(table, p, now);
	}
}

/* One that came or went since the order was made. */
struct change {
	uint64_t key; /* some bytes of its name: lines lie anywhere, and few need be looked at */
	struct process *p;
};

/* A tab sorts before whatever a name may hold, so lines, which end with no NUL, are in the order of
 * names. */
static int compare(const struct process *p, const struct process *q)
{
	return memcmp(p->line, q->line, p->len < q->len ? p->len : q->len);
}

static int by_name(const void *a, const void *b)
{
	const struct change *p = a, *q = b;

	if (p->key != q->key)
		return p->key < q->key ? -1 : 1;
	return compare(p->p, q->p);
}

/* The keys are of where the names begin to differ. */
static void keys_make(struct change *changes, size_t count)
{
	size_t from = changes[0].p->len;

	for (size_t i = 1; i < count; i++)
		for (size_t at = 0; at < from; at++)
			if (changes[i].p->line[at] != changes[0].p->line[at])
				from = at;
	for (size_t i = 0; i < count; i++) {
		const struct process *p = changes[i].p;
		size_t rest = p->len - from;

		changes[i].key = 0;
		memcpy(&changes[i].key, p->line + from, rest < 8 ? rest : 8);
		changes[i].key = be64toh(changes[i].key);
	}
}

/* Where in the order, from there on, the process stands or would stand. */
static size_t place(const struct table *table, size_t from, const struct process *p)
{
	size_t to = table->ordered;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (compare(table->order[middle], p) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* What came and what went, by name; who did both is there twice.  NULL when memory is out. */
static struct change *changes_list(const struct table *table, size_t *count)
{
	struct change *changes;
	struct process *p;
	size_t n = table->news_count;

	LIST_FOREACH (p, &table->gone, due)
		n++;
	changes = malloc(n * sizeof(changes[0]));
	if (changes == NULL)
		return NULL;
	for (n = 0; n < table->news_count; n++)
		changes[n].p = table->news[n];
	LIST_FOREACH (p, &table->gone, due)
		changes[n++].p = p;
	keys_make(changes, n);
	qsort(changes, n, sizeof(changes[0]), by_name);
	*count = n;
	return changes;
}

/* Rows between those that came or went are not looked at: it would delay whatever happens. */
bool table_order(struct table *table)
{
	struct change *changes;
	struct process **order;
	size_t count, from = 0, to, n = 0;

	if (table->news_count == 0 && LIST_EMPTY(&table->gone))
		return true;
	changes = changes_list(table, &count);
	order = malloc((table->rows + 1) * sizeof(order[0]));
	if (changes == NULL || order == NULL) {
		free(changes);
		free(order);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		struct process *p = changes[i].p;

		for (to = place(table, from, p); from < to; from++)
			order[n++] = table->order[from];
		if (!(p->flags & P_GONE))
			order[n++] = p;
		else if (from < table->ordered && table->order[from] == p)
			from++;
	}
	for (; from < table->ordered; from++)
		order[n++] = table->order[from];
	free(changes);
	free(table->order);
	table->order = order;
	table->ordered = n;
	free(table->news); /* many at once are rare */
	table->news = NULL;
	table->news_count = table->news_size = 0;
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
	struct head head = {.seq = table->seq,
			    .time_ms = now.real_ms,
			    .rows = (int64_t)table->ordered,
			    .tick_ms = tick_ms,
			    .limits = table->limits,
			    .segment = segment,
			    .offset = offset,
			    .refused = table->refused + table->misnamed};

	strlcpy(head.boot, boot, sizeof(head.boot));
	if (until > now.mono_ms)
		head.paused_until_ms = now.real_ms + until - now.mono_ms;
	head_print(&head, text);
}
