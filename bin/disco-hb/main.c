/*
 * disco-hb sends the heartbeats of a process: one, or one after the other
 * while it runs.  A heartbeat is a file in the spool; see disco-hb(1).
 */
#include "hb.h"

int main(int argc, char **argv)
{
	static struct options o; /* its texts are in use to the end */

	options_read(&o, argc, argv);
	if (o.path)
		return beat_path(&o);
	if (o.hold_fd >= 0)
		return beat_hold(&o);
	if (o.every_ms > 0)
		return run(&o);
	return beat_once(&o);
}
