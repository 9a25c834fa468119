/*
 * Open addressing with linear probing.  Behind the slots each has a tag, of its
 * name's hash, so that few names are compared in vain though most slots are used.
 */
#include "index.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	FREE,
	REMOVED, /* until the slots are laid out anew */
	TAG = 0x80,
	AHEAD = 8
};

static uint8_t *tags(const struct index *index)
{
	return (uint8_t *)(index->slots + index->size);
}

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

static uint8_t tag_of(uint64_t h)
{
	return (uint8_t)(TAG | h >> 57);
}

/* The slot that holds the name of this hash, or the first free one on its way. */
static size_t probe(const struct index *index, const char *name, size_t len, uint64_t h)
{
	size_t mask = index->size - 1, i = h & mask;
	const uint8_t *tag = tags(index);

	for (; tag[i] != FREE; i = (i + 1) & mask) {
		const char *text;

		if (tag[i] != tag_of(h))
			continue;
		text = text_of(index->slots[i]);
		if (strncmp(text, name, len) == 0 && text[len] == '\t')
			break;
	}
	return i;
}

static size_t find(const struct index *index, const char *name, size_t len)
{
	return probe(index, name, len, hash(index->seed, name, len));
}

static void put(struct index *index, void *thing)
{
	const char *text = text_of(thing);
	size_t len = name_length(text);
	uint64_t h = hash(index->seed, text, len);
	size_t i = probe(index, text, len, h);

	index->slots[i] = thing;
	tags(index)[i] = tag_of(h);
}

void *index_find(const struct index *index, const char *name, size_t len)
{
	return index->count == 0 ? NULL : index->slots[find(index, name, len)];
}

void index_hint(const struct index *index, const char *name, size_t len, bool near)
{
	uint64_t h = hash(index->seed, name, len);
	size_t i = h & (index->size - 1);

	if (index->count == 0)
		return;
	if (!near) {
		__builtin_prefetch(&tags(index)[i]);
		__builtin_prefetch(&index->slots[i]);
	} else if (tags(index)[i] == tag_of(h)) {
		__builtin_prefetch(index->slots[i]);
	}
}

static bool grow(struct index *index)
{
	struct index larger = {.size = 64, .seed = index->seed};

	while (larger.size < index->count + index->count / 2)
		larger.size *= 2;
	if (larger.seed == 0 && getrandom(&larger.seed, sizeof(larger.seed), 0) < 0)
		larger.seed = (uint64_t)(uintptr_t)index;
	larger.slots = calloc(larger.size, sizeof(larger.slots[0]) + 1);
	if (larger.slots == NULL)
		return false;
	for (size_t i = 0; i < index->size; i++) {
		/* Things, and then their texts, lie anywhere: fetched while others are put. */
		if (i + 2 * AHEAD < index->size)
			__builtin_prefetch(index->slots[i + 2 * AHEAD]);
		if (i + AHEAD < index->size && index->slots[i + AHEAD] != NULL)
			__builtin_prefetch(text_of(index->slots[i + AHEAD]));
		if (index->slots[i] != NULL)
			put(&larger, index->slots[i]);
	}
	larger.count = larger.used = index->count;
	free(index->slots);
	*index = larger;
	return true;
}

bool index_add(struct index *index, void *thing)
{
	if ((index->used + 1) * 8 > index->size * 7 && !grow(index))
		return false;
	put(index, thing);
	index->used++;
	index->count++;
	return true;
}

void index_remove(struct index *index, const void *thing)
{
	const char *text = text_of(thing);
	size_t i = find(index, text, name_length(text));

	if (index->slots[i] != thing)
		return;
	index->slots[i] = NULL;
	tags(index)[i] = REMOVED;
	index->count--;
}

void *index_at(const struct index *index, size_t i)
{
	return index->slots[i];
}

void index_free(struct index *index)
{
	free(index->slots);
	*index = (struct index){.seed = index->seed};
}
