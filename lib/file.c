/* Files that are read whole. */
#include "file.h"

#include <errno.h>
#include <unistd.h>

#include "text.h"

#define AT_ONCE 65536

int file_read(int fd, struct text *text)
{
	for (;;) {
		char *room = text_room(text, AT_ONCE);
		ssize_t len;

		if (room == NULL) {
			errno = ENOMEM;
			return -1;
		}
		len = read(fd, room, AT_ONCE);
		if (len < 0 && errno != EINTR)
			return -1;
		if (len == 0)
			return 0;
		text->len += len > 0 ? (size_t)len : 0;
	}
}
