/* Stored procedures: their files, and what these say of themselves. */
#include "proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helper.h"
#include "name.h"

#define SUFFIX ".jq"
#define MOST 1000 /* in all folders */
#define JSON_TYPE "application/json"

/* The header. */

static bool is_token(char c)
{
	return c > ' ' && c < 0x7f && strchr("()<>@,;:\\\"/[]?={}", c) == NULL;
}

static size_t token(const char *s)
{
	size_t n = 0;

	while (is_token(s[n]))
		n++;
	return n;
}

/* type/subtype, and parameters ";name=value" with or without blanks. */
static bool type_check(const char *s)
{
	size_t n = token(s);

	if (strlen(s) > 128 || n == 0 || s[n] != '/')
		return false;
	s += n + 1;
	n = token(s);
	if (n == 0)
		return false;
	for (s += n; *s != '\0'; s += n) {
		s += strspn(s, " ");
		if (*s++ != ';')
			return false;
		s += strspn(s, " ");
		n = token(s);
		if (n == 0 || s[n] != '=')
			return false;
		s += n + 1;
		n = token(s);
		if (n == 0)
			return false;
	}
	return true;
}

static bool arg_name(const char *s, size_t len)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";

	return len > 0 && len <= 64 && strchr(first, *s) != NULL &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") >= len;
}

/* "service port?" */
static const char *args_parse(struct proc *proc, const char *s)
{
	char *next;

	free(proc->names);
	proc->arg_count = 0;
	next = proc->names = strdup(s);
	if (next == NULL)
		return "out of memory";
	while (*(next += strspn(next, " \t")) != '\0') {
		char *name = next;
		size_t len = strcspn(name, " \t");
		bool optional = name[len - 1] == '?';

		next += len + (name[len] != '\0');
		name[len - optional] = '\0';
		if (!arg_name(name, len - optional))
			return "args: a name has letters, digits and _ only";
		if (proc->arg_count == PROC_ARGS)
			return "args: more than 16";
		for (size_t i = 0; i < proc->arg_count; i++)
			if (strcmp(proc->args[i].name, name) == 0)
				return "args: one comes twice";
		proc->args[proc->arg_count++] = (struct proc_arg){name, optional};
	}
	return NULL;
}

static const char *type_parse(struct proc *proc, const char *s)
{
	if (!type_check(s))
		return "type: not a content type";
	free(proc->type_own);
	proc->type = proc->type_own = strdup(s);
	return proc->type != NULL ? NULL : "out of memory";
}

/* One comment line, cut out and without its sign. */
static const char *line_parse(struct proc *proc, char *line, struct text *words)
{
	size_t len;

	line += strspn(line, "# \t");
	len = strlen(line);
	while (len > 0 && strchr(" \t\r", line[len - 1]) != NULL)
		line[--len] = '\0';
	if (strncmp(line, "args:", 5) == 0)
		return args_parse(proc, line + 5);
	if (strncmp(line, "type:", 5) == 0)
		return type_parse(proc, line + 5 + strspn(line + 5, " \t"));
	if (len > 0 && *line != '!') {
		text_string(words, words->len > 0 ? " " : "");
		text_safe(words, line, len);
	}
	return NULL;
}

static const char *header_parse(struct proc *proc)
{
	struct text words = {0};
	const char *s = proc->text, *wrong = NULL;

	proc->type = JSON_TYPE;
	while (wrong == NULL && *s == '#') {
		size_t len = strcspn(s, "\n");
		char *line = strndup(s, len);

		wrong = line != NULL ? line_parse(proc, line, &words) : "out of memory";
		free(line);
		s += len + (s[len] != '\0');
	}
	proc->words = strdup(text_cstr(&words));
	text_free(&words);
	return proc->words != NULL ? wrong : "out of memory";
}

/* The files. */

static struct stat_of stat_of(const struct stat *st)
{
	return (struct stat_of){st->st_dev, st->st_ino, st->st_size, st->st_mtim};
}

