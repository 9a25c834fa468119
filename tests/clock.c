/*
 * Preloaded into a daemon: its CLOCK_REALTIME is DISCO_CLOCK_REAL seconds
 * ahead, or what the file named by DISCO_CLOCK_FILE says at that moment (two
 * numbers: seconds for CLOCK_REALTIME, seconds for CLOCK_BOOTTIME).
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void ahead(long *real, long *boot)
{
	const char *text = getenv("DISCO_CLOCK_REAL"), *path = getenv("DISCO_CLOCK_FILE");
	FILE *file = path != NULL ? fopen(path, "re") : NULL;

	*real = text != NULL ? strtol(text, NULL, 10) : 0;
	*boot = 0;
	if (file != NULL) {
		if (fscanf(file, "%ld %ld", real, boot) < 1)
			*real = 0;
		fclose(file);
	}
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*next)(clockid_t, struct timespec *);
	long real, boot;
	int result;

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "clock_gettime");
	result = next(id, ts);
	if (id != CLOCK_REALTIME && id != CLOCK_BOOTTIME)
		return result;
	ahead(&real, &boot);
	ts->tv_sec += id == CLOCK_REALTIME ? real : boot;
	return result;
}

time_t time(time_t *at)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (at != NULL)
		*at = ts.tv_sec;
	return ts.tv_sec;
}
