/* What the comment lines of a procedure say of it: fit for a header and for JSON, and the same when
 * it is written again. */
#include "../../lib/proc.c"

#include "fuzz.h"

static const char *take(struct proc *proc, const char *text, size_t len)
{
	*proc = (struct proc){.name = strdup("p"), .path = strdup("p.jq")};
	proc->text = fuzz_copy(text, len);
	proc->len = len;
	return header_parse(proc);
}

static void print(const struct proc *proc, struct text *text)
{
	text_printf(text, "# %s\n# type: %s\n# args:", proc->words, proc->type);
	for (size_t i = 0; i < proc->arg_count; i++)
		text_printf(text, " %s%s", proc->args[i].name, proc->args[i].optional ? "?" : "");
	text_string(text, "\n.\n");
}

static void same(const struct proc *a, const struct proc *b)
{
	ensure(strcmp(a->type, b->type) == 0 && a->arg_count == b->arg_count);
	for (size_t i = 0; i < a->arg_count; i++)
		ensure(strcmp(a->args[i].name, b->args[i].name) == 0 &&
		       a->args[i].optional == b->args[i].optional);
}

static void sound(const struct proc *proc)
{
	struct text text = {0};

	ensure(text_clean(proc->words, strlen(proc->words)));
	ensure(proc->arg_count <= PROC_ARGS);
	for (const char *s = proc->type; *s != '\0'; s++)
		ensure(*s >= ' ' && *s < 0x7f);
	ensure(strlen(proc->type) <= 128 && strchr(proc->type, '/') != NULL);
	proc_json(&text, proc);
	ensure(fuzz_json(text.s, text.len));
	text_free(&text);
}

/* Arguments of any kind: an object, or what is wrong in words. */
static void called(const struct proc *proc, char *value)
{
	struct proc_given given[PROC_ARGS + 1] = {0};
	struct text json = {0}, wrong = {0};
	size_t count = 0;

	for (size_t i = 0; i < proc->arg_count; i++)
		if (!proc->args[i].optional)
			given[count++] = (struct proc_given){proc->args[i].name, value};
	if (proc_args(proc, given, count, &json, &wrong))
		ensure(fuzz_json(json.s, json.len) && wrong.len == 0);
	else
		ensure(wrong.len > 0);
	given[count++] = (struct proc_given){value, value};
	text_clear(&json);
	text_clear(&wrong);
	if (!proc_args(proc, given, count, &json, &wrong))
		ensure(wrong.len > 0 && text_clean(wrong.s, wrong.len));
	text_free(&json);
	text_free(&wrong);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *file = fuzz_string(data, size);
	struct proc proc, again;
	struct text text = {0};

	if (take(&proc, file, strlen(file)) == NULL) {
		sound(&proc);
		called(&proc, file);
		print(&proc, &text);
		ensure(take(&again, text.s, text.len) == NULL);
		same(&proc, &again);
		proc_free(&again);
	}
	proc_free(&proc);
	text_free(&text);
	free(file);
	return 0;
}
