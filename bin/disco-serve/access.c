/* Who may do what: the token file, who sends a request, and what that one may see. */
#include "access.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "name.h"
#include "serve.h"
#include "version.h"

#define FILE_LARGEST (16 << 20)
#define SECRET_LARGEST 512 /* bytes */

static struct caller everybody = {.token = {.admin = true}};

static struct callers {
	struct caller **list;
	size_t count;
} callers;

struct caller *caller_ref(struct caller *caller)
{
	if (caller != NULL && caller != &everybody)
		caller->refs++;
	return caller;
}

void caller_unref(struct caller *caller)
{
	if (caller == NULL || caller == &everybody || --caller->refs > 0)
		return;
	token_free(&caller->token);
	free(caller->sights);
	free(caller->ids);
	free(caller);
}

const char *caller_name(const struct caller *caller)
{
	return caller->token.name;
}

bool caller_may(const struct caller *caller, enum right right, const char *name)
{
	return token_may(&caller->token, right, name);
}

bool caller_reads_all(const struct caller *caller)
{
	return token_may_all(&caller->token, RIGHT_READ);
}

bool access_reads(struct evhttp_request *request)
{
	bool may = caller_reads_some(http_caller(request));

	if (!may)
		http_refuse(request, 403, "this token may read nothing");
	return may;
}

bool caller_reads_some(const struct caller *caller)
{
	return caller->token.admin || caller->token.globs[RIGHT_READ].count > 0;
}

bool caller_calls_some(const struct caller *caller)
{
	return caller->token.admin || caller->token.globs[RIGHT_CALL].count > 0;
}

static bool may_read(const struct caller *caller, const struct row *row, enum row_column column)
{
	static struct text value;

	text_clear(&value);
	text_untsv(&value, row_value(row, column), row_length(row, column));
	return value.len <= FILTER_VALUE &&
	       token_may(&caller->token, RIGHT_READ, text_cstr(&value));
}

bool caller_reads(const struct caller *caller, const struct row *row)
{
	if (caller_reads_all(caller))
		return true;
	/* What is about the master tells of all. */
	return !row_is(row, ROW_PROCESS, "*") &&
	       (may_read(caller, row, ROW_PROCESS) || may_read(caller, row, ROW_SERVICE));
}

/* The same for a row of the table, remembered until it changes. */
static bool caller_sees(struct caller *caller, size_t id)
{
	uint64_t sight = id < caller->sight_count ? caller->sights[id] : 0;
	uint64_t *more;

	if (sight / 2 > serve.rows.changed[id])
		return sight & 1;
	sight = serve.rows.round * 2 + caller_reads(caller, &serve.rows.entries[id]->row);
	if (id >= caller->sight_count) {
		more = recallocarray(caller->sights, caller->sight_count, serve.rows.size,
				     sizeof(more[0]));
		if (more == NULL)
			return sight & 1;
		caller->sights = more;
		caller->sight_count = serve.rows.size;
	}
	caller->sights[id] = sight;
	return sight & 1;
}

size_t caller_counts(struct caller *caller, size_t counts[STATES])
{
	size_t sum = 0;

	if (caller_reads_all(caller)) {
		memcpy(counts, serve.rows.states, sizeof(serve.rows.states));
		return serve.rows.count;
	}
	memset(counts, 0, sizeof(serve.rows.states));
	for (size_t id = 0; id < serve.rows.size; id++)
		if (serve.rows.entries[id] != NULL && caller_sees(caller, id)) {
			counts[row_state(&serve.rows.entries[id]->row)]++;
			sum++;
		}
	return sum;
}

uint32_t caller_id(struct caller *caller, uint32_t id)
{
	if (caller_reads_all(caller))
		return id;
	if (id >= caller->id_count) {
		uint32_t *more =
		    recallocarray(caller->ids, caller->id_count, serve.rows.size, sizeof(more[0]));

		if (more == NULL)
			errx(EXIT_CANNOT, "out of memory");
		caller->ids = more;
		caller->id_count = serve.rows.size;
	}
	if (caller->ids[id] == 0)
		caller->ids[id] = ++caller->last_id;
	return caller->ids[id];
}

/* Which change it may see last. */

/* Whether it saw the row of a change before, and whether it does now. */
static void change_sights(struct caller *caller, const struct event *event, bool *before, bool *now)
{
	const struct row *row = &event->row;
	const struct entry *entry = rows_find(&serve.rows, row->text, row_length(row, ROW_PROCESS));

	*before = entry != NULL && !event_is(event, "joined") && entry->id < caller->sight_count &&
		  caller->sights[entry->id] & 1;
	*now = caller_reads(caller, row);
	if (entry != NULL)
		caller_sees(caller, entry->id);
}

