/*
 * disco-ls lists what the discovery table holds.  It reads the spool and
 * depends on no daemon: when no master runs it judges the heartbeat files itself.
 * Or it asks a server.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "duration.h"
#include "ls.h"
#include "name.h"
#include "spool.h"

enum { OPT_WHY = 256, OPT_CHECK, OPT_PROC, OPT_PROCS, OPT_PROCS_DIR, OPT_ARG, OPT_VERSION };

static const char short_options[] = "1jtHo:s:S:rk:q:d:u:h";
static const struct option long_options[] = {
    {"one", no_argument, NULL, '1'},
    {"json", no_argument, NULL, 'j'},
    {"tsv", no_argument, NULL, 't'},
    {"no-header", no_argument, NULL, 'H'},
    {"columns", required_argument, NULL, 'o'},
    {"service", required_argument, NULL, 's'},
    {"state", required_argument, NULL, 'S'},
    {"reverse", no_argument, NULL, 'r'},
    {"sort", required_argument, NULL, 'k'},
    {"filter", required_argument, NULL, 'q'},
    {"why", required_argument, NULL, OPT_WHY},
    {"check", no_argument, NULL, OPT_CHECK},
    {"proc", required_argument, NULL, OPT_PROC},
    {"arg", required_argument, NULL, OPT_ARG},
    {"procs", no_argument, NULL, OPT_PROCS},
    {"procs-dir", required_argument, NULL, OPT_PROCS_DIR},
    {"dir", required_argument, NULL, 'd'},
    {"url", required_argument, NULL, 'u'},
    TRUST_OPTIONS,
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

static int (*const doers[])(struct ls *) = {
    [MODE_LIST] = print_list, [MODE_ONE] = print_one,	   [MODE_JSON] = print_json,
    [MODE_TSV] = print_tsv,   [MODE_FILTER] = filter_rows, [MODE_WHY] = why,
    [MODE_CHECK] = check,     [MODE_PROC] = proc_run,	   [MODE_PROCS] = procs_list,
};

static void usage(FILE *to)
{
	fputs("usage: disco-ls [-1 | -j | -t | -q filter | --why process | --check |\n"
	      "                 --proc name [--arg name=value]... | --procs [-j]]\n"
	      "                [-d dir | -u url [--cacert file] [--cert file] [--key file]\n"
	      "                [--token-file file]] [-H] [-k column] [-o column,...] [-r]\n"
	      "                [-S state,...] [-s service] [--procs-dir dir] [pattern ...]\n",
	      to);
	exit(to == stdout ? EXIT_DONE : EXIT_USAGE);
}

static void mode_set(struct ls *ls, enum mode mode)
{
	if (ls->mode != MODE_LIST && ls->mode != mode)
		errx(EXIT_USAGE,
		     "only one of -1, -j, -t, -q, --why, --check, --proc and --procs can be had");
	ls->mode = mode;
}

static void column_unknown(const char *option, const char *name, size_t len)
{
	struct text names = {0};

	list_names(&names);
	errx(EXIT_USAGE, "%s: no column %.*s; there are %s", option, (int)len, name,
	     text_cstr(&names));
}

static void columns_set(struct ls *ls, const char *names)
{
	size_t len;
	const char *bad = list_columns_parse(&ls->list, names, &len);

	if (bad != NULL && *bad == '\0' && *names != '\0')
		errx(EXIT_USAGE, "-o: too many columns, or one without a name");
	if (bad != NULL)
		column_unknown("-o", bad, len);
}

static void sort_set(struct ls *ls, const char *name)
{
	ls->sort = list_column(name, strlen(name));
	if (ls->sort < 0)
		column_unknown("-k", name, strlen(name));
}

static void states_set(struct ls *ls, const char *states)
{
	const char *wrong = state_set_parse(states, &ls->match.states);

	if (wrong != NULL)
		errx(EXIT_USAGE, "-S: %s: %s", states, wrong);
	ls->states_asked = true;
}

/* What does not go with procedures, or only with them. */
static void proc_options(struct ls *ls, bool procs)
{
	bool proc = ls->mode == MODE_PROC;
	const char *why;

	/* There -j is but a form of the list. */
	if (procs && ls->mode == MODE_JSON) {
		ls->json = true;
		ls->mode = MODE_LIST;
	}
	if (procs)
		mode_set(ls, MODE_PROCS);
	if (ls->arg_count > 0 && !proc)
		errx(EXIT_USAGE, "--arg goes with --proc");
	if (ls->procs_dir != NULL && (!(proc || procs) || ls->server.url != NULL))
		errx(EXIT_USAGE, "--procs-dir goes with --proc and --procs, but not with -u");
	if ((proc || procs) && ls->server.url != NULL && (match_chooses(&ls->match)))
		errx(EXIT_USAGE, "a server gives all rows to a procedure: no patterns, -s and -S");
	why = proc ? name_check(ls->proc) : NULL;
	if (why != NULL)
		errx(EXIT_USAGE, "--proc: %s: %s", ls->proc, why);
}

