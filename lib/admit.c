/* Whose files count: who may have a name, and how many names one may have. */
#include "process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "owners.h"

/* One who has rows. */
struct user {
	char *key; /* his number and a tab; first, for the index */
	size_t rows;
	bool told; /* that he has as many as he may */
};

static struct user *user_find(const struct table *table, uid_t uid)
{
	char buf[NUMBER_LENGTH];
	const char *key = number_print(buf, uid);

	return index_find(&table->users, key, strlen(key));
}

/* NULL when memory is out. */
static struct user *user_make(struct table *table, uid_t uid)
{
	struct user *user = user_find(table, uid);

	if (user != NULL)
		return user;
	user = calloc(1, sizeof(*user));
	if (user == NULL || asprintf(&user->key, "%lu\t", (unsigned long)uid) < 0) {
		free(user);
		return NULL;
	}
	if (index_add(&table->users, user))
		return user;
	free(user->key);
	free(user);
	return NULL;
}

static void user_free(struct user *user)
{
	free(user->key);
	free(user);
}

void users_free(struct table *table)
{
	for (size_t i = 0; i < table->users.size; i++)
		if (index_at(&table->users, i) != NULL)
			user_free(index_at(&table->users, i));
	index_free(&table->users);
}

void process_disown(struct table *table, struct process *p)
{
	struct user *user = p->owner & OWNER_COUNTED ? user_find(table, p->uid) : NULL;

	p->owner &= (uint8_t) ~(OWNER_COUNTED | OWNER_FITS);
	if (user == NULL)
		return;
	/* One of those that he has besides may come in. */
	if (user->told)
		table->room = true;
	if (--user->rows > 0)
		return;
	index_remove(&table->users, user);
	user_free(user);
}

void table_own(struct table *table, struct process *p, uid_t uid)
{
	struct user *user;

	if (p->owner & OWNER_COUNTED && p->uid == uid)
		return;
	process_disown(table, p);
	p->uid = uid;
	user = user_make(table, uid);
	if (user == NULL)
		return;
	user->rows++;
	p->owner |= OWNER_COUNTED;
}

void process_own(struct table *table, struct process *p, uid_t uid)
{
	table_own(table, p, uid);
	p->owner |= OWNER_FITS;
}

static bool is_full(const struct table *table, uid_t uid)
{
	const struct user *user;

	if (table->user_most == 0 || uid == 0 || uid == table->user_free)
		return false;
	user = user_find(table, uid);
	return user != NULL && user->rows >= table->user_most;
}

enum admit table_admit(const struct table *table, const struct process *p, const char *name,
		       uid_t uid)
{
	bool his = p != NULL && p->owner & OWNER_COUNTED && p->uid == uid;

	if (table->owners != NULL && !(his && p->owner & OWNER_FITS) &&
	    !owners_allow(table->owners, name, uid))
		return ADMIT_OWNERS;
	return !his && is_full(table, uid) ? ADMIT_FULL : ADMIT_YES;
}

bool table_deny(struct table *table, const char *name, const struct seen *seen, enum admit why,
		struct now now)
{
	struct process *p = table_find(table, name, strlen(name));
	struct user *user = why == ADMIT_FULL ? user_find(table, seen->uid) : NULL;
	bool news;

	if (p == NULL && (p = process_new(table, name)) == NULL)
		return false;
	news = !(p->owner & OWNER_DENIED);
	if (p->owner & OWNER_COUNTED && p->uid != seen->uid)
		process_lose(table, p, now);
	if (!(p->flags & P_REFUSED))
		table->refused++;
	table->beaten = true; /* for the header tells it */
	p->flags |= P_REFUSED | P_FOUND;
	p->owner &= (uint8_t)~OWNER_FITS;
	p->owner |= OWNER_DENIED;
	if (user != NULL) {
		news = news && !user->told;
		user->told = true;
	}
	return news;
}

void table_owners(struct table *table, const struct owners *owners)
{
	table->owners = owners;
	table->room = true;
	for (size_t i = 0; i < table->index.size; i++) {
		struct process *p = index_at(&table->index, i);

		if (p != NULL)
			p->owner &= (uint8_t)~OWNER_FITS;
	}
}