static void seq_look(struct caller *caller)
{
	for (size_t i = rows_change_after(&serve.rows, caller->looked); i < serve.rows.kept; i++) {
		const struct change *change = rows_change(&serve.rows, i);
		bool before, now;

		if (row_is(&change->event.row, ROW_PROCESS, "*"))
			continue;
		change_sights(caller, &change->event, &before, &now);
		if (before || now)
			caller->seq = change->seq;
		if (before && !now)
			caller->left = change->seq;
	}
	caller->looked = serve.rows.seq;
}

/* One that is new here: out of all that is known, and what was before the log began is no hint. */
static void seq_find(struct caller *caller)
{
	caller->seq = serve.rows.history;
	for (size_t id = 0; id < serve.rows.size; id++) {
		const struct entry *entry = serve.rows.entries[id];
		uint64_t seq = entry != NULL ? (uint64_t)row_number(&entry->row, ROW_SEQ) : 0;

		if (entry != NULL && caller_sees(caller, id) && seq > caller->seq)
			caller->seq = seq;
	}
	caller->looked = caller->seq;
	caller->begun = serve.rows.begun;
	seq_look(caller);
}

void access_look(void)
{
	for (size_t i = 0; i < callers.count; i++) {
		struct caller *caller = callers.list[i];

		/* Whoever sees all has the seq of all. */
		if (caller_reads_all(caller))
			continue;
		if (caller->begun == serve.rows.begun) {
			seq_look(caller);
		} else {
			/* All is new, and a number that stays would deny it. */
			caller->seq = caller->looked = serve.rows.seq;
			caller->begun = serve.rows.begun;
		}
	}
}

uint64_t caller_seq(const struct caller *caller)
{
	return caller_reads_all(caller) ? serve.rows.seq : caller->seq;
}

/* The file. */

static void callers_free(struct callers *all)
{
	for (size_t i = 0; i < all->count; i++)
		caller_unref(all->list[i]);
	free(all->list);
	*all = (struct callers){0};
}

static struct caller *caller_find(const struct callers *all, const char *name)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->list[i]->token.name, name) == 0)
			return all->list[i];
	return NULL;
}

/* Puts a line's token in.  NULL, or what is wrong; then the token is still the caller's. */
static const char *callers_add(struct callers *all, const struct token *token)
{
	struct caller *caller = caller_find(&callers, token->name);
	struct caller **list;

	if (caller_find(all, token->name) != NULL)
		return "this name stands in a line above";
	list = reallocarray(all->list, all->count + 1, sizeof(list[0]));
	if (list == NULL)
		return "out of memory";
	all->list = list;
	/* The same line as before is the same caller: what is open for it stays open. */
	if (caller != NULL && token_same(&caller->token, token)) {
		struct token again = *token;

		token_free(&again);
		list[all->count++] = caller_ref(caller);
		return NULL;
	}
	caller = calloc(1, sizeof(*caller));
	if (caller == NULL)
		return "out of memory";
	caller->token = *token;
	caller->refs = 1;
	list[all->count++] = caller;
	return NULL;
}

/* NULL, or what is wrong, in *number the line. */
static const char *file_parse(struct callers *all, char *s, size_t *number)
{
	const char *why = NULL;
	struct token token;
	char *line;

	for (*number = 1; why == NULL && (line = strsep(&s, "\n")) != NULL; ++*number) {
		why = token_parse(&token, line, strlen(line));
		if (why == NULL && token.name != NULL) {
			why = callers_add(all, &token);
			if (why != NULL)
				token_free(&token);
		}
	}
	--*number;
	return why;
}

const char *file_private(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "not a regular file";
	if (st->st_mode & 077)
		return "others may read or change it: chmod 600 it";
	if (st->st_uid != serve.uid && st->st_uid != 0)
		return "it belongs to another user";
	return st->st_size > FILE_LARGEST ? "too large" : NULL;
}

/* The file's text; NULL, and in *why what is wrong with it, "" for errno. */
static char *text_of(const char *path, const char **why)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct text text = {0};
	struct stat st;

	*why = "";
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && (*why = file_private(&st)) == NULL) {
		if (file_read(fd, &text) < 0)
			*why = "";
		else if (strlen(text_cstr(&text)) != text.len)
			*why = "a NUL in it";
	}
	close(fd);
	if (*why != NULL)
		text_free(&text);
	return text.s;
}

/* Reads the file; says what is wrong with it.  The status to exit with, or 0. */
static int load(struct callers *all)
{
	const char *why;
	char *text = text_of(serve.tokens, &why);
	size_t number;

	if (text == NULL && *why == '\0') {
		warn("--tokens %s", serve.tokens);
		return EXIT_CANNOT;
	}
	if (text == NULL) {
		warnx("--tokens %s: %s", serve.tokens, why);
		return EXIT_USAGE;
	}
	why = file_parse(all, text, &number);
	if (why != NULL) {
		warnx("%s:%zu: %s", serve.tokens, number, why);
	} else if (all->count == 0) {
		why = "no token in it, so nobody could come in";
		warnx("--tokens %s: %s", serve.tokens, why);
	}
	freezero(text, strlen(text));
	return why != NULL ? EXIT_USAGE : 0;
}

