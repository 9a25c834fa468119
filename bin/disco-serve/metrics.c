/* GET /metrics, in Prometheus' words, and GET /healthz. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "match.h"
#include "name.h"
#include "pool.h"
#include "serve.h"
#include "version.h"

static void head(struct text *text, const char *name, const char *type, const char *help)
{
	text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(struct text *text, const char *name, const char *type, const char *help,
		uint64_t value)
{
	head(text, name, type, help);
	text_printf(text, "%s %llu\n", name, (unsigned long long)value);
}

/* A label's value: quotes, backslashes and newlines are quoted by a backslash. */
static void label(struct text *text, const char *name, const struct row *row,
		  enum row_column column)
{
	struct text value = {0};

	text_untsv(&value, row_value(row, column), row_length(row, column));
	text_printf(text, "%s=\"", name);
	for (size_t i = 0; i < value.len; i++) {
		if (value.s[i] == '"' || value.s[i] == '\\')
			text_char(text, '\\');
		if (value.s[i] == '\n')
			text_string(text, "\\n");
		else
			text_char(text, value.s[i]);
	}
	text_char(text, '"');
	text_free(&value);
}

static void services(struct text *text, const struct caller *caller)
{
	size_t count;
	struct service *all = services_count(caller, &count);

	head(text, "disco_service_processes", "gauge", "Processes of a service by state.");
	for (size_t i = 0; i < count; i++)
		for (int s = 0; s < STATES; s++) {
			text_string(text, "disco_service_processes{");
			label(text, "service", all[i].row, ROW_SERVICE);
			text_printf(text, ",state=\"%s\"} %zu\n", state_name((enum state)s),
				    all[i].states[s]);
		}
	free(all);
}

/* One kind of series for each process that the glob matches. */
static void series(struct text *text, const struct caller *caller, const char *name,
		   const char *help, const char *glob,
		   void (*value)(struct text *, const struct row *))
{
	head(text, name, "gauge", help);
	for (size_t i = 0; i < serve.rows.size; i++) {
		const struct entry *entry = serve.rows.entries[i];
		char process[NAME_LONGEST + 1] = "";

		if (entry == NULL || !caller_reads(caller, &entry->row))
			continue;
		memcpy(process, entry->text, row_length(&entry->row, ROW_PROCESS));
		if (!match_glob(glob, process))
			continue;
		text_printf(text, "%s{", name);
		label(text, "process", &entry->row, ROW_PROCESS);
		text_char(text, ',');
		label(text, "service", &entry->row, ROW_SERVICE);
		text_char(text, ',');
		label(text, "host", &entry->row, ROW_HOST);
		value(text, &entry->row);
	}
}

static void value_up(struct text *text, const struct row *row)
{
	text_printf(text, "} %d\n", row_state(row) <= STATE_WARNING);
}

static void value_state(struct text *text, const struct row *row)
{
	text_printf(text, ",state=\"%s\"} 1\n", state_name(row_state(row)));
}

static void value_last(struct text *text, const struct row *row)
{
	text_printf(text, "} %.3f\n", (double)row_time_ms(row, ROW_LAST_HB) / 1000);
}

static void processes(struct text *text, const struct caller *caller, const char *glob)
{
	series(text, caller, "disco_process_up", "Whether a process is active or in warning.", glob,
	       value_up);
	series(text, caller, "disco_process_state", "The state of a process, as a label.", glob,
	       value_state);
	series(text, caller, "disco_process_last_heartbeat_timestamp_seconds",
	       "When a process was last heard.", glob, value_last);
}

static void table(struct text *text, struct caller *caller)
{
	size_t counts[STATES];

	caller_counts(caller, counts);
	one(text, "disco_master_up", "gauge", "Whether a master runs and works.",
	    serve.master == MASTER_RUNS);
	head(text, "disco_master_heartbeat_timestamp_seconds", "gauge",
	     "When the master was last heard.");
	text_printf(text, "disco_master_heartbeat_timestamp_seconds %.3f\n",
		    (double)serve.heard_ms / 1000);
	head(text, "disco_processes", "gauge", "Processes by state.");
	for (int i = 0; i < STATES; i++)
		text_printf(text, "disco_processes{state=\"%s\"} %zu\n", state_name((enum state)i),
			    counts[i]);
	services(text, caller);
	one(text, "disco_seq", "gauge", "Sequence number of the last change.", caller_seq(caller));
}

/* What tells of all. */
static void whole(struct text *text)
{
	one(text, "disco_heartbeats_total", "counter",
	    "Heartbeats that the master counted while this server watched.", serve.rows.beat_count);
	head(text, "disco_changes_total", "counter", "Changes that were told, by event.");
	for (int i = 0; rows_event_names[i] != NULL; i++)
		text_printf(text, "disco_changes_total{event=\"%s\"} %llu\n", rows_event_names[i],
			    (unsigned long long)serve.rows.event_counts[i]);
	one(text, "disco_refused_files", "gauge", "Files in the spool that are no heartbeats.",
	    serve.head.refused);
}

static void ourselves(struct text *text)
{
	head(text, "disco_serve_info", "gauge", "The version of this server.");
	text_printf(text, "disco_serve_info{version=\"%s\"} 1\n", DISCO_VERSION);
	head(text, "disco_serve_requests_total", "counter", "Answers by class of status.");
	for (int i = 1; i < 6; i++)
		text_printf(text, "disco_serve_requests_total{status=\"%dxx\"} %llu\n", i,
			    (unsigned long long)serve.requests[i]);
	one(text, "disco_serve_heartbeats_total", "counter",
	    "Heartbeats delivered through this server.", serve.delivered);
	one(text, "disco_serve_heartbeats_refused_total", "counter",
	    "Heartbeats that this server could not deliver.", serve.refused);
	one(text, "disco_proc_calls_total", "counter", "Calls of procedures.", serve.proc_calls);
	one(text, "disco_proc_failures_total", "counter",
	    "Calls of procedures that gave no answer.", serve.proc_failures);
	one(text, "disco_proc_workers", "gauge", "Processes that run procedures.", pool_workers());
	head(text, "disco_serve_open", "gauge", "What is open, by kind.");
	text_printf(text,
		    "disco_serve_open{kind=\"websocket\"} %zu\n"
		    "disco_serve_open{kind=\"hold\"} %zu\n"
		    "disco_serve_open{kind=\"events\"} %zu\n"
		    "disco_serve_open{kind=\"wait\"} %zu\n",
		    serve.sockets, serve.holds, serve.streams, serve.waiting);
}

void metrics_get(struct evhttp_request *request)
{
	struct caller *caller = http_caller(request);
	struct text text = {0};
	struct query query;

	if (!access_reads(request) || !query_read(&query, request, Q_PROCESS))
		return;
	table(&text, caller);
	if (query.process != NULL)
		processes(&text, caller, query.process);
	if (caller_reads_all(caller)) {
		whole(&text);
		ourselves(&text);
	}
	query_free(&query);
	http_answer(request, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}

void healthz_get(struct evhttp_request *request)
{
	struct text body = {0};

	if (!query_none(request) || source_refuses(request))
		return;
	text_string(&body, "ok\n");
	http_answer(request, 200, "text/plain", &body);
}
