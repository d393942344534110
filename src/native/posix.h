/* SPDX-License-Identifier: MIT */
/*
 * posix.h - what the three kinds of POSIX objects have in common, inside
 */
#ifndef DUREI_NATIVE_POSIX_H
#define DUREI_NATIVE_POSIX_H

#include <dure/posix.h>
#include <stdbool.h>

enum { DUREI_POSIX_PATH_BYTES = 280 };	/* "/dev/shm/sem." and 255 */

struct durei_posix_request {
	uint32_t kind;			/* enum dure_posix_kind */
	const char *name;
	uint32_t flags;			/* DURE_CREATE, DURE_OPEN, DURE_READ_ONLY */
	uint32_t mode;
	char path[DUREI_POSIX_PATH_BYTES];	/* of its file; queues have none */
	/* the kind's own calls; both return a descriptor */
	int (*open)(const struct durei_posix_request *request);
	int (*create)(const struct durei_posix_request *request);
	const void *context;
};

/* name, flags and mode (0 becomes 0600) are looked at, path is made; option_flags: PORTABLE */
int durei_posix_prepare(struct durei_posix_request *request, uint32_t option_flags);

/* DURE_CREATED or 0, and the descriptor; or what the kernel said, without a sentence */
int durei_posix_get(const struct durei_posix_request *request, int *ret_fd);

/* a nameless file gets bytes of storage and its mode; write fills it; then it gets its name */
int durei_posix_make_file(const struct durei_posix_request *request, uint64_t bytes, bool is_sparse,
			  const void *contents);

/* The sentence for a failed call on the object of that name. */
int durei_posix_error(const struct durei_posix_request *request, const char *verb, int code);
/* ... on /dev/shm: it is full */
int durei_posix_no_space(const char *what, uint64_t bytes);

#endif
