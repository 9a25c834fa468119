/* Who may have which name, and how many: the lines of --owners, and what the table makes of it. */
#include <stdlib.h>
#include <string.h>

#include "../../lib/owners.h"
#include "../../lib/table.h"
#include "tap.h"

static const struct {
	const char *text, *why; /* why NULL: it is right */
} files[] = {
    {"", NULL},
    {"# nothing\n\n   \t\n", NULL},
    {"fx_* 1000\n", NULL},
    {"fx_* 1000 root # and why\r\n* root", NULL},
    {"fx_*\n", "1: fx_*: no user behind it"},
    {"# a\nfx_* # nobody\n", "2: fx_*: no user behind it"},
    {"a root\nb no_such_user_here\n", "2: no_such_user_here: no such user"},
    {"a @no_such_group_here\n", "1: @no_such_group_here: no such group"},
    {"a 4294967295\n", "1: 4294967295: no such user"},
    {"a -1\n", "1: -1: no such user"},
    {"a @\n", "1: @: no such group"},
};

static void test_parse(void)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct owners owners;
		struct text why = {0};
		bool right = owners_parse(&owners, files[i].text, strlen(files[i].text), &why);

		ok(right ? files[i].why == NULL
			 : files[i].why != NULL && strcmp(text_cstr(&why), files[i].why) == 0,
		   "file %zu: %s", i, right ? "right" : text_cstr(&why));
		if (right)
			owners_free(&owners);
		text_free(&why);
	}
}

static const struct {
	const char *name;
	uid_t uid;
	bool may;
} asked[] = {
    {"fx_rdb", 1000, true}, {"fx_rdb", 1001, true}, {"fx_rdb", 0, false}, {"fx_gw", 1002, true},
    {"fx_gw", 1000, true},  {"fx_gw", 1003, false}, {"fx_", 1000, true},  {"other", 7, true},
    {"rooted", 0, true},    {"rooted", 1, false},   {"fx", 7, true},
};

static void test_allow(void)
{
	/* The first line that matches decides: fx_rdb is not 1002's. */
	static const char text[] =
	    "fx_rdb 1000 1001\nfx_* 1000 1002\n  rooted\t@root\nfx_rdb 1002\n";
	struct owners owners;
	struct text why = {0};

	ok(owners_parse(&owners, text, sizeof(text) - 1, &why), "lines of all kinds");
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
		ok(owners_allow(&owners, asked[i].name, asked[i].uid) == asked[i].may,
		   "%s of %u: %s", asked[i].name, (unsigned)asked[i].uid,
		   asked[i].may ? "yes" : "no");
	ok(!owners_allow(&owners, "fx_rdb", 1002), "a later line does not count");
	owners_free(&owners);
}

/* A table, and files that come to it. */
static struct now now = {1000000, 1700000000000};
static uint64_t ino = 1;

static enum forget forget_file(void *arg, const struct process *p)
{
	(void)p;
	++*(int *)arg;
	return FORGET_DONE;
}

/* What comes of a file of that user under this name: admitted or not. */
static enum admit file(struct table *table, const char *name, uid_t uid, bool *told)
{
	struct seen seen = {.ino = ino,
			    .ctime_ns = now.real_ms * 1000000,
			    .uid = uid,
			    .user = uid == 1 ? "one" : "two"};
	struct process *p = table_find(table, name, strlen(name));
	enum admit admit = table_admit(table, p, name, uid);
	struct heartbeat hb = {.state = STATE_ACTIVE};

	ino++;
	now.mono_ms++;
	now.real_ms++;
	*told = false;
	if (admit != ADMIT_YES)
		*told = table_deny(table, name, &seen, admit, now);
	else if (!table_content(table, table_find(table, name, strlen(name)), name, &seen, &hb,
				now))
		abort();
	return admit;
}

static enum state state_of(const struct table *table, const char *name)
{
	return table_find(table, name, strlen(name))->state;
}

