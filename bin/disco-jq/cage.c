/* Limits, files, system calls: what a process that runs others' programs may use. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "run.h"
#include "sandbox.h"

#define KEEPER_FILES 16

/* No more than this, nor than we were given. */
static bool limit(int resource, rlim_t most, rlim_t spare)
{
	struct rlimit l;

	if (getrlimit(resource, &l) < 0)
		return false;
	if (l.rlim_max > most + spare)
		l.rlim_max = most + spare;
	l.rlim_cur = most < l.rlim_max ? most : l.rlim_max;
	return setrlimit(resource, &l) == 0;
}

void cage_no_environment(void)
{
	static char *empty[] = {NULL};

	environ = empty; /* no env, and no .jq from anybody's home */
}

bool cage_enter(const struct cage *cage)
{
	/* The soft limit sends SIGXCPU, which tells why we ended; the hard one only kills. */
	if (!limit(RLIMIT_CPU, cage->processor_s, 5) || !limit(RLIMIT_CORE, 0, 0))
		return false;
	if (SANDBOX_SANITIZED)
		return true;
	closefrom(STDERR_FILENO + 1);
	/* landlock wants a descriptor; what a keeper starts has its cage already. */
	return sandbox_files(NULL, 0) == 0 && limit(RLIMIT_AS, cage->memory, 0) &&
	       limit(RLIMIT_NPROC, 0, 0) && limit(RLIMIT_NOFILE, 0, 0) && sandbox_compute() == 0;
}

bool cage_keeper(void)
{
	if (!limit(RLIMIT_CORE, 0, 0))
		return false;
	if (SANDBOX_SANITIZED)
		return true;
	return sandbox_files(NULL, 0) == 0 && limit(RLIMIT_NOFILE, KEEPER_FILES, 0) &&
	       sandbox_fork() == 0;
}
