/* Who may have which name in a spool. */
#include "owners.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "match.h"

#define GLOB_LONGEST 256 /* bytes */

static const char no_memory[] = "out of memory";

static const char *who_add(struct owners_rule *rule, bool group, unsigned id)
{
	struct owners_who *who = reallocarray(rule->who, rule->count + 1, sizeof(rule->who[0]));

	if (who == NULL)
		return no_memory;
	rule->who = who;
	rule->who[rule->count++] = (struct owners_who){group, id};
	return NULL;
}

/* Those whose group it is, and those whom it names besides. */
static const char *group_add(struct owners_rule *rule, const char *name)
{
	const struct group *group;
	const struct passwd *pw;
	const char *why;

	errno = 0;
	group = getgrnam(name);
	if (group == NULL)
		return errno != 0 && errno != ENOENT ? strerror(errno) : "no such group";
	why = who_add(rule, true, group->gr_gid);
	for (char **member = group->gr_mem; why == NULL && *member != NULL; member++)
		if ((pw = getpwnam(*member)) != NULL)
			why = who_add(rule, false, pw->pw_uid);
	return why;
}

static const char *user_add(struct owners_rule *rule, const char *name)
{
	const struct passwd *pw;
	int64_t uid;

	if (name[0] == '@')
		return group_add(rule, name + 1);
	if (number_parse(name, 0, UINT32_MAX - 1, &uid) == NULL)
		return who_add(rule, false, (unsigned)uid);
	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL)
		return errno != 0 && errno != ENOENT ? strerror(errno) : "no such user";
	return who_add(rule, false, pw->pw_uid);
}

static const char *rule_add(struct owners *owners, const char *glob)
{
	struct owners_rule *rules =
	    reallocarray(owners->rules, owners->count + 1, sizeof(owners->rules[0]));

	if (rules == NULL)
		return no_memory;
	owners->rules = rules;
	rules[owners->count++] = (struct owners_rule){.glob = glob};
	return strlen(glob) > GLOB_LONGEST ? "a pattern has at most 256 bytes" : NULL;
}

/* One line; NULL, or what is wrong with it, in *word of which word, if any. */
static const char *line_parse(struct owners *owners, char *line, const char **word)
{
	const char *why = NULL;
	char *rest = line, *next;
	bool first = true;

	*word = NULL;
	while (why == NULL && (next = strsep(&rest, " \t\r")) != NULL) {
		if (*next == '\0')
			continue;
		if (*next == '#')
			break;
		*word = next;
		why = first ? rule_add(owners, next)
			    : user_add(&owners->rules[owners->count - 1], next);
		first = false;
	}
	if (why == NULL && !first && owners->rules[owners->count - 1].count == 0)
		why = "no user behind it";
	return why;
}

bool owners_parse(struct owners *owners, const char *text, size_t len, struct text *why)
{
	const char *wrong = NULL, *word = NULL;
	size_t number = 0;
	char *rest, *line;

	*owners = (struct owners){.text = strndup(text, len)};
	if (memchr(text, '\0', len) != NULL)
		wrong = "a NUL in the file";
	else if (owners->text == NULL)
		wrong = no_memory;
	rest = owners->text;
	while (wrong == NULL && (line = strsep(&rest, "\n")) != NULL) {
		number++;
		wrong = line_parse(owners, line, &word);
	}
	if (wrong == NULL)
		return true;
	text_printf(why, "%zu: ", number);
	if (word != NULL) {
		text_safe(why, word, strlen(word));
		text_string(why, ": ");
	}
	text_string(why, wrong);
	owners_free(owners);
	return false;
}

void owners_free(struct owners *owners)
{
	for (size_t i = 0; i < owners->count; i++)
		free(owners->rules[i].who);
	free(owners->rules);
	free(owners->text);
	*owners = (struct owners){0};
}

static bool who_is(const struct owners_who *who, uid_t uid)
{
	const struct passwd *pw;

	if (!who->group)
		return who->id == uid;
	pw = getpwuid(uid);
	return pw != NULL && pw->pw_gid == who->id;
}

bool owners_allow(const struct owners *owners, const char *name, uid_t uid)
{
	for (size_t i = 0; i < owners->count; i++) {
		const struct owners_rule *rule = &owners->rules[i];

		if (!match_glob(rule->glob, name))
			continue;
		for (size_t j = 0; j < rule->count; j++)
			if (who_is(&rule->who[j], uid))
				return true;
		return false;
	}
	return true;
}
