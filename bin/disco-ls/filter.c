/* -q: the rows go through disco-jq, a program of its own, so that libjq is loaded only where it is
 * asked for. */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper.h"
#include "ls.h"

#define FEED_AT ((size_t)64 * 1024)

static void exec_jq(const char *program)
{
	char path[HELPER_PATH];

	helper_path(path, "disco-jq");
	/* Its messages begin with its name, and it is us who were asked. */
	execl(path, "disco-ls: -q", program, (char *)NULL);
	err(EXIT_CANNOT, "-q: %s", path);
}

/* False when it reads no more. */
static bool feed(int fd, struct text *text)
{
	size_t done = 0;

	while (done < text->len) {
		ssize_t len = write(fd, text->s + done, text->len - done);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == EPIPE)
			return false;
		if (len < 0)
			err(EXIT_CANNOT, "-q: pipe");
		done += (size_t)len;
	}
	text_clear(text);
	return true;
}

static int killed(int signal)
{
	switch (signal) {
	case SIGXCPU: warnx("-q: stopped: it took too much processor time"); break;
	case SIGKILL: warnx("-q: stopped: it took too much processor time or memory"); break;
	case SIGALRM: warnx("-q: stopped: it made no progress"); break;
	case SIGABRT: warnx("-q: stopped: it took too much memory"); break;
	case SIGSEGV: warnx("-q: stopped: it took too much memory, or went too deep"); break;
	case SIGPIPE: return EXIT_DONE; /* whoever reads us has enough */
	default: warnx("-q: stopped by signal %d (%s)", signal, strsignal(signal));
	}
	return EXIT_CANNOT;
}

int filter_rows(struct ls *ls)
{
	struct text out = {0};
	int ends[2], status;
	bool more = true;
	pid_t pid;

	if (pipe(ends) < 0)
		err(EXIT_CANNOT, "pipe");
	pid = fork();
	if (pid < 0)
		err(EXIT_CANNOT, "fork");
	if (pid == 0) {
		if (dup2(ends[0], STDIN_FILENO) < 0)
			err(EXIT_CANNOT, "dup2");
		close(ends[0]);
		close(ends[1]);
		exec_jq(ls->filter);
	}
	close(ends[0]);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ls->count && more; i++) {
		text_char(&out, '{');
		row_json(&out, ls->rows[i], ls->now_ms);
		text_add(&out, "}\n", 2);
		if (out.len >= FEED_AT)
			more = feed(ends[1], &out);
	}
	if (out.failed)
		errx(EXIT_CANNOT, "-q: out of memory");
	if (more)
		feed(ends[1], &out);
	close(ends[1]);
	text_free(&out);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			err(EXIT_CANNOT, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : killed(WTERMSIG(status));
}
