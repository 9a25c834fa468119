/* disco-master: compacts the heartbeat files of a spool into the discovery table. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "duration.h"
#include "host.h"
#include "master.h"
#include "notify.h"
#include "spool.h"
#include "turns.h"
#include "version.h"
#include "view.h"

#define BEATS_MS 2 /* between two drains of the beats, or of changes that come in crowds */
#define CROWD 3	   /* changes at once */
#define SWEEP_MS 600000
#define LATE_MS 20 /* after the time that we wanted to be woken */

static volatile sig_atomic_t stop, reload;

static void on_stop(int signo)
{
	stop = signo;
}

static void on_reload(int signo)
{
	reload = signo;
}

static _Noreturn void usage(int status)
{
	fprintf(status == 0 ? stdout : stderr,
		"usage: disco-master [-v] [-d dir] [-w warn] [-e error] [-f forget] [-t tick]\n"
		"                    [--state dir] [--scan] [--segment-size bytes] [--segments n]\n"
		"                    [--log-size bytes] [--owners file] [--max-per-user n]\n");
	exit(status);
}

static int64_t duration_option(const char *option, const char *text)
{
	int64_t ms;
	const char *why = duration_parse(text, &ms);

	if (why != NULL)
		errx(EXIT_USAGE, "%s %s: %s", option, text, why);
	return ms;
}

static int64_t size_option(const char *option, const char *text, int64_t least)
{
	uint64_t n;

	if (expand_number(text, &n) < 0 || n > INT64_MAX || (int64_t)n < least)
		errx(EXIT_USAGE, "%s %s: not a size from %lld on; write 65536, 64K or 16M", option,
		     text, (long long)least);
	return (int64_t)n;
}

static void options(struct master *m, struct limits *limits, int argc, char **argv)
{
	enum {
		STATE = 256,
		SCAN,
		SEGMENT_SIZE,
		SEGMENTS,
		LOG_SIZE,
		OWNERS,
		MAX_PER_USER,
		PROGRAM_VERSION
	};
	static const struct option longs[] = {
	    {"dir", required_argument, NULL, 'd'},
	    {"warn", required_argument, NULL, 'w'},
	    {"error", required_argument, NULL, 'e'},
	    {"forget", required_argument, NULL, 'f'},
	    {"tick", required_argument, NULL, 't'},
	    {"state", required_argument, NULL, STATE},
	    {"scan", no_argument, NULL, SCAN},
	    {"segment-size", required_argument, NULL, SEGMENT_SIZE},
	    {"segments", required_argument, NULL, SEGMENTS},
	    {"log-size", required_argument, NULL, LOG_SIZE},
	    {"owners", required_argument, NULL, OWNERS},
	    {"max-per-user", required_argument, NULL, MAX_PER_USER},
	    {"verbose", no_argument, NULL, 'v'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, PROGRAM_VERSION},
	    {NULL, 0, NULL, 0},
	};
	struct limits asked = {0};
	const char *why;
	int64_t n;
	int c;

	while ((c = getopt_long(argc, argv, "d:w:e:f:t:vh", longs, NULL)) != -1) {
		switch (c) {
		case 'd': m->dir = optarg; break;
		case 'w': asked.warn_ms = duration_option("-w", optarg); break;
		case 'e': asked.error_ms = duration_option("-e", optarg); break;
		case 'f': asked.forget_ms = duration_option("-f", optarg); break;
		case 't': m->tick_ms = duration_option("-t", optarg); break;
		case 'v': m->verbose = true; break;
		case 'h': usage(EXIT_DONE);
		case STATE: m->state_dir = optarg; break;
		case SCAN: m->scans = true; break;
		case SEGMENT_SIZE:
			m->log_limits.segment_bytes = size_option("--segment-size", optarg, 1);
			break;
		case LOG_SIZE:
			m->log_limits.total_bytes = size_option("--log-size", optarg, 1);
			break;
		case SEGMENTS:
			if ((why = number_parse(optarg, 2, 10000, &n)) != NULL)
				errx(EXIT_USAGE, "--segments %s: %s", optarg, why);
			m->log_limits.segments = (int)n;
			break;
		case OWNERS: m->owners_path = optarg; break;
		case MAX_PER_USER:
			if ((why = number_parse(optarg, 1, INT32_MAX, &n)) != NULL)
				errx(EXIT_USAGE, "--max-per-user %s: %s", optarg, why);
			m->user_most = (size_t)n;
			break;
		case PROGRAM_VERSION: printf("disco-master %s\n", DISCO_VERSION); exit(EXIT_DONE);
		default: usage(EXIT_USAGE);
		}
	}
	if (optind < argc)
		usage(EXIT_USAGE);
	if (m->tick_ms < 50 || m->tick_ms > 3600000)
		errx(EXIT_USAGE, "-t: a tick is between 50ms and 1h");
	limits->warn_ms = asked.warn_ms > 0 ? asked.warn_ms : limits->warn_ms;
	limits->error_ms = asked.error_ms > 0 ? asked.error_ms : limits->error_ms;
	limits->forget_ms = asked.forget_ms > 0 ? asked.forget_ms : limits->forget_ms;
	if ((why = limits_check(limits, 0)) != NULL)
		errx(EXIT_USAGE, "-w, -e, -f: %s", why);
}

