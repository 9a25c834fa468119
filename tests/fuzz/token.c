/* A line of a token file: what is accepted may be written again from what was understood. */
#include "token.h"

#include "fuzz.h"
#include "name.h"

static const char *const rights[RIGHTS] = {"publish", "read", "call"};

static void print(const struct token *token, struct text *text)
{
	text_printf(text, "%s %s", token->name, token->digest_count == 0 ? "-" : "");
	for (size_t i = 0; i < token->digest_count; i++) {
		text_string(text, i > 0 ? "," : "");
		for (size_t j = 0; j < TOKEN_DIGEST; j++)
			text_printf(text, "%02x", token->digests[i][j]);
	}
	text_string(text, token->admin ? " admin" : "");
	for (size_t i = 0; i < RIGHTS; i++)
		for (size_t j = 0; j < token->globs[i].count; j++)
			text_printf(text, " %s:%s", rights[i], token->globs[i].list[j]);
}

static void same(const struct token *a, const struct token *b)
{
	ensure(strcmp(a->name, b->name) == 0 && a->admin == b->admin);
	ensure(a->digest_count == b->digest_count &&
	       memcmp(a->digests, b->digests, sizeof(a->digests)) == 0);
	for (size_t i = 0; i < RIGHTS; i++) {
		ensure(a->globs[i].count == b->globs[i].count);
		for (size_t j = 0; j < a->globs[i].count; j++)
			ensure(strcmp(a->globs[i].list[j], b->globs[i].list[j]) == 0);
	}
}

static void sound(const struct token *token)
{
	ensure(name_check(token->name) == NULL && token->digest_count <= TOKEN_SECRETS);
	for (size_t i = 0; i < RIGHTS; i++) {
		enum right right = (enum right)i;

		ensure(!token_may_all(token, right) || token_may(token, right, "any_name"));
		ensure(token->admin || token->globs[i].count > 0 ||
		       !token_may(token, right, token->name));
		for (size_t j = 0; j < token->globs[i].count; j++)
			ensure(strlen(token->globs[i].list[j]) <= TOKEN_PATTERN);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = fuzz_copy(data, size);
	struct token token, again;
	struct text text = {0};
	const char *why = token_parse(&token, line, size);

	if (why != NULL || token.name == NULL) {
		ensure(token.line == NULL);
		free(line);
		return 0;
	}
	sound(&token);
	print(&token, &text);
	ensure(token_parse(&again, text.s, text.len) == NULL && again.name != NULL);
	same(&token, &again);
	ensure(token_same(&token, &token));
	token_free(&token);
	token_free(&again);
	text_free(&text);
	free(line);
	return 0;
}
