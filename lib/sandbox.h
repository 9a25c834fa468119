#ifndef DISCO_SANDBOX_H
#define DISCO_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Shuts this process in for good: from here on it can compute, allocate, and
 * read and write what is open already; opening a file fails with EACCES and
 * all else with EPERM.  0, or -1 with errno.
 */
int sandbox_compute(void);

/*
 * The same for one that starts such processes: it may fork, kill, wait, make
 * socket pairs and send descriptors too, and lay sandbox_compute over that, but
 * run no program.
 */
int sandbox_fork(void);

/*
 * The same for one that answers others: it may use files, and sockets that are
 * open, and send a datagram; but start nothing, neither a process nor a program.
 */
int sandbox_serve(void);

/* A sanitizer needs what is forbidden in there. */
#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED 0
#endif

/* A file, or a folder and all below it. */
struct sandbox_path {
	const char *path;
	enum {
		SANDBOX_READ,
		SANDBOX_WRITE, /* and read, create, rename, remove */
		SANDBOX_REMOVE /* files, and no more */
	} access;
};

/*
 * From here on this process, and those that it starts, can open no files but
 * these; what is open already stays so.  A path that does not exist is left
 * out.  All that this kernel's landlock(7) knows about files is forbidden
 * elsewhere; where it has none nothing is done (sandbox_has_files).  0, or -1
 * with errno.
 */
int sandbox_files(const struct sandbox_path *paths, size_t count);
bool sandbox_has_files(void);

#endif
