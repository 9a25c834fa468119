/* Lines about what was refused, in a form that fail2ban reads, and no more than a log can bear. */
#include <err.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "serve.h"

#define LINES_MOST 20 /* a second */

bool pace_keep(struct pace *pace, unsigned most, unsigned *unsaid)
{
	int64_t now = clock_mono_ms() / 1000;

	*unsaid = 0;
	if (now != pace->second) {
		*unsaid = pace->unsaid;
		*pace = (struct pace){.second = now};
	}
	if (pace->lines++ < most)
		return true;
	pace->unsaid++;
	return false;
}

void refusal_log(int fd, int status, const char *words, const char *token, const char *uri)
{
	static struct pace pace;
	struct sockaddr_storage at = {0};
	socklen_t len = sizeof(at);
	char host[NI_MAXHOST] = "local";
	const char *address = host;
	struct text line = {0};
	unsigned unsaid;
	bool said;

	said = pace_keep(&pace, LINES_MOST, &unsaid);
	if (unsaid > 0)
		warnx("refused %u more", unsaid);
	if (!said)
		return;
	if (getpeername(fd, (struct sockaddr *)&at, &len) < 0)
		snprintf(host, sizeof(host), "unknown"); /* he is gone already */
	else if (at.ss_family != AF_UNIX)
		getnameinfo((struct sockaddr *)&at, len, host, sizeof(host), NULL, 0,
			    NI_NUMERICHOST);
	if (strncmp(host, "::ffff:", 7) == 0)
		address += 7;
	/* What he said himself stands behind the address, so he can't say another's. */
	text_safe(&line, words, strlen(words));
	if (uri != NULL) {
		text_string(&line, " (");
		if (token != NULL)
			text_printf(&line, "%s, ", token);
		text_safe(&line, uri, strcspn(uri, "?") < 200 ? strcspn(uri, "?") : 200);
		text_char(&line, ')');
	}
	if (status == 0)
		warnx("refused %s: %s", address, text_cstr(&line));
	else
		warnx("refused %s: %d %s", address, status, text_cstr(&line));
	text_free(&line);
}
