/* The file of --owners: what is accepted may be written again from what was understood; what is
 * refused is refused in words. */
#include "owners.h"

#include <grp.h>

#include "fuzz.h"

static void print(const struct owners *owners, struct text *text)
{
	for (size_t i = 0; i < owners->count; i++) {
		const struct owners_rule *rule = &owners->rules[i];

		ensure(rule->count > 0 && strlen(rule->glob) <= 256);
		text_string(text, rule->glob);
		for (size_t j = 0; j < rule->count; j++) {
			if (rule->who[j].group)
				text_printf(text, " @%s", getgrgid(rule->who[j].id)->gr_name);
			else
				text_printf(text, " %u", rule->who[j].id);
		}
		text_char(text, '\n');
	}
}

/* A group adds its members too: of these there may be more the second time. */
static void same(const struct owners *a, const struct owners *b)
{
	static const char *const names[] = {"a", "fx_1", "rdb_1", "a.b:c"};
	static const uid_t uids[] = {0, 1, 1000, 65534};

	ensure(a->count == b->count);
	for (size_t i = 0; i < a->count; i++)
		ensure(strcmp(a->rules[i].glob, b->rules[i].glob) == 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (size_t j = 0; j < sizeof(uids) / sizeof(uids[0]); j++)
			ensure(owners_allow(a, names[i], uids[j]) ==
			       owners_allow(b, names[i], uids[j]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *file = fuzz_copy(data, size);
	struct text why = {0}, text = {0};
	struct owners owners, again;

	if (owners_parse(&owners, file, size, &why)) {
		print(&owners, &text);
		ensure(owners_parse(&again, text_cstr(&text), text.len, &why));
		same(&owners, &again);
		owners_free(&owners);
		owners_free(&again);
	} else {
		ensure(why.len > 0 && text_clean(why.s, why.len));
		ensure(strspn(text_cstr(&why), "0123456789") > 0);
	}
	text_free(&why);
	text_free(&text);
	free(file);
	return 0;
}
