/* --live: the table on the whole screen, by plain ANSI sequences. */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "spool.h"
#include "watch.h"

#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"

static volatile sig_atomic_t ended, resized, suspended;
static struct termios cooked;
static bool entered;

static void on_signal(int signal)
{
	if (signal == SIGWINCH)
		resized = 1;
	else if (signal == SIGTSTP)
		suspended = 1;
	else if (signal != SIGCONT)
		ended = signal;
	else
		resized = 1;
}

static void screen_write(const char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, s, len);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return;
		s += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

static void leave(void)
{
	if (!entered)
		return;
	entered = false;
	screen_write(LEAVE, sizeof(LEAVE) - 1);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &cooked);
}

static void enter(void)
{
	struct termios raw = cooked;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO); /* ^C and ^Z stay signals */
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	screen_write(ENTER, sizeof(ENTER) - 1);
	entered = true;
}

static void suspend(void)
{
	suspended = 0;
	leave();
	raise(SIGSTOP);
	/* Here again: the foreground is ours. */
	enter();
	resized = 1;
}

static void head(struct watch *w, struct text *out, const size_t *of, int width)
{
	struct text line = {0};
	time_t now = time(NULL);
	struct tm tm;
	char when[16];
	size_t all = of[0] + of[1] + of[2] + of[3];

	strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&now, &tm));
	text_printf(&line, "%s  %zu %s  ", when, all, all == 1 ? "process" : "processes");
	for (int i = 0; i < STATES; i++)
		text_printf(&line, " %zu %s", of[i], state_name((enum state)i));
	if (w->master != MASTER_RUNS)
		text_string(&line, w->master == MASTER_STUCK ? "   THE MASTER IS STUCK"
							     : "   NO MASTER RUNS");
	else if (w->view.paused_until_ms > clock_ms(CLOCK_REALTIME))
		text_string(&line, "   paused: silence is not judged");
	if (w->colour)
		text_string(out, "\033[1m");
	text_add(out, line.s, line.len < (size_t)width ? line.len : (size_t)width);
	if (w->colour)
		text_string(out, LIST_PLAIN);
	text_char(out, '\n');
	text_free(&line);
}

/* Appends the lines of body that fit, each cleared to its end, so that nothing flickers. */
static void lines_fit(struct text *out, const struct text *body, int height)
{
	const char *s = body->s, *end = body->s + body->len;

	for (int line = 0; line < height && s < end; line++) {
		const char *newline = memchr(s, '\n', (size_t)(end - s));

		text_string(out, line > 0 ? "\r\n" : "");
		text_add(out, s, (size_t)(newline - s));
		text_string(out, "\033[K");
		s = newline + 1;
	}
	text_string(out, "\033[J");
}

static void draw(struct watch *w)
{
	struct list list = {.header = true, .colour = w->colour};
	const struct row **rows = calloc(w->view.count + 1, sizeof(rows[0]));
	struct text body = {0}, out = {0};
	struct winsize size = {0};
	size_t of[STATES] = {0}, count = 0;
	int height;

	if (rows == NULL)
		err(EXIT_CANNOT, NULL);
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	list.width = size.ws_col > 0 ? size.ws_col : 80;
	height = size.ws_row > 0 ? size.ws_row : 24;
	for (size_t i = 0; i < w->view.count; i++) {
		const struct row *row = &w->view.rows[i]->row;

		if (w->view.rows[i]->gone || !match_row(&w->match, row))
			continue;
		of[row_state(row)]++;
		rows[count++] = row;
	}
	list_default(&list);
	if (!list_sort(rows, count, -1, false))
		err(EXIT_CANNOT, NULL);
	if (count > (size_t)height)
		count = (size_t)height;
	head(w, &body, of, list.width);
	list_print(&list, &body, rows, count, clock_ms(CLOCK_REALTIME));
	text_string(&out, "\033[H");
	if (!body.failed)
		lines_fit(&out, &body, height);
	screen_write(out.s, out.len);
	text_free(&body);
	text_free(&out);
	free(rows);
}

/* The table anew: beats make no events, but ages want them. */
static void reload(struct watch *w)
{
	static struct timespec seen;
	char path[SPOOL_PATH];
	struct view view;
	struct stat st;

	if (stat(spool_path(path, w->dir, SPOOL_TABLE), &st) < 0 ||
	    (st.st_ctim.tv_sec == seen.tv_sec && st.st_ctim.tv_nsec == seen.tv_nsec))
		return;
	seen = st.st_ctim;
	if (view_load(&view, w->dir) < 0) {
		view_free(&view);
		return;
	}
	view_free(&w->view);
	w->view = view;
}

static void signals(sigset_t *before)
{
	static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT};
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t block;

	sigemptyset(&block);
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) {
		sigaddset(&block, caught[i]);
		sigaction(caught[i], &action, NULL);
	}
	/* They come in only while we wait. */
	sigprocmask(SIG_BLOCK, &block, before);
}

static bool asked_to_quit(short events)
{
	char keys[64];
	ssize_t len;

	if (events == 0)
		return false;
	len = read(STDIN_FILENO, keys, sizeof(keys));
	if (len <= 0)
		return !(len < 0 && errno == EINTR);
	return memchr(keys, 'q', (size_t)len) != NULL;
}

int live(struct watch *w)
{
	struct pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {follow_fd(&w->follow), POLLIN, 0}};
	const struct timespec tick = {TICK_MS / 1000, 0};
	sigset_t before;
	int64_t tick_ms = 0, now;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &cooked) < 0)
		errx(EXIT_USAGE, "--live needs a terminal");
	atexit(leave);
	signals(&before);
	enter();
	while (!ended) {
		events_take(w);
		now = clock_ms(CLOCK_MONOTONIC);
		if (now - tick_ms >= TICK_MS) {
			master_look(w);
			reload(w);
			tick_ms = now;
		}
		draw(w);
		if (ppoll(fds, 2, &tick, &before) > 0 && asked_to_quit(fds[0].revents))
			break;
		if (suspended)
			suspend();
	}
	leave();
	return EXIT_DONE;
}