static bool stat_same(const struct stat_of *a, const struct stat_of *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static const char *content_read(struct proc *proc, int fd, size_t size)
{
	ssize_t len;

	proc->text = malloc(size + 1);
	if (proc->text == NULL)
		return "out of memory";
	while (proc->len < size &&
	       (len = read(fd, proc->text + proc->len, size - proc->len)) != 0) {
		if (len < 0 && errno != EINTR)
			return strerror(errno);
		proc->len += len > 0 ? (size_t)len : 0;
	}
	proc->text[proc->len] = '\0';
	return strlen(proc->text) == proc->len ? NULL : "it has a NUL in it";
}

static const char *file_read(struct proc *proc)
{
	const char *wrong = NULL;
	struct stat st;
	int fd = open(proc->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno == ELOOP ? "not a regular file" : strerror(errno);
	if (fstat(fd, &st) < 0)
		wrong = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		wrong = "not a regular file";
	else if (st.st_size > PROC_LARGEST)
		wrong = "larger than 64 KiB";
	else
		wrong = content_read(proc, fd, (size_t)st.st_size);
	close(fd);
	return wrong != NULL ? wrong : header_parse(proc);
}

static void proc_free(struct proc *proc)
{
	free(proc->name);
	free(proc->path);
	free(proc->text);
	free(proc->words);
	free(proc->type_own);
	free(proc->names);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct proc *)a)->name, ((const struct proc *)b)->name);
}

static struct proc *find(const struct procs *procs, const char *name)
{
	for (size_t i = 0; i < procs->count; i++)
		if (strcmp(procs->list[i].name, name) == 0)
			return &procs->list[i];
	return NULL;
}

/* A file of a folder, or it is passed over.  False when memory is out. */
static bool file_take(struct procs *procs, const char *folder, const char *file)
{
	size_t len = strlen(file), suffix = strlen(SUFFIX);
	struct proc proc = {0}, *place, *more;
	struct stat st;

	if (len <= suffix || strcmp(file + len - suffix, SUFFIX) != 0)
		return true;
	proc.name = strndup(file, len - suffix);
	if (proc.name == NULL || asprintf(&proc.path, "%s/%s", folder, file) < 0) {
		free(proc.name);
		return false;
	}
	if (name_check(proc.name) != NULL || procs->count >= MOST || lstat(proc.path, &st) < 0) {
		proc_free(&proc);
		return true;
	}
	proc.file = stat_of(&st);
	proc.wrong = file_read(&proc);
	place = find(procs, proc.name);
	if (place != NULL) {
		proc_free(place);
	} else {
		more = reallocarray(procs->list, procs->count + 1, sizeof(proc));
		if (more == NULL) {
			proc_free(&proc);
			return false;
		}
		procs->list = more;
		place = &more[procs->count++];
	}
	*place = proc;
	return true;
}

static bool folder_read(struct procs *procs, const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	bool good = true;

	if (dir == NULL)
		return true;
	while (good && (entry = readdir(dir)) != NULL)
		good = file_take(procs, folder, entry->d_name);
	closedir(dir);
	return good;
}

void procs_open(struct procs *procs, const char *own)
{
	*procs = (struct procs){.folders = {NULL, PROC_SITE, own}};
	procs->folders[0] = helper_share(procs->installed, "procs");
}

static bool unchanged(const struct procs *procs, const struct stat_of *now)
{
	for (size_t i = 0; i < PROC_FOLDERS; i++)
		if (!stat_same(&procs->were[i], &now[i]))
			return false;
	for (size_t i = 0; i < procs->count; i++) {
		struct stat_of file;
		struct stat st;

		if (lstat(procs->list[i].path, &st) < 0)
			return false;
		file = stat_of(&st);
		if (!stat_same(&file, &procs->list[i].file))
			return false;
	}
	return true;
}

int procs_refresh(struct procs *procs)
{
	struct stat_of now[PROC_FOLDERS] = {0};
	struct procs fresh = {0};
	struct stat st;

	for (size_t i = 0; i < PROC_FOLDERS; i++)
		if (procs->folders[i] != NULL && stat(procs->folders[i], &st) == 0)
			now[i] = stat_of(&st);
	if (unchanged(procs, now))
		return 0;
	for (size_t i = 0; i < PROC_FOLDERS; i++) {
		if (procs->folders[i] != NULL && !folder_read(&fresh, procs->folders[i])) {
			procs_free(&fresh);
			errno = ENOMEM;
			return -1;
		}
	}
	procs_free(procs);
	procs->list = fresh.list;
	procs->count = fresh.count;
	memcpy(procs->were, now, sizeof(now));
	if (procs->count > 0)
		qsort(procs->list, procs->count, sizeof(procs->list[0]), by_name);
	return 1;
}

