/*
 * Beats that say what the last one said.  What was said twice is remembered, with
 * the inode and the mtime that we gave its file: while that has both, and the size,
 * it need not be opened and read to be touched.  So is the line that said it, with
 * who sent that: from the same sender the same bytes are the same heartbeat, and
 * need not be read either.  And so is the request, head and all, whose body was that
 * line: of it we keep no more than a digest, for a token may stand in it.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "index.h"
#include "name.h"
#include "serve.h"
#include "spool.h"

#define SPARE 1024	     /* more than there are rows */
#define REQUEST_LARGEST 4096 /* bytes; what is longer says many things */

struct known {
	char *text;	      /* "NAME\tCONTENT", first, for the index */
	size_t name, content; /* bytes of these */
	ino_t ino;
	struct timespec mtime;
	struct line *line; /* that said it last, or NULL */
};

/* A line, and what says that content besides: whose token it was, and where it came from. */
struct line {
	char *text; /* "LINE\t", first, for the index */
	struct known *known;
	struct caller *caller;
	char peer[INET6_ADDRSTRLEN];
	struct request *request; /* whose body it was, and no more, or NULL */
};

struct request {
	char *text; /* first, for the index: that of the key */
	struct repeat_key key;
	struct line *line;
};

static struct index all, lines, requests;

static void request_free(struct request *request)
{
	if (request == NULL)
		return;
	index_remove(&requests, request);
	request->line->request = NULL;
	free(request);
}

static void line_free(struct line *line)
{
	if (line == NULL)
		return;
	request_free(line->request);
	index_remove(&lines, line);
	line->known->line = NULL;
	caller_unref(line->caller);
	free(line->text);
	free(line);
}

static void name_of(const struct known *known, char name[NAME_LONGEST + 1])
{
	memcpy(name, known->text, known->name);
	name[known->name] = '\0';
}

static void known_free(struct known *known)
{
	index_remove(&all, known);
	line_free(known->line);
	free(known->text);
	free(known);
}

/* Names come and go; those that beat are soon known again. */
static void forget_all(void)
{
	for (size_t i = 0; i < all.size; i++) {
		struct known *known = index_at(&all, i);

		if (known != NULL)
			known_free(known);
	}
	index_free(&all);
	index_free(&lines);
	index_free(&requests);
}

static void times_set(struct timespec times[2])
{
	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[1] = times[0];
}

/* The size tells of who wrote in place just before we gave it that mtime. */
static bool is_as_left(const struct known *known, const struct stat *st)
{
	return st->st_ino == known->ino && st->st_mtim.tv_sec == known->mtime.tv_sec &&
	       st->st_mtim.tv_nsec == known->mtime.tv_nsec && st->st_uid == serve.uid &&
	       st->st_nlink == 1 && st->st_size == (off_t)known->content;
}

/*
 * The folder of the heartbeats, or -1.  It is kept open, for to walk its path is a third of what a
 * touch costs; whether it is another one by now is asked every few milliseconds.
 */
static int folder(void)
{
	static int fd = -1;
	static struct stat opened;
	static struct timespec asked;
	char path[SPOOL_PATH];
	struct timespec now;
	struct stat st;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (fd >= 0 && now.tv_sec == asked.tv_sec && now.tv_nsec == asked.tv_nsec)
		return fd;
	asked = now;
	spool_path(path, serve.dir, SPOOL_HB);
	if (fd >= 0 && stat(path, &st) == 0 && st.st_dev == opened.st_dev &&
	    st.st_ino == opened.st_ino)
		return fd;
	if (fd >= 0)
		close(fd);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &opened) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Anybody may have written the file meanwhile, so it is looked at each time. */
static bool touch(struct known *known)
{
	struct timespec times[2];
	char name[NAME_LONGEST + 1];
	struct stat st;
	int fd = folder();

	name_of(known, name);
	times_set(times);
	if (fd >= 0 && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_as_left(known, &st) &&
	    utimensat(fd, name, times, AT_SYMLINK_NOFOLLOW) == 0) {
		known->mtime = times[1];
		return true;
	}
	known_free(known);
	return false;
}

bool repeat_touch(const char *name, const struct text *content)
{
	struct known *known = index_find(&all, name, strlen(name));

	return known != NULL && !content->failed && known->content == content->len &&
	       memcmp(known->text + known->name + 1, content->s, content->len) == 0 && touch(known);
}

static const char *peer_of(const struct sender *sender)
{
	return sender->peer != NULL ? sender->peer : "";
}