static void options(struct ls *ls, int argc, char **argv)
{
	const char *wrong;
	bool procs = false;
	int c;

	while ((c = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		switch (c) {
		case '1': mode_set(ls, MODE_ONE); break;
		case 'j': mode_set(ls, MODE_JSON); break;
		case 't': mode_set(ls, MODE_TSV); break;
		case 'H': ls->list.header = false; break;
		case 'o': columns_set(ls, optarg); break;
		case 's': ls->match.service = optarg; break;
		case 'S': states_set(ls, optarg); break;
		case 'r': ls->reverse = true; break;
		case 'k': sort_set(ls, optarg); break;
		case 'q':
			mode_set(ls, MODE_FILTER);
			ls->filter = optarg;
			break;
		case 'd': ls->dir = optarg; break;
		case 'u': ls->server.url = optarg; break;
		case OPT_WHY:
			mode_set(ls, MODE_WHY);
			ls->why = optarg;
			break;
		case OPT_PROC:
			mode_set(ls, MODE_PROC);
			ls->proc = optarg;
			break;
		case OPT_ARG: proc_arg_add(ls, optarg); break;
		case OPT_PROCS: procs = true; break;
		case OPT_PROCS_DIR: ls->procs_dir = optarg; break;
		case OPT_CHECK: mode_set(ls, MODE_CHECK); break;
		case OPT_VERSION: puts("disco-ls " DISCO_VERSION); exit(EXIT_DONE);
		case 'h': usage(stdout); break;
		default:
			if (!trust_option(&ls->server.trust, c, optarg))
				usage(stderr);
		}
	}
	if (ls->dir != NULL && ls->server.url != NULL)
		errx(EXIT_USAGE, "-d is a spool here and -u a server: only one can be asked");
	ls->server.url = remote_url(ls->server.url, ls->dir);
	if (ls->server.url != NULL && (wrong = trust_url_check(ls->server.url)) != NULL)
		errx(EXIT_USAGE, "-u or DISCO_URL: %s", wrong);
	ls->match.patterns = argv + optind;
	ls->match.count = (size_t)(argc - optind);
	for (int i = optind; i < argc; i++)
		if (argv[i][0] == '\0')
			errx(EXIT_USAGE, "an empty pattern matches nothing; leave it out for all");
	proc_options(ls, procs);
	if (ls->mode == MODE_WHY && (optind < argc || ls->why[strcspn(ls->why, "*?[")] != '\0'))
		errx(EXIT_USAGE, "--why takes one name, no pattern");
	if (ls->list.count > 0 && ls->mode != MODE_LIST && ls->mode != MODE_TSV &&
	    ls->mode != MODE_ONE)
		errx(EXIT_USAGE, "-o goes with the list, -t and -1 only");
}

/* Says that there is no master, unless --check says it on stdout. */
static void master_missing(const struct ls *ls, int64_t heard_ms)
{
	const char *state = ls->master == MASTER_STUCK ? "the master is stuck" : "no master runs";
	char when[16], ago[24];
	time_t heard = (time_t)(heard_ms / 1000);
	struct tm tm;

	if (ls->mode == MODE_CHECK)
		return;
	if (heard_ms == 0) {
		warnx("%s here yet; judged from the heartbeat files", state);
		return;
	}
	strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&heard, &tm));
	duration_age(ago, sizeof(ago), ls->now_ms - heard_ms);
	warnx("%s since %s (%s ago); judged from the heartbeat files", state, when, ago);
}

/* Where there is nothing to read: a plug-in is heard on stdout only. */
static _Noreturn void cannot(const struct ls *ls, const char *path, const char *why_not)
{
	if (ls->mode != MODE_CHECK)
		errx(EXIT_CANNOT, "%s: %s", path, why_not);
	printf("DISCO UNKNOWN - %s: %s\n", path, why_not);
	if (fflush(stdout) != 0)
		err(EXIT_CANNOT, "stdout");
	exit(EXIT_CANNOT);
}

