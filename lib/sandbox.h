#ifndef DISCO_SANDBOX_H
#define DISCO_SANDBOX_H

/*
 * Shuts this process in for good: from here on it can compute, allocate, and
 * read and write what is open already; opening a file fails with EACCES and
 * all else with EPERM.  0, or -1 with errno.
 */
int sandbox_compute(void);

#endif
