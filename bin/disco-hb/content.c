/* What a heartbeat says: the host's facts, the command line's words, the process's identity. */
#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "hb.h"
#include "version.h"

const struct heartbeat *content_host(void)
{
	static char name[HOST_NAME], ip[HOST_IP];
	static struct heartbeat host;
	static bool known;

	if (!known) {
		host.host = host_name(name) == 0 ? name : NULL;
		host.ip = host_ip(ip) == 0 ? ip : NULL;
		known = true;
	}
	return &host;
}

/* Where a port of this host is found, by others too. */
static const char *address_of(int64_t port)
{
	static char address[HOST_NAME + HOST_IP + 16];
	const struct heartbeat *host = content_host();
	const char *at = host->ip != NULL ? host->ip : host->host;
	bool brackets = at != NULL && strchr(at, ':') != NULL;

	if (at == NULL)
		errx(EXIT_CANNOT, "-p: this host has neither an address nor a name; use -a");
	snprintf(address, sizeof(address), brackets ? "[%s]:%d" : "%s:%d", at, (int)port);
	return address;
}

void content_lay(struct heartbeat *hb, const struct options *o)
{
	const struct heartbeat *said = &o->said;

	if (said->service != NULL)
		hb->service = said->service;
	if (said->address != NULL)
		hb->address = said->address;
	if (o->port > 0)
		hb->address = address_of(o->port);
	if (said->version != NULL)
		hb->version = said->version;
	if (said->limits.warn_ms > 0)
		hb->limits.warn_ms = said->limits.warn_ms;
	if (said->limits.error_ms > 0)
		hb->limits.error_ms = said->limits.error_ms;
	if (said->limits.forget_ms > 0)
		hb->limits.forget_ms = said->limits.forget_ms;
	if (hb->extras == NULL) {
		hb->extras = said->extras;
		hb->lent = true;
		hb->extra_count = said->extra_count;
		return;
	}
	for (size_t i = 0; i < said->extra_count; i++)
		if (!heartbeat_extra(hb, said->extras[i].key, said->extras[i].value))
			errx(EXIT_USAGE, "%s: too many keys", said->extras[i].key);
}

static const char *boot_id(void)
{
	static char boot[HOST_BOOT_ID];

	return boot[0] != '\0' || host_boot_id(boot) == 0 ? boot : NULL;
}

void content_process(struct heartbeat *hb, pid_t pid, char *start)
{
	hb->pid = pid;
	hb->boot = boot_id();
	hb->start = host_start_time(pid, start) == 0 ? start : NULL;
}

/* Without malloc, which would be a third of the system calls of a beat; and all in one place, for
 * each page that is touched costs more than a call.  It never grows (see options_read). */
static char room[OPTIONS_LONGEST + CONTENT_ROOM], *rest = room;

char *content_keep(size_t len)
{
	if (len > OPTIONS_LONGEST - (size_t)(rest - room))
		return NULL;
	rest += len;
	return rest - len;
}

const struct text *content_print(const struct heartbeat *hb)
{
	static struct text text;

	text = (struct text){.s = rest, .size = CONTENT_ROOM};
	heartbeat_print(hb, &text);
	return text.len <= HEARTBEAT_LARGEST ? &text : NULL;
}

bool content_holder(const struct heartbeat *hb, int fd)
{
	char start[HOST_START_TIME];
	const char *boot;

	if (!hb->held)
		return false;
	if (spool_locked(fd) == 1)
		return true;
	/* A report that a holder has not yet taken up lies unlocked for a moment. */
	if (hb->pid == 0 || hb->boot == NULL || hb->start == NULL)
		return false;
	boot = boot_id();
	return boot != NULL && strcmp(boot, hb->boot) == 0 &&
	       host_start_time((pid_t)hb->pid, start) == 0 && strcmp(start, hb->start) == 0;
}
