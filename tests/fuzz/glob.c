/* PATTERN NUL VALUE: our way with stars comes to the same as fnmatch(3). */
#include <fnmatch.h>

#include "fuzz.h"
#include "match.h"

/* It takes fnmatch forever to find out that many stars do not match. */
#define STARS_MOST 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *pattern = fuzz_string(data, size), *value;
	size_t len = strlen(pattern), stars = 0;

	value = len < size ? fuzz_string(data + len + 1, size - len - 1) : fuzz_copy("", 0);
	for (const char *s = pattern; *s != '\0'; s++)
		stars += *s == '*';
	if (stars <= STARS_MOST)
		ensure(match_glob(pattern, value) == (fnmatch(pattern, value, 0) == 0));
	/* What has no wildcards matches itself alone. */
	if (stars == 0 && pattern[strcspn(pattern, MATCH_COSTLY)] == '\0')
		ensure(match_glob(pattern, value) == (strcmp(pattern, value) == 0));
	ensure(match_glob("*", value));
	free(pattern);
	free(value);
	return 0;
}
