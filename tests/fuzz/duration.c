/* Durations, numbers and stamps: what is read is printed so that it reads the same. */
#include "duration.h"

#include "fuzz.h"
#include "stamp.h"

static void durations(const char *s)
{
	int64_t ms = -1, again;
	struct text text = {0};
	char age[32];

	if (duration_parse(s, &ms) != NULL) {
		ensure(ms == -1);
		return;
	}
	ensure(ms > 0 && ms <= DURATION_LONGEST_MS);
	duration_print(&text, ms);
	ensure(duration_parse(text_cstr(&text), &again) == NULL && again == ms);
	text_clear(&text);
	duration_seconds(&text, ms);
	ensure(duration_parse(text_cstr(&text), &again) == NULL && again == ms);
	ensure(fuzz_json(text.s, text.len));
	text_clear(&text);
	duration_words(&text, ms);
	ensure(text.len > 0 && text_clean(text.s, text.len));
	text_free(&text);
	duration_age(age, sizeof(age), ms);
	ensure(duration_parse(age, &again) != NULL || again <= ms);
}

static void numbers(const char *s)
{
	struct text text = {0};
	int64_t number, again;

	if (number_parse(s, 0, INT64_MAX, &number) != NULL)
		return;
	ensure(number >= 0);
	ensure(number_parse(s, number, number, &again) == NULL && again == number);
	ensure(number == 0 || number_parse(s, 0, number - 1, &again) != NULL);
	text_number(&text, number);
	ensure(number_parse(text_cstr(&text), 0, INT64_MAX, &again) == NULL && again == number);
	text_free(&text);
}

static void stamps(const char *s)
{
	char again[STAMP_LENGTH];
	int64_t ms;

	if (strlen(s) < STAMP_LENGTH || !stamp_parse(s, &ms))
		return;
	stamp_print(again, ms);
	ensure(memcmp(again, s, STAMP_LENGTH) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = fuzz_string(data, size);

	durations(s);
	numbers(s);
	stamps(s);
	free(s);
	return 0;
}
