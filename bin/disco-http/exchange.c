/* One request and its answer, by libcurl, so that others can go on meanwhile. */
#include <cjson/cJSON.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "duration.h"
#include "http.h"

#define ANSWER_KEPT 4096    /* bytes of an error */
#define RETRY_LONGEST_S 600 /* that a server can ask for */

void url_shown(struct text *shown, const char *url)
{
	const char *host = strstr(url, "://"), *at, *end;

	host = host != NULL ? host + 3 : url;
	end = host + strcspn(host, "/?#");
	for (at = end; at > host && at[-1] != '@';)
		at--;
	text_safe(shown, url, (size_t)(host - url));
	text_safe(shown, at, strlen(at));
}

static bool good(const struct exchange *x)
{
	return x->silent ? x->status == 204 : x->status >= 200 && x->status < 300;
}

static size_t on_body(char *s, size_t size, size_t count, void *arg)
{
	struct exchange *x = arg;
	size_t len = size * count, room;
	bool more = true;

	curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &x->status);
	if (!good(x)) {
		room = ANSWER_KEPT - (x->answer.len < ANSWER_KEPT ? x->answer.len : ANSWER_KEPT);
		text_add(&x->answer, s, len < room ? len : room);
	} else if (x->take != NULL) {
		more = x->take(x->arg, s, len);
	}
	/* After it was taken: who keeps us waiting must not be mistaken for a silent server. */
	x->heard_ms = clock_mono_ms();
	return more ? len : 0;
}

static size_t on_header(char *s, size_t size, size_t count, void *arg)
{
	static const char retry[] = "retry-after:";
	struct exchange *x = arg;
	size_t len = size * count;
	char number[16];
	int64_t seconds;

	x->heard_ms = clock_mono_ms();
	if (len > sizeof(retry) && strncasecmp(s, retry, sizeof(retry) - 1) == 0) {
		const char *digits = s + sizeof(retry) - 1;

		digits += strspn(digits, " \t");
		len = strspn(digits, "0123456789");
		if (len > 0 && len < sizeof(number)) {
			memcpy(number, digits, len);
			number[len] = '\0';
			if (number_parse(number, 0, RETRY_LONGEST_S, &seconds) == NULL)
				x->retry_ms = seconds * 1000;
		}
		return size * count;
	}
	curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &x->status);
	if (x->server->tells_header && good(x) && !x->take(x->arg, s, len))
		return 0;
	return len;
}

static void header_add(struct exchange *x, const char *header)
{
	struct curl_slist *more = curl_slist_append(x->headers, header);

	if (more == NULL)
		errx(EXIT_CANNOT, "out of memory");
	x->headers = more;
}

static void headers_free(struct exchange *x)
{
	for (struct curl_slist *h = x->headers; h != NULL; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(x->headers);
	x->headers = NULL;
}

static void headers_set(struct exchange *x)
{
	headers_free(x);
	if (token_header() != NULL)
		header_add(x, token_header());
	if (x->type != NULL)
		header_add(x, x->type);
	/* A body of some size is not held back until the server asks for it. */
	header_add(x, "Expect:");
	for (const struct curl_slist *h = x->server->headers; h != NULL; h = h->next)
		header_add(x, h->data);
	curl_easy_setopt(x->curl, CURLOPT_HTTPHEADER, x->headers);
}

void exchange_init(struct exchange *x, const struct server *server, const char *type)
{
	CURL *curl = curl_easy_init();

	*x = (struct exchange){.server = server, .curl = curl, .type = type};
	if (curl == NULL)
		errx(EXIT_CANNOT, "libcurl: cannot start");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "disco/" DISCO_VERSION);
	curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "gzip");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)server->connect_ms);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, x->error);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(curl, CURLOPT_PRIVATE, x);
	/* A proxy on the way is none of those who are to know who we are. */
	curl_easy_setopt(curl, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	tls_init(curl, server);
	if (server->socket != NULL) {
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, server->socket);
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
	}
}

void exchange_free(struct exchange *x)
{
	curl_easy_cleanup(x->curl);
	headers_free(x);
	text_free(&x->url);
	text_free(&x->body);
	text_free(&x->answer);
}

static void method_set(struct exchange *x, enum method method)
{
	switch (method) {
	case METHOD_GET: curl_easy_setopt(x->curl, CURLOPT_HTTPGET, 1L); break;
	case METHOD_DELETE: curl_easy_setopt(x->curl, CURLOPT_CUSTOMREQUEST, "DELETE"); break;
	case METHOD_POST:
		curl_easy_setopt(x->curl, CURLOPT_POST, 1L);
		curl_easy_setopt(x->curl, CURLOPT_POSTFIELDS, text_cstr(&x->body));
		curl_easy_setopt(x->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->body.len);
		break;
	}
}

