/* One beat: a touch where nothing is new, else new content; and what else is done at once. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hb.h"
#include "version.h"

/* What lies in hb/NAME now. */
struct former {
	int fd;	   /* -1: nothing that can be read */
	int error; /* why it could not be opened or read, */
	const char *why;
	struct stat st;
	ssize_t len; /* -1: unreadable */
	char content[HEARTBEAT_LARGEST + 1];
	char cut[HEARTBEAT_LARGEST + 1]; /* the content again, cut up by the parser */
};

static void former_open(struct former *f, const struct options *o)
{
	char path[SPOOL_PATH];

	f->len = -1;
	f->fd = spool_open_heartbeat(AT_FDCWD, spool_heartbeat_path(path, o->dir, o->name), &f->st,
				     &f->why);
	f->error = f->fd == -1 ? errno : 0;
	if (f->fd != -1) {
		f->len = spool_read(f->fd, f->content, HEARTBEAT_LARGEST);
		f->error = f->len == -1 ? errno : 0;
	}
	if (f->error != 0 && f->why == NULL)
		f->why = strerror(f->error);
}

/* Whether something is there that could not be read now: it may say anything. */
static bool former_hidden(const struct former *f)
{
	return f->error != 0 && f->error != ENOENT && !spool_file_fault(f->error);
}

/* False when it is no heartbeat that can be understood. */
static bool former_parse(struct former *f, struct heartbeat *hb)
{
	if (f->len < 0)
		return false;
	memcpy(f->cut, f->content, (size_t)f->len);
	return heartbeat_parse(f->cut, (size_t)f->len, hb) == NULL;
}

/* Passwords are read from the file alone: a name service is not for a program that runs for a
 * millisecond. */
static void user_words(char *buf, size_t size, uid_t uid)
{
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd *pw;

	snprintf(buf, size, "%lu", (unsigned long)uid);
	while (f != NULL && (pw = fgetpwent(f)) != NULL)
		if (pw->pw_uid == uid) {
			snprintf(buf, size, "%s", pw->pw_name);
			break;
		}
	if (f != NULL)
		fclose(f);
}

void beat_complain(const struct options *o, int error)
{
	char path[SPOOL_PATH], user[64];
	struct stat st;
	const char *culprit;

	if (o->url != NULL) {
		warnx("%s: disco-http: %s", o->name, strerror(error));
		return;
	}
	spool_heartbeat_path(path, o->dir, o->name);
	if ((error == EPERM || error == EACCES) && lstat(path, &st) == 0 &&
	    st.st_uid != geteuid()) {
		user_words(user, sizeof(user), st.st_uid);
		warnx("%s: this heartbeat belongs to user %s", o->name, user);
	} else if ((error == ENOENT || error == ENOTDIR) &&
		   spool_create(o->dir, false, &culprit) != 0) {
		warnx("%s: %s; start disco-master as root, set DISCO_SPOOL or use -d", culprit,
		      strerror(errno));
	} else {
		warnx("%s: %s", path, strerror(error));
	}
}

int beat_deliver(const struct options *o, const struct text *content, bool over)
{
	const char *culprit;

	if (spool_deliver(o->dir, o->name, content->s, content->len, over, NULL) == 0)
		return 0;
	if (errno != ENOENT)
		return -1;
	if (spool_create(o->dir, false, &culprit) != 0) {
		errno = ENOENT;
		return -1;
	}
	return spool_deliver(o->dir, o->name, content->s, content->len, over, NULL);
}

/* State and reason as the command line has them. */
static void judge(struct heartbeat *hb, const struct options *o)
{
	static char reason[REASON_LONGEST + 1];

	hb->state = o->said.state;
	hb->reason = o->said.reason;
	if (o->leave)
		hb->state = STATE_INACTIVE;
	if (o->exit_status > 0) {
		int number = (int)o->exit_status - 128;

		hb->state = STATE_ERROR;
		snprintf(reason, sizeof(reason),
			 signal_known(number) ? "exit status %d (%s)" : "exit status %d",
			 (int)o->exit_status, signal_known(number) ? signal_words(number) : "");
		if (hb->reason == NULL)
			hb->reason = reason;
	}
	if (o->check == NULL)
		return;
	if (check_once(o->check,
		       o->said.limits.warn_ms > 0 ? o->said.limits.warn_ms : CHECK_LIMIT_MS,
		       &hb->state, reason) != 0)
		err(EXIT_CANNOT, "/bin/sh");
	hb->reason = reason;
}

