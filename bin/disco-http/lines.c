/* Standard input, a line at a time; what is not there yet is not waited for. */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "http.h"

void lines_read(struct lines *lines)
{
	size_t rest = lines->buf.len - lines->at;
	ssize_t len;
	char *room;

	if (lines->at > 0)
		memmove(lines->buf.s, lines->buf.s + lines->at, rest);
	lines->buf.len = rest;
	lines->at = 0;
	room = text_room(&lines->buf, TEXT_READ + 1);
	if (room == NULL)
		errx(EXIT_CANNOT, "out of memory");
	len = read(STDIN_FILENO, room, TEXT_READ);
	if (len < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (len < 0)
		err(EXIT_CANNOT, "stdin");
	lines->end = len == 0;
	lines->buf.len += (size_t)len;
	/* The last line counts without its newline too. */
	if (lines->end && lines->buf.len > 0 && lines->buf.s[lines->buf.len - 1] != '\n')
		lines->buf.s[lines->buf.len++] = '\n';
}

char *lines_next(struct lines *lines, size_t *len)
{
	char *line = lines->buf.s + lines->at, *end;
	size_t rest = lines->buf.len - lines->at;

	end = rest > 0 ? memchr(line, '\n', rest) : NULL;
	if (end == NULL && rest > LINE_LONGEST) {
		lines->skipped += rest;
		lines->at = lines->buf.len;
	}
	if (end == NULL)
		return NULL;
	lines->number++;
	*end = '\0';
	lines->at += (size_t)(end - line) + 1;
	*len = (size_t)(end - line);
	if (lines->skipped > 0) {
		/* Its end is no line. */
		warnx("line %lld: too long; passed over", (long long)lines->number);
		lines->skipped = 0;
		return lines_next(lines, len);
	}
	return line;
}

bool readable(int fd)
{
	struct pollfd in = {.fd = fd, .events = POLLIN};

	return poll(&in, 1, 0) > 0;
}