/* What an earlier master left, here or in --state. */
static bool load_from(struct master *m, const char *dir, struct now now)
{
	struct view view;
	bool any;

	if (view_load(&view, dir, NULL) < 0) {
		/* What can't be read now is not thrown away: a later start may read it. */
		if (errno != ENOENT && errno != EBADMSG)
			err(EXIT_CANNOT, "%s", dir);
		if (errno == EBADMSG)
			warn("%s/%s: begun anew", dir, SPOOL_TABLE);
		view_free(&view);
		return false;
	}
	if (strcmp(view.head.boot, m->boot) != 0)
		m->table->rebooted = true;
	for (size_t i = 0; i < view.count; i++)
		if (!table_load(m->table, &view.rows[i]->row, now))
			errx(EXIT_CANNOT, "out of memory");
	if (view.head.seq > m->table->seq)
		m->table->seq = view.head.seq;
	any = view.head.seq > 0;
	view_free(&view);
	return any;
}

static void load(struct master *m)
{
	struct now now = clock_now();

	if (load_from(m, m->dir, now))
		return;
	if (m->state_dir != NULL)
		load_from(m, m->state_dir, now);
	/* The seq of a spool without history is the time, so that it never goes back. */
	if (m->table->seq < (uint64_t)now.real_ms * 1000)
		m->table->seq = (uint64_t)now.real_ms * 1000;
	if (m->table->seq <= m->log.last)
		m->table->seq = m->log.last + 1;
}

/* Numbers go on behind all that the log has; where they do not join, a new segment is begun. */
static void log_join(struct master *m)
{
	if (m->table->seq < m->log.last)
		m->table->seq = m->log.last + 1;
	if (m->log.fd >= 0 && m->log.last != m->table->seq)
		m->log.gap = true;
}

static void set_up(struct master *m, const struct limits *limits)
{
	const char *why;

	m->mountsfd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	why = spool_attach(m);
	if (why != NULL)
		errx(EXIT_CANNOT, "%s", why);
	if (host_boot_id(m->boot) < 0)
		strcpy(m->boot, "unknown");
	m->table = table_new(limits, clock_now());
	if (m->table == NULL)
		errx(EXIT_CANNOT, "out of memory");
	m->table->forget = spool_forget;
	m->table->arg = m;
	m->table->user_most = m->user_most;
	m->table->user_free = geteuid();
	if (m->owners_path != NULL)
		m->table->owners = &m->owners;
	m->scan.table = m->table;
	if (m->state_dir != NULL && keeper_start(m) < 0)
		err(EXIT_CANNOT, "%s", m->state_dir);
	load(m);
	log_join(m);
	m->scan.cold = true;
	scan_owners(&m->scan);
}

/* From here on every change is in the log, the first joining too.  0, or -1 with errno. */
static int begin(struct master *m)
{
	struct now now = clock_now();

	if (m->log.fd < 0 || m->log.gap) {
		if (!table_order(m->table) || log_begin(&m->log, m->table, now) < 0)
			return -1;
		while (log_beginning(&m->log))
			if (log_continue(&m->log, m->table, now) < 0)
				return -1;
	}
	spool_sweep(m);
	m->sweep_at_ms = now.mono_ms + SWEEP_MS;
	table_grace(m->table, NULL, now);
	scan_spool(m);
	if (publish_all(m, clock_now()) < 0)
		warnx("%s: going on without a table until there is room", m->dir);
	/* The room of the many events of a start is not kept; that some are missing is. */
	if (m->table->events.len == 0 && !m->table->events.failed)
		text_free(&m->table->events);
	m->suspended_ms = clock_suspended_ms();
	return 0;
}

