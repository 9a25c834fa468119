#ifndef DISCO_INDEX_H
#define DISCO_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A hash table from a process name to a thing whose first member is a pointer
 * to text that begins with that name and a tab: a row, so no name is stored
 * twice.  Ten to twenty bytes an entry.  Seeded by the kernel, so nobody can
 * choose names that collide.  All zero is an empty one.
 */
struct index {
	void **slots;
	size_t size, used; /* used counts what was removed too, until the next growth */
	size_t count;
	uint64_t seed;
};

void *index_find(const struct index *, const char *name, size_t len);
/*
 * Has what index_find will look at fetched meanwhile, for one who soon asks for that name: first
 * its slot, and when that should be there (near), the thing.
 */
void index_hint(const struct index *, const char *name, size_t len, bool near);
/* Adds a thing whose name is not there yet; false when memory is out. */
bool index_add(struct index *, void *thing);
/* Removes the thing itself. */
void index_remove(struct index *, const void *thing);
/* The thing in slot i < size, or NULL, for whoever goes through all. */
void *index_at(const struct index *, size_t i);
void index_free(struct index *);

#endif
