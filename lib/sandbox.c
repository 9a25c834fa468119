/* seccomp filters for processes that run what others wrote. */
#include "sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

static const int allowed[] = {
    SCMP_SYS(read),	     SCMP_SYS(write),	   SCMP_SYS(brk),	   SCMP_SYS(mmap),
    SCMP_SYS(munmap),	     SCMP_SYS(mremap),	   SCMP_SYS(madvise),	   SCMP_SYS(futex),
    SCMP_SYS(exit),	     SCMP_SYS(exit_group), SCMP_SYS(alarm),	   SCMP_SYS(setitimer),
    SCMP_SYS(clock_gettime), SCMP_SYS(getrandom),  SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(sigaltstack),   SCMP_SYS(tgkill),	   SCMP_SYS(gettid),	   SCMP_SYS(getpid),
    SCMP_SYS(rt_sigaction),
};

/* What one that starts others needs besides: for itself, and for them to be shut in. */
static const int forking[] = {
    SCMP_SYS(clone),
    SCMP_SYS(fork),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(wait4),
    SCMP_SYS(kill),
    SCMP_SYS(socketpair),
    SCMP_SYS(sendmsg),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvfrom),
    SCMP_SYS(close),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(getppid),
    SCMP_SYS(prctl),
    SCMP_SYS(seccomp),
    SCMP_SYS(prlimit64),
    SCMP_SYS(getrlimit),
    SCMP_SYS(setrlimit),
    SCMP_SYS(mprotect),
    SCMP_SYS(close_range),
};

static const int closed[] = {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2)};

static int filter_load(bool may_fork)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int failed = 0;

	if (filter == NULL) {
		errno = ENOMEM;
		return -1;
	}
	for (size_t i = 0; failed == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; may_fork && failed == 0 && i < sizeof(forking) / sizeof(forking[0]); i++)
		failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, forking[i], 0);
	for (size_t i = 0; failed == 0 && i < sizeof(closed) / sizeof(closed[0]); i++)
		failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), closed[i], 0);
	if (failed == 0)
		failed = seccomp_load(filter); /* sets no_new_privs too */
	seccomp_release(filter);
	errno = -failed;
	return failed == 0 ? 0 : -1;
}

int sandbox_compute(void)
{
	return filter_load(false);
}

int sandbox_fork(void)
{
	return filter_load(true);
}
