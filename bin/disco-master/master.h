#ifndef DISCO_MASTER_H
#define DISCO_MASTER_H

#include <sys/queue.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "owners.h"
#include "scan.h"
#include "segment.h"
#include "table.h"

/* A file that must be looked at again; there is a queue for each delay, so each is in order. */
#define AGAIN_DELAYS 4
struct again {
	STAILQ_ENTRY(again) next;
	int64_t at_ms; /* CLOCK_MONOTONIC */
	unsigned nudge;
	int attempt;
	char name[]; /* with its NUL */
};

/* The table on its way into the spool. */
struct publisher {
	int fd; /* of the file being written, or -1 */
	size_t next_row;
	int64_t begun_ms, not_before_ms;
	uint64_t seq, published; /* of the one being written, of the one that is there */
	bool failing;		 /* said so already */
	struct text slice;
};

struct master {
	const char *dir, *state_dir;
	int64_t tick_ms;
	bool scans; /* this file system tells nothing: look at every tick */
	bool verbose;
	char boot[40];
	const char *owners_path; /* of --owners, or NULL */
	struct owners owners;
	size_t user_most; /* rows of one user, 0: no limit */
	struct table *table;
	struct scan scan;
	struct log log;
	struct log_limits log_limits;
	struct publisher publisher;
	int lockfd, urgentfd, beatsfd;
	int spool_wd; /* urgentfd's watch of the spool itself */
	int mountsfd; /* has something when a file system came or went; or -1 */
	STAILQ_HEAD(again_queue, again) again[AGAIN_DELAYS];
	size_t agains;	  /* in all queues */
	bool scanned;	  /* in this pass, which may have taken long */
	bool worked;	  /* since the last tick */
	bool rescan;	  /* events were lost: look at every file */
	bool detached;	  /* the spool went away under us */
	bool log_failing; /* events wait in memory; said so already */
	bool segment_failing;
	bool beat_failing; /* said so already */
	uint64_t misnamed, unread;
	int64_t urgent_after_ms, beats_after_ms; /* when each queue may be drained again */
	int64_t tick_at_ms, sweep_at_ms, cpu_ms, suspended_ms;
	uint64_t kept_seq; /* the last table that it was told of */
	pid_t keeper;	   /* writes state_dir; 0 if there is none */
	int keeper_pipe;
	struct text scratch;
};

/* spool.c: the spool's folders, lock and watches. */

/* Opens it all, making what is missing.  NULL, or what went wrong (in a static buffer). */
const char *spool_attach(struct master *);
void spool_detach(struct master *);
/* Whether another spool, or none, is found where ours was: something was mounted there, say. */
bool spool_covered(const struct master *);
/* The master's own heartbeat: its lock is touched. */
void spool_beat(struct master *);
/* Removes what senders left in tmp/ more than an hour ago. */
void spool_sweep(const struct master *);
/* Removes hb/NAME for good: the table's forget. */
enum forget spool_forget(void *master, const struct process *);

/* owners.c: who may have which name. */
/* Reads the file of --owners, if there is one; exits when it is wrong. */
void owners_load(struct master *);
/* Reads it again; what is wrong with it is said, and the former owners stay in force. */
void owners_reload(struct master *);

/* drain.c: from inotify to the table. */
int drain_urgent(struct master *, struct now); /* how much there was */
void drain_beats(struct master *, struct now);
void drain_again(struct master *, struct now);
/* When the next look is due, or INT64_MAX. */
void again_free(struct master *);
int64_t again_due(const struct master *);
void scan_spool(struct master *);

/* publish.c: from the table to its readers. */
void publish_events(struct master *);
/* Does the next slice of what is to be written; true when there is more to do at once. */
bool publish(struct master *, bool tick, struct now);
/* Writes the table whole, now.  0, or -1 with errno. */
int publish_all(struct master *, struct now);

/* keep.c: the copy that outlives a reboot. */
int keeper_start(struct master *);
void keeper_tell(struct master *);
void keeper_stop(struct master *);

#endif
