/* Our secret: where it comes from, and that it goes nowhere but to the server. */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "http.h"

#define SCHEME "Authorization: Bearer "
#define SCHEME_LENGTH (sizeof(SCHEME) - 1)

static char header[SCHEME_LENGTH + TRUST_TOKEN] = SCHEME;

static char *const token = header + SCHEME_LENGTH; /* "": we have none */

/* What the environment of a process holds can be read for as long as it runs. */
static void environment_wipe(void)
{
	char *value = getenv("DISCO_TOKEN");

	if (value != NULL)
		explicit_bzero(value, strlen(value));
	unsetenv("DISCO_TOKEN");
}

void token_take(const struct trust *trust)
{
	const char *what, *why;
	int status = trust_token(trust, token, &what, &why);

	environment_wipe();
	if (status != EXIT_DONE)
		errx(status, "%s: %s", what, why);
	/* In no core either. */
	if (token[0] != '\0' && prctl(PR_SET_DUMPABLE, 0) != 0)
		err(EXIT_CANNOT, "prctl");
}

void token_renew(const struct trust *trust)
{
	char now[TRUST_TOKEN];
	const char *what, *why;

	if (trust_token(trust, now, &what, &why) == EXIT_DONE && now[0] != '\0')
		memcpy(token, now, sizeof(now));
	explicit_bzero(now, sizeof(now));
}

void token_wipe(void)
{
	explicit_bzero(token, TRUST_TOKEN);
}

const char *token_header(void)
{
	return token[0] != '\0' ? header : NULL;
}

void token_hide(struct text *text)
{
	size_t len = strlen(token);

	for (size_t at = 0; len > 0 && at + len <= text->len; at++)
		if (memcmp(text->s + at, token, len) == 0)
			memset(text->s + at, '.', len);
}
