/* Requests: which are well-formed, who answers them, and what every answer looks like. */
#include <arpa/inet.h>
#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <zlib.h>

#include "serve.h"
#include "version.h"

#define BEHIND_LARGEST 65536 /* bytes of what comes behind a request whose answer is open */
#define GZIP_FROM 1024	     /* bytes; below that it does not pay */

#define GET (EVHTTP_REQ_GET | EVHTTP_REQ_HEAD)

static void get_process(struct evhttp_request *request, const char *name)
{
	if (evhttp_request_get_command(request) == EVHTTP_REQ_DELETE)
		process_delete(request, name);
	else
		process_get(request, name);
}

static const struct route {
	const char *path; /* with a slash at its end: what comes behind it is a name */
	unsigned methods;
	const char *allow;
	void (*answer)(struct evhttp_request *);
	void (*answer_name)(struct evhttp_request *, const char *name);
} routes[] = {
    {"/v1/heartbeat", EVHTTP_REQ_POST, "POST", heartbeat_post, NULL},
    {"/v1/hold", EVHTTP_REQ_POST, "POST", hold_post, NULL},
    {"/v1/table", GET, "GET, HEAD", table_get, NULL},
    {"/v1/events", GET, "GET, HEAD", events_get, NULL},
    {"/v1/process/", GET | EVHTTP_REQ_DELETE, "GET, HEAD, DELETE", NULL, get_process},
    {"/v1/proc", GET, "GET, HEAD", procs_get, NULL},
    {"/v1/proc/", GET, "GET, HEAD", NULL, proc_get},
    {"/metrics", GET, "GET, HEAD", metrics_get, NULL},
    {"/healthz", GET, "GET, HEAD", healthz_get, NULL},
};

const char *http_header(struct evhttp_request *request, const char *name)
{
	return evhttp_find_header(evhttp_request_get_input_headers(request), name);
}

void http_count(int status)
{
	serve.requests[status / 100 < 6 ? status / 100 : 5]++;
}

/* Printed anew when the second is another. */
static const char *date(void)
{
	static char date[64];
	static time_t printed;
	time_t now = time(NULL);
	struct tm tm;

	if (now != printed && gmtime_r(&now, &tm) != NULL &&
	    evutil_date_rfc1123(date, sizeof(date), &tm) > 0)
		printed = now;
	return date;
}

/* For a browser: in what is no page of ours it shall find nothing to run. */
static void protect(struct evkeyvalq *headers)
{
	evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	evhttp_add_header(headers, "Referrer-Policy", "no-referrer");
	/* The page has its own. */
	if (evhttp_find_header(headers, "Content-Security-Policy") == NULL)
		evhttp_add_header(headers, "Content-Security-Policy",
				  "default-src 'none'; frame-ancestors 'none'");
}

static bool tells_seq(const struct caller *caller)
{
	return caller != NULL && caller_reads_some(caller) && caller_seq(caller) > 0;
}

void http_headers(struct evhttp_request *request, const char *type)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	const struct caller *caller = http_caller(request);
	char seq[32];

	evhttp_add_header(headers, "Date", date());
	if (type != NULL) {
		evhttp_add_header(headers, "Content-Type", type);
		protect(headers);
	}
	evhttp_add_header(headers, "X-Disco-Master", master_name(serve.master));
	if (tells_seq(caller)) {
		snprintf(seq, sizeof(seq), "%llu", (unsigned long long)caller_seq(caller));
		evhttp_add_header(headers, "X-Disco-Seq", seq);
	}
}

void http_repeat(struct text *answer, const struct caller *caller)
{
	text_printf(answer, "HTTP/1.1 204 No Content\r\nDate: %s\r\nX-Disco-Master: %s\r\n", date(),
		    master_name(serve.master));
	if (tells_seq(caller))
		text_printf(answer, "X-Disco-Seq: %llu\r\n",
			    (unsigned long long)caller_seq(caller));
	text_string(answer, "\r\n");
}

