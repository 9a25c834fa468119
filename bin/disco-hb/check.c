/* The check: a shell command whose exit status is the state and whose first line of output is the
 * reason. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hb.h"

#define READS 16 /* at a time, so that a check that never stops talking stops nothing else */

int64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void reason_copy(char *reason, const char *text, size_t len)
{
	size_t out = 0;

	for (size_t i = 0, n; i < len; i += n) {
		size_t character = text_character(text + i, len - i);
		bool fit = character > 0 && text_clean(text + i, character);

		n = character > 0 ? character : 1;
		if (out + (fit ? n : 1) > REASON_LONGEST)
			break;
		if (fit)
			memcpy(reason + out, text + i, n);
		else
			reason[out] = '?';
		out += fit ? n : 1;
	}
	reason[out] = '\0';
}

int check_start(struct check *check, const char *command)
{
	static char name[] = "/bin/sh", option[] = "-c";
	char *argv[] = {name, option, (char *)(size_t)command, NULL};
	int ends[2], error;

	*check = (struct check){.fd = -1};
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	/* Only our end: the check may rely on output that waits. */
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	error = signals_spawn(&check->pid, name, argv, -1, ends[1]);
	close(ends[1]);
	if (error == 0) {
		check->fd = ends[0];
		return 0;
	}
	close(ends[0]);
	check->pid = 0;
	errno = error;
	return -1;
}

static void check_take(struct check *check, const char *text, size_t len)
{
	const char *end = memchr(text, '\n', len);
	size_t room = sizeof(check->line) - check->len;

	if (check->whole)
		return;
	if (end != NULL) {
		len = (size_t)(end - text);
		check->whole = true;
	}
	len = len < room ? len : room;
	memcpy(check->line + check->len, text, len);
	check->len += len;
}

void check_read(struct check *check)
{
	char buf[4096];
	ssize_t n = 1;

	for (int i = 0; i < READS && check->fd != -1 && n > 0; i++) {
		n = read(check->fd, buf, sizeof(buf));
		if (n > 0)
			check_take(check, buf, (size_t)n);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			close(check->fd);
			check->fd = -1;
		}
	}
}

static void check_close(struct check *check)
{
	if (check->fd != -1)
		close(check->fd);
	check->fd = -1;
	check->pid = 0;
}

enum state check_end(struct check *check, int status, char *reason)
{
	check_read(check);
	check_close(check);
	while (check->len > 0 && strchr(" \t\r", check->line[check->len - 1]) != NULL)
		check->len--;
	if (WIFSIGNALED(status)) {
		snprintf(reason, REASON_LONGEST + 1, "check killed by %s",
			 signal_words(WTERMSIG(status)));
		return STATE_ERROR;
	}
	reason_copy(reason, check->line, check->len);
	if (reason[0] == '\0' && WEXITSTATUS(status) != 0)
		snprintf(reason, REASON_LONGEST + 1, "check exited with %d", WEXITSTATUS(status));
	return WEXITSTATUS(status) == 0	  ? STATE_ACTIVE
	       : WEXITSTATUS(status) == 1 ? STATE_WARNING
					  : STATE_ERROR;
}

void check_kill(struct check *check)
{
	if (check->pid > 0)
		kill(-check->pid, SIGKILL);
	check_close(check);
}

/* What has come of the check; false while it runs. */
static bool check_over(struct check *check, int signals, int64_t end_ms, enum state *state,
		       char *reason)
{
	struct signalfd_siginfo info;
	int status;

	check_read(check);
	while (read(signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		check_kill(check);
		signals_die((int)info.ssi_signo);
	}
	if (waitpid(check->pid, &status, WNOHANG) == check->pid) {
		*state = check_end(check, status, reason);
		return true;
	}
	if (monotonic_ms() < end_ms)
		return false;
	check_kill(check);
	*state = STATE_ERROR;
	snprintf(reason, REASON_LONGEST + 1, "check timed out");
	return true;
}

int check_once(const char *command, int64_t limit_ms, enum state *state, char *reason)
{
	static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, 0};
	struct check check;
	int64_t end_ms = monotonic_ms() + limit_ms;
	int signals = signals_open(numbers);

	if (signals == -1 || check_start(&check, command) != 0)
		return -1;
	while (!check_over(&check, signals, end_ms, state, reason)) {
		struct pollfd fds[] = {{signals, POLLIN, 0}, {check.fd, POLLIN, 0}};
		int64_t left_ms = end_ms - monotonic_ms();

		poll(fds, 2, left_ms > 3600000 ? 3600000 : left_ms > 0 ? (int)left_ms : 0);
	}
	close(signals);
	return 0;
}
