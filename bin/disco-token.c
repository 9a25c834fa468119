/*
 * disco-token makes a token for disco-serve: a secret, which is shown once, and
 * the line that makes it known, which holds nothing but its SHA-256.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libutil.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "name.h"
#include "text.h"
#include "token.h"
#include "version.h"

#define SECRET_BYTES 32
#define SECRET_LENGTH 43 /* of base64url without padding */
#define FILE_LARGEST (16 << 20)

struct options {
	const char *path;
	bool certificate, replace, add;
	const char *name;
	char **rights;
};

static _Noreturn void usage(int status)
{
	fprintf(status == EXIT_DONE ? stdout : stderr,
		"usage: disco-token [-c] [-f file [-r]] name right ...\n"
		"       disco-token -a -f file name\n");
	exit(status);
}

static void right_check(const char *right)
{
	enum right kind;
	const char *glob = token_pattern(right, &kind);

	if (strcmp(right, "admin") == 0)
		return;
	if (glob == NULL && !text_clean(right, strlen(right)))
		errx(EXIT_USAGE, "a right with control characters");
	if (glob == NULL)
		errx(EXIT_USAGE, "%s: a right is publish:GLOB, read:GLOB, call:GLOB or admin",
		     right);
	if (*glob == '\0')
		errx(EXIT_USAGE, "%s: no pattern behind it; * is all", right);
	if (strlen(glob) > TOKEN_PATTERN)
		errx(EXIT_USAGE, "%s: a pattern has at most %d bytes", right, TOKEN_PATTERN);
	if (!text_clean(glob, strlen(glob)) || strchr(glob, ' ') != NULL)
		errx(EXIT_USAGE, "%.*s: a pattern has no white space, and is UTF-8",
		     (int)(glob - right), right);
	if (token_has_commas(kind, glob))
		errx(EXIT_USAGE, "%s: rights are separated by blanks, not commas", right);
}

static void options(struct options *o, int argc, char **argv)
{
	enum { PROGRAM_VERSION = 256 };
	static const struct option longs[] = {
	    {"add", no_argument, NULL, 'a'},
	    {"certificate", no_argument, NULL, 'c'},
	    {"file", required_argument, NULL, 'f'},
	    {"replace", no_argument, NULL, 'r'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, PROGRAM_VERSION},
	    {NULL, 0, NULL, 0},
	};
	const char *wrong;
	int c;

	while ((c = getopt_long(argc, argv, "acf:rh", longs, NULL)) != -1) {
		switch (c) {
		case 'a': o->add = true; break;
		case 'c': o->certificate = true; break;
		case 'f': o->path = optarg; break;
		case 'r': o->replace = true; break;
		case 'h': usage(EXIT_DONE);
		case PROGRAM_VERSION: puts("disco-token " DISCO_VERSION); exit(EXIT_DONE);
		default: usage(EXIT_USAGE);
		}
	}
	if (o->replace && o->path == NULL)
		errx(EXIT_USAGE, "-r: goes with -f");
	if (o->add && (o->path == NULL || o->replace || o->certificate))
		errx(EXIT_USAGE, "-a: goes with -f, and neither with -r nor with -c");
	if (o->add && argc - optind > 1)
		errx(EXIT_USAGE, "-a: the rights stay as they are; give the name alone");
	if (argc - optind < (o->add ? 1 : 2))
		usage(EXIT_USAGE);
	o->name = argv[optind];
	o->rights = argv + optind + 1;
	wrong = name_check(o->name);
	if (wrong != NULL)
		errx(EXIT_USAGE, "%s", wrong);
	for (char **right = o->rights; *right != NULL; right++)
		right_check(*right);
}

