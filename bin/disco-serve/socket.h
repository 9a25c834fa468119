#ifndef DISCO_SERVE_SOCKET_H
#define DISCO_SERVE_SOCKET_H

#include <wslay/wslay.h>

#include "serve.h"

#define QUEUE_LARGEST (1 << 20) /* bytes that wait for a slow client; then he begins anew */

/* A frame that is sent to many. */
struct message {
	size_t refs, len;
	unsigned char data[];
};

struct channel;

/* One WebSocket. */
struct client {
	LIST_ENTRY(client) next, in_channel, hungry;
	struct evhttp_connection *connection;
	struct bufferevent *bev;
	bool direct; /* what goes to the socket is what we say, with no TLS between */
	wslay_event_context_ptr ws;
	struct caller *caller;
	bool greeted;	/* hello was said */
	bool closing;	/* and freed when all is sent */
	int64_t budget; /* bytes that it may say before others have their turn */
	bool is_hungry; /* there is more for it when the loop comes around */
	struct channel *channel;
	/* Calls of procedures and subscriptions to them. */
	LIST_HEAD(wish_list, wish) wishes;
	size_t wish_count;
	/*
	 * Where it is: live, it gets the channel's deltas; passing, it is brought
	 * there by passes over the rows, part by part, each pass bringing what has
	 * changed since the one before (from; 0: all); behind, it will be.
	 */
	enum { CLIENT_LIVE, CLIENT_PASSING, CLIENT_BEHIND } place;
	size_t cursor;	      /* of the pass */
	uint64_t from, until; /* rounds */
};

/* socket.c */
/* Makes a text frame of a JSON text, which is emptied; NULL when memory is out.  One reference. */
struct message *message_new(struct text *);
void message_free(struct message *);
void client_send(struct client *, struct message *);
/* Makes, sends and gives it back. */
void client_say(struct client *, struct text *);
/* Bytes that wait to be sent. */
size_t client_queue(const struct client *);
/* Calls client_more when the loop comes around. */
void client_hungry(struct client *);

/* channel.c */
/* Subscribes it; the filter is taken over.  every_ms 0: the master's tick.  names: the original
 * page's way. */
bool channel_join(struct client *, struct filter *, int64_t every_ms, bool beats, bool original);
void channel_leave(struct client *);
/* All that was queued has gone out, or it is its turn. */
void client_more(struct client *);
const struct filter *channel_filter(const struct channel *);
/* Appends "seq":..,"time":".." and "total":..,"counts":{..}, as the caller may know them. */
void add_moment(struct text *, const struct caller *);
void add_counts(struct text *, struct caller *);
void add_stamp(struct text *, int64_t ms); /* quoted; null for 0 */
/* The short JSON of a change. */
const struct text *change_json(struct change *);

/* wish.c: what a client wants of procedures; args and id may be NULL. */
struct cJSON;
void wish_call(struct client *, const char *name, const struct cJSON *args, const struct cJSON *id);
void wish_subscribe(struct client *, const struct cJSON *what, int64_t every_ms,
		    const struct cJSON *id);
void wish_unsubscribe(struct client *, const struct cJSON *what, const struct cJSON *id);
/* It is gone. */
void wishes_leave(struct client *);
/* What it could not be told before, now that it has room. */
void wishes_more(struct client *);

/* talk.c: one message of a client. */
void talk(struct client *, const char *message, size_t len);

#endif
