/*
 * The body of a POST of heartbeats: JSON, or a form.  It is read to its end; what
 * is taken is a heartbeat that the spool's readers take too; and what we print of
 * it as JSON says the same when it is sent again.
 */
#include "name.h"
#include "serve.h"

static void body_open(struct said_reader *reader, const char *s, size_t len)
{
	struct evhttp_request *request = evhttp_request_new(NULL, NULL);

	ensure(request != NULL);
	evbuffer_add(evhttp_request_get_input_buffer(request), s, len);
	said_open(reader, request);
	evhttp_request_free(request);
}

static void same_again(const struct said *said, const struct text *content)
{
	struct text json = {0}, printed = {0};
	struct said_reader reader;
	struct said again;
	const char *why;

	heartbeat_json(&said->heartbeat, said->process, &json);
	ensure(fuzz_json(json.s, json.len));
	body_open(&reader, json.s, json.len);
	ensure(said_next(&reader, &again, &why) == 1);
	ensure(strcmp(said->process, again.process) == 0);
	heartbeat_print(&again.heartbeat, &printed);
	ensure(text_same(content, &printed));
	heartbeat_free(&again.heartbeat);
	said_close(&reader);
	text_free(&json);
	text_free(&printed);
}

static void taken(const struct said *said)
{
	struct text content = {0}, printed = {0};
	struct heartbeat hb;
	char *copy;

	ensure(name_check(said->process) == NULL);
	heartbeat_print(&said->heartbeat, &content);
	if (content.len <= HEARTBEAT_LARGEST) {
		copy = fuzz_copy(content.s, content.len);
		ensure(heartbeat_parse(copy, content.len, &hb) == NULL);
		heartbeat_print(&hb, &printed);
		ensure(text_same(&content, &printed));
		heartbeat_free(&hb);
		free(copy);
		same_again(said, &content);
	}
	text_free(&content);
	text_free(&printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct said_reader reader;
	struct said said;
	const char *why;
	size_t at = 0;
	int more;

	body_open(&reader, (const char *)data, size);
	while ((more = said_next(&reader, &said, &why)) != 0) {
		ensure(reader.at > at && reader.at <= reader.body.len);
		/* A string would end for us where it does not for others. */
		ensure(more < 0 || memchr(reader.body.s + at, '\0', reader.at - at) == NULL);
		at = reader.at;
		ensure((more < 0) == (why != NULL) && (why == NULL || *why != '\0'));
		if (more > 0 && !said.pass) {
			taken(&said);
			heartbeat_free(&said.heartbeat);
		}
	}
	ensure(!said_more(&reader));
	said_close(&reader);
	return 0;
}
