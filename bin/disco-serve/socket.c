/*
 * WebSockets: the connection is taken over from evhttp, frames come and go by
 * wslay.  What goes to many is made once and shared; it is given to the kernel
 * at once, and only what the kernel does not take is queued.
 */
#include "socket.h"

#include <errno.h>
#include <resolv.h>
#include <sha1.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define BYTES_AT_ONCE 256

static LIST_HEAD(client_list, client) all = LIST_HEAD_INITIALIZER(all);
static struct client_list hungry = LIST_HEAD_INITIALIZER(hungry);
static struct loop_event *on_hungry;

static ssize_t frame_append(const uint8_t *data, size_t len, int flags, void *arg)
{
	(void)flags;
	text_add(arg, (const char *)data, len);
	return (ssize_t)len;
}

struct message *message_new(struct text *json)
{
	static const struct wslay_frame_callbacks callbacks = {.send_callback = frame_append};
	wslay_frame_context_ptr frames;
	struct wslay_frame_iocb frame = {.fin = 1,
					 .opcode = WSLAY_TEXT_FRAME,
					 .payload_length = json->len,
					 .data = (const uint8_t *)json->s,
					 .data_length = json->len};
	struct message *message = NULL;
	struct text out = {0};

	if (!json->failed && text_room(&out, sizeof(*message) + json->len + 16) != NULL &&
	    wslay_frame_context_init(&frames, &callbacks, &out) == 0) {
		out.len = sizeof(*message);
		if (wslay_frame_send(frames, &frame) >= 0 && !out.failed) {
			message = (struct message *)(void *)out.s;
			message->refs = 1;
			message->len = out.len - sizeof(*message);
		}
		wslay_frame_context_free(frames);
	}
	if (message == NULL)
		text_free(&out);
	text_free(json);
	return message;
}

void message_free(struct message *message)
{
	if (message != NULL && --message->refs == 0)
		free(message);
}

static void sent(const void *data, size_t len, void *arg)
{
	(void)data, (void)len;
	message_free(arg);
}

size_t client_queue(const struct client *client)
{
	return evbuffer_get_length(bufferevent_get_output(client->bev));
}

