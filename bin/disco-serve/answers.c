/*
 * When answers are written: when all requests of a turn of the loop were read, for to
 * wake one client after the other costs as much as all else.
 */
#include <sys/socket.h>

#include "serve.h"

#define ANSWERS_MOST 256 /* that wait */

static struct answer {
	struct bufferevent *bev;
	struct caller *repeats; /* who sent what was known, and we answer without evhttp; or NULL */
} answers[ANSWERS_MOST];
static size_t answer_count;

/*
 * Most answers have room in the socket: then nobody need wait until epoll says so, which is two
 * changes for it and a turn of the loop.  What has no room is left to libevent.
 */
static void write_out(struct bufferevent *bev)
{
	struct evbuffer *output = bufferevent_get_output(bev);

	if (bufferevent_getfd(bev) < 0 || evbuffer_get_length(output) == 0)
		return; /* it was closed, or libevent has written it */
	/* To libevent its front is the bufferevent's own, and so frozen. */
	evbuffer_unfreeze(output, 1);
	evbuffer_write(output, bufferevent_getfd(bev));
	evbuffer_freeze(output, 1);
	/* evhttp goes on when we have returned. */
	if (evbuffer_get_length(output) == 0)
		bufferevent_trigger(bev, EV_WRITE, BEV_TRIG_DEFER_CALLBACKS);
}

/* Whoever has left so many answers unread that this one finds no room reads none. */
static void repeat_write(struct bufferevent *bev, const struct text *text)
{
	int fd = bufferevent_getfd(bev);

	if (fd >= 0 &&
	    (text->failed || send(fd, text->s, text->len, MSG_NOSIGNAL) != (ssize_t)text->len))
		door_close(bev);
}

static void answers_write(int fd, short what, void *arg)
{
	const struct caller *printed = NULL;
	static struct text text;

	(void)fd, (void)what, (void)arg;
	for (size_t i = 0; i < answer_count; i++) {
		struct answer *answer = &answers[i];

		if (answer->repeats == NULL) {
			write_out(answer->bev);
		} else {
			if (answer->repeats != printed) {
				text_clear(&text);
				http_repeat(&text, answer->repeats);
				printed = answer->repeats;
			}
			repeat_write(answer->bev, &text);
		}
	}
	for (size_t i = 0; i < answer_count; i++) {
		bufferevent_decref(answers[i].bev);
		caller_unref(answers[i].repeats);
	}
	answer_count = 0;
}

static void add(struct bufferevent *bev, struct caller *repeats)
{
	static struct loop_event *soon;

	if (soon == NULL)
		soon = event_new(serve.base, -1, 0, answers_write, NULL);
	if (answer_count == ANSWERS_MOST)
		answers_write(-1, 0, NULL);
	if (answer_count == 0 && soon != NULL)
		event_active(soon, EV_TIMEOUT, 0);
	/* With its descriptor, which is nobody else's as long as we have this. */
	bufferevent_incref(bev);
	answers[answer_count++] = (struct answer){bev, caller_ref(repeats)};
	if (soon == NULL)
		answers_write(-1, 0, NULL);
}

void answers_add(struct bufferevent *bev)
{
	if (!tls_is(bev))
		add(bev, NULL);
}

void answers_repeat(struct bufferevent *bev, struct caller *caller)
{
	add(bev, caller);
}
