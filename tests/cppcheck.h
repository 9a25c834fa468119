/* What cppcheck can't know of <sys/queue.h>, for make lint. */
#define STAILQ_HEAD(name, type) struct name
#define LIST_HEAD(name, type) struct name
#define LIST_FOREACH(var, head, field) for ((var) = (head)->first; (var); (var) = (var)->field)
#define LIST_FOREACH_SAFE(var, head, field, next)                                                  \
	for ((var) = (head)->first; (var) && ((next) = (var)->field, 1); (var) = (next))
#define TAILQ_FOREACH(var, head, field) for ((var) = (head)->first; (var); (var) = (var)->field)