void client_send(struct client *client, struct message *message)
{
	size_t done = 0;
	ssize_t n;

	if (message == NULL || client->closing)
		return;
	if (client->direct && client_queue(client) == 0) {
		n = send(bufferevent_getfd(client->bev), message->data, message->len,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		done = n > 0 ? (size_t)n : 0;
	}
	if (done == message->len)
		return;
	message->refs++;
	if (evbuffer_add_reference(bufferevent_get_output(client->bev), message->data + done,
				   message->len - done, sent, message) < 0)
		message_free(message);
}

void client_say(struct client *client, struct text *json)
{
	struct message *message = message_new(json);

	client_send(client, message);
	message_free(message);
}

/* What is queued goes out, and nothing else is told. */
static void client_close(struct client *client)
{
	client->closing = true;
	channel_leave(client);
	wishes_leave(client);
}

static void client_free(struct client *client)
{
	struct evhttp_connection *connection = client->connection;

	channel_leave(client);
	wishes_leave(client);
	caller_unref(client->caller);
	if (client->is_hungry)
		LIST_REMOVE(client, hungry);
	LIST_REMOVE(client, next);
	serve.sockets--;
	wslay_event_context_free(client->ws);
	free(client);
	evhttp_connection_free(connection);
}

static void feed(int fd, short what, void *arg)
{
	struct client_list now = LIST_HEAD_INITIALIZER(now);
	struct client *client;

	(void)fd, (void)what, (void)arg;
	LIST_SWAP(&hungry, &now, client, hungry);
	while ((client = LIST_FIRST(&now)) != NULL) {
		LIST_REMOVE(client, hungry);
		client->is_hungry = false;
		client_more(client);
	}
}

void client_hungry(struct client *client)
{
	static const struct timeval at_once = {0, 0};

	if (client->is_hungry || client->closing)
		return;
	client->is_hungry = true;
	LIST_INSERT_HEAD(&hungry, client, hungry);
	evtimer_add(on_hungry, &at_once);
}

/* wslay's side: bytes that came, and control frames to go. */

static ssize_t take_bytes(wslay_event_context_ptr ws, uint8_t *buf, size_t len, int flags,
			  void *arg)
{
	struct client *client = arg;
	int n = 0;

	(void)flags;
	/* All that wslay has in hand it hands on at once: so it gets little. */
	if ((int64_t)len > client->budget)
		len = (size_t)client->budget;
	/* Who does not read our answers gets no more of them. */
	if (client_queue(client) >= QUEUE_LARGEST)
		bufferevent_disable(client->bev, EV_READ);
	else if (len > 0)
		n = evbuffer_remove(bufferevent_get_input(client->bev), buf, len);
	client->budget -= n > 0 ? n : 0;
	if (n > 0)
		return n;
	wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
	return -1;
}

static ssize_t give_bytes(wslay_event_context_ptr ws, const uint8_t *data, size_t len, int flags,
			  void *arg)
{
	struct client *client = arg;

	(void)ws, (void)flags;
	return bufferevent_write(client->bev, data, len) < 0 ? -1 : (ssize_t)len;
}

static void take_message(wslay_event_context_ptr ws,
			 const struct wslay_event_on_msg_recv_arg *message, void *arg)
{
	struct client *client = arg;

	if (client->closing || wslay_event_get_close_sent(ws))
		return;
	if (client_queue(client) >= QUEUE_LARGEST) {
		wslay_event_queue_close(ws, WSLAY_CODE_POLICY_VIOLATION,
					(const uint8_t *)"read first", 10);
		wslay_event_shutdown_read(ws);
	} else if (message->opcode == WSLAY_TEXT_FRAME)
		talk(client, (const char *)message->msg, message->msg_length);
	else if (message->opcode == WSLAY_BINARY_FRAME)
		wslay_event_queue_close(ws, WSLAY_CODE_UNSUPPORTED_DATA, NULL, 0);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct client *client = arg;

	(void)bev;
	if (client->closing) {
		evbuffer_drain(bufferevent_get_input(client->bev), SIZE_MAX);
		return;
	}
	client->budget = BYTES_AT_ONCE;
	if (wslay_event_recv(client->ws) != 0 || wslay_event_send(client->ws) != 0 ||
	    wslay_event_get_close_sent(client->ws) || !wslay_event_get_read_enabled(client->ws)) {
		/* What was said before goes out first. */
		client_close(client);
		if (client_queue(client) == 0)
			client_free(client);
	} else if (client->budget == 0 && bufferevent_get_enabled(client->bev) & EV_READ) {
		bufferevent_trigger(client->bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
	}
}

static void on_drained(struct bufferevent *bev, void *arg)
{
	struct client *client = arg;

	if (client->closing) {
		client_free(client);
		return;
	}
	if (!(bufferevent_get_enabled(bev) & EV_READ)) {
		bufferevent_enable(bev, EV_READ);
		if (evbuffer_get_length(bufferevent_get_input(bev)) > 0)
			bufferevent_trigger(bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
	}
	client_more(client);
	wishes_more(client);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev, (void)what;
	client_free(arg);
}

void sockets_close(bool everybody)
{
	struct client *client, *next;

	LIST_FOREACH_SAFE (client, &all, next, next) {
		if (client->closing || (!everybody && !client->caller->revoked))
			continue;
		if (everybody)
			wslay_event_queue_close(client->ws, WSLAY_CODE_GOING_AWAY,
						(const uint8_t *)"the server ends", 15);
		else
			wslay_event_queue_close(client->ws, WSLAY_CODE_POLICY_VIOLATION,
						(const uint8_t *)"the token was revoked", 21);
		wslay_event_send(client->ws);
		client_close(client);
	}
}

/* The taking over. */

static struct client *client_new(struct evhttp_request *request)
{
	static const struct wslay_event_callbacks callbacks = {.recv_callback = take_bytes,
							       .send_callback = give_bytes,
							       .on_msg_recv_callback =
								   take_message};
	struct client *client = calloc(1, sizeof(*client));

	if (client == NULL ||
	    wslay_event_context_server_init(&client->ws, &callbacks, client) != 0) {
		free(client);
		return NULL;
	}
	wslay_event_config_set_max_recv_msg_length(client->ws, (uint64_t)serve.message_largest);
	client->connection = evhttp_request_get_connection(request);
	client->bev = evhttp_connection_get_bufferevent(client->connection);
	client->caller = caller_ref(http_caller(request));
	client->direct = !tls_is(client->bev);
	door_taken_over(request);
	listen_patient(client->bev);
	bufferevent_setwatermark(client->bev, EV_READ | EV_WRITE, 0, 0);
	bufferevent_setcb(client->bev, on_read, on_drained, on_event, client);
	LIST_INSERT_HEAD(&all, client, next);
	serve.sockets++;
	if (on_hungry == NULL)
		on_hungry = evtimer_new(serve.base, feed, NULL);
	return client;
}

static void accept_key(const char *key, char *accept)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t digest[SHA1_DIGEST_LENGTH];
	SHA1_CTX sha;

	SHA1Init(&sha);
	SHA1Update(&sha, (const uint8_t *)key, strlen(key));
	SHA1Update(&sha, (const uint8_t *)guid, sizeof(guid) - 1);
	SHA1Final(digest, &sha);
	b64_ntop(digest, sizeof(digest), accept, 32);
}

void socket_upgrade(struct evhttp_request *request)
{
	const char *key = http_header(request, "Sec-WebSocket-Key");
	const char *version = http_header(request, "Sec-WebSocket-Version");
	unsigned char raw[64];
	struct client *client;
	char accept[32];

	if (evhttp_request_get_command(request) != EVHTTP_REQ_GET) {
		http_error(request, 405, "a WebSocket begins with GET");
		return;
	}
	if (version == NULL || strcmp(version, "13") != 0) {
		evhttp_add_header(evhttp_request_get_output_headers(request),
				  "Sec-WebSocket-Version", "13");
		http_error(request, 426, "Sec-WebSocket-Version: 13 is understood");
		return;
	}
	if (key == NULL || strlen(key) != 24 || b64_pton(key, raw, sizeof(raw)) != 16) {
		http_error(request, 400, "Sec-WebSocket-Key: not a key");
		return;
	}
	if (!http_origin_ours(request)) {
		http_refuse(request, 403, "%s: not a page of this server (see --origin)",
			    http_header(request, "Origin"));
		return;
	}
	client = client_new(request);
	if (client == NULL) {
		http_error(request, 503, "out of memory");
		return;
	}
	http_count(101);
	accept_key(key, accept);
	evbuffer_add_printf(bufferevent_get_output(client->bev),
			    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
			    "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			    accept);
	bufferevent_enable(client->bev, EV_READ | EV_WRITE);
	/* A frame may have come in one segment with the request. */
	if (evbuffer_get_length(bufferevent_get_input(client->bev)) > 0)
		bufferevent_trigger(client->bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
}
