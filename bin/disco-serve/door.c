/*
 * What each connection must keep to until its request is whole, and how many
 * there may be.  A door is one connection from the moment it is accepted to its
 * end; evhttp knows nothing of it.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* It has a struct entry of its own. */
#define entry search_entry
#include <search.h>
#undef entry

#include "clock.h"
#include "request.h"
#include "serve.h"
#include "version.h"

#define SWEEP_MS 500
#define FAREWELL_MS 1000 /* for one who was refused to read why */

/* How many come from one address, or from one network of IPv6. */
struct peer {
	unsigned char address[16];
	int64_t count;
};

struct door {
	struct bufferevent *bev; /* first, for the tree */
	struct evhttp_connection *connection;
	struct evbuffer_cb_entry *callback;
	struct peer *peer;
	char elsewhere[INET6_ADDRSTRLEN]; /* the peer's address, "" where it is this machine */
	struct caller *caller;		  /* who sent the last request */
	void (*gone)(struct evhttp_connection *, void *);
	void *gone_arg;
	int64_t since_ms; /* the first byte of the request that is being read; 0: none */
	struct request request;
	size_t body; /* bytes behind its head */
	bool answering;
	bool looks; /* is on the list of those whose input is to be looked at */
	TAILQ_ENTRY(door) fresh;
	LIST_ENTRY(door) reading, look;
};

/* What was read last of all, if it was one request and no more, as repeat.c knows it. */
static struct {
	const struct door *door;
	struct repeat_key key;
} whole;

static void *doors, *peers; /* trees */
static int64_t door_count;
static TAILQ_HEAD(fresh_list, door) fresh = TAILQ_HEAD_INITIALIZER(fresh);
static LIST_HEAD(reading_list, door) reading = LIST_HEAD_INITIALIZER(reading);
static LIST_HEAD(look_list, door) looks = LIST_HEAD_INITIALIZER(looks);
static struct loop_event *on_fresh, *on_sweep, *on_look;

static int by_bev(const void *a, const void *b)
{
	const struct door *p = a, *q = b;

	return p->bev < q->bev ? -1 : p->bev > q->bev;
}

static int by_address(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(((struct peer *)0)->address));
}

static struct door *door_of(struct bufferevent *bev)
{
	struct door key = {.bev = bev}, **found = tfind(&key, &doors, by_bev);

	return found != NULL ? *found : NULL;
}

/* Of a request that door_request has let in. */
static struct door *door_of_request(struct evhttp_request *request)
{
	return request->on_complete_cb_arg;
}

struct caller *http_caller(struct evhttp_request *request)
{
	return door_of_request(request)->caller;
}

const char *http_peer(struct evhttp_request *request)
{
	const struct door *door = door_of_request(request);

	return *door->elsewhere != '\0' ? door->elsewhere : NULL;
}

const struct repeat_key *door_whole(struct evhttp_request *request)
{
	return whole.door == door_of_request(request) ? &whole.key : NULL;
}

void door_on_close(struct evhttp_request *request, void (*gone)(struct evhttp_connection *, void *),
		   void *arg)
{
	struct door *door = door_of_request(request);

	door->gone = gone;
	door->gone_arg = arg;
}

static void reading_end(struct door *door)
{
	if (door->since_ms == 0)
		return;
	door->since_ms = 0;
	LIST_REMOVE(door, reading);
}

static void reading_begin(struct door *door)
{
	if (door->since_ms != 0)
		return;
	door->since_ms = clock_mono_ms();
	LIST_INSERT_HEAD(&reading, door, reading);
}

/* Counting. */

/* NULL where there is no address: on a Unix socket. */
static struct peer *peer_of(int fd)
{
	struct sockaddr_storage at = {0};
	struct sockaddr_in *four = (struct sockaddr_in *)&at;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&at;
	socklen_t len = sizeof(at);
	struct peer key = {0}, *peer, **found;

