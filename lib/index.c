/* Open addressing with linear probing; a removed entry leaves a mark until the table is rebuilt. */
#include "index.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static char removed_mark;
#define REMOVED ((void *)&removed_mark)

static const char *text_of(const void *thing)
{
	const char *text;

	memcpy(&text, thing, sizeof(text));
	return text;
}

static size_t name_length(const char *text)
{
	return (size_t)((const char *)rawmemchr(text, '\t') - text);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash(uint64_t seed, const char *s, size_t len)
{
	uint64_t h = seed ^ len, word;

	for (; len > 8; s += 8, len -= 8) {
		memcpy(&word, s, 8);
		h = mix(h ^ word, 0x9e3779b97f4a7c15u);
	}
	word = 0;
	memcpy(&word, s, len);
	return mix(h ^ word, seed | 1);
}

/* The slot that holds the name, or the first free one on its way. */
static size_t probe(const struct index *index, const char *name, size_t len)
{
	size_t mask = index->size - 1, i = hash(index->seed, name, len) & mask;

	for (;; i = (i + 1) & mask) {
		const char *text;

		if (index->slots[i] == NULL)
			return i;
		if (index->slots[i] == REMOVED)
			continue;
		text = text_of(index->slots[i]);
		if (strncmp(text, name, len) == 0 && text[len] == '\t')
			return i;
	}
}

void *index_find(const struct index *index, const char *name, size_t len)
{
	return index->count == 0 ? NULL : index->slots[probe(index, name, len)];
}

static bool grow(struct index *index)
{
	struct index larger = {.size = 64, .seed = index->seed};

	while (larger.size < index->count * 2)
		larger.size *= 2;
	if (larger.seed == 0 && getrandom(&larger.seed, sizeof(larger.seed), 0) < 0)
		larger.seed = (uint64_t)(uintptr_t)index;
	larger.slots = calloc(larger.size, sizeof(larger.slots[0]));
	if (larger.slots == NULL)
		return false;
	for (size_t i = 0; i < index->size; i++) {
		const char *text;

		if (index->slots[i] == NULL || index->slots[i] == REMOVED)
			continue;
		text = text_of(index->slots[i]);
		larger.slots[probe(&larger, text, name_length(text))] = index->slots[i];
	}
	larger.count = larger.used = index->count;
	free(index->slots);
	*index = larger;
	return true;
}

bool index_add(struct index *index, void *thing)
{
	const char *text = text_of(thing);

	if ((index->used + 1) * 4 > index->size * 3 && !grow(index))
		return false;
	index->slots[probe(index, text, name_length(text))] = thing;
	index->used++;
	index->count++;
	return true;
}

void index_remove(struct index *index, const void *thing)
{
	const char *text = text_of(thing);
	size_t i = probe(index, text, name_length(text));

	if (index->slots[i] != thing)
		return;
	index->slots[i] = REMOVED;
	index->count--;
}

void *index_at(const struct index *index, size_t i)
{
	return index->slots[i] == REMOVED ? NULL : index->slots[i];
}

void index_free(struct index *index)
{
	free(index->slots);
	*index = (struct index){.seed = index->seed};
}
