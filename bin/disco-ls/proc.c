/* --proc and --procs: stored procedures, run by disco-jq, or by the server that is asked. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "call.h"
#include "helper.h"
#include "ls.h"
#include "proc.h"

#define FEED_AT ((size_t)128 * 1024)
#define MEMORY_MIB "512"

void proc_arg_add(struct ls *ls, const char *given)
{
	const char *equals = strchr(given, '=');

	if (equals == NULL || equals == given)
		errx(EXIT_USAGE, "--arg %s: write name=value", given);
	if (ls->arg_count == PROC_ARGS_GIVEN)
		errx(EXIT_USAGE, "--arg: more than %d", PROC_ARGS_GIVEN);
	ls->args[ls->arg_count++] =
	    (struct proc_given){strndup(given, (size_t)(equals - given)), equals + 1};
	if (ls->args[ls->arg_count - 1].name == NULL)
		err(EXIT_CANNOT, NULL);
}

static void procs_read(struct procs *procs, const char *own)
{
	int fd;

	if (own == NULL)
		own = getenv("DISCO_PROCS");
	if (own != NULL && *own == '\0')
		own = NULL;
	/* Whoever names a folder means that it is there; of the others that is not sure. */
	if (own != NULL) {
		fd = open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			err(EXIT_CANNOT, "%s", own);
		close(fd);
	}
	procs_open(procs, own);
	if (procs_refresh(procs) < 0)
		err(EXIT_CANNOT, NULL);
}

/* The list. */

static void line_add(struct text *text, const struct proc *proc)
{
	text_string(text, proc->name);
	for (size_t i = 0; i < proc->arg_count; i++)
		text_printf(text, proc->args[i].optional ? " [%s]" : " %s", proc->args[i].name);
	text_string(text, ": ");
	if (proc->wrong != NULL)
		text_printf(text, "can't be run: %s: ", proc->path);
	text_string(text, proc->wrong != NULL ? proc->wrong : proc->words);
	text_char(text, '\n');
}

static int list_local(const struct ls *ls)
{
	struct text text = {0};
	struct procs procs;

	procs_read(&procs, ls->procs_dir);
	text_string(&text, ls->json ? "[" : "");
	for (size_t i = 0; i < procs.count; i++) {
		if (!ls->json) {
			line_add(&text, &procs.list[i]);
		} else if (procs.list[i].wrong == NULL) {
			text_string(&text, text.len > 1 ? ",\n" : "");
			proc_json(&text, &procs.list[i]);
		}
	}
	text_string(&text, ls->json ? "]\n" : "");
	write_out(STDOUT_FILENO, &text);
	text_free(&text);
	return procs.count > 0 ? EXIT_DONE : EXIT_NO;
}

/* Starting disco-jq. */

static pid_t jq_start(int *fd)
{
	static char *const environment[] = {
	    (char *)(uintptr_t) "GLIBC_TUNABLES=glibc.malloc.hugetlb=1", NULL};
	char path[HELPER_PATH];
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		err(EXIT_CANNOT, "socketpair");
	pid = fork();
	if (pid < 0)
		err(EXIT_CANNOT, "fork");
	if (pid == 0) {
		if (dup2(ends[1], STDIN_FILENO) < 0)
			err(EXIT_CANNOT, "dup2");
		helper_path(path, "disco-jq");
		execle(path, "disco-ls: --proc", "--worker", MEMORY_MIB, (char *)NULL, environment);
		err(EXIT_CANNOT, "--proc: %s", path);
	}
	close(ends[1]);
	*fd = ends[0];
	return pid;
}

/* Empties the text into it; what can't be sent is missed in the answer. */
static void send_all(int fd, struct text *text)
{
	size_t done = 0;

	if (text->failed)
		errx(EXIT_CANNOT, "out of memory");
	while (done < text->len) {
		ssize_t len = send(fd, text->s + done, text->len - done, MSG_NOSIGNAL);

		if (len < 0 && errno != EINTR)
			break;
		done += len > 0 ? (size_t)len : 0;
	}
	text_clear(text);
}

