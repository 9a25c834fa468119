/* Any bytes at all: they are quoted for a table and come back the same, for JSON, and for a
 * terminal. */
#include <cjson/cJSON.h>

#include "fuzz.h"

static void tsv(const char *s, size_t len)
{
	struct text quoted = {0}, back = {0};

	text_tsv(&quoted, s, len);
	ensure(len == 0 || (memchr(quoted.s, '\t', quoted.len) == NULL &&
			    memchr(quoted.s, '\n', quoted.len) == NULL));
	text_untsv(&back, quoted.s, quoted.len);
	ensure(back.len == len && (len == 0 || memcmp(back.s, s, len) == 0));
	text_free(&quoted);
	text_free(&back);
}

/* All of it, and what was no character is replaced by one. */
static void json(const char *s, size_t len)
{
	struct text quoted = {0}, good = {0};
	cJSON *read;

	for (size_t i = 0, n; i<len; i += n> 0 ? n : 1) {
		n = text_character(s + i, len - i);
		if (n > 0)
			text_add(&good, s + i, n);
		else
			text_string(&good, "\xef\xbf\xbd");
	}
	text_json(&quoted, s, len);
	ensure(fuzz_json(quoted.s, quoted.len) && memchr(quoted.s, 0x7f, quoted.len) == NULL);
	read = cJSON_ParseWithLength(quoted.s, quoted.len);
	ensure(cJSON_IsString(read));
	ensure(strcmp(read->valuestring, text_cstr(&good)) == 0);
	cJSON_Delete(read);
	text_free(&quoted);
	text_free(&good);
}

static void terminal(const char *s, size_t len)
{
	struct text safe = {0};

	text_safe(&safe, s, len);
	ensure(text_clean(safe.s, safe.len));
	ensure(!text_clean(s, len) ||
	       (safe.len == len && (len == 0 || memcmp(safe.s, s, len) == 0)));
	text_free(&safe);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = fuzz_copy(data, size);

	tsv(s, size);
	json(s, size);
	terminal(s, size);
	free(s);
	return 0;
}
