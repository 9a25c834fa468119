/*
 * An Authorization header: whoever is known by it has said the secret, in one of
 * the two ways; and whoever says it in one of them is known.
 */
#include "../../bin/disco-serve/access.c"

#include <openssl/evp.h>

#include "serve.h"

#define SECRET "s3cret:with colon"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct text line = {0};
	unsigned char digest[TOKEN_DIGEST];
	struct token token;

	(void)argc, (void)argv;
	SHA256((const unsigned char *)SECRET, sizeof(SECRET) - 1, digest);
	text_string(&line, "web ");
	for (size_t i = 0; i < TOKEN_DIGEST; i++)
		text_printf(&line, "%02x", digest[i]);
	text_string(&line, " read:*");
	ensure(token_parse(&token, line.s, line.len) == NULL && token.name != NULL);
	ensure(callers_add(&callers, &token) == NULL);
	text_free(&line);
	return 0;
}

/* Of a password in Base64, whether it is the secret; blanks between its letters are none of it. */
static bool password_is(const char *base64)
{
	size_t len = 0, size = strlen(base64);
	char *letters = fuzz_copy(base64, size);
	unsigned char *plain = malloc(size + 4);
	const char *colon;
	bool is;
	int n;

	ensure(plain != NULL);
	for (size_t i = 0; i < size; i++)
		if (strchr(" \t\n\v\f\r", base64[i]) == NULL)
			letters[len++] = base64[i];
	letters[len] = '\0';
	n = EVP_DecodeBlock(plain, (const unsigned char *)letters, (int)len);
	for (size_t i = len; n > 0 && i > 0 && letters[i - 1] == '='; i--)
		n--;
	colon = n > 0 ? memchr(plain, ':', (size_t)n) : NULL;
	is = colon != NULL && (size_t)((char *)plain + n - colon) == sizeof(SECRET) &&
	     memcmp(colon + 1, SECRET, sizeof(SECRET) - 1) == 0;
	free(plain);
	free(letters);
	return is;
}

static void heard(const char *header)
{
	const char *said = header + strcspn(header, " ");

	if (caller_of_header(header) == NULL)
		return;
	said += strspn(said, " ");
	if (strncasecmp(header, "Bearer ", 7) == 0)
		ensure(strcmp(said, SECRET) == 0);
	else
		ensure(strncasecmp(header, "Basic ", 6) == 0 && password_is(said));
}

/* A user of any name that has no colon in it. */
static void user_knows(const char *user)
{
	size_t len = strcspn(user, ":");
	struct text plain = {0};
	char header[8192] = "Basic ";

	if (len > NAME_LONGEST)
		return;
	text_add(&plain, user, len);
	text_string(&plain, ":" SECRET);
	EVP_EncodeBlock((unsigned char *)header + 6, (const unsigned char *)text_cstr(&plain),
			(int)plain.len);
	ensure(caller_of_header(header) == callers.list[0]);
	text_free(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *header = fuzz_string(data, size);

	heard(header);
	user_knows(header);
	free(header);
	return 0;
}
