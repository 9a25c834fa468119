/* The server's own heartbeat: held, so that its death is seen at once; those who came through it
 * wait for it. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "host.h"
#include "name.h"
#include "serve.h"
#include "spool.h"
#include "version.h"

/* Often, so that who came through us is not judged while it is we who stand still. */
#define EVERY_MS 500
#define WARN_MS 3000

static struct heartbeat hb;
static struct text content;
static int held = -1;
static int64_t next_ms;
static bool complained;

static void complain(void)
{
	if (!complained)
		warn("%s/%s/%s", serve.dir, SPOOL_HB, serve.name);
	complained = true;
}

/* Whether the file that we hold is the one in hb/. */
static bool in_place(bool *over)
{
	char path[SPOOL_PATH];
	struct stat there, ours;

	*over = lstat(spool_heartbeat_path(path, serve.dir, serve.name), &there) == 0 &&
		S_ISREG(there.st_mode);
	return *over && held >= 0 && fstat(held, &ours) == 0 && ours.st_ino == there.st_ino &&
	       ours.st_dev == there.st_dev;
}

static void put(bool over, bool hold)
{
	int fd = -1;

	text_clear(&content);
	heartbeat_print(&hb, &content);
	if (spool_deliver(serve.dir, serve.name, content.s, content.len, over, hold ? &fd : NULL) <
	    0) {
		complain();
		return;
	}
	complained = false;
	if (held >= 0)
		close(held);
	held = fd;
}

void own_beat(void)
{
	int64_t now_ms = clock_mono_ms();
	bool over;

	if (now_ms < next_ms || serve.ending)
		return;
	next_ms = now_ms + EVERY_MS;
	if (in_place(&over)) {
		if (futimens(held, NULL) < 0)
			complain();
	} else {
		put(over, true);
	}
}

void own_start(void)
{
	static char ip[HOST_IP], boot[HOST_BOOT_ID], start[HOST_START_TIME], address[128];

	snprintf(serve.name, sizeof(serve.name), "disco-serve@%s:%s", serve.host, serve.port);
	/* A host's name may have letters that ours may not. */
	for (char *s = serve.name; *s != '\0'; s++)
		if (name_check((char[]){*s, '\0'}) != NULL && strchr(".-", *s) == NULL)
			*s = '_';
	hb = (struct heartbeat){.service = "disco-serve",
				.host = serve.host,
				.pid = getpid(),
				.version = DISCO_VERSION,
				.every_ms = EVERY_MS,
				.limits.warn_ms = WARN_MS,
				.held = true};
	if (host_ip(ip) == 0)
		hb.ip = ip;
	if (host_boot_id(boot) == 0)
		hb.boot = boot;
	if (host_start_time(getpid(), start) == 0)
		hb.start = start;
	if (snprintf(address, sizeof(address), "%s", serve.address) > 0)
		hb.address = address;
	own_beat();
}

void own_leave(void)
{
	bool over;

	hb.state = STATE_INACTIVE;
	hb.held = false;
	in_place(&over);
	put(over, false);
}
