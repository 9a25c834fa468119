/* The rows, what changed lately, and when. */
#include "rows.h"

#include <stdlib.h>
#include <string.h>

#include "stamp.h"

const char *const rows_event_names[] = {"joined",    "active",	"warning",   "error",
					"inactive",  "changed", "restarted", "conflict",
					"forgotten", "paused",	"resumed",   NULL};

bool rows_init(struct rows *rows)
{
	*rows = (struct rows){.round = 1};
	rows->changes = calloc(CHANGES_KEPT, sizeof(rows->changes[0]));
	return rows->changes != NULL;
}

static void entry_free(struct entry *entry)
{
	free(entry->text);
	text_free(&entry->json);
	free(entry);
}

static void change_clear(struct change *change)
{
	free(change->line);
	text_free(&change->json);
	*change = (struct change){0};
}

static void changes_drop(struct rows *rows)
{
	struct change *change = &rows->changes[rows->first];

	rows->kept_bytes -= strlen(change->line);
	rows->lost_round = change->round;
	change_clear(change);
	rows->first = (rows->first + 1) % CHANGES_KEPT;
	rows->kept--;
}

void rows_free(struct rows *rows)
{
	for (size_t i = 0; i < rows->size; i++)
		if (rows->entries[i] != NULL)
			entry_free(rows->entries[i]);
	for (size_t i = 0; i < CHANGES_KEPT; i++)
		change_clear(&rows->changes[i]);
	index_free(&rows->index);
	free(rows->entries);
	free(rows->changed);
	free(rows->beaten);
	free(rows->free_ids);
	free(rows->changes);
}

static bool ids_grow(struct rows *rows)
{
	size_t size = rows->size > 0 ? rows->size * 2 : 256;
	struct entry **entries = reallocarray(rows->entries, size, sizeof(entries[0]));
	uint64_t *changed, *beaten;
	uint32_t *free_ids;

	if (entries == NULL)
		return false;
	rows->entries = entries;
	changed = reallocarray(rows->changed, size, sizeof(changed[0]));
	if (changed == NULL)
		return false;
	rows->changed = changed;
	beaten = reallocarray(rows->beaten, size, sizeof(beaten[0]));
	if (beaten == NULL)
		return false;
	rows->beaten = beaten;
	free_ids = reallocarray(rows->free_ids, size, sizeof(free_ids[0]));
	if (free_ids == NULL)
		return false;
	rows->free_ids = free_ids;
	/* The lowest is taken first. */
	for (size_t i = size; i-- > rows->size;) {
		rows->entries[i] = NULL;
		rows->changed[i] = rows->beaten[i] = 0;
		rows->free_ids[rows->free_count++] = (uint32_t)i;
	}
	rows->size = size;
	return true;
}

static const char state_letters[STATES + 1] = "awei";

static void strip_state(struct rows *rows, struct entry *entry)
{
	static const char worst[] = "-aiwe";
	char *cell = &entry->states[rows->cell % STRIP_CELLS];
	char now = state_letters[row_state(&entry->row)];

	if (strchr(worst, now) > strchr(worst, *cell))
		*cell = now;
}

static void changed(struct rows *rows, uint32_t id)
{
	rows->changed[id] = rows->last_changed = rows->round;
}

static void strip_beat(struct rows *rows, struct entry *entry, int64_t beats)
{
	uint16_t *cell = &entry->beats[rows->cell % STRIP_CELLS];
	int64_t sum = (*cell == STRIP_UNSEEN ? 0 : *cell) + (beats > 0 ? beats : 1);

	*cell = sum < STRIP_UNSEEN ? (uint16_t)sum : STRIP_UNSEEN - 1;
}

/* The same row with a text of its own; NULL when memory is out. */
static char *row_copy(struct row *to, const struct row *row)
{
	char *text = strndup(row->text, (size_t)row->at[ROW_COLUMNS] - 1);

	*to = *row;
	to->text = text;
	return text;
}

static struct entry *entry_new(struct rows *rows, const struct row *row)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (entry == NULL || (rows->free_count == 0 && !ids_grow(rows)))
		goto fail;
	entry->text = row_copy(&entry->row, row);
	if (entry->text == NULL || !index_add(&rows->index, entry))
		goto fail;
	entry->id = rows->free_ids[--rows->free_count];
	rows->entries[entry->id] = entry;
	rows->beaten[entry->id] = 0;
	rows->count++;
	rows->states[row_state(&entry->row)]++;
	memset(entry->states, '-', sizeof(entry->states));
	memset(entry->beats, 0xff, sizeof(entry->beats));
	return entry;
fail:
	if (entry != NULL)
		entry_free(entry);
	return NULL;
}

