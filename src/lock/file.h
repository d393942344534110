/* SPDX-License-Identifier: MIT */
/*
 * file.h - an open file description with its locks, as one process knows it
 *
 * Rules    [FLOCK1] kernel and list change together, under the mutex, and the list has its room
 *                   before the kernel is asked
 *          [FLOCK2] the mutex is not held while waiting
 *          [FLOCK3] ranges of the list do not overlap; neighbours of a kind are one
 *          [FLOCK4] a forked child touches neither mutex nor locks: `alive` reads 0
 */
#ifndef DUREI_LOCK_FILE_H
#define DUREI_LOCK_FILE_H

#include <pthread.h>
#include <stdbool.h>

#include <dure/file_lock.h>

#include "os/file.h"

struct dure_file {
	uint32_t magic;
	bool is_read_only;
	bool had_name;
	int fd;
	uint32_t *alive;		/* a page of its own: 1, or 0 in a forked child */
	struct durei_file_facts facts;	/* when it was opened */
	pthread_mutex_t mutex;		/* guards the list */
	struct durei_range *held;	/* what of the file we have locked */
	size_t held_count, held_room;
	char name[];			/* for sentences */
};

/* 0; -EINVAL (no dure_file), -ESTALE (a forked child) */
int durei_file_lock_check(const struct dure_file *file);

#endif
