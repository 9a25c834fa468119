/* The list when no master makes one: hb/ over the last table, judged here and now. */
#include "view.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "scan.h"
#include "spool.h"
#include "table.h"

static enum forget keep(void *arg, const struct process *p)
{
	(void)arg;
	(void)p;
	return FORGET_LATER;
}

static bool rows_in(struct table *table, const struct view *view, struct now now)
{
	for (size_t i = 0; i < view->count; i++)
		if (!table_load(table, &view->rows[i]->row, now))
			return false;
	return true;
}

static bool rows_out(struct table *table, struct view *view)
{
	if (!table_order(table))
		return false;
	for (size_t i = 0; i < table->ordered; i++)
		if (!view_put(view, table->order[i]->line, table->order[i]->len - 1))
			return false;
	return true;
}

int view_overlay(struct view *view, const char *dir)
{
	char path[SPOOL_PATH];
	struct now now = clock_now();
	struct table *table = table_new(&view->head.limits, now);
	struct scan scan = {.table = table, .hbfd = -1};
	int result = -1, saved;

	if (table == NULL)
		return -1;
	table->alone = true;
	table->forget = keep;
	if (spool_path(path, dir, SPOOL_HB) == NULL)
		goto out;
	scan.hbfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (scan.hbfd < 0 || !rows_in(table, view, now) || scan_all(&scan, clock_now) < 0)
		goto out;
	/* What was due before now lies in the first slot; it must be past to be visited. */
	now = clock_now();
	now.mono_ms += 2 * WHEEL_MS;
	table_expire(table, now);
	if (!rows_out(table, view)) {
		errno = ENOMEM;
		goto out;
	}
	view->head.refused = table->refused + scan.misnamed;
	result = 0;
out:
	saved = errno;
	if (scan.hbfd >= 0)
		close(scan.hbfd);
	scan_free(&scan);
	table_free(table);
	errno = saved;
	return result;
}
