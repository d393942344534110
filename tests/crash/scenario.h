/* SPDX-License-Identifier: MIT */
/*
 * scenario.h - one operation to be killed at every instruction, and how to judge what is left
 *
 * The victim runs prepare, then run; run is single-stepped. The judge looks at the segment as a
 * survivor finds it, and says whether the operation has happened. What it says must be the
 * same for all heirs, turn from BEFORE to AFTER once, and be AFTER when run has returned. Live
 * blocks must then be what they were before, or what they are after; no other number.
 */
#ifndef TESTS_CRASH_SCENARIO_H
#define TESTS_CRASH_SCENARIO_H

#include <dure.h>
#include <stdbool.h>

enum { WORDS = 64, REFS = 16, LOCKS = 4, SEQ_WORDS = 3, SEMSET_SEMAPHORES = 3, SEMSET_PROCESSES = 2 };

struct root {
	dure_mutex lock;
	dure_mutex locks[LOCKS];
	dure_rwlock rwlock;
	dure_semaphore semaphore;
	dure_condition condition;
	dure_event event;
	dure_latch latch;
	dure_once once;
	dure_barrier barrier;
	dure_spinlock spinlock;
	dure_seqlock seqlock;
	uint64_t copies[2][SEQ_WORDS];	/* behind the seqlock: its own */
	_Alignas(8) unsigned char semset[DURE_SEMSET_BYTES(SEMSET_SEMAPHORES, SEMSET_PROCESSES)];
	dure_ref refs[REFS];
	uint64_t words[WORDS];
};

struct world {
	dure_segment *seg;
	struct root *root;
	void *blocks[REFS];		/* the victim's private notes from prepare to run */
	dure_tx *tx;
	const char *name;		/* of the segment */
};

enum verdict {
	BEFORE,
	AFTER,
	WRONG,
	EITHER,				/* nothing to be seen: only the general checks count */
};

struct scenario {
	const char *name;
	const char *functions;		/* the public functions it steps through */
	void (*prepare)(struct world *w);
	void (*run)(struct world *w);
	enum verdict (*judge)(struct world *w);
	unsigned flags;
};

enum {
	NO_PEER = 2,			/* a peer cannot work beside it (it takes the whole heap) */
	UNCOUNTED = 4,			/* leaves other numbers of live blocks than two */
	SEEN_AT_ONCE = 8,		/* who looks beside the dead sees all of it or nothing */
	GUARDED = 16,			/* so does who has got locks[0] after the dead one */
	TOLD = 32,			/* and is told of the death; without it no death spoils it */
};

/* those of one room: scenarios/ROOM.c */
struct scenarios {
	const struct scenario *list;
	unsigned count;
};

extern const struct scenarios block_scenarios, object_scenarios, transaction_scenarios,
	board_scenarios,
	container_scenarios,
	bitmap_scenarios,
	deque_scenarios,
	lanes_scenarios,
	list_scenarios,
	lock_scenarios,
	map_scenarios,
	message_scenarios,
	ordered_scenarios,
	owner_scenarios,
	priority_scenarios,
	ring_scenarios,
	segment_scenarios,
	semset_scenarios,
	service_scenarios,
	shared_lock_scenarios,
	signal_scenarios,
	topic_scenarios;

/* NULL: there are no more, no such one */
const struct scenario *scenario_at(unsigned index);
const struct scenario *scenario_named(const char *name);

/* stops with a sentence when an operation of the set-up fails */
void must(int result, const char *what);

struct dure_segment_options small_segment(void);

/* what the segment's name begins with: never a real segment of anybody */
#ifndef CRASH_SEGMENT
#define CRASH_SEGMENT "crash-matrix"
#endif

#endif
