/* Signals: their names, how they stood when we were started, and programs that shall not notice
 * that we read them. */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
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
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	int error;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	sigemptyset(&defaults);
	if (!signal_was_ignored(SIGPIPE))
		sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_setsigdefault(&attr, &defaults);
	posix_spawnattr_setsigmask(&attr, &mask);
	error = 0;
	if (input != -1 || output != -1) {
		flags |= POSIX_SPAWN_SETPGROUP;
		posix_spawnattr_setpgroup(&attr, 0);
		error = put(&actions, output, STDOUT_FILENO, O_WRONLY);
		if (error == 0)
			error = put(&actions, input, STDIN_FILENO, O_RDONLY);
	}
	posix_spawnattr_setflags(&attr, flags);
	if (error == 0)
		error = posix_spawnp(pid, file, &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return error;
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
