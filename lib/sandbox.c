/* seccomp filters for processes that run what others wrote. */
#include "sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const int allowed[] = {
    SCMP_SYS(read),	     SCMP_SYS(write),	   SCMP_SYS(brk),	   SCMP_SYS(mmap),
    SCMP_SYS(munmap),	     SCMP_SYS(mremap),	   SCMP_SYS(madvise),	   SCMP_SYS(futex),
    SCMP_SYS(exit),	     SCMP_SYS(exit_group), SCMP_SYS(alarm),	   SCMP_SYS(setitimer),
    SCMP_SYS(clock_gettime), SCMP_SYS(getrandom),  SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(sigaltstack),   SCMP_SYS(gettid),	   SCMP_SYS(getpid),	   SCMP_SYS(rt_sigaction),
};

/* What one that starts others needs besides: for itself, and for them to be shut in. */
static const int forking[] = {
    SCMP_SYS(tgkill),	   SCMP_SYS(clone),
    SCMP_SYS(fork),	   SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),	   SCMP_SYS(set_tid_address),
    SCMP_SYS(wait4),	   SCMP_SYS(kill),
    SCMP_SYS(socketpair),  SCMP_SYS(sendmsg),
    SCMP_SYS(recvmsg),	   SCMP_SYS(recvfrom),
    SCMP_SYS(close),	   SCMP_SYS(dup2),
    SCMP_SYS(dup3),	   SCMP_SYS(poll),
    SCMP_SYS(ppoll),	   SCMP_SYS(getppid),
    SCMP_SYS(prctl),	   SCMP_SYS(seccomp),
    SCMP_SYS(prlimit64),   SCMP_SYS(getrlimit),
    SCMP_SYS(setrlimit),   SCMP_SYS(mprotect),
    SCMP_SYS(close_range),
};

/* What one needs that serves others: files (those that landlock leaves), sockets that are open, and
 * none of its own making but for a datagram to the service manager; no process, no program. */
static const int serving[] = {
    /* files */
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(close), SCMP_SYS(stat), SCMP_SYS(fstat),
    SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(access), SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2), SCMP_SYS(getdents64), SCMP_SYS(lseek), SCMP_SYS(pread64),
    SCMP_SYS(pwrite64), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(rename), SCMP_SYS(renameat),
    SCMP_SYS(renameat2), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(mkdir), SCMP_SYS(mkdirat),
    SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(umask), SCMP_SYS(ftruncate),
    SCMP_SYS(utimensat), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(fcntl), SCMP_SYS(dup),
    SCMP_SYS(ioctl), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(inotify_init1),
    SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch),
    /* sockets */
    SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(shutdown), SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    /* waiting, and what the libraries ask */
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime), SCMP_SYS(eventfd2), SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(clock_getres), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep),
    SCMP_SYS(restart_syscall), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getegid), SCMP_SYS(getppid), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getrusage),
    SCMP_SYS(mprotect), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(prlimit64),
    SCMP_SYS(getrlimit)};

#define SOCKET_TYPE 0xf /* its bits; the others are flags */
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const int closed[] = {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2)};

static int filter_add(scmp_filter_ctx filter, uint32_t action, const int *list, size_t count)
{
	int failed = 0;

	for (size_t i = 0; failed == 0 && i < count; i++)
		failed = seccomp_rule_add(filter, action, list[i], 0);
	return failed;
}

/* Answers on what was accepted, datagrams on this machine, and no way to anybody else. */
static int talk_add(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp datagrams[] = {
	    {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = AF_UNIX},
	    {.arg = 1, .op = SCMP_CMP_MASKED_EQ, .datum_a = SOCKET_TYPE, .datum_b = SOCK_DGRAM}};
	const struct scmp_arg_cmp to_nobody = {.arg = 4, .op = SCMP_CMP_EQ, .datum_a = 0};
	/* With this flag sending connects. */
	const struct scmp_arg_cmp connected = {
	    .arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = MSG_FASTOPEN, .datum_b = 0};
	int failed = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket),
					    COUNT(datagrams), datagrams);

	if (failed == 0)
		failed =
		    seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1, &to_nobody);
	if (failed == 0)
		failed = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendmsg), 1,
						&connected);
	return failed;
}

/* Allows what all need, and these. */
static int filter_load(const int *more, size_t count, bool files)
{
	const struct scmp_arg_cmp us = {
	    .arg = 0, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)getpid()};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int failed;

	if (filter == NULL) {
		errno = ENOMEM;
		return -1;
	}
	failed = filter_add(filter, SCMP_ACT_ALLOW, allowed, COUNT(allowed));
	/* abort(3) signals nobody but us. */
	if (failed == 0)
		failed = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &us);
	if (failed == 0)
		failed = filter_add(filter, SCMP_ACT_ALLOW, more, count);
	if (failed == 0 && files)
		failed = talk_add(filter);
	if (failed == 0 && !files)
		failed = filter_add(filter, SCMP_ACT_ERRNO(EACCES), closed, COUNT(closed));
	if (failed == 0)
		failed = seccomp_load(filter); /* sets no_new_privs too */
	seccomp_release(filter);
	errno = -failed;
	return failed == 0 ? 0 : -1;
}

int sandbox_compute(void)
{
	return filter_load(NULL, 0, false);
}

int sandbox_fork(void)
{
	return filter_load(forking, COUNT(forking), false);
}

int sandbox_serve(void)
{
	return filter_load(serving, COUNT(serving), true);
}