static void attach_again(struct master *m)
{
	const char *why;

	spool_detach(m);
	m->table->changed = true;
	why = spool_attach(m);
	if (why == NULL) {
		log_join(m);
		if (begin(m) < 0)
			why = strerror(errno);
	}
	if (why == NULL)
		warnx("%s: made anew", m->dir);
	else if (!m->log_failing)
		warnx("%s: can't be made anew yet: %s", m->dir, why);
	m->log_failing = why != NULL;
	m->detached = why != NULL; /* and so again at the next tick */
}

static int64_t cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

/* Whether time passed in which we could see nothing; then nobody's silence counts for a while. */
static void notice_absence(struct master *m, int64_t overrun_ms, struct now now)
{
	int64_t suspended = clock_suspended_ms(), away = suspended - m->suspended_ms;
	char why[80];

	if (away > 500) {
		/* Two clocks are read one after the other: the difference is right to the nearest
		 * second. */
		snprintf(why, sizeof(why), "this machine slept for %lld s",
			 (long long)(away + 500) / 1000);
	} else if (overrun_ms > 3 * m->tick_ms + 1000 &&
		   overrun_ms - (cpu_ms() - m->cpu_ms) > 3 * m->tick_ms + 1000) {
		snprintf(why, sizeof(why), "the master was stopped for %lld s",
			 (long long)overrun_ms / 1000);
	} else {
		return;
	}
	m->suspended_ms = suspended;
	m->cpu_ms = cpu_ms();
	table_grace(m->table, why, now);
	m->rescan = true;
}

static void tick(struct master *m, struct now now)
{
	m->tick_at_ms += m->tick_ms;
	if (m->tick_at_ms <= now.mono_ms)
		m->tick_at_ms = now.mono_ms + m->tick_ms;
	if (m->detached) {
		attach_again(m);
		return;
	}
	if (m->scans || m->rescan || m->table->room)
		scan_spool(m);
	table_expire(m->table, now);
	keeper_tell(m);
	spool_beat(m);
	if (now.mono_ms >= m->sweep_at_ms) {
		spool_sweep(m);
		m->misnamed = m->unread = 0;
		m->sweep_at_ms = now.mono_ms + SWEEP_MS;
	}
}

/*
 * Sleeps until something is to be done.  Which queues have something: bit 0 urgent, bit 1 beats.
 * Inotify does not tell that our spool was unmounted, while we have it open, or that another was
 * mounted over it.
 */
static int wait_for_work(struct master *m, bool busy, bool hold_urgent, bool hold_beats,
			 const sigset_t *mask, struct now now, int64_t *until_ms)
{
	struct pollfd fds[3] = {{hold_urgent ? -1 : m->urgentfd, POLLIN, 0},
				{hold_beats ? -1 : m->beatsfd, POLLIN, 0},
				{m->mountsfd, POLLPRI, 0}};
	int64_t until = m->tick_at_ms;
	struct timespec timeout;

	if (again_due(m) < until)
		until = again_due(m);
	if (hold_urgent && m->urgent_after_ms < until)
		until = m->urgent_after_ms;
	if (hold_beats && m->beats_after_ms < until)
		until = m->beats_after_ms;
	if (m->table->changed && !m->detached && !m->publisher.failing &&
	    m->publisher.not_before_ms < until)
		until = m->publisher.not_before_ms;
	if (busy || until < now.mono_ms)
		until = now.mono_ms;
	*until_ms = until;
	timeout.tv_sec = (until - now.mono_ms) / 1000;
	timeout.tv_nsec = (until - now.mono_ms) % 1000 * 1000000;
	if (ppoll(fds, 3, &timeout, mask) < 0 && errno != EINTR)
		err(EXIT_CANNOT, "ppoll");
	if (fds[2].revents != 0 && !m->detached && spool_covered(m))
		m->detached = true;
	return (fds[0].revents != 0 ? 1 : 0) | (fds[1].revents != 0 ? 2 : 0);
}

