/*
 * The head of an HTTP request and a body in chunks: the same verdict however it
 * comes in pieces; and a head that is let through means the same to the parser
 * behind, for where these differ a request can be hidden in another.
 */
#include "request.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <strings.h>
#include <sys/queue.h>

#include "fuzz.h"

/* libevent's own, which it exports and does not declare. */
enum { PARSED = 1 };
int evhttp_parse_firstline_(struct evhttp_request *, struct evbuffer *);
int evhttp_parse_headers_(struct evhttp_request *, struct evbuffer *);

/* Scans in pieces of these sizes, over and over; returns how much belonged to the head. */
static size_t scan(struct request *r, const char *s, size_t len, const uint8_t *sizes, size_t count)
{
	size_t at = 0, head = 0;

	*r = (struct request){0};
	for (size_t i = 0; at < len && r->status == 0; i++) {
		size_t piece = count == 0 ? len : (size_t)sizes[i % count] % 32 + 1, n = 0;
		char *own;

		if (piece > len - at)
			piece = len - at;
		own = fuzz_copy(s + at, piece);
		if (!r->whole) {
			n = request_scan(r, own, piece);
			head += n;
			ensure(n == piece || r->whole || r->status != 0);
		}
		if (r->whole && r->chunked)
			request_scan_chunks(r, own + n, piece - n);
		free(own);
		at += piece;
	}
	return head;
}

static void same(const struct request *a, const struct request *b)
{
	ensure(a->status == b->status && a->why == b->why && a->whole == b->whole);
	ensure(a->head == b->head && a->state == b->state && a->length == b->length);
	ensure(a->chunked == b->chunked && a->upgrade == b->upgrade && a->old == b->old);
	ensure(strcmp(a->method, b->method) == 0 && a->headers == b->headers);
}

/* How much its chunks announce: a plain reading of the RFC. */
static int64_t chunks_length(const char *s, const char *end)
{
	int64_t length = 0, size;
	char *rest;

	while (s < end && (size = strtoll(s, &rest, 16)) >= 0 && rest < end && *rest == '\r') {
		length += size;
		if (size == 0 || end - rest < size + 4)
			break;
		s = rest + size + 4;
	}
	return length;
}

static void parser_agrees(const struct request *r, const char *s, size_t head)
{
	struct evhttp_request *request = evhttp_request_new(NULL, NULL);
	struct evbuffer *buffer = evbuffer_new();
	const struct evkeyval *header;
	unsigned headers = 0, lengths = 0;

	ensure(request != NULL && buffer != NULL);
	request->kind = EVHTTP_REQUEST;
	evbuffer_add(buffer, s, head);
	if (evhttp_parse_firstline_(request, buffer) == PARSED) {
		ensure(evhttp_parse_headers_(request, buffer) == PARSED);
		ensure(evbuffer_get_length(buffer) == 0);
		ensure(request->major == 1 && request->minor == !r->old);
		TAILQ_FOREACH (header, request->input_headers, next) {
			headers++;
			if (strcasecmp(header->key, "Content-Length") == 0) {
				ensure(lengths++ == 0 && atoll(header->value) == r->length);
			} else if (strcasecmp(header->key, "Transfer-Encoding") == 0) {
				ensure(lengths++ == 0 && r->chunked);
				ensure(strcasecmp(header->value, "chunked") == 0);
			}
		}
		ensure(headers == r->headers);
		ensure(lengths == r->lengths + r->encodings);
	}
	evhttp_request_free(request);
	evbuffer_free(buffer);
}

/* The first byte says how many sizes of pieces follow; then comes the request. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request at_once, by_bytes, in_pieces;
	size_t count = size > 0 ? data[0] % 8 : 0, head;
	const uint8_t *sizes = data + 1, single = 0;
	const char *s;
	char *copy;

	if (size < count + 1)
		return 0;
	s = copy = fuzz_copy(data + count + 1, size - count - 1);
	size -= count + 1;
	head = scan(&at_once, s, size, NULL, 0);
	ensure(head == scan(&by_bytes, s, size, &single, 1));
	ensure(head == scan(&in_pieces, s, size, sizes, count));
	same(&at_once, &by_bytes);
	same(&at_once, &in_pieces);
	ensure(at_once.head == head);
	if (at_once.whole) {
		struct request alone = {0};

		ensure(request_scan(&alone, s, head) == head && alone.whole);
		/* For an address that names a server it wants to know which it is. */
		if (strchr(s, ' ')[1] == '/')
			parser_agrees(&alone, s, head);
		if (at_once.chunked)
			ensure(at_once.status != 0 ||
			       at_once.length == chunks_length(s + head, s + size));
	}
	free(copy);
	return 0;
}