/* 43 of A-Z a-z 0-9 - _: no shell or URL minds them, and nobody takes them for the hash. */
static void secret_make(char secret[SECRET_LENGTH + 1])
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char bytes[SECRET_BYTES + 1];
	unsigned bits = 0, held = 0;
	char *to = secret;

	arc4random_buf(bytes, SECRET_BYTES);
	bytes[SECRET_BYTES] = 0; /* the last digit is filled up with zeros */
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bits = bits << 8 | bytes[i];
		for (held += 8; held >= 6 && to < secret + SECRET_LENGTH; held -= 6)
			*to++ = digits[bits >> (held - 6) & 63];
	}
	*to = '\0';
	explicit_bzero(bytes, sizeof(bytes));
	explicit_bzero(&bits, sizeof(bits));
}

/*
 * NAME HASH RIGHT... and a newline; the secret is "" where a certificate takes its place.
 * With -a: what goes behind the hashes that are there.
 */
static void line_make(const struct options *o, const char *secret, struct text *line)
{
	char hash[SHA256_DIGEST_STRING_LENGTH] = "-";

	if (*secret != '\0')
		SHA256Data((const uint8_t *)secret, strlen(secret), hash);
	if (o->add) {
		text_printf(line, ",%s", hash);
	} else {
		text_printf(line, "%s %s", o->name, hash);
		for (char **right = o->rights; *right != NULL; right++)
			text_printf(line, " %s", *right);
		text_char(line, '\n');
	}
	if (line->failed)
		errx(EXIT_CANNOT, "out of memory");
}

/* The file. */

static _Noreturn void file_fail(const char *path)
{
	err(EXIT_CANNOT, "%s", path);
}

static int write_all(int fd, const struct text *text)
{
	for (size_t done = 0; done < text->len;) {
		ssize_t n = write(fd, text->s + done, text->len - done);

		if (n < 0 && errno != EINTR)
			return -1;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Opened, made if it is not there, and ours alone until we end, whoever replaces it meanwhile. */
static int file_open(const char *path, struct stat *st)
{
	int fd = flopen(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 || fstat(fd, st) < 0)
		file_fail(path);
	if (!S_ISREG(st->st_mode) || st->st_size > FILE_LARGEST)
		errx(EXIT_CANNOT, "%s: not a file of tokens", path);
	return fd;
}

static void lines_read(int fd, const char *path, struct text *text)
{
	if (file_read(fd, text) < 0)
		file_fail(path);
	/* A last line that is cut short must not swallow ours. */
	if (text->len > 0 && text->s[text->len - 1] != '\n')
		text_char(text, '\n');
}

static bool line_names(const char *line, size_t len, const char *name)
{
	static const char white[] = " \t\r";
	size_t want = strlen(name);

	for (; len > 0 && strchr(white, *line) != NULL; len--)
		line++;
	return len > want && memcmp(line, name, want) == 0 &&
	       (strchr(white, line[want]) != NULL || line[want] == '\n');
}

/* A line of our name with another hash behind those of it; all else stays. */
static void line_extend(const struct options *o, const char *s, size_t len, const struct text *hash,
			struct text *new)
{
	size_t at = strspn(s, " \t\r"), end, count = 1;

	at += strcspn(s + at, " \t\r\n");
	at += strspn(s + at, " \t\r");
	end = at + strcspn(s + at, " \t\r\n");
	for (size_t i = at; i < end; i++)
		count += s[i] == ',';
	if (end - at == 1 && s[at] == '-')
		errx(EXIT_USAGE, "%s: %s has a certificate, no secret", o->path, o->name);
	if (end - at != count * hash->len - 1)
		errx(EXIT_CANNOT, "%s: %s has no SHA-256 in 64 digits", o->path, o->name);
	if (count >= TOKEN_SECRETS)
		errx(EXIT_USAGE, "%s: %s has %d secrets already; take old ones away first", o->path,
		     o->name, TOKEN_SECRETS);
	text_add(new, s, end);
	text_add(new, hash->s, hash->len);
	text_add(new, s + end, len - end);
}

/*
 * The file as it is to be: our line where the name's was, or at the end.
 * False when the name is there and is not to be replaced, or with -a is not.
 */
static bool file_edit(const struct options *o, const struct text *old, const struct text *line,
		      struct text *new)
{
	bool there = false;

	for (size_t at = 0, len; at < old->len; at += len) {
		const char *s = old->s + at;

		len = (size_t)((const char *)memchr(s, '\n', old->len - at) - s) + 1;
		if (!line_names(s, len, o->name)) {
			text_add(new, s, len);
			continue;
		}
		if (!o->replace && !o->add)
			return false;
		if (o->add)
			line_extend(o, s, len, line, new);
		else if (!there)
			text_add(new, line->s, line->len);
		there = true;
	}
	if (!there && o->add)
		return false;
	if (!there)
		text_add(new, line->s, line->len);
	if (new->failed)
		errx(EXIT_CANNOT, "out of memory");
	return true;
}

/* Puts a new file in the place of the old one, as readable as that: whole, whatever happens. */
static void file_replace(const char *path, const struct stat *st, const struct text *text)
{
	struct text temporary = {0};
	char *to;
	int fd;

	text_printf(&temporary, "%s.XXXXXX", path);
	if (text_cstr(&temporary)[0] == '\0')
		errx(EXIT_CANNOT, "out of memory");
	to = temporary.s;
	fd = mkostemp(to, O_CLOEXEC);
	if (fd < 0)
		file_fail(to);
	if (write_all(fd, text) < 0 || fchown(fd, st->st_uid, st->st_gid) < 0 ||
	    fchmod(fd, st->st_mode & 07777) < 0 || fsync(fd) < 0 || close(fd) < 0 ||
	    rename(to, path) < 0) {
		int error = errno;

		unlink(to);
		errc(EXIT_CANNOT, error, "%s: not replaced", path);
	}
	text_free(&temporary);
}

/* Makes the folder's new entry durable. */
static void folder_sync(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash == NULL   ? strdup(".")
		       : slash == path ? strdup("/")
				       : strndup(path, (size_t)(slash - path));
	int fd = folder == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL))
		file_fail(path);
	close(fd);
	free(folder);
}

