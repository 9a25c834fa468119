/*
 * The keeper of disco-serve's workers: it starts and kills them as it is told,
 * for disco-serve itself may not.  It ends with whoever asks, and they with it.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "call.h"
#include "run.h"

#define WORKERS 128

static pid_t workers[WORKERS];

static void on_child(int signo)
{
	(void)signo; /* it ends recv(2) */
}

static void reap(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (size_t i = 0; i < WORKERS; i++)
			if (workers[i] == pid)
				workers[i] = 0;
}

static void say(int fd, int32_t kind, int32_t number, int attached)
{
	struct keeper_message message = {kind, number};
	struct iovec part = {&message, sizeof(message)};
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	if (attached >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &attached, sizeof(int));
	}
	while (sendmsg(fd, &m, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

/* In the child. */
static _Noreturn void become_worker(int keeper, const int ends[2], pid_t parent,
				    const struct cage *cage)
{
	signal(SIGCHLD, SIG_DFL);
	if (dup2(ends[1], keeper) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    getppid() != parent)
		_exit(EXIT_CANNOT);
	close(ends[0]);
	close(ends[1]);
	_exit(worker_run(keeper, cage));
}

static void start(int fd, const struct cage *cage)
{
	pid_t *place = NULL, parent = getpid();
	int ends[2];

	for (size_t i = 0; i < WORKERS && place == NULL; i++)
		if (workers[i] == 0)
			place = &workers[i];
	if (place == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) {
		say(fd, KEEPER_FAILED, place == NULL ? EAGAIN : errno, -1);
		return;
	}
	*place = fork();
	if (*place == 0)
		become_worker(fd, ends, parent, cage);
	close(ends[1]);
	if (*place > 0) {
		say(fd, KEEPER_START, *place, ends[0]);
	} else {
		*place = 0;
		say(fd, KEEPER_FAILED, errno, -1);
	}
	close(ends[0]);
}

static void end(pid_t pid)
{
	for (size_t i = 0; i < WORKERS; i++)
		if (workers[i] == pid && pid > 0)
			kill(pid, SIGKILL);
}

/* What was said at the start was heard; from here on nothing of who started us is open. */
static void be_quiet(void)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
		err(EXIT_CANNOT, "/dev/null");
	closefrom(STDERR_FILENO + 1);
}

int keeper_run(int fd, const struct cage *cage)
{
	struct sigaction action = {.sa_handler = on_child};
	struct keeper_message message;
	ssize_t len;

	signal(SIGINT, SIG_IGN); /* of the terminal: who asks is asked to end, and we with it */
	sigaction(SIGCHLD, &action, NULL);
	be_quiet();
	if (!cage_keeper())
		err(EXIT_CANNOT, "the sandbox");
	say(fd, KEEPER_READY, 0, -1);
	for (;;) {
		reap();
		len = recv(fd, &message, sizeof(message), 0);
		if (len < 0 && errno == EINTR)
			continue;
		if (len != sizeof(message))
			break;
		if (message.kind == KEEPER_START)
			start(fd, cage);
		else if (message.kind == KEEPER_KILL)
			end(message.number);
	}
	return EXIT_DONE;
}
