/* What stands behind the question mark. */
#include <stdio.h>
#include <string.h>

#include "duration.h"
#include "serve.h"

#define WAIT_DEFAULT_MS 30000
#define WAIT_LONGEST_MS 600000

static const char *number_of(const char *value, int64_t *number)
{
	return number_parse(value, 0, INT64_MAX, number);
}

/* NULL, or what is wrong; "" when there is no such parameter here. */
static const char *take(struct query *query, unsigned which, const char *key, const char *value)
{
	if (which & Q_INDEX && strcmp(key, "index") == 0)
		return number_of(value, &query->index);
	if (which & Q_INDEX && strcmp(key, "wait") == 0)
		return duration_parse(value, &query->wait_ms);
	if (which & Q_SINCE && strcmp(key, "since") == 0)
		return number_of(value, &query->since);
	if (which & Q_SINCE && strcmp(key, "beats") == 0) {
		query->beats = strcmp(value, "yes") == 0;
		return query->beats || strcmp(value, "no") == 0 ? NULL : "write yes or no";
	}
	if (which & Q_PROCESS && strcmp(key, "process") == 0) {
		query->process = value;
		return filter_pattern(value);
	}
	return which & Q_FILTER ? filter_add(&query->filter, key, value) : "";
}

static const char *sense(struct query *query)
{
	if (query->wait_ms > 0 && query->index < 0)
		return "wait: goes with index";
	if (query->wait_ms > WAIT_LONGEST_MS)
		return "wait: at most 10m";
	if (query->wait_ms < 0)
		query->wait_ms = WAIT_DEFAULT_MS;
	return NULL;
}

bool query_pairs(struct evhttp_request *request, struct evkeyvalq *pairs)
{
	const char *text = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));

	TAILQ_INIT(pairs);
	if (text == NULL || *text == '\0')
		return true;
	if (strcasestr(text, "%00") == NULL && evhttp_parse_query_str(text, pairs) == 0)
		return true;
	evhttp_clear_headers(pairs);
	http_error(request, 400, "the query can't be read");
	return false;
}

bool query_read(struct query *query, struct evhttp_request *request, unsigned which)
{
	const char *why;
	struct evkeyval *pair;

	*query = (struct query){.index = -1, .wait_ms = -1, .since = -1};
	query->filter.caller = caller_ref(http_caller(request));
	if (!query_pairs(request, &query->pairs)) {
		query_free(query);
		return false;
	}
	TAILQ_FOREACH (pair, &query->pairs, next) {
		why = take(query, which, pair->key, pair->value);
		if (why == NULL)
			continue;
		if (*why == '\0')
			http_error(request, 400, "%s: no such parameter", pair->key);
		else
			http_error(request, 400, "%s: %s", pair->key, why);
		query_free(query);
		return false;
	}
	filter_sort(&query->filter);
	why = sense(query);
	if (why != NULL) {
		http_error(request, 400, "%s", why);
		query_free(query);
	}
	return why == NULL;
}

bool query_none(struct evhttp_request *request)
{
	struct query query;

	if (!query_read(&query, request, 0))
		return false;
	query_free(&query);
	return true;
}

void query_free(struct query *query)
{
	filter_free(&query->filter);
	evhttp_clear_headers(&query->pairs);
}