void repeat_learn(const char *name, const char *text, size_t len, const struct sender *sender)
{
	struct known *known = index_find(&all, name, strlen(name));
	struct line *line;

	if (known == NULL || hold_was(name) || len > HEARTBEAT_LARGEST ||
	    memchr(text, '\t', len) != NULL)
		return;
	line_free(known->line);
	/* The same bytes of another sender. */
	line_free(index_find(&lines, text, len));
	line = calloc(1, sizeof(*line));
	if (line == NULL || asprintf(&line->text, "%.*s\t", (int)len, text) < 0) {
		free(line);
		return;
	}
	if (!index_add(&lines, line)) {
		free(line->text);
		free(line);
		return;
	}
	line->caller = caller_ref(sender->caller);
	snprintf(line->peer, sizeof(line->peer), "%s", peer_of(sender));
	line->known = known;
	known->line = line;
}

/* The line, if this sender said it. */
static struct line *line_of(const char *text, size_t len, const struct sender *sender)
{
	struct line *line = index_find(&lines, text, len);

	return line != NULL && line->caller == sender->caller &&
		       strcmp(line->peer, peer_of(sender)) == 0
		   ? line
		   : NULL;
}

/* Whether it may still be said without a look at it. */
static bool may_again(const struct line *line)
{
	char name[NAME_LONGEST + 1];

	name_of(line->known, name);
	/* About what is held it may be a report. */
	return caller_may(line->caller, RIGHT_PUBLISH, name) && !hold_was(name);
}

static bool line_again(const struct line *line)
{
	if (!touch(line->known))
		return false;
	serve.delivered++;
	return true;
}

bool repeat_line(const char *text, size_t len, const struct sender *sender)
{
	const struct line *line = line_of(text, len, sender);

	return line != NULL && may_again(line) && line_again(line);
}

bool repeat_key(struct repeat_key *key, const char *request, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	static EVP_MD_CTX *context;
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (len < 5 || len > REQUEST_LARGEST || memcmp(request, "POST ", 5) != 0)
		return false;
	if (context == NULL) {
		context = EVP_MD_CTX_new();
		if (context == NULL || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
			EVP_MD_CTX_free(context);
			context = NULL;
			return false;
		}
	}
	/* With the algorithm that it has. */
	if (EVP_DigestInit_ex(context, NULL, NULL) != 1 ||
	    EVP_DigestUpdate(context, request, len) != 1 ||
	    EVP_DigestFinal_ex(context, digest, NULL) != 1)
		return false;
	for (size_t i = 0; i < REPEAT_DIGITS; i++)
		key->text[i] = digits[digest[i / 2] >> (i % 2 * 4) & 15];
	key->text[REPEAT_DIGITS] = '\t';
	return true;
}

void repeat_learn_request(const struct repeat_key *key, const char *text, size_t len,
			  const struct sender *sender)
{
	struct line *line = line_of(text, len, sender);
	struct request *request;

	if (line == NULL)
		return;
	request_free(line->request);
	request_free(index_find(&requests, key->text, REPEAT_DIGITS));
	request = malloc(sizeof(*request));
	if (request == NULL)
		return;
	*request = (struct request){.key = *key, .line = line};
	request->text = request->key.text;
	if (index_add(&requests, request))
		line->request = request;
	else
		free(request);
}

struct caller *repeat_request(const struct repeat_key *key, const char *peer)
{
	struct request *request = index_find(&requests, key->text, REPEAT_DIGITS);
	struct line *line = request != NULL ? request->line : NULL;
	struct caller *caller;

	if (line == NULL || line->caller->revoked || strcmp(line->peer, peer) != 0 ||
	    !may_again(line) || !caller_may_ask(line->caller))
		return NULL;
	caller = line->caller;
	if (!line_again(line))
		return NULL;
	caller_asked(caller);
	return caller;
}

/* Keeps what is in the file of this inode, which has that mtime now. */
static void keep(const char *name, const struct text *content, ino_t ino, struct timespec mtime)
{
	struct known *known = index_find(&all, name, strlen(name));
	struct text text = {0};

	if (known != NULL)
		known_free(known);
	if (all.count > serve.rows.count + SPARE)
		forget_all();
	known = malloc(sizeof(*known));
	text_printf(&text, "%s\t", name);
	text_add(&text, content->s, content->len);
	if (known != NULL && !text.failed) {
		*known = (struct known){.text = text.s,
					.name = strlen(name),
					.content = content->len,
					.ino = ino,
					.mtime = mtime};
		if (index_add(&all, known))
			return;
	}
	free(known);
	text_free(&text);
}

int repeat_begin(int fd, const char *name, const struct text *content, ino_t ino)
{
	struct timespec times[2];

	times_set(times);
	if (futimens(fd, times) < 0)
		return -1;
	keep(name, content, ino, times[1]);
	return 0;
}
