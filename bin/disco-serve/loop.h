#ifndef DISCO_SERVE_LOOP_H
#define DISCO_SERVE_LOOP_H

/* libevent has a struct event as well as we do (row.h): here it is called struct loop_event. */
#define event loop_event
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#undef event

#endif