void procs_free(struct procs *procs)
{
	for (size_t i = 0; i < procs->count; i++)
		proc_free(&procs->list[i]);
	free(procs->list);
	procs->list = NULL;
	procs->count = 0;
}

const struct proc *procs_find(const struct procs *procs, const char *name)
{
	return find(procs, name);
}

/* What is said of one, and to one. */

bool proc_is_json(const struct proc *proc)
{
	size_t len = strlen(JSON_TYPE);

	return strncasecmp(proc->type, JSON_TYPE, len) == 0 &&
	       (proc->type[len] == '\0' || proc->type[len] == ';' || proc->type[len] == ' ');
}

void proc_json(struct text *text, const struct proc *proc)
{
	text_string(text, "{\"name\":");
	text_json(text, proc->name, strlen(proc->name));
	text_string(text, ",\"words\":");
	text_json(text, proc->words, strlen(proc->words));
	text_string(text, ",\"args\":[");
	for (size_t i = 0; i < proc->arg_count; i++)
		text_printf(text, "%s{\"name\":\"%s\",\"optional\":%s}", i > 0 ? "," : "",
			    proc->args[i].name, proc->args[i].optional ? "true" : "false");
	text_string(text, "],\"type\":");
	text_json(text, proc->type, strlen(proc->type));
	text_char(text, '}');
}

static const char *given_value(const struct proc_given *given, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(given[i].name, name) == 0)
			return given[i].value;
	return NULL;
}

static bool is_arg(const struct proc *proc, const char *name)
{
	for (size_t i = 0; i < proc->arg_count; i++)
		if (strcmp(proc->args[i].name, name) == 0)
			return true;
	return false;
}

static void names_add(struct text *text, const struct proc *proc)
{
	text_string(text, proc->arg_count == 0 ? "; it takes none" : "; it takes");
	for (size_t i = 0; i < proc->arg_count; i++)
		text_printf(text, "%s %s%s", i > 0 ? "," : "", proc->args[i].name,
			    proc->args[i].optional ? "?" : "");
}

/* Of what was given, what is not right. */
static bool given_check(const struct proc *proc, const struct proc_given *given, size_t count,
			struct text *wrong)
{
	if (count > PROC_ARGS_GIVEN) {
		text_printf(wrong, "more than %d arguments", PROC_ARGS_GIVEN);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		const char *why = NULL;

		if (!is_arg(proc, given[i].name))
			why = "no such argument";
		else if (given_value(given, i, given[i].name) != NULL)
			why = "given twice";
		else if (strlen(given[i].value) > PROC_ARG_LARGEST)
			why = "more than 4096 bytes";
		if (why == NULL)
			continue;
		text_safe(wrong, given[i].name, strnlen(given[i].name, 64));
		text_printf(wrong, ": %s", why);
		if (*why == 'n')
			names_add(wrong, proc);
		return false;
	}
	return true;
}

bool proc_args(const struct proc *proc, const struct proc_given *given, size_t count,
	       struct text *json, struct text *wrong)
{
	if (!given_check(proc, given, count, wrong))
		return false;
	text_char(json, '{');
	for (size_t i = 0; i < proc->arg_count; i++) {
		const char *value = given_value(given, count, proc->args[i].name);

		if (value == NULL && !proc->args[i].optional) {
			text_printf(wrong, "the argument %s is missing", proc->args[i].name);
			names_add(wrong, proc);
			return false;
		}
		text_printf(json, "%s\"%s\":", i > 0 ? "," : "", proc->args[i].name);
		if (value != NULL)
			text_json(json, value, strlen(value));
		else
			text_string(json, "null");
	}
	text_char(json, '}');
	return true;
}