static void call_send(int fd, const struct ls *ls, const struct proc *proc, const struct text *args)
{
	struct text text = {0};
	size_t begun;

	frame_add(&text, CALL_PROGRAM, proc->text, proc->len);
	frame_add(&text, CALL_ARGS, args->s, args->len);
	begun = frame_begin(&text, CALL_ROWS);
	for (size_t i = 0; i < ls->count; i++) {
		text_char(&text, '{');
		row_json(&text, ls->rows[i], ls->now_ms);
		text_string(&text, "}\n");
		if (text.len < FEED_AT)
			continue;
		frame_end(&text, begun);
		send_all(fd, &text);
		begun = frame_begin(&text, CALL_ROWS);
	}
	frame_end(&text, begun);
	if (proc_is_json(proc))
		frame_add(&text, CALL_GO, "json", 4);
	else
		frame_add(&text, CALL_GO, "raw", 3);
	send_all(fd, &text);
	text_free(&text);
}

static bool read_all(int fd, char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = read(fd, s, len);

		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		s += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* Words of a process that ran what others wrote. */
static void say(const char *name, const char *what, const struct text *words)
{
	struct text safe = {0};

	text_safe(&safe, words->s, words->len);
	warnx("%s: %s%s", name, what, text_cstr(&safe));
	text_free(&safe);
}

/* The answer but for what is said by the way, which is passed on.  Its kind, 0: it broke off. */
static uint32_t answer_read(int fd, const char *name, struct text *answer)
{
	struct call_head head;
	char *room;

	while (read_all(fd, (char *)&head, sizeof(head))) {
		text_clear(answer);
		if (!frame_good(&head) || (room = text_room(answer, head.len + 1)) == NULL ||
		    !read_all(fd, room, head.len))
			return 0;
		answer->len = head.len;
		if (head.kind == CALL_DEBUG)
			say(name, "debug: ", answer);
		else if (head.kind != CALL_LAST)
			return head.kind;
	}
	return 0;
}

static int answer_give(uint32_t kind, const char *name, struct text *answer)
{
	bool any = answer->len > 0;

	switch (kind) {
	case CALL_OUTPUT: write_out(STDOUT_FILENO, answer); return any ? EXIT_DONE : EXIT_NO;
	case CALL_FAILED: say(name, "", answer); return EXIT_USAGE;
	case CALL_BAD:
	case CALL_STOPPED: say(name, "", answer); return EXIT_CANNOT;
	default:
		warnx("%s: stopped: it took too much processor time or memory", name);
		return EXIT_CANNOT;
	}
}

static int proc_local(struct ls *ls)
{
	struct text args = {0}, wrong = {0}, answer = {0};
	const struct proc *proc;
	struct procs procs;
	uint32_t kind;
	pid_t pid;
	int fd, status;

	procs_read(&procs, ls->procs_dir);
	proc = procs_find(&procs, ls->proc);
	if (proc == NULL)
		errx(EXIT_USAGE, "%s: no such procedure; disco-ls --procs lists them", ls->proc);
	if (proc->wrong != NULL)
		errx(EXIT_CANNOT, "%s: %s: %s", ls->proc, proc->path, proc->wrong);
	if (!proc_args(proc, ls->args, ls->arg_count, &args, &wrong))
		errx(EXIT_USAGE, "%s: %s", ls->proc, text_cstr(&wrong));
	pid = jq_start(&fd);
	call_send(fd, ls, proc, &args);
	kind = answer_read(fd, ls->proc, &answer);
	close(fd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	status = answer_give(kind, ls->proc, &answer);
	text_free(&answer);
	text_free(&args);
	procs_free(&procs);
	return status;
}

/* A server. */

static int remote_answer(const struct ls *ls, const char *path)
{
	struct text answer = {0}, said = {0};
	int status = remote_get(&answer, CALL_OUTPUT_LARGEST, &ls->server, path, &said);

	fputs(text_cstr(&said), stderr);
	/* No such procedure, which it has said. */
	if (status == EXIT_NO)
		return EXIT_USAGE;
	if (status == EXIT_DONE) {
		status = answer.len > 0 ? EXIT_DONE : EXIT_NO;
		write_out(STDOUT_FILENO, &answer);
	}
	text_free(&answer);
	text_free(&said);
	return status;
}

static int proc_remote(const struct ls *ls)
{
	struct text path = {0};
	int status;

	text_string(&path, "/v1/proc/");
	text_string(&path, ls->proc);
	for (size_t i = 0; i < ls->arg_count; i++)
		remote_query(&path, ls->args[i].name, ls->args[i].value);
	status = remote_answer(ls, text_cstr(&path));
	text_free(&path);
	return status;
}

int procs_list(struct ls *ls)
{
	return ls->server.url != NULL ? remote_answer(ls, "/v1/proc") : list_local(ls);
}

int proc_run(struct ls *ls)
{
	return ls->server.url != NULL ? proc_remote(ls) : proc_local(ls);
}
