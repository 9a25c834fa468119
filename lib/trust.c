/* By what a server and who speaks to it know each other: options, files, the environment. */
#include "trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "version.h"

#define LINE_ROOM 4096 /* a token, and white space around it */

bool trust_option(struct trust *trust, int option, const char *value)
{
	switch (option) {
	case TRUST_CACERT: trust->cacert = value; return true;
	case TRUST_CERT: trust->cert = value; return true;
	case TRUST_KEY: trust->key = value; return true;
	case TRUST_TOKEN_FILE: trust->token_file = value; return true;
	default: return false;
	}
}

const char **trust_arguments(const struct trust *trust, const char **argv)
{
	const struct {
		const char *option, *value;
	} all[] = {{"--cacert", trust->cacert},
		   {"--cert", trust->cert},
		   {"--key", trust->key},
		   {"--token-file", trust->token_file}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i].value == NULL)
			continue;
		*argv++ = all[i].option;
		*argv++ = all[i].value;
	}
	return argv;
}

/* What the environment says; nothing is as good as empty. */
static const char *told(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

void trust_environment(struct trust *trust)
{
	if (trust->cacert == NULL)
		trust->cacert = told("DISCO_CACERT");
	/* A key that belongs to another certificate is none. */
	if (trust->cert == NULL) {
		trust->cert = told("DISCO_CERT");
		if (trust->key == NULL)
			trust->key = told("DISCO_KEY");
	}
}

const char *trust_url_check(const char *url)
{
	const char *host = strstr(url, "://");

	if (strncmp(url, "unix:", 5) == 0)
		return NULL;
	host = host != NULL ? host + 3 : url;
	host += strspn(host, "/");
	if (memchr(host, '@', strcspn(host, "/?#")) == NULL)
		return NULL;
	return "a user or password in a URL can be read by everybody here; write a token into a "
	       "file and give that with --token-file";
}

/* Reads the first line; its length, or -1 with errno. */
static ssize_t line_read(int fd, char *line)
{
	ssize_t len = 0, n;
	char *end;

	do {
		n = read(fd, line + len, LINE_ROOM - (size_t)len);
		if (n > 0)
			len += n;
	} while ((n > 0 && len < LINE_ROOM && memchr(line, '\n', (size_t)len) == NULL) ||
		 (n < 0 && errno == EINTR));
	end = memchr(line, '\n', (size_t)len);
	return n < 0 ? -1 : end != NULL ? end - line : len;
}

/* Puts the token that a text is into its buffer.  NULL, or what is wrong with it. */
static const char *token_take(char *token, const char *line, size_t len)
{
	static const char white[] = " \t\r\n\v\f";

	for (; len > 0 && memchr(white, *line, sizeof(white)) != NULL; len--)
		line++;
	while (len > 0 && memchr(white, line[len - 1], sizeof(white)) != NULL)
		len--;
	if (len == 0)
		return "there is no token in it";
	if (len >= TRUST_TOKEN)
		return "a token has at most 512 bytes";
	for (size_t i = 0; i < len; i++)
		if (line[i] <= ' ' || line[i] > '~')
			return "a token has no blanks, control characters or letters beyond ASCII";
	memcpy(token, line, len);
	token[len] = '\0';
	return NULL;
}

/* NULL when it is nobody else's to read or to write. */
static const char *file_private(const struct stat *st)
{
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return "it belongs to another user";
	if (st->st_mode & 077)
		return "others may read or write it; chmod 600 it";
	return NULL;
}

static int token_read(const char *path, char *token, const char **why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), status = EXIT_CANNOT;
	char line[LINE_ROOM];
	struct stat st;
	ssize_t len;

	if (fd < 0 || fstat(fd, &st) < 0)
		goto out;
	status = EXIT_USAGE;
	*why = file_private(&st);
	if (*why != NULL)
		goto out;
	len = line_read(fd, line);
	if (len >= 0)
		*why = token_take(token, line, (size_t)len);
	status = len < 0 ? EXIT_CANNOT : *why != NULL ? EXIT_USAGE : EXIT_DONE;
out:
	if (status == EXIT_CANNOT)
		*why = strerror(errno);
	if (fd >= 0)
		close(fd);
	explicit_bzero(line, sizeof(line));
	return status;
}

int trust_token(const struct trust *trust, char *token, const char **what, const char **why)
{
	const char *value;

	*token = '\0';
	*what = trust->token_file != NULL ? trust->token_file : told("DISCO_TOKEN_FILE");
	if (*what != NULL)
		return token_read(*what, token, why);
	*what = "DISCO_TOKEN";
	value = told(*what);
	*why = value != NULL ? token_take(token, value, strlen(value)) : NULL;
	return *why != NULL ? EXIT_USAGE : EXIT_DONE;
}