/*
 * What to say.  A file that another process holds is about that process: what
 * it says of itself stays, and this is a report to it.
 */
static void compose(struct heartbeat *hb, const struct options *o, struct former *f)
{
	const char *wrong;
	bool about = (o->leave || heartbeat_says_held(f->content, f->len)) && former_parse(f, hb);

	if (about && !o->leave && !content_holder(hb, f->fd)) {
		heartbeat_free(hb);
		about = false;
	}
	if (!about) {
		*hb = *content_host();
		hb->held = o->held;
	}
	if (o->leave)
		hb->held = false;
	content_lay(hb, o);
	judge(hb, o);
	wrong = limits_check(&hb->limits, hb->every_ms);
	if (wrong != NULL && !o->leave)
		errx(EXIT_USAGE, "%s", wrong);
}

int beat_once(const struct options *o)
{
	static struct former f; /* where no page of it is touched that holds nothing */
	struct heartbeat hb;
	const struct text *content;

	f.fd = -1;
	f.len = -1;
	if (o->url != NULL && o->leave)
		return remote_leave(o);
	if (o->url == NULL)
		former_open(&f, o);
	if (o->leave && f.error == ENOENT)
		return EXIT_NO;
	/* What can't be read now is not written over: it may be another's, who holds it. */
	if (f.why != NULL && (o->leave || former_hidden(&f)))
		errx(EXIT_CANNOT, "%s: %s", o->name, f.why);
	compose(&hb, o, &f);
	content = content_print(&hb);
	if (content != NULL && o->url != NULL)
		return remote_post(o, &hb);
	heartbeat_free(&hb);
	if (content == NULL)
		errx(EXIT_USAGE, "more than the %d bytes of a heartbeat", HEARTBEAT_LARGEST);
	if (f.len == (ssize_t)content->len && memcmp(f.content, content->s, content->len) == 0) {
		if (futimens(f.fd, NULL) == 0)
			return EXIT_DONE;
	} else if (beat_deliver(o, content, S_ISREG(f.st.st_mode)) == 0) {
		return EXIT_DONE;
	}
	beat_complain(o, errno);
	return EXIT_CANNOT;
}

int beat_hold(const struct options *o)
{
	struct former f;
	struct heartbeat hb;
	struct stat st;
	int fd = (int)o->hold_fd, flags = fcntl(fd, F_GETFL);

	if (flags == -1)
		errx(EXIT_USAGE, "--hold %d: not an open descriptor", fd);
	if ((flags & O_ACCMODE) == O_RDONLY || flags & O_PATH)
		errx(EXIT_USAGE, "--hold %d: not open for writing", fd);
	former_open(&f, o);
	if (f.fd == -1 && f.error != ENOENT)
		errx(EXIT_CANNOT, "%s: %s", o->name, f.why);
	if (f.fd == -1 || fstat(fd, &st) != 0 || st.st_dev != f.st.st_dev ||
	    st.st_ino != f.st.st_ino)
		errx(EXIT_USAGE, "--hold %d: not the heartbeat of %s", fd, o->name);
	if (!former_parse(&f, &hb) || !hb.held)
		errx(EXIT_USAGE, "%s: does not say held=yes; send it with --held first", o->name);
	if (spool_lock(fd) != 0) {
		if (errno == EAGAIN)
			errx(EXIT_CANNOT, "%s: held by another process", o->name);
		err(EXIT_CANNOT, "%s", o->name);
	}
	if (futimens(fd, NULL) != 0) {
		beat_complain(o, errno);
		return EXIT_CANNOT;
	}
	return EXIT_DONE;
}

int beat_path(const struct options *o)
{
	char path[SPOOL_PATH];
	const char *culprit;

	/* For exec 9>>"$(disco-hb --path x)" the folder must be there; if it can't be, the shell
	 * will say so. */
	spool_create(o->dir, false, &culprit);
	printf("%s\n", spool_heartbeat_path(path, o->dir, o->name));
	if (fflush(stdout) != 0)
		err(EXIT_CANNOT, "stdout");
	return EXIT_DONE;
}
