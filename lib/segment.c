/* The event log: appended to at once, begun anew by slices, never seen half made. */
#include "segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool.h"
#include "stamp.h"

static const char temporary[] = ".next";

const struct log_limits log_limits_default = {16 << 20, 128 << 20, 8};

void segment_name(char *buf, uint64_t seq)
{
	snprintf(buf, SEGMENT_NAME, "%020" PRIu64, seq);
}

int segment_parse(const char *name, uint64_t *seq)
{
	if (strlen(name) != SEGMENT_NAME - 1 || strspn(name, "0123456789") != SEGMENT_NAME - 1)
		return 0;
	errno = 0;
	*seq = strtoull(name, NULL, 10);
	return errno == 0;
}

static int by_seq(const void *a, const void *b)
{
	const uint64_t *p = a, *q = b;

	return *p < *q ? -1 : *p > *q;
}

int segment_list(int dirfd, uint64_t **seqs)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0, size = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	uint64_t seq, *more;

	*seqs = NULL;
	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0) {
		if (!segment_parse(entry->d_name, &seq))
			continue;
		if (count == size) {
			size = size > 0 ? size * 2 : 16;
			more = reallocarray(*seqs, (size_t)size, sizeof(**seqs));
			if (more == NULL)
				goto fail;
			*seqs = more;
		}
		(*seqs)[count++] = seq;
	}
	if (errno != 0)
		goto fail;
	closedir(dir);
	if (count > 0)
		qsort(*seqs, (size_t)count, sizeof(**seqs), by_seq);
	return count;
fail:
	seq = (uint64_t)errno;
	closedir(dir);
	free(*seqs);
	*seqs = NULL;
	errno = (int)seq;
	return -1;
}

int64_t segment_whole(int fd)
{
	int64_t end = lseek(fd, 0, SEEK_END);
	char buf[4096];

	while (end > 0) {
		int64_t from = end > (int64_t)sizeof(buf) ? end - (int64_t)sizeof(buf) : 0;
		ssize_t n = pread(fd, buf, (size_t)(end - from), from);
		char *newline = n <= 0 ? NULL : memrchr(buf, '\n', (size_t)n);

		if (n < 0)
			return -1;
		if (newline != NULL)
			return from + (newline - buf) + 1;
		end = from;
	}
	return end;
}

/* How far the keyframe goes, all of it if that can't be told; and the number of the last line. */
static void survey(struct log *log, int64_t length)
{
	static const char sync_mark[] = "\tsync\t\t*\t";
	char *map = length == 0 ? MAP_FAILED
				: mmap(NULL, (size_t)length, PROT_READ, MAP_PRIVATE, log->fd, 0);
	const char *at;

	log->keyframe = length;
	log->last = 0;
	if (map == MAP_FAILED)
		return;
	at = memmem(map, (size_t)length, sync_mark, sizeof(sync_mark) - 1);
	at = at == NULL ? NULL : memchr(at, '\n', (size_t)(map + length - at));
	if (at != NULL)
		log->keyframe = at - map + 1;
	at = memrchr(map, '\n', (size_t)length - 1);
	for (at = at == NULL ? map : at + 1; *at >= '0' && *at <= '9' && log->last < INT64_MAX / 10;
	     at++)
		log->last = log->last * 10 + (uint64_t)(*at - '0');
	munmap(map, (size_t)length);
}