/* A pass: what happened, then what did not happen, then tell it. */
static void run(struct master *m, const sigset_t *mask)
{
	struct now now = clock_now();
	bool busy = false, crowd, hold, due, ask;
	int64_t until;
	int work;

	m->tick_at_ms = now.mono_ms + m->tick_ms;
	m->cpu_ms = cpu_ms();
	while (!stop) {
		crowd = m->urgent_after_ms > now.mono_ms;
		hold = m->beats_after_ms > now.mono_ms;
		if (m->scanned)
			now = clock_now(); /* a scan may wait for its disk: that is not absence */
		m->scanned = false;
		if (reload) {
			reload = 0;
			owners_reload(m);
		}
		work = wait_for_work(m, busy, crowd, hold, mask, now, &until);
		now = clock_now();
		notice_absence(m, now.mono_ms - until, now);
		due = now.mono_ms >= m->tick_at_ms;
		/* Nobody is judged by queues that were empty a while ago. */
		ask = due && !m->detached && now.mono_ms - until > LATE_MS;
		if (work & 1 || ask || (due && crowd && !m->detached))
			m->urgent_after_ms =
			    drain_urgent(m, now) < CROWD ? 0 : now.mono_ms + BEATS_MS;
		if (!m->detached)
			drain_again(m, now);
		publish_events(m);
		if (work & 2 || ask || (due && hold && !m->detached)) {
			drain_beats(m, now);
			m->beats_after_ms = now.mono_ms + BEATS_MS;
		} else if (!hold) {
			m->table->drained_ms = now.mono_ms; /* there was nothing to drain */
		}
		m->worked = m->worked || work != 0 || busy;
		if (due && m->worked) {
			m->cpu_ms = cpu_ms();
			m->worked = false;
		}
		if (due)
			tick(m, now);
		publish_events(m);
		busy = publish(m, due, now);
	}
}

static void refused(const char *name, const char *why)
{
	warnx("hb/%s: %s; ignored", name, why);
}

int main(int argc, char **argv)
{
	struct master m = {.tick_ms = 2000,
			   .lockfd = -1,
			   .urgentfd = -1,
			   .beatsfd = -1,
			   .mountsfd = -1,
			   .log = {.dirfd = -1, .fd = -1, .next_fd = -1},
			   .log_limits = log_limits_default,
			   .publisher = {.fd = -1},
			   .scan = {.hbfd = -1, .refused = refused}};
	struct sigaction action = {.sa_handler = on_stop};
	struct limits limits = limits_default;
	sigset_t blocked, waiting;

	for (int i = 0; i < AGAIN_DELAYS; i++)
		STAILQ_INIT(&m.again[i]);
	options(&m, &limits, argc, argv);
	m.dir = spool_dir(m.dir);
	if (m.dir == NULL)
		errx(EXIT_CANNOT, "%s", spool_dir_why());
	/* Let in only while waiting, so that a pass is never cut in two. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGHUP);
	sigprocmask(SIG_BLOCK, &blocked, &waiting);
	sigdelset(&waiting, SIGTERM);
	sigdelset(&waiting, SIGINT);
	sigdelset(&waiting, SIGHUP);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	/* Whoever reloads all services does not want one less: there may be nothing to read. */
	action.sa_handler = m.owners_path != NULL ? on_reload : SIG_IGN;
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* One for the thread of the start would stay when that is over, and so would the room of
	 * large pieces: free(3) keeps more the larger they were. */
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, 128 << 10);

	owners_load(&m);
	set_up(&m, &limits);
	if (begin(&m) < 0)
		err(EXIT_CANNOT, "%s/%s", m.dir, SPOOL_EVENTS);
	if (printf("ready\n") < 0 || fflush(stdout) == EOF)
		warn("stdout");
	notify_send("READY=1");
	turns_short();
	run(&m, &waiting);

	notify_send("STOPPING=1");
	if (!m.detached) {
		drain_urgent(&m, clock_now());
		drain_beats(&m, clock_now());
	}
	if (publish_all(&m, clock_now()) < 0)
		errx(EXIT_CANNOT, "%s: the last table could not be written", m.dir);
	keeper_tell(&m);
	keeper_stop(&m);
	spool_detach(&m);
	again_free(&m);
	scan_free(&m.scan);
	table_free(m.table);
	owners_free(&m.owners);
	text_free(&m.publisher.slice);
	text_free(&m.scratch);
	return EXIT_DONE;
}
