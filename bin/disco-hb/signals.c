/* Signals: their names, how they stood when we were started, and programs that shall not notice
 * that we read them. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "hb.h"

static const char *const names[] = {
    [SIGHUP] = "SIGHUP",   [SIGINT] = "SIGINT",	      [SIGQUIT] = "SIGQUIT",
    [SIGILL] = "SIGILL",   [SIGTRAP] = "SIGTRAP",     [SIGABRT] = "SIGABRT",
    [SIGBUS] = "SIGBUS",   [SIGFPE] = "SIGFPE",	      [SIGKILL] = "SIGKILL",
    [SIGUSR1] = "SIGUSR1", [SIGSEGV] = "SIGSEGV",     [SIGUSR2] = "SIGUSR2",
    [SIGPIPE] = "SIGPIPE", [SIGALRM] = "SIGALRM",     [SIGTERM] = "SIGTERM",
    [SIGCHLD] = "SIGCHLD", [SIGCONT] = "SIGCONT",     [SIGSTOP] = "SIGSTOP",
    [SIGTSTP] = "SIGTSTP", [SIGTTIN] = "SIGTTIN",     [SIGTTOU] = "SIGTTOU",
    [SIGURG] = "SIGURG",   [SIGXCPU] = "SIGXCPU",     [SIGXFSZ] = "SIGXFSZ",
    [SIGPROF] = "SIGPROF", [SIGVTALRM] = "SIGVTALRM", [SIGWINCH] = "SIGWINCH",
    [SIGIO] = "SIGIO",	   [SIGPWR] = "SIGPWR",	      [SIGSYS] = "SIGSYS",
};

bool signal_known(int number)
{
	return number > 0 && number < (int)(sizeof(names) / sizeof(names[0])) &&
	       names[number] != NULL;
}

const char *signal_words(int number)
{
	static char other[32];

	if (signal_known(number))
		return names[number];
	snprintf(other, sizeof(other), "signal %d", number);
	return other;
}

static uint64_t ignored; /* when we were started, a bit each */
static sigset_t mask;	 /* when we were started */

bool signal_was_ignored(int number)
{
	return ignored >> number & 1;
}

int signals_open(const int *numbers)
{
	struct sigaction action;
	sigset_t set;

	for (int i = 1; i < 64; i++)
		if (sigaction(i, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
			ignored |= UINT64_C(1) << i;
	sigemptyset(&set);
	for (; *numbers != 0; numbers++)
		if (*numbers != SIGHUP || !signal_was_ignored(SIGHUP))
			sigaddset(&set, *numbers);
	sigprocmask(SIG_BLOCK, &set, &mask);
	/* Who has ignored SIGCHLD would not be told how a child ended; and a message that nobody
	 * reads must not end us. */
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Puts a descriptor, or nothing, in the place of one of the first. */
static int put(posix_spawn_file_actions_t *actions, int fd, int as, int flags)
{
	if (fd != -1)
		return posix_spawn_file_actions_adddup2(actions, fd, as);
	return posix_spawn_file_actions_addopen(actions, as, "/dev/null", flags, 0);
}

int signals_spawn(pid_t *pid, const char *file, char *const *argv, int input, int output)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t defaults;
	int error;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	sigemptyset(&defaults);
	if (!signal_was_ignored(SIGPIPE))
		sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_setsigdefault(&attr, &defaults);
	posix_spawnattr_setsigmask(&attr, &mask);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
					    POSIX_SPAWN_SETPGROUP);
	error = put(&actions, output, STDOUT_FILENO, O_WRONLY);
	if (error == 0)
		error = put(&actions, input, STDIN_FILENO, O_RDONLY);
	if (error == 0)
		error = posix_spawnp(pid, file, &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return error;
}

int signals_find(const char *file)
{
	const char *path = getenv("PATH");
	char full[PATH_MAX];
	int error = ENOENT;
	size_t len;

	if (strchr(file, '/') != NULL)
		return access(file, X_OK) == 0 ? 0 : errno;
	if (path == NULL)
		path = "/usr/local/bin:/bin:/usr/bin";
	for (;; path += len + 1) {
		len = strcspn(path, ":");
		snprintf(full, sizeof(full), "%.*s/%s", len > 0 ? (int)len : 1,
			 len > 0 ? path : ".", file);
		if (access(full, X_OK) == 0)
			return 0;
		if (errno == EACCES)
			error = EACCES;
		if (path[len] == '\0')
			return error;
	}
}

/* The child: it waits until it is let go, or its parent is no more. */
static _Noreturn void wait_and_run(const char *file, char *const *argv, int go, int told)
{
	char c;
	int error;

	while (read(go, &c, 1) == -1 && errno == EINTR)
		;
	if (!signal_was_ignored(SIGPIPE))
		signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	execvp(file, argv);
	error = errno;
	if (write(told, &error, sizeof(error)) != (ssize_t)sizeof(error))
		_exit(126);
	_exit(127);
}

int signals_fork(pid_t *pid, const char *file, char *const *argv, struct gate *gate)
{
	int go[2], told[2], error;

	if (pipe2(go, O_CLOEXEC) != 0)
		return errno;
	if (pipe2(told, O_CLOEXEC) != 0) {
		error = errno;
		close(go[0]);
		close(go[1]);
		return error;
	}
	*pid = fork();
	error = *pid == -1 ? errno : 0;
	if (*pid == 0) {
		close(go[1]);
		wait_and_run(file, argv, go[0], told[1]);
	}
	close(go[0]);
	close(told[1]);
	*gate = (struct gate){go[1], told[0]};
	return error;
}

int signals_go(const struct gate *gate)
{
	int error = 0;
	ssize_t n;

	close(gate->go);
	do
		n = read(gate->told, &error, sizeof(error));
	while (n == -1 && errno == EINTR);
	close(gate->told);
	return n == (ssize_t)sizeof(error) ? error : 0;
}

void signals_die(int number)
{
	sigset_t set;

	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	exit(128 + number);
}
