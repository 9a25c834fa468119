/* How many processes of each service are in which state. */
#include <stdlib.h>
#include <string.h>

#include "serve.h"

static int by_service(const void *a, const void *b)
{
	const struct row *p = ((const struct service *)a)->row;
	const struct row *q = ((const struct service *)b)->row;
	size_t n = row_length(p, ROW_SERVICE), m = row_length(q, ROW_SERVICE);
	int order = memcmp(row_value(p, ROW_SERVICE), row_value(q, ROW_SERVICE), n < m ? n : m);

	return order != 0 ? order : n < m ? -1 : n > m;
}

struct service *services_count(const struct caller *caller, size_t *count)
{
	struct service *services = calloc(serve.rows.count + 1, sizeof(services[0]));
	size_t rows = 0, last = 0;

	*count = 0;
	if (services == NULL)
		return NULL;
	for (size_t i = 0; i < serve.rows.size; i++) {
		const struct entry *entry = serve.rows.entries[i];

		if (entry == NULL || !caller_reads(caller, &entry->row))
			continue;
		services[rows].row = &entry->row;
		services[rows++].states[row_state(&entry->row)] = 1;
	}
	qsort(services, rows, sizeof(services[0]), by_service);
	/* Those of one service stand together now: into one. */
	for (size_t i = 1; i < rows; i++) {
		if (by_service(&services[last], &services[i]) != 0) {
			services[++last] = services[i];
			continue;
		}
		for (int s = 0; s < STATES; s++)
			services[last].states[s] += services[i].states[s];
	}
	*count = rows > 0 ? last + 1 : 0;
	return services;
}
