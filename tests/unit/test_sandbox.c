/* What one that serves others may still do: of sockets and processes. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox.h"
#include "tap.h"

static bool refused(int result)
{
	return result < 0 && errno == EPERM;
}

/* The first that is not as it should be; 0: none. */
static int look(void)
{
	int pair[2];

	if (sandbox_serve() < 0)
		return 1;
	if (!refused(socket(AF_INET, SOCK_STREAM, 0)))
		return 2;
	if (!refused(socket(AF_INET6, SOCK_DGRAM, 0)))
		return 3;
	if (!refused(socket(AF_UNIX, SOCK_STREAM, 0)))
		return 4;
	if (!refused(socket(AF_NETLINK, SOCK_RAW, 0)))
		return 5;
	if (!refused(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair)))
		return 6;
	if (!refused(listen(0, 1)) || !refused(bind(0, NULL, 0)))
		return 7;
	if (!refused(execl("/bin/true", "true", (char *)NULL)) || !refused(fork()))
		return 8;
	if (socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) < 0)
		return 9;
	return 0;
}

int main(void)
{
	int status;
	pid_t pid;

	if (SANDBOX_SANITIZED) {
		puts("1..0 # SKIP a sanitizer needs what is forbidden in there");
		return 0;
	}
	pid = fork();
	if (pid == 0)
		_exit(look());
	waitpid(pid, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	   "a server that is shut in has no socket but for datagrams here, and no process");
	return tap_done();
}
