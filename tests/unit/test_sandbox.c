/* What one that serves others may still do: of sockets and processes. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox.h"
#include "tap.h"

static bool refused(int result)
{
	return result < 0 && errno == EPERM;
}

static int listener, accepted;
static struct sockaddr_in there = {.sin_family = AF_INET};

static bool connection_open(void)
{
	socklen_t len = sizeof(there);
	int client = socket(AF_INET, SOCK_STREAM, 0);

	there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&there, len) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&there, &len) < 0 ||
	    connect(client, (struct sockaddr *)&there, len) < 0)
		return false;
	accepted = accept(listener, NULL, NULL);
	return accepted >= 0;
}

/* The first that is not as it should be; 0: none. */
static int look(void)
{
	int pair[2];

	const struct sockaddr none = {.sa_family = AF_UNSPEC};

	if (!connection_open() || sandbox_serve() < 0)
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
	/* What was accepted is answered, and reaches nobody else. */
	if (send(accepted, "x", 1, 0) != 1)
		return 10;
	if (!refused(connect(accepted, &none, sizeof(none))))
		return 11;
	shutdown(listener, SHUT_RDWR);
	if (!refused((int)sendto(listener, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&there,
				 sizeof(there))))
		return 12;
	if (!refused((int)sendmsg(
		listener, &(struct msghdr){.msg_name = &there, .msg_namelen = sizeof(there)},
		MSG_FASTOPEN)))
		return 13;
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