/* What a server says of the rows that may be meant; it has judged them. */
static void load_remote(struct ls *ls)
{
	struct text path = {0}, said = {0};
	const char *words, *end;
	int status;

	text_string(&path, "/v1/table");
	if (ls->match.service != NULL)
		remote_query(&path, "service", ls->match.service);
	if (ls->mode == MODE_WHY)
		remote_query(&path, "process", ls->why);
	status = remote_table(&ls->view, &ls->server, text_cstr(&path), &said);
	words = text_cstr(&said);
	if (status != EXIT_DONE && ls->mode == MODE_CHECK) {
		/* Without our name, and one line. */
		words = strstr(words, ": ") != NULL ? strstr(words, ": ") + 2 : words;
		end = strchr(words, '\n');
		printf("DISCO UNKNOWN - %.*s\n", (int)(end != NULL ? end - words : 0), words);
		if (fflush(stdout) != 0)
			err(EXIT_CANNOT, "stdout");
		exit(EXIT_CANNOT);
	}
	fputs(words, stderr);
	if (status != EXIT_DONE)
		exit(status);
	text_free(&path);
	text_free(&said);
	/* By the server's clock, for so are the rows. */
	ls->now_ms = ls->view.head.time_ms;
	ls->master = MASTER_RUNS;
}

static void load_rows(struct ls *ls, struct match *only)
{
	char path[SPOOL_PATH];

	if (view_load(&ls->view, ls->dir, only) < 0 && errno != ENOENT)
		cannot(ls, spool_path(path, ls->dir, SPOOL_TABLE),
		       errno == EBADMSG ? "not a table of this version" : strerror(errno));
}

static void load(struct ls *ls)
{
	/* --why finds its row by name, whatever -s and -S say. */
	bool choosy = ls->mode != MODE_WHY && match_chooses(&ls->match);
	char path[SPOOL_PATH];
	struct stat st;
	int64_t heard_ms;
	bool starts;
	const char *dir = spool_dir(ls->dir);

	if (dir == NULL)
		errx(EXIT_CANNOT, "%s", spool_dir_why());
	ls->dir = dir;
	if (stat(dir, &st) < 0)
		cannot(ls, dir,
		       errno == ENOENT
			   ? "no spool here; start disco-master, or name another with -d"
			   : strerror(errno));
	/* At its first start a master's log is there before it has seen all files. */
	starts = access(spool_path(path, dir, SPOOL_TABLE), F_OK) < 0;
	load_rows(ls, choosy ? &ls->match : NULL);
	ls->now_ms = clock_now().real_ms;
	ls->master = view_master(dir, ls->view.head.tick_ms, &heard_ms);
	if (ls->master == MASTER_RUNS && !starts)
		return;
	if (ls->master != MASTER_RUNS)
		master_missing(ls, heard_ms);
	/* Any row may be another one by its heartbeat. */
	if (choosy) {
		view_free(&ls->view);
		load_rows(ls, NULL);
	}
	if (view_overlay(&ls->view, dir) < 0 && errno != ENOENT)
		cannot(ls, spool_path(path, dir, SPOOL_HB), strerror(errno));
	ls->now_ms = clock_now().real_ms;
}

/* The rows that match, in the order asked for. */
static void choose(struct ls *ls)
{
	ls->rows = calloc(ls->view.count + 1, sizeof(ls->rows[0]));
	if (ls->rows == NULL)
		err(EXIT_CANNOT, NULL);
	for (size_t i = 0; i < ls->view.count; i++)
		if (match_row(&ls->match, &ls->view.rows[i]->row))
			ls->rows[ls->count++] = &ls->view.rows[i]->row;
	list_sort_names(ls->rows, ls->count);
	if (ls->mode != MODE_LIST && ls->mode != MODE_CHECK && ls->sort < 0) {
		for (size_t i = 0; ls->reverse && i < ls->count / 2; i++) {
			const struct row *row = ls->rows[i];

			ls->rows[i] = ls->rows[ls->count - 1 - i];
			ls->rows[ls->count - 1 - i] = row;
		}
	} else if (!list_sort(ls->rows, ls->count, ls->sort, ls->reverse)) {
		err(EXIT_CANNOT, NULL);
	}
}

int main(int argc, char **argv)
{
	struct ls ls = {.sort = -1, .match.states = MATCH_ALL_STATES, .list.header = true};
	int status;

	setlocale(LC_CTYPE, "");
	options(&ls, argc, argv);
	/* A procedure is run where the rows are. */
	if (ls.mode != MODE_PROCS && !(ls.mode == MODE_PROC && ls.server.url != NULL)) {
		if (ls.server.url != NULL)
			load_remote(&ls);
		else
			load(&ls);
		choose(&ls);
	}
	status = doers[ls.mode](&ls);
	if (fflush(stdout) != 0 || ferror(stdout))
		err(EXIT_CANNOT, "stdout");
	free(ls.rows);
	text_free(&ls.match.scratch);
	view_free(&ls.view);
	return status;
}
