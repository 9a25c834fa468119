/* --why: what a process is judged by, in sentences. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "duration.h"
#include "heartbeat.h"
#include "ls.h"
#include "name.h"
#include "spool.h"
#include "stamp.h"

/* The heartbeat file, as far as we can see it; there is no path where a server sees it for us. */
struct sight {
	char path[SPOOL_PATH];
	struct stat st;
	bool there, locked, parsed;
	const char *refused;
	char content[HEARTBEAT_LARGEST + 1];
	struct heartbeat heartbeat;
};

static void look(struct sight *sight, const char *dir, const char *name)
{
	const char *reason = NULL;
	ssize_t len;
	int fd;

	spool_heartbeat_path(sight->path, dir, name);
	fd = spool_open_heartbeat(AT_FDCWD, sight->path, &sight->st, &reason);
	if (fd < 0) {
		sight->there = errno != ENOENT;
		if (sight->there)
			sight->refused = reason != NULL ? reason : strerror(errno);
		if (sight->there && lstat(sight->path, &sight->st) < 0)
			sight->there = false;
		return;
	}
	sight->there = true;
	sight->locked = spool_locked(fd) > 0;
	len = spool_read(fd, sight->content, HEARTBEAT_LARGEST);
	close(fd);
	if (len < 0)
		sight->refused = strerror(errno);
	else
		sight->refused = heartbeat_parse(sight->content, (size_t)len, &sight->heartbeat);
	sight->parsed = sight->refused == NULL;
}

static void stamp_add(struct text *text, int64_t ms)
{
	char stamp[STAMP_LENGTH];

	stamp_print(stamp, ms);
	text_add(text, stamp, sizeof(stamp));
}

