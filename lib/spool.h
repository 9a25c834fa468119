#ifndef DISCO_SPOOL_H
#define DISCO_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/*
 * The spool's tree.  No path inside it is built anywhere else.  This file is
 * for musl and glibc alike and uses no library but libc.
 */

/*
 * The folder of the spool: dir if not NULL, else DISCO_SPOOL, else /run/disco
 * if it exists or we are root, else /run/user/UID/disco where /run/user/UID
 * exists, else /tmp/disco-UID.  The answer lives until the next call.  NULL
 * with errno when it is too long for a path, or (EPERM) when the folder in /tmp is not ours alone.
 */
const char *spool_dir(const char *dir);
/* After that NULL, before anything else: why, in words.  They live until the next call. */
const char *spool_dir_why(void);

/* Paths of things in a spool, for open(2) and for messages; into a buffer of SPOOL_PATH bytes. */
#define SPOOL_PATH 4096
#define SPOOL_TABLE "table"
#define SPOOL_LOCK "master.lock"
#define SPOOL_HB "hb"
#define SPOOL_TMP "tmp"
#define SPOOL_EVENTS "events"
const char *spool_path(char *buf, const char *dir, const char *what);
const char *spool_heartbeat_path(char *buf, const char *dir, const char *name);

/*
 * Makes what is missing of the spool: the folder itself (its parents must
 * exist) 0755, or 0700 if it is /tmp/disco-UID; hb and tmp 1777; and events 0755 if with_events.
 * What exists is left as it is.  0, or -1 with errno; *culprit then names the path.
 */
int spool_create(const char *dir, bool with_events, const char **culprit);

/*
 * Opens a heartbeat file safely: never through a link, never waiting, and
 * only a regular file with one link, of at most HEARTBEAT_LARGEST bytes.
 * hbfd is the descriptor of hb/ (or AT_FDCWD with a whole path as name).
 * Returns a descriptor and fills in *st; or -1 with errno, ENOENT when there
 * is none, and *why says in words what is wrong with it (*st is that of the
 * file then, or zero).
 */
int spool_open_heartbeat(int hbfd, const char *name, struct stat *st, const char **why);

/*
 * Reads a file opened so, size bytes at most.  Returns the length, or -1 with
 * errno (EFBIG when there is more).
 */
ssize_t spool_read(int fd, char *buf, size_t size);

/* Whether such an error of these two tells of the file; else it may be read a moment later. */
bool spool_file_fault(int error);

/*
 * Delivers new content for a process: writes tmp/NAME.XXXXXX and moves it
 * onto hb/NAME, whole.  over: hb/NAME is there and is a regular file (it is
 * then exchanged, which spares ext4 its flush).  If held is not NULL the file
 * stays open under a write lock, taken before the move, and *held is its
 * descriptor (close-on-exec).  0, or -1 with errno; nothing is left behind then.
 * A former file that somebody holds is left in tmp/ (see spool_discard).
 */
int spool_deliver(const char *dir, const char *name, const char *content, size_t len, bool over,
		  int *held);

/*
 * The parts of a delivery, for one who keeps his files.  spool_temp makes an
 * empty file tmp/NAME.XXXXXX, 0644 and close-on-exec, and returns its
 * descriptor (open for writing) and, in a buffer of SPOOL_PATH bytes, its path.
 * spool_write puts the content in place of what the file has.  spool_move
 * moves such a file onto hb/NAME and returns 0; with over, 1 when the two were
 * exchanged, so that the former hb/NAME is now at that path.  spool_discard
 * removes what was exchanged so, unless somebody holds it: that one will look
 * for it there.  -1 with errno when it didn't work.
 */
int spool_temp(const char *dir, const char *name, char *path);
int spool_move(const char *dir, const char *name, const char *path, bool over);
int spool_write(int fd, const char *content, size_t len);
int spool_discard(const char *path);

/*
 * Locks: F_OFD_* write locks over the whole file.  spool_lock takes one (0, or
 * -1 with errno EAGAIN when another has it); spool_locked asks whether anybody
 * else holds one and takes nothing (1, 0, or -1).
 */
int spool_lock(int fd);
int spool_locked(int fd);

#endif
