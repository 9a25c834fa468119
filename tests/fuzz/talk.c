/*
 * What a WebSocket client says, line by line: each is answered, in JSON; whoever
 * may not read a row is never told of it; and nothing is left when he is gone.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "../../bin/disco-serve/socket.h"
#include "serve.h"

void procs_load(void);

/* Instead of a socket. */
struct message *__real_message_new(struct text *);
struct message *__wrap_message_new(struct text *);
void __wrap_client_say(struct client *, struct text *);
void __wrap_client_send(struct client *, struct message *);
size_t __wrap_client_queue(const struct client *);
void __wrap_client_hungry(struct client *);
bool __wrap_pace_keep(struct pace *, unsigned most, unsigned *unsaid);

static struct caller all = {.token = {.name = "all", .admin = true}, .refs = 1};
static const char *web_globs[] = {"web*"}, *db_calls[] = {"echo"};
static struct caller web = {.token = {.name = "web", .globs = {[RIGHT_READ] = {web_globs, 1}}},
			    .refs = 1};
static struct caller calls = {.token = {.name = "calls", .globs = {[RIGHT_CALL] = {db_calls, 1}}},
			      .refs = 1};
static struct caller none = {.token = {.name = "none"}, .refs = 1};

static const struct caller *talking;
static size_t told;
static bool hungry;
static char dir[] = "/tmp/disco-fuzz-XXXXXX", file[64];

/* What is about rows, and not the client's own words. */
static bool about_rows(const struct text *json)
{
	static const char *const own[] = {"{\"type\":\"error\"", "{\"type\":\"proc\""};

	for (size_t i = 0; i < 2; i++)
		if (json->len > strlen(own[i]) && memcmp(json->s, own[i], strlen(own[i])) == 0)
			return false;
	return true;
}

static void hears(const struct text *json)
{
	ensure(!json->failed && fuzz_json(json->s, json->len));
	if (talking != &all && about_rows(json))
		ensure(memmem(json->s, json->len, "db_1", 4) == NULL);
	if (talking == &calls || talking == &none)
		ensure(memmem(json->s, json->len, "\"process\":\"", 11) == NULL);
	told++;
}

struct message *__wrap_message_new(struct text *json)
{
	hears(json);
	return __real_message_new(json);
}

void __wrap_client_say(struct client *client, struct text *json)
{
	(void)client;
	hears(json);
	text_free(json);
}

void __wrap_client_send(struct client *client, struct message *message)
{
	(void)client;
	ensure(message != NULL);
}

size_t __wrap_client_queue(const struct client *client)
{
	(void)client;
	return 0;
}

void __wrap_client_hungry(struct client *client)
{
	(void)client;
	hungry = true;
}

bool __wrap_pace_keep(struct pace *pace, unsigned most, unsigned *unsaid)
{
	(void)pace, (void)most;
	*unsaid = 0;
	return false;
}

static void tidy(void)
{
	unlink(file);
	rmdir(dir);
}

/* A procedure, which nobody will run. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	FILE *f;

	(void)argc, (void)argv;
	serve_open();
	ensure(mkdtemp(dir) != NULL);
	snprintf(file, sizeof(file), "%s/echo.jq", dir);
	f = fopen(file, "w");
	ensure(f != NULL && fputs("# Says it.\n# args: service port?\n.\n", f) > 0);
	ensure(fclose(f) == 0);
	atexit(tidy);
	serve.procs = dir;
	procs_load();
	/* What comes with each tick comes at once. */
	serve.head.tick_ms = 0;
	return 0;
}

/* wslay lets no other text through. */
static bool characters(const char *s, size_t len)
{
	for (size_t i = 0, n; i < len; i += n)
		if ((n = text_character(s + i, len - i)) == 0)
			return false;
	return true;
}

/* A row changes, and all that is due is told. */
static void loop(struct client *client)
{
	static bool well;

	serve_row("web_2", (well = !well) ? STATE_ACTIVE : STATE_ERROR);
	rows_round(&serve.rows);
	channels_changed();
	wishes_changed();
	event_base_loop(serve.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	while (hungry) {
		hungry = false;
		client_more(client);
	}
}

/* The first byte says who it is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct caller *const callers[] = {&all, &web, &calls, &none};
	struct client client = {.caller = callers[size > 0 ? data[0] % 4 : 0]};
	const char *s = (const char *)data + 1, *end = (const char *)data + size, *line;

	talking = client.caller;
	for (size_t lines = 0; size > 0 && s <= end && lines < 32; s = line + 1, lines++) {
		size_t wishes = client.wish_count;
		char *own;

		line = s < end ? memchr(s, '\n', (size_t)(end - s)) : NULL;
		line = line == NULL ? end : line;
		own = fuzz_copy(s, (size_t)(line - s));
		told = 0;
		if (characters(own, (size_t)(line - s))) {
			talk(&client, own, (size_t)(line - s));
			loop(&client);
			/* That a subscription was ended is not said. */
			ensure(told > 0 || client.wish_count < wishes);
		}
		free(own);
	}
	channel_leave(&client);
	wishes_leave(&client);
	ensure(client.wish_count == 0 && client.caller->refs == 1);
	ensure(client.caller->calls == 0 && client.caller->calls_waiting == 0);
	return 0;
}