static bool entry_set(struct rows *rows, struct entry *entry, const struct row *row)
{
	enum state was = row_state(&entry->row);
	struct row copied;
	char *text;

	/* Most often it is a beat, and as long as before. */
	if (entry->row.at[ROW_COLUMNS] == row->at[ROW_COLUMNS]) {
		memcpy(entry->text, row->text, (size_t)row->at[ROW_COLUMNS] - 1);
		memcpy(entry->row.at, row->at, sizeof(row->at));
	} else {
		text = row_copy(&copied, row);
		if (text == NULL)
			return false;
		/* The index looks at the name through it: no moment without. */
		entry->row = copied;
		free(entry->text);
		entry->text = text;
	}
	rows->states[was]--;
	rows->states[row_state(&entry->row)]++;
	text_clear(&entry->json);
	return true;
}

static void entry_remove(struct rows *rows, struct entry *entry)
{
	index_remove(&rows->index, entry);
	rows->entries[entry->id] = NULL;
	changed(rows, entry->id);
	rows->free_ids[rows->free_count++] = entry->id;
	rows->states[row_state(&entry->row)]--;
	rows->count--;
	entry_free(entry);
}

struct entry *rows_find(const struct rows *rows, const char *name, size_t len)
{
	return index_find(&rows->index, name, len);
}

bool rows_put(struct rows *rows, const struct row *row)
{
	struct entry *entry = rows_find(rows, row->text, row_length(row, ROW_PROCESS));
	int64_t beats = 0;

	if (entry == NULL) {
		entry = entry_new(rows, row);
		if (entry == NULL)
			return false;
		beats = row_number(row, ROW_COUNTER) == 1;
	} else {
		beats = row_number(row, ROW_COUNTER) - row_number(&entry->row, ROW_COUNTER);
		if (!entry_set(rows, entry, row))
			return false;
	}
	if (beats > 0) {
		strip_beat(rows, entry, beats);
		rows->beat_count += (uint64_t)beats;
	}
	strip_state(rows, entry);
	entry->seen = true;
	changed(rows, entry->id);
	return true;
}

static bool changes_add(struct rows *rows, const struct event *event)
{
	const char *line = event->name;
	struct change *change;
	struct text text = {0};

	/* The line once more, for the event's own bytes live only until the next. */
	text_printf(&text, "%llu\t", (unsigned long long)event->seq);
	line = event->name;
	text_add(&text, line - STAMP_LENGTH - 1, STAMP_LENGTH + 1);
	text_add(&text, line, (size_t)(event->row.text - line));
	text_add(&text, event->row.text, (size_t)event->row.at[ROW_COLUMNS] - 1);
	text_cstr(&text);
	if (text.failed)
		return false;
	while (rows->kept == CHANGES_KEPT || (rows->kept > 0 && rows->kept_bytes > CHANGES_BYTES))
		changes_drop(rows);
	change = &rows->changes[(rows->first + rows->kept) % CHANGES_KEPT];
	if (!event_split(&change->event, text.s, text.len)) {
		text_free(&text);
		return true;
	}
	change->line = text.s;
	change->seq = event->seq;
	change->round = rows->round;
	change->time_ms = event->time_ms;
	rows->kept++;
	rows->kept_bytes += text.len;
	return true;
}

/* The keyframe has ended: what was not in it is no more. */
static void rows_begun(struct rows *rows)
{
	for (size_t i = 0; i < rows->size; i++)
		if (rows->entries[i] != NULL && !rows->entries[i]->seen)
			entry_remove(rows, rows->entries[i]);
	rows->beginning = false;
	rows->begun = rows->round;
}

static void rows_begin(struct rows *rows)
{
	while (rows->kept > 0)
		changes_drop(rows);
	for (size_t i = 0; i < rows->size; i++)
		if (rows->entries[i] != NULL)
			rows->entries[i]->seen = false;
	rows->beginning = true;
}

bool rows_apply(struct rows *rows, const struct event *event, bool old)
{
	struct entry *entry;

	if (event_is(event, "reset")) {
		rows_begin(rows);
		return true;
	}
	if (event_is(event, "sync")) {
		/* The number may have gone back with the clock of a machine that began anew. */
		if (rows->beginning) {
			rows_begun(rows);
			rows->seq = event->seq;
		}
	} else if (!event_is(event, "row")) {
		if (!changes_add(rows, event))
			return false;
		for (size_t i = 0; !old && rows_event_names[i] != NULL; i++)
			rows->event_counts[i] += event_is(event, rows_event_names[i]);
	}
	if (!old && !row_is(&event->row, ROW_PROCESS, "*")) {
		entry = rows_find(rows, event->row.text, row_length(&event->row, ROW_PROCESS));
		if (entry != NULL && !rows->beginning && row_knows(&entry->row, event))
			return true;
		if (event_is(event, "forgotten")) {
			if (entry != NULL)
				entry_remove(rows, entry);
		} else if (!rows_put(rows, &event->row)) {
			return false;
		}
	}
	if (event->seq > rows->seq)
		rows->seq = event->seq;
	return true;
}

