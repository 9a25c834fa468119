/* The least that a test needs to print TAP. */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int tap_count, tap_failures;

static inline bool __attribute__((format(printf, 2, 3))) ok(bool yes, const char *format, ...)
{
	va_list ap;

	printf("%sok %d - ", yes ? "" : "not ", ++tap_count);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	tap_failures += !yes;
	return yes;
}

static inline int tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failures > 0;
}

#endif
