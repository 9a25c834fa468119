#ifndef DISCO_HOST_H
#define DISCO_HOST_H

#include <sys/types.h>

/* What a heartbeat says of its host and process.  Each writes a text and returns 0, or -1 when it
 * can't be known. */

#define HOST_NAME 65 /* bytes of a buffer */
int host_name(char *buf);

/*
 * The address of the first interface that is up and not the loopback: IPv4,
 * or where there is none a global IPv6.  Few system calls: every one-shot
 * heartbeat asks.
 */
#define HOST_IP 46
int host_ip(char *buf);

/* The id of this boot of the kernel, and when a process started, in ticks since that boot. */
#define HOST_BOOT_ID 37
int host_boot_id(char *buf);
#define HOST_START_TIME 24
int host_start_time(pid_t pid, char *buf);

#endif
