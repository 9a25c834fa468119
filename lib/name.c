/* What a process may be called, decided in one place and before any path is built. */
#include "name.h"

static int allowed(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == ':' || c == '@' || c == '+' || c == '-';
}

const char *name_check(const char *name)
{
	size_t n;

	if (name[0] == '\0')
		return "an empty name";
	if (name[0] == '.' || name[0] == '-')
		return "a name must not begin with a dot or a hyphen";
	for (n = 0; name[n] != '\0'; n++)
		if (!allowed(name[n]))
			return "a name has letters, digits and . _ : @ + - only";
	if (n > NAME_LONGEST)
		return "a name has at most 128 bytes";
	return NULL;
}
