/* The head of a request: the same verdict however it comes in pieces. */
#include <string.h>

#include "request.h"
#include "tap.h"

static const struct {
	const char *text;
	int status;
	bool whole;
} heads[] = {
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, true},
    {"GET / HTTP/1.0\r\nHost: a\r\n\r\nbody", 0, true},
    {"POST /x HTTP/1.1\r\nhOST:\t a \r\nContent-Length: 12 \r\n\r\n", 0, true},
    {"GET / HTTP/1.1\r\nHost: a\r\nX:\r\nY: \xff\r\n\r\n", 0, true},
    {"GET / HTTP/1.1\r\nHost: a\r\n", 0, false},
    {"", 0, false},
    {"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 0, true},
    {"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", 400, false},
    {"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400, false},
    {"GET / HTTP/1.1\r\n\r\n", 400, false},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, false},
    {"get / HTTP/1.1\r\nHost: a\r\n\r\n", 400, false},
    {"GET / HTTP/1.1\nHost: a\r\n\r\n", 400, false},
    {"GET / HTTP/1.1\r\nHost: a\r\n\n", 400, false},
    {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, false},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, false},
    {"GET / HTTQ/1.1\r\nHost: a\r\n\r\n", 400, false},
    {"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n", 400, false},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, false},
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, false},
    {"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400, false},
    {"GET / HTTP/1.1\r\nHost: a\x01\r\n\r\n", 400, false},
    {"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400, false},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400, false},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\n", 400, false},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400, false},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0000000000000000001\r\n\r\n", 400, false},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 0, true},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:  chunked               \t   \r\n\r\n", 0,
     true},
    /* libevent takes this for no chunked, and the body for another request. */
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \tchunked\r\n\r\n", 400, false},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \t1\r\n\r\n", 400, false},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked                , x\r\n\r\n", 400,
     false},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1                      ,2\r\n\r\n", 400, false},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: 1                      ,2\r\nContent-Length: 1\r\n\r\n", 0,
     true},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400, false},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunkedxxxxxxxxxxxxxxxxxxxxxx\r\n\r\n", 400,
     false},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400,
     false},
};

static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

static const struct {
	const char *text;
	int status;
} bodies[] = {
    {"0\r\n\r\n", 0},
    {"3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\nGET nonsense", 0},
    {"3\r\nab", 0},
    {"3\r\nabcd\r\n", 400},
    {"3\nabc\r\n", 400},
    {"3 \r\nabc\r\n", 400},
    {"3;x\r\nabc\r\n", 400},
    {"0x3\r\nabc\r\n", 400},
    {"\r\n", 400},
    {"123456789\r\n", 400},
    {"0\r\nX: y\r\n\r\n", 400},
};

static bool same(const struct request *a, const struct request *b)
{
	return a->status == b->status && a->whole == b->whole && a->head == b->head &&
	       a->length == b->length && a->chunked == b->chunked && a->why == b->why;
}

int main(void)
{
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		const char *s = heads[i].text;
		size_t len = strlen(s), taken;
		struct request once = {0};
		bool always = true;

		taken = request_scan(&once, s, len);
		ok(once.status == heads[i].status && once.whole == heads[i].whole,
		   "head %zu: status %d (%s)", i, once.status, once.why != NULL ? once.why : "");
		ok(once.status != 0 || taken == len || once.whole, "head %zu: taken %zu of %zu", i,
		   taken, len);
		for (size_t cut = 0; cut <= len; cut++) {
			struct request twice = {0};

			if (request_scan(&twice, s, cut) == cut && twice.status == 0)
				request_scan(&twice, s + cut, len - cut);
			always = always && same(&once, &twice);
		}
		ok(always, "head %zu: the same in two pieces", i);
	}
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		size_t len = strlen(bodies[i].text);
		struct request once = {0};
		bool always = true;

		request_scan(&once, head, strlen(head));
		request_scan_chunks(&once, bodies[i].text, len);
		ok(once.status == bodies[i].status, "body %zu: status %d", i, once.status);
		for (size_t cut = 0; cut <= len; cut++) {
			struct request twice = {0};

			request_scan(&twice, head, strlen(head));
			request_scan_chunks(&twice, bodies[i].text, cut);
			request_scan_chunks(&twice, bodies[i].text + cut, len - cut);
			always = always && same(&once, &twice);
		}
		ok(always, "body %zu: the same in two pieces", i);
	}
	return tap_done();
}
