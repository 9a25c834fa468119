/* Where the beats of a run go: to files that are held, or to a server. */
#include <errno.h>
#include <sys/wait.h>

#include "hb.h"
#include "version.h"

void carrier_init(struct carrier *c, const struct options *o)
{
	c->o = o;
	hold_init(&c->hold, o->dir, o->name);
	remote_init(&c->remote, o);
}

int carrier_prepare(struct carrier *c)
{
	return c->o->url != NULL ? remote_prepare(&c->remote) : hold_prepare(&c->hold);
}

void carrier_inherit(const struct carrier *c, bool inherit)
{
	if (c->o->url != NULL)
		remote_inherit(&c->remote, inherit);
	else
		hold_inherit(&c->hold, inherit);
}

enum hold_look carrier_look(struct carrier *c)
{
	if (c->o->url != NULL)
		return remote_runs(&c->remote) ? HOLD_OURS : HOLD_MISSING;
	return hold_look(&c->hold);
}

int carrier_touch(struct carrier *c)
{
	if (c->o->url == NULL)
		return hold_touch(&c->hold);
	remote_touch(&c->remote);
	return 0;
}

/* What a file could not hold is not for a server either. */
static const struct text *content_of(const struct heartbeat *hb)
{
	const struct text *content = content_print(hb);

	if (content == NULL)
		errno = EFBIG;
	return content;
}

int carrier_deliver(struct carrier *c, const struct heartbeat *hb)
{
	const struct text *content = content_of(hb);

	if (content == NULL)
		return -1;
	return c->o->url != NULL ? remote_deliver(&c->remote, hb) : hold_deliver(&c->hold, content);
}

int carrier_finish(struct carrier *c, const struct heartbeat *hb)
{
	const struct text *content = content_of(hb);

	if (content == NULL)
		return -1;
	return c->o->url != NULL ? remote_finish(&c->remote, hb) : hold_finish(&c->hold, content);
}

void carrier_end(struct carrier *c)
{
	if (c->o->url != NULL)
		remote_end(&c->remote);
	else
		hold_end(&c->hold);
}

bool carrier_reaped(struct carrier *c, pid_t pid, int status)
{
	if (pid != c->remote.pid)
		return false;
	c->remote.pid = 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO;
}
