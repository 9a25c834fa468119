/* The head of an HTTP request, held to the letter before a parser sees it that is kinder. */
#include "request.h"

#include <string.h>
#include <strings.h>

enum {
	METHOD,
	TARGET,
	VERSION,
	LINE_END,     /* a LF must follow */
	HEADER_BEGIN, /* a name, or the end */
	NAME,
	VALUE,
	HEAD_END, /* a LF must follow, and then no more */
	CHUNK_SIZE,
	CHUNK_SIZE_END,
	CHUNK,
	CHUNK_CR,
	CHUNK_LF,
	CHUNKS_CR, /* behind the last */
	CHUNKS_LF,
	CHUNKS_END
};

static const char versions[] = "HTTP/1.";

static void wrong(struct request *r, int status, const char *why)
{
	r->status = status;
	r->why = why;
}

static bool is_token(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static void next(struct request *r, int state)
{
	r->state = state;
	r->at = 0;
}

static void in_method(struct request *r, unsigned char c)
{
	if (c == ' ' && r->at > 0) {
		next(r, TARGET);
		return;
	}
	if (r->at < sizeof(r->method) - 1)
		r->method[r->at] = (char)c;
	if (c < 'A' || c > 'Z' || ++r->at > 20)
		wrong(r, 400, "a request begins with a method in capital letters");
}

static void in_target(struct request *r, unsigned char c)
{
	if (c == ' ' && r->at > 0)
		next(r, VERSION);
	else if (c <= ' ' || c >= 0x7f)
		wrong(r, 400, "a byte in the address that must be written as %XX");
	else if (++r->at > REQUEST_TARGET)
		wrong(r, 414, "an address of more than 8192 bytes");
}

static void in_version(struct request *r, unsigned char c)
{
	size_t fixed = sizeof(versions) - 1;

	if (r->at == fixed)
		r->old = c == '0';
	if (r->at < fixed ? c == (unsigned char)versions[r->at]
			  : r->at == fixed && (c == '0' || c == '1'))
		r->at++;
	else if (r->at == fixed + 1 && c == '\r')
		next(r, LINE_END);
	else if (r->at >= 5 && (c == '.' || (c >= '0' && c <= '9')))
		wrong(r, 505, "HTTP/1.0 and HTTP/1.1 are understood");
	else
		wrong(r, 400, "the first line must be METHOD ADDRESS HTTP/1.1");
}

/* A header is whole.  Of some there may be one only, and all must agree. */
static void header_take(struct request *r)
{
	const char *digits = r->value;

	r->name[r->name_len] = r->value[r->value_len] = '\0';
	if (++r->headers > REQUEST_HEADERS) {
		wrong(r, 431, "more than 100 headers");
	} else if (strcmp(r->name, "host") == 0) {
		if (++r->hosts > 1)
			wrong(r, 400, "more than one Host");
	} else if (strcmp(r->name, "content-length") == 0) {
		if (++r->lengths + r->encodings > 1)
			wrong(r, 400, "more than one length");
		else if (r->value_len == 0 || r->value_len > 18 || r->cut ||
			 digits[strspn(digits, "0123456789")] != '\0')
			wrong(r, 400, "Content-Length: not a number");
		for (r->length = 0; r->status == 0 && *digits != '\0'; digits++)
			r->length = r->length * 10 + (*digits - '0');
	} else if (strcmp(r->name, "transfer-encoding") == 0) {
		r->chunked = !r->cut && strcasecmp(r->value, "chunked") == 0;
		if (++r->encodings + r->lengths > 1)
			wrong(r, 400, "more than one length");
		else if (!r->chunked)
			wrong(r, 400, "Transfer-Encoding: only chunked is understood");
	} else if (strcmp(r->name, "upgrade") == 0) {
		r->upgrade = true;
	}
}

static void in_name(struct request *r, unsigned char c)
{
	if (c == ':' && r->at > 0) {
		r->value_len = 0;
		r->cut = false;
		next(r, VALUE);
	} else if (!is_token(c)) {
		wrong(r, 400,
		      r->at == 0 && (c == ' ' || c == '\t')
			  ? "a header that goes on in another line"
			  : "a header's name with a byte that it may not have");
	} else {
		/* A longer name is none that we look at. */
		if (r->at++ == 0)
			r->name_len = 0;
		if (r->name_len < sizeof(r->name) - 1)
			r->name[r->name_len++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
}

static void in_value(struct request *r, unsigned char c)
{
	if (c == '\r') {
		while (r->value_len > 0 && strchr(" \t", r->value[r->value_len - 1]) != NULL)
			r->value_len--;
		header_take(r);
		next(r, LINE_END);
	} else if ((c < ' ' && c != '\t') || c == 0x7f) {
		wrong(r, 400, "a header with a control character");
	} else if (c == ' ' && r->value_len == 0) {
		/* A tab is kept, for libevent keeps it: to it "\tchunked" is no chunked. */
		return;
	} else if (r->value_len < sizeof(r->value) - 1) {
		r->value[r->value_len++] = (char)c;
	} else if (c != ' ' && c != '\t') {
		r->cut = true;
	}
}

/* Of a method that has no body one might read the body as the next request. */
static bool may_have_body(const char *method)
{
	static const char *const methods[] = {"POST", "PUT", "PATCH", "GET", "DELETE", "OPTIONS"};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(method, methods[i]) == 0)
			return true;
	return false;
}

static void head_end(struct request *r)
{
	if (r->hosts == 0)
		wrong(r, 400, "one Host is needed");
	else if ((r->length > 0 || r->chunked) && !may_have_body(r->method))
		wrong(r, 400, "a body that this method does not have");
	else if (r->chunked && r->old)
		wrong(r, 400, "HTTP/1.0 has no Transfer-Encoding");
	else
		r->whole = true;
	next(r, CHUNK_SIZE);
}

static void take(struct request *r, unsigned char c)
{
	switch (r->state) {
	case METHOD: in_method(r, c); break;
	case TARGET: in_target(r, c); break;
	case VERSION: in_version(r, c); break;
	case LINE_END:
	case HEAD_END:
		if (c != '\n')
			wrong(r, 400, "a CR without its LF");
		else if (r->state == LINE_END)
			next(r, HEADER_BEGIN);
		else
			head_end(r);
		break;
	case HEADER_BEGIN:
		if (c == '\r') {
			next(r, HEAD_END);
			break;
		}
		r->state = NAME;
		in_name(r, c);
		break;
	case NAME: in_name(r, c); break;
	case VALUE: in_value(r, c); break;
	}
}

size_t request_scan(struct request *r, const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len && !r->whole && r->status == 0; i++) {
		take(r, (unsigned char)s[i]);
		r->head++;
	}
	return i;
}

static int hex(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void chunk_size(struct request *r, unsigned char c)
{
	if (c == '\r' && r->at > 0) {
		r->length += r->chunk;
		next(r, CHUNK_SIZE_END);
		return;
	}
	if (hex(c) < 0 || ++r->at > 8)
		wrong(r, 400, "a chunk's line is its size, and nothing else");
	else
		r->chunk = r->chunk * 16 + hex(c);
}

void request_scan_chunks(struct request *r, const char *s, size_t len)
{
	for (size_t i = 0; i < len && r->status == 0; i++) {
		unsigned char c = (unsigned char)s[i];
		size_t n;

		switch (r->state) {
		case CHUNK_SIZE: chunk_size(r, c); break;
		case CHUNK:
			n = len - i < (uint64_t)r->chunk ? len - i : (size_t)r->chunk;
			r->chunk -= (int64_t)n;
			i += n - 1;
			if (r->chunk == 0)
				next(r, CHUNK_CR);
			break;
		case CHUNKS_END: return;
		default:
			if (c != (r->state == CHUNK_CR || r->state == CHUNKS_CR ? '\r' : '\n'))
				wrong(r, 400, "a chunk that does not end where it says");
			else if (r->state == CHUNK_SIZE_END)
				next(r, r->chunk > 0 ? CHUNK : CHUNKS_CR);
			else
				next(r, r->state == CHUNK_LF ? CHUNK_SIZE : r->state + 1);
		}
	}
}