bool rows_table_line(struct rows *rows, const char *line, size_t len)
{
	struct entry *entry;
	struct row row;
	int64_t last_ms, was_ms, beats;

	if (!row_split(&row, line, len))
		return true;
	entry = rows_find(rows, line, row_length(&row, ROW_PROCESS));
	/* What is not there yet, or changed meanwhile, is an event's to tell. */
	if (entry == NULL || row_number(&row, ROW_SEQ) != row_number(&entry->row, ROW_SEQ))
		return true;
	if (entry->row.at[ROW_COLUMNS] == len + 1 && memcmp(entry->text, line, len) == 0)
		return true;
	last_ms = row_time_ms(&row, ROW_LAST_HB);
	was_ms = row_time_ms(&entry->row, ROW_LAST_HB);
	if (last_ms < was_ms)
		return true;
	if (row_length(&row, ROW_HELD) != row_length(&entry->row, ROW_HELD))
		changed(rows, entry->id);
	if (last_ms > was_ms) {
		beats = row_number(&row, ROW_COUNTER) - row_number(&entry->row, ROW_COUNTER);
		strip_beat(rows, entry, beats);
		rows->beat_count += beats > 0 ? (uint64_t)beats : 1;
		rows->beaten[entry->id] = rows->round;
	}
	return entry_set(rows, entry, &row);
}

void rows_round(struct rows *rows)
{
	rows->round++;
}

uint64_t rows_ended(const struct rows *rows)
{
	return rows->round - 1;
}

struct change *rows_change(const struct rows *rows, size_t i)
{
	return &rows->changes[(rows->first + i) % CHANGES_KEPT];
}

static uint64_t seq_of(const struct change *change)
{
	return change->seq;
}

static uint64_t round_of(const struct change *change)
{
	return change->round;
}

/* The first change in which a number that never goes back is above this. */
static size_t first_above(const struct rows *rows, uint64_t (*number)(const struct change *),
			  uint64_t limit)
{
	size_t low = 0, high = rows->kept;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (number(rows_change(rows, middle)) > limit)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

size_t rows_change_after(const struct rows *rows, uint64_t seq)
{
	return first_above(rows, seq_of, seq);
}

size_t rows_change_after_round(const struct rows *rows, uint64_t round)
{
	return first_above(rows, round_of, round);
}

bool rows_resumes(const struct rows *rows, uint64_t seq)
{
	if (seq >= rows->seq)
		return seq == rows->seq;
	return rows->kept > 0 && rows_change(rows, 0)->seq <= seq + 1;
}

const struct text *entry_json(struct entry *entry)
{
	if (entry->json.len == 0)
		row_json_still(&entry->json, &entry->row);
	return &entry->json;
}

void rows_tick(struct rows *rows, int64_t now_ms, bool seen)
{
	int64_t now = now_ms / STRIP_CELL_MS;

	if (rows->cell == 0 || now < rows->cell || now - rows->cell > STRIP_CELLS) {
		rows->cell = now - 1;
		for (size_t i = 0; i < rows->size; i++)
			if (rows->entries[i] != NULL) {
				memset(rows->entries[i]->states, '-', STRIP_CELLS);
				memset(rows->entries[i]->beats, 0xff,
				       sizeof(rows->entries[i]->beats));
			}
	}
	for (; rows->cell < now; rows->cell++) {
		size_t at = (size_t)((rows->cell + 1) % STRIP_CELLS);

		for (size_t i = 0; i < rows->size; i++) {
			struct entry *entry = rows->entries[i];

			if (entry == NULL)
				continue;
			entry->beats[at] = seen ? 0 : STRIP_UNSEEN;
			entry->states[at] = seen ? state_letters[row_state(&entry->row)] : '-';
		}
	}
}

void entry_strip(const struct rows *rows, const struct entry *entry, struct text *text)
{
	char states[STRIP_CELLS + 1];

	text_string(text, "{\"beats\":[");
	for (int64_t i = 1; i <= STRIP_CELLS; i++) {
		size_t at = (size_t)((rows->cell + i) % STRIP_CELLS);

		if (i > 1)
			text_char(text, ',');
		if (entry->beats[at] == STRIP_UNSEEN)
			text_string(text, "null");
		else
			text_number(text, entry->beats[at]);
		states[i - 1] = entry->states[at];
	}
	states[STRIP_CELLS] = '\0';
	text_printf(text, "],\"states\":\"%s\"}", states);
}
