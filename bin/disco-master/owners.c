/* Who may have which name: the file of --owners. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "master.h"
#include "version.h"

/* Reads it into owners.  EXIT_DONE; or the status to exit with, and why says what is wrong. */
static int owners_read(const char *path, struct owners *owners, struct text *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), status = EXIT_CANNOT;
	struct text text = {0};

	if (fd < 0 || file_read(fd, &text) < 0)
		text_printf(why, " %s", strerror(errno));
	else
		status =
		    owners_parse(owners, text_cstr(&text), text.len, why) ? EXIT_DONE : EXIT_USAGE;
	if (fd >= 0)
		close(fd);
	text_free(&text);
	return status;
}

void owners_load(struct master *m)
{
	struct text why = {0};
	int status;

	if (m->owners_path == NULL)
		return;
	status = owners_read(m->owners_path, &m->owners, &why);
	if (status != EXIT_DONE)
		errx(status, "%s:%s", m->owners_path, text_cstr(&why));
}

void owners_reload(struct master *m)
{
	struct owners owners;
	struct text why = {0};

	if (owners_read(m->owners_path, &owners, &why) != EXIT_DONE) {
		warnx("%s:%s; the former owners stay in force", m->owners_path, text_cstr(&why));
		text_free(&why);
		return;
	}
	owners_free(&m->owners);
	m->owners = owners;
	table_owners(m->table, &m->owners);
	warnx("%s: read again: %zu %s", m->owners_path, owners.count,
	      owners.count == 1 ? "line" : "lines");
}