	if (getpeername(fd, (struct sockaddr *)&at, &len) < 0)
		return NULL;
	if (at.ss_family == AF_INET)
		memcpy(key.address + 12, &four->sin_addr, 4);
	else if (at.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
		memcpy(key.address + 12, six->sin6_addr.s6_addr + 12, 4);
	else if (at.ss_family == AF_INET6)
		memcpy(key.address, &six->sin6_addr, 8); /* whoever has one has them all */
	else
		return NULL;
	found = tfind(&key, &peers, by_address);
	if (found != NULL)
		return *found;
	peer = malloc(sizeof(*peer));
	if (peer == NULL)
		return NULL;
	*peer = key;
	if (tsearch(peer, &peers, by_address) == NULL) {
		free(peer);
		return NULL;
	}
	return peer;
}

static void peer_leave(struct peer *peer)
{
	if (peer == NULL || --peer->count > 0)
		return;
	tdelete(peer, &peers, by_address);
	free(peer);
}

/* Refusing, before there is a request. */

static const char *reason_of(int status)
{
	switch (status) {
	case 400: return "Bad Request";
	case 408: return "Request Timeout";
	case 413: return "Content Too Large";
	case 414: return "URI Too Long";
	case 431: return "Request Header Fields Too Large";
	case 503: return "Service Unavailable";
	default: return "HTTP Version Not Supported";
	}
}

static void drain(struct bufferevent *bev, void *arg)
{
	(void)arg;
	evbuffer_drain(bufferevent_get_input(bev), SIZE_MAX);
}

/* The words are out: what he still sends is read off, or the kernel would take them back. */
static void refused(struct bufferevent *bev, void *arg)
{
	(void)arg;
	shutdown(bufferevent_getfd(bev), SHUT_WR);
}

static void door_refuse(struct door *door, int status, const char *words)
{
	struct timeval farewell = milliseconds(FAREWELL_MS);
	bufferevent_data_cb read, write;
	bufferevent_event_cb event;
	struct text body = {0};
	void *arg;

	if (door->callback == NULL)
		return;
	reading_end(door);
	evbuffer_remove_cb_entry(bufferevent_get_input(door->bev), door->callback);
	door->callback = NULL;
	http_count(status);
	refusal_log(bufferevent_getfd(door->bev), status, words, NULL, NULL);
	text_printf(&body, "{\"error\":\"%s\"}\n", words);
	bufferevent_getcb(door->bev, &read, &write, &event, &arg);
	bufferevent_setcb(door->bev, drain, refused, event, arg);
	evbuffer_add_printf(bufferevent_get_output(door->bev),
			    "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
			    "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
			    status, reason_of(status), body.len, text_cstr(&body));
	text_free(&body);
	bufferevent_setwatermark(door->bev, EV_READ, 0, 0);
	bufferevent_set_timeouts(door->bev, &farewell, &farewell);
	reading_begin(door); /* what is left of it */
	bufferevent_enable(door->bev, EV_READ | EV_WRITE);
	drain(door->bev, NULL);
}

static void sweep(int fd, short what, void *arg)
{
	int64_t now_ms = clock_mono_ms();
	struct door *door, *next;

	(void)fd, (void)what, (void)arg;
	LIST_FOREACH_SAFE (door, &reading, reading, next) {
		if (door->callback == NULL && now_ms - door->since_ms > FAREWELL_MS)
			evhttp_connection_free(door->connection);
		else if (door->callback != NULL && now_ms - door->since_ms > serve.request_ms)
			door_refuse(door, 408, "the request was not whole in time");
	}
}

/* What is wrong with the head that came so far, or with what is said to follow. */
static void head_look(struct door *door, const char *s, size_t len)
{
	struct request *request = &door->request;
	size_t head = request->whole ? 0 : request_scan(request, s, len);

	door->body += len - head;
	if (request->status == 0 && request->whole && request->chunked)
		request_scan_chunks(request, s + head, len - head);
	if (request->status != 0)
		door_refuse(door, request->status, request->why);
	else if ((int64_t)request->head > serve.head_largest)
		door_refuse(door, 431, "the head is too large");
	else if (request->length > serve.body_largest ||
		 (!request->upgrade && door->body > ahead_largest())) /* chunks, with their sizes */
		door_refuse(door, 413, "the body is too large");
	else if (!request->upgrade && memchr(s + head, '\0', len - head) != NULL)
		door_refuse(door, 400, "a NUL in it");
}

/* Looks at the last bytes of the input, before evhttp does. */
static void input_look(struct door *door, size_t len)
{
	struct evbuffer *input = bufferevent_get_input(door->bev);
	struct evbuffer_ptr at;
	struct evbuffer_iovec part;

	reading_begin(door);
	if (evbuffer_ptr_set(input, &at, evbuffer_get_length(input) - len, EVBUFFER_PTR_SET) < 0)
		return;
	while (len > 0 && door->callback != NULL &&
	       evbuffer_peek(input, (ssize_t)len, &at, &part, 1) >= 1) {
		size_t n = part.iov_len < len ? part.iov_len : len;

		head_look(door, part.iov_base, n);
		len -= n;
		/* When it was refused all of it is gone. */
		if (len > 0 && door->callback != NULL &&
		    evbuffer_ptr_set(input, &at, n, EVBUFFER_PTR_ADD) < 0)
			break;
	}
}

/*
 * Whether this is, byte for byte, a request that was answered before, and is again: then evhttp
 * does not see it.  Through TLS we could not answer without libevent.
 */
static bool repeats(struct door *door, struct evbuffer *input)
{
	struct evbuffer_iovec part;
	struct caller *caller;

	if (door->since_ms != 0 || serve.ending || tls_is(door->bev) ||
	    evbuffer_peek(input, -1, NULL, &part, 1) != 1 ||
	    !repeat_key(&whole.key, part.iov_base, part.iov_len))
		return false;
	caller = repeat_request(&whole.key, door->elsewhere);
	if (caller == NULL) {
		whole.door = door;
		return false;
	}
	evbuffer_drain(input, part.iov_len);
	http_count(204);
	answers_repeat(door->bev, caller);
	return true;
}

/* What comes behind a request waits for its answer. */
static void door_read(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
	struct door *door = arg;
	size_t len = info->n_added;

	if (len == 0)
		return;
	whole.door = NULL;
	if (door->answering)
		return;
	/* What was behind the last request was not looked at yet: all of it now. */
	if (door->looks) {
		LIST_REMOVE(door, look);
		door->looks = false;
		len = evbuffer_get_length(input);
	}
	if (!repeats(door, input))
		input_look(door, len);
}

/* Coming and going. */

static void door_forget(struct door *door)
{
	reading_end(door);
	if (door->looks)
		LIST_REMOVE(door, look);
	if (whole.door == door)
		whole.door = NULL;
	caller_unref(door->caller);
	peer_leave(door->peer);
	tdelete(door, &doors, by_bev);
	door_count--;
	free(door);
}

static void door_closed(struct evhttp_connection *connection, void *arg)
{
	struct door *door = arg;
	const char *why;

	if (door->gone != NULL)
		door->gone(connection, door->gone_arg);
	why = tls_failure(door->bev);
	if (why != NULL)
		refusal_log(bufferevent_getfd(door->bev), 0, why, NULL, NULL);
	door_forget(door);
}

void door_close(struct bufferevent *bev)
{
	struct door *door = door_of(bev);

	if (door != NULL)
		evhttp_connection_free(door->connection);
}

/* Notes where the connection comes from. */
static void elsewhere_set(struct door *door)
{
	struct in6_addr six;
	struct in_addr four;
	char *address = NULL;
	uint16_t port;

	evhttp_connection_get_peer(door->connection, &address, &port);
	if (address != NULL && strncmp(address, "::ffff:", 7) == 0)
		address += 7;
	if (address == NULL)
		return;
	if (inet_pton(AF_INET, address, &four) == 1
		? ntohl(four.s_addr) >> 24 != 127
		: inet_pton(AF_INET6, address, &six) == 1 && !IN6_IS_ADDR_LOOPBACK(&six))
		snprintf(door->elsewhere, sizeof(door->elsewhere), "%s", address);
}

/* evhttp has its connection and descriptor by now. */
static void door_opened(struct door *door)
{
	bufferevent_data_cb read, write;
	bufferevent_event_cb event;
	void *connection;

	bufferevent_getcb(door->bev, &read, &write, &event, &connection);
	if (connection == NULL) {
		/* It had no memory for it. */
		door_forget(door);
		return;
	}
	door->connection = connection;
	evhttp_connection_set_closecb(door->connection, door_closed, door);
	elsewhere_set(door);
	door->peer = peer_of(bufferevent_getfd(door->bev));
	if (door->peer != NULL)
		door->peer->count++;
	if (tls_is(door->bev))
		reading_begin(door); /* with the handshake */
	if (door_count > serve.connections)
		door_refuse(door, 503, "too many connections");
	else if (door->peer != NULL && door->peer->count > serve.connections_each)
		door_refuse(door, 503, "too many connections from this address");
}

static void doors_opened(int fd, short what, void *arg)
{
	struct door *door;

	(void)fd, (void)what, (void)arg;
	while ((door = TAILQ_FIRST(&fresh)) != NULL) {
		TAILQ_REMOVE(&fresh, door, fresh);
		door_opened(door);
		bufferevent_decref(door->bev);
	}
}

void door_add(struct bufferevent *bev)
{
	struct door *door = calloc(1, sizeof(*door));

	if (door == NULL || (door->bev = bev, tsearch(door, &doors, by_bev) == NULL))
		errx(EXIT_CANNOT, "out of memory");
	door_count++;
	door->callback = evbuffer_add_cb(bufferevent_get_input(bev), door_read, door);
	/* This is called before evhttp has taken it; it will be in this turn of the loop. */
	bufferevent_incref(bev);
	TAILQ_INSERT_TAIL(&fresh, door, fresh);
	event_active(on_fresh, EV_TIMEOUT, 0);
}

/* What came behind a request that is answered now, before evhttp looks at it. */
static void look(int fd, short what, void *arg)
{
	struct door *door;

	(void)fd, (void)what, (void)arg;
	while ((door = LIST_FIRST(&looks)) != NULL) {
		LIST_REMOVE(door, look);
		door->looks = false;
		if (door->callback != NULL)
			input_look(door, evbuffer_get_length(bufferevent_get_input(door->bev)));
	}
}

void doors_open(void)
{
	struct timeval every = milliseconds(SWEEP_MS);

	on_fresh = evtimer_new(serve.base, doors_opened, NULL);
	on_look = evtimer_new(serve.base, look, NULL);
	on_sweep = event_new(serve.base, -1, EV_PERSIST, sweep, NULL);
	event_add(on_sweep, &every);
}

static void answered(struct evhttp_request *request, void *arg)
{
	struct door *door = arg;

	(void)request;
	door->answering = false;
	door->request = (struct request){0};
	door->body = 0;
	/* Not at once: evhttp has not ended with this one, and begins the next after we return. */
	if (evbuffer_get_length(bufferevent_get_input(door->bev)) > 0 && !door->looks) {
		door->looks = true;
		LIST_INSERT_HEAD(&looks, door, look);
		event_active(on_look, EV_TIMEOUT, 0);
	}
}

bool door_request(struct evhttp_request *request)
{
	struct door *door =
	    door_of(evhttp_connection_get_bufferevent(evhttp_request_get_connection(request)));

	reading_end(door);
	if (evbuffer_get_length(bufferevent_get_input(door->bev)) > 0)
		whole.door = NULL;
	caller_unref(door->caller);
	door->caller = NULL;
	/* It was refused already, and evhttp had it in hand. */
	if (door->callback == NULL)
		return false;
	door->answering = true;
	evhttp_request_set_on_complete_cb(request, answered, door);
	return true;
}

void door_admit(struct evhttp_request *request, struct caller *caller)
{
	door_of_request(request)->caller = caller_ref(caller);
}

void door_taken_over(struct evhttp_request *request)
{
	struct door *door = door_of_request(request);

	evbuffer_remove_cb_entry(bufferevent_get_input(door->bev), door->callback);
	door->callback = NULL;
	door->gone = NULL;
}
