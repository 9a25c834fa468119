/* Who may do what: the lines of a token file. */
#include "token.h"

#include <stdlib.h>
#include <string.h>

#include "match.h"
#include "name.h"
#include "text.h"

static const char *const rights[RIGHTS] = {"publish:", "read:", "call:"};

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

static const char *digest_parse(struct token *token, const char *word)
{
	unsigned char *digest = token->digests[token->digest_count];

	if (strlen(word) != 2 * TOKEN_DIGEST || word[strspn(word, "0123456789abcdef")] != '\0')
		return "not a SHA-256 in 64 lower case digits, nor -";
	for (size_t i = 0; i < TOKEN_DIGEST; i++)
		digest[i] = (unsigned char)(hex(word[2 * i]) << 4 | hex(word[2 * i + 1]));
	token->digest_count++;
	return NULL;
}

/* While one secret takes the place of another there are two. */
static const char *digests_parse(struct token *token, char *word)
{
	const char *why = NULL;
	char *one;

	if (strcmp(word, "-") == 0)
		return NULL;
	while (why == NULL && (one = strsep(&word, ",")) != NULL)
		why = token->digest_count == TOKEN_SECRETS ? "more than 8 secrets"
							   : digest_parse(token, one);
	return why;
}

const char *token_pattern(const char *word, enum right *right)
{
	for (*right = 0; *right < RIGHTS; ++*right)
		if (strncmp(word, rights[*right], strlen(rights[*right])) == 0)
			return word + strlen(rights[*right]);
	return NULL;
}

bool token_has_commas(enum right right, const char *pattern)
{
	if (strchr(pattern, ',') != NULL && right != RIGHT_READ)
		return true;
	for (; (pattern = strchr(pattern, ',')) != NULL; pattern++) {
		enum right other;

		if (token_pattern(pattern + 1, &other) != NULL ||
		    strncmp(pattern + 1, "admin", 5) == 0)
			return true;
	}
	return false;
}

static const char *right_parse(struct token *token, const char *word)
{
	enum right right;
	const char *glob = token_pattern(word, &right), **list;

	if (strcmp(word, "admin") == 0) {
		token->admin = true;
		return NULL;
	}
	if (glob == NULL)
		return "a right is publish:GLOB, read:GLOB, call:GLOB or admin";
	if (*glob == '\0')
		return "a right without a pattern";
	if (strlen(glob) > TOKEN_PATTERN)
		return "a pattern of more than 256 bytes";
	if (token_has_commas(right, glob))
		return "a comma in a pattern; rights are separated by blanks";
	list =
	    reallocarray(token->globs[right].list, token->globs[right].count + 1, sizeof(list[0]));
	if (list == NULL)
		return "out of memory";
	token->globs[right].list = list;
	list[token->globs[right].count++] = glob;
	return NULL;
}

static const char *words_parse(struct token *token)
{
	static const char blank[] = " \t\r";
	char *rest = token->line, *word;
	const char *why = NULL;
	size_t count = 0;

	while (why == NULL && (word = strsep(&rest, blank)) != NULL) {
		if (*word == '\0')
			continue;
		if (*word == '#')
			break;
		if (count == 0) {
			token->name = word;
			why = name_check(word);
		} else {
			why = count == 1 ? digests_parse(token, word) : right_parse(token, word);
		}
		count++;
	}
	if (why == NULL && (count == 1 || count == 2))
		why = "write NAME SHA256HEX RIGHT...";
	return why;
}

const char *token_parse(struct token *token, const char *line, size_t len)
{
	const char *why;

	*token = (struct token){.len = len};
	if (memchr(line, '\0', len) != NULL)
		return "a NUL in it";
	token->line = strndup(line, len);
	why = token->line == NULL ? "out of memory" : words_parse(token);
	if (why != NULL || token->name == NULL)
		token_free(token);
	return why;
}

void token_free(struct token *token)
{
	for (size_t i = 0; i < RIGHTS; i++)
		free(token->globs[i].list);
	free(token->line);
	*token = (struct token){0};
}

bool token_same(const struct token *a, const struct token *b)
{
	return a->len == b->len && memcmp(a->line, b->line, a->len) == 0;
}

bool token_may(const struct token *token, enum right right, const char *name)
{
	if (token->admin)
		return true;
	for (size_t i = 0; i < token->globs[right].count; i++)
		if (match_glob(token->globs[right].list[i], name))
			return true;
	return false;
}

bool token_may_all(const struct token *token, enum right right)
{
	if (token->admin)
		return true;
	for (size_t i = 0; i < token->globs[right].count; i++)
		if (strcmp(token->globs[right].list[i], "*") == 0)
			return true;
	return false;
}