/* Whether a list like "gzip;q=0.5, br" has this word, and not with q=0. */
static bool lists(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (; list != NULL && *list != '\0'; list += strcspn(list, ","), list += *list == ',') {
		const char *end;

		list += strspn(list, " \t");
		if (strncasecmp(list, word, len) != 0 || strchr(" \t;,", list[len]) == NULL)
			continue;
		end = list + strcspn(list, ",");
		list += strcspn(list, ",;");
		for (; list < end && *list != 'q' && *list != 'Q'; list++)
			;
		return list == end || list[1] != '=' || strtod(list + 2, NULL) > 0;
	}
	return false;
}

bool http_accepts_gzip(struct evhttp_request *request)
{
	return lists(http_header(request, "Accept-Encoding"), "gzip");
}

enum http_type http_accepts(struct evhttp_request *request)
{
	static const struct {
		const char *name;
		enum http_type type;
	} types[] = {{"application/json", TYPE_JSON},
		     {"application/x-ndjson", TYPE_NDJSON},
		     {"application/ndjson", TYPE_NDJSON},
		     {"text/tab-separated-values", TYPE_TSV},
		     {"text/event-stream", TYPE_EVENTS},
		     {"application/*", TYPE_JSON},
		     {"text/*", TYPE_TSV}};
	const char *accept = http_header(request, "Accept");

	if (accept == NULL)
		accept = "";
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (lists(accept, types[i].name))
			return types[i].type;
	return *accept == '\0' || lists(accept, "*/*") ? TYPE_JSON : TYPE_NONE;
}

static bool gzip(struct text *body)
{
	z_stream z = {0};
	struct text packed = {0};

	if (deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	z.next_in = (unsigned char *)body->s;
	z.avail_in = (unsigned)body->len;
	z.avail_out = (unsigned)deflateBound(&z, body->len);
	z.next_out = (unsigned char *)text_room(&packed, z.avail_out);
	if (z.next_out == NULL || deflate(&z, Z_FINISH) != Z_STREAM_END) {
		deflateEnd(&z);
		text_free(&packed);
		return false;
	}
	packed.len = z.total_out;
	deflateEnd(&z);
	text_free(body);
	*body = packed;
	return true;
}

static void bytes_free(const void *data, size_t len, void *arg)
{
	(void)data, (void)len;
	free(arg);
}

struct evbuffer *http_buffer(struct text *text)
{
	struct evbuffer *buffer = evbuffer_new();

	if (text->len > 0)
		evbuffer_add_reference(buffer, text->s, text->len, bytes_free, text->s);
	else
		text_free(text);
	*text = (struct text){0};
	return buffer;
}

/* What libevent does not know. */
static const char *reason_of(int status)
{
	switch (status) {
	case 422: return "Unprocessable Content";
	case 421: return "Misdirected Request";
	case 429: return "Too Many Requests";
	case 426: return "Upgrade Required";
	default: return NULL;
	}
}

void http_answer(struct evhttp_request *request, int status, const char *type, struct text *body)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	bool head = evhttp_request_get_command(request) == EVHTTP_REQ_HEAD;
	struct bufferevent *bev =
	    evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
	struct evbuffer *buffer = NULL;
	char length[24];

	http_headers(request, type);
	if (body != NULL && body->failed) {
		text_free(body);
		status = 503;
	}
	if (body != NULL && body->len >= GZIP_FROM && http_accepts_gzip(request) && gzip(body)) {
		evhttp_add_header(headers, "Content-Encoding", "gzip");
	}
	if (status != 204 && status != 304) {
		snprintf(length, sizeof(length), "%zu", body != NULL ? body->len : 0);
		evhttp_add_header(headers, "Content-Length", length);
	}
	if (body != NULL && !head && body->len > 0) {
		buffer = http_buffer(body);
	}
	http_count(status);
	evhttp_send_reply(request, status, reason_of(status), buffer);
	answers_add(bev);
	if (buffer != NULL)
		evbuffer_free(buffer);
	if (body != NULL)
		text_free(body);
}

void http_log(struct evhttp_request *request, int status, const char *words)
{
	const struct caller *caller = http_caller(request);
	struct evhttp_connection *connection = evhttp_request_get_connection(request);

	refusal_log(bufferevent_getfd(evhttp_connection_get_bufferevent(connection)), status, words,
		    caller != NULL ? caller_name(caller) : NULL, evhttp_request_get_uri(request));
}

