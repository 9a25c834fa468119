/*
 * disco-jq runs jq programs that others wrote: over rows, or as procedures.  It
 * alone is linked with libjq, and shuts itself in before it looks at a program.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "duration.h"
#include "run.h"

#define PROCESSOR_S 10	     /* of a procedure that runs once */
#define KEPT_PROCESSOR_S 600 /* of a process that is kept */

static int usage(void)
{
	fputs("usage: disco-jq program\n"
	      "       disco-jq --worker MiB\n"
	      "       disco-jq --keeper MiB\n",
	      stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct cage cage = {.processor_s = PROCESSOR_S};
	const char *why;
	int64_t memory;

	cage_no_environment();
	if (argc == 2 && argv[1][0] != '\0')
		return rows_run(argv[1]);
	if (argc != 3)
		return usage();
	why = number_parse(argv[2], 16, 1 << 20, &memory);
	if (why != NULL)
		errx(EXIT_USAGE, "%s: %s", argv[2], why);
	cage.memory = (rlim_t)memory << 20;
	if (strcmp(argv[1], "--worker") == 0)
		_exit(worker_run(STDIN_FILENO, &cage)); /* what it keeps is not lost */
	cage.processor_s = KEPT_PROCESSOR_S;
	return strcmp(argv[1], "--keeper") == 0 ? keeper_run(STDIN_FILENO, &cage) : usage();
}
