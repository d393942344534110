/* SPDX-License-Identifier: MIT */
/*
 * torture.h - what the tortured do, and how they are judged
 */
#ifndef TESTS_TORTURE_TORTURE_H
#define TESTS_TORTURE_TORTURE_H

#include <dure.h>
#include <stdbool.h>

#ifndef TORTURE_SEGMENT
#define TORTURE_SEGMENT "torture"
#endif

enum {
	ACCOUNTS = 32,
	ACCOUNT_START = 1000,
	LISTS = 16,
	NAMES = 64,
	MAP_KEYS = 500,
	COUNTERS = 8,
	BOOKS = 3,
	POOLS = 3,
	POOL_UNITS = 3,
	TRAYS = 3,
	TRAY_TOKENS = 4,
	PLACES = 64,
	PURSES = 6,
	COINS = 240,
	JARS = 200,
	JAR_START = 100,
	BOXES = 2,
	MARBLES = 90,
};

struct account {
	dure_mutex lock;
	uint64_t balance;
};

/* blocks linked by refs; each block knows its neighbour's content by its own number */
struct list {
	dure_mutex lock;
	dure_ref first;
	uint64_t length;
};

struct node {
	dure_ref next;
	uint64_t bytes;			/* of filling behind it */
	uint64_t filling;
};

/* two words changed under a lock, without a transaction: mended after a death */
struct counter {
	dure_mutex lock;
	uint64_t a, b;
};

/* two words read by many and changed by one; mended after a death */
struct book {
	dure_rwlock lock;
	uint64_t a, b;
};

struct root {
	struct account accounts[ACCOUNTS];
	struct list lists[LISTS];
	struct counter counters[COUNTERS];
	struct book books[BOOKS];
	dure_semaphore pools[POOLS];	/* POOL_UNITS each, when all are dead */
	/* trays with tokens, TRAYS * TRAY_TOKENS in all; and a 1 that one at a time has */
	_Alignas(8) unsigned char trays[DURE_SEMSET_BYTES(TRAYS + 1, PLACES)];
	uint64_t done[PLACES];		/* operations, per place of a worker */
	uint64_t longest_ns[PLACES];
};

struct torture {
	dure_segment *seg;
	struct root *root;
	dure_map *map;
	dure_vector *purses[PURSES];
	dure_string *history;
	dure_ordered *shelf;
	uint64_t shelf_blocks;		/* of a new one */
	dure_list *boxes[BOXES];
	dure_deque *tube;
	dure_priority *funnel;
	dure_bitmap *in_tube;		/* whose numbers are in it */
	uint64_t marble_blocks;		/* of boxes and tube, as they are filled */
	dure_ordered *guests, *numbers;
	dure_map *stays;
	uint64_t guests_blocks;		/* of these three, when they are new */
	dure_map *yard;
	dure_ordered *rail;
	dure_vector *siding;
	uint64_t wagons_blocks;		/* of these three and the wagons, as they are filled */
	uint64_t empty_blocks;		/* live when there is nothing but the fixed parts */
};

/* a token that is half another one is seen */
struct token {
	uint64_t number, three, five;
};

static inline struct token token(uint64_t number)
{
	return (struct token){ number, number * 3, number * 5 };
}

static inline bool is_token(const struct token *t, uint64_t count)
{
	return t->number < count && t->three == t->number * 3 && t->five == t->number * 5;
}

/* torture.c: what must be so, in a worker */
#define EXPECT(condition)                                                                         \
	do {                                                                                      \
		if (!(condition))                                                                 \
			torture_unexpected(#condition, __FILE__, __LINE__);                       \
	} while (0)

_Noreturn void torture_unexpected(const char *condition, const char *file, int line);

/* judge.c: -1, and the sentence on stderr */
int torture_wrong(const char *what, uint64_t is, uint64_t should_be);
/* the segment is clean; how many live blocks it has */
uint64_t torture_live_blocks(const struct torture *t);

/* a fresh segment with everything in it; exits with 99 when that fails */
void torture_begin(struct torture *t);
void torture_end(struct torture *t);

/* works until it is killed */
void torture_work(struct torture *t, unsigned place, uint64_t seed) __attribute__((noreturn));

/* all workers are dead: recovers, and looks at everything. 0, or -1 with the reason on stderr */
int torture_judge(struct torture *t);

/* containers.c: the same, for vectors and strings; lot decides what is done */
void torture_containers_begin(struct torture *t);
void torture_containers_end(struct torture *t);
void torture_containers_work(struct torture *t, uint64_t lot);
/* *count: of live blocks, grows by those of what changes its number of them */
int torture_containers_judge(struct torture *t, uint64_t *count);

/* marbles.c: the same, for lists, deques, bitmaps and priority queues */
void torture_marbles_begin(struct torture *t);
void torture_marbles_end(struct torture *t);
void torture_marbles_work(struct torture *t, uint64_t lot);
int torture_marbles_judge(struct torture *t, uint64_t *count);

/* guests.c: the same, for multimaps and sets */
void torture_guests_begin(struct torture *t);
void torture_guests_end(struct torture *t);
void torture_guests_work(struct torture *t, uint64_t lot);
int torture_guests_judge(struct torture *t, uint64_t *count);

/* wagons.c: the same, for containers that own containers */
void torture_wagons_begin(struct torture *t);
void torture_wagons_end(struct torture *t);
void torture_wagons_work(struct torture *t, uint64_t lot);
int torture_wagons_judge(struct torture *t, uint64_t *count);

uint64_t torture_progress(const struct torture *t);
uint64_t torture_longest_ns(const struct torture *t);

#endif