static void test_owners(void)
{
	struct table *table = table_new(&limits_default, now);
	static const char text[] = "mine 1\n", other[] = "mine 2\n";
	struct owners owners, others;
	struct process *p;
	bool told;

	if (table == NULL || !owners_parse(&owners, text, sizeof(text) - 1, NULL) ||
	    !owners_parse(&others, other, sizeof(other) - 1, NULL))
		abort();
	table_owners(table, &owners);
	ok(file(table, "mine", 2, &told) == ADMIT_OWNERS && told,
	   "a stranger is refused, and told");
	ok(table->rows == 0 && table->refused == 1, "he has no row and is counted");
	ok(file(table, "mine", 2, &told) == ADMIT_OWNERS && !told, "once");
	ok(table->refused == 1, "and counted once");
	ok(file(table, "mine", 1, &told) == ADMIT_YES && table->refused == 0,
	   "its owner may have it, and nothing is refused any more");
	ok(file(table, "free", 2, &told) == ADMIT_YES, "a name of no line is free");
	p = table_find(table, "mine", 4);
	table_removed(table, p, now);
	ok(file(table, "mine", 2, &told) == ADMIT_OWNERS &&
	       state_of(table, "mine") == STATE_INACTIVE && p->counter == 1,
	   "a stranger does not change a row that is inactive");
	ok(file(table, "mine", 1, &told) == ADMIT_YES && state_of(table, "mine") == STATE_ACTIVE,
	   "its owner does");
	ok(file(table, "mine", 2, &told) == ADMIT_OWNERS &&
	       state_of(table, "mine") == STATE_INACTIVE,
	   "where a stranger's file is, the owner's has gone");
	file(table, "mine", 1, &told);
	table_owners(table, &others);
	ok(table->room, "new owners: all is looked at again");
	ok(file(table, "mine", 1, &told) == ADMIT_OWNERS && told &&
	       state_of(table, "mine") == STATE_ACTIVE && p->counter == 3,
	   "a row whose owner may no longer have it does not beat");
	table_owners(table, &owners);
	ok(file(table, "mine", 1, &told) == ADMIT_YES && p->counter == 4 && table->refused == 0,
	   "until he may again");
	table_free(table);
	owners_free(&owners);
	owners_free(&others);
}

/* Until silence has been judged and rows are forgotten. */
static void pass_time(struct table *table)
{
	for (int i = 0; i < 2000; i++) {
		now.mono_ms += 1000;
		now.real_ms += 1000;
		table->drained_ms = now.mono_ms;
		table_expire(table, now);
	}
	if (!table_order(table)) /* which gives the memory of the forgotten back */
		abort();
}

static void test_forget(void)
{
	struct table *table = table_new(&limits_default, now);
	static const char text[] = "mine 1\n";
	struct owners owners;
	int removed = 0;
	bool told;

	if (table == NULL || !owners_parse(&owners, text, sizeof(text) - 1, NULL))
		abort();
	table->forget = forget_file;
	table->arg = &removed;
	table_owners(table, &owners);
	file(table, "mine", 1, &told);
	file(table, "mine", 2, &told);
	pass_time(table);
	ok(table->rows == 0 && removed == 0 && table->refused == 1,
	   "a row is forgotten, and a stranger's file in its place is not removed but still "
	   "counted");
	ok(file(table, "mine", 2, &told) == ADMIT_OWNERS && !told, "it was told already");
	table_free(table);
	owners_free(&owners);
}

static void test_most(void)
{
	struct table *table = table_new(&limits_default, now);
	int removed = 0;
	bool told;

	if (table == NULL)
		abort();
	table->forget = forget_file;
	table->arg = &removed;
	table->user_most = 2;
	table->user_free = 3;
	ok(file(table, "a", 1, &told) == ADMIT_YES && file(table, "b", 1, &told) == ADMIT_YES,
	   "two of two");
	ok(file(table, "c", 1, &told) == ADMIT_FULL && told, "a third one is refused, and told");
	ok(file(table, "d", 1, &told) == ADMIT_FULL && !told, "once for the user");
	ok(table->refused == 2 && table->rows == 2, "each is counted");
	ok(file(table, "a", 1, &told) == ADMIT_YES, "those that are there go on");
	ok(file(table, "e", 2, &told) == ADMIT_YES, "another user has his own number");
	for (int i = 0; i < 3; i++) {
		char name[] = {'r', (char)('0' + i), '\0'},
		     free_one[] = {'f', (char)('0' + i), '\0'};

		ok(file(table, name, 0, &told) == ADMIT_YES &&
		       file(table, free_one, 3, &told) == ADMIT_YES,
		   "root and the master's user have no limit");
	}
	table_removed(table, table_find(table, "e", 1), now);
	ok(file(table, "e", 1, &told) == ADMIT_FULL, "nor is a name taken over beyond it");
	ok(!table->room, "nothing has changed");
	pass_time(table);
	ok(table->room && table->rows == 0, "when rows are forgotten there is room");
	ok(file(table, "c", 1, &told) == ADMIT_YES && file(table, "d", 1, &told) == ADMIT_YES &&
	       file(table, "a", 1, &told) == ADMIT_FULL && told,
	   "for as many as before");
	table_free(table);
}

int main(void)
{
	test_parse();
	test_allow();
	test_owners();
	test_forget();
	test_most();
	return tap_done();
}