void access_open(void)
{
	int status = serve.tokens != NULL ? load(&callers) : 0;

	if (status != 0)
		exit(status);
	for (size_t i = 0; i < callers.count; i++)
		seq_find(callers.list[i]);
}

void access_reload(bool anew)
{
	/* Of a reload that failed too. */
	static bool owed;
	struct callers old = callers, fresh = {0};

	if (serve.tokens == NULL)
		return;
	owed |= anew;
	if (owed)
		callers = (struct callers){0};
	if (load(&fresh) != 0) {
		warnx("%s: the rights that were in force stay", serve.tokens);
		callers_free(&fresh);
		callers = old;
		return;
	}
	callers = fresh;
	owed = false;
	for (size_t i = 0; i < old.count; i++)
		old.list[i]->revoked = true;
	for (size_t i = 0; i < callers.count; i++) {
		callers.list[i]->revoked = false;
		if (callers.list[i]->refs == 1)
			seq_find(callers.list[i]);
	}
	sockets_close(false);
	streams_close(false);
	holds_close(false);
	table_close(false);
	callers_free(&old);
	warnx("%s: read again: %zu tokens", serve.tokens, callers.count);
}

/* Who sends a request. */

/* All are compared, whichever it is, so that the time it takes tells nothing. */
static struct caller *caller_of_secret(const char *secret, size_t len)
{
	unsigned char digest[TOKEN_DIGEST];
	struct caller *found = NULL;

	SHA256((const unsigned char *)secret, len, digest);
	for (size_t i = 0; i < callers.count; i++) {
		struct caller *caller = callers.list[i];

		for (size_t j = 0; j < caller->token.digest_count; j++)
			if (CRYPTO_memcmp(caller->token.digests[j], digest, sizeof(digest)) == 0)
				found = caller;
	}
	return found;
}

/* The secret in an Authorization header: of Bearer all, of Basic the password. */
static struct caller *caller_of_header(const char *value)
{
	unsigned char plain[SECRET_LARGEST + NAME_LONGEST + 2];
	const char *secret = value + strcspn(value, " ");
	size_t scheme = (size_t)(secret - value), len;
	struct caller *found = NULL;
	const unsigned char *colon;
	int n;

	secret += strspn(secret, " ");
	len = strlen(secret);
	if (len > 2 * SECRET_LARGEST)
		return NULL;
	if (scheme == 6 && strncasecmp(value, "Bearer", scheme) == 0)
		return caller_of_secret(secret, len);
	if (scheme != 5 || strncasecmp(value, "Basic", scheme) != 0)
		return NULL;
	n = b64_pton(secret, plain, sizeof(plain));
	colon = n > 0 ? memchr(plain, ':', (size_t)n) : NULL;
	if (colon != NULL)
		found = caller_of_secret((const char *)colon + 1, (size_t)(plain + n - colon) - 1);
	explicit_bzero(plain, sizeof(plain));
	return found;
}

/* Its share is what it may ask in a second, and as much ahead. */
bool caller_may_ask(struct caller *caller)
{
	int64_t now_ms = clock_mono_ms();
	double most = (double)serve.rate;

	if (serve.rate == 0)
		return true;
	caller->spent -= (double)(now_ms - caller->spent_ms) * most / 1000;
	caller->spent_ms = now_ms;
	if (caller->spent < 0)
		caller->spent = 0;
	return caller->spent < most;
}

void caller_asked(struct caller *caller)
{
	if (serve.rate > 0)
		caller->spent++;
}

static struct caller *unknown(struct evhttp_request *request, const char *why)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

	evhttp_add_header(headers, "WWW-Authenticate", "Bearer realm=\"disco\"");
	evhttp_add_header(headers, "WWW-Authenticate", "Basic realm=\"disco\", charset=\"UTF-8\"");
	http_refuse(request, 401, "%s", why);
	return NULL;
}

struct caller *access_check(struct evhttp_request *request, const char *certificate)
{
	const char *header = http_header(request, "Authorization");
	struct caller *caller = &everybody;

	if (serve.tokens != NULL && header != NULL) {
		caller = caller_of_header(header);
		if (caller == NULL)
			return unknown(request, "not a token of this server");
	} else if (serve.tokens != NULL) {
		caller = certificate != NULL ? caller_find(&callers, certificate) : NULL;
		if (caller == NULL && certificate != NULL)
			return unknown(request,
				       "a certificate of a name that has no line among the tokens");
		if (caller == NULL)
			return unknown(request, "a token is needed");
	}
	if (!caller_may_ask(caller)) {
		evhttp_add_header(evhttp_request_get_output_headers(request), "Retry-After", "1");
		http_refuse(request, 429, "more than %lld requests a second",
			    (long long)serve.rate);
		return NULL;
	}
	caller_asked(caller);
	return caller;
}
