#ifndef DISCO_HELPER_H
#define DISCO_HELPER_H

#include <limits.h>

#define HELPER_PATH (PATH_MAX + 64) /* bytes of a buffer */

/*
 * Writes where a program of ours lies that people do not run, such as
 * "disco-http": in libexec/disco beside the folder of the program that we are.
 * Whether it is there is found out by running it.  Returns the buffer.
 */
const char *helper_path(char *buf, const char *name);

/* The same of what is no program: in share/disco. */
const char *helper_share(char *buf, const char *name);

#endif
