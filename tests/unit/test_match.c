/* Globs of stars, held against fnmatch(3). */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "match.h"
#include "tap.h"

static void fill(char *s, size_t most, const char *letters)
{
	size_t len = (size_t)random() % most, kinds = strlen(letters);

	for (size_t i = 0; i < len; i++)
		s[i] = letters[(size_t)random() % kinds];
	s[len] = '\0';
}

int main(void)
{
	char pattern[12], value[16], many[257], large[2049];
	size_t wrong = 0, matched = 0;

	srandom(1);
	for (int i = 0; i < 300000; i++) {
		bool is;

		fill(pattern, sizeof(pattern), i % 2 ? "ab*" : "ab*?[]");
		fill(value, sizeof(value), "ab");
		is = match_glob(pattern, value);
		matched += is;
		if (is != (fnmatch(pattern, value, 0) == 0) && wrong++ < 10)
			ok(false, "%s on %s is %d", pattern, value, is);
	}
	ok(wrong == 0, "300000 as fnmatch has them");
	ok(matched > 10000, "%zu of them match", matched);
	/* This takes fnmatch years. */
	memset(large, 'a', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	for (size_t i = 0; i < 256; i++)
		many[i] = i % 2 ? 'a' : '*';
	many[255] = 'b';
	many[256] = '\0';
	ok(!match_glob(many, large), "many stars");
	return tap_done();
}
