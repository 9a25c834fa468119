#ifndef DISCO_NOTIFY_H
#define DISCO_NOTIFY_H

#include <stddef.h>

/*
 * Tells the service manager a state, such as "READY=1": sends it to
 * $NOTIFY_SOCKET, a path or @abstract.  0 when it is sent or when there is no
 * such socket, or -1 with errno.
 */
int notify_send(const char *state);

/*
 * The same to a socket of that name, len bytes, with descriptors (fd_count of
 * them, at most NOTIFY_FDS).  Never waits: a full socket is EAGAIN.
 */
#define NOTIFY_FDS 16
int notify_forward(const char *name, const char *state, size_t len, const int *fds,
		   size_t fd_count);

/*
 * Opens a socket to listen on, non-blocking and close-on-exec, under an
 * abstract name that nobody can guess; its name, as it goes into
 * $NOTIFY_SOCKET, is written into a buffer of NOTIFY_NAME bytes.
 * Returns the descriptor, or -1 with errno.
 */
#define NOTIFY_NAME 64
int notify_listen(char *name);

/*
 * Receives one message into buf, terminated by a NUL (size counts it), and the
 * descriptors that came with it (*fd_count of them, close-on-exec), which the
 * caller closes.  What comes from a user who is neither ours nor root, or is
 * longer, is dropped: the length is then 0.  Returns the length, or -1 with
 * errno (EAGAIN when there is none).
 */
long notify_receive(int fd, char *buf, size_t size, int *fds, size_t *fd_count);

#endif
