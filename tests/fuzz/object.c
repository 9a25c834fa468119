/* Rows on their way into a procedure: read the fast way, each is what jq's own parser makes of it.
 */
#include "../../bin/disco-jq/object.c"

#include "fuzz.h"

/* jq's parser keeps something of what is no JSON. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libjq\n";
}

static bool same(jv a, const char *s, size_t len)
{
	jv b = jv_parse_sized(s, (int)len);
	bool valid = jv_is_valid(a);

	if (valid != jv_is_valid(b)) {
		jv_free(a);
		jv_free(b);
		return false;
	}
	return !valid ? (jv_free(a), jv_free(b), true) : jv_equal(a, b);
}

/* Each line is a row; the first that is an object tells what the others are like. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *lines = fuzz_copy(data, size);
	const char *s = lines, *end = lines + size, *newline;
	struct shape shape = {.object = jv_invalid()};

	for (; (newline = memchr(s, '\n', (size_t)(end - s))) != NULL; s = newline + 1) {
		size_t len = (size_t)(newline - s);
		jv row = object_read(&shape, s, len);

		if (fuzz_json(s, len))
			ensure(same(row, s, len));
		else
			jv_free(row);
	}
	if (jv_is_valid(shape.object))
		jv_free(shape.keys);
	jv_free(shape.object);
	free(lines);
	return 0;
}
