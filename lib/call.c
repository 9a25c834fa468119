/* The frames in which procedures are called. */
#include "call.h"

#include <string.h>

size_t frame_begin(struct text *text, enum call_kind kind)
{
	struct call_head head = {.kind = kind};

	text_add(text, (const char *)&head, sizeof(head));
	return text->len;
}

void frame_end(struct text *text, size_t begun)
{
	struct call_head head;

	if (text->failed)
		return;
	memcpy(&head, text->s + begun - sizeof(head), sizeof(head));
	head.len = (uint32_t)(text->len - begun);
	memcpy(text->s + begun - sizeof(head), &head, sizeof(head));
}

void frame_add(struct text *text, enum call_kind kind, const char *s, size_t len)
{
	size_t begun = frame_begin(text, kind);

	text_add(text, s, len);
	frame_end(text, begun);
}

bool frame_good(const struct call_head *head)
{
	switch (head->kind) {
	case CALL_OUTPUT: return head->len <= CALL_OUTPUT_LARGEST;
	case CALL_DEBUG:
	case CALL_FAILED:
	case CALL_BAD:
	case CALL_STOPPED: return head->len <= CALL_WORDS_LARGEST;
	case CALL_LAST: return head->len == 0;
	default: return false;
	}
}
