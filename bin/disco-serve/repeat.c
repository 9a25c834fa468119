/*
 * Beats that say what the last one said.  What was said twice is remembered, with
 * the inode and the mtime that we gave its file: while that has both, and the size,
 * it need not be opened and read to be touched.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "index.h"
#include "serve.h"
#include "spool.h"

#define SPARE 1024 /* more than there are rows */

struct known {
	char *text; /* "NAME\tCONTENT", first, for the index */
	size_t len; /* of it */
	ino_t ino;
	struct timespec mtime;
};

static struct index all;

static void known_free(struct known *known)
{
	index_remove(&all, known);
	free(known->text);
	free(known);
}

/* Names come and go; those that beat are soon known again. */
static void forget_all(void)
{
	for (size_t i = 0; i < all.size; i++) {
		struct known *known = index_at(&all, i);

		if (known != NULL) {
			free(known->text);
			free(known);
		}
	}
	index_free(&all);
}

static void times_set(struct timespec times[2])
{
	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[1] = times[0];
}

/* The size tells of who wrote in place just before we gave it that mtime. */
static bool is_as_left(const struct known *known, const struct stat *st, size_t size)
{
	return st->st_ino == known->ino && st->st_mtim.tv_sec == known->mtime.tv_sec &&
	       st->st_mtim.tv_nsec == known->mtime.tv_nsec && st->st_uid == serve.uid &&
	       st->st_nlink == 1 && st->st_size == (off_t)size;
}

bool repeat_touch(const char *name, const struct text *content)
{
	size_t len = strlen(name);
	struct known *known = index_find(&all, name, len);
	struct timespec times[2];
	char path[SPOOL_PATH];
	struct stat st;

	if (known == NULL || content->failed || known->len != len + 1 + content->len ||
	    memcmp(known->text + len + 1, content->s, content->len) != 0)
		return false;
	spool_heartbeat_path(path, serve.dir, name);
	times_set(times);
	if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    is_as_left(known, &st, content->len) &&
	    utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) == 0) {
		known->mtime = times[1];
		return true;
	}
	known_free(known);
	return false;
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
		*known = (struct known){text.s, text.len, ino, mtime};
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
