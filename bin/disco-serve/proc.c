/* GET /v1/proc: stored procedures, and what they answer. */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "name.h"
#include "pool.h"
#include "sandbox.h"
#include "version.h"

static struct procs procs;

/* Reads what has changed, and says what can't be called. */
static void refresh(void)
{
	int read = procs_refresh(&procs);

	if (read < 0)
		warn("procedures");
	for (size_t i = 0; read > 0 && i < procs.count; i++)
		if (procs.list[i].wrong != NULL)
			warnx("%s: %s", procs.list[i].path, procs.list[i].wrong);
}

void procs_load(void)
{
	if (serve.procs != NULL && access(serve.procs, R_OK | X_OK) < 0)
		err(EXIT_CANNOT, "--procs %s", serve.procs);
	procs_open(&procs, serve.procs);
	for (size_t i = 0; i < PROC_FOLDERS; i++)
		cage_allow(procs.folders[i], SANDBOX_READ);
	refresh();
}

const struct proc *proc_find(const struct caller *caller, const char *name, int *status,
			     struct text *words)
{
	const struct proc *proc;

	if (name_check(name) == NULL && !caller_may(caller, RIGHT_CALL, name)) {
		*status = 403;
		text_printf(words, "%s: this token may not call it", name);
		return NULL;
	}
	refresh();
	proc = procs_find(&procs, name);
	*status = proc == NULL ? 404 : 500;
	if (proc == NULL) {
		text_safe(words, name, strnlen(name, NAME_LONGEST));
		text_string(words, ": no such procedure");
	} else if (proc->wrong != NULL) {
		text_printf(words, "%s: its file can't be used: %s", name, proc->wrong);
		proc = NULL;
	}
	return proc;
}

/* A request that waits for its answer. */
struct asking {
	struct evhttp_request *request;
	struct caller *caller;
	struct call *call;
	char *type;
};

static void asking_free(struct asking *asking)
{
	caller_unref(asking->caller);
	free(asking->type);
	free(asking);
}

/* The client went away. */
static void on_close(struct evhttp_connection *connection, void *arg)
{
	struct asking *asking = arg;

	(void)connection;
	call_forget(asking->call);
	http_gone(asking->request);
	asking_free(asking);
}

static void answer_give(struct asking *asking, struct text *answer)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(asking->request);

	evhttp_add_header(headers, "Cache-Control", "no-cache");
	evhttp_add_header(headers, "Vary", "Accept-Encoding");
	/* A page that a procedure makes is not one of ours: what it shows comes from anybody. */
	evhttp_add_header(headers, "Content-Security-Policy",
			  "sandbox; default-src 'none'; style-src 'unsafe-inline'");
	http_answer(asking->request, 200, asking->type, answer);
}

static void answered(void *arg, int status, struct text *answer)
{
	struct asking *asking = arg;

	if (asking->call != NULL) {
		door_on_close(asking->request, NULL, NULL);
		http_open_end(asking->request);
	}
	if (asking->caller->revoked)
		http_error(asking->request, 401, "not a token of this server any more");
	else if (status == 200)
		answer_give(asking, answer);
	else
		http_error(asking->request, status, "%s", text_cstr(answer));
	asking_free(asking);
}

/* Takes the request over: it is answered when the procedure has. */
static void ask(struct evhttp_request *request, const struct proc *proc, const struct text *args)
{
	struct asking *asking = calloc(1, sizeof(*asking));
	struct call *call;

	if (asking == NULL || (asking->type = strdup(proc->type)) == NULL)
		errx(EXIT_CANNOT, "out of memory");
	asking->request = request;
	asking->caller = caller_ref(http_caller(request));
	call = call_start(asking->caller, proc, args, answered, asking);
	if (call == NULL)
		return;
	asking->call = call;
	http_open_begin(request);
	door_on_close(request, on_close, asking);
}

/* What stands behind the question mark.  False when it was answered: with 400. */
static bool args_read(struct evhttp_request *request, const struct proc *proc, struct text *args)
{
	struct proc_given given[PROC_ARGS_GIVEN + 1];
	struct evkeyvalq pairs;
	struct text wrong = {0};
	struct evkeyval *pair;
	size_t count = 0;
	bool good = true;

	if (!query_pairs(request, &pairs))
		return false;
	TAILQ_FOREACH (pair, &pairs, next)
		if (count <= PROC_ARGS_GIVEN)
			given[count++] = (struct proc_given){pair->key, pair->value};
	good = proc_args(proc, given, count, args, &wrong);
	if (!good)
		http_error(request, 400, "%s: %s", proc->name, text_cstr(&wrong));
	evhttp_clear_headers(&pairs);
	text_free(&wrong);
	return good;
}

void proc_get(struct evhttp_request *request, const char *name)
{
	struct text words = {0}, args = {0};
	const struct proc *proc;
	int status;

	proc = proc_find(http_caller(request), name, &status, &words);
	if (proc == NULL && status == 403)
		http_refuse(request, status, "%s", text_cstr(&words));
	else if (proc == NULL)
		http_error(request, status, "%s", text_cstr(&words));
	else if (!source_refuses(request) && args_read(request, proc, &args))
		ask(request, proc, &args);
	text_free(&words);
	text_free(&args);
}

void procs_get(struct evhttp_request *request)
{
	struct caller *caller = http_caller(request);
	struct text body = {0};

	if (!query_none(request))
		return;
	refresh();
	text_char(&body, '[');
	for (size_t i = 0; i < procs.count; i++) {
		const struct proc *proc = &procs.list[i];

		if (proc->wrong != NULL || !caller_may(caller, RIGHT_CALL, proc->name))
			continue;
		text_string(&body, body.len > 1 ? ",\n" : "");
		proc_json(&body, proc);
	}
	text_string(&body, "]\n");
	http_answer(request, 200, "application/json", &body);
}
