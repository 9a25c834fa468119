#ifndef DISCO_FILE_H
#define DISCO_FILE_H

struct text;

/* Appends what is left of a file.  0, or -1 with errno. */
int file_read(int fd, struct text *);

#endif