static void __attribute__((format(printf, 4, 0)))
error_answer(struct evhttp_request *request, int status, bool log, const char *format, va_list args)
{
	struct text body = {0}, words = {0};
	char line[512];

	vsnprintf(line, sizeof(line), format, args);
	if (log)
		http_log(request, status, line);
	text_safe(&words, line, strlen(line));
	text_string(&body, "{\"error\":");
	text_json(&body, words.s, words.len);
	text_string(&body, "}\n");
	text_free(&words);
	http_answer(request, status, "application/json", &body);
}

void http_error(struct evhttp_request *request, int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	error_answer(request, status, false, format, args);
	va_end(args);
}

void http_refuse(struct evhttp_request *request, int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	error_answer(request, status, true, format, args);
	va_end(args);
}

size_t ahead_largest(void)
{
	return 2 * (size_t)serve.body_largest + 65536;
}

void http_open_begin(struct evhttp_request *request)
{
	struct bufferevent *bev =
	    evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
	bufferevent_data_cb read, write;
	bufferevent_event_cb event;
	void *arg;

	/* evhttp does not read until it writes, and would not see that the client goes away. */
	bufferevent_getcb(bev, &read, &write, &event, &arg);
	bufferevent_setcb(bev, NULL, write, event, arg);
	/* What comes meanwhile may wait, but not without bound. */
	bufferevent_setwatermark(bev, EV_READ, 0, BEHIND_LARGEST);
	listen_patient(bev);
}

void http_open_end(struct evhttp_request *request)
{
	struct timeval idle = milliseconds(serve.idle_ms);
	struct bufferevent *bev =
	    evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));

	bufferevent_setwatermark(bev, EV_READ, 0, ahead_largest());
	bufferevent_set_timeouts(bev, &idle, &idle);
}

void http_chunks(struct evhttp_request *request)
{
	struct evkeyvalq *input = evhttp_request_get_input_headers(request);

	/* An older client knows the end by the end of the connection, whatever it asked for. */
	if (request->major == 1 && request->minor == 0) {
		evhttp_remove_header(input, "Connection");
		evhttp_add_header(evhttp_request_get_output_headers(request), "Connection",
				  "close");
	}
	evhttp_send_reply_start(request, 200, NULL);
}

void http_gone(struct evhttp_request *request)
{
	/* Where evhttp has cut it loose from the connection it leaves it to us. */
	if (evhttp_request_get_connection(request) == NULL)
		evhttp_request_free(request);
}

static bool one_of(const char *word, size_t len, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(list[i]) == len && strncasecmp(word, list[i], len) == 0)
			return true;
	return false;
}

/*
 * Whether a Host is us: an address, or a name that is known to be ours.  Any
 * other may be a stranger's name that was made to point here, so that his page
 * in a browser could read us.
 */
static bool host_ours(const char *host)
{
	const char *const names[] = {"localhost", serve.host};
	char address[INET6_ADDRSTRLEN + 1];
	unsigned char raw[16];
	bool six = host != NULL && *host == '[';
	size_t len;
	const char *port;

	if (host == NULL)
		return false;
	len = strcspn(host += six, six ? "]" : ":");
	port = host + len + (six && host[len] == ']');
	if (len == 0 || (six && host[len] == '\0') || (*port != '\0' && *port != ':'))
		return false;
	port += *port == ':';
	if (port[strspn(port, "0123456789")] != '\0' || strtol(port, NULL, 10) > 65535)
		return false;
	if (!six &&
	    (one_of(host, len, names, 2) || one_of(host, len, serve.hosts, serve.host_count)))
		return true;
	if (len >= sizeof(address))
		return false;
	memcpy(address, host, len);
	address[len] = '\0';
	return inet_pton(six ? AF_INET6 : AF_INET, address, raw) == 1;
}

/* An address may name the host too, and then that is what is meant. */
static bool authority_ours(struct evhttp_request *request)
{
	const char *host = evhttp_uri_get_host(evhttp_request_get_evhttp_uri(request));

	return host_ours(http_header(request, "Host")) && (host == NULL || host_ours(host));
}

