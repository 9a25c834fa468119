#ifndef DISCO_NAME_H
#define DISCO_NAME_H

#include <stddef.h>

#define NAME_LONGEST 128 /* bytes */

/*
 * Says what is wrong with a process name, or NULL when it may be used as a
 * file name in the spool: 1 to NAME_LONGEST of A-Z a-z 0-9 . _ : @ + -, not
 * beginning with a dot or a hyphen.
 */
const char *name_check(const char *name);

#endif
