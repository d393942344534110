/* SPDX-License-Identifier: MIT */
/*
 * heir.h - what heirs find in a crash state: a copy of a segment's bytes as a dead process left it
 *
 * possess takes it for itself, as who opens a segment that nobody alive has; work_beside attaches
 * beside the unrecovered dead, works there, and only then recovers them; look_beside_heir comes
 * while an heir is at it. Each adds to run->tally.failures what should not be there, and says it.
 */
#ifndef TESTS_CRASH_HEIR_H
#define TESTS_CRASH_HEIR_H

#include "scenario.h"

enum { IMAGE_BYTES = 1 << 20 };

struct image {
	unsigned char *bytes;		/* IMAGE_BYTES of them */
	size_t used;			/* the file's length */
};

struct tally {
	unsigned long instructions, states, possessed, peers, doubles, failures;
};

struct verdicts {
	enum verdict verdict;
	uint64_t live;			/* blocks */
};

struct run {
	const struct scenario *scenario;
	struct tally tally;
	const char *victim;
	unsigned long double_stride;	/* every so many states; 0: none */
	bool until_failure;		/* one is enough */
	const char *stage;		/* for messages */
	struct verdicts first, last;
	bool has_first, was_after;
};

/* of this run alone: several settings may be tried at the same time */
extern char segment_name[sizeof CRASH_SEGMENT + 16];

/* the test itself broke: says why, exits with 99 */
void die(const char *what);
void fail(struct run *run, const char *text);

/* bytes of zeros, of nobody else */
void *pages(size_t bytes);

/* a memory file with these bytes; the caller closes it */
int memory_file(const struct image *image);

/* recovers twice, and judges; false: it did not come to a verdict, which is a failure */
bool possess(struct run *run, const struct image *image, struct verdicts *ret);

void work_beside(struct run *run, const struct image *image, struct verdicts expected,
		 const char *stage);

/* fd: of the file in which the heir is stopped; image: its bytes */
void look_beside_heir(struct run *run, int fd, const struct image *image,
		      struct verdicts expected);

#endif