void exchange_start(struct exchange *x, CURLM *multi, enum method method, const char *path,
		    bool endless)
{
	const struct server *server = x->server;
	int64_t limit_ms = server->timeout_ms > 0 || endless ? server->timeout_ms : server->idle_ms;

	/* Another secret may have taken the place of one that is known no more. */
	if (exchange_unknown(x))
		token_renew(&server->trust);
	headers_set(x);
	text_clear(&x->url);
	text_add(&x->url, server->url.s, server->url.len);
	text_string(&x->url, path);
	text_clear(&x->answer);
	x->error[0] = '\0';
	x->code = CURLE_OK;
	x->status = 0;
	x->retry_ms = 0;
	x->heard_ms = clock_mono_ms();
	x->endless = endless;
	curl_easy_setopt(x->curl, CURLOPT_URL, text_cstr(&x->url));
	curl_easy_setopt(x->curl, CURLOPT_TIMEOUT_MS, (long)limit_ms);
	method_set(x, method);
	if (x->url.failed || x->body.failed || curl_multi_add_handle(multi, x->curl) != CURLM_OK)
		errx(EXIT_CANNOT, "out of memory");
	x->busy = true;
}

void exchange_stop(struct exchange *x, CURLM *multi)
{
	if (x->busy)
		curl_multi_remove_handle(multi, x->curl);
	x->busy = false;
}

static void finished(CURLM *multi)
{
	struct exchange *x;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(multi, &left)) != NULL) {
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &x);
		x->code = message->data.result;
		curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &x->status);
		exchange_stop(x, multi);
	}
}

void exchange_perform(CURLM *multi, int64_t now_ms, struct exchange *const *all, size_t count)
{
	int running;

	curl_multi_perform(multi, &running);
	finished(multi);
	for (size_t i = 0; i < count; i++) {
		struct exchange *x = all[i];

		if (!x->busy || !x->endless || now_ms - x->heard_ms <= x->server->idle_ms)
			continue;
		exchange_stop(x, multi);
		x->code = CURLE_OPERATION_TIMEDOUT;
		strlcpy(x->error, "the server has fallen silent", sizeof(x->error));
	}
}

int exchange_status(const struct exchange *x)
{
	/* What the caller asked of libcurl, rather than what came of it. */
	if (x->code == CURLE_UNSUPPORTED_PROTOCOL || x->code == CURLE_URL_MALFORMAT)
		return EXIT_USAGE;
	if (x->code != CURLE_OK || x->status == 429 || x->status >= 500 || x->status < 200)
		return EXIT_CANNOT;
	if (good(x))
		return EXIT_DONE;
	if (x->status < 300)
		return EXIT_CANNOT;
	return x->status == 404 ? EXIT_NO : EXIT_USAGE;
}

bool exchange_passing(const struct exchange *x)
{
	return exchange_status(x) == EXIT_CANNOT;
}

bool exchange_unknown(const struct exchange *x)
{
	return x->code == CURLE_OK && x->status == 401;
}

/* What the server says of it, {"error":"words"}. */
static bool words_of_server(const struct exchange *x, struct text *words)
{
	cJSON *json = cJSON_ParseWithLength(x->answer.s, x->answer.len);
	const cJSON *said = cJSON_GetObjectItemCaseSensitive(json, "error");
	bool is = cJSON_IsString(said) && said->valuestring[0] != '\0';

	if (is)
		text_safe(words, said->valuestring, strlen(said->valuestring));
	token_hide(words);
	cJSON_Delete(json);
	return is;
}

void exchange_words(const struct exchange *x, struct text *words)
{
	char *to = NULL;
	long error = 0;

	if (x->code == CURLE_COULDNT_CONNECT)
		curl_easy_getinfo(x->curl, CURLINFO_OS_ERRNO, &error);
	if (error != 0) {
		text_string(words, strerror((int)error));
		return;
	}
	if (tls_words(x, words))
		return;
	if (x->code != CURLE_OK) {
		const char *why = x->error[0] != '\0' ? x->error : curl_easy_strerror(x->code);

		text_safe(words, why, strlen(why));
		return;
	}
	if (x->status >= 300 && x->status < 400) {
		curl_easy_getinfo(x->curl, CURLINFO_REDIRECT_URL, &to);
		text_string(words, "redirected");
		if (to != NULL) {
			text_string(words, " to ");
			url_shown(words, to);
		}
		text_string(words, ", which is not followed");
		return;
	}
	if (x->answer.len == 0 || !words_of_server(x, words))
		text_printf(words, "the server answered %ld", x->status);
}

void exchange_complain(const struct exchange *x, const char *more)
{
	struct text words = {0}, shown = {0};

	exchange_words(x, &words);
	text_add(&shown, x->server->shown.s, x->server->shown.len);
	warnx("%s: %s%s", text_cstr(&shown), text_cstr(&words), more);
	text_free(&words);
	text_free(&shown);
}

void exchange_rejoice(const struct exchange *x)
{
	warnx("%.*s: connected again", (int)x->server->shown.len, x->server->shown.s);
}