static int segment_reopen(struct log *log, uint64_t seq)
{
	char name[SEGMENT_NAME];
	int64_t length;

	segment_name(name, seq);
	log->fd = openat(log->dirfd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (log->fd < 0)
		return -1;
	length = segment_whole(log->fd);
	if (length < 0 || ftruncate(log->fd, length) < 0)
		return -1;
	log->segment = seq;
	log->offset = length;
	survey(log, length);
	return 0;
}

int log_open(struct log *log, const char *dir, const struct log_limits *limits)
{
	char path[SPOOL_PATH];
	uint64_t *seqs;
	int count, result = 0;

	*log = (struct log){.limits = *limits, .dirfd = -1, .fd = -1, .next_fd = -1};
	if (spool_path(path, dir, SPOOL_EVENTS) == NULL)
		return -1;
	log->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (log->dirfd < 0)
		return -1;
	unlinkat(log->dirfd, temporary, 0);
	count = segment_list(log->dirfd, &seqs);
	if (count < 0)
		return -1;
	if (count > 0)
		result = segment_reopen(log, seqs[count - 1]);
	free(seqs);
	return result;
}

void log_close(struct log *log)
{
	if (log->next_fd >= 0) {
		close(log->next_fd);
		unlinkat(log->dirfd, temporary, 0);
	}
	if (log->fd >= 0)
		close(log->fd);
	if (log->dirfd >= 0)
		close(log->dirfd);
	text_free(&log->slice);
	text_free(&log->backlog);
	log->dirfd = log->fd = log->next_fd = -1;
}

/* Writes at *offset and moves it and the text on by what went out. */
static int write_out(int fd, struct text *text, int64_t *offset)
{
	size_t done = 0;
	ssize_t n = 0;

	while (done < text->len) {
		n = pwrite(fd, text->s + done, text->len - done, *offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
		*offset += n;
	}
	if (done > 0)
		memmove(text->s, text->s + done, text->len - done);
	text->len -= done;
	if (text->len == 0)
		return 0;
	if (n == 0)
		errno = EIO;
	return -1;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

bool log_full(const struct log *log)
{
	return log->fd < 0 || log->gap ||
	       log->offset - log->keyframe > larger(log->limits.segment_bytes, log->keyframe);
}

bool log_beginning(const struct log *log)
{
	return log->next_fd >= 0;
}

static int give_up(struct log *log)
{
	int saved = errno;

	if (log->next_fd >= 0)
		close(log->next_fd);
	log->next_fd = -1;
	unlinkat(log->dirfd, temporary, 0);
	text_clear(&log->backlog);
	errno = saved;
	return -1;
}

/* Cuts off the event that memory was out for, and those after it were not made. */
static void cut_off(struct text *events)
{
	const char *end = events->len > 0 ? memrchr(events->s, '\n', events->len) : NULL;

	events->len = end == NULL ? 0 : (size_t)(end - events->s) + 1;
	events->failed = false;
}

/* To the segment in use, and what went there to the next one too. */
static int append(struct log *log, struct text *events)
{
	size_t before = log->backlog.len, len = events->len;
	int result;

	if (log_beginning(log))
		text_add(&log->backlog, events->s, len);
	result = write_out(log->fd, events, &log->offset);
	if (log_beginning(log) && !log->backlog.failed)
		log->backlog.len = before + len - events->len;
	return result;
}

int log_append(struct log *log, struct text *events)
{
	bool cut = events->failed;
	int result = 0;

	if (cut)
		cut_off(events);
	if (log->fd >= 0 && !log->gap) {
		result = append(log, events);
	} else {
		/* Readers shall find no event behind one that is missing: these are in the next
		 * keyframe, or follow it. */
		if (log_beginning(log))
			text_add(&log->backlog, events->s, events->len);
		text_clear(events);
	}
	if (cut) {
		log->gap = true;
		give_up(log); /* a keyframe from before the gap would hide it */
	}
	return result;
}

int log_begin(struct log *log, const struct table *table, struct now now)
{
	char stamp[STAMP_LENGTH];

	text_clear(&log->slice);
	text_clear(&log->backlog);
	log->next_segment = table->seq;
	log->next_offset = 0;
	log->next_row = 0;
	log->next_fd = openat(log->dirfd, temporary,
			      O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (log->next_fd < 0)
		return -1;
	if (fchmod(log->next_fd, 0644) < 0)
		return give_up(log);
	stamp_print(stamp, now.real_ms);
	text_printf(&log->slice, "#disco-events 1 seq=%" PRIu64 " time=%.*s rows=%zu\n",
		    log->next_segment, STAMP_LENGTH, stamp, table->ordered);
	row_print_names(&log->slice, true);
	return 0;
}

/* Removes the oldest segments that are more than the limits allow. */
static void retain(struct log *log)
{
	uint64_t *seqs;
	int count = segment_list(log->dirfd, &seqs);
	int64_t total = 0, allowed = larger(log->limits.total_bytes, 4 * log->keyframe);
	char name[SEGMENT_NAME];
	struct stat st;

	for (int kept = 0, i = count - 1; i >= 0; i--, kept++) {
		segment_name(name, seqs[i]);
		if (fstatat(log->dirfd, name, &st, 0) == 0)
			total += st.st_size;
		if (kept >= 2 && (kept >= log->limits.segments || total > allowed))
			unlinkat(log->dirfd, name, 0);
	}
	free(seqs);
}

static int switch_over(struct log *log, struct now now)
{
	char name[SEGMENT_NAME], stamp[STAMP_LENGTH];

	stamp_print(stamp, now.real_ms);
	text_printf(&log->slice, "%" PRIu64 "\t%.*s\tsync\t\t*", log->next_segment, STAMP_LENGTH,
		    stamp);
	for (int i = 1; i < ROW_COLUMNS; i++)
		text_char(&log->slice, '\t');
	text_char(&log->slice, '\n');
	if (log->slice.failed || log->backlog.failed) {
		errno = ENOMEM;
		return -1;
	}
	if (write_out(log->next_fd, &log->slice, &log->next_offset) < 0)
		return -1;
	log->keyframe = log->next_offset;
	if (write_out(log->next_fd, &log->backlog, &log->next_offset) < 0)
		return -1;
	segment_name(name, log->next_segment);
	if (renameat(log->dirfd, temporary, log->dirfd, name) < 0)
		return -1;
	if (log->fd >= 0)
		close(log->fd);
	log->fd = log->next_fd;
	log->next_fd = -1;
	log->gap = false;
	log->segment = log->next_segment;
	log->offset = log->next_offset;
	retain(log);
	return 0;
}

int log_continue(struct log *log, const struct table *table, struct now now)
{
	char prefix[SEGMENT_NAME + STAMP_LENGTH + 16], stamp[STAMP_LENGTH];

	stamp_print(stamp, now.real_ms);
	snprintf(prefix, sizeof(prefix), "%" PRIu64 "\t%.*s\trow\t\t", log->next_segment,
		 STAMP_LENGTH, stamp);
	log->next_row = table_slice(table, log->next_row, prefix, &log->slice);
	if (log->next_row < table->ordered) {
		if (log->slice.failed)
			errno = ENOMEM;
		if (log->slice.failed ||
		    write_out(log->next_fd, &log->slice, &log->next_offset) < 0)
			return give_up(log);
		return 0;
	}
	return switch_over(log, now) < 0 ? give_up(log) : 1;
}
