/* What a wrapped command says of itself, as it would say it to systemd. */
#include <stdio.h>
#include <string.h>

#include "hb.h"

/* A state that has a word of its own as its reason. */
static void word(char *reason, bool *words, const char *text)
{
	snprintf(reason, REASON_LONGEST + 1, "%s", text);
	*words = true;
}

struct news listen_take(char *message, enum state *state, char *reason, bool *words)
{
	struct news news = {0};
	enum state before = *state;
	const char *status = NULL;
	char former[REASON_LONGEST + 1];

	memcpy(former, reason, sizeof(former));
	for (char *line; (line = strsep(&message, "\n")) != NULL;) {
		if (strncmp(line, "STATUS=", 7) == 0) {
			status = line + 7;
		} else if (strcmp(line, "WATCHDOG=1") == 0) {
			news.beat = true;
		} else if (strcmp(line, "WATCHDOG=trigger") == 0) {
			*state = STATE_ERROR;
			word(reason, words, "watchdog triggered");
		} else if (strcmp(line, "STOPPING=1") == 0) {
			*state = STATE_WARNING;
			word(reason, words, "stopping");
		} else if (strcmp(line, "RELOADING=1") == 0) {
			word(reason, words, "reloading");
		} else if (strcmp(line, "READY=1") == 0) {
			*state = STATE_ACTIVE;
			if (*words)
				word(reason, words, "");
			*words = false;
		}
	}
	/* Last, so that it stands whatever the order of the lines. */
	if (status != NULL) {
		reason_copy(reason, status, strlen(status));
		*words = false;
	}
	news.changed = *state != before || strcmp(reason, former) != 0;
	return news;
}