/* In the two largest units, rounded down: a minute more or less matters here. */
static void age_add(struct text *text, int64_t ms)
{
	static const struct {
		int64_t s;
		char name;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	int64_t s = ms > 0 ? ms / 1000 : 0;
	size_t i = 0;

	while (i < 3 && s < units[i].s)
		i++;
	text_printf(text, "%" PRId64 "%c", s / units[i].s, units[i].name);
	s %= units[i].s;
	if (i < 3 && s / units[i + 1].s > 0)
		text_printf(text, "%" PRId64 "%c", s / units[i + 1].s, units[i + 1].name);
}

static void ago_add(struct text *text, int64_t ms, int64_t now_ms)
{
	stamp_add(text, ms);
	text_string(text, ", ");
	age_add(text, now_ms - ms);
	text_string(text, " ago");
}

static void value_add(struct text *text, const struct row *row, enum row_column column)
{
	struct text bare = {0};

	text_untsv(&bare, row_value(row, column), row_length(row, column));
	text_safe(text, bare.s, bare.len);
	text_free(&bare);
}

static void state_add(struct text *text, const struct row *row, int64_t now_ms)
{
	value_add(text, row, ROW_PROCESS);
	text_printf(text, " is %s since ", state_name(row_state(row)));
	ago_add(text, row_time_ms(row, ROW_SINCE), now_ms);
	if (row_length(row, ROW_REASON) > 0) {
		text_string(text, ": ");
		value_add(text, row, ROW_REASON);
	} else if (row_state(row) == STATE_ACTIVE) {
		text_string(text, ": it beats");
	}
	text_string(text, ".\n");
}

static void beat_add(struct text *text, const struct row *row, const struct sight *sight,
		     int64_t now_ms)
{
	text_printf(text, "Its last beat, number %" PRId64 " of this run, came at ",
		    row_number(row, ROW_COUNTER));
	ago_add(text, row_time_ms(row, ROW_LAST_HB), now_ms);
	if (sight->path[0] != '\0')
		text_printf(text, ", by the change time of %s, stamped by the kernel.\n",
			    sight->path);
	else
		text_string(text, ".\n");
}

static void held_add(struct text *text, const struct row *row, bool locked)
{
	if (row_length(row, ROW_VIA) > 0)
		text_string(text, "comes by a server; if its sender holds a connection there, the "
				  "end of that is noticed at once.\n");
	else if (locked)
		text_string(text, "is held: when its sender closes it, it is error at once.\n");
	else if (row_length(row, ROW_HELD) > 0)
		text_string(text, "should be held, but nobody holds it now.\n");
	else
		text_string(text, "is not held: only its beats tell of it.\n");
}

/*
 * Whether silence made it so, rather than what was said of it, for anybody may
 * say "silent": it became so about when its silence was as long as that takes.
 * Half of it is enough, for the wall clock may have been set between the two.
 */
static bool by_silence(const struct row *row)
{
	static const char words[] = "silent ";
	int64_t silence = row_time_ms(row, ROW_SINCE) - row_time_ms(row, ROW_LAST_HB);

	if (row_length(row, ROW_REASON) < sizeof(words) ||
	    memcmp(row_value(row, ROW_REASON), words, sizeof(words) - 1) != 0)
		return false;
	switch (row_state(row)) {
	case STATE_WARNING: return 2 * silence >= row_duration_ms(row, ROW_WARN_AFTER);
	case STATE_ERROR: return 2 * silence >= row_duration_ms(row, ROW_ERROR_AFTER);
	default: return false;
	}
}

static void via_add(struct text *text, const struct row *row)
{
	if (row_length(row, ROW_VIA) == 0)
		return;
	text_string(text, "Its beats come through ");
	value_add(text, row, ROW_VIA);
	if (row_state(row) == STATE_ACTIVE || by_silence(row))
		text_string(text, ", so while that is not active it goes no further than warning");
	text_string(text, ".\n");
}

/* What a server knows of the file. */
static void file_add_remote(struct text *text, const struct row *row, const struct sight *sight)
{
	text_string(text, "The file belongs to ");
	value_add(text, row, ROW_USER);
	text_string(text, " and ");
	held_add(text, row, sight->locked);
	via_add(text, row);
}

static void file_add(struct text *text, const struct row *row, const struct sight *sight)
{
	struct passwd *owner;

	if (!sight->there) {
		text_string(text, "That file is gone.\n");
		return;
	}
	owner = getpwuid(sight->st.st_uid);
	if (owner != NULL)
		text_printf(text, "The file belongs to %s and ", owner->pw_name);
	else
		text_printf(text, "The file belongs to user %u and ", (unsigned)sight->st.st_uid);
	held_add(text, row, sight->locked);
	via_add(text, row);
	if (sight->refused != NULL) {
		text_string(text, "What the file says now is refused: ");
		text_safe(text, sight->refused, strlen(sight->refused));
		text_string(text, "; what it said before holds.\n");
	}
}

/* Where a threshold comes from. */
static const char *source(int64_t asked, int64_t is, int64_t of_master, int64_t every)
{
	if (asked > 0 && asked == is)
		return "its sender asks for it";
	if (asked > 0)
		return "its sender asks for less, but not for this order";
	if (is == of_master)
		return "the master's default";
	return every > 0 ? "made to fit its interval" : "made to fit its other thresholds";
}

/* What a heartbeat that can't be read asks for: the least that makes the thresholds what they are.
 */
static struct limits asked_guess(const struct row *row, const struct limits *master)
{
	enum { WARN = 1, ERROR = 2, FORGET = 4 };
	static const int guesses[] = {
	    0, ERROR, WARN, FORGET, WARN | ERROR, WARN | FORGET, ERROR | FORGET};
	struct limits is = {.warn_ms = row_duration_ms(row, ROW_WARN_AFTER),
			    .error_ms = row_duration_ms(row, ROW_ERROR_AFTER),
			    .forget_ms = row_duration_ms(row, ROW_FORGET_AFTER)};

	for (size_t i = 0; i < sizeof(guesses) / sizeof(guesses[0]); i++) {
		struct limits asked = {.warn_ms = guesses[i] & WARN ? is.warn_ms : 0,
				       .error_ms = guesses[i] & ERROR ? is.error_ms : 0,
				       .forget_ms = guesses[i] & FORGET ? is.forget_ms : 0};
		struct limits made = limits_of(master, &asked, row_duration_ms(row, ROW_EVERY));

		if (made.warn_ms == is.warn_ms && made.error_ms == is.error_ms &&
		    made.forget_ms == is.forget_ms)
			return asked;
	}
	return is;
}

static void limits_add(struct text *text, const struct row *row, const struct sight *sight,
		       const struct limits *master)
{
	struct limits asked = sight->parsed	       ? sight->heartbeat.limits
			      : sight->path[0] == '\0' ? asked_guess(row, master)
						       : (struct limits){0};
	int64_t every = row_duration_ms(row, ROW_EVERY);
	const struct {
		enum row_column column;
		const char *words;
		int64_t asked, of_master;
	} part[] = {
	    {ROW_WARN_AFTER, "Silence is a warning after ", asked.warn_ms, master->warn_ms},
	    {ROW_ERROR_AFTER, ", an error after ", asked.error_ms, master->error_ms},
	    {ROW_FORGET_AFTER, ", and it is forgotten after ", asked.forget_ms, master->forget_ms},
	};

	if (every > 0) {
		text_string(text, "It promises a beat every ");
		duration_words(text, every);
		text_string(text, ".\n");
	}
	for (int i = 0; i < 3; i++) {
		int64_t is = row_duration_ms(row, part[i].column);

		text_string(text, part[i].words);
		duration_words(text, is);
		text_printf(text, " (%s)", source(part[i].asked, is, part[i].of_master, every));
	}
	text_string(text, ".\n");
}

static void due_add(struct text *text, const char *what, int64_t due_ms, int64_t now_ms)
{
	text_string(text, what);
	if (due_ms <= now_ms) {
		text_string(text, " any moment");
		return;
	}
	text_string(text, " in ");
	age_add(text, due_ms - now_ms);
	text_string(text, ", at ");
	stamp_add(text, due_ms);
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void next_add(struct text *text, const struct ls *ls, const struct row *row,
		     const struct sight *sight)
{
	int64_t last = row_time_ms(row, ROW_LAST_HB), now = ls->now_ms;
	int64_t paused = ls->view.head.paused_until_ms;
	int64_t warn = later(last + row_duration_ms(row, ROW_WARN_AFTER), paused);
	int64_t error = later(last + row_duration_ms(row, ROW_ERROR_AFTER), paused);
	int64_t forget = later(last + row_duration_ms(row, ROW_FORGET_AFTER), paused);
	enum state state = row_state(row);

	if (paused > now) {
		text_string(text, "The master judges no silence before ");
		stamp_add(text, paused);
		text_string(text, ", in ");
		age_add(text, paused - now);
		text_string(text, ".\n");
	}
	if (state == STATE_INACTIVE)
		text_string(text, "It left; a heartbeat with new content would bring it back. ");
	else if (state != STATE_ACTIVE && by_silence(row))
		text_string(text, "A beat would make it active again. ");
	else if (state != STATE_ACTIVE)
		text_string(text, "A mere beat does not end this. ");
	text_string(text, "Without a beat it ");
	if (state == STATE_ACTIVE)
		due_add(text, warn < error ? "turns warning" : "turns error",
			warn < error ? warn : error, now);
	if (state == STATE_ACTIVE && warn < error)
		due_add(text, ", error", error, now);
	if (state == STATE_WARNING)
		due_add(text, "turns error", error, now);
	if (sight->locked)
		text_string(text, state > STATE_WARNING
				      ? "stays so: while its file is held it is not forgotten"
				      : ", and while its file is held it is not forgotten");
	else
		due_add(text, state > STATE_WARNING ? "is forgotten" : ", and is forgotten", forget,
			now);
	text_string(text, ".\n");
}

/* Whether a master that looks at each file within a tick must have seen it. */
static bool passed_over(const struct ls *ls, const struct sight *sight)
{
	int64_t at_ms =
	    sight->st.st_ctim.tv_sec * INT64_C(1000) + sight->st.st_ctim.tv_nsec / 1000000;

	return ls->master == MASTER_RUNS && ls->now_ms - at_ms > 3 * ls->view.head.tick_ms;
}

static int unknown(struct text *text, const struct ls *ls, const struct sight *sight)
{
	if (!sight->there) {
		/* A program has the exit status. */
		if (isatty(STDOUT_FILENO))
			warnx("%s: no such process", ls->why);
		return EXIT_NO;
	}
	if (sight->refused != NULL) {
		text_printf(text, "%s is no heartbeat, so there is no row %s: ", sight->path,
			    ls->why);
		text_safe(text, sight->refused, strlen(sight->refused));
		text_string(text, ".\n");
	} else if (passed_over(ls, sight)) {
		text_printf(text,
			    "%s is a heartbeat that the master has not taken. It may refuse it, "
			    "for its owner or for how many he has; see the log of the master, "
			    "and disco-master(8).\n",
			    sight->path);
	} else {
		text_printf(text, "%s is a heartbeat that the master has not taken in yet.\n",
			    sight->path);
	}
	return EXIT_NO;
}

/* On a terminal no word is broken; elsewhere each sentence is a line. */
static void sentences_write(struct text *text)
{
	struct text wrapped = {0};

	if (!isatty(STDOUT_FILENO)) {
		write_out(STDOUT_FILENO, text);
		return;
	}
	list_wrap(&wrapped, text->s, text->len, (size_t)terminal_width());
	wrapped.failed |= text->failed;
	write_out(STDOUT_FILENO, &wrapped);
	text_free(&wrapped);
}

int why(struct ls *ls)
{
	static struct sight sight;
	const char *wrong = name_check(ls->why);
	const struct view_row *found;
	struct text text = {0};
	int status = EXIT_DONE;

	if (wrong != NULL)
		errx(EXIT_USAGE, "--why: %s: %s", ls->why, wrong);
	found = view_find(&ls->view, ls->why, strlen(ls->why));
	if (ls->server.url == NULL)
		look(&sight, ls->dir, ls->why);
	else if (found != NULL)
		sight.locked = row_is(&found->row, ROW_HELD, "locked");
	if (found == NULL) {
		status = unknown(&text, ls, &sight);
	} else {
		state_add(&text, &found->row, ls->now_ms);
		beat_add(&text, &found->row, &sight, ls->now_ms);
		if (ls->server.url == NULL)
			file_add(&text, &found->row, &sight);
		else
			file_add_remote(&text, &found->row, &sight);
		limits_add(&text, &found->row, &sight, &ls->view.head.limits);
		next_add(&text, ls, &found->row, &sight);
	}
	sentences_write(&text);
	if (sight.parsed)
		heartbeat_free(&sight.heartbeat);
	text_free(&text);
	return status;
}