static void file_add(const struct options *o, const struct text *line)
{
	/* A link stays one: what it leads to is replaced. */
	char *path = realpath(o->path, NULL);
	struct text old = {0}, new = {0};
	struct stat st;
	int fd;

	if (path == NULL && (errno != ENOENT || o->add || (path = strdup(o->path)) == NULL))
		file_fail(o->path);
	fd = file_open(path, &st);
	lines_read(fd, path, &old);
	if (!file_edit(o, &old, line, &new))
		errx(EXIT_NO,
		     o->add ? "%s: %s is not there; give its rights, without -a"
			    : "%s: %s is there already; -r replaces it, -a adds a secret",
		     o->path, o->name);
	file_replace(path, &st, &new);
	folder_sync(path);
	close(fd);
	text_free(&old);
	text_free(&new);
	free(path);
}

static void say_secret(char *secret)
{
	/* By no buffer that would keep a copy. */
	secret[SECRET_LENGTH] = '\n';
	if (write(STDOUT_FILENO, secret, SECRET_LENGTH + 1) != SECRET_LENGTH + 1)
		err(EXIT_CANNOT, "the secret is lost, make another one in its place: stdout");
}

int main(int argc, char **argv)
{
	struct options o = {0};
	char secret[SECRET_LENGTH + 1] = "";
	struct text line = {0};

	options(&o, argc, argv);
	if (!o.certificate)
		secret_make(secret);
	line_make(&o, secret, &line);
	if (o.path != NULL)
		file_add(&o, &line);
	else
		fwrite(line.s, 1, line.len, o.certificate ? stdout : stderr);
	if (!o.certificate)
		say_secret(secret);
	explicit_bzero(secret, sizeof(secret));
	text_free(&line);
	if (fflush(stdout) != 0)
		err(EXIT_CANNOT, "stdout");
	return EXIT_DONE;
}
