/* --exec: a command for an event, with the row in its environment and as JSON on its stdin. */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "turns.h"
#include "watch.h"

/* lastHb becomes DISCO_LAST_HB. */
static void variable(const char *name, const char *value, size_t len)
{
	struct text key = {0}, plain = {0};

	text_string(&key, "DISCO_");
	for (; *name != '\0'; name++) {
		if (isupper((unsigned char)*name))
			text_char(&key, '_');
		text_char(&key, (char)toupper((unsigned char)*name));
	}
	text_untsv(&plain, value, len);
	if (setenv(text_cstr(&key), text_cstr(&plain), 1) != 0 || plain.failed)
		errx(126, "out of memory");
	text_free(&key);
	text_free(&plain);
}

static _Noreturn void child(const struct watch *w, const struct event *event, int input)
{
	char seq[24];
	size_t len = (size_t)snprintf(seq, sizeof(seq), "%" PRIu64, event->seq);

	for (int i = 0; i < ROW_COLUMNS; i++)
		variable(row_names[i], row_value(&event->row, (enum row_column)i),
			 row_length(&event->row, (enum row_column)i));
	variable("seq", seq, len);
	variable("event", event->name, event->name_len);
	variable("from", event->from, event->from_len);
	signal(SIGPIPE, SIG_DFL);
	turns_usual();
	if (dup2(input, STDIN_FILENO) < 0)
		err(126, "stdin");
	execl("/bin/sh", "sh", "-c", w->command, (char *)NULL);
	err(126, "/bin/sh");
}

/* Starts the command; to *input its stdin is written.  Its pid, or -1 with errno. */
static pid_t start(const struct watch *w, const struct event *event, int *input)
{
	int fds[2], saved;
	pid_t pid;

	if (pipe(fds) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		child(w, event, fds[0]);
	}
	saved = errno;
	close(fds[0]);
	if (pid < 0)
		close(fds[1]);
	errno = saved;
	*input = fds[1];
	return pid;
}

void command_run(const struct watch *w, const struct event *event)
{
	struct watch json = {.json = true, .ahead_ms = w->ahead_ms};
	int input, status;
	pid_t pid;

	/* A row is smaller than a pipe, so it is written before anybody reads. */
	print_event(&json, event);
	if (json.out.failed)
		errno = ENOMEM;
	if (json.out.failed || (pid = start(w, event, &input)) < 0) {
		warn("--exec");
		text_free(&json.out);
		return;
	}
	if (write(input, json.out.s, json.out.len) < 0 && errno != EPIPE)
		warn("--exec");
	close(input);
	text_free(&json.out);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		warnx("--exec: the command was killed by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		warnx("--exec: the command exited with %d", WEXITSTATUS(status));
}
