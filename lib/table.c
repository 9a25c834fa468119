/* The discovery table: made, walked in the order of names, and handed out by slices. */
#include "process.h"

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
