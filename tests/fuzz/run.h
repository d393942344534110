/* SPDX-License-Identifier: MIT */
/*
 * run.h - one segment in use, and what is done with it
 */
#ifndef TESTS_FUZZ_RUN_H
#define TESTS_FUZZ_RUN_H

#include <dure.h>

#include "fuzz.h"

enum { HELD_MAX = 8, CALLS_MAX = 96, SEGMENT_BYTES_MAX = 1 << 20 };

/* these two: as make_images.c makes them */
struct places {
	dure_mutex locks[4];
	dure_ref refs[8];
	dure_rwlock rwlock;
	dure_semaphore semaphore;
};

struct node {
	dure_mutex lock;
	dure_ref next;
	dure_rel near;
	uint64_t value;
	char text[24];
};

/* elements of containers */
struct three {
	uint64_t words[3];
};

struct run {
	dure_segment *segment;
	struct places *places;		/* of the image, or NULL */
	dure_map *map, *wide;
	dure_tx *tx;
	void *held[HELD_MAX];		/* reserved blocks */
	unsigned char *base;
	size_t bytes;
	struct script script;
	uint64_t page_end;		/* of the page that was listed last, or 0 */
	volatile unsigned sink;
};

/* look.c: every call that reads; touches all the bytes it is given */
void read_all(struct run *run);
/* look.c: reads all the bytes */
void touch(struct run *run, const void *bytes, size_t count);
/* look.c: dure_segment_check, whose sums must agree with its result */
void check(struct run *run);
/* change.c: the script, call by call */
void play(struct run *run);

/* containers.c: all that are no hash maps; one of many changes of one of them */
void read_containers(struct run *run);
void change_containers(struct run *run, uint8_t call);

#endif
