/* disco-serve's parts without its main: what they share, with a small table in it. */
#ifndef FUZZ_SERVE_H
#define FUZZ_SERVE_H

#include "../../bin/disco-serve/serve.h"
#include "fuzz.h"

struct serve serve = {.message_largest = 65536,
		      .proc_timeout_ms = 5000,
		      .subscriptions = 4,
		      .name = "disco-serve@h:1",
		      .host = "h"};

/* A row of these, and of a service that is its name up to the "_". */
static inline void serve_row(const char *name, enum state state)
{
	struct text text = {0};
	struct row row;

	text_printf(&text,
		    "%s\t%.*s\t%s\t2026-11-24T03:14:26.230Z\t2026-11-24T03:14:26.230Z\t7\t\t"
		    "10.0.0.7:1\thost\t12\t1.0\tuser\t\tas \"it\" is\t30\t90\t600\t\t2\t\t\t5\t"
		    "zone=a,x=b\\\\,c",
		    name, (int)strcspn(name, "_"), name, state_name(state));
	ensure(row_split(&row, text_cstr(&text), text.len) && rows_put(&serve.rows, &row));
	text_free(&text);
}

static inline void serve_open(void)
{
	serve.base = event_base_new();
	head_init(&serve.head);
	ensure(serve.base != NULL && rows_init(&serve.rows));
	serve_row("web_1", STATE_ACTIVE);
	serve_row("web_2", STATE_ERROR);
	serve_row("db_1", STATE_WARNING);
	rows_round(&serve.rows);
}

#endif
