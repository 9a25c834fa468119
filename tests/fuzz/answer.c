/*
 * What a process that runs a procedure answers disco-ls, though it may have gone
 * astray: it is the first answer in it, whole, and of an answer's size; or it
 * broke off.
 */
#include <sys/mman.h>

#include "../../bin/disco-ls/proc.c"

#include "fuzz.h"

void write_out(int fd, struct text *text)
{
	(void)fd, (void)text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("answer", 0);
	struct text answer = {0};
	uint32_t kind;
	off_t end;

	ensure(write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
	kind = answer_read(fd, "p", &answer);
	end = lseek(fd, 0, SEEK_CUR);
	if (kind != 0) {
		ensure(kind == CALL_OUTPUT || kind == CALL_FAILED || kind == CALL_BAD ||
		       kind == CALL_STOPPED);
		ensure(answer.len <=
		       (kind == CALL_OUTPUT ? CALL_OUTPUT_LARGEST : CALL_WORDS_LARGEST));
		ensure((size_t)end >= answer.len + sizeof(struct call_head));
		ensure(answer.len == 0 ||
		       memcmp(data + end - answer.len, answer.s, answer.len) == 0);
	}
	text_free(&answer);
	close(fd);
	return 0;
}
