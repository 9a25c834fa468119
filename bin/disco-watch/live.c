/* --live: the table on the full screen, worst first, redrawn as it changes. */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "list.h"
#include "version.h"
#include "watch.h"

#define EVERY_MS 1000 /* ages grow */
#define APART_MS 100  /* and no screen is worth more than ten pictures a second */

static volatile sig_atomic_t stopped, suspended, resized;
static struct termios cooked;

static void on_signal(int signo)
{
	if (signo == SIGWINCH)
		resized = 1;
	else if (signo == SIGTSTP)
		suspended = 1;
	else
		stopped = 1;
}

static void put(const char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, s, len);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return;
		s += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

static void screen_enter(void)
{
	static const char enter[] = "\033[?1049h\033[?25l\033[H\033[2J";
	struct termios raw = cooked;

	raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	put(enter, sizeof(enter) - 1);
}

static void screen_leave(void)
{
	static const char leave[] = "\033[0m\033[?25h\033[?1049l";

	put(leave, sizeof(leave) - 1);
	tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
}

static void suspend(void)
{
	suspended = 0;
	screen_leave();
	raise(SIGSTOP); /* until somebody brings us to the foreground */
	screen_enter();
}

/* Why the rows may not be what they should, or NULL. */
static const char *trouble(const struct watch *w)
{
	if (w->lost)
		return "connection lost: as it was then; trying again";
	if (w->master == MASTER_RUNS)
		return NULL;
	if (w->server.url != NULL)
		return w->master == MASTER_STUCK ? "the master does nothing: as it was then"
						 : "no master runs: as it was then";
	return w->master == MASTER_STUCK
		   ? "the master does nothing: judged from the heartbeat files"
		   : "no master runs: judged from the heartbeat files";
}

/* "3 error  1 warning  12 active  0 inactive", and a word if nobody keeps that up; three lines. */
static void heading(struct watch *w, struct text *out, const struct row **rows, size_t count,
		    int width)
{
	static const enum state order[] = {STATE_ERROR, STATE_WARNING, STATE_ACTIVE,
					   STATE_INACTIVE};
	const char *gap = width < 50 ? " " : "   ";
	size_t counts[STATES] = {0};

	for (size_t i = 0; i < count; i++)
		counts[row_state(rows[i])]++;
	for (int i = 0; i < STATES; i++) {
		bool coloured = w->colour && counts[order[i]] > 0;

		text_printf(out, "%s%s%zu %s%s", i > 0 ? gap : "",
			    coloured ? list_colour(order[i]) : "", counts[order[i]],
			    state_name(order[i]), coloured ? LIST_PLAIN : "");
	}
	text_char(out, '\n');
	if (trouble(w) != NULL)
		text_printf(out, "%s%.*s%s", w->colour ? list_colour(STATE_ERROR) : "", width,
			    trouble(w), w->colour ? LIST_PLAIN : "");
	text_string(out, "\n");
}

/* Puts the lines on the screen, each over what was there, and no more than fit. */
static void show(const struct text *lines, size_t height)
{
	struct text screen = {0};
	const char *s = lines->s, *end = s + lines->len, *newline;

	text_string(&screen, "\033[H");
	for (size_t i = 0; s < end && i < height; s = newline + 1, i++) {
		newline = memchr(s, '\n', (size_t)(end - s));
		if (newline == NULL)
			break;
		if (i > 0)
			text_string(&screen, "\r\n");
		text_add(&screen, s, (size_t)(newline - s));
		text_string(&screen, "\033[K");
	}
	text_string(&screen, "\033[J");
	put(screen.s, screen.len);
	text_free(&screen);
}

static void draw(struct watch *w)
{
	struct winsize size = {0};
	struct list list = {0};
	const struct row **rows;
	size_t count = 0, height, fit;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
		size = (struct winsize){.ws_row = 24, .ws_col = 80};
	height = size.ws_row;
	if (!w->keeps)
		source_load(w, true);
	rows = calloc(w->view.count + 1, sizeof(rows[0]));
	if (rows == NULL)
		return;
	for (size_t i = 0; i < w->view.count; i++)
		if (match_row(&w->match, &w->view.rows[i]->row))
			rows[count++] = &w->view.rows[i]->row;
	list_default(&list);
	list.header = true;
	list.colour = w->colour;
	list.width = size.ws_col;
	text_clear(&w->out);
	heading(w, &w->out, rows, count, size.ws_col);
	fit = height > 5 ? height - 4 : 1;
	list_sort(rows, count, -1, false);
	list_print(&list, &w->out, rows, count < fit ? count : fit, source_now_ms(w));
	if (count > fit)
		text_printf(&w->out, "and %zu more\n", count - fit);
	show(&w->out, height);
	text_clear(&w->out);
	free(rows);
}

/* Whether something happened.  A spool's events are read anew with the table, a server's are not.
 */
static bool happened(struct watch *w)
{
	struct event event;
	bool any = false;

	while (source_next(w, &event) > 0) {
		apply(w, &event);
		any = true;
	}
	return any;
}

static bool quit_typed(void)
{
	char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	return n == 0 || (n > 0 && (memchr(keys, 'q', (size_t)n) || memchr(keys, 'Q', (size_t)n)));
}

static void loop(struct watch *w, const sigset_t *waiting)
{
	int64_t drawn_ms = 0;
	bool dirty = true;

	while (!stopped) {
		struct pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {source_fd(w), POLLIN, 0}};
		int64_t now_ms = clock_mono_ms(), wait_ms;
		struct timespec wait;

		if (suspended) {
			suspend();
			dirty = true;
		}
		if (resized) {
			resized = 0;
			drawn_ms = 0;
		}
		if (now_ms >= w->until_ms)
			return;
		if (now_ms - drawn_ms >= (dirty ? APART_MS : EVERY_MS)) {
			happened(w); /* what no descriptor tells of */
			draw(w);
			dirty = false;
			drawn_ms = clock_mono_ms();
		}
		wait_ms = drawn_ms + (dirty ? APART_MS : EVERY_MS) - clock_mono_ms();
		if (w->until_ms - now_ms < wait_ms)
			wait_ms = w->until_ms - now_ms;
		wait_ms = wait_ms < 0 ? 0 : wait_ms;
		wait = (struct timespec){wait_ms / 1000, wait_ms % 1000 * 1000000};
		if (ppoll(fds, 2, &wait, waiting) > 0) {
			if (fds[0].revents != 0 && quit_typed())
				return;
			if (fds[1].revents != 0 && happened(w))
				dirty = true;
		}
	}
}

int live(struct watch *w)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP};
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t blocked, waiting;

	if (tcgetattr(STDIN_FILENO, &cooked) < 0)
		err(EXIT_CANNOT, "terminal");
	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaddset(&blocked, signals[i]);
		sigaction(signals[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &blocked, &waiting);
	screen_enter();
	loop(w, &waiting);
	screen_leave();
	return clock_mono_ms() >= w->until_ms ? EXIT_WAITED : EXIT_DONE;
}
