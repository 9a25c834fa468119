/* --exec: a command for each event, the row in its environment and as JSON on its standard input.
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stamp.h"
#include "watch.h"

static void environment(const char *name, const char *value, size_t len)
{
	struct text key = {0}, bare = {0};

	text_string(&key, "DISCO_");
	for (const char *s = name; *s != '\0'; s++) {
		if (isupper((unsigned char)*s))
			text_char(&key, '_');
		text_char(&key, (char)toupper((unsigned char)*s));
	}
	text_untsv(&bare, value, len);
	if (setenv(text_cstr(&key), text_cstr(&bare), 1) < 0)
		err(EXIT_CANNOT, "--exec");
	text_free(&key);
	text_free(&bare);
}

static void child(const char *command, const struct event *event, int input)
{
	char number[24], stamp[STAMP_LENGTH];
	bool of_row = !row_is(&event->row, ROW_PROCESS, "*");

	for (int i = 0; i < ROW_COLUMNS; i++)
		environment(row_names[i], row_value(&event->row, (enum row_column)i),
			    row_length(&event->row, (enum row_column)i));
	environment("event", event->name, event->name_len);
	environment("from", event->from, event->from_len);
	stamp_print(stamp, event->time_ms);
	environment("time", stamp, sizeof(stamp));
	snprintf(number, sizeof(number), "%ju", (uintmax_t)event->seq);
	if (!of_row || !event_is(event, "row"))
		environment("seq", number, strlen(number));
	signal(SIGPIPE, SIG_DFL);
	if (dup2(input, STDIN_FILENO) < 0)
		err(EXIT_CANNOT, "--exec");
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	err(EXIT_CANNOT, "--exec: /bin/sh");
}

static int input_make(const struct text *json)
{
	int fd = memfd_create("event", MFD_CLOEXEC);
	size_t done = 0;

	while (fd >= 0 && done < json->len) {
		ssize_t len = write(fd, json->s + done, json->len - done);

		if (len < 0 && errno != EINTR)
			return -1;
		done += len > 0 ? (size_t)len : 0;
	}
	return fd < 0 || lseek(fd, 0, SEEK_SET) < 0 ? -1 : fd;
}

void command_run(const char *command, const struct event *event, const struct text *json)
{
	int status, input = json->failed ? -1 : input_make(json);
	pid_t pid;

	if (input < 0)
		err(EXIT_CANNOT, "--exec");
	pid = fork();
	if (pid < 0)
		err(EXIT_CANNOT, "--exec: fork");
	if (pid == 0)
		child(command, event, input);
	close(input);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			err(EXIT_CANNOT, "--exec: waitpid");
	if (WIFSIGNALED(status))
		warnx("--exec: killed by signal %d, at %.*s of %.*s", WTERMSIG(status),
		      (int)event->name_len, event->name, (int)row_length(&event->row, ROW_PROCESS),
		      event->row.text);
	else if (WEXITSTATUS(status) != 0)
		warnx("--exec: exit status %d, at %.*s of %.*s", WEXITSTATUS(status),
		      (int)event->name_len, event->name, (int)row_length(&event->row, ROW_PROCESS),
		      event->row.text);
}
