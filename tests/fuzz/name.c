/* A name that is accepted is one file in hb/, and needs no quoting anywhere. */
#include "name.h"

#include "fuzz.h"
#include "heartbeat.h"
#include "spool.h"

static void safe(const char *name)
{
	char path[SPOOL_PATH];
	struct text text = {0};
	size_t len = strlen(name);

	ensure(len > 0 && len <= NAME_LONGEST);
	ensure(strchr(name, '/') == NULL && name[0] != '.' && name[0] != '-');
	ensure(text_clean(name, len));
	for (size_t i = 0; i < len; i++)
		ensure((unsigned char)name[i] > ' ' && (unsigned char)name[i] < 0x7f);
	spool_heartbeat_path(path, "/s", name);
	ensure(strcmp(path + strlen("/s/hb/"), name) == 0);
	text_tsv(&text, name, len);
	ensure(strcmp(text_cstr(&text), name) == 0);
	text_clear(&text);
	text_json(&text, name, len);
	ensure(text.len == len + 2 && memcmp(text.s + 1, name, len) == 0);
	text_free(&text);
}

/* A key stands before "=" in a file and before ":" in JSON. */
static void key(const char *s)
{
	struct heartbeat hb;
	struct text text = {0};

	if (!heartbeat_key(s))
		return;
	ensure(strpbrk(s, "=,\\\t\n \"") == NULL && text_clean(s, strlen(s)));
	text_printf(&text, "%s=\n", s);
	text_cstr(&text);
	ensure(heartbeat_parse(text.s, text.len, &hb) == NULL);
	heartbeat_free(&hb);
	text_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = fuzz_string(data, size);

	if (name_check(s) == NULL)
		safe(s);
	key(s);
	free(s);
	return 0;
}
