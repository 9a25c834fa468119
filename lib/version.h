#ifndef DISCO_VERSION_H
#define DISCO_VERSION_H

#ifndef DISCO_VERSION
#define DISCO_VERSION "unknown"
#endif

/* Exit statuses of every program. */
#define EXIT_DONE 0   /* done, or yes */
#define EXIT_NO 1     /* no: nothing matched, not in that state */
#define EXIT_USAGE 2  /* asked wrongly */
#define EXIT_CANNOT 3 /* could not be done now */
#define EXIT_WAITED 4 /* gave up waiting */

#endif
