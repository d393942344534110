/* SPDX-License-Identifier: MIT */
/*
 * fifo.h - pipes with a name
 *
 * As in file.h: a result below 0 is -errno, no sentence is made here. directory is a descriptor, or
 * DUREI_FIFO_HERE for the current one.
 */
#ifndef DUREI_OS_FIFO_H
#define DUREI_OS_FIFO_H

#include <stdbool.h>
#include <stdint.h>

enum { DUREI_FIFO_HERE = -100 };

/* exactly these permission bits, whatever the umask; -EEXIST; -EAGAIN: it was made, and somebody has
   removed it at once */
int durei_fifo_make(int directory, const char *path, uint32_t mode);

/* a descriptor of its place, that opens nothing; -ENXIO: there is something, and it is no FIFO */
int durei_fifo_find(int directory, const char *path);
/* the same; a symbolic link, which anybody may have put there, is no FIFO */
int durei_fifo_find_itself(int directory, const char *path);
/* opens what find found, in no case waiting; reads, writes or both. -ENXIO: nobody reads */
int durei_fifo_open(int place, bool reads, bool writes);
/* does path still lead to what fd is */
bool durei_fifo_is_at(int fd, int directory, const char *path);

int durei_fifo_remove(int directory, const char *path);
/* gives it a second name, which must be free; a first name, which may be taken */
int durei_fifo_link(const char *from, const char *to);
int durei_fifo_rename(const char *from, const char *to);

/* readable when something in the directory of path is made, renamed or opened */
int durei_fifo_watch(int directory, const char *path);
void durei_fifo_watched(int watch);	/* makes it quiet */

#endif
