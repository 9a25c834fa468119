/* Which files a process may open: landlock(7), by its three system calls, for glibc has none. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox.h"

/* Rights that may be younger than the headers we are compiled with. */
#define REFER (UINT64_C(1) << 13)
#define TRUNCATE (UINT64_C(1) << 14)
#define IOCTL_DEVICE (UINT64_C(1) << 15)

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* All of version 1 but running programs and making devices. */
#define WRITE                                                                   \
	(READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |         \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |           \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | REFER | TRUNCATE)
#define OF_A_FILE                                                       \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
	 LANDLOCK_ACCESS_FS_EXECUTE | TRUNCATE | IOCTL_DEVICE)

/*
 * What the kernel can forbid: 0 when it has no landlock, or it is switched off.
 * Version 1 forbids every move from one folder to another, so it is none for us.
 */
static uint64_t rights_known(void)
{
	long version =
	    syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	uint64_t rights = 0;

	if (version >= 2)
		rights = REFER | (REFER - 1);
	if (version >= 3)
		rights |= TRUNCATE;
	if (version >= 5)
		rights |= IOCTL_DEVICE;
	return rights;
}

bool sandbox_has_files(void)
{
	return rights_known() != 0;
}

static int path_allow(int ruleset, const struct sandbox_path *path, uint64_t known)
{
	static const uint64_t rights[] = {[SANDBOX_READ] = READ,
					  [SANDBOX_WRITE] = WRITE,
					  [SANDBOX_REMOVE] = LANDLOCK_ACCESS_FS_REMOVE_FILE};
	struct landlock_path_beneath_attr rule = {.allowed_access = rights[path->access] & known};
	struct stat st;
	int done, saved;

	rule.parent_fd = open(path->path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	done = fstat(rule.parent_fd, &st);
	if (done == 0) {
		if (!S_ISDIR(st.st_mode))
			rule.allowed_access &= OF_A_FILE;
		done = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
				    &rule, 0);
	}
	saved = errno;
	close(rule.parent_fd);
	errno = saved;
	return done;
}

int sandbox_files(const struct sandbox_path *paths, size_t count)
{
	struct landlock_ruleset_attr attr = {.handled_access_fs = rights_known()};
	int ruleset, done = 0, saved;

	if (attr.handled_access_fs == 0)
		return 0;
	ruleset =
	    (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	if (ruleset < 0)
		return -1;
	for (size_t i = 0; done == 0 && i < count; i++)
		done = path_allow(ruleset, &paths[i], attr.handled_access_fs);
	if (done == 0)
		done = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (done == 0)
		done = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
	saved = errno;
	close(ruleset);
	errno = saved;
	return done;
}
