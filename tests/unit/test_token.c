/* The lines of a token file. */
#include <string.h>

#include "tap.h"
#include "token.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define D2 DIGEST "," DIGEST
#define D8 D2 "," D2 "," D2 "," D2

static const struct {
	const char *line;
	bool good;
	const char *name;
} lines[] = {
    {"", true, NULL},
    {"   \t", true, NULL},
    {"# admin", true, NULL},
    {"web " DIGEST " read:*", true, "web"},
    {"\tweb\t" DIGEST "  read:* publish:web_?\r", true, "web"},
    {"web - admin # all", true, "web"},
    {"web " DIGEST "," DIGEST " read:*", true, "web"},
    {"web " DIGEST ",- read:*", false, NULL},
    {"web " DIGEST ", read:*", false, NULL},
    {"web " D8 "," DIGEST " read:*", false, NULL},
    {"web - read:a,b", true, "web"},
    {"web - publish:a,b", false, NULL},
    {"web - read:a,publish:b", false, NULL},
    {"web - read:a,admin", false, NULL},
    {"web", false, NULL},
    {"web " DIGEST, false, NULL},
    {"web -", false, NULL},
    {"web " DIGEST " # read:*", false, NULL},
    {"web " DIGEST "0 read:*", false, NULL},
    {"web 0123 read:*", false, NULL},
    {"web 0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef read:*", false, NULL},
    {"-web " DIGEST " read:*", false, NULL},
    {"we/b " DIGEST " read:*", false, NULL},
    {"web " DIGEST " read", false, NULL},
    {"web " DIGEST " read:", false, NULL},
    {"web " DIGEST " Read:*", false, NULL},
    {"web " DIGEST " administrator", false, NULL},
};

int main(void)
{
	struct token token;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *why = token_parse(&token, lines[i].line, strlen(lines[i].line));

		ok((why == NULL) == lines[i].good, "line %zu: %s", i, why != NULL ? why : "good");
		ok(why != NULL || (token.name == NULL) == (lines[i].name == NULL), "line %zu: name",
		   i);
		if (why == NULL)
			token_free(&token);
	}
	ok(token_parse(&token, "a\0b - admin", 11) != NULL, "a NUL");
	ok(token_parse(&token, "w - publish:web_? read:db* read:x", 33) == NULL, "rights");
	ok(token_may(&token, RIGHT_PUBLISH, "web_1"), "publish");
	ok(!token_may(&token, RIGHT_PUBLISH, "web_11"), "not another");
	ok(!token_may(&token, RIGHT_PUBLISH, "db"), "not what may be read");
	ok(token_may(&token, RIGHT_READ, "db") && token_may(&token, RIGHT_READ, "x"), "read");
	ok(!token_may(&token, RIGHT_CALL, "db"), "call nothing");
	ok(!token_may_all(&token, RIGHT_READ), "not all");
	token_free(&token);
	return tap_done();
}
