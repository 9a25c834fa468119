/*
 * What stands behind the question mark: it is answered with one 400 in words, or
 * it means what its pairs say, one by one, in whatever order they stand.
 */
#include <stdarg.h>

#include "match.h"
#include "remote.h"
#include "serve.h"

static struct caller anybody = {.token = {.admin = true}, .refs = 1};
static size_t refused;

void __wrap_http_error(struct evhttp_request *, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct caller *__wrap_http_caller(struct evhttp_request *);

void __wrap_http_error(struct evhttp_request *request, int status, const char *format, ...)
{
	va_list args;
	char *words;

	(void)request;
	va_start(args, format);
	ensure(vasprintf(&words, format, args) > 0);
	va_end(args);
	ensure(status == 400 && *words != '\0');
	free(words);
	refused++;
}

struct caller *__wrap_http_caller(struct evhttp_request *request)
{
	(void)request;
	return &anybody;
}

static struct evhttp_request *request_of(const char *query)
{
	struct evhttp_request *request = evhttp_request_new(NULL, NULL);
	struct text uri = {0};

	text_printf(&uri, "/v1/table?%s", query);
	request->uri_elems = evhttp_uri_parse_with_flags(text_cstr(&uri), EVHTTP_URI_NONCONFORMANT);
	text_free(&uri);
	return request;
}

/* A pair by itself: 1 when the row is what it asks for, 0, or -1 when it is about no row. */
static int pair_matches(const char *key, const char *pattern, const struct row *row)
{
	struct text bare = {0};
	unsigned states;
	const char *value = "";
	bool matches;

	if (strcmp(key, "state") == 0)
		return state_set_parse(pattern, &states) == NULL && states & 1u << row_state(row);
	if (strncmp(key, "meta.", 5) == 0)
		value = strcmp(key, "meta.zone") == 0 ? "a"
			: strcmp(key, "meta.x") == 0  ? "b,c"
						      : "";
	else if (strcmp(key, "service") == 0 || strcmp(key, "host") == 0 ||
		 (strcmp(key, "process") == 0)) {
		enum row_column column = (enum row_column)row_column(key, strlen(key));

		text_untsv(&bare, row_value(row, column), row_length(row, column));
		value = text_cstr(&bare);
	} else {
		return -1;
	}
	matches = match_glob(pattern, value);
	text_free(&bare);
	return matches;
}

/* Of each key any pair, and of all keys all. */
static bool pairs_match(const struct query *query, const struct row *row)
{
	const struct evkeyval *pair, *other;

	TAILQ_FOREACH (pair, &query->pairs, next) {
		int matches = pair_matches(pair->key, pair->value, row);

		TAILQ_FOREACH (other, &query->pairs, next)
			if (matches == 0 && strcmp(other->key, pair->key) == 0)
				matches = pair_matches(other->key, other->value, row);
		if (matches == 0)
			return false;
	}
	return true;
}

static void understood(const struct query *query)
{
	ensure(query->index >= -1 && query->since >= -1);
	ensure(query->wait_ms > 0 && query->wait_ms <= 600000);
	ensure(query->filter.count <= FILTER_GLOBS);
	for (size_t i = 0; i < query->filter.count; i++)
		ensure(filter_pattern(query->filter.globs[i].pattern) == NULL);
	for (size_t i = 0; i < serve.rows.size; i++)
		if (serve.rows.entries[i] != NULL)
			ensure(filter_row(&query->filter, &serve.rows.entries[i]->row) ==
			       pairs_match(query, &serve.rows.entries[i]->row));
}

/* The pairs in the other order. */
static char *turned(const char *query)
{
	char *copy = fuzz_copy(query, strlen(query)), *pair;
	struct text text = {0};

	while ((pair = strrchr(copy, '&')) != NULL) {
		text_printf(&text, "%s&", pair + 1);
		*pair = '\0';
	}
	text_string(&text, copy);
	free(copy);
	text_cstr(&text);
	return text.s;
}

static void same(const struct query *a, const struct query *b)
{
	struct text one = {0}, other = {0};

	filter_print(&a->filter, &one);
	filter_print(&b->filter, &other);
	ensure(text_same(&one, &other));
	text_free(&one);
	text_free(&other);
}

/* What our programs ask for is understood as they mean it. */
static void asked_by_us(const char *value)
{
	struct text path = {0};
	struct evkeyvalq pairs;
	struct evkeyval *pair;

	remote_query(&path, "process", "a*");
	remote_query(&path, "meta.k", value);
	ensure(evhttp_parse_query_str(text_cstr(&path) + 1, &pairs) == 0);
	pair = TAILQ_FIRST(&pairs);
	ensure(strcmp(pair->key, "process") == 0 && strcmp(pair->value, "a*") == 0);
	pair = TAILQ_NEXT(pair, next);
	ensure(strcmp(pair->key, "meta.k") == 0 && strcmp(pair->value, value) == 0);
	evhttp_clear_headers(&pairs);
	text_free(&path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	serve_open();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned which = Q_FILTER | Q_INDEX | Q_SINCE;
	char *query = fuzz_string(data, size), *turn;
	struct evhttp_request *request, *other;
	struct query read, again;

	asked_by_us(query);
	query[strcspn(query, "#")] = '\0';
	turn = turned(query);
	request = request_of(query);
	other = request_of(turn);
	refused = 0;
	if (request->uri_elems != NULL && other->uri_elems != NULL) {
		if (query_read(&read, request, which)) {
			ensure(refused == 0);
			understood(&read);
			if (query_read(&again, other, which)) {
				same(&read, &again);
				query_free(&again);
			}
			query_free(&read);
		} else {
			ensure(refused == 1);
		}
	}
	ensure(anybody.refs == 1);
	evhttp_request_free(request);
	evhttp_request_free(other);
	free(query);
	free(turn);
	return 0;
}
