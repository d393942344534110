/* SPDX-License-Identifier: MIT */
/*
 * demo.h - the parts of dure demo
 *
 * Worker processes count the words of real text in one shared map, while a killer SIGKILLs
 * them. A unit of work is a stretch of a file; it is claimed, counted and marked done in one
 * transaction, so a killed worker leaves it as it was. At the end every count must equal what
 * coreutils count.
 */
#ifndef TOOL_DEMO_H
#define TOOL_DEMO_H

#include <dure.h>
#include <stdbool.h>

enum { DEMO_UNIT_BYTES = 64 * 1024, DEMO_WAITS_MAX = 1 << 16 };

/* -- the text (demo_corpus.c) ------------------------------------------------------------ */

struct demo_corpus {
	char **paths;
	uint64_t *sizes;
	unsigned count, room;
	uint64_t total_bytes;
	uint64_t limit_bytes;		/* more is left out; 0: none */
};

/* names: files and directories (searched for text); NULL-terminated; empty: the default.
   0, or -1 after a complaint */
int demo_corpus_gather(struct demo_corpus *corpus, char **names);
void demo_corpus_free(struct demo_corpus *corpus);

/* -- what the processes share ------------------------------------------------------------ */

struct demo_unit {
	dure_mutex lock;		/* who has it works on the unit */
	uint64_t passes;		/* how often it has been counted; changed in transactions */
	uint64_t offset;
	uint32_t file;
	uint32_t bytes;
};

struct demo_board {
	uint64_t goal;			/* passes that every unit shall have; the supervisor's */
	uint64_t stops;			/* workers end when there is nothing to do */
	uint64_t hint;			/* where to look for work next */
	uint64_t last_kill_ns;		/* monotonic; the supervisor's */
	uint64_t wait_count;		/* waits of survivors for somebody killed */
	uint64_t waits_ns[DEMO_WAITS_MAX];
};

struct demo {
	dure_segment *segment;
	dure_map *words;
	struct demo_board *board;
	struct demo_unit *units;
	uint64_t unit_count;
	const struct demo_corpus *corpus;
};

/* -- a worker (demo_count.c) ------------------------------------------------------------- */

/* Works until board->stops; exits with 0, or with 1 after a complaint. */
void demo_work(struct demo *demo) __attribute__((noreturn));

/* -- the other count (demo_expect.c) ----------------------------------------------------- */

struct demo_verdict {
	uint64_t words;			/* all of them, as coreutils count */
	uint64_t distinct;
	uint64_t wrong;			/* distinct words whose count differs */
	char example[128];		/* one of those, and how */
};

/* Counts with coreutils, and compares every word; passes: how often we counted each. 0, -1 */
int demo_compare(struct demo *demo, uint64_t passes, struct demo_verdict *ret);

#endif
