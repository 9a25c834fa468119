/* disco-serve shuts itself in: what it needs is open, and more it shall not have, whoever takes it
 * over. */
#include <err.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "duration.h"
#include "sandbox.h"
#include "serve.h"
#include "version.h"

#define PATHS_MOST (16 + LISTENS)

static struct sandbox_path paths[PATHS_MOST];
static size_t path_count;

void cage_allow(const char *path, int access)
{
	if (path == NULL)
		return;
	if (path_count == PATHS_MOST)
		errx(EXIT_CANNOT, "too many paths");
	paths[path_count].path = strdup(path);
	if (paths[path_count].path == NULL)
		err(EXIT_CANNOT, NULL);
	paths[path_count++].access = access;
}

void cage_allow_folder(const char *path, int access)
{
	char *copy = strdup(path);

	if (copy == NULL)
		err(EXIT_CANNOT, NULL);
	cage_allow(dirname(copy), access);
	free(copy);
}

/* The folder of a file that may be replaced and read again, and of what it may be a link to. */
static void allow_file(const char *path)
{
	char *real = path == NULL ? NULL : realpath(path, NULL);

	if (path == NULL)
		return;
	cage_allow_folder(path, SANDBOX_READ);
	if (real != NULL)
		cage_allow_folder(real, SANDBOX_READ);
	free(real);
}

void cage_user(void)
{
	const struct passwd *user;
	int64_t uid;

	if (serve.user == NULL)
		return;
	user = getpwnam(serve.user);
	if (user == NULL && number_parse(serve.user, 0, UINT32_MAX - 1, &uid) == NULL)
		user = getpwuid((uid_t)uid);
	if (user == NULL)
		errx(EXIT_USAGE, "--user %s: no such user", serve.user);
	if (user->pw_uid == geteuid() && user->pw_uid == getuid())
		return;
	if (initgroups(user->pw_name, user->pw_gid) < 0 ||
	    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)
		err(EXIT_CANNOT, "--user %s", serve.user);
}

void cage_close(void)
{
	/* No tracing of us by others of the user's, and no secrets in a core. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		err(EXIT_CANNOT, "prctl");
	tzset();
	cage_allow(serve.dir, SANDBOX_WRITE);
	allow_file(serve.tokens);
	allow_file(serve.cert);
	allow_file(serve.key);
	allow_file(serve.client_ca);
	if (SANDBOX_SANITIZED)
		return;
	if (sandbox_files(paths, path_count) < 0)
		err(EXIT_CANNOT, "landlock");
	if (sandbox_serve() < 0)
		err(EXIT_CANNOT, "seccomp");
}
