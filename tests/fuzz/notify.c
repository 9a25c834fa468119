/* What a wrapped command says by sd_notify(3): a state and a reason that a heartbeat can have, and
 * no news when it is said again. */
#include "../../bin/disco-hb/check.c"
#include "../../bin/disco-hb/listen.c"
#include "../../bin/disco-hb/signals.c"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *message = fuzz_string(data, size), *again = fuzz_copy(message, strlen(message));
	char reason[REASON_LONGEST + 1] = "", *content;
	struct heartbeat hb = {0}, read;
	enum state state = STATE_ACTIVE;
	struct text text = {0};
	bool words = false;
	struct news news = listen_take(message, &state, reason, &words);

	ensure(state >= STATE_ACTIVE && state <= STATE_INACTIVE);
	ensure(news.changed == (state != STATE_ACTIVE || reason[0] != '\0'));
	ensure(strlen(reason) <= REASON_LONGEST && text_clean(reason, strlen(reason)));
	hb.state = state;
	hb.reason = reason;
	heartbeat_print(&hb, &text);
	content = fuzz_copy(text.s, text.len);
	ensure(heartbeat_parse(content, text.len, &read) == NULL);
	ensure(read.state == state && strcmp(read.reason != NULL ? read.reason : "", reason) == 0);
	heartbeat_free(&read);
	ensure(!listen_take(again, &state, reason, &words).changed);
	text_free(&text);
	free(content);
	free(message);
	free(again);
	return 0;
}
