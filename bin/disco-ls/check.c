/* --check: the answer of a Nagios plug-in. */
#include <unistd.h>

#include "ls.h"

#define NAMED 5

/* Why, without the sign that begins the performance data. */
static void reason_add(struct text *text, const struct row *row)
{
	struct text bare = {0};

	if (row_length(row, ROW_REASON) == 0)
		return;
	text_untsv(&bare, row_value(row, ROW_REASON), row_length(row, ROW_REASON));
	for (size_t i = 0; i < bare.len; i++)
		if (bare.s[i] == '|')
			bare.s[i] = '/';
	text_string(text, " (");
	text_safe(text, bare.s, bare.len);
	text_char(text, ')');
	text->failed |= bare.failed;
	text_free(&bare);
}

static void names_add(const struct ls *ls, enum state state, struct text *text, size_t *named)
{
	for (size_t i = 0; i < ls->count && *named <= NAMED; i++) {
		if (row_state(ls->rows[i]) != state)
			continue;
		if ((*named)++ == NAMED) {
			text_string(text, ", ...");
			return;
		}
		text_string(text, *named > 1 ? ", " : ": ");
		text_add(text, row_value(ls->rows[i], ROW_PROCESS),
			 row_length(ls->rows[i], ROW_PROCESS));
		reason_add(text, ls->rows[i]);
	}
}

static void counts_add(struct text *text, const size_t *of)
{
	bool first = true;

	for (int i = 0; i < STATES; i++) {
		static const enum state order[STATES] = {STATE_ERROR, STATE_WARNING, STATE_ACTIVE,
							 STATE_INACTIVE};

		if (of[order[i]] == 0)
			continue;
		text_printf(text, "%s%zu %s", first ? "" : ", ", of[order[i]],
			    state_name(order[i]));
		first = false;
	}
}

int check(struct ls *ls)
{
	static const char *const words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
	size_t of[STATES] = {0}, named = 0;
	struct text text = {0};
	int status;

	for (size_t i = 0; i < ls->count; i++)
		of[row_state(ls->rows[i])]++;
	status = of[STATE_ERROR] > 0 ? 2 : of[STATE_WARNING] > 0 ? 1 : 0;
	if (ls->master != MASTER_RUNS || ls->count == 0)
		status = 3;
	text_printf(&text, "DISCO %s - ", words[status]);
	if (ls->master == MASTER_GONE)
		text_string(&text, "no master runs; ");
	else if (ls->master == MASTER_STUCK)
		text_string(&text, "the master is stuck; ");
	counts_add(&text, of);
	if (ls->count == 0)
		text_string(&text, "no process matches");
	names_add(ls, STATE_ERROR, &text, &named);
	names_add(ls, STATE_WARNING, &text, &named);
	text_printf(&text, " | active=%zu warning=%zu error=%zu inactive=%zu\n", of[STATE_ACTIVE],
		    of[STATE_WARNING], of[STATE_ERROR], of[STATE_INACTIVE]);
	write_out(STDOUT_FILENO, &text);
	text_free(&text);
	return status;
}
