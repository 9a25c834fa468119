/*
 * Host, Accept and Accept-Encoding, a line each.  A Host that is taken for ours
 * names us to any other reader too, or a stranger's page could read us; and of a
 * list that word is found which a plain reading finds.
 */
#include "../../bin/disco-serve/http.c"

#include "serve.h"

static bool is_us(const char *host)
{
	unsigned char raw[16];
	char *bare = fuzz_copy(host, strlen(host));
	size_t len = strlen(bare);
	bool six = len > 1 && bare[0] == '[' && bare[len - 1] == ']', us;

	if (six)
		bare[len - 1] = '\0';
	us = strcasecmp(host, "localhost") == 0 || strcasecmp(host, serve.host) == 0 ||
	     inet_pton(six ? AF_INET6 : AF_INET, bare + six, raw) == 1;
	free(bare);
	return us;
}

static void host(const char *value)
{
	struct text uri = {0};
	struct evhttp_uri *read;

	if (!host_ours(value))
		return;
	text_printf(&uri, "http://%s/", value);
	read = evhttp_uri_parse(text_cstr(&uri));
	ensure(read != NULL && is_us(evhttp_uri_get_host(read)));
	ensure(strcmp(evhttp_uri_get_path(read), "/") == 0);
	ensure(evhttp_uri_get_userinfo(read) == NULL);
	evhttp_uri_free(read);
	text_free(&uri);
}

/* Whether a list without parameters has this word. */
static bool has(const char *list, const char *word)
{
	char *copy = fuzz_copy(list, strlen(list)), *rest = copy, *one;
	bool found = false;

	while ((one = strsep(&rest, ",")) != NULL) {
		one += strspn(one, " \t");
		one[strcspn(one, " \t")] = '\0';
		found = found || strcasecmp(one, word) == 0;
	}
	free(copy);
	return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct evhttp_request *request = evhttp_request_new(NULL, NULL);
	struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
	char *lines = fuzz_string(data, size), *rest = lines, *value;
	enum http_type type;

	value = strsep(&rest, "\n");
	host(value);
	if (rest != NULL) {
		value = strsep(&rest, "\n");
		evhttp_add_header(headers, "Accept", value);
		type = http_accepts(request);
		ensure(type >= TYPE_JSON && type <= TYPE_NONE);
		if (strchr(value, ';') == NULL) {
			ensure(lists(value, "*/*") == has(value, "*/*"));
			ensure((type == TYPE_EVENTS) <= has(value, "text/event-stream"));
			ensure((type == TYPE_JSON) >= has(value, "application/json"));
		}
	}
	if (rest != NULL) {
		evhttp_add_header(headers, "Accept-Encoding", rest);
		if (strchr(rest, ';') == NULL && http_header(request, "Accept-Encoding") != NULL)
			ensure(http_accepts_gzip(request) == has(rest, "gzip"));
	}
	evhttp_request_free(request);
	free(lines);
	return 0;
}
