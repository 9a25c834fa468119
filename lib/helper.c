/* Programs that ours run: where they lie. */
#include "helper.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The folder of this program, and behind it the rest. */
static const char *beside(char *buf, const char *middle, const char *name)
{
	ssize_t len = readlink("/proc/self/exe", buf, PATH_MAX - 1);
	char *slash;

	buf[len > 0 ? len : 0] = '\0';
	slash = strrchr(buf, '/');
	/* Without /proc it is sought from the root, and what is said of it names it. */
	if (slash == NULL)
		slash = buf;
	snprintf(slash, HELPER_PATH - (size_t)(slash - buf), "/../%s/disco/%s", middle, name);
	return buf;
}

const char *helper_path(char *buf, const char *name)
{
	return beside(buf, "libexec", name);
}

const char *helper_share(char *buf, const char *name)
{
	return beside(buf, "share", name);
}
