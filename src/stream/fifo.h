/* SPDX-License-Identifier: MIT */
/*
 * fifo.h - FIFOs of our own, whose life others can see
 */
#ifndef DUREI_STREAM_FIFO_H
#define DUREI_STREAM_FIFO_H

#include <stdbool.h>
#include <stdint.h>

enum { DUREI_FIFO_PATH_BYTES = 512, DUREI_FIFO_MODE = 0600 };

struct durei_fifo {			/* open for both ways, and locked: it has an owner */
	int fd;
	uint64_t id;
	char path[DUREI_FIFO_PATH_BYTES];
};

int durei_fifo_error(int code, const char *doing, const char *path);

/* The path of the FIFO with this id beside base; -ENAMETOOLONG */
int durei_fifo_name(const char *base, uint64_t id, char path[DUREI_FIFO_PATH_BYTES]);

/* Makes one beside base, under a name nobody has. */
int durei_fifo_own(const char *base, uint32_t mode, struct durei_fifo *ret);
void durei_fifo_disown(struct durei_fifo *fifo);

/* What locks of a FIFO mean: bytes of it. */
enum { DUREI_FIFO_OWNED = 0, DUREI_FIFO_SERVED = 1 };

/* -EAGAIN: another has it, and is alive */
int durei_fifo_lock(int fd, uint64_t byte);
/* 1: somebody else has it */
int durei_fifo_is_locked(int fd, uint64_t byte);

/* Removes the FIFO at path if nobody has locked it. */
void durei_fifo_sweep(const char *path);
/* All of those beside base. */
void durei_fifo_sweep_all(const char *base);

#endif