bool http_origin_ours(struct evhttp_request *request)
{
	const char *origin = http_header(request, "Origin"), *host = http_header(request, "Host");

	if (origin == NULL)
		return true;
	if (one_of(origin, strlen(origin), serve.origins, serve.origin_count))
		return true;
	if (strncmp(origin, "http://", 7) == 0)
		return strcasecmp(origin + 7, host) == 0;
	return strncmp(origin, "https://", 8) == 0 && strcasecmp(origin + 8, host) == 0;
}

static void route(struct evhttp_request *request, const char *path)
{
	enum evhttp_cmd_type method = evhttp_request_get_command(request);

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		const struct route *r = &routes[i];
		size_t len = strlen(r->path);

		if (r->answer_name != NULL ? strncmp(path, r->path, len) != 0 || path[len] == '\0'
					   : strcmp(path, r->path) != 0)
			continue;
		if (!(r->methods & method)) {
			evhttp_add_header(evhttp_request_get_output_headers(request), "Allow",
					  r->allow);
			http_error(request, 405, "%s: %s only", path, r->allow);
		} else if (r->answer != NULL) {
			r->answer(request);
		} else {
			r->answer_name(request, path + len);
		}
		return;
	}
	if (strncmp(path, "/v1/", 4) == 0) {
		http_error(request, 404, "%s: there is no such thing", path);
	} else if (!(method & GET)) {
		evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
		http_error(request, 405, "%s: GET, HEAD only", path);
	} else {
		web_get(request, path);
	}
}

/* Whether it may come in; if not it was answered.  Whoever asks whether we live may know it. */
static bool admitted(struct evhttp_request *request, const char *path)
{
	struct bufferevent *bev =
	    evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
	struct caller *caller;

	if (strcmp(path, "/healthz") == 0)
		return true;
	caller = access_check(request, tls_name(bev));
	if (caller != NULL)
		door_admit(request, caller);
	return caller != NULL;
}

static void answer(struct evhttp_request *request, void *arg)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	const char *raw = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
	const char *upgrade = http_header(request, "Upgrade");
	char *path;
	size_t len;

	(void)arg;
	if (!door_request(request)) {
		evhttp_add_header(headers, "Connection", "close");
		evhttp_send_reply(request, 400, NULL, NULL);
		return;
	}
	if (raw == NULL) {
		http_refuse(request, 400, "the address can't be read");
		return;
	}
	if (!authority_ours(request)) {
		http_refuse(request, 421, "%s: not a name of this server (see --host)",
			    http_header(request, "Host"));
		return;
	}
	if (!(evhttp_request_get_command(request) & GET) && !http_origin_ours(request)) {
		http_refuse(request, 403, "%s: not a page of this server (see --origin)",
			    http_header(request, "Origin"));
		return;
	}
	if (serve.ending) {
		evhttp_add_header(headers, "Connection", "close");
		http_error(request, 503, "the server ends");
		return;
	}
	path = evhttp_uridecode(raw, 0, &len);
	if (path == NULL || strlen(path) != len)
		http_error(request, 400, "the address can't be read");
	else if (!admitted(request, path))
		;
	else if (upgrade != NULL && strcasecmp(upgrade, "websocket") == 0 &&
		 (strcmp(path, "/") == 0 || strcmp(path, "/ws") == 0))
		socket_upgrade(request);
	else
		route(request, path);
	free(path);
}

static struct evhttp *http_new(void)
{
	struct evhttp *http = evhttp_new(serve.base);
	struct timeval idle = milliseconds(serve.idle_ms);

	if (http == NULL)
		errx(EXIT_CANNOT, "out of memory");
	evhttp_set_allowed_methods(http, 0xffff);
	evhttp_set_timeout_tv(http, &idle);
	/* Less is refused before it sees it. */
	evhttp_set_max_headers_size(http, 2 * serve.head_largest);
	evhttp_set_max_body_size(http, 2 * serve.body_largest);
	evhttp_set_gencb(http, answer, NULL);
	return http;
}

void http_open(void)
{
	serve.http = http_new();
	serve.https = http_new();
}
